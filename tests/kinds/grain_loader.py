"""Grain with worker processes."""
import common
import grain
import numpy


def load(i):
    return numpy.full((16,), common.sample(i))


if __name__ == "__main__":
    dataset = grain.MapDataset.source(range(1_000_000)).map(load).batch(common.BATCH)
    options = grain.MultiprocessingOptions(num_workers=common.WORKERS, per_worker_buffer_size=2)
    reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
    common.loop(iter(dataset.to_iter_dataset(reading).mp_prefetch(options)))
