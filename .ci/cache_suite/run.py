"""Runs the public HTTP caching test suite (cache-tests.fyi, npm package http-cache-tests) against a real agent and keeps its score.

    python3 .ci/cache_suite/run.py AGENT DIRECTORY [--bless | --only TEST]

AGENT is the `overspill` program, DIRECTORY a temporary one for packages, state and logs. The agent runs by its default settings. Prints the
score by kind, and fails when a test that passed by `kept.json` does not any more, when a target is missed, or when a test ended in another
way than by the suite's assertions (a broken connection, say). Ends with 77 when npm cannot fetch the package. `--bless` writes `kept.json`
anew, `--only` shows one test's traffic.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

PACKAGE = "http-cache-tests@0.4.5"
HERE = pathlib.Path(__file__).resolve().parent
KEPT = HERE / "kept.json"
# Least share of the tests of a kind that must pass, in percent.
TARGETS = {"required": 97, "optimal": 75}
# Tests that no cache can pass: the origin closes the connection without an answer, and the suite looks in the cache's answer for the
# counter that the origin puts into its own. Every cache with published results fails them. They are run and shown, and not counted.
IMPOSSIBLE = {f"stale-close-{word}" for word in ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2")}
PATIENCE = 30
# How this program ends when there is nothing to run.
UNREACHABLE = 77


def install(folder):
    if (folder / "node_modules" / "http-cache-tests").is_dir():
        return
    quiet = ["--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    installed = subprocess.run(["npm", "install", *quiet, "--prefix", str(folder), PACKAGE], stdout=subprocess.DEVNULL)
    if installed.returncode != 0:
        print(f"npm could not fetch {PACKAGE}")
        sys.exit(UNREACHABLE)


def start_origin(folder, log):
    origin = subprocess.Popen(["node", str(HERE / "origin.mjs"), str(folder)], stdout=subprocess.PIPE, stderr=log, text=True)
    for line in origin.stdout:
        if line.startswith("Listening on "):
            return origin, line.split()[-1].rstrip("/")
    raise SystemExit("the suite's origin did not start")


def start_agent(agent, folder, origin, log):
    state = folder / "state"
    running = state / "running.json"
    running.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OVERSPILL_")}
    # A file of nothing: the defaults are what is scored, whatever this machine's own configuration says.
    (folder / "empty.toml").write_text("")
    command = [agent, "run", "--config", folder / "empty.toml", "--state", state, "--origin", origin]
    command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, env=environment)
    for _ in range(PATIENCE * 20):
        if running.exists() and process.poll() is None:
            return process, "http://" + json.loads(running.read_text())["listen"][0]
        time.sleep(0.05)
    raise SystemExit("the agent did not start")


def visit(agent, folder, only):
    with open(folder / "origin.log", "w") as origin_log, open(folder / "agent.log", "w") as agent_log:
        processes = []
        try:
            origin, origin_address = start_origin(folder, origin_log)
            processes.append(origin)
            served, address = start_agent(agent, folder, origin_address, agent_log)
            processes.append(served)
            suite = subprocess.run(
                ["node", "--no-warnings", str(HERE / "visit.mjs"), str(folder), address, *only], check=True, stdout=subprocess.PIPE, text=True
            )
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(PATIENCE)
    *shown, results = suite.stdout.splitlines()
    return shown, json.loads(results)


def fallen(results):
    """The tests of which `kept.json` says that they pass, and which did not."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    known = {test for kind in kept.values() for test in kind["not"]} | IMPOSSIBLE
    return [result["id"] for result in results if not result["ok"] and result["id"] not in known]


def repeated(agent, folder, results):
    """The results, with those of fallen tests taken again, one after the other. A machine that stands still for a moment makes the agent
    refuse a request, which is what it is for, and what the suite does not expect. What is wrong with the cache is wrong again."""
    again = fallen(results)
    if not again:
        return results
    print(f"once more, alone: {', '.join(again)}")
    # With a second name, so that one alone is not taken for a wish to see its traffic.
    _, second = visit(agent, folder, again + [results[0]["id"]])
    second = {result["id"]: result for result in second}
    return [second.get(result["id"], result) if result["id"] in again else result for result in results]


def score(results):
    kinds = {}
    for result in (result for result in results if result["id"] not in IMPOSSIBLE):
        kind = kinds.setdefault(result["kind"], {"passed": 0, "of": 0, "not": []})
        kind["of"] += 1
        kind["passed"] += result["ok"]
        if not result["ok"]:
            kind["not"].append(result["id"])
    for kind in kinds.values():
        kind["not"].sort()
    return kinds


def judge(results, kinds):
    faults = []
    for kind, target in TARGETS.items():
        share = 100 * kinds[kind]["passed"] / kinds[kind]["of"]
        if share < target:
            faults.append(f"{kind}: {share:.1f} % is below the target of {target} %")
    for result in results:
        if not result["ok"] and result["error"] not in ("Assertion", "Dependency", "Setup"):
            faults.append(f"{result['id']}: the suite itself failed: {result['error']}: {result['why']}")
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for kind, before in kept.items():
        fallen = sorted(set(kinds[kind]["not"]) - set(before["not"]))
        if fallen or kinds[kind]["of"] != before["of"]:
            faults.append(f"{kind}: {kinds[kind]['of']} tests of {before['of']}, fallen since kept.json: {', '.join(fallen) or 'none'}")
        risen = sorted(set(before["not"]) - set(kinds[kind]["not"]))
        if risen:
            print(f"{kind}: risen since kept.json (keep it with --bless): {', '.join(risen)}")
    return faults


def main():
    arguments = sys.argv[1:]
    agent, folder = pathlib.Path(arguments[0]).resolve(), pathlib.Path(arguments[1]).resolve()
    only = arguments[arguments.index("--only") + 1 :] if "--only" in arguments else []
    folder.mkdir(parents=True, exist_ok=True)
    install(folder)
    shown, results = visit(agent, folder, only)
    results = results if only else repeated(agent, folder, results)
    print("\n".join(shown + [f"{'yes' if result['ok'] else 'NO '} {result['kind']:8} {result['id']}: {result['why'] or result['error']}"
                             for result in results if not result["ok"] or only]))
    if only:
        return
    kinds = score(results)
    for kind, counts in sorted(kinds.items(), reverse=True):
        print(f"{kind:8} {counts['passed']:3} of {counts['of']:3}  {100 * counts['passed'] / counts['of']:5.1f} %")
    print(f"{len(IMPOSSIBLE)} tests that no cache can pass are not counted")
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    if "--bless" in arguments:
        KEPT.write_text(json.dumps(kinds, indent=1) + "\n")
        return
    faults = judge(results, kinds)
    if faults:
        raise SystemExit("\n".join(faults))


main()
