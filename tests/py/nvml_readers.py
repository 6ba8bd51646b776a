"""What others read from the driver: NVIDIA's own binding, nvitop and gpustat, as one line of JSON.

usage: nvml_readers.py (the library is found by LD_LIBRARY_PATH)
"""

import json
import time

import pynvml

pynvml.nvmlInit()


def binding(index):
    gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
    rates = pynvml.nvmlDeviceGetUtilizationRates(gpu)
    memory = pynvml.nvmlDeviceGetMemoryInfo(gpu, version=pynvml.nvmlMemory_v2)
    held = pynvml.nvmlDeviceGetComputeRunningProcesses(gpu)
    return {
        "name": pynvml.nvmlDeviceGetName(gpu),
        "uuid": pynvml.nvmlDeviceGetUUID(gpu),
        "utilization": rates.gpu,
        "memory_controller": rates.memory,
        "memory_used": memory.used,
        "memory_total": memory.total,
        "power_mw": pynvml.nvmlDeviceGetPowerUsage(gpu),
        "limit_mw": pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu),
        "temperature": pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
        "sm_clock_mhz": pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
        "processes": sorted([one.pid, one.usedGpuMemory] for one in held),
        "rx_kb": pynvml.nvmlDeviceGetPcieThroughput(gpu, pynvml.NVML_PCIE_UTIL_RX_BYTES),
        "tx_kb": pynvml.nvmlDeviceGetPcieThroughput(gpu, pynvml.NVML_PCIE_UTIL_TX_BYTES),
        "rx_by_counter": by_counter(gpu),
    }


def by_counter(gpu):
    """Bytes per second by the counter of 32 bits, through which fewer than 4 GB pass meanwhile."""
    field = pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES
    first = pynvml.nvmlDeviceGetFieldValues(gpu, [field])[0]
    time.sleep(0.1)
    second = pynvml.nvmlDeviceGetFieldValues(gpu, [field])[0]
    bytes_between = (second.value.uiVal - first.value.uiVal) % (1 << 32)
    return bytes_between / ((second.timestamp - first.timestamp) / 1e6)


def by_nvitop():
    from nvitop import Device

    return [
        {
            "name": gpu.name(),
            "uuid": gpu.uuid(),
            "utilization": gpu.gpu_utilization(),
            "memory_controller": gpu.memory_utilization(),
            "memory_used": gpu.memory_used(),
            "memory_total": gpu.memory_total(),
            "power_mw": gpu.power_usage(),
            "temperature": gpu.temperature(),
            "processes": sorted([pid, one.gpu_memory()] for pid, one in gpu.processes().items()),
            "rx_kb": gpu.pcie_rx_throughput(),
            "tx_kb": gpu.pcie_tx_throughput(),
        }
        for gpu in Device.all()
    ]


def by_gpustat():
    import gpustat

    return [
        {
            "name": gpu["name"],
            "uuid": gpu["uuid"],
            "utilization": gpu["utilization.gpu"],
            "memory_used_mib": gpu["memory.used"],
            "memory_total_mib": gpu["memory.total"],
            "power_w": gpu["power.draw"],
            "temperature": gpu["temperature.gpu"],
            "processes": sorted([one["pid"], one["gpu_memory_usage"]] for one in gpu["processes"]),
        }
        for gpu in gpustat.new_query().jsonify()["gpus"]
    ]


count = pynvml.nvmlDeviceGetCount()
print(json.dumps({
    "binding": [binding(index) for index in range(count)],
    "nvitop": by_nvitop(),
    "gpustat": by_gpustat(),
}))
