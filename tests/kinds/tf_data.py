"""tf.data: its queues are in C++; only the wait can be seen."""
import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
import common
import tensorflow as tf


def load(i):
    return tf.py_function(lambda i: common.sample(i), [i], tf.int64)


if __name__ == "__main__":
    dataset = tf.data.Dataset.range(1_000_000).map(load, num_parallel_calls=common.WORKERS)
    common.loop(iter(dataset.batch(common.BATCH).prefetch(2)))
