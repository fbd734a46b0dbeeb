"""The Python client: bytes against clients/golden, behaviour against a real pointsmand."""

import base64
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import unittest

SOURCE = os.environ["POINTSMAN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "clients", "python"))
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))

import pointsman  # noqa: E402
from pointsman import wire  # noqa: E402
from daemon import Daemon  # noqa: E402

def plain(fields, message):
    """A message of frames.json: bytes are base64 there."""
    out = {}
    for name, kind in fields.values():
        if name not in message:
            continue
        value = message[name]
        if kind == "bytes":
            value = base64.b64decode(value)
        elif isinstance(kind, tuple) and kind[0] == "one":
            value = plain(kind[1], value)
        elif isinstance(kind, tuple):
            value = [plain(kind[1], item) for item in value]
        out[name] = value
    return out


def without_defaults(fields, message):
    out = {}
    for name, kind in fields.values():
        value = message[name]
        if isinstance(kind, tuple) and kind[0] == "one" and value is not None:
            out[name] = without_defaults(kind[1], value)
        elif isinstance(kind, tuple) and kind[0] == "many" and value:
            out[name] = [without_defaults(kind[1], item) for item in value]
        elif kind == "double?" and value is not None or value:
            out[name] = value
    return out


class GoldenFrames(unittest.TestCase):
    def test_every_message_is_these_bytes_and_these_bytes_are_the_message(self):
        with open(os.path.join(SOURCE, "clients", "golden", "frames.json")) as file:
            vectors = json.load(file)
        self.assertGreaterEqual(len(vectors), 15)
        for vector in vectors:
            with self.subTest(vector["message"], correlation=vector["correlation"]):
                kind, fields, reply = wire.REQUESTS[vector["message"]]
                if vector["reply"]:
                    kind, fields = kind + 128, reply
                message = plain(fields, vector["fields"])
                frame = bytes.fromhex(vector["hex"])
                made = wire.frame(kind, vector["correlation"], wire.encode(fields, message))
                self.assertEqual(made.hex(), frame.hex())
                read = wire.decode(fields, frame[16:])
                if vector["message"] == "Route" and not vector["reply"] and "embedding" in message:
                    message["embedding"] = [struct.unpack("<f", struct.pack("<f", x))[0] for x in message["embedding"]]
                self.assertEqual(without_defaults(fields, read), message)

    def test_broken_bytes_are_an_error_and_never_a_message(self):
        for data in (b"\x0a\x20abc", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x0b", b"\x20", b"\x08" + b"\xff" * 11):
            with self.assertRaises(ValueError):
                wire.decode(wire.ROUTE_REPLY, data)

    def test_unknown_fields_are_passed_over(self):
        extra = b"\xf8\x07\x05" + b"\xfd\x07abcd" + b"\xf9\x07" + b"12345678" + b"\xfa\x07\x02hi"
        self.assertEqual(wire.decode(wire.ACK, b"\x10\x07" + extra)["sequence"], 7)


class WithDaemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.close()

    def setUp(self):
        self.router = pointsman.Client(self.daemon.path, timeout=30)
        self.addCleanup(self.router.close)

    def test_a_decision_its_outcome_and_all_kinds_of_feedback(self):
        decision = self.router.route("What is 2 + 2?", preset="quality", explain=3)
        self.assertIn(decision.model, ("small", "large"))
        self.assertEqual(len(decision.ranked), 2)
        self.assertEqual((decision.model, decision.token_raw), (decision.reply["model"], decision.reply["token"]))
        self.assertEqual(pointsman.token_text(pointsman.token_bytes(decision.token)), decision.token)
        self.assertEqual(self.router.outcome(decision, tokens_out=12, latency_ms=3).durability, "synced")
        self.assertFalse(self.router.rate(decision, 1, source="thumbs", subject="alice").duplicate)
        self.assertTrue(self.router.rate(decision.token, 1, source="thumbs", subject="alice").duplicate)
        self.assertGreater(self.router.gold(decision, 0.5).sequence, 0)
        other = self.router.route("What is 2 + 2?")
        self.assertGreater(self.router.prefer(decision, other, source="thumbs").sequence, 0)
        self.assertGreater(self.router.retract(decision, source="thumbs", subject="alice").sequence, 0)
        vote = self.router.vote(decision, ["B", ("b)", "large"), "C"], kind="letter")
        self.assertEqual(vote["groups"][0]["answers"], [0, 1])
        self.assertEqual(self.router.status()["models"], 2)
        self.assertEqual(self.router.ping(b"hello"), b"hello")

    def test_a_batch_answers_each_query_for_itself(self):
        answers = self.router.route_batch(["one", "", "three"])
        self.assertIn(answers[0].model, ("small", "large"))
        self.assertEqual(answers[1].reason, "empty_query")
        self.assertTrue(answers[2].token)

    def test_nonsense_is_refused_with_a_code_and_a_reason_and_the_connection_lives(self):
        for wrong, reason in (
            (lambda: self.router.route(), "empty_query"),
            (lambda: self.router.route("x", preset="best"), None),
            (lambda: self.router.route("x", allowed=["nobody"]), None),
            (lambda: self.router.route("x", quality_floor=7), "quality_floor"),
            (lambda: self.router.rate(b"\1" * 32, 1, source="thumbs"), "forged_or_foreign"),
            (lambda: self.router.rate(b"short", 1, source="thumbs"), "malformed_token"),
            (lambda: self.router.rate(self.router.route("x"), 2, source="thumbs"), "value"),
            (lambda: self.router.rate(self.router.route("x"), 1, source="tarot"), "unknown_source"),
        ):
            with self.assertRaises(pointsman.PointsmanError) as caught:
                wrong()
            self.assertIn(caught.exception.code, pointsman.CODES[2:])
            if reason is not None:
                self.assertEqual(caught.exception.reason, reason)
        with self.assertRaises(ValueError):
            self.router.rate("d1_nonsense", 1, source="thumbs")
        with self.assertRaises(KeyError):
            self.router.outcome(self.router.route("x"), verdict="sublime")
        self.assertEqual(self.router.ping(b"still"), b"still")

    def test_the_decorator_routes_reports_and_lets_errors_through(self):
        seen = []

        @self.router.routed(preset="balanced")
        def answer(question, decision):
            seen.append(decision)
            if question == "fail":
                raise RuntimeError("the model failed")
            return {"text": "four", "usage": {"prompt_tokens": 3, "completion_tokens": 5}}

        before = self.router.status()["outcomes"]
        self.assertEqual(answer("What is 2 + 2?")["text"], "four")
        with self.assertRaises(RuntimeError):
            answer("fail")
        self.assertEqual(len(seen), 2)
        self.assertEqual(self.router.status()["outcomes"], before + 2)

    def test_a_restart_of_the_daemon_is_not_noticed(self):
        first = self.router.route("before")
        self.daemon.stop()
        self.daemon.start()
        self.assertTrue(self.router.route("after").token)
        self.assertEqual(self.router.rate(first, 1, source="thumbs").durability, "synced")

    def test_without_a_daemon_the_fallback_answers_and_feedback_on_it_is_dropped(self):
        nobody = self.daemon.folder.name + "/nobody.sock"
        with self.assertRaises(pointsman.Unavailable) as caught:
            pointsman.Client(nobody).route("x")
        self.assertEqual(caught.exception.reason, "not_reachable")
        stand_in = pointsman.Client(nobody, fallback="small")
        decision = stand_in.route("x")
        self.assertEqual((decision.model, decision.forced, decision.token), ("small", True, b""))
        self.assertIsNone(stand_in.rate(decision, 1, source="thumbs"))

    def test_a_daemon_that_says_nothing_is_a_timeout(self):
        path = self.daemon.folder.name + "/silent.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(path)
            server.listen()
            with self.assertRaises(pointsman.Unavailable) as caught:
                pointsman.Client(path, timeout=0.05).route("x")
        self.assertEqual(caught.exception.reason, "timeout")

    def test_an_answer_that_is_no_frame_is_an_error(self):
        path = self.daemon.folder.name + "/strange.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(path)
            server.listen()

            def answer():
                connection, _ = server.accept()
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

            thread = threading.Thread(target=answer)
            thread.start()
            with self.assertRaises(pointsman.PointsmanError) as caught:
                pointsman.Client(path, timeout=30).route("x")
            thread.join()
        self.assertEqual(caught.exception.reason, "bad_reply")

    def test_the_examples_run(self):
        environment = dict(os.environ, PYTHONPATH=os.path.join(SOURCE, "clients", "python"))
        for name in ("openai_style.py", "plain_http.py"):
            done = subprocess.run(
                [sys.executable, os.path.join(SOURCE, "clients", "python", "examples", name), self.daemon.path],
                env=environment, capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, "says")


if __name__ == "__main__":
    unittest.main(verbosity=1)
