"""A multiprocessing.Pool whose results are taken in order."""
import itertools
import multiprocessing

import common


def load(number):
    return [common.sample(i) for i in range(common.BATCH)]


if __name__ == "__main__":
    with multiprocessing.Pool(common.WORKERS) as pool:
        # A bounded number of tasks under way, as people do it.
        results = [pool.apply_async(load, (n,)) for n in range(4)]
        numbers = itertools.count(4)

        def take():
            results.append(pool.apply_async(load, (next(numbers),)))
            return results.pop(0).get()

        common.loop(take)
