"""A multiprocessing.Pool whose results are taken in order."""
import multiprocessing

import common


def load(number):
    return [common.sample(i) for i in range(common.BATCH)]


if __name__ == "__main__":
    with multiprocessing.Pool(common.WORKERS) as pool:
        common.loop(pool.imap(load, range(100_000)))
