"""Loops over a loader, or over something like one, in the shapes in which people write them.

usage: shapes.py SHAPE      A line "ready" on standard output says that the loop runs.
"""
import multiprocessing
import os
import queue
import sys
import threading
import time
from multiprocessing.util import Finalize

SHAPE = sys.argv[1]


def item(i):
    time.sleep(0.02)
    return i


def step(n):
    if n == 3:
        print("ready", flush=True)
    time.sleep(0.002)


def plain(steps):
    n = 0
    for _ in steps:
        step(n)
        n += 1


def enumerated(steps):
    for n, _ in enumerate(steps):
        step(n)


def prefetched():
    batches = queue.Queue(2)

    def fill():
        for i in range(1_000_000):
            batches.put(item(i))

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield batches.get()


def fill_from_process(batches):
    for i in range(1_000_000):
        batches.put(item(i))


def from_process():
    batches = multiprocessing.Queue(2)
    multiprocessing.Process(target=fill_from_process, args=(batches,), daemon=True).start()
    while True:
        yield batches.get()


def from_pool():
    with multiprocessing.Pool(1) as pool:
        yield from pool.imap(item, range(100_000))


WITHOUT_LOADER = {"queue": prefetched, "process": from_process, "pool": from_pool}

if SHAPE in WITHOUT_LOADER:
    if __name__ == "__main__":
        plain(WITHOUT_LOADER[SHAPE]())

import torch
from torch.utils.data import DataLoader, Dataset


class Numbers(Dataset):
    def __init__(self, batches=100_000):
        self.batches = batches

    def __len__(self):
        return self.batches * 4

    def __getitem__(self, i):
        time.sleep(0.01)
        return i


class Lingering(Numbers):
    """Its workers take a while to end."""

    ending = None

    def __getitem__(self, i):
        if self.ending is None:
            self.ending = Finalize(None, time.sleep, (0.1,), exitpriority=1)
        return super().__getitem__(i)


class Bar:
    """A loop hidden in an object, which no frame shows."""

    def __init__(self, steps):
        self.steps = iter(steps)

    def __iter__(self):
        return map(next, iter(lambda: self.steps, None))


def wrapped(steps):
    for step in steps:
        yield step


class Heavy:
    """A batch that is quick to make and slow to unpack."""

    def __init__(self, samples):
        pass

    def __reduce__(self):
        return time.sleep, (0.06,)


def loader(batches=100_000, workers=2, collate=list, dataset=Numbers):
    return DataLoader(dataset(batches), batch_size=4, num_workers=workers, collate_fn=collate)


def epochs():
    n = 0
    while True:
        for _ in loader(20, dataset=Lingering):
            n += 1
            if n == 3:
                print("ready", flush=True)
        time.sleep(0.05)


def churn():
    """Everything comes and goes all the time."""

    def deep(n):
        return deep(n - 1) if n else [object() for _ in range(20)]

    def others():
        while True:
            deep(int(time.time_ns() // 1000 % 60))

    for _ in range(2):
        threading.Thread(target=others, daemon=True).start()
    inline = loader(6, workers=0)
    n = 0
    while True:
        for _ in inline:
            n += 1
            if n == 3:
                print("ready", flush=True)
        kept = iter(loader(6))
        next(kept)
        kept.note = deep(9)
        del kept


def replaced():
    plain_steps = iter(loader())
    for n in range(10):
        next(plain_steps)
        if n == 3:
            print("ready", flush=True)
            sys.stdin.readline()
            os.execv("/bin/sleep", ["sleep", "300"])


def threaded():
    thread = threading.Thread(target=plain, args=(loader(),), daemon=True)
    thread.start()
    while True:
        time.sleep(0.01)


if __name__ == "__main__":
    {
        "plain": lambda: plain(loader()),
        "enumerated": lambda: enumerated(loader()),
        "delivery": lambda: plain(loader(collate=Heavy)),
        "inline": lambda: plain(loader(workers=0)),
        "generator": lambda: plain(wrapped(wrapped(loader()))),
        "hidden": lambda: plain(Bar(loader())),
        "thread": threaded,
        "epochs": epochs,
        "churn": churn,
        "replaced": replaced,
    }[SHAPE]()
