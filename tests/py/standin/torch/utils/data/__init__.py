from .dataloader import DataLoader  # noqa: F401


class Dataset:
    pass


class IterableDataset(Dataset):
    pass
