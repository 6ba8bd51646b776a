"""torchdata's StatefulDataLoader."""
import common
import torch
from torch.utils.data import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader


class Samples(Dataset):
    def __len__(self):
        return 1_000_000

    def __getitem__(self, i):
        return torch.full((16,), float(common.sample(i)))


if __name__ == "__main__":
    loader = StatefulDataLoader(Samples(), batch_size=common.BATCH, num_workers=common.WORKERS)
    common.loop(iter(loader))
