"""As much of torch's module as the probe touches, for interpreters without torch."""


class _Sampler(object):
    def __init__(self, batch_size):
        self.batch_size = batch_size


class _BaseDataLoaderIter(object):
    def __init__(self, loader):
        self._dataset = loader.dataset
        self._index_sampler = _Sampler(loader.batch_size)
        self._num_workers = 0
        self._pin_memory = False
        self._persistent_workers = False
        self._at = 0

    def __iter__(self):
        return self

    def _next_data(self):
        if self._at >= len(self._dataset):
            raise StopIteration
        batch = [self._dataset[i] for i in range(self._at, self._at + self._index_sampler.batch_size)]
        self._at += len(batch)
        return batch

    def __next__(self):
        return self._next_data()


class DataLoader(object):
    def __init__(self, dataset, batch_size=1, num_workers=0, persistent_workers=False):
        self.dataset, self.batch_size = dataset, batch_size

    def __iter__(self):
        return _BaseDataLoaderIter(self)
