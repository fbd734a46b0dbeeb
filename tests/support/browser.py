"""Headless Chromium through its DevTools protocol, with the standard library only."""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pmch")
        self.process = subprocess.Popen(
            [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-port=0", "--user-data-dir=" + self.folder,
             "--window-size=1360,900", "--hide-scrollbars", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        words = []

        def written():
            try:
                with open(self.folder + "/DevToolsActivePort") as file:
                    words[:] = file.read().split()
            except FileNotFoundError:
                pass
            return len(words) == 2

        self._until(written)
        port = words[0]
        pages = json.load(urllib.request.urlopen("http://127.0.0.1:%s/json/list" % port))
        address = [page for page in pages if page["type"] == "page"][0]["webSocketDebuggerUrl"]
        host, path = address.split("/", 3)[2:]
        name, number = host.split(":")
        self.stream = socket.create_connection((name, int(number)))
        key = base64.b64encode(os.urandom(16)).decode()
        self.stream.sendall(
            ("GET /%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
             "Sec-WebSocket-Version: 13\r\n\r\n" % (path, host, key)).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.stream.recv(1)
        self.count = 0
        self.events = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def _until(self, reached, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if reached():
                return True
            time.sleep(0.05)
        return False

    def _read(self, count):
        data = b""
        while len(data) < count:
            data += self.stream.recv(count - len(data))
        return data

    def _message(self):
        data = b""
        while True:
            first, size = self._read(2)
            size &= 127
            if size == 126:
                size = struct.unpack(">H", self._read(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._read(8))[0]
            data += self._read(size)
            if first & 128:
                return json.loads(data)

    def call(self, method, **params):
        self.count += 1
        payload = json.dumps({"id": self.count, "method": method, "params": params}).encode()
        mask = os.urandom(4)
        size = len(payload)
        head = b"\x81" + (bytes([128 | size]) if size < 126 else
                          b"\xfe" + struct.pack(">H", size) if size < 65536 else b"\xff" + struct.pack(">Q", size))
        self.stream.sendall(head + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(payload)))
        while True:
            message = self._message()
            if message.get("id") == self.count:
                return message.get("result", message)
            self.events.append(message)

    def open(self, address):
        self.call("Page.navigate", url=address)

    def js(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            return None
        return answer.get("result", {}).get("value")

    def wait(self, expression, seconds=60):
        return self._until(lambda: self.js(expression) is True, seconds)

    def key(self, text):
        self.js("document.activeElement.blur()")
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=text, text=text if kind == "keyDown" and len(text) == 1 else "")

    def shot(self, path):
        height = self.js("document.documentElement.scrollHeight") or 900
        self.call("Emulation.setDeviceMetricsOverride", width=1360, height=max(900, min(height, 1800)),
                  deviceScaleFactor=1, mobile=False)
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        self.call("Emulation.clearDeviceMetricsOverride")

    def complaints(self):
        """Console errors, exceptions and requests to anywhere but this machine."""
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
            if event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
                found.append(str(params["args"]))
            if event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))
            if event["method"] == "Network.requestWillBeSent":
                url = params["request"]["url"]
                if not url.startswith(("http://127.0.0.1:", "data:", "about:")):
                    found.append("a request to the outside: " + url)
        return found

    def close(self):
        self.stream.close()
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
