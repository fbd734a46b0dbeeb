#!/usr/bin/env python3
"""Beside a plain HTTP service: a request handler that routes, calls and reports.

    python3 plain_http.py [SOCKET]      answers one request of its own, then ends

POST / with a question as the body; the answer's headers carry the model and the
token, POST /thumb with {"token", "up"} passes a user's opinion on.
"""

import http.server
import json
import sys
import threading
import time
import urllib.request

import pointsman

SOCKET = sys.argv[1] if len(sys.argv) > 1 else None
local = threading.local()  # one connection a thread


def router():
    if not hasattr(local, "client"):
        local.client = pointsman.Client(SOCKET, fallback="small")
    return local.client


def call_model(model, question):  # your own HTTP call to the model's endpoint
    return "An answer by %s to a question of %d letters." % (model, len(question)), 9


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path == "/thumb":
            opinion = json.loads(body)
            router().rate(opinion["token"], 1 if opinion["up"] else 0, source="thumbs")
            return self.reply("thank you")
        decision = router().route(body)
        start = time.perf_counter()
        text, tokens = call_model(decision.model, body)
        router().outcome(decision, tokens_out=tokens, latency_ms=(time.perf_counter() - start) * 1e3)
        self.reply(text, decision)

    def reply(self, text, decision=None):
        self.send_response(200)
        if decision is not None:
            self.send_header("X-Model", decision.model)
            self.send_header("X-Decision", decision.token)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
home = "http://127.0.0.1:%d" % server.server_port
with urllib.request.urlopen(home, b"How many primes are there below 100?") as answer:
    print(answer.headers["X-Model"], "says:", answer.read().decode())
    thumb = json.dumps({"token": answer.headers["X-Decision"], "up": True}).encode()
with urllib.request.urlopen(home + "/thumb", thumb) as answer:
    print(answer.read().decode())
server.shutdown()
