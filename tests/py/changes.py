"""A trainer that changes under its watcher's eyes.

    changes.py exec SECONDS     trains with two workers, and after so many seconds becomes another program
                                under the same process id, which trains with three
    changes.py sealed SECONDS   trains with two workers from a forkserver, its own process not dumpable
    changes.py epochs SECONDS   two epochs of training, one of validation, and so on: both loaders have the
                                same class and workers, and each iterator is held until the next is there

A line "ready" on standard output says that the loop runs, a line "again" that it does after the change.
"""
import ctypes
import os
import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset

PR_SET_DUMPABLE = 4


class Numbers(Dataset):
    def __init__(self, length=1_000_000):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        time.sleep(0.005)
        return torch.full((16,), float(i))


def train(workers, seconds, word, context=None):
    loader = DataLoader(
        Numbers(), batch_size=4, num_workers=workers, multiprocessing_context=context
    )
    end = None
    for _ in loader:
        if end is None:
            print(word, flush=True)
            end = time.monotonic() + seconds
        if time.monotonic() > end:
            return
        time.sleep(0.02)


def epochs(seconds):
    loaders = [DataLoader(Numbers(length), batch_size=4, num_workers=2) for length in (80, 40)]
    end = time.monotonic() + seconds
    print("ready", flush=True)
    while time.monotonic() < end:
        for loader in (loaders[0], *loaders):
            batches = iter(loader)
            for _ in range(len(loader)):
                next(batches)
                time.sleep(0.002)


def main():
    what, seconds = sys.argv[1], float(sys.argv[2])
    torch.set_num_threads(1)
    if what == "exec":
        train(2, seconds, "ready")
        os.execv(sys.executable, [sys.executable, __file__, "again", "60"])
    elif what == "epochs":
        epochs(seconds)
    elif what == "again":
        train(3, seconds, "again")
    else:
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        train(2, seconds, "ready", "forkserver")


if __name__ == "__main__":
    main()
