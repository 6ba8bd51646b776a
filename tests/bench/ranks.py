"""Called by ranks.sh, which says what it is for."""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import proc

SETTLE = 20.0
# Of one core, in all.
LIMITS = {1: 0.5, 8: 2.5}
HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("MLTOP_TEST_CACHE", os.path.expanduser("~/.cache/mltop-tests"))

arguments = argparse.ArgumentParser()
arguments.add_argument("--mltop", required=True)
arguments.add_argument("--minutes", type=float, default=1.0)
arguments.add_argument("--jobs", default="1x8,8x8", help="ranks x workers of each")
arguments.add_argument("--loads", default="waiting,ahead")
args = arguments.parse_args()


def python_with_torch():
    for python in (os.path.join(CACHE, "torch-newest/bin/python"), "/usr/bin/python3"):
        if os.path.exists(python):
            if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0:
                return python
    sys.exit("skipped: no PyTorch here (tests/run brings one)")


def training(load, workers, folder, rank):
    """A rank that takes little of the processors itself."""
    if load == "waiting":
        # Steps of 100 ms, a batch each 250 ms.
        out = os.path.join(folder, f"rank-{rank}")
        return ["train.py", "--mode", "slow", "--seconds", "100000", "--out", out,
                "--workers", str(workers)]
    # Steps of 100 ms, and a full queue.
    return ["workload.py", "--plan", "ahead:100000", "--workers", str(workers)]


def start(load, ranks, workers, folder):
    python, started = python_with_torch(), []
    for rank in range(ranks):
        script, *options = training(load, workers, folder, rank)
        env = {**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank),
               "WORLD_SIZE": str(ranks), "TORCHELASTIC_RUN_ID": "ranks"}
        argv = [python, os.path.join(HERE, "../py", script), *options]
        nothing = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
        started.append(subprocess.Popen(argv, env=env, **nothing))
    return started


def threads(pids):
    """CPU seconds of each thread, by its name."""
    found = {}
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            folder = f"/proc/{pid}/task/{task}"
            with open(f"{folder}/comm") as comm, open(f"{folder}/schedstat") as stat:
                name = comm.read().strip()
                found[name] = found.get(name, 0.0) + int(stat.read().split()[0]) / 1e9
    return found


def measure(load, ranks, workers):
    with tempfile.TemporaryDirectory(prefix="mltop-bench-") as folder:
        started = start(load, ranks, workers, folder)
        terminal = None
        try:
            # All workers are there.
            end = time.monotonic() + 180
            while any(len(proc.children(one.pid)) < workers for one in started):
                if time.monotonic() > end:
                    sys.exit("the trainers have no workers after three minutes")
                time.sleep(0.5)
            terminal = proc.Tmux("ranks", [os.path.abspath(args.mltop)], folder, {})
            time.sleep(SETTLE)
            pids = [terminal.pid, *proc.children(terminal.pid)]
            cpu, before = sum(map(proc.cpu_seconds, pids)), threads(pids)
            began = time.monotonic()
            time.sleep(args.minutes * 60)
            span = time.monotonic() - began
            cpu, after = sum(map(proc.cpu_seconds, pids)) - cpu, threads(pids)
            if os.environ.get("MLTOP_BENCH_SCREEN"):
                print(terminal.screen(), file=sys.stderr)
        finally:
            if terminal:
                terminal.close()
            for one in started:
                one.terminate()
            for one in started:
                try:
                    one.wait(20)
                except subprocess.TimeoutExpired:
                    one.kill()
                    one.wait()
    each = {name: 100 * (after[name] - before.get(name, 0.0)) / span for name in after}
    most = sorted(each.items(), key=lambda item: -item[1])[:4]
    return 100 * cpu / span, ", ".join(f"{name} {share:.2f}" for name, share in most)


def main():
    print(f"{args.minutes:g} min each after {SETTLE:g} s, ticks of 1 s, 200x50; % of a core")
    print(f"{'ranks':>5} {'workers':>7} {'load':<8} {'all':>5} {'limit':>5}  threads that take most")
    missed = False
    for job in args.jobs.split(","):
        ranks, workers = map(int, job.split("x"))
        for load in args.loads.split(","):
            share, of = measure(load, ranks, workers)
            limit = LIMITS.get(ranks, 0.5 + 0.25 * ranks)
            missed |= share > limit
            print(f"{ranks:>5} {workers:>7} {load:<8} {share:>5.2f} {limit:>5}  {of}", flush=True)
    sys.exit(missed)


if __name__ == "__main__":
    main()
