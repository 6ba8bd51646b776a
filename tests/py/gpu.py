"""What a training on a machine without a GPU needs to look as if it had one."""

import os
import threading
import time

import torch


class Gpu:
    """Tells the stand-in what the loop's GPU does, from the true time in its steps."""

    def __init__(self, control):
        self.control = control
        self.busy = 0.0
        self.since = None
        self.lock = threading.Lock()
        if control:
            threading.Thread(target=self.report, daemon=True).start()

    def step(self, seconds):
        with self.lock:
            self.since = time.monotonic()
        time.sleep(seconds)
        with self.lock:
            self.busy += time.monotonic() - self.since
            self.since = None

    def seconds(self):
        with self.lock:
            running = time.monotonic() - self.since if self.since else 0.0
            return self.busy + running

    def report(self):
        last, at = 0.0, time.monotonic()
        while True:
            time.sleep(0.5)
            busy, now = self.seconds(), time.monotonic()
            share = min(1.0, (busy - last) / (now - at))
            last, at = busy, now
            text = f"gpu 0 util={share * 100:.0f} power={90_000 + 500_000 * share:.0f}\n"
            with open(self.control + ".new", "w") as file:
                file.write(text)
            os.replace(self.control + ".new", self.control)


def pin_without_a_gpu():
    """Lets torch start its pin thread where there is no accelerator; the copy is a plain one."""
    torch.Tensor.pin_memory = lambda self, *a, **k: self.clone()
    if hasattr(torch, "accelerator"):
        torch.accelerator.is_available = lambda: True
        torch.accelerator.current_accelerator = lambda *a: torch.device("cpu")
        torch.accelerator.current_device_index = lambda: 0
        torch.accelerator.set_device_index = lambda i: None
    torch.cuda.is_available = lambda: True
    torch.cuda.current_device = lambda: 0
    torch.cuda.set_device = lambda i: None
