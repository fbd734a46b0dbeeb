#!/usr/bin/env python3
"""Listed faults, and whether the tests notice them: the program behind ./dev mutants.

Each fault of mutants.json replaces one passage of one source file. The files are
copied to build/mutants/tree, so that what is being edited stays as it is; the fault is
put in there, the named test programs are built and run until one of them fails.

  killed     a test failed, or did not end within the limit
  survived   all named tests passed: a test is missing, or the fault changes nothing
             (then it is in the list with "survives": why)
  stale      the passage is not there exactly once, or the faulty program does not
             build: an error, the list has to follow the source

  mutants.py [--sample N] [--seed S] [--only NAME] [--from I] [--to J] [--release] [--json]
             [--jobs N]

--release builds as the release preset does, so that the compiler cache knows the sound
objects of `./dev test`; faults whose tests need fault points are left out of it.

Exit code: 0 at least 95 % killed, none stale, each survivor explained; 1 not; 2 usage.
"""
import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / "build" / "mutants" / "tree"
BUILD = TREE / "build" / "dev"  # as deep as any build folder, so that ccache knows the sound objects
NEED_FAULT_POINTS = ("store_crash_test",)
TEST_LIMIT_SECONDS = 240
WANTED_SHARE = 0.95


def read_list():
    with open(ROOT / "tests" / "mutants" / "mutants.json", encoding="utf-8") as file:
        return json.load(file)


def copy_tree():
    """Brings the copy up to date; files that did not change keep their time."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, text=True,
                            capture_output=True).stdout.split("\n")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for name in wanted:
        content = (ROOT / name).read_bytes()
        target = TREE / name
        if target.exists() and target.read_bytes() == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod((ROOT / name).stat().st_mode)
    for target in TREE.rglob("*"):
        name = str(target.relative_to(TREE))
        if target.is_file() and not name.startswith("build/") and name not in wanted:
            target.unlink()


def configure(release):
    kind = (["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -g1", "-DPOINTSMAN_FAULT_POINTS=OFF"]
            if release else
            ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g", "-DPOINTSMAN_FAULT_POINTS=ON"])
    os.environ.update(CCACHE_BASEDIR=str(TREE), CCACHE_NOHASHDIR="1")
    done = subprocess.run(["cmake", "-S", TREE, "-B", BUILD, "-G", "Ninja", "-DPOINTSMAN_BENCH=OFF",
                           "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache", *kind], text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit("mutants: cmake failed\n" + done.stdout + done.stderr)


def build(programs, jobs):
    return subprocess.run(["ninja", "-C", BUILD, "-j", str(jobs), *programs], text=True, capture_output=True)


def run_test(name):
    """True when the program passes. `name` is a program, or program:filter."""
    program, _, pattern = name.partition(":")
    command = [str(BUILD / "bin" / program), "--gtest_fail_fast", "--gtest_brief=1"]
    if pattern:
        command.append("--gtest_filter=" + pattern)
    environment = dict(os.environ, POINTSMAN_BIN=str(BUILD / "bin"), POINTSMAN_SOURCE=str(TREE))
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True, cwd=BUILD) as child:
        try:
            return child.wait(timeout=TEST_LIMIT_SECONDS) == 0
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return False


def programs_of(mutant):
    return sorted({test.partition(":")[0] for test in mutant["tests"]})


def try_mutant(mutant, jobs):
    path = TREE / mutant["file"]
    original = path.read_bytes().decode()
    if original.count(mutant["find"]) != 1:
        return "stale", "the passage is there %d times" % original.count(mutant["find"])
    path.write_bytes(original.replace(mutant["find"], mutant["replace"]).encode())
    try:
        built = build(programs_of(mutant), jobs)
        if built.returncode != 0:
            lines = [line for line in built.stdout.split("\n") if "error" in line]
            return "stale", "it does not build: " + (lines[0] if lines else built.stdout[-300:])
        for test in mutant["tests"]:
            if not run_test(test):
                return "killed", test
        return "survived", mutant.get("survives", "")
    finally:
        path.write_bytes(original.encode())


def chosen(arguments):
    mutants = read_list()
    if arguments.release:
        mutants = [mutant for mutant in mutants if not set(programs_of(mutant)) & set(NEED_FAULT_POINTS)]
    if arguments.only:
        mutants = [mutant for mutant in mutants if mutant["name"] in arguments.only]
    if arguments.sample:  # of those that a test must notice
        mutants = [mutant for mutant in mutants if "survives" not in mutant]
        mutants = random.Random(arguments.seed).sample(mutants, min(arguments.sample, len(mutants)))
    mutants.sort(key=lambda mutant: mutant["file"])  # a file is mended before the next one is broken
    return mutants[arguments.first:arguments.to]


def main():
    parser = argparse.ArgumentParser(usage="mutants.py [--sample N] [--seed S] [--only NAME] [--from I] [--to J] "
                                           "[--release] [--json] [--jobs N]")
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--to", type=int, default=None)
    parser.add_argument("--release", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    mutants = chosen(arguments)
    if not mutants:
        sys.exit("mutants: no such mutant in tests/mutants/mutants.json")
    copy_tree()
    configure(arguments.release)
    programs = sorted({program for mutant in mutants for program in programs_of(mutant)})
    built = build(programs, arguments.jobs)
    if built.returncode != 0:
        sys.exit("mutants: the sound tree does not build\n" + built.stdout[-3000:])
    for test in sorted({test for mutant in mutants for test in mutant["tests"]}):
        if not run_test(test):
            sys.exit("mutants: %s fails without any fault; mend that first" % test)
    results = []
    for mutant in mutants:
        started = time.monotonic()
        verdict, detail = try_mutant(mutant, arguments.jobs)
        results.append({"name": mutant["name"], "file": mutant["file"], "verdict": verdict, "detail": detail,
                        "what": mutant["what"]})
        print("%-9s %-32s %s (%.0f s)" % (verdict, mutant["name"], detail, time.monotonic() - started),
              file=sys.stderr, flush=True)
    count = {verdict: sum(result["verdict"] == verdict for result in results)
             for verdict in ("killed", "survived", "stale")}
    unexplained = [result["name"] for result in results if result["verdict"] == "survived" and not result["detail"]]
    good = count["stale"] == 0 and not unexplained and count["killed"] >= WANTED_SHARE * len(results)
    summary = {"mutants": len(results), **count, "unexplained": unexplained, "good": good}
    print(json.dumps({**summary, "results": results} if arguments.json else summary))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
