"""The HTTP interface of a real daemon against the OpenAPI document that it serves."""

import json
import os
import re
import subprocess
import sys
import unittest

SOURCE = os.environ["POINTSMAN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))

from daemon import BIN, Daemon  # noqa: E402

TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}


def has_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def fault(document, schema, value, place):
    """What is wrong with `value`, or nothing."""
    if "$ref" in schema:
        return fault(document, document["components"]["schemas"][schema["$ref"].split("/")[-1]], value, place)
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(has_type(value, name) for name in types):
        return "%s is %.60r, not %s" % (place, value, types)
    if "enum" in schema and value not in schema["enum"]:
        return "%s is %r" % (place, value)
    if isinstance(value, list):
        return next(filter(None, (fault(document, schema.get("items", {}), v, "%s[%d]" % (place, i)) for i, v in enumerate(value))), "")
    if isinstance(value, dict) and "properties" in schema:
        for name in schema["required"]:
            if name not in value:
                return "%s lacks %s" % (place, name)
        for name, inner in value.items():
            if name not in schema["properties"]:
                if schema["additionalProperties"] is False:
                    return "%s has the unknown field %s" % (place, name)
                continue
            wrong = fault(document, schema["properties"][name], inner, place + "." + name)
            if wrong:
                return wrong
    return ""


class Document(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()
        folder = cls.daemon.folder.name
        cls.table = os.path.join(SOURCE, "packaging", "examples", "answers.jsonl.gz")
        for words in (["models", "add", "coder", "--input-price", "1", "--output-price", "2"],
                      ["bootstrap", "run", "--table", cls.table, "--wait"], ["bootstrap", "run", "--table", cls.table, "--seed", "2", "--wait"]):
            subprocess.run([BIN + "/pointsman", "--admin-socket", folder + "/a.sock", *words], check=True, capture_output=True, timeout=280)
        cls.document = cls.daemon.get("/v1/openapi.json")
        cls.rows = cls.daemon.get("/v1/help")["routes"]

    @classmethod
    def tearDownClass(cls):
        cls.daemon.close()

    def ask(self, method, path, body=None, headers="", name="a.sock"):
        status, head, rest = self.daemon.http(method, path, body, name=name, headers=headers)
        return status, head, json.loads(rest) if "json" in head else rest

    def settled(self):
        """The status once all that was acknowledged is learnt."""
        while True:
            status = self.daemon.get("/status")
            if status["commit_waiting"] == 0 and status["last_sequence"] == status["learned_sequence"]:
                return status

    def fits(self, method, path, row, status, value):
        good = self.document["paths"][path][method.lower()]["responses"].get(str(status))
        self.assertIsNotNone(good, "%s %s answers %d, which the document does not name: %s" % (method, path, status, value))
        if "content" in good:
            schema = good["content"]["application/json"]["schema"]
            self.assertEqual(fault(self.document, schema, value, row), "", row)

    def route(self):
        return self.ask("POST", "/v1/route", {"text": "Write a python function that sorts words"})[2]

    def test_what_a_service_and_an_administrator_do_is_as_the_document_says(self):
        one, two = self.route(), self.route()
        explain = self.ask("GET", "/v1/explain/" + one["token"])[2]
        price = {"input_usd_per_million": 1, "output_usd_per_million": 2}
        probes = [{"query": "Write a python function number %d" % n, "score": 0.5} for n in range(150)]
        asked = [
            ("POST", "/v1/route", {"messages": [{"role": "user", "content": "hi"}], "allowed": ["small"], "explain": 3}),
            ("POST", "/v1/route/batch", {"routes": [{"text": "a"}, {"text": ""}]}),
            ("POST", "/v1/outcome", {"token": one["token"], "tokens_out": 9, "verdict": "too_weak"}),
            ("POST", "/v1/feedback", {"token": one["token"], "source": "thumbs", "stars": 4, "subject": "al"}),
            ("POST", "/v1/feedback", {"inference_id": two["token"], "metric_name": "thumbs", "value": True, "tags": {"a": "b"}}),
            ("POST", "/v1/feedback", {"winner": one["token"], "loser": two["token"], "source": "judge"}),
            ("POST", "/v1/retract", {"token": one["token"], "source": "thumbs", "subject": "al", "revision": 1}),
            ("POST", "/v1/vote", {"token": one["token"], "answers": [{"text": "A"}, {"text": "a"}]}),
            ("POST", "/v1/gold", {"decision": explain["decision"], "value": 1}),
            ("POST", "/v1/models", dict(price, name="later")),
            ("POST", "/v1/models/{name}/price", price), ("POST", "/v1/models/{name}/probes", {"probes": probes}),
            ("POST", "/v1/models/{name}/state", {"state": "draining"}),
            ("POST", "/v1/generations/activate", {"target": 1}), ("POST", "/v1/generations/rollback", {}),
            ("POST", "/v1/learning", {"frozen": True}), ("POST", "/v1/undo", {}), ("POST", "/v1/compact", {}),
            ("POST", "/v1/rollout", {"mode": "canary", "share": 0.5, "incumbent": "large"}), ("POST", "/v1/rollout", {"mode": "full"}),
            ("POST", "/v1/refit", {"dry_run": True}), ("POST", "/v1/subjects/exclude", {"subject": "al", "tenant": str(os.getuid())}),
            ("POST", "/v1/subjects/include", {"subject": "al", "tenant": str(os.getuid())}),
            ("POST", "/v1/bootstrap", {"table_path": self.table, "activate": False})]
        for row in self.rows:
            if row["method"] == "GET" and row["path"] not in ("/", "/ui/{file}", "/metrics"):
                asked.append(("GET", row["path"], None))
        for method, path, body in asked:
            target = path
            for name, value in (("{name}", "later" if body else "small"), ("{n}", "1"), ("{decision}", one["token"]), ("{target}", "1"), ("{from..to}", "1..2")):
                target = target.replace(name, value)
            if body is not None:
                taken = self.document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
                self.assertEqual(fault(self.document, taken, body, "request"), "", path)
            status, _, value = self.ask(method, target, body)
            self.fits(method, path, "%s %s" % (method, target), status, value)
        covered = {(method, path) for method, path, _ in asked}
        left = {(row["method"], row["path"]) for row in self.rows} - covered
        # They need a plan, a job that runs, 200 labels; or answer no JSON.
        self.assertEqual(left, {("GET", "/"), ("GET", "/ui/{file}"), ("GET", "/metrics"), ("POST", "/v1/bootstrap/plan"),
                                ("POST", "/v1/bootstrap/cancel"), ("POST", "/v1/whatif")})

    def test_no_get_changes_anything(self):
        token = self.route()["token"]
        self.assertEqual(self.ask("GET", "/v1/explain/" + token)[0], 200, "at once")
        before = self.settled()
        for row in self.rows:
            if row["method"] != "GET":
                continue
            self.assertFalse(row["mutates"])
            path = re.sub(r"\{decision\}", token, row["path"])
            path = path.replace("{name}", "small").replace("{n}", "1").replace("{target}", "1").replace("{from..to}", "1..2").replace("{file}", "app.js")
            status, _, _ = self.daemon.http("GET", path)
            self.assertEqual(status, 200, path)
            self.assertEqual(self.daemon.http("HEAD", path)[2], b"", path)
        after = self.settled()
        for name in ("last_sequence", "state_hash", "decisions", "generation"):
            self.assertEqual(before[name], after[name], name)

    def test_nonsense_is_a_problem_document_with_the_right_status_everywhere(self):
        before = self.settled()["last_sequence"]
        problem = {"$ref": "#/components/schemas/Problem"}
        for row in self.rows:
            path = re.sub(r"\{[^}]*\}", "no such thing".replace(" ", "%20"), row["path"])
            for method, body, headers, statuses in (
                    ("PUT", b"{}", "", (405,)), ("POST", b"{", "", (400, 404, 405)), ("POST", b"[1]", "", (400, 404, 405)),
                    ("POST", b'{"nonsense":1}', "", (400, 404, 405)), ("POST", b'{"a":1,"a":2}', "", (400, 404, 405)),
                    ("POST", b'{"text":"\xff"}', "", (400, 404, 405)), ("POST", b"{}", "Idempotency-Key: a b\r\n", (400, 404, 405, 412)),
                    ("POST", b"{}" + b" " * (2 << 20), "", (413, 405))):
                if row["method"] == "GET" and method == "POST" and any(
                        other["method"] == "POST" and other["path"] == row["path"] for other in self.rows):
                    continue
                status, head, value = self.ask(method, path, body, headers)
                what = "%s %s %.20r: %s %s" % (method, path, body, status, value)
                self.assertIn(status, statuses, what)
                self.assertIn("application/problem+json", head, what)
                self.assertEqual(fault(self.document, problem, value, "problem"), "", what)
                self.assertEqual(value["status"], status, what)
                self.assertEqual((value["type"], value["title"]), ("about:blank", {
                    400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 412: "Precondition Failed",
                    413: "Content Too Large"}[status]), what)
                self.assertTrue(value["reason"] and len(value["detail"]) > 10, what)
                if status == 405:
                    self.assertRegex(head, "(?m)^Allow: ", what)
        self.assertEqual(self.settled()["last_sequence"], before)

    def test_what_changes_is_refused_on_the_socket_of_services(self):
        for row in self.rows:
            if row["socket"] == "admin":
                path = re.sub(r"\{[^}]*\}", "1", row["path"])
                status, _, value = self.ask(row["method"], path, {} if row["method"] == "POST" else None, name="h.sock")
                self.assertEqual((status, value["reason"]), (403, "admin_socket_only"), path)

    def test_a_repetition_with_its_key_is_answered_alike_and_happens_once(self):
        key = "Idempotency-Key: order-4711\r\n"
        self.ask("GET", "/v1/explain/" + self.route()["token"])
        before = self.settled()["decisions"]
        first = self.ask("POST", "/v1/route", {"text": "once"}, key)
        again = self.ask("POST", "/v1/route", {"text": "once"}, key)
        self.assertEqual(first[2], again[2])
        self.assertIn("Idempotency-Replayed: true", again[1])
        self.assertEqual(self.ask("POST", "/v1/route", {"text": "other"}, key)[0], 409)
        self.ask("GET", "/v1/explain/" + first[2]["token"])
        self.assertEqual(self.settled()["decisions"], before + 1)


if __name__ == "__main__":
    unittest.main(verbosity=1)
