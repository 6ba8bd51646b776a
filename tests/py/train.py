"""A real DataLoader under a simulated training step, that logs its own truth.

One JSON object a line, written at the end:
  {"k": "meta", "pid", "torch", "capacity", "pin_thread"}
  {"k": "d", "t", "ready", "total", "taken", "loop"}   200 times a second
  {"k": "w", "a", "b"}                                 each wait of the loop for a batch
Times are nanoseconds of CLOCK_REALTIME. `ready` counts the finished batches in order that the loop
has not taken; `total` those out of order too; both are null between epochs.
A line "ready" on standard output says that the loop runs.
"""
import argparse
import json
import multiprocessing
import os
import sys
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True)
parser.add_argument("--mode", default="starved", choices=["starved", "healthy", "bursty", "balanced"])
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--prefetch", type=int, default=2)
parser.add_argument("--seconds", type=float, default=6)
parser.add_argument("--pin", action="store_true")
parser.add_argument("--inline", action="store_true", help="batches of 98 KiB inside the message")
parser.add_argument("--persistent", action="store_true")
parser.add_argument("--epoch", type=int, default=100_000, help="batches an epoch")
parser.add_argument("--ctx", default=None)
args = parser.parse_args()

import torch
from torch.utils.data import DataLoader, Dataset

BATCH = 4
# Seconds to prepare a batch in one worker, and of a step. The bursty loop alternates between the two
# steps every `period` steps, so that the queue fills and drains.
PREPARE, STEPS, PERIOD = {
    "starved": (0.020 * args.workers, (0.002, 0.002), 1),
    "healthy": (0.001, (0.030, 0.030), 1),
    "bursty": (0.012 * args.workers, (0.036, 0.003), args.workers * args.prefetch),
    "balanced": (0.010 * args.workers, (0.009, 0.009), 1),
}[args.mode]
# Batches that left a worker, by index modulo the length. Filled by the workers.
RING = 4096
done = multiprocessing.RawArray("i", [-1] * RING)
torch.set_num_threads(1)


class Numbers(Dataset):
    def __len__(self):
        return args.epoch * BATCH

    def __getitem__(self, i):
        time.sleep(PREPARE / BATCH)
        return torch.full((16,), float(i)), i


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


def pin_without_a_gpu():
    """Lets torch start its pin thread where there is no accelerator; the copy is a plain one."""
    torch.Tensor.pin_memory = lambda self, *a, **k: self.clone()
    if hasattr(torch, "accelerator"):
        torch.accelerator.is_available = lambda: True
        torch.accelerator.current_accelerator = lambda *a: torch.device("cpu")
        torch.accelerator.current_device_index = lambda: 0
        torch.accelerator.set_device_index = lambda i: None
    torch.cuda.is_available = lambda: True
    torch.cuda.current_device = lambda: 0
    torch.cuda.set_device = lambda i: None


def main():
    if args.pin:
        pin_without_a_gpu()
    options = {}
    if args.workers:
        options = dict(
            prefetch_factor=args.prefetch,
            persistent_workers=args.persistent,
            multiprocessing_context=args.ctx,
        )
    loader = DataLoader(
        Numbers(), batch_size=BATCH, num_workers=args.workers, pin_memory=args.pin,
        collate_fn=Collate(done), **options,
    )
    now = {"iterator": None, "taken": 0, "in_loop": False}
    depths, waits, stop = [], [], threading.Event()

    def watch():
        while not stop.wait(0.005):
            iterator = now["iterator"]
            if iterator is None or not hasattr(iterator, "_rcvd_idx"):
                depths.append((time.time_ns(), None, None, now["taken"]))
                continue
            received, sent = iterator._rcvd_idx, iterator._send_idx
            finished = [done[i % RING] == i for i in range(received, min(sent, received + 1024))]
            ready = next((n for n, is_done in enumerate(finished) if not is_done), len(finished))
            depths.append((time.time_ns(), ready, sum(finished), now["taken"]))

    watcher = threading.Thread(target=watch, daemon=True)
    end = time.monotonic() + args.seconds + 30
    started = False
    while time.monotonic() < end:
        for slot in range(RING):
            done[slot] = -1
        iterator = iter(loader)
        now["iterator"] = iterator
        while time.monotonic() < end:
            a = time.time_ns()
            try:
                next(iterator)
            except StopIteration:
                break
            waits.append((a, time.time_ns()))
            now["taken"] += 1
            if not started:
                started = True
                watcher.start()
                print("ready", flush=True)
                end = time.monotonic() + args.seconds
            time.sleep(STEPS[(now["taken"] // PERIOD) % 2])
        now["iterator"] = None
        del iterator
    pin_thread = threads_named("pt_data_pin")
    stop.set()
    with open(args.out, "w") as out:
        meta = {"k": "meta", "pid": os.getpid(), "torch": torch.__version__}
        meta |= {"capacity": args.workers * args.prefetch, "pin_thread": pin_thread}
        print(json.dumps(meta), file=out)
        for t, ready, total, taken in depths:
            print(json.dumps({"k": "d", "t": t, "ready": ready, "total": total, "taken": taken}), file=out)
        for a, b in waits:
            print(json.dumps({"k": "w", "a": a, "b": b}), file=out)
    print("done", flush=True)


def threads_named(name):
    """Whether a thread had that name, as seen by the kernel while the loop ran."""
    return name in SEEN_THREADS


SEEN_THREADS = set()


def note_threads():
    while True:
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
