import itertools
import multiprocessing
import queue
import threading

import torch

from ._utils import fetch, pin_memory, worker


class SequentialSampler:
    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))


class BatchSampler:
    def __init__(self, sampler, batch_size, drop_last):
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self):
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch


class DataLoader:
    def __init__(
        self, dataset, batch_size=1, num_workers=0, pin_memory=False, collate_fn=list,
        prefetch_factor=2, persistent_workers=False, multiprocessing_context=None, sampler=None,
    ):
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.collate_fn = collate_fn
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self.context = multiprocessing.get_context(multiprocessing_context or "fork")
        self.batch_sampler = BatchSampler(sampler or SequentialSampler(dataset), batch_size, False)
        self._iterator = None

    def _get_iterator(self):
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        return _MultiProcessingDataLoaderIter(self)

    def __iter__(self):
        if not (self.persistent_workers and self.num_workers):
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator


class _BaseDataLoaderIter:
    def __init__(self, loader):
        self._dataset = loader.dataset
        self._dataset_kind = 0
        self._drop_last = False
        self._index_sampler = loader.batch_sampler
        self._num_workers = loader.num_workers
        self._pin_memory = loader.pin_memory and torch.cuda.is_available()
        self._timeout = 0
        self._collate_fn = loader.collate_fn
        self._sampler_iter = iter(self._index_sampler)
        self._base_seed = 7
        self._persistent_workers = loader.persistent_workers
        self._num_yielded = 0
        self._profile_name = "enumerate(DataLoader)"

    def __iter__(self):
        return self

    def _reset(self, loader, first_iter=False):
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0

    def __next__(self):
        data = self._next_data()
        self._num_yielded += 1
        return data


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader):
        super().__init__(loader)
        self._dataset_fetcher = fetch.Fetcher(self._dataset, self._collate_fn)

    def _next_data(self):
        return self._dataset_fetcher.fetch(next(self._sampler_iter))


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader):
        super().__init__(loader)
        self._prefetch_factor = loader.prefetch_factor
        self._worker_result_queue = loader.context.Queue()
        self._shutdown = False
        self._index_queues = []
        self._workers = []
        for _ in range(self._num_workers):
            index_queue = loader.context.Queue()
            index_queue.cancel_join_thread()
            process = loader.context.Process(
                target=worker._worker_loop,
                args=(self._dataset, index_queue, self._worker_result_queue, self._collate_fn),
            )
            process.daemon = True
            process.start()
            self._index_queues.append(index_queue)
            self._workers.append(process)
        if self._pin_memory:
            self._pin_memory_thread_done_event = threading.Event()
            self._data_queue = queue.Queue()
            self._pin_memory_thread = threading.Thread(
                target=pin_memory._pin_memory_loop,
                args=(self._worker_result_queue, self._data_queue, self._pin_memory_thread_done_event),
                daemon=True,
            )
            self._pin_memory_thread.start()
        else:
            self._data_queue = self._worker_result_queue
        self._reset(loader, first_iter=True)

    def _reset(self, loader, first_iter=False):
        super()._reset(loader, first_iter)
        self._send_idx = 0
        self._rcvd_idx = 0
        self._task_info = {}
        self._tasks_outstanding = 0
        self._worker_queue_idx_cycle = itertools.cycle(range(self._num_workers))
        if not first_iter:
            for index_queue in self._index_queues:
                index_queue.put(worker.Resume())
            answers = self._num_workers
            while answers:
                answers -= isinstance(self._get_data()[0], worker.Resume)
        for _ in range(self._prefetch_factor * self._num_workers):
            self._try_put_index()

    def _try_get_data(self, timeout=5.0):
        try:
            return True, self._data_queue.get(timeout=timeout)
        except queue.Empty:
            return False, None

    def _get_data(self):
        while True:
            success, data = self._try_get_data()
            if success:
                return data

    def _next_data(self):
        while True:
            if self._rcvd_idx >= self._send_idx:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if len(self._task_info[self._rcvd_idx]) == 2:
                data = self._task_info.pop(self._rcvd_idx)[1]
                break
            index, data = self._get_data()
            self._tasks_outstanding -= 1
            if index == self._rcvd_idx:
                del self._task_info[index]
                break
            self._task_info[index] += (data,)
        self._rcvd_idx += 1
        self._try_put_index()
        return data

    def _try_put_index(self):
        indices = next(self._sampler_iter, None)
        if indices is None:
            return
        turn = next(self._worker_queue_idx_cycle)
        self._index_queues[turn].put((self._send_idx, indices))
        self._task_info[self._send_idx] = (turn,)
        self._tasks_outstanding += 1
        self._send_idx += 1

    def _shutdown_workers(self):
        if self._shutdown:
            return
        self._shutdown = True
        if self._pin_memory:
            self._pin_memory_thread_done_event.set()
            self._pin_memory_thread.join()
        for index_queue in self._index_queues:
            index_queue.put(None)
        for process in self._workers:
            process.join()

    def __del__(self):
        self._shutdown_workers()
