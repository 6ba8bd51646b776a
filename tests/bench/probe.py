"""What the probe of `mltop run` costs a training step: the CPU time of one `next` on a loader's
iterator with and without it, in turns, for each interpreter given that has torch. The least of all
rounds counts: whatever else runs on the machine only adds to it.

usage: python3 tests/bench/probe.py [--rounds N] PYTHON...
"""
import argparse
import os
import subprocess
import sys
import tempfile

STEPS = 20_000

# The iterator of a real loader with workers, whose batches are there at once: what is left of a step
# is what the loader's own `__next__` and the probe do.
TIMED = """
import sys, time, torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data import dataloader

class Numbers(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, i):
        return torch.zeros(1)

real = iter(DataLoader(Numbers(), batch_size=2, num_workers=2, prefetch_factor=2))
next(real)
real._next_data = lambda: None
steps = %d
for _ in range(2000):
    next(real)
best = None
for _ in range(5):
    begin = time.thread_time_ns()
    for _ in range(steps):
        next(real)
    took = (time.thread_time_ns() - begin) / steps
    best = took if best is None else min(best, took)
print(torch.__version__, sys.version.split()[0], best)
del real._next_data
""" % STEPS


def step(python, folder):
    """Version of torch, of Python, and nanoseconds a step."""
    env = dict(os.environ, OMP_NUM_THREADS="1")
    if folder:
        here = os.path.dirname(os.path.abspath(__file__))
        env.update(MLTOP_DIR=folder, PYTHONPATH=os.path.join(here, "../../src/probe"))
    ran = subprocess.run([python, "-B", "-c", TIMED], env=env, capture_output=True, text=True, check=True)
    published = folder and any(name.endswith(".loaders") for name in os.listdir(folder))
    if bool(folder) != bool(published):
        sys.exit("the probe did not run beside %s" % python)
    torch, version, took = ran.stdout.split()
    return torch, version, float(took)


def main():
    arguments = argparse.ArgumentParser(usage=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("pythons", nargs="+")
    arguments = arguments.parse_args()
    for python in arguments.pythons:
        bare, probed = [], []
        for _ in range(arguments.rounds):
            torch, version, took = step(python, None)
            bare.append(took)
            with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
                probed.append(step(python, folder)[2])
        before, after = min(bare), min(probed)
        print("torch %s, Python %s: %.2f µs a step without, %.2f µs with: +%.2f µs"
              % (torch, version, before / 1e3, after / 1e3, (after - before) / 1e3))


main()
