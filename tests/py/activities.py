"""A training whose step takes its time in each of its parts, so that each can be seen."""
import io
import sys
import time

import torch

PART = 0.05


class Slow(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        time.sleep(PART)
        return grad * 2


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4))

    def forward(self, x):
        time.sleep(PART)
        return Slow.apply(x * self.weight)


class Disk(io.BytesIO):
    def write(self, data):
        time.sleep(PART)
        return super().write(data)


def validate(model):
    model(torch.ones(4))


def main():
    model = Model()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
    module = sys.modules[torch.optim.SGD.__module__]
    real = module.sgd

    def slow(*args, **kwargs):
        time.sleep(PART)
        return real(*args, **kwargs)

    module.sgd = slow
    first = True
    while True:
        loss = model(torch.ones(4)).sum()
        loss.backward()
        optimizer.step()
        torch.save(model.state_dict(), Disk())
        validate(model)
        time.sleep(PART)
        if first:
            first = False
            print("ready", flush=True)


main()
