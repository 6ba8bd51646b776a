"""The training loop of `mltop demo`: real processes, real queues, real reads; only the GPU is simulated.

Standard library only. It lays its queues out as PyTorch's DataLoader does (one result queue, one
index queue a worker, messages that begin with the batch's number), so mltop reads it from outside
with the same code as a real run. What the GPU would have done is written to standard output, a line
each time: seconds busy so far, bytes sent to it so far, bytes of its memory in use, phase.

It ends when standard input closes, and its workers end with it.
"""

import mmap
import multiprocessing as mp
import os
import queue
import random
import sys
import tempfile
import threading
import time

WORKERS = 4
PREFETCH = 2
BLOCK = 1 << 20
FILE_BLOCKS = 96
SLOW = 0.16  # seconds a batch: WORKERS of them feed a step of 25 ms only every 40 ms
GIB = 1 << 30

# phase: (step seconds, busy share of a step, bytes a batch to the GPU, GPU memory)
PHASES = {
    "healthy": (0.040, 0.96, 96 << 20, 61 * GIB),
    "disk": (0.025, 0.96, 96 << 20, 61 * GIB),
    "cpu": (0.025, 0.96, 96 << 20, 61 * GIB),
    "oversized": (0.040, 0.11, 2 << 20, 7 * GIB),
}


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))


class Blocks:
    """Random blocks of a file, past the page cache where the filesystem allows it."""

    def __init__(self, path):
        try:
            self.file = os.open(path, os.O_RDONLY | os.O_DIRECT)
            self.direct = True
        except OSError:
            self.file = os.open(path, os.O_RDONLY)
            self.direct = False
        self.buffer = mmap.mmap(-1, BLOCK)

    def read(self):
        offset = random.randrange(FILE_BLOCKS) * BLOCK
        if not self.direct:
            os.posix_fadvise(self.file, offset, BLOCK, os.POSIX_FADV_DONTNEED)
        os.preadv(self.file, [self.buffer], offset)

    def read_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()


def worker(index_queue, result_queue, path, parent):
    random.seed(os.getpid())
    blocks = Blocks(path)
    while os.getppid() == parent:
        try:
            message = index_queue.get(timeout=5)
        except queue.Empty:
            continue
        if message is None:
            break
        number, (phase,) = message
        if phase == "disk":
            blocks.read_for(SLOW)
        elif phase == "cpu":
            burn(SLOW)
        else:
            burn(0.004)
        result_queue.put((number, b"x" * 300))


class Report:
    def __init__(self):
        self.busy = 0.0
        self.sent = 0
        self.last = 0.0

    def step(self, busy, sent, memory, phase):
        self.busy += busy
        self.sent += sent
        now = time.monotonic()
        if now - self.last >= 0.05:
            self.last = now
            print(f"{self.busy:.6f} {self.sent} {memory} {phase}", flush=True)


def phase_at(phases, seconds, elapsed):
    return phases[int(elapsed / seconds) % len(phases)]


def train(phases, seconds, path):
    result_queue = mp.Queue()
    index_queues, workers = [], []
    for _ in range(WORKERS):
        index_queue = mp.Queue()
        process = mp.Process(
            target=worker, args=(index_queue, result_queue, path, os.getpid()), daemon=True
        )
        process.start()
        index_queues.append(index_queue)
        workers.append(process)
    report, sent, received, stash = Report(), 0, 0, {}
    begun = time.monotonic()
    while True:
        phase = phase_at(phases, seconds, time.monotonic() - begun)
        while sent - received < WORKERS * PREFETCH:
            index_queues[sent % WORKERS].put((sent, (phase,)))
            sent += 1
        while received not in stash:
            try:
                number, batch = result_queue.get(timeout=5)
            except queue.Empty:
                continue
            stash[number] = batch
        del stash[received]
        received += 1
        step, share, size, memory = PHASES[phase]
        time.sleep(step)
        report.step(step * share, size, memory, phase)


def end_with_input():
    # Not through sys.stdin: its lock would be held in every worker that is forked meanwhile.
    while os.read(0, 64):
        pass
    for child in mp.active_children():
        child.kill()
    os._exit(0)


def main():
    if sys.argv[4:] == ["remove-script"]:
        os.unlink(sys.argv[0])
        os.rmdir(os.path.dirname(sys.argv[0]))
    seconds, phases = float(sys.argv[1]), sys.argv[2].split(",")
    mp.set_start_method("fork")
    file, name = tempfile.mkstemp(prefix="mltop-demo-", dir=sys.argv[3])
    os.unlink(name)  # Nothing is left behind, however this ends.
    for _ in range(FILE_BLOCKS):
        os.write(file, os.urandom(BLOCK))
    os.fsync(file)
    threading.Thread(target=end_with_input, daemon=True).start()
    train(phases, seconds, f"/proc/{os.getpid()}/fd/{file}")


if __name__ == "__main__":
    main()
