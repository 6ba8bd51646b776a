"""What the trainings of this folder have in common: a starved loop, and a clock of its own around each
wait of it.

usage of each: KIND.py OUT SECONDS

A line "ready PID" on standard output says that the loop runs; at the end the waits are written to OUT,
a JSON object a line: {"a", "b"}, nanoseconds of CLOCK_REALTIME. Two workers take PREPARE for a batch,
so that one comes every half of it.
"""

import functools
import json
import os
import sys
import time

OUT, SECONDS = sys.argv[1], float(sys.argv[2])
BATCH, WORKERS = 4, 2
PREPARE, STEP = 0.060, 0.008
WARM = 10

waits, ends = [], []


def sample(i):
    """Takes its share of the time of a batch."""
    time.sleep(PREPARE / BATCH)
    return i


def timed(function):
    """The same function, each call of it noted as a wait."""

    @functools.wraps(function)
    def noted(*arguments, **keywords):
        a = time.time_ns()
        result = function(*arguments, **keywords)
        waits.append((a, time.time_ns()))
        return result

    return noted


def time_torch():
    """Notes every wait for a DataLoader of this process, whoever iterates it."""
    from torch.utils.data import dataloader

    iterator = dataloader._BaseDataLoaderIter
    iterator.__next__ = timed(iterator.__next__)


def step():
    """The training step. False once the time is over."""
    time.sleep(STEP)
    if len(waits) == WARM:
        ends.append(time.monotonic() + SECONDS)
        # In one piece: where Python does not buffer, two ranks' words would mix.
        sys.stdout.write(f"ready {os.getpid()}\n")
        sys.stdout.flush()
    return not ends or time.monotonic() < ends[0]


def finish():
    """Writes the waits down, and ends: some libraries' threads would not."""
    with open(OUT, "w") as out:
        for a, b in waits:
            print(json.dumps({"a": a, "b": b}), file=out)
    print("done", flush=True)
    os._exit(0)


def loop(batches):
    """The plain loop, over an iterator or a function that gives the next batch."""
    take = timed(batches.__next__ if hasattr(batches, "__next__") else batches)
    while True:
        take()
        if not step():
            finish()
