"""Called by cost.sh, which builds what is measured here and says what it is for."""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import proc

IDLE = 300
WORKERS = 8
# What the stand-in is told of its calls, by scene: they take the time that they take on a real driver,
# asleep or awake, by what others published (the first two) or as measured on an H200. There mltop is
# measured alone.
DRIVER = {
    "sleep": "sleep published",
    "spin": "spin published",
    "sleep-h200": "sleep h200",
    "spin-h200": "spin h200",
}
# Stand-in GPUs by scene.
GPUS = {"quiet": 8, "noisy": 8, **dict.fromkeys(DRIVER, 16)}
# Scenes that one word asks for.
BOTH = {"sleep": "sleep,sleep-h200", "spin": "spin,spin-h200"}
SETTLE = 8.0

arguments = argparse.ArgumentParser()
arguments.add_argument("--mltop", required=True)
arguments.add_argument("--made", required=True)
arguments.add_argument("--minutes", type=float, default=1.0)
arguments.add_argument("--scenes", default="quiet,noisy")
arguments.add_argument("--alone", action="store_true", help="mltop without the others beside it")
arguments.add_argument("--beside", help="another build of mltop, to compare with in the same run")
arguments.add_argument("--gpm", type=int, default=1, help="0: PCIe by counters, as before Hopper")
args = arguments.parse_args()

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("MLTOP_TEST_CACHE", os.path.expanduser("~/.cache/mltop-tests"))
# What stays below in a release build. PSS is meant after 30 minutes, with the whole history.
LIMITS = {"pss": 12.0, "pss_all": 20.0, "frame": 50.0, "late": 0}
# CPU seconds a minute; a driver that waits awake has no limit, its figure stands beside the other.
CPU = {"quiet": 0.6, "noisy": 0.6, "sleep": 0.9, "sleep-h200": 0.9}
# Bytes to the terminal a second.
RATE = {"noisy": 12288}


def python_with_torch():
    for python in (os.path.join(CACHE, "torch-newest/bin/python"), "/usr/bin/python3"):
        probe = [python, "-c", "import torch; print(torch.__version__)"]
        if os.path.exists(python):
            done = subprocess.run(probe, capture_output=True, text=True)
            if done.returncode == 0:
                return python, done.stdout.strip()
    sys.exit("skipped: no PyTorch here (tests/run brings one)")


class Scene:
    """The box that is looked at. Quiet: everything stands still but the clock. Noisy: every GPU's
    figures jump each second, and the loader's queue with them."""

    def __init__(self, name, folder, python):
        self.noisy = name == "noisy"
        self.gpus = GPUS[name]
        self.control = os.path.join(folder, "control")
        self.base = os.path.join(folder, "gpus")
        plan = "tight:100000" if self.noisy else "ahead:100000"
        self.started = [
            subprocess.Popen(["sleep", "1000000"], stdin=subprocess.DEVNULL) for _ in range(IDLE)
        ]
        script = os.path.join(HERE, "../py/workload.py")
        trainer = [python, script, "--plan", plan, "--workers", str(WORKERS)]
        nothing = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
        self.started.append(subprocess.Popen(trainer, **nothing))
        self.trainer = self.started[-1].pid
        with open(self.base, "w") as file:
            if name in DRIVER:
                file.write(f"cost {DRIVER[name]}\n")
            for gpu in range(self.gpus):
                file.write(f"gpu {gpu} util=62 mem_util=30 mem_used=43980465152 power=300000 ")
                file.write(f"temp=61 gpm={args.gpm} sm=41 pcie_rx=2e9 pcie_tx=4e8\n")
                file.write(f"proc gpu={gpu} pid={self.trainer} mem=43000000000\n")
        self.move()

    def move(self):
        with open(self.control + ".new", "w") as file:
            for gpu in range(self.gpus if self.noisy else 0):
                share = random.random
                file.write(
                    f"gpu {gpu} util={share() * 100:.0f} mem_used={int(4e10 * (1 + share()))} "
                    f"power={100000 + 500000 * share():.0f} temp={40 + 40 * share():.0f} "
                    f"pcie_rx={20e9 * share():.0f} pcie_tx={10e9 * share():.0f}\n"
                )
        os.replace(self.control + ".new", self.control)

    def env(self):
        return {
            "LD_LIBRARY_PATH": os.path.join(os.path.abspath(args.made), "full"),
            "MLTOP_STANDIN": self.base,
            "MLTOP_STANDIN_CONTROL": self.control,
        }

    def run(self, seconds, watch=lambda: None):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.noisy:
                self.move()
            watch()
            time.sleep(min(1.0, left))

    def close(self):
        for child in self.started:
            child.terminate()
        for child in self.started:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


class Meter:
    """One program over a span."""

    def __init__(self, name, pids, terminal):
        self.name, self.pids, self.terminal = name, pids, terminal
        self.others = set()
        self.begin = self.read()
        self.began = time.monotonic()

    def read(self):
        cpu = sum(map(proc.cpu_seconds, self.pids))
        reaped = sum(map(proc.reaped_cpu_seconds, self.pids))
        return cpu, self.terminal.bytes() if self.terminal else 0, reaped

    def watch(self):
        """A program that was started meanwhile, and none of those that are measured."""
        self.others |= set(proc.children(self.pids[0])) - set(self.pids)

    def row(self):
        (cpu0, bytes0, reaped0), (cpu1, bytes1, reaped1) = self.begin, self.read()
        span = time.monotonic() - self.began
        pss = [proc.pss_mb(pid) for pid in self.pids]
        return {
            "name": self.name,
            "cpu": (cpu1 - cpu0) * 60 / span,
            "pss": pss[0],
            "pss_all": sum(pss),
            "threads": sum(map(proc.threads, self.pids)),
            "rate": (bytes1 - bytes0) / span if self.terminal else None,
            "children": len(self.others) + (reaped1 - reaped0 > 0),
        }


def rivals():
    return {
        "htop": ["htop", "-d", "10"],
        "btop": ["btop"],
        "top": ["top", "-d", "1"],
    }


def measure(name, folder, python):
    scene = Scene(name, folder, python)
    alone = args.alone or name in DRIVER
    terminals = {}
    bare = None
    try:
        time.sleep(4)
        mltop = os.path.abspath(args.mltop)
        # Its own trainer alone: other training on this box is not part of the scene.
        argv = [mltop, "--pid", str(scene.trainer)]
        terminals["mltop"] = proc.Tmux("mltop", argv, folder, scene.env())
        if args.beside:
            argv = [os.path.abspath(args.beside), "--pid", str(scene.trainer)]
            terminals["beside"] = proc.Tmux("beside", argv, folder, scene.env())
        if not alone:
            home = os.path.join(folder, "home")
            os.makedirs(os.path.join(home, ".config/btop"), exist_ok=True)
            with open(os.path.join(home, ".config/btop/btop.conf"), "w") as file:
                file.write("update_ms = 1000\n")
            for rival, argv in rivals().items():
                if shutil.which(argv[0]):
                    env = {"HOME": home, "XDG_CONFIG_HOME": home + "/.config"}
                    terminals[rival] = proc.Tmux(rival, argv, folder, env)
            bare = subprocess.Popen([os.path.join(args.made, "bare")])
        scene.run(SETTLE)
        meters = []
        for key, one in terminals.items():
            own = key in ("mltop", "beside")
            meters.append(Meter(key, [one.pid, *(proc.children(one.pid) if own else [])], one))
        if bare:
            meters.append(Meter("bare loop", [bare.pid], None))
        scene.run(args.minutes * 60, meters[0].watch)
        rows = [meter.row() for meter in meters]
        frames = first_frames(scene) if name == "quiet" else {}
        for row in rows:
            row.update(scene=name, frame=frames.get(row["name"]), late=None)
        if name in DRIVER:
            rows[0]["late"] = late_ticks(scene, mltop)
        print(f"# {name}: {proc.processes()} processes, load {proc.load():.1f}", file=sys.stderr)
        if os.environ.get("MLTOP_BENCH_SCREEN"):
            print(terminals["mltop"].screen(), file=sys.stderr)
        return rows
    finally:
        for terminal in terminals.values():
            terminal.close()
        if bare:
            bare.kill()
            bare.wait()
        scene.close()


def late_ticks(scene, mltop):
    """Of a stream of 30 ticks of a second: how many came more than half a second late, or never."""
    argv = [mltop, "stream", "--plain", "--duration", "30s", "--pid", str(scene.trainer)]
    env = {**os.environ, **scene.env()}
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    times = [line["mono_ms"] for line in lines if line["k"] == "tick"]
    return sum(after - before > 1500 for before, after in zip(times, times[1:]))


def first_frames(scene):
    """Medians, in turn so that the box's load meets all of them alike. mltop without --pid: a process
    that is named is checked before the screen is taken, which takes as long as the kernel needs."""
    programs = {"mltop": [os.path.abspath(args.mltop)]}
    if not args.alone:
        programs.update({k: argv for k, argv in rivals().items() if shutil.which(argv[0])})
    times = {name: [] for name in programs}
    for _ in range(7):
        for name, argv in programs.items():
            times[name].append(proc.first_frame_ms(argv, scene.env()) or 5000.0)
    return {name: statistics.median(each) for name, each in times.items()}


def main():
    python, torch = python_with_torch()
    rows = []
    for name in ",".join(BOTH.get(name, name) for name in args.scenes.split(",")).split(","):
        with tempfile.TemporaryDirectory(prefix="mltop-bench-") as folder:
            rows += measure(name, folder, python)
    print(f"\n{args.minutes:g} min each, ticks of 1 s, 200x50, stand-in GPUs by scene {GPUS}, one trainer "
          f"(torch {torch}) with {WORKERS} workers, {IDLE} idle processes\n")
    print(f"{'scene':<10} {'program':<10} {'CPU s/min':>9} {'PSS MB':>7} {'all MB':>7} "
          f"{'threads':>7} {'B/s':>7} {'frame ms':>8} {'children':>8} {'late':>5}")
    for row in rows:
        cell = lambda key, form: format(row[key], form) if row[key] is not None else "-"
        print(f"{row['scene']:<10} {row['name']:<10} {row['cpu']:>9.2f} {row['pss']:>7.1f} "
              f"{row['pss_all']:>7.1f} {row['threads']:>7} {cell('rate', '.0f'):>7} "
              f"{cell('frame', '.0f'):>8} {row['children']:>8} {cell('late', 'd'):>5}")
    faults = []
    for row in (row for row in rows if row["name"] == "mltop"):
        scene = row["scene"]
        limits = {**LIMITS, "cpu": CPU.get(scene, float("inf")), "rate": RATE.get(scene, 2048)}
        for key, limit in limits.items():
            if row[key] is not None and row[key] > limit:
                faults.append(f"{row['scene']}: {key} {row[key]:.2f} > {limit}")
        if row["children"]:
            faults.append(f"{row['scene']}: started {row['children']} programs")
    print("\nlimits:", "; ".join(faults) if faults else "all met")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
