from .dataloader import DataLoader  # noqa: F401


class Dataset:
    pass


class IterableDataset(Dataset):
    pass


def get_worker_info():
    return None
