"""A real PyTorch training loop that goes through named workloads, over a stand-in GPU that follows it.

usage: workload.py --plan disk:40,ahead:60 --workers 2 --control FILE [--files DIR]
       workload.py --follow ...: the names come as lines of standard input, and each lasts until the next

    disk     reads cold files: the page cache is dropped for each before it is read
    decode   spends CPU on each batch, as much as there are workers
    few      half CPU, half waiting, one worker too few for the step
    ahead    a fast loader and a slow step
    fed      the same with so much to spare that a busy machine does not starve it
    tight    supply 1.1 times the demand
    accumulate   four quick batches, then one long step
    validate     a second loader runs between epochs of the first
    checkpoint   now and then the loop stops to write a file
"""

import argparse
import ctypes
import hashlib
import multiprocessing
import os
import queue
import sys
import threading
import time

import torch
from gpu import Gpu
from torch.utils.data import DataLoader, Dataset

BATCH = 4
FILE_BYTES = 1 << 20
# workload: (seconds of CPU a batch, seconds of waiting a batch, seconds of a step)
SHAPES = {
    "disk": (0.000, 0.000, 0.050),
    "decode": (0.120, 0.000, 0.020),
    "few": (0.030, 0.050, 0.025),
    "ahead": (0.002, 0.003, 0.100),
    "fed": (0.001, 0.001, 0.200),
    "tight": (0.004, 0.070, 0.0),
    "accumulate": (0.004, 0.020, 0.0),
    "validate": (0.004, 0.010, 0.030),
    "checkpoint": (0.004, 0.010, 0.040),
}
NAMES = list(SHAPES)
ENCODED = bytes(1 << 18)

arguments = argparse.ArgumentParser()
arguments.add_argument("--plan", default="")
arguments.add_argument("--follow", action="store_true")
arguments.add_argument("--workers", type=int, default=2)
arguments.add_argument("--prefetch", type=int, default=2)
arguments.add_argument("--control")
arguments.add_argument("--files")
arguments.add_argument("--steps-log")
arguments.add_argument("--title", help="the name that the workers give themselves")
args = arguments.parse_args()

# Which workload it is now, for the workers too.
current = multiprocessing.Value(ctypes.c_int, 0, lock=False)


def burn(seconds):
    # As a decoder does, without the interpreter's lock: with it, the thread that hands batches over
    # would wait for it, and the loop for the hand-over.
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        hashlib.sha256(ENCODED).digest()


class Samples(Dataset):
    def __init__(self):
        self.files = []
        if args.files:
            self.files = sorted(os.path.join(args.files, name) for name in os.listdir(args.files))

    def __len__(self):
        return 1_000_000

    def __getitem__(self, index):
        if args.title:
            ctypes.CDLL(None).prctl(15, args.title.encode(), 0, 0, 0)  # PR_SET_NAME
        name = NAMES[current.value]
        cpu, wait, _ = SHAPES[name]
        if name == "disk":
            file = os.open(self.files[index % len(self.files)], os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            while os.read(file, 1 << 18):
                pass
            os.close(file)
        burn(cpu / BATCH)
        if wait:
            time.sleep(wait / BATCH)
        return torch.full((64,), float(index)), index % 10


def loader(samples, workers):
    return iter(
        DataLoader(samples, batch_size=BATCH, num_workers=workers, prefetch_factor=args.prefetch)
    )


class Phases:
    """Which workload comes next, and whether the one before is over."""

    def __init__(self):
        self.named = queue.SimpleQueue()
        if args.follow:
            threading.Thread(target=self.read, daemon=True).start()
        for part in filter(None, args.plan.split(",")):
            self.named.put(part.split(":"))
        if not args.follow:
            self.named.put(None)

    def read(self):
        # By the descriptor: a fork while this thread holds the lock of sys.stdin would wait for it for ever.
        rest = b""
        while got := os.read(0, 4096):
            *names, rest = (rest + got).split(b"\n")
            for name in names:
                self.named.put((name.decode(), "0"))
        self.named.put(None)

    def over(self, end):
        return not self.named.empty() if args.follow else time.monotonic() >= end


def main():
    torch.set_num_threads(1)
    gpu, samples, phases = Gpu(args.control), Samples(), Phases()
    batches, log = None, open(args.steps_log, "w", buffering=1) if args.steps_log else None
    while (part := phases.named.get()) is not None:
        name, seconds = part
        current.value = NAMES.index(name)
        print("workload", name, flush=True)
        end, steps, began = time.monotonic() + float(seconds), 0, time.monotonic()
        batches = batches or loader(samples, args.workers)
        step = SHAPES[name][2]
        if name == "tight":
            cpu, wait, _ = SHAPES[name]
            step = 1.1 * (cpu + wait) / args.workers
        while not phases.over(end):
            next(batches)
            steps += 1
            if name == "accumulate":
                gpu.step(0.005 if steps % 4 else 0.150)
            else:
                gpu.step(step)
            if name == "checkpoint" and steps % 400 == 0:
                with open(os.path.join(args.files or "/var/tmp", "checkpoint.tmp"), "wb") as file:
                    for _ in range(200):
                        file.write(os.urandom(1 << 20))
                    os.fsync(file.fileno())
                os.unlink(file.name)
            if name == "validate" and steps % 400 == 0:
                held = loader(samples, 2)
                for _ in range(100):
                    next(held)
                    gpu.step(0.010)
                del held
        if log:
            print(name, steps, time.monotonic() - began, file=log)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
