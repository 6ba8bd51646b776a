"""What NVIDIA's library promises, asked of the stand-in through NVIDIA's own binding.

GPU 0: an H100 that starves. GPU 1: an A100 with a MIG layout that has a hole. GPU 2: a bare A100.
"""

import time

import pynvml as nvml
from pynvml import byref, c_uint


def rc(name, *arguments):
    return nvml._nvmlGetFunctionPointer(name)(*arguments)


def refuses(error, call, *arguments):
    try:
        answer = call(*arguments)
    except nvml.NVMLError as refused:
        assert refused.value == error, (call, refused.value)
    else:
        raise AssertionError(f"{call.__name__} answers {answer}")


def near(value, wanted, share=0.02):
    assert abs(value / wanted - 1) <= share, (value, wanted)


def life():
    nvml._LoadNvmlLibrary()
    count = c_uint()
    assert rc("nvmlDeviceGetCount_v2", byref(count)) == nvml.NVML_ERROR_UNINITIALIZED
    nvml.nvmlInit()
    nvml.nvmlInit()
    nvml.nvmlShutdown()
    # Each init has its shutdown.
    assert nvml.nvmlDeviceGetCount() == 3


def lists(gpu, bare):
    count = c_uint(0)
    assert rc("nvmlDeviceGetComputeRunningProcesses_v3", gpu, byref(count), None) == nvml.NVML_ERROR_INSUFFICIENT_SIZE
    assert count.value == 2
    count = c_uint(0)
    assert rc("nvmlDeviceGetComputeRunningProcesses_v3", bare, byref(count), None) == nvml.NVML_SUCCESS
    held = nvml.nvmlDeviceGetComputeRunningProcesses(gpu)
    assert [(one.pid, one.usedGpuMemory) for one in held] == [(11, 1 << 30), (12, None)], held
    memory = nvml.c_nvmlMemory_v2_t()
    memory.version = 1
    assert rc("nvmlDeviceGetMemoryInfo_v2", gpu, byref(memory)) == nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH
    old, new = nvml.nvmlDeviceGetMemoryInfo(gpu), nvml.nvmlDeviceGetMemoryInfo(gpu, version=nvml.nvmlMemory_v2)
    # The first version counts what is reserved as used.
    assert old.used == new.used + new.reserved and old.total == new.total


def samples(gpu):
    while True:
        kind, kept = nvml.nvmlDeviceGetSamples(gpu, nvml.NVML_GPU_UTILIZATION_SAMPLES, 0)
        if len(kept) > 8:
            break
        time.sleep(0.2)
    assert kind == nvml.NVML_VALUE_TYPE_UNSIGNED_INT
    last = kept[-1].timeStamp
    assert all(one.sampleValue.uiVal <= 100 for one in kept)
    # Some slots of a sixth of a second are full and some are empty: that is what a mean hides.
    values = {one.sampleValue.uiVal for one in kept}
    assert {0, 100} <= values, values
    assert abs(last / 1e6 - time.time()) < 5
    refuses(nvml.NVML_ERROR_NOT_FOUND, nvml.nvmlDeviceGetSamples, gpu, nvml.NVML_GPU_UTILIZATION_SAMPLES, last + 10_000_000)
    used = nvml.nvmlDeviceGetProcessUtilization(gpu, 0)
    assert [one.pid for one in used] == [11, 12]
    refuses(nvml.NVML_ERROR_NOT_FOUND, nvml.nvmlDeviceGetProcessUtilization, gpu, used[-1].timeStamp + 10_000_000)


def fields(gpu):
    known, unknown = nvml.nvmlDeviceGetFieldValues(gpu, [nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 9999])
    assert known.nvmlReturn == nvml.NVML_SUCCESS
    assert unknown.nvmlReturn == nvml.NVML_ERROR_NOT_SUPPORTED
    links = nvml.nvmlDeviceGetFieldValues(gpu, [nvml.NVML_FI_DEV_NVLINK_LINK_COUNT])[0].value.uiVal
    assert links == 18
    assert [nvml.nvmlDeviceGetNvLinkState(gpu, link) for link in range(3)] == [1, 0, 1]
    refuses(nvml.NVML_ERROR_INVALID_ARGUMENT, nvml.nvmlDeviceGetNvLinkState, gpu, 18)
    tx = nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX
    whole, first, down = nvml.nvmlDeviceGetFieldValues(gpu, [(tx, 0xFFFFFFFF), (tx, 0), (tx, 1)])
    near(first.value.ullVal * 17, whole.value.ullVal)
    assert down.value.ullVal == 0


def gpm(hopper, ampere):
    assert nvml.nvmlGpmQueryDeviceSupport(hopper).isSupportedDevice == 1
    assert nvml.nvmlGpmQueryDeviceSupport(ampere).isSupportedDevice == 0
    first, second, empty = (nvml.nvmlGpmSampleAlloc() for _ in range(3))
    refuses(nvml.NVML_ERROR_NOT_SUPPORTED, nvml.nvmlGpmSampleGet, ampere, first)
    refuses(nvml.NVML_ERROR_NOT_SUPPORTED, nvml.nvmlGpmQueryIfStreamingEnabled, ampere)
    nvml.nvmlGpmSampleGet(hopper, first)
    energy = nvml.nvmlDeviceGetTotalEnergyConsumption(hopper)
    received = nvml.nvmlDeviceGetFieldValues(hopper, [nvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES])[0]
    begun = time.monotonic()
    # Two periods of the load, and under 4 GB.
    time.sleep(2.4)
    nvml.nvmlGpmSampleGet(hopper, second)
    took = time.monotonic() - begun
    energy = nvml.nvmlDeviceGetTotalEnergyConsumption(hopper) - energy
    later = nvml.nvmlDeviceGetFieldValues(hopper, [nvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES])[0]
    get = nvml.c_nvmlGpmMetricsGet_t()
    get.version, get.numMetrics = nvml.NVML_GPM_METRICS_GET_VERSION, 4
    get.sample1, get.sample2 = first, second
    wanted = [nvml.NVML_GPM_METRIC_SM_UTIL, nvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC, nvml.NVML_GPM_METRIC_GRAPHICS_UTIL, 29]
    for index, metric in enumerate(wanted):
        get.metrics[index].metricId = metric
    nvml.nvmlGpmMetricsGet(get)
    sm, rx, busy, none = (get.metrics[index] for index in range(4))
    assert rx.metricInfo.unit == "MiB/s" or rx.metricInfo.unit == b"MiB/s", rx.metricInfo.unit
    assert none.nvmlReturn == nvml.NVML_ERROR_NOT_SUPPORTED
    # One model behind all views: activity, traffic and energy are of the same bursts.
    near(sm.value, busy.value * 0.7)
    between = (later.value.uiVal - received.value.uiVal) % (1 << 32)
    near(rx.value * (1 << 20) * took, between, 0.05)
    near(energy / 1e3 / took, 700 * (0.7 * busy.value / 100 + 0.17 * (1 - busy.value / 100)), 0.05)
    get.version = 9
    assert rc("nvmlGpmMetricsGet", byref(get)) == nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH
    get.version, get.sample2 = 1, first
    assert rc("nvmlGpmMetricsGet", byref(get)) == nvml.NVML_ERROR_INVALID_ARGUMENT
    get.sample2 = empty
    assert rc("nvmlGpmMetricsGet", byref(get)) == nvml.NVML_SUCCESS
    assert get.metrics[0].nvmlReturn == nvml.NVML_ERROR_UNINITIALIZED
    assert rc("nvmlGpmSampleFree", None) == nvml.NVML_SUCCESS


def mig(gpu):
    assert nvml.nvmlDeviceGetMigMode(gpu) == [1, 1]
    refuses(nvml.NVML_ERROR_NOT_SUPPORTED, nvml.nvmlDeviceGetUtilizationRates, gpu)
    refuses(nvml.NVML_ERROR_NOT_FOUND, nvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, 1)
    large, small = (nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, slot) for slot in (0, 2))
    assert nvml.nvmlDeviceGetName(large) == "NVIDIA A100-SXM4-80GB MIG 3g.40gb"
    assert nvml.nvmlDeviceGetAttributes(large).multiprocessorCount == 42
    assert nvml.nvmlDeviceGetMemoryInfo(large).used == 5_000_000_000
    assert (nvml.nvmlDeviceGetGpuInstanceId(large), nvml.nvmlDeviceGetGpuInstanceId(small)) == (1, 7)
    held = nvml.nvmlDeviceGetComputeRunningProcesses(small)
    assert [(one.pid, one.gpuInstanceId) for one in held] == [(13, 7)], held
    refuses(nvml.NVML_ERROR_NOT_SUPPORTED, nvml.nvmlDeviceGetUtilizationRates, large)
    uuid = nvml.nvmlDeviceGetUUID(large)
    assert uuid.startswith("MIG-")
    again = nvml.nvmlDeviceGetHandleByUUID(uuid)
    assert nvml.nvmlDeviceGetGpuInstanceId(again) == 1
    parent = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(large)
    assert nvml.nvmlDeviceGetIndex(parent) == 1


def events(gpu):
    waiting = nvml.nvmlEventSetCreate()
    nvml.nvmlDeviceRegisterEvents(gpu, nvml.nvmlEventTypeXidCriticalError, waiting)
    event = nvml.nvmlEventSetWait_v2(waiting, 60_000)
    assert (event.eventType, event.eventData) == (nvml.nvmlEventTypeXidCriticalError, 79)
    begun = time.monotonic()
    # It is told once, and then the wait is a real one.
    refuses(nvml.NVML_ERROR_TIMEOUT, nvml.nvmlEventSetWait_v2, waiting, 300)
    assert time.monotonic() - begun >= 0.3
    nvml.nvmlEventSetFree(waiting)


life()
gpus = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(3)]
events(gpus[0])
lists(gpus[0], gpus[2])
samples(gpus[0])
fields(gpus[0])
gpm(gpus[0], gpus[2])
mig(gpus[1])
nvml.nvmlShutdown()
print("kept")
