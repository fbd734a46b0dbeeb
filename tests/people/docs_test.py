"""The commands of the documents run, against a real daemon.

A document is one shell session: its ```sh blocks in their order, with set -e. Blocks
marked "sh root" belong to packaging/check.sh and are only parsed here. ```python
blocks run as programs, ```toml blocks must be a valid configuration.
"""

import os
import re
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

    def test_every_link_between_documents_leads_somewhere(self):
        names = ["README.md"] + ["docs/" + name for name in os.listdir(os.path.join(SOURCE, "docs")) if name.endswith(".md")]
        for name in names:
            with open(os.path.join(SOURCE, name)) as file:
                text = file.read()
            for target in re.findall(r"\]\(([^)#]+)\)", text):
                if not target.startswith("http"):
                    path = os.path.join(SOURCE, os.path.dirname(name), target)
                    self.assertTrue(os.path.exists(path), "%s links to %s" % (name, target))


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
