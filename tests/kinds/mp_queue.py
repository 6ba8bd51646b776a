"""Processes that fill a multiprocessing.Queue, and a loop that empties it."""
import multiprocessing

import common


def fill(queue):
    while True:
        queue.put([common.sample(i) for i in range(common.BATCH)])


if __name__ == "__main__":
    queue = multiprocessing.Queue(maxsize=8)
    for _ in range(common.WORKERS):
        multiprocessing.Process(target=fill, args=(queue,), daemon=True).start()
    common.loop(queue.get)
