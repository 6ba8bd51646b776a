"""A real DataLoader under a simulated training step, that logs its own truth.

One JSON object a line, written at the end:
  {"k": "meta", "pid", "torch", "python", "capacity", "pin_thread", "watch_ratio"}
  {"k": "d", "t", "ready", "total", "taken"}   at least 200 times a second
  {"k": "w", "a", "b"}                         each wait of the loop for a batch
and for a second loader, that validates now and then, the same as "d2" and "w2".
Times are nanoseconds of CLOCK_REALTIME. `ready` counts the finished batches in order that the loop
has not taken, from the loader's own counts of what it sent and received and from what its workers
finished; `total` those out of order too; both are null between epochs and without workers.
`watch_ratio` is what the log itself took of the trainer's CPU time, as a share of one core.
A line "ready" on standard output says that the loop runs.
"""
import argparse
import json
import multiprocessing
import os
import platform
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True)
parser.add_argument(
    "--mode", default="starved", choices=["starved", "healthy", "bursty", "balanced", "slow"]
)
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--prefetch", type=int, default=2)
parser.add_argument("--seconds", type=float, default=6)
parser.add_argument("--pin", action="store_true")
parser.add_argument("--inline", action="store_true", help="batches of 98 KiB inside the message")
parser.add_argument("--persistent", action="store_true")
parser.add_argument("--iterable", action="store_true")
parser.add_argument("--validate", action="store_true", help="a second loader, of one worker more")
parser.add_argument("--epoch", type=int, default=100_000, help="batches an epoch")
parser.add_argument("--ctx", default=None)
args = parser.parse_args()

import torch
from gpu import pin_without_a_gpu
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

BATCH = 4
LANES = max(1, args.workers)
CAPACITY = LANES * args.prefetch
# Seconds to prepare a batch in one worker, and of a step.
PREPARE, STEP = {
    "starved": (0.020 * LANES, 0.002),
    "healthy": (0.001, 0.030),
    "bursty": (0.012 * LANES, 0.036),
    "balanced": (0.010 * LANES, 0.009),
    "slow": (0.250 * LANES, 0.100),
}[args.mode]
# The bursty loop's steps are as long for as many batches as the queue holds, which fills it, and then
# this short for twice as many, which drains it and waits.
BURST = 0.003
# Batches that left a worker, by index modulo the length. Filled by the workers.
RING = 4096
# Between two notes of the queue: 5 ms would be fewer than 200 a second, with what a note takes.
WATCH = 0.004
# The loop validates for so many batches after so many.
VALIDATE_EVERY, VALIDATE = 120, 60
torch.set_num_threads(1)


class Numbers(Dataset):
    def __len__(self):
        return args.epoch * BATCH

    def __getitem__(self, i):
        time.sleep(PREPARE / BATCH)
        return torch.full((16,), float(i)), i


class Stream(IterableDataset):
    """Each worker yields the samples of the batches that are its turn."""

    def __iter__(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        for batch in range(worker, args.epoch, workers):
            for i in range(batch * BATCH, (batch + 1) * BATCH):
                time.sleep(PREPARE / BATCH)
                yield torch.full((16,), float(i)), i


class Collate:
    """Default collation, that notes which batch is finished."""

    def __init__(self, done):
        self.done = done

    def __call__(self, samples):
        index = samples[0][1] // BATCH
        if args.inline:
            batch = bytes(98 << 10)
        else:
            batch = torch.stack([x for x, _ in samples])
        self.done[index % RING] = index
        return batch


def step(taken):
    """The training step, after so many batches."""
    burst = args.mode == "bursty" and taken % (3 * CAPACITY) >= CAPACITY
    time.sleep(BURST if burst else STEP)


class Watched:
    """A loader, and what there is to say of it."""

    def __init__(self, workers, kind, wait_kind):
        self.done = multiprocessing.RawArray("i", [-1] * RING)
        self.kind, self.wait_kind = kind, wait_kind
        self.iterator, self.taken = None, 0
        self.depths, self.waits = [], []
        options = {}
        if workers:
            options = dict(
                prefetch_factor=args.prefetch,
                persistent_workers=args.persistent,
                multiprocessing_context=args.ctx,
            )
        self.loader = DataLoader(
            Stream() if args.iterable else Numbers(), batch_size=BATCH, num_workers=workers,
            pin_memory=args.pin, collate_fn=Collate(self.done), **options,
        )

    def begin(self):
        """A new epoch."""
        self.iterator = None
        self.done[:] = [-1] * RING
        self.iterator = iter(self.loader)

    def take(self):
        """The next batch; False at the end of the epoch."""
        a = time.time_ns()
        try:
            next(self.iterator)
        except StopIteration:
            return False
        self.waits.append((a, time.time_ns()))
        self.taken += 1
        return True

    def note(self):
        """Writes down how the queue stands."""
        iterator, done = self.iterator, self.done
        if iterator is None or not hasattr(iterator, "_rcvd_idx"):
            self.depths.append((time.time_ns(), None, None, self.taken))
            return
        received, sent = iterator._rcvd_idx, iterator._send_idx
        finished = [done[i % RING] == i for i in range(received, min(sent, received + 1024))]
        ready = next((n for n, is_done in enumerate(finished) if not is_done), len(finished))
        self.depths.append((time.time_ns(), ready, sum(finished), self.taken))

    def write(self, out):
        for t, ready, total, taken in self.depths:
            line = {"k": self.kind, "t": t, "ready": ready, "total": total, "taken": taken}
            print(json.dumps(line), file=out)
        for a, b in self.waits:
            print(json.dumps({"k": self.wait_kind, "a": a, "b": b}), file=out)


class Watcher(threading.Thread):
    """Notes the loaders' queues until it is stopped."""

    def __init__(self, loaders):
        super().__init__(daemon=True)
        self.loaders, self.over = loaders, False
        self.cpu, self.seconds = 0.0, 0.0

    def run(self):
        began, cpu = time.monotonic(), time.thread_time()
        while not self.over:
            time.sleep(WATCH)
            for loader in self.loaders:
                loader.note()
        self.seconds, self.cpu = time.monotonic() - began, time.thread_time() - cpu

    def stop(self):
        self.over = True
        self.join()


def main():
    if args.pin:
        pin_without_a_gpu()
    train = Watched(args.workers, "d", "w")
    loaders, held = [train], None
    if args.validate:
        held = Watched(args.workers + 1, "d2", "w2")
        loaders.append(held)
        held.begin()
    watcher = Watcher(loaders)
    end = time.monotonic() + args.seconds + 30
    started = False
    while time.monotonic() < end:
        train.begin()
        while time.monotonic() < end and train.take():
            if not started:
                started = True
                watcher.start()
                print("ready", flush=True)
                end = time.monotonic() + args.seconds
            step(train.taken)
            if held and train.taken % VALIDATE_EVERY == 0:
                for _ in range(VALIDATE):
                    held.take()
                    step(held.taken)
    watcher.stop()
    with open(args.out, "w") as out:
        meta = {"k": "meta", "pid": os.getpid(), "torch": torch.__version__}
        meta.update(python=platform.python_version(), capacity=args.workers * args.prefetch)
        meta.update(pin_thread=pin_thread(), watch_ratio=watcher.cpu / watcher.seconds)
        print(json.dumps(meta), file=out)
        for loader in loaders:
            loader.write(out)
    print("done", flush=True)


def pin_thread():
    """Whether the thread that pins was seen: by its name in the kernel, which torch gives it since
    2.5, or as Python knows it."""
    return "pt_data_pin" in SEEN_THREADS or "_pin_memory_loop" in SEEN_THREADS


SEEN_THREADS = set()


def note_threads():
    while True:
        SEEN_THREADS.update(
            getattr(thread, "_target", None).__name__
            for thread in threading.enumerate()
            if getattr(thread, "_target", None)
        )
        for task in os.listdir("/proc/self/task"):
            try:
                with open(f"/proc/self/task/{task}/comm") as comm:
                    SEEN_THREADS.add(comm.read().strip())
            except OSError:
                pass
        time.sleep(0.5)


if __name__ == "__main__":
    threading.Thread(target=note_threads, daemon=True).start()
    main()
