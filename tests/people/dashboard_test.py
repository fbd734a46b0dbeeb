"""The dashboard in headless Chromium: real daemon, real bridge, real clicks.

POINTSMAN_SHOTS=FOLDER keeps a screenshot of each page, light and dark.
"""

import json
import os
import random
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

SOURCE = os.environ["POINTSMAN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "clients", "python"))
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))

import pointsman  # noqa: E402
from browser import PROGRAM, Browser  # noqa: E402
from daemon import BIN, Daemon  # noqa: E402

TOPICS = ("algebra equations polynomial roots", "python function loop bug", "roman history emperor senate",
          "contract law court appeal", "recipe oven butter flour")
SKILL = {"small": (0.4, 0.9, 0.5, 0.3, 0.8), "large": (0.9, 0.6, 0.9, 0.9, 0.85)}


def fill(daemon, draw, decisions):
    """A generation from a table, and traffic with ratings and gold."""
    path = daemon.folder.name + "/table.jsonl"
    with open(path, "w") as table:
        for i in range(300):
            topic = i % len(TOPICS)
            words = TOPICS[topic].split()
            models = {name: {"score": float(draw.random() < skill[topic]), "answer": "A", "tokens_out": 100}
                      for name, skill in SKILL.items()}
            table.write(json.dumps({"id": "q%d" % i, "query": "question about %s with %s" % (
                " ".join(draw.sample(words, 3)), draw.choice(words)), "task": "t%d" % topic, "models": models}) + "\n")
    subprocess.run([BIN + "/pointsman", "--admin-socket", daemon.folder.name + "/a.sock", "bootstrap", "run", "--table",
                    path, "--labels", "scores", "--wait"], check=True, capture_output=True, timeout=240)
    token = None
    with pointsman.Client(daemon.path, timeout=60) as router:
        for _ in range(decisions):
            topic = min(len(TOPICS) - 1, int(draw.expovariate(0.5)))
            decision = router.route("question about " + TOPICS[topic])
            right = draw.random() < SKILL[decision.model][topic]
            router.outcome(decision, tokens_out=draw.randint(50, 400), latency_ms=draw.uniform(100, 2000))
            if draw.random() < 0.5:
                router.rate(decision, float(draw.random() < (0.9 if right else 0.4)), source="thumbs")
            if decision.gold_wanted and draw.random() < 0.3:
                router.gold(decision, float(right))
            token = decision.token
    return token


@unittest.skipIf(PROGRAM is None, "no Chromium on this machine: apt-get install chromium")
class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()
        cls.token = fill(cls.daemon, random.Random(7), 560)
        subprocess.run([BIN + "/pointsman", "--admin-socket", cls.daemon.folder.name + "/a.sock", "rollout", "apprentice",
                        "--share", "0.5", "--incumbent", "large"], check=True, capture_output=True, timeout=60)
        with pointsman.Client(cls.daemon.path, timeout=60) as router:
            for _ in range(10):
                cls.observed = router.route("question about " + TOPICS[1], observed="large").token
            cls.followed = sum(router.route("question about " + TOPICS[0]).followed for _ in range(40))
        cls.bridge = subprocess.Popen([BIN + "/pointsman", "--admin-socket", cls.daemon.folder.name + "/a.sock",
                                       "dashboard"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.link = cls.bridge.stdout.readline().strip()
        cls.home = cls.link.split("/open")[0]
        cls.browser = Browser()
        cls.browser.open(cls.link)
        assert cls.browser.wait("document.querySelector('.figure') !== null"), cls.browser.complaints()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.bridge.terminate()
        cls.bridge.wait(30)
        cls.bridge.stdout.close()
        cls.daemon.close()

    def setUp(self):
        self.browser.events.clear()
        self.browser.js("document.querySelectorAll('.toast').forEach((note) => note.remove())")
        # A bug that every test would share.
        self.addCleanup(lambda: self.assertEqual(self.browser.complaints(), [] if not self.away else self.browser.complaints()))
        self.away = False

    def page(self, name, shows):
        self.browser.js("location.hash = '#/%s'" % name)
        self.assertTrue(self.browser.wait(
            "document.querySelector('nav a[aria-current]').hash === '#/%s' && document.querySelector(%s) !== null"
            % (name.split("/")[0], json.dumps("main " + shows))), name)

    def shoot(self, name):
        folder = os.environ.get("POINTSMAN_SHOTS")
        if folder:
            for theme in ("light", "dark"):
                self.browser.js("document.documentElement.dataset.theme = '%s'" % theme)
                self.browser.shot("%s/%s-%s.png" % (folder, name, theme))
            self.browser.js("delete document.documentElement.dataset.theme")

    def text(self, selector="main"):
        return self.browser.js("document.querySelector(%s).innerText" % json.dumps(selector))

    def test_the_link_works_once_and_nothing_opens_without_its_cookie(self):
        for address in (self.link, self.home + "/", self.home + "/status", self.home + "/open?key=00"):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(address)
            self.assertEqual(refused.exception.code, 403)
            refused.exception.close()

    def test_another_page_can_change_nothing(self):
        cookie = [c for c in self.browser.call("Network.getCookies", urls=[self.home])["cookies"]][0]
        self.assertTrue(cookie["httpOnly"])
        self.assertEqual(cookie["sameSite"], "Strict")
        for headers, status in (({"Origin": "http://evil.example"}, 403), ({}, 403), ({"Origin": self.home, "Host": "evil.example"}, 403),
                                ({"Origin": self.home}, 200)):
            request = urllib.request.Request(self.home + "/v1/learning", b'{"frozen":false}', dict(
                headers, Cookie="pointsman=" + cookie["value"], **{"Content-Type": "application/json"}))
            try:
                with urllib.request.urlopen(request) as answer:
                    got = answer.status
            except urllib.error.HTTPError as refused:
                got = refused.code
                refused.close()
            self.assertEqual(got, status, headers)

    def test_the_overview_shows_traffic_savings_and_bias(self):
        self.page("overview", ".share")
        self.assertRegex(self.text(), "610")
        self.assertRegex(self.text("#observed"), r"In 10 decisions the callers chose\. The router would have played the same in \d+ %")
        self.assertRegex(self.text(), r"Against the dearest\s+\d+ % less")
        self.assertRegex(self.text(), "rates by")
        self.assertRegex(self.text("#rollout"), "apprentice")
        self.assertRegex(self.text("#rollout"), r"incumbent\s+%d\b" % self.followed)
        self.assertRegex(self.text("#rollout"), "next look at 200 gold labels")
        self.shoot("overview")

    def test_a_click_on_a_circle_shows_its_cells(self):
        self.page("map", "circle.cluster")
        number = self.browser.js("[...document.querySelectorAll('circle.cluster')].at(-1).dataset.cluster")
        self.browser.js("document.querySelector('circle[data-cluster=\"%s\"]').dispatchEvent(new MouseEvent('click'))" % number)
        self.assertTrue(self.browser.wait("document.querySelector('#cell-panel h2').innerText.startsWith('%s.')" % number))
        self.assertRegex(self.text("#cell-panel"), "prior .* evidence: gold")
        # The same by keyboard alone.
        other = self.browser.js("document.querySelector('circle.cluster').dataset.cluster")
        self.browser.js("document.querySelector('circle.cluster').focus()")
        for kind in ("keyDown", "keyUp"):
            self.browser.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13)
        self.assertTrue(self.browser.wait("document.querySelector('#cell-panel h2').innerText.startsWith('%s.')" % other))
        self.shoot("map")

    def test_a_price_is_changed_and_undone(self):
        price = lambda: [m for m in self.daemon.get("/v1/models")["models"] if m["name"] == "small"][0]["price"]
        before = price()
        self.page("models", "tbody tr")
        self.shoot("models")
        self.browser.js("[...document.querySelectorAll('tbody tr')].find(r => r.innerText.includes('small')).querySelector('button').click()")
        self.assertTrue(self.browser.wait("document.getElementById('dialog').open"))
        self.browser.js("document.querySelector('#dialog input[name=input]').value = '0.3'; document.getElementById('dialog-ok').click()")
        self.assertTrue(self.browser.wait("document.querySelector('.toast') !== null"))
        self.assertEqual(price()["input_usd_per_million"], 0.3)
        self.browser.key("u")
        self.assertTrue(self.browser.wait("document.getElementById('dialog').open"))
        self.browser.js("document.getElementById('dialog-ok').click()")
        self.assertTrue(self.browser.wait("document.querySelector('.toast').innerText.startsWith('Undone')"))
        self.assertEqual(price(), before)

    def test_a_gold_label_is_given_by_keys(self):
        before = self.daemon.get("/status")["gold"]
        self.page("gold", ".scale")
        self.shoot("gold")
        self.browser.key("g")
        self.assertTrue(self.browser.wait("!document.getElementById('gold-send').disabled"))
        self.browser.js("document.getElementById('gold-send').click()")
        self.assertTrue(self.browser.wait("document.querySelector('.toast') !== null && document.querySelector('.toast').innerText.startsWith('Stored')"))
        self.assertEqual(self.daemon.get("/status")["gold"], before + 1)

    def test_generations_and_the_job_are_there(self):
        self.page("generations", "tbody tr")
        self.assertRegex(self.text(), r"1 live")
        self.assertRegex(self.text(), "done")
        subprocess.run([BIN + "/pointsman", "--admin-socket", self.daemon.folder.name + "/a.sock", "bootstrap", "run",
                        "--table", self.daemon.folder.name + "/table.jsonl", "--labels", "scores", "--clusters", "6",
                        "--wait"], check=True, capture_output=True, timeout=240)
        self.browser.key("r")
        self.assertTrue(self.browser.wait("document.querySelectorAll('main tr.pick').length === 2"))
        # The older one against the live one.
        self.browser.js("[...document.querySelectorAll('main tr.pick')].at(-1).click()")
        self.assertTrue(self.browser.wait("document.querySelector('main').innerText.includes('What differs')"))
        self.assertRegex(self.text(), "Generation 1 against 2")
        self.assertRegex(self.text(), r"clusters (merged|moved|gone|same)")
        self.shoot("generations")
        self.browser.js("document.getElementById('rollback').click()")
        self.assertTrue(self.browser.wait("document.getElementById('dialog').open"))
        self.browser.js("document.getElementById('dialog-ok').click()")
        self.assertTrue(self.browser.wait("document.querySelectorAll('main tr.pick').length === 3"))
        generations = self.daemon.get("/v1/generations")["generations"]
        self.assertEqual(generations[-1]["bundle"], generations[0]["bundle"])

    def test_a_decision_is_explained_and_nonsense_is_refused(self):
        self.page("explain", "#explain-input")
        self.browser.js("document.getElementById('explain-input').value = %s; document.getElementById('explain-ask').click()" % json.dumps(self.token))
        self.assertTrue(self.browser.wait("document.querySelector('#explain-result table') !== null"))
        self.assertRegex(self.text(), "drawn with probability")
        self.browser.js("document.getElementById('explain-input').value = %s; document.getElementById('explain-ask').click()" % json.dumps(self.observed))
        self.assertTrue(self.browser.wait("document.querySelector('#explain-result').innerText.includes('only observed')"))
        self.shoot("explain")
        self.browser.js("document.getElementById('explain-input').value = 'nonsense'; document.getElementById('explain-ask').click()")
        self.assertTrue(self.browser.wait("document.querySelector('#explain-result .bad') !== null"))
        self.browser.events.clear()  # the console notes the refusal

    def test_every_page_is_reached_and_used_by_keys_alone(self):
        self.page("explain", "#explain-input")
        self.browser.js("document.getElementById('explain-input').focus()")
        for key in ("3", "Escape", "3"):  # typed, left, followed
            for kind in ("keyDown", "keyUp"):
                self.browser.call("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" and len(key) == 1 else "")
        self.assertTrue(self.browser.wait("location.hash === '#/models'"))
        # Tab reaches everything that can be pressed, in order, and where it is can be seen.
        for name, shows in (("overview", ".share"), ("map", "circle.cluster"), ("models", "tbody tr"), ("gold", ".scale"),
                            ("generations", "tbody tr"), ("explain", "#explain-input")):
            self.page(name, shows)
            wanted = self.browser.js("[...document.querySelectorAll('a, button, input, circle.cluster')].filter(e => !e.disabled && e.closest('dialog') === null).length")
            # Pages are drawn anew every few seconds, which here would be other elements.
            self.browser.js("Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
                            "document.activeElement.blur(); window.seen = new Set()")
            for _ in range(wanted + 3):
                for kind in ("rawKeyDown", "keyUp"):
                    self.browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
                self.browser.js("window.seen.add(document.activeElement)")
            reached = self.browser.js("[...document.querySelectorAll('a, button, input, circle.cluster')].filter(e => window.seen.has(e)).length")
            self.browser.js("delete document.hidden")
            self.assertEqual(reached, wanted, name)
        # ... and stays where it was when they are.
        self.page("models", "tbody tr")
        self.browser.js("window.old = [...document.querySelectorAll('tbody button')].at(-1); window.old.focus()")
        self.browser.js("document.dispatchEvent(new Event('refresh'))")
        self.assertTrue(self.browser.wait("!window.old.isConnected"))
        self.assertTrue(self.browser.js("document.activeElement === [...document.querySelectorAll('tbody button')].at(-1)"))

    def test_keys_change_pages_and_theme(self):
        self.page("overview", ".share")
        self.browser.key("3")
        self.assertTrue(self.browser.wait("location.hash === '#/models'"))
        self.browser.key("t")
        first = self.browser.js("document.documentElement.dataset.theme")
        self.browser.key("t")
        self.assertNotEqual(first, self.browser.js("document.documentElement.dataset.theme"))
        self.browser.js("delete document.documentElement.dataset.theme; localStorage.clear()")

    def test_the_page_outlives_a_restart_of_the_daemon(self):
        self.away = True
        self.page("overview", ".share")
        self.daemon.stop()
        self.browser.key("r")
        self.assertTrue(self.browser.wait("!document.getElementById('banner').hidden"))
        self.assertRegex(self.text(), "Who answers")
        self.shoot("away")
        self.daemon.start()
        self.assertTrue(self.browser.wait("document.getElementById('banner').hidden"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
