"""Threads that fill a queue.Queue, and a loop that empties it."""
import queue
import threading

import common


def fill(batches):
    while True:
        batches.put([common.sample(i) for i in range(common.BATCH)])


if __name__ == "__main__":
    batches = queue.Queue(maxsize=8)
    for _ in range(common.WORKERS):
        threading.Thread(target=fill, args=(batches,), daemon=True).start()
    common.loop(batches.get)
