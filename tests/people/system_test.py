"""Where the daemon meets its surroundings: systemd, Prometheus, shells, manual pages."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ["POINTSMAN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "clients", "python"))
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))

import pointsman  # noqa: E402
from daemon import BIN, Daemon  # noqa: E402

SYSTEMD = os.path.join(SOURCE, "systemd")


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=120, **options)


class SocketActivation(unittest.TestCase):
    """Started as systemd starts it: sockets as descriptors from 3 on, named."""

    def start(self, daemon, names, count=None):
        sockets = []
        for name in names:
            listening = socket.socket(socket.AF_INET if name == "http" else socket.AF_UNIX, socket.SOCK_STREAM)
            listening.bind(("127.0.0.1", 0) if name == "http" else daemon.folder.name + "/" + name + ".act")
            listening.listen(8)
            sockets.append(listening)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(daemon.folder.name + "/act.notify")
        notify.settimeout(60)
        moves = " ".join("%d<&%d" % (3 + i, s.fileno()) for i, s in enumerate(sockets))
        for s in sockets:
            os.set_inheritable(s.fileno(), True)
        script = "exec %s; export LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s; exec %s/pointsmand --config %s/c.toml" % (
            moves, len(names) if count is None else count, ":".join(names), BIN, daemon.folder.name)
        process = subprocess.Popen(["bash", "-c", script], pass_fds=[s.fileno() for s in sockets],
                                   env=dict(os.environ, NOTIFY_SOCKET=daemon.folder.name + "/act.notify"),
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (process.kill(), process.wait(), process.stderr.close(), notify.close(),
                                 [s.close() for s in sockets]))
        return process, notify, sockets

    def high(self, sockets_wanted):
        """Occupies low descriptors, so that the listening ones lie above."""
        keep = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
        self.addCleanup(lambda: [os.close(fd) for fd in keep])
        return sockets_wanted

    def test_requests_wait_in_the_sockets_and_are_answered_through_them(self):
        daemon = Daemon(more="")
        daemon.stop()
        self.addCleanup(daemon.folder.cleanup)
        with open(daemon.folder.name + "/token", "w") as file:
            file.write("0123456789abcdef0123456789abcdef\n")
        os.chmod(daemon.folder.name + "/token", 0o600)
        with open(daemon.folder.name + "/c.toml", "a") as config:
            config.write('[http]\ntoken_file = "%s/token"\n' % daemon.folder.name)
        process, notify, sockets = self.start(daemon, self.high(["route", "api", "admin", "http"]))
        while b"READY=1" not in notify.recv(4096):
            pass
        with pointsman.Client(daemon.folder.name + "/route.act", timeout=60) as router:
            self.assertIn(router.route("hello").model, ("small", "large"))
        self.assertEqual(daemon.http("GET", "/ready", name="api.act")[0], 200)
        self.assertEqual(daemon.http("GET", "/v1/gold/next", name="admin.act")[0], 200)
        with socket.create_connection(sockets[3].getsockname()) as stream:
            stream.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n"
                           b"Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n\r\n")
            self.assertIn(b"200 OK", stream.recv(4096))
        process.terminate()
        self.assertEqual(process.wait(60), 0)
        # Theirs, so still there.
        self.assertTrue(os.path.exists(daemon.folder.name + "/route.act"))

    def test_sockets_with_unknown_names_are_refused_with_a_hint(self):
        daemon = Daemon()
        daemon.stop()
        self.addCleanup(daemon.folder.cleanup)
        process, _, _ = self.start(daemon, self.high(["root"]))
        self.assertEqual(process.wait(60), 78)
        self.assertIn("FileDescriptorName must be route, api, admin or http", process.stderr.read())


class Reload(unittest.TestCase):
    def test_it_says_what_changed_and_what_needs_a_restart(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        with open(daemon.folder.name + "/c.toml", "a") as config:
            config.write("[budget]\nusd_per_request = 0.5\n[limits]\nconnections = 99\n")
        daemon.process.send_signal(signal.SIGHUP)
        log = ""
        follow = ["timeout", "60", "tail", "-n", "+1", "-f", daemon.folder.name + "/log"]
        with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as tail:
            for line in tail.stdout:
                log += line
                if "limits has changed" in line:
                    break
            tail.terminate()
        self.assertRegex(log, r"changed: budget.usd_per_request: 0.0 -> 0.5")
        self.assertRegex(log, r"changed: limits.connections: 1024 -> 99")
        self.assertRegex(log, r"limits has changed; it needs a restart")


class Learning(unittest.TestCase):
    def test_ratings_change_who_answers(self):
        """Two models of one price of which nothing is known; users like one of them better."""
        price = "input_usd_per_million = 1\noutput_usd_per_million = 1\n"
        for liked in ("one", "two"):
            daemon = Daemon(models=False, more='[[models]]\nname = "one"\n%s[[models]]\nname = "two"\n%s' % (price, price))
            self.addCleanup(daemon.close)
            draw = random.Random(3)
            with pointsman.Client(daemon.path, timeout=60) as router:
                for n in range(300):
                    decision = router.route("question %d" % n)
                    happy = draw.random() < (0.9 if decision.model == liked else 0.2)
                    router.rate(decision, float(happy), source="thumbs", subject="user %d" % n)
                played = [router.route("another question", no_explore=True).model for _ in range(20)]
            self.assertEqual(played, [liked] * 20)


class Metrics(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.close)

    def scrape(self):
        status, headers, body = self.daemon.http("GET", "/metrics", name="h.sock")
        self.assertEqual(status, 200)
        self.assertIn("text/plain; version=0.0.4", headers)
        return body.decode()

    def test_every_series_is_there_before_anything_happened_and_moves_when_it_does(self):
        text = self.scrape()
        for line in ('pointsman_ratings_total{source="thumbs"} 0', "pointsman_decisions_total 0",
                     'pointsman_feedback_lost_total{reason="late"} 0', 'pointsman_drift_alarms_total{of="model"} 0',
                     'pointsman_refused_total{code="NOT_FOUND"} 0', 'pointsman_last_feedback_timestamp_seconds{kind="gold"} 0',
                     "pointsman_route_seconds_count 0", 'pointsman_model_decisions_total{model="small",epoch="1"} 0'):
            self.assertIn(line, text)
        with pointsman.Client(self.daemon.path, timeout=60) as router:
            decision = router.route("hello")
            router.rate(decision, 1, source="thumbs")
            with self.assertRaises(pointsman.PointsmanError):
                router.rate(b"\1" + bytes(31), 1, source="thumbs")
        text = self.scrape()
        self.assertIn('pointsman_feedback_lost_total{reason="unattributed"} 1', text)
        self.assertIn("pointsman_route_seconds_count 1", text)
        self.assertRegex(text, r'pointsman_last_feedback_timestamp_seconds\{kind="rating"\} 1\.?\d*e?\+?\d')

    @unittest.skipIf(shutil.which("promtool") is None, "no promtool on this machine: apt-get install prometheus")
    def test_promtool_finds_no_fault_in_metrics_and_rules(self):
        done = run("promtool", "check", "metrics", input=self.scrape())
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        rules = run("promtool", "check", "rules", os.path.join(SOURCE, "packaging", "alerts.rules.yml"))
        self.assertEqual(rules.returncode, 0, rules.stdout + rules.stderr)

    def test_rules_and_board_ask_only_for_series_that_exist(self):
        known = set(re.findall(r"^# TYPE (\S+)", self.scrape(), re.M))
        known |= {name + suffix for name in set(known) for suffix in ("_bucket", "_sum", "_count")}
        with open(os.path.join(SOURCE, "packaging", "alerts.rules.yml")) as file:
            asked = set(re.findall(r"\bpointsman_\w+", "\n".join(line for line in file if "expr:" in line)))
        with open(os.path.join(SOURCE, "packaging", "grafana.json")) as file:
            board = json.load(file)
        for panel in board["panels"]:
            for target in panel["targets"]:
                asked |= set(re.findall(r"\bpointsman_\w+", target["expr"]))
        self.assertEqual(asked - known, set())
        self.assertGreater(len(asked), 20)


@unittest.skipIf(shutil.which("systemd-analyze") is None, "no systemd-analyze on this machine")
class Units(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="pmun")
        self.addCleanup(self.folder.cleanup)
        for name in os.listdir(SYSTEMD):
            if name.endswith(".socket"):
                shutil.copy(os.path.join(SYSTEMD, name), self.folder.name)
        with open(os.path.join(SYSTEMD, "pointsmand.service.in")) as file:
            text = file.read().replace("@CMAKE_INSTALL_FULL_SBINDIR@", BIN)
        with open(self.folder.name + "/pointsmand.service", "w") as file:
            file.write(text)
        self.units = sorted(self.folder.name + "/" + name for name in os.listdir(self.folder.name))

    def test_systemd_finds_no_fault_in_them(self):
        self.assertEqual(len(self.units), 5)
        done = run("systemd-analyze", "verify", "--man=no", *self.units)
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "pointsman" in line]
        self.assertEqual((done.returncode, ours), (0, []))

    def test_a_restart_of_the_service_leaves_the_sockets_alone(self):
        for unit in self.units:
            with open(unit) as file:
                text = file.read()
            # PartOf would stop them with it, and requests would fail instead of waiting.
            self.assertNotRegex(text, r"(?m)^(PartOf|BindsTo)=")

    def test_the_daemons_exposure_is_at_most_a_half(self):
        done = run("systemd-analyze", "security", "--offline=true", "--threshold=5", "--no-pager",
                   self.folder.name + "/pointsmand.service")
        self.assertEqual(done.returncode, 0, done.stdout[-300:])
        level = float(re.search(r"exposure level for pointsmand.service: ([\d.]+)", done.stdout).group(1))
        self.assertLessEqual(level, 0.5)


class Shells(unittest.TestCase):
    def script(self, shell):
        done = run(BIN + "/pointsman", "completion", shell)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def bash(self, line):
        """What bash offers at the end of `line`."""
        words = line.split(" ")
        program = self.script("bash") + 'COMP_WORDS=(%s); COMP_CWORD=%d; _pointsman; printf "%%s\\n" "${COMPREPLY[@]}"' % (
            " ".join("'%s'" % word for word in words), len(words) - 1)
        done = run("bash", "-c", program)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_completes_verbs_their_verbs_and_options(self):
        self.assertEqual(self.bash("pointsman dash"), ["dashboard"])
        self.assertIn("price", self.bash("pointsman models "))
        self.assertEqual(self.bash("pointsman models ad"), ["add"])
        self.assertIn("--preset", self.bash("pointsman route --p"))
        self.assertIn("--json", self.bash("pointsman --socket x status --"))

    def test_every_shell_can_read_its_script(self):
        for shell, words in (("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
            with self.subTest(shell):
                if shutil.which(shell) is None:
                    self.skipTest("no %s on this machine" % shell)
                with tempfile.NamedTemporaryFile("w", suffix="." + shell) as file:
                    file.write(self.script(shell))
                    file.flush()
                    done = run(*words, file.name)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipIf(shutil.which("fish") is None, "no fish on this machine: ./dev tools")
    def test_fish_completes_by_verb_and_past_options(self):
        def offered(line):
            done = run("fish", "--no-config", "-c", self.script("fish") + "complete -C'%s'" % line)
            return [word.split("\t")[0] for word in done.stdout.splitlines()]
        self.assertEqual(offered("pointsman models a"), ["activate", "add"])
        self.assertEqual(offered("pointsman --socket x route --pre"), ["--preset"])
        self.assertEqual(offered("pointsman gold n"), ["next"])

    def verbs(self, *words):
        """Every verb below `words`, families by their verbs, as --help lists them."""
        page = run(BIN + "/pointsman", *words, "--help").stdout
        found = []
        for name in re.findall(r"(?m)^  ([a-z]+) {2,}", page):
            below = self.verbs(*words, name) if not words else []
            found += below or [" ".join((*words, name))]
        return found

    def test_completions_and_manual_cover_every_verb(self):
        verbs = self.verbs()
        self.assertGreater(len(verbs), 45)
        self.assertIn("rollout apprentice", verbs)
        manual = run(BIN + "/pointsman", "manual").stdout
        scripts = {shell: self.script(shell) for shell in ("bash", "zsh", "fish")}
        for verb in verbs:
            self.assertIn("pointsman " + verb.replace("-", "\\-"), manual)
            for shell, script in scripts.items():
                for word in verb.split():
                    self.assertRegex(script, r"(?<![\w-])%s(?![\w-])" % re.escape(word), "%s in %s" % (verb, shell))

    def test_an_unknown_shell_is_wrong_usage(self):
        self.assertEqual(run(BIN + "/pointsman", "completion", "tcsh").returncode, 2)

    def test_the_manual_has_every_verb_and_no_fault(self):
        page = run(BIN + "/pointsman", "manual").stdout
        for verb in ("route", "models add", "generations rollback", "doctor", "undo", "dashboard", "top", "gold next"):
            self.assertIn("pointsman " + verb.replace("-", "\\-"), page)
        if shutil.which("man") is None:
            self.skipTest("no man on this machine")
        with open(os.path.join(SOURCE, "packaging", "pointsmand.8")) as file:
            daemons = file.read()
        for text in (page, daemons):
            done = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "-", input=text,
                       env=dict(os.environ, MANROFFSEQ="", LC_ALL="C.UTF-8"))
            self.assertEqual(done.stderr, "")


class Bridge(unittest.TestCase):
    """The loopback port of `pointsman dashboard`, without a browser."""

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.port)) as stream:
            stream.settimeout(60)
            stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := stream.recv(65536):
                answer += piece
        return answer.decode(errors="replace")

    def test_nonsense_gets_nothing_and_a_restart_of_the_daemon_is_told(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        bridge = subprocess.Popen([BIN + "/pointsman", "--admin-socket", daemon.folder.name + "/a.sock", "dashboard"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(lambda: (bridge.terminate(), bridge.wait(30), bridge.stdout.close()))
        link = bridge.stdout.readline().strip()
        self.port = int(link.split(":")[2].split("/")[0])
        host = "Host: 127.0.0.1:%d\r\n" % self.port
        opened = self.raw(("GET %s HTTP/1.1\r\n%s\r\n" % (link[link.index("/open"):], host)).encode())
        self.assertIn("303 See Other", opened)
        cookie = "Cookie: %s\r\n" % re.search(r"Set-Cookie: (pointsman=\w+)", opened).group(1)
        self.assertIn("HttpOnly; SameSite=Strict", opened)
        get = ("GET /status HTTP/1.1\r\n%s%s\r\n" % (host, cookie)).encode()
        self.assertIn("200 OK", self.raw(get))
        for nonsense in (b"", b"\0\1\2", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"A" * 100000,
                         ("POST / HTTP/1.1\r\n%s%sTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (host, cookie)).encode(),
                         ("POST / HTTP/1.1\r\n%s%sContent-Length: 99999999\r\n\r\n" % (host, cookie)).encode(),
                         ("GET /status HTTP/1.1\r\n%sCookie: pointsman=\r\n\r\n" % host).encode()):
            try:
                self.assertNotIn("200 OK", self.raw(nonsense))
            except OSError:  # cut off while it still sent
                pass
        self.assertIn("200 OK", self.raw(get))
        daemon.stop()
        self.assertIn("502 Bad Gateway", self.raw(get))
        daemon.start()
        self.assertIn("200 OK", self.raw(get))


class Verbs(unittest.TestCase):
    """The verbs for looking on, and what they say to nonsense."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.close()

    def pointsman(self, *words, **environment):
        folder = self.daemon.folder.name
        return run(BIN + "/pointsman", *words, env=dict(os.environ, POINTSMAN_SOCKET=folder + "/r.sock",
                                                        POINTSMAN_ADMIN_SOCKET=folder + "/a.sock", **environment))

    def test_top_shows_traffic_shares_and_bias(self):
        with pointsman.Client(self.daemon.path, timeout=60) as router:
            router.rate(router.route("hello"), 1, source="thumbs")
        done = self.pointsman("top", "--rounds", "2", "--interval", "0.1")
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("decisions", "PER SECOND", "SHARE", "thumbs", "queues", "drift"):
            self.assertIn(word, done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        self.assertIn("traffic", json.loads(self.pointsman("top", "--json").stdout))

    def test_observed_and_followed_decisions_are_told_apart(self):
        observed = json.loads(self.pointsman("route", "hello", "--observe", "large", "--json").stdout)
        self.assertEqual(observed["model"], "large")
        told = self.pointsman("explain", observed["token"]).stdout
        self.assertIn("observed the caller chose; the router would have played " + observed["advised"], told)
        top = self.pointsman("top").stdout
        self.assertRegex(top, r"observed 1 of them: the callers chose. The router agreed in [01]; ")
        self.assertEqual(self.pointsman("rollout", "canary", "--share", "0", "--incumbent", "large").returncode, 0)
        followed = json.loads(self.pointsman("route", "hello", "--json").stdout)
        self.assertIn("rollout  the incumbent large was followed; the router's share was 0.0 %",
                      self.pointsman("explain", followed["token"]).stdout)
        self.assertEqual(self.pointsman("rollout", "full").returncode, 0)

    def test_doctor_says_what_is_well_and_what_to_do(self):
        done = self.pointsman("doctor", "--config", self.daemon.folder.name + "/c.toml")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"ok\s+route socket")
        self.assertRegex(done.stdout, r"look\s+embedder: no bundle is live")
        self.assertIn("-> pointsman bootstrap run", done.stdout)
        report = json.loads(self.pointsman("doctor", "--json", "--config", self.daemon.folder.name + "/c.toml").stdout)
        self.assertTrue(report["healthy"])

    def test_doctor_sees_who_else_may_look_and_a_pool_without_models(self):
        daemon = Daemon(models=False)
        self.addCleanup(daemon.close)
        folder = daemon.folder.name

        def doctor():
            return run(BIN + "/pointsman", "--socket", folder + "/r.sock", "--admin-socket", folder + "/a.sock", "doctor",
                       "--config", folder + "/c.toml")

        self.assertRegex(doctor().stdout, r"ok\s+permissions: only the owner")
        self.assertRegex(doctor().stdout, r"look\s+models: no model of the pool may be chosen")
        os.chmod(folder + "/store", 0o755)
        done = doctor()
        self.assertRegex(done.stdout, r"look\s+permissions: \S+/store has mode 755")
        self.assertIn("-> others may look into the store: chmod 0700", done.stdout)
        os.chmod(folder + "/store", 0o700)

    def test_doctor_finds_a_daemon_that_is_away_and_a_broken_configuration(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("[sockets]\nroute = 7\n")
            file.flush()
            done = run(BIN + "/pointsman", "--socket", "/nowhere/r.sock", "--admin-socket", "/nowhere/a.sock", "doctor",
                       "--config", file.name)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"BROKEN\s+configuration: .*sockets.route")
        self.assertIn("systemctl status pointsmand", done.stdout)

    def test_the_effective_configuration_reads_back_to_itself(self):
        path = self.daemon.folder.name + "/c.toml"
        first = self.pointsman("config", "show", "--effective", path)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("rating_half_life_days = 14", first.stdout)
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(first.stdout)
            file.flush()
            self.assertEqual(self.pointsman("config", "show", "--effective", file.name).stdout, first.stdout)
        with open(path) as file:
            self.assertEqual(self.pointsman("config", "show", path).stdout, file.read())

    def test_nonsense_is_answered_with_the_right_exit_code(self):
        for words, code in ((("nonsense",), 2), (("undo", "twice"), 2), (("top", "--interval", "0"), 2),
                            (("gold", "give", "xyz", "1"), 2), (("gold", "give", "0" * 32, "1"), 1),
                            (("gold", "give", "0" * 32, "7"), 2), (("undo",), 1),
                            (("dashboard", "--port", "70000"), 2), (("config", "show", "/nowhere.toml"), 78),
                            (("--admin-socket", "/nowhere.sock", "undo"), 69), (("--admin-socket", "/nowhere.sock", "top"), 69),
                            (("--admin-socket", "/nowhere.sock", "dashboard"), 69)):
            done = self.pointsman(*words)
            self.assertEqual(done.returncode, code, "%s: %s" % (words, done.stderr))
            self.assertTrue(done.stderr)

    def test_no_color_and_version(self):
        self.assertRegex(self.pointsman("--version").stdout, r"^pointsman \d+\.\d+\.\d+")
        self.assertNotIn("\x1b", self.pointsman("models", "list", NO_COLOR="1").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=1)
