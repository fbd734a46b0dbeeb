"""A real pointsmand for tests in Python."""

import json
import os
import signal
import socket
import subprocess
import tempfile

BIN = os.environ["POINTSMAN_BIN"]

CONFIG = """
[store]
directory = "{0}/store"
[sockets]
route = "{0}/r.sock"
api = "{0}/h.sock"
admin = "{0}/a.sock"
[learning]
sources = ["thumbs", "judge"]
"""
MODELS = """
[[models]]
name = "small"
input_usd_per_million = 0.1
output_usd_per_million = 0.4
[[models]]
name = "large"
input_usd_per_million = 2
output_usd_per_million = 8
"""


class Daemon:
    """A pointsmand of its own in a short temporary folder."""

    def __init__(self, more="", models=True):
        self.folder = tempfile.TemporaryDirectory(prefix="pmpy")
        self.path = self.folder.name + "/r.sock"
        with open(self.folder.name + "/c.toml", "w") as config:
            config.write(CONFIG.format(self.folder.name) + (MODELS if models else "") + more)
        self.start()

    def start(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = self.folder.name + "/n.sock"
        if os.path.exists(name):
            os.unlink(name)
        notify.bind(name)
        notify.settimeout(60)
        environment = dict(os.environ, NOTIFY_SOCKET=name)
        with open(self.folder.name + "/log", "a") as log:
            self.process = subprocess.Popen(
                [BIN + "/pointsmand", "--config", self.folder.name + "/c.toml"], stderr=log, env=environment)
        while b"READY=1" not in notify.recv(4096):
            pass
        notify.close()

    def http(self, method, path, body=None, name="a.sock", headers=""):
        """(status, headers, body) of one request on the admin socket, or another."""
        data = b"" if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(60)
            stream.connect(self.folder.name + "/" + name)
            length = "Content-Type: application/json\r\nContent-Length: %d\r\n" % len(data) if method != "GET" else ""
            stream.sendall(("%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n" % (method, path, length, headers)).encode() + data)
            answer = b""
            while piece := stream.recv(65536):
                answer += piece
        head, _, rest = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode(), rest

    def get(self, path):
        return json.loads(self.http("GET", path)[2])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def close(self):
        self.stop()
        self.folder.cleanup()
