"""Iterates loaders, times its own waits, and keeps what the probe published at its end.

usage: probed.py FOLDER [--fork] [--workers N]
Writes FOLDER/PID.json ({"batches", "wait_ns", "last"} by name of the dataset) and copies the probe's
page to FOLDER/PID.loaders. The module of the loaders may be torch's or a stand-in for it.
"""
import argparse
import json
import os
import shutil
import sys
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("folder")
arguments.add_argument("--fork", action="store_true")
arguments.add_argument("--workers", type=int, default=2)
arguments.add_argument("--ctx", default=None)
arguments = arguments.parse_args()

from torch.utils.data import DataLoader, dataloader

stopping = dataloader._MultiProcessingDataLoaderIter._shutdown_workers
stopped = None


def stop(iterator):
    """Notes when the workers of an epoch are begun to be stopped."""
    global stopped
    stopped = time.monotonic_ns()
    stopping(iterator)


dataloader._MultiProcessingDataLoaderIter._shutdown_workers = stop


class Train(object):
    def __len__(self):
        return 64

    def __getitem__(self, i):
        time.sleep(0.01)
        return i


class Validate(Train):
    def __len__(self):
        return 16


def iterate(loader, truth, fork=False):
    """One epoch: what it took and how long it waited, by the script's own clock. To stop the workers of
    an epoch that is over is no wait for data."""
    global stopped
    iterator = iter(loader)
    while True:
        before, stopped = time.monotonic_ns(), None
        try:
            next(iterator)
        except StopIteration:
            truth["wait_ns"] += (stopped or time.monotonic_ns()) - before
            return
        truth["wait_ns"] += time.monotonic_ns() - before
        truth["batches"] += 1
        time.sleep(0.001)
        if fork and truth["batches"] == 5:
            child()


def child():
    """A child that iterates a loader of its own, in the middle of its parent's."""
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        return
    try:
        report({"Validate": run(Validate(), 1, workers=0)})
        os._exit(0)
    finally:
        os._exit(1)


def run(dataset, epochs, fork=False, **options):
    workers = options.pop("workers", arguments.workers)
    if workers:
        options.setdefault("multiprocessing_context", arguments.ctx)
    loader = DataLoader(dataset, batch_size=4, num_workers=workers, **options)
    truth = {"batches": 0, "wait_ns": 0}
    for epoch in range(epochs):
        iterate(loader, truth, fork and epoch == 0)
    return truth


def report(truths):
    name = "%d.loaders" % os.getpid()
    published = os.path.join(os.environ.get("MLTOP_DIR", "/nowhere"), name)
    if os.path.exists(published):
        mode = os.stat(published).st_mode & 0o777
        assert mode == 0o600, oct(mode)
        shutil.copy(published, os.path.join(arguments.folder, name))
    with open(os.path.join(arguments.folder, "%d.json" % os.getpid()), "w") as out:
        json.dump(truths, out)


def main():
    truths = {"Train": run(Train(), 2, arguments.fork)}
    truths["Validate"] = run(Validate(), 2, persistent_workers=arguments.workers > 0)
    report(truths)
    print("done on %s" % sys.version.split()[0])


if __name__ == "__main__":
    main()
