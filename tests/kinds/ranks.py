"""One rank of a run under torchrun whose rank 1 alone is slow: the others wait for it in the step.

usage: ranks.py FOLDER SECONDS; each rank writes its waits to FOLDER/RANK.
"""
import os
import sys

rank = int(os.environ["RANK"])
sys.argv[1] = os.path.join(sys.argv[1], str(rank))
import common
import torch
import torch.distributed
from torch.utils.data import DataLoader, Dataset


class Samples(Dataset):
    def __len__(self):
        return 1_000_000

    def __getitem__(self, i):
        if rank == 1:
            common.sample(i)
        return torch.full((16,), float(i))


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    common.time_torch()
    gradient = torch.zeros(1024)
    for _ in DataLoader(Samples(), batch_size=common.BATCH, num_workers=common.WORKERS):
        torch.distributed.all_reduce(gradient)
        if not common.step():
            common.finish()
