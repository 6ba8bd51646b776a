"""One labelled scenario: a real PyTorch loop over a stand-in GPU, that writes down what is true of it.

usage: lab.py SCENARIO --seconds 45 --onset 8 --out FILE [--files DIR] [--control FILE] [--workers N]

Until the onset every loop is fed: its batches cost next to nothing. From then on it is what its name
says. A line "ready" on standard output says that the loop runs, "done" that its truth is written: one
JSON object a line, seconds since the Unix epoch by the loop's own clock.
  {"k": "wait", "a", "b"}     each wait of the training loop for a batch
  {"k": "phase", "onset", "end", "steps", "seconds"}
"""

import argparse
import ctypes
import hashlib
import json
import multiprocessing
import os
import socket
import socketserver
import threading
import time

import torch
from gpu import Gpu, pin_without_a_gpu
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
parser.add_argument("scenario")
parser.add_argument("--seconds", type=float, default=45)
parser.add_argument("--onset", type=float, default=8)
parser.add_argument("--out", required=True)
parser.add_argument("--files")
parser.add_argument("--control")
parser.add_argument("--workers", type=int)
args = parser.parse_args()

BATCH = 4
ENCODED = bytes(1 << 18)


def burn(seconds):
    # As a decoder does, without the interpreter's lock.
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        hashlib.sha256(ENCODED).digest()


def evict(file):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def read(path, cold):
    file = os.open(path, os.O_RDONLY)
    if cold:
        evict(file)
    while os.read(file, 1 << 18):
        pass
    os.close(file)


def listed(folder):
    folder = os.path.join(args.files, folder)
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


class Of:
    """What a scenario is made of. `work` is called in a worker for each sample of a batch."""

    def __init__(self, work=None, step=0.05, workers=2, prefetch=2, batch=BATCH, epoch=None, **options):
        self.work, self.step, self.workers, self.prefetch = work, step, workers, prefetch
        self.batch, self.epoch, self.options = batch, epoch, options


def large(index):
    files = listed_once("large")
    read(files[index % len(files)], True)


def small(index):
    files = listed_once("small")
    read(files[index % len(files)], True)


def shard(index):
    """The samples of the small files, as they lie one after another in a large one."""
    files = listed_once("large")
    if index % 64 == 0:
        read(files[index // 64 % len(files)], True)


def again(index):
    # In the same order in each epoch, by the page cache: what was read longest ago is gone first.
    files = listed_once("large")
    read(files[index % len(files)], False)


LISTED = {}


def listed_once(folder):
    if folder not in LISTED:
        LISTED[folder] = listed(folder)
    return LISTED[folder]


def remote(index):
    with socket.create_connection(("127.0.0.1", STORE)) as store:
        store.sendall(b"%d\n" % index)
        while store.recv(1 << 16):
            pass


def work(cpu=0.0, wait=0.0):
    def each(index):
        burn(cpu / BATCH)
        if wait:
            time.sleep(wait / BATCH)

    return each


def tail(index):
    # One batch in ten takes fifteen times as long.
    time.sleep((0.450 if index // BATCH % 10 == 7 else 0.030) / BATCH)


def bursty(index):
    time.sleep((0.300 if index // BATCH // 16 % 2 else 0.040) / BATCH)


class Heavy:
    """A batch that is quick to make and slow to unpack."""

    def __init__(self, samples):
        pass

    def __reduce__(self):
        return time.sleep, (0.06,)


def collate(samples):
    return Heavy(samples) if current.value else torch.stack([x for x, _ in samples])


SCENARIOS = {
    "disk": Of(large),
    "disk-4-workers": Of(large, workers=4, step=0.1),
    "small-files": Of(small, step=0.015, batch=16),
    "thrash": Of(again, epoch=16),
    "quota": Of(work(cpu=0.040), step=0.030),
    "decode": Of(work(cpu=0.120), step=0.020),
    "decoded": Of(work(cpu=0.001), step=0.020),
    "sharded": Of(shard, step=0.015, batch=16),
    "oversubscribed": Of(work(cpu=0.120), step=0.020, workers=6),
    "few": Of(work(cpu=0.030, wait=0.050), step=0.025),
    "one-worker": Of(work(cpu=0.028, wait=0.012), step=0.026, workers=1),
    "few-3-workers": Of(work(cpu=0.030, wait=0.090), step=0.020, workers=3),
    "inline": Of(work(cpu=0.030, wait=0.010), workers=0),
    "inline-quick": Of(work(cpu=0.004, wait=0.004), step=0.010, workers=0),
    "head-of-line": Of(tail, step=0.030, workers=4),
    "hand-over": Of(work(), step=0.030, collate_fn=collate),
    "object-store": Of(remote, step=0.030),
    "bursts": Of(bursty, step=0.060),
    "main-thread": Of(work(), step=0.050),
    "respawn": Of(work(wait=0.010), step=0.050, epoch=60),
    "fed": Of(work(wait=0.010), step=0.100),
    "tight": Of(work(cpu=0.004, wait=0.070), step=1.1 * 0.074 / 2),
    "accumulate": Of(work(cpu=0.004, wait=0.020), step=0.005),
    "validate": Of(work(wait=0.010), step=0.030),
    "checkpoint": Of(work(wait=0.010), step=0.040),
    "pinned": Of(work(wait=0.010), step=0.050, pin_memory=True),
    "persistent": Of(work(wait=0.010), step=0.050, epoch=60, persistent_workers=True),
    "cold-start": Of(work(wait=0.010), step=0.050),
    "compile": Of(work(wait=0.010), step=0.050),
}
SCENARIO = SCENARIOS[args.scenario]
WORKERS = SCENARIO.workers if args.workers is None else args.workers

# Whether the onset is over, for the workers too.
current = multiprocessing.Value(ctypes.c_int, 0, lock=False)


class Samples(Dataset):
    def __len__(self):
        return (SCENARIO.epoch or 1_000_000) * SCENARIO.batch

    def __getitem__(self, index):
        if args.scenario == "cold-start" and index < WORKERS * SCENARIO.batch:
            time.sleep(6.0 / SCENARIO.batch)
        if current.value and SCENARIO.work:
            SCENARIO.work(index)
        return torch.full((64,), float(index)), index % 10


class Store(socketserver.StreamRequestHandler):
    """An object store that is slow to answer."""

    def handle(self):
        self.rfile.readline()
        time.sleep(0.040)
        self.wfile.write(ENCODED)


def store():
    """Starts it in a process of its own, and gives its port."""
    socketserver.ThreadingTCPServer.daemon_threads = True
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Store)
    serve = multiprocessing.Process(target=server.serve_forever, daemon=True)
    serve.start()
    port = server.server_address[1]
    server.socket.close()
    return port


def loader(samples, workers):
    options = dict(SCENARIO.options)
    if workers:
        options.update(prefetch_factor=SCENARIO.prefetch)
    return DataLoader(samples, batch_size=SCENARIO.batch, num_workers=workers, **options)


class Loop:
    """The training loop, with what it does beside its steps."""

    def __init__(self):
        self.gpu, self.samples = Gpu(args.control), Samples()
        self.loader, self.batches = loader(self.samples, WORKERS), None
        self.waits, self.steps = [], 0

    def take(self):
        a = time.time()
        if self.batches is None:
            self.batches = iter(self.loader)
        try:
            next(self.batches)
        except StopIteration:
            self.batches = None
            return self.take()
        self.waits.append((a, time.time()))
        self.steps += 1

    def step(self):
        name = args.scenario
        if name == "accumulate":
            self.gpu.step(0.005 if self.steps % 4 else 0.150)
            return
        if name == "compile" and self.steps == 1:
            burn(6.0)
        # While it is fed, a step leaves time for what a batch costs in any case.
        self.gpu.step(SCENARIO.step if current.value else max(SCENARIO.step, 0.060))
        if name == "main-thread" and current.value:
            burn(0.060)
        if name == "checkpoint" and self.steps % 300 == 0:
            self.save()
        if name == "validate" and self.steps % 300 == 0:
            held = iter(loader(self.samples, 2))
            for _ in range(100):
                next(held)
                self.gpu.step(0.010)

    def save(self):
        with open(args.out + ".checkpoint", "wb") as file:
            for _ in range(200):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
        os.unlink(file.name)

    def run(self):
        self.take()
        print("ready", flush=True)
        began = time.time()
        onset, end = began + args.onset, began + args.seconds
        steps = (0, onset)
        while (now := time.time()) < end:
            if now >= onset and not current.value:
                current.value, steps = 1, (self.steps, now)
            self.step()
            self.take()
        taken, seconds = self.steps - steps[0], time.time() - steps[1]
        phase = {"k": "phase", "onset": onset, "end": end, "steps": taken, "seconds": seconds}
        with open(args.out, "w") as out:
            print(json.dumps(phase), file=out)
            for a, b in self.waits:
                print(json.dumps({"k": "wait", "a": a, "b": b}), file=out)
        print("done", flush=True)


STORE = 0

if __name__ == "__main__":
    torch.set_num_threads(1)
    if args.scenario == "object-store":
        STORE = store()
    if SCENARIO.options.get("pin_memory"):
        pin_without_a_gpu()
    if SCENARIO.work is again:
        # What others read before is theirs: it fills no cache of this training's, and is not evicted from it.
        for path in listed_once("large"):
            with open(path, "rb") as file:
                evict(file.fileno())
    Loop().run()
    os._exit(0)
