#!/usr/bin/env python3
"""What training loses while mltop looks at it.

usage: tests/bench/throughput.py [--pairs N] [--seconds S] [--load saturated,step]

One long-lived PyTorch loop and one mltop with its live screen (200x50) attached to it. In short slices,
mltop runs and is stopped (SIGSTOP, to itself, never to the training); two slices are a pair, and the
order within a pair changes from pair to pair, so that a drift of the box cancels. A slice is at least a
second, so that each holds whole ticks; when mltop goes on, it ticks at once, so that it works a little
more than it would in a second. Two loads: the cores saturated by the loader's workers, and a loop bound
by its step, as behind a GPU. Each step's end is written down by the loop itself. The loss of a pair is
1 - with/without. Printed: the median of the paired losses with its upper 95 % bound (of a sign test, so
no shape of the noise is assumed), and how many pairs there were. Run it after `cargo build --release`.
"""

import argparse
import math
import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import time

import proc

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 1 << 20
TARGETS = {"saturated": 0.01, "step": 0.005}

arguments = argparse.ArgumentParser()
arguments.add_argument("--mltop", default=os.path.join(HERE, "../../target/release/mltop"))
arguments.add_argument("--pairs", type=int, default=150)
arguments.add_argument("--seconds", type=float, default=1.2)
arguments.add_argument("--load", default="saturated,step")
arguments.add_argument("--train", help=argparse.SUPPRESS)
arguments.add_argument("--log", help=argparse.SUPPRESS)
args = arguments.parse_args()


def train():
    """The loop: fixed work for each sample, so that what is taken from it shows as fewer steps."""
    import zlib

    import torch
    from torch.utils.data import DataLoader, Dataset

    saturated = args.train == "saturated"
    packed = zlib.compress(os.urandom(1 << 14) * (64 if saturated else 4))

    class Samples(Dataset):
        def __len__(self):
            return 1 << 40

        def __getitem__(self, index):
            return torch.frombuffer(bytearray(zlib.decompress(packed)), dtype=torch.uint8)[:1024]

    torch.set_num_threads(1)
    workers = max(2, os.cpu_count() or 2) if saturated else 2
    log = mmap.mmap(os.open(args.log, os.O_RDWR), 8 + 8 * STEPS)
    step = 0
    for batch in DataLoader(Samples(), batch_size=8, num_workers=workers):
        if not saturated:
            time.sleep(0.020)
        struct.pack_into("<d", log, 8 + 8 * (step % STEPS), time.monotonic())
        step += 1
        struct.pack_into("<Q", log, 0, step)


class Steps:
    """What the loop wrote down."""

    def __init__(self, path):
        with open(path, "wb") as file:
            file.truncate(8 + 8 * STEPS)
        self.log = mmap.mmap(os.open(path, os.O_RDWR), 8 + 8 * STEPS)

    def count(self):
        return struct.unpack_from("<Q", self.log, 0)[0]

    def at(self, step):
        return struct.unpack_from("<d", self.log, 8 + 8 * ((step - 1) % STEPS))[0]

    def rate(self, seconds):
        """Steps a second, from the end of one step to the end of another: no step is cut."""
        first = self.count()
        time.sleep(seconds)
        last = self.count()
        if last - first < 2:
            sys.exit("the loop stands still")
        return (last - first) / (self.at(last) - self.at(first))


class Attached:
    """mltop's screen on a terminal that somebody reads, which can be stopped and go on."""

    def __init__(self, pid):
        self.terminal = proc.Mute([os.path.abspath(args.mltop), "--pid", str(pid)], {})
        self.open, self.running = True, True
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        while self.open:
            self.terminal.read(0.5)

    def let(self, run):
        """Stops it with its collectors, which are in its process group, or lets them go on."""
        if run != self.running:
            os.killpg(self.terminal.pid, signal.SIGCONT if run else signal.SIGSTOP)
            self.running = run
            # What it did at the last moment is not what this slice is.
            time.sleep(0.05)

    def cpu(self):
        """How long it has been on a CPU, to show that it was."""
        return proc.cpu_seconds(self.terminal.pid)

    def close(self):
        self.let(True)
        self.open = False
        self.reader.join()
        self.terminal.close()


def bound(losses):
    """The upper 95 % bound of the median: the smallest order statistic that a sign test leaves."""
    ordered, n = sorted(losses), len(losses)
    tail = 0.0
    for below in range(n + 1):
        tail += math.comb(n, below) / 2**n
        if tail > 0.05:
            # At most `below` - 1 losses above it happen by chance in fewer than 5 of 100 runs.
            return ordered[n - below] if below else float("inf")
    return float("inf")


def median(values):
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def measure(load, python):
    path = f"/tmp/mltop-bench-steps-{os.getpid()}"
    steps = Steps(path)
    words = [python, __file__, "--train", load, "--log", path]
    nothing = subprocess.DEVNULL
    loop = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing)
    try:
        end = time.monotonic() + 60
        while steps.count() < 50:
            if time.monotonic() > end or loop.poll() is not None:
                sys.exit("the loop did not start")
            time.sleep(0.1)
        losses, rates = [], []
        mltop = Attached(loop.pid)
        try:
            # The start is not what attached means.
            time.sleep(5)
            for pair in range(args.pairs):
                rate = {}
                for run in (True, False) if pair % 2 else (False, True):
                    mltop.let(run)
                    rate[run] = steps.rate(args.seconds)
                losses.append(1 - rate[True] / rate[False])
                rates.append(rate[False])
                if (pair + 1) % 10 == 0:
                    print(f"# {load} pair {pair + 1}: {median(rates):.2f} steps/s without, median loss "
                          f"{median(losses):+.2%}, mltop {mltop.cpu():.2f} s of CPU", file=sys.stderr,
                          flush=True)
        finally:
            mltop.close()
        return losses, median(rates)
    finally:
        loop.terminate()
        try:
            loop.wait(10)
        except subprocess.TimeoutExpired:
            loop.kill()
            loop.wait()
        os.unlink(path)


def main():
    cache = os.environ.get("MLTOP_TEST_CACHE", os.path.expanduser("~/.cache/mltop-tests"))
    newest = os.path.join(cache, "torch-newest/bin/python")
    python = newest if os.path.exists(newest) else "/usr/bin/python3"
    print(f"{'load':<10} {'steps/s':>8} {'pairs':>5} {'median loss':>11} {'95 % bound':>10} "
          f"{'target':>7} {'box load':>8}")
    failed = False
    for load in args.load.split(","):
        losses, rate = measure(load, python)
        upper = bound(losses)
        failed |= upper > TARGETS[load]
        print(f"{load:<10} {rate:>8.1f} {len(losses):>5} {median(losses):>11.2%} {upper:>10.2%} "
              f"{TARGETS[load]:>7.1%} {proc.load():>8.1f}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    train() if args.train else main()
