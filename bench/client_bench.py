#!/usr/bin/env python3
"""The Python client's route p50 against the C++ client's, in turns, on a daemon of its own.

    POINTSMAN_BIN=build/release/bin POINTSMAN_SOURCE=. python3 bench/client_bench.py
"""

import json
import os
import statistics
import subprocess
import sys
import time

SOURCE = os.environ["POINTSMAN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "clients", "python"))
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))

import pointsman  # noqa: E402
from daemon import BIN, Daemon  # noqa: E402

ROUNDS = 9
COUNT = 1500


def python_p50(path):
    micros = []
    with pointsman.Client(path) as router:
        for _ in range(COUNT):
            start = time.perf_counter()
            decision = router.route("What is 2 + 2, and why?")
            assert decision.model
            micros.append((time.perf_counter() - start) * 1e6)
    return statistics.median(micros)


daemon = Daemon()
try:
    cpp, python = [], []
    for _ in range(ROUNDS):
        cpp.append(float(subprocess.run([BIN + "/client_bench", daemon.path, str(COUNT)], check=True,
                                        capture_output=True, text=True).stdout))
        python.append(python_p50(daemon.path))
    ratio = statistics.median(p / c for p, c in zip(python, cpp))
    print(json.dumps({"cpp_p50_us": statistics.median(cpp), "python_p50_us": round(statistics.median(python), 1),
                      "ratio": round(ratio, 2), "bar": 3, "rounds": ROUNDS, "load": os.getloadavg()[0]}))
finally:
    daemon.close()
sys.exit(0 if ratio <= 3 else 1)
