//! The layouts and numbers of the stand-in are those of NVIDIA's header, as a compiler sees it.

use std::fmt::Write;
use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::table::environment;

#[path = "../standin/abi.rs"]
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "the stand-in's own file, of which the layouts are looked at here"
)]
mod abi;

/// `name of the header = ours { its field = ours }`, made into assertions in C.
macro_rules! layouts {
    ($($theirs:ident = $ours:ident { $($field:ident = $own:ident),* })*) => {{
        let mut text = String::new();
        $(
            writeln!(text, "SIZE({}, {});", stringify!($theirs), size_of::<abi::$ours>()).unwrap();
            $(
                let at = offset_of!(abi::$ours, $own);
                writeln!(text, "FIELD({}, {}, {at});", stringify!($theirs), stringify!($field)).unwrap();
            )*
        )*
        text
    }};
}

fn layouts() -> String {
    layouts! {
        nvmlUtilization_t = Utilization { gpu = gpu, memory = memory }
        nvmlMemory_t = MemoryV1 { total = total, free = free, used = used }
        nvmlMemory_v2_t = MemoryV2 { version = version, total = total, reserved = reserved, free = free, used = used }
        nvmlProcessInfo_v1_t = ProcessV1 { pid = pid, usedGpuMemory = memory }
        nvmlProcessInfo_v2_t = ProcessV2 {
            pid = pid, usedGpuMemory = memory, gpuInstanceId = gpu_instance, computeInstanceId = compute_instance
        }
        nvmlProcessInfo_t = ProcessV2 { pid = pid }
        nvmlProcessDetail_v1_t = Process535 { usedGpuMemory = memory, usedGpuCcProtectedMemory = protected_memory }
        nvmlProcessDetailList_v1_t = ProcessDetails { mode = mode, numProcArrayEntries = count, procArray = list }
        nvmlProcessUtilizationSample_t = ProcessUtilization {
            pid = pid, timeStamp = timestamp, smUtil = sm, memUtil = memory, encUtil = encoder, decUtil = decoder
        }
        nvmlProcessUtilizationInfo_v1_t = ProcessUtilizationV1 { timeStamp = timestamp, pid = pid, smUtil = sm, ofaUtil = optical }
        nvmlProcessesUtilizationInfo_v1_t = ProcessesUtilization {
            processSamplesCount = count, lastSeenTimeStamp = since, procUtilArray = list
        }
        nvmlSample_t = Sample { timeStamp = timestamp, sampleValue = value }
        nvmlFieldValue_t = FieldValue {
            fieldId = id, scopeId = scope, timestamp = timestamp, latencyUsec = latency, valueType = kind,
            nvmlReturn = rc, value = value
        }
        nvmlPciInfo_t = Pci { busIdLegacy = bus_id_legacy, domain = domain, bus = bus, pciDeviceId = device_id, busId = bus_id }
        nvmlBAR1Memory_t = Bar1 { bar1Total = total, bar1Free = free, bar1Used = used }
        nvmlDeviceAttributes_t = Attributes {
            multiprocessorCount = multiprocessors, sharedCopyEngineCount = engines, gpuInstanceSliceCount = gpu_slices,
            memorySizeMB = memory_mb
        }
        nvmlEventData_t = EventData { device = device, eventType = kind, eventData = data, gpuInstanceId = gpu_instance }
        nvmlGpmMetric_t = GpmMetric { metricId = id, nvmlReturn = rc, value = value, metricInfo = info }
        nvmlGpmSupport_t = GpmSupport { version = version, isSupportedDevice = supported }
        nvmlGpuInstanceProfileInfo_t = InstanceProfile { id = id, sliceCount = slices, instanceCount = instances, memorySizeMB = memory_mb }
        nvmlGpuInstanceProfileInfo_v2_t = InstanceProfileV2 { version = version, memorySizeMB = memory_mb, name = name }
        nvmlConfComputeSystemState_t = ConfidentialState { environment = environment, ccFeature = feature, devToolsMode = tools }
        nvmlConfComputeMemSizeInfo_t = ConfidentialMemory { protectedMemSizeKib = protected_kib }
        nvmlRowRemapperHistogramValues_t = RowHistogram { max = banks }
        nvmlTemperature_v1_t = Temperature { version = version, sensorType = sensor, temperature = celsius }
        nvmlMarginTemperature_v1_t = Margin { marginTemperature = celsius }
    }
}

/// Numbers that the stand-in writes as numbers.
const NUMBERS: &str = "
    NUMBER(NVML_ERROR_UNINITIALIZED, 1) NUMBER(NVML_ERROR_INVALID_ARGUMENT, 2) NUMBER(NVML_ERROR_NOT_SUPPORTED, 3)
    NUMBER(NVML_ERROR_NOT_FOUND, 6) NUMBER(NVML_ERROR_INSUFFICIENT_SIZE, 7) NUMBER(NVML_ERROR_TIMEOUT, 10)
    NUMBER(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, 25) NUMBER(nvmlEventTypeXidCriticalError, 8)
    NUMBER(NVML_VALUE_TYPE_UNSIGNED_INT, 1) NUMBER(NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, 3)
    NUMBER(NVML_VALUE_TYPE_SIGNED_INT, 5) NUMBER(NVML_PCIE_UTIL_TX_BYTES, 0) NUMBER(NVML_PCIE_UTIL_RX_BYTES, 1)
    NUMBER(NVML_TOTAL_POWER_SAMPLES, 0) NUMBER(NVML_GPU_UTILIZATION_SAMPLES, 1) NUMBER(NVML_MEMORY_UTILIZATION_SAMPLES, 2)
    NUMBER(NVML_CLOCK_SM, 1) NUMBER(NVML_CLOCK_MEM, 2) NUMBER(NVML_MEMORY_ERROR_TYPE_UNCORRECTED, 1)
    NUMBER(NVML_AGGREGATE_ECC, 1) NUMBER(NVML_MEMORY_LOCATION_DEVICE_MEMORY, 2)
    NUMBER(NVML_TEMPERATURE_THRESHOLD_SHUTDOWN, 0) NUMBER(NVML_TEMPERATURE_THRESHOLD_SLOWDOWN, 1)
    NUMBER(NVML_DEVICE_ARCH_TURING, 6) NUMBER(NVML_DEVICE_ARCH_AMPERE, 7) NUMBER(NVML_DEVICE_ARCH_HOPPER, 9)
    NUMBER(NVML_NVLINK_VERSION_3_0, 4) NUMBER(NVML_NVLINK_VERSION_4_0, 6) NUMBER(NVML_NVLINK_DEVICE_TYPE_SWITCH, 2)
    NUMBER(NVML_FI_DEV_ECC_SBE_VOL_TOTAL, 3) NUMBER(NVML_FI_DEV_ECC_DBE_AGG_TOTAL, 6) NUMBER(NVML_FI_DEV_RETIRED_PENDING, 31)
    NUMBER(NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL, 52) NUMBER(NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL, 59)
    NUMBER(NVML_FI_DEV_MEMORY_TEMP, 82) NUMBER(NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 83)
    NUMBER(NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON, 90) NUMBER(NVML_FI_DEV_NVLINK_LINK_COUNT, 91)
    NUMBER(NVML_FI_DEV_PCIE_REPLAY_COUNTER, 94) NUMBER(NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, 138)
    NUMBER(NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_RX, 141) NUMBER(NVML_FI_DEV_REMAPPED_COR, 142)
    NUMBER(NVML_FI_DEV_REMAPPED_FAILURE, 145) NUMBER(NVML_FI_DEV_NVLINK_GET_STATE, 165)
    NUMBER(NVML_FI_DEV_C2C_LINK_COUNT, 170) NUMBER(NVML_FI_DEV_C2C_LINK_GET_MAX_BW, 172)
    NUMBER(NVML_FI_DEV_POWER_AVERAGE, 185) NUMBER(NVML_FI_DEV_POWER_INSTANT, 186)
    NUMBER(NVML_FI_DEV_POWER_CURRENT_LIMIT, 190) NUMBER(NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT, 193)
    NUMBER(NVML_FI_DEV_PCIE_COUNT_TX_BYTES, 197) NUMBER(NVML_FI_DEV_PCIE_COUNT_RX_BYTES, 198)
    NUMBER(NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES, 202) NUMBER(NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES, 204)
    NUMBER(NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, 230)
    NUMBER(NVML_GPM_METRIC_GRAPHICS_UTIL, 1) NUMBER(NVML_GPM_METRIC_SM_UTIL, 2) NUMBER(NVML_GPM_METRIC_SM_OCCUPANCY, 3)
    NUMBER(NVML_GPM_METRIC_ANY_TENSOR_UTIL, 5) NUMBER(NVML_GPM_METRIC_DRAM_BW_UTIL, 10)
    NUMBER(NVML_GPM_METRIC_PCIE_TX_PER_SEC, 20) NUMBER(NVML_GPM_METRIC_PCIE_RX_PER_SEC, 21)
    NUMBER(NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC, 60) NUMBER(NVML_GPM_METRIC_C2C_TOTAL_TX_PER_SEC, 100)
    NUMBER(NVML_GPM_METRICS_GET_VERSION, 1)
";

/// Every function that the stand-in exports, from its own text.
fn exported() -> Vec<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin");
    let mut names = Vec::new();
    for file in fs::read_dir(sources).unwrap().filter_map(Result::ok) {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        for line in text.lines().map(str::trim_start) {
            let line = line.strip_prefix("pub unsafe extern \"C\" fn ").unwrap_or(line);
            let name: String =
                line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name.starts_with("nvml") && line[name.len()..].starts_with('(') {
                names.push(name);
            }
        }
    }
    assert!(names.len() > 100, "{} functions", names.len());
    names
}

fn header() -> Option<PathBuf> {
    let packages = environment()?.join("lib");
    let pythons = fs::read_dir(packages).ok()?.filter_map(Result::ok);
    let found = pythons
        .filter_map(|python| fs::read_dir(python.path().join("site-packages/nvidia")).ok())
        .flatten()
        .filter_map(Result::ok)
        .map(|package| package.path().join("include"))
        .find(|include| include.join("nvml.h").exists());
    if found.is_none() {
        eprintln!("skipped: no nvml.h here (the package nvidia-nvml-dev brings it)");
    }
    found
}

#[test]
fn every_layout_number_and_function_of_the_stand_in_is_in_nvidia_s_header() {
    let Some(include) = header() else { return };
    let mut program = "#define NVML_NO_UNVERSIONED_FUNC_DEFS\n#include <stddef.h>\n#include <nvml.h>\n\
        #define SIZE(type, size) _Static_assert(sizeof(type) == size, #type)\n\
        #define FIELD(type, field, at) _Static_assert(offsetof(type, field) == at, #type \".\" #field)\n\
        #define NUMBER(name, number) _Static_assert(name == number, #name);\n"
        .to_owned();
    program += &layouts();
    program += NUMBERS;
    // The versions that calls are asked with.
    for (theirs, ours) in [
        ("nvmlMemory_v2", abi::version::<abi::MemoryV2>(2)),
        ("nvmlProcessDetailList_v1", abi::version::<abi::ProcessDetails>(1)),
        ("nvmlProcessesUtilizationInfo_v1", abi::version::<abi::ProcessesUtilization>(1)),
        ("nvmlTemperature_v1", abi::version::<abi::Temperature>(1)),
    ] {
        writeln!(program, "NUMBER({theirs}, {ours}U)").unwrap();
    }
    // The header of a request for metrics, which are as many as the caller likes.
    writeln!(program, "FIELD(nvmlGpmMetricsGet_t, metrics, {});", size_of::<abi::GpmGet>())
        .unwrap();
    program += "const void *functions[] = {\n";
    for name in exported() {
        writeln!(program, "(const void *){name},").unwrap();
    }
    program += "};\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("check.c");
    fs::write(&file, program).unwrap();
    let done = Command::new("cc")
        .args(["-std=c11", "-fsyntax-only", "-I"])
        .arg(include)
        .arg(&file)
        .output();
    let Ok(done) = done else {
        eprintln!("skipped: no C compiler here");
        return;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
