"""A stand-in for torch where it is not installed: the DataLoader's shape, and no more.

Its classes and attributes have the names that the real ones have, and its queues are real, so that
whatever reads a DataLoader from outside can be tried on every Python.
"""
__version__ = "stand-in"


class Tensor:
    def __init__(self, values):
        self.values = values

    def clone(self):
        return Tensor(list(self.values))

    def pin_memory(self):
        return self.clone()


def full(shape, value):
    return Tensor([value] * shape[0])


def stack(tensors):
    return Tensor([tensor.values for tensor in tensors])


def set_num_threads(count):
    pass


class device:
    def __init__(self, name):
        self.name = name


class cuda:
    @staticmethod
    def is_available():
        return False
