from . import fetch


class Resume:
    pass


def _worker_loop(dataset, index_queue, data_queue, collate):
    fetcher = fetch.Fetcher(dataset, collate)
    while True:
        task = index_queue.get()
        if task is None:
            break
        if isinstance(task, Resume):
            data_queue.put((task, None))
            continue
        index, indices = task
        data_queue.put((index, fetcher.fetch(indices)))
