"""The commands of the documents run, against a real daemon.

A document is one shell session: its ```sh blocks in their order, with set -e. Blocks
marked "sh root" belong to packaging/check.sh and are only parsed here. ```python
blocks run as programs, ```toml blocks must be a valid configuration.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

SOURCE = os.environ["POINTSMAN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))

from daemon import BIN, Daemon  # noqa: E402


def blocks(name):
    with open(os.path.join(SOURCE, name)) as file:
        return re.findall(r"^```(\w+)( root)?\n(.*?)^```$", file.read(), re.S | re.M)


class Documents(unittest.TestCase):
    def run_document(self, name, models=True):
        daemon = Daemon(models=models)
        self.addCleanup(daemon.close)
        folder = daemon.folder.name
        for link, target in (("route.sock", "r.sock"), ("api.sock", "h.sock"), ("admin.sock", "a.sock"),
                             ("pointsman.toml", "c.toml")):
            os.symlink(target, folder + "/" + link)
        environment = dict(os.environ, PATH=BIN + ":" + os.environ["PATH"], POINTSMAN_SOCKET=folder + "/r.sock",
                           POINTSMAN_ADMIN_SOCKET=folder + "/a.sock",
                           PYTHONPATH=os.path.join(SOURCE, "clients", "python"), PYTHONDONTWRITEBYTECODE="1")
        script = ["set -e"]
        found = blocks(name)
        self.assertTrue(found, name)
        for number, (language, root, text) in enumerate(found):
            text = text.replace("/run/pointsman/", folder + "/")
            text = text.replace("/usr/share/pointsman/examples", os.path.join(SOURCE, "packaging", "examples"))
            if root:
                subprocess.run(["bash", "-n"], input=text, text=True, check=True)
            elif language == "sh":
                script.append(text)
            elif language == "python":
                path = "%s/block%d.py" % (folder, number)
                with open(path, "w") as file:
                    file.write(text)
                script.append("python3 " + path)
            elif language == "toml":
                path = "%s/block%d.toml" % (folder, number)
                with open(path, "w") as file:
                    file.write(text)
                script.append("pointsman config check " + path)
        done = subprocess.run(["bash", "-x"], input="\n".join(script), text=True, cwd=folder, env=environment,
                              capture_output=True, timeout=280)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-4000:])
        return daemon

    def test_the_page_on_http_and_curl(self):
        daemon = self.run_document("docs/HTTP.md")
        status = daemon.get("/status")
        self.assertGreaterEqual(status["decisions"], 5)
        self.assertEqual(status["preferences"], 1)

    def test_the_tutorial(self):
        daemon = self.run_document("docs/TUTORIAL.md", models=False)
        status = daemon.get("/status")
        self.assertEqual(status["generation"], 1)
        self.assertGreaterEqual(status["outcomes"], 41)

    def test_the_readme(self):
        daemon = self.run_document("README.md", models=False)
        status = daemon.get("/status")
        self.assertEqual(status["generation"], 1)
        self.assertEqual(status["rollout"]["mode"], "canary")
        self.assertGreaterEqual(status["outcomes"], 2)

    def test_every_command_that_a_document_shows_has_its_verb_and_options(self):
        """Also those that no test can run: they need root, an endpoint, hours."""
        pages = {}

        def page(*words):
            if words not in pages:
                done = subprocess.run([BIN + "/pointsman", *words, "--help"], capture_output=True, text=True, timeout=60)
                pages[words] = done.stdout if done.returncode == 0 else ""
            return pages[words]

        looked = 0
        names = ["README.md"] + sorted("docs/" + n for n in os.listdir(os.path.join(SOURCE, "docs")) if n.endswith(".md"))
        for name in names:
            with open(os.path.join(SOURCE, name)) as file:
                text = file.read()
            shown = re.findall(r"(?m)^(?:    )?(?:sudo )?(pointsman [a-z][^#\n|>]*)", text)
            shown += re.findall(r"`(pointsman [a-z][^`]*)`", text)
            for command in shown:
                words = command.split()[1:]
                verb = [words[0]]
                family = page(*verb)
                self.assertTrue(family, "%s: %s" % (name, command))
                if len(words) > 1 and re.search(r"(?m)^  %s {2,}" % re.escape(words[1].strip(",;.")), family):
                    verb.append(words[1].strip(",;."))
                for option in re.findall(r"(?<!\S)(--[a-z-]+)", command):
                    self.assertRegex(page(*verb) + page(), r"(?<![\w-])%s(?![\w-])" % option, "%s: %s" % (name, command))
                looked += 1
        self.assertGreater(looked, 60)

    def test_the_how_tos(self):
        self.run_document("docs/HOWTO.md")

    def test_the_page_of_the_python_client(self):
        self.assertEqual(self.run_document("clients/python/README.md").get("/status")["ratings"], 1)

    def test_the_operations_page(self):
        """Line by line, with a stand-in for systemctl that knows one daemon."""
        session = Operations()
        self.addCleanup(session.close)
        session.prepare()
        with open(os.path.join(SOURCE, "docs", "OPERATIONS.md")) as file:
            lines = re.findall(r"(?m)^    (\S.*)$", file.read())
        self.assertGreater(len(lines), 40)
        for line in lines:
            command = re.sub(r"\s+#.*", "", line).strip()
            if command.startswith(Operations.ELSEWHERE):
                continue
            expected = next((code for start, code in Operations.EXITS.items() if command.startswith(start)), 0)
            done = session.run(command)
            self.assertEqual(done.returncode, expected, "%s\n%s%s" % (command, done.stdout[-800:], done.stderr[-800:]))
        self.assertEqual(session.daemon.get("/status")["generation"], 3)

    def test_every_link_between_documents_leads_somewhere(self):
        names = ["README.md"] + ["docs/" + name for name in os.listdir(os.path.join(SOURCE, "docs")) if name.endswith(".md")]
        for name in names:
            with open(os.path.join(SOURCE, name)) as file:
                text = file.read()
            for target in re.findall(r"\]\(([^)#]+)\)", text):
                if not target.startswith("http"):
                    path = os.path.join(SOURCE, os.path.dirname(name), target)
                    self.assertTrue(os.path.exists(path), "%s links to %s" % (name, target))


class Operations:
    """A daemon with a day behind it, and the words of a shell on its machine."""

    # Need an endpoint or hours: end_to_end/bootstrap/plan_test.cc, tests/crash, ./dev itself.
    ELSEWHERE = ("./dev", "LLM_KEY=", "pointsman bootstrap run --plan", "cp /usr/share/pointsman/examples/bootstrap.toml",
                 "pointsman bootstrap plan", "pointsman dashboard")
    # What the page says of them: a store is there already; too few labels; no job runs; rows differ.
    EXITS = {"pointsman restore": 1, "pointsman whatif": 1, "pointsman bootstrap cancel": 1,
             "pointsman state diff --store A --from": 1}

    def __init__(self):
        self.daemon = Daemon()
        self.folder = self.daemon.folder.name
        self.running = True

    def close(self):
        if not self.running:
            self.daemon.start()
        self.daemon.close()

    def pointsman(self, *words):
        return subprocess.run([BIN + "/pointsman", *words], cwd=self.folder, capture_output=True, text=True, timeout=280,
                              env=dict(os.environ, POINTSMAN_SOCKET=self.folder + "/r.sock",
                                       POINTSMAN_ADMIN_SOCKET=self.folder + "/a.sock"))

    def prepare(self):
        table = os.path.join(SOURCE, "packaging", "examples", "answers.jsonl.gz")
        shutil.copy(table, self.folder + "/outcomes.jsonl.gz")
        os.mkdir(self.folder + "/backup")
        self.pointsman("bootstrap", "run", "--table", "outcomes.jsonl.gz", "--seed", "7", "--wait").check_returncode()
        sys.path.insert(0, os.path.join(SOURCE, "clients", "python"))
        import pointsman
        with pointsman.Client(self.daemon.path, timeout=60) as router:
            for n in range(600):
                decision = router.route("question %d" % n, tenant="shop")
                router.rate(decision, n % 3 > 0, source="thumbs", subject="alice" if n % 9 == 0 else "user %d" % n)
        self.pointsman("models", "price", "small", "--input-price", "0.2", "--output-price", "0.4").check_returncode()

    def run(self, command):
        if command.startswith("systemctl"):
            return self.systemctl(command.split()[1])
        words = command.replace("...", "'what is a prime?'").replace("/var/lib/pointsman-repaired", self.folder + "/repaired")
        words = words.replace("/var/lib/pointsman", self.folder + "/store").replace("/backup", self.folder + "/backup")
        words = words.replace("/etc/pointsman/pointsman.toml", self.folder + "/c.toml")
        # Placeholders of the page: stores that nobody has open.
        words = re.sub(r"(?<=--store )(DIR|A)\b|(?<=--other )B\b", self.folder + "/aside", words)
        if words.startswith("pointsman bootstrap run"):
            words += " --wait"
        if words.startswith("pointsman") and "--store" not in words:
            self.systemctl("start")
        # It says what is done with a store while the daemon is down, so it is put down.
        at_rest = "--store" in words and "/aside" not in words and self.running
        if at_rest:
            self.systemctl("stop")
        environment = dict(os.environ, PATH=BIN + ":" + os.environ["PATH"], POINTSMAN_SOCKET=self.folder + "/r.sock",
                           POINTSMAN_ADMIN_SOCKET=self.folder + "/a.sock")
        done = subprocess.run(["bash", "-c", words], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=280)
        if at_rest:
            self.systemctl("start")
        return done

    def systemctl(self, verb):
        if verb == "stop" and self.running:
            self.daemon.stop()
            self.running = False
            shutil.rmtree(self.folder + "/aside", ignore_errors=True)
            shutil.copytree(self.folder + "/store", self.folder + "/aside")
        elif verb == "start" and not self.running:
            self.daemon.start()
            self.running = True
        elif verb == "reload":
            self.daemon.process.send_signal(signal.SIGHUP)
        return subprocess.CompletedProcess(verb, 0, "", "")


class Claims(unittest.TestCase):
    """Every "yes" of the README's comparison and every "met" of WISHES.md names a test that exists."""

    def test_each_named_test_exists(self):
        every = ""
        for folder, _, files in os.walk(os.path.join(SOURCE, "tests")):
            for file in files:
                if file.endswith((".cc", ".py", ".h")):
                    with open(os.path.join(folder, file)) as text:
                        every += text.read()
        for name in ("README.md", "docs/WISHES.md"):
            with open(os.path.join(SOURCE, name)) as file:
                text = file.read()
            for claimed in re.findall(r"`test:([A-Za-z0-9_.]+)`", text):
                last = claimed.split(".")[-1]
                self.assertRegex(every, r"\b%s\b" % last, "%s names the test %s" % (name, claimed))


if __name__ == "__main__":
    unittest.main(verbosity=1)
