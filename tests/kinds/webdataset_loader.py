"""webdataset: shards, a pipeline of its own, and its WebLoader."""
import io
import os
import tarfile
import tempfile

import common
import torch
import webdataset


def shards(folder):
    """Two shards of small samples."""
    for number in range(common.WORKERS):
        with tarfile.open(os.path.join(folder, f"{number}.tar"), "w") as tar:
            for i in range(256):
                data = str(i).encode()
                entry = tarfile.TarInfo(f"{i:06}.txt")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return os.path.join(folder, "{0..%d}.tar" % (common.WORKERS - 1))


def decode(sample):
    return torch.full((16,), float(common.sample(int(sample["txt"]))))


if __name__ == "__main__":
    folder = tempfile.mkdtemp(prefix="mltop-webdataset-")
    dataset = webdataset.WebDataset(shards(folder), shardshuffle=False).repeat().map(decode)
    dataset = dataset.batched(common.BATCH, collation_fn=torch.stack)
    loader = webdataset.WebLoader(dataset, batch_size=None, num_workers=common.WORKERS)
    common.time_torch()
    for _ in loader:
        if not common.step():
            common.finish()
