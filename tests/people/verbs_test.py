"""One grammar for every verb: found by walking --help, so that a new verb is held to it."""

import json
import os
import re
import subprocess
import sys
import unittest

SOURCE = os.environ["POINTSMAN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))

from daemon import BIN, Daemon  # noqa: E402


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=280, **options)


def walk(*words):
    """(words, help page) of every verb, families included."""
    page = run(BIN + "/pointsman", *words, "--help").stdout
    found = [(words, page)] if words else []
    for name in re.findall(r"(?m)^  ([a-z]+) {2,}[A-Z]", page.split("Options:")[-1]):
        found += walk(*words, name)
    return found


class Grammar(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pages = walk()
        cls.verbs = [(words, page) for words, page in cls.pages if "Example:" in page]
        # What may run without arguments and reaches nobody else.
        cls.daemon = Daemon()
        folder = cls.daemon.folder.name
        cls.environment = dict(os.environ, POINTSMAN_SOCKET=folder + "/r.sock", POINTSMAN_ADMIN_SOCKET=folder + "/a.sock")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.close()

    def pointsman(self, *words, **more):
        return run(BIN + "/pointsman", *words, env=dict(self.environment, **more))

    def one_object(self, done, words):
        """Exactly one JSON object on stdout, and nothing beside it."""
        self.assertEqual(done.stdout.count("\n"), 1, "%s: %r" % (words, done.stdout[:300]))
        value = json.loads(done.stdout)
        self.assertIsInstance(value, dict, words)
        return value

    def test_every_verb_has_an_example_that_names_it_and_json(self):
        names = {" ".join(words) for words, _ in self.verbs}
        self.assertGreater(len(names), 55)
        for name in ("vote", "top", "gold next", "gold give", "rollout apprentice", "models probe", "refit", "exclude", "include", "undo",
                     "whatif", "simulate", "config show", "bootstrap report", "state diff", "forget", "doctor", "manual"):
            self.assertIn(name, names)
        for words, page in self.verbs:
            example = page.split("Example:\n")[1]
            self.assertIn("pointsman " + " ".join(words), example)
            self.assertRegex(page, r"(?m)^  --json ", words)
        for words, page in self.pages:
            if "Example:" not in page:
                self.assertIn("SUBCOMMAND", page, "%s is neither a verb with an example nor a family" % (words,))

    def test_wrong_usage_is_two_with_a_message_and_with_json_one_error_object(self):
        for words, _ in self.verbs:
            plain = self.pointsman(*words, "--no-such-option")
            self.assertEqual((plain.returncode, plain.stdout), (2, ""), words)
            self.assertRegex(plain.stderr, r"^pointsman: .*\(usage\)\n.*--help", words)
            done = self.pointsman(*words, "--no-such-option", "--json")
            self.assertEqual(done.returncode, 2, words)
            self.assertTrue(done.stderr, words)
            error = self.one_object(done, words)["error"]
            self.assertEqual((error["code"], error["reason"], error["retry"]), ("INVALID_ARGUMENT", "usage", "never"))
            self.assertTrue(error["detail"])

    def test_without_a_daemon_every_client_and_operator_verb_is_sixty_nine(self):
        token, decision = "d1_" + "a" * 52, "0" * 32
        asked = [["route", "hello"], ["outcome", token], ["rate", token, "1", "--source", "thumbs"], ["gold", token, "1"],
                 ["prefer", token, token, "--source", "thumbs"], ["retract", token, "--source", "thumbs"],
                 ["vote", token, "A", "B"], ["ping"], ["status"], ["top"], ["dashboard"], ["models", "list"],
                 ["models", "show", "small"], ["models", "tree"], ["models", "drain", "small"], ["clusters", "list"],
                 ["generations", "list"], ["generations", "diff", "1", "2"], ["generations", "rollback"],
                 ["bootstrap", "status"], ["bootstrap", "run", "--table", "x.jsonl"], ["gold", "next"],
                 ["gold", "give", decision, "1"], ["explain", token], ["refit", "--dry-run"], ["rollout", "show"],
                 ["rollout", "full"], ["freeze"], ["resume"], ["undo"],
                 ["exclude", "--subject", "alice", "--tenant", "shop"], ["include", "--subject", "alice", "--tenant", "shop"]]
        for words in asked:
            done = self.pointsman(*words, "--json", POINTSMAN_SOCKET="/nowhere/r.sock", POINTSMAN_ADMIN_SOCKET="/nowhere/a.sock")
            self.assertEqual(done.returncode, 69, "%s: %s" % (words, done.stderr))
            self.assertRegex(done.stderr, r"^pointsman: ", words)
            self.assertEqual(self.one_object(done, words)["error"]["retry"], "after_backoff")

    def test_with_a_daemon_json_is_one_object_and_nothing_on_stderr(self):
        decision = self.one_object(self.pointsman("route", "hello", "--json"), "route")
        other = self.one_object(self.pointsman("route", "hello again", "--json"), "route")
        token = decision["token"]
        config = self.daemon.folder.name + "/c.toml"
        for words in (["outcome", token, "--tokens-out", "5"], ["rate", token, "1", "--source", "thumbs", "--subject", "al", "--tenant", ""],
                      ["gold", token, "1"], ["prefer", token, other["token"], "--source", "judge"],
                      ["retract", token, "--source", "thumbs", "--subject", "al", "--revision", "1"],
                      ["vote", token, "A", "a", "B"], ["ping"], ["status"], ["top"], ["models", "list"], ["models", "tree"],
                      ["models", "show", "small"], ["models", "add", "third", "--input-price", "1", "--output-price", "2"],
                      ["models", "price", "third", "--input-price", "2", "--output-price", "2"], ["models", "drain", "third"],
                      ["models", "activate", "third"], ["models", "retire", "third"], ["clusters", "list"], ["clusters", "show", "0"],
                      ["generations", "list"], ["bootstrap", "status"], ["gold", "next"], ["explain", token], ["rollout", "show"],
                      ["rollout", "canary", "--share", "0.5", "--incumbent", "large"], ["rollout", "full"], ["undo"],
                      ["freeze"], ["resume"], ["config", "check", config], ["config", "show", config], ["doctor", "--config", config],
                      ["completion", "bash"], ["manual"]):
            done = self.pointsman(*words, "--json")
            self.assertEqual((done.returncode, done.stderr), (0, ""), "%s: %s" % (words, done.stdout))
            self.one_object(done, words)

    def test_no_verb_colours_where_it_is_told_not_to(self):
        """On a terminal of its own, with NO_COLOR and without."""
        def on_a_terminal(**more):
            return run("script", "-qec", BIN + "/pointsman models list", "/dev/null", env=dict(self.environment, **more)).stdout
        self.assertIn("\x1b[", on_a_terminal(NO_COLOR=""))
        self.assertNotIn("\x1b[", on_a_terminal(NO_COLOR="1"))

    def test_completions_know_every_verb_with_each_of_its_options(self):
        scripts = {shell: run(BIN + "/pointsman", "completion", shell).stdout for shell in ("bash", "zsh", "fish")}
        looked = 0
        for words, page in self.pages:
            at = " ".join(words)
            options = re.findall(r"(?m)^  (?:-\w,)?--([a-z-]+)", page)
            here = {
                "bash": re.search(r"(?m)^    '%s'\) words='(.*)' ;;$" % at, scripts["bash"]).group(1).split(),
                "zsh": re.findall(r"'--([a-z-]+):", re.search(r"(?ms)^    '%s'\)\n.*?;;$" % at, scripts["zsh"]).group(0)),
                "fish": re.findall(r"__pointsman_at '%s'\" -l ([a-z-]+)" % at, scripts["fish"]),
            }
            for option in options:
                self.assertIn("--" + option, here["bash"], at)
                self.assertIn(option, here["zsh"], at)
                self.assertIn(option, here["fish"], at)
                looked += 1
        self.assertGreater(looked, 200)


if __name__ == "__main__":
    unittest.main(verbosity=1)
