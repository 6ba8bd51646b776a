import queue


def _pin_memory_loop(in_queue, out_queue, done_event):
    while not done_event.is_set():
        try:
            index, data = in_queue.get(timeout=0.2)
        except queue.Empty:
            continue
        if hasattr(data, "pin_memory"):
            data = data.pin_memory()
        out_queue.put((index, data))
