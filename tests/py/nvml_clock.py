"""The stand-in under a clock that is moved by hand: every view is what the script makes of that moment.

usage: nvml_clock.py CONTROL-FILE
"""

import os
import sys
import time

import pynvml as nvml

control = sys.argv[1]


def at(moment):
    with open(control + ".new", "w") as file:
        file.write(f"now {moment}\n")
    os.replace(control + ".new", control)
    # The file is looked at every few milliseconds.
    deadline = time.monotonic() + 30
    energy = nvml.nvmlDeviceGetTotalEnergyConsumption
    while energy(steady) != int(moment * 300_000):
        assert time.monotonic() < deadline, (moment, energy(steady))
        time.sleep(0.005)


def utilization(gpu):
    return nvml.nvmlDeviceGetUtilizationRates(gpu).gpu


nvml.nvmlInit()
steady, phased, moving, replayed, noisy, lost = (nvml.nvmlDeviceGetHandleByIndex(index) for index in range(6))
at(1.0)
assert utilization(phased) == 10
# In the middle of an average of a second, half of which was another phase.
at(2.5)
assert utilization(phased) == 50
at(4.0)
assert utilization(phased) == 90
received = nvml.nvmlDeviceGetFieldValues(steady, [nvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES])[0].value.uiVal
assert received == 4 * 3_000_000_000 % (1 << 32), received
# Between two keys it moves in a straight line: from 40 to 50 in the last second.
at(5.0)
assert utilization(moving) == 45
assert utilization(replayed) == 30
first = nvml.nvmlDeviceGetPowerUsage(noisy)
assert first == nvml.nvmlDeviceGetPowerUsage(noisy) and 200_000 < first < 300_000, first
at(6.0)
assert nvml.nvmlDeviceGetPowerUsage(noisy) != first
# What sticks goes on, whatever its end.
try:
    utilization(lost)
    raise AssertionError("it is not lost")
except nvml.NVMLError_GpuIsLost:
    pass
at(7.5)
try:
    utilization(lost)
    raise AssertionError("it came back")
except nvml.NVMLError_GpuIsLost:
    pass
print("kept")
