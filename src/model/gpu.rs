//! What is read of a GPU at one tick, and of the processes on it.

use super::id::{GpuId, Pid};
use super::metric::{Cell, Kind, Section, section, states};
use super::reading::{Gap, Reading};
use super::sample::Bound;

states! {
    /// Where a PCIe rate comes from.
    PcieSource {
        /// GPM: the hardware's own average between two samples.
        Gpm = "gpm",
        /// The driver's byte counters, polled faster than they wrap.
        Counter = "counter",
        /// `nvmlDeviceGetPcieThroughput`: a look of 20 ms.
        Snapshot = "snapshot",
    }
}

states! {
    /// Where utilization and memory in use come from.
    UsageSource {
        /// The driver tells them of the card as a whole.
        Driver = "driver",
        /// Inferred: the sum over the processes that have the card open and may be looked at.
        Processes = "processes",
    }
}

section! {
    /// One GPU, or one MIG instance of a GPU: what belongs to the whole card (clocks, power, links,
    /// health) is not applicable to an instance.
    GpuSample, "gpus" {
        gpu: GpuId => Id, None, 0, "Index in the vendor's library, and behind NVIDIA's the place by PCI address; of a MIG instance, 128 + 16 × its card + its own index.";
        utilization_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of time in which at least one kernel ran, or a copy: since the look before by the samples that the driver keeps, else in its last sampling period, of a fifth of a second to one (NVML utilization.gpu; of AMD the mean of gpu_busy_percent, the firmware's busy share of the moment, over the looks of a second). Says nothing about how much of the GPU it used.";
        memory_controller_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of the last sampling period in which device memory was read or written (NVML utilization.memory; of AMD mem_busy_percent).";
        sm_active_ratio: Reading<f64> => Gauge, Ratio, 3, "Mean share of multiprocessors with at least one warp (GPM SM_UTIL).";
        sm_occupancy_ratio: Reading<f64> => Gauge, Ratio, 3, "Resident warps of the possible ones (GPM SM_OCCUPANCY).";
        tensor_active_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of cycles in which a tensor pipe was busy (GPM ANY_TENSOR_UTIL).";
        dram_active_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of cycles in which device memory moved data (GPM DRAM_BW_UTIL).";
        memory_used_bytes: Reading<u64> => Gauge, Bytes, 0, "Device memory in use, without what the driver reserves where the driver tells them apart.";
        memory_total_bytes: Reading<u64> => Gauge, Bytes, 0, "Device memory.";
        memory_reserved_bytes: Reading<u64> => Gauge, Bytes, 0, "Device memory that the driver keeps for itself (R510 and later).";
        power_watts: Reading<f64> => Gauge, Watts, 1, "Power draw (NVML power usage): since Ampere its mean over the second before, on older cards and on A100 and A30 that of the moment; of AMD the average where it is told.";
        power_limit_watts: Reading<f64> => Gauge, Watts, 1, "Power limit in force.";
        energy_joules_total: Reading<f64> => Counter, Joules, 1, "Energy since the driver was loaded; every 30 s alone where the power is a mean, since it takes the driver milliseconds.";
        temperature_celsius: Reading<f64> => Gauge, Celsius, 0, "Temperature of the GPU die.";
        sm_clock_hertz: Reading<u64> => Gauge, Hertz, 0, "Clock of the multiprocessors.";
        sm_clock_max_hertz: Reading<u64> => Gauge, Hertz, 0, "Highest clock of the multiprocessors.";
        memory_clock_hertz: Reading<u64> => Gauge, Hertz, 0, "Clock of the device memory.";
        throttle_reasons: Reading<u64> => State, None, 0, "Why the clocks are where they are, as NVML's bits (clocksEventReasons); what other drivers tell is put into the same, and into two bits of mltop's own above them.";
        pcie_rx_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes received over PCIe (host to GPU), headers included; widened from the driver's 32-bit counter.";
        pcie_tx_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes sent over PCIe (GPU to host), headers included; widened from the driver's 32-bit counter.";
        pcie_rx_bytes_per_second: Reading<f64> => Gauge, BytesPerSecond, 0, "Rate received, where the source gives a rate and no count (GPM, snapshot).";
        pcie_tx_bytes_per_second: Reading<f64> => Gauge, BytesPerSecond, 0, "Rate sent, where the source gives a rate and no count (GPM, snapshot).";
        pcie_source: Reading<PcieSource> => State, None, 0, "Where the PCIe figures come from.";
        pcie_bound: Reading<Bound> => State, None, 0, "How the PCIe figures relate to the truth: lower where a counter may have wrapped unseen.";
        pcie_link_gen: Reading<u64> => Gauge, None, 0, "PCIe generation in use now; falls when the GPU idles.";
        pcie_link_width: Reading<u64> => Gauge, None, 0, "PCIe lanes in use now.";
        pcie_link_gen_max: Reading<u64> => Gauge, None, 0, "PCIe generation that GPU and slot can do.";
        pcie_link_width_max: Reading<u64> => Gauge, None, 0, "PCIe lanes that GPU and slot can do.";
        age_seconds: Reading<f64> => Gauge, Seconds, 2, "How old the figures of this row are. A driver that does not answer shows here.";
        utilization_samples_total: Reading<u64> => Counter, None, 0, "Utilization samples that the driver buffered since mltop watches, several a second (nvmlDeviceGetSamples).";
        utilization_idle_samples_total: Reading<u64> => Counter, None, 0, "Of those, samples in which no kernel ran at all.";
        utilization_sum_total: Reading<f64> => Counter, None, 2, "Sum of the utilization over those samples, each from 0 to 1.";
        utilization_min_ratio: Reading<f64> => Gauge, Ratio, 3, "The least of the buffered samples since the row before.";
        utilization_max_ratio: Reading<f64> => Gauge, Ratio, 3, "The most of the buffered samples since the row before.";
        encoder_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of time in which a video encoder worked.";
        decoder_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of time in which a video decoder worked.";
        jpeg_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of time in which a JPEG decoder worked.";
        perf_state: Reading<u64> => State, None, 0, "Performance state: 0 is the fastest, 8 and above idle.";
        fan_ratio: Reading<f64> => Gauge, Ratio, 2, "Speed that the fastest fan is driven at, of its most.";
        memory_temperature_celsius: Reading<f64> => Gauge, Celsius, 0, "Temperature of the device memory.";
        power_throttle_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time in which clocks were held down to keep to the power limit (field 74).";
        thermal_throttle_seconds_total: Reading<f64> => Counter, Seconds, 3, "Time in which clocks were held down by heat (field 75).";
        bar1_used_bytes: Reading<u64> => Gauge, Bytes, 0, "Device memory mapped into the host's address space.";
        bar1_total_bytes: Reading<u64> => Gauge, Bytes, 0, "Device memory that can be mapped into the host's address space.";
        nvlink_rx_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes of data received over all NVLinks (field 139).";
        nvlink_tx_bytes_total: Reading<u64> => Counter, Bytes, 0, "Bytes of data sent over all NVLinks (field 138).";
        nvlink_rx_bytes_per_second: Reading<f64> => Gauge, BytesPerSecond, 0, "Rate received over all NVLinks, where the source gives a rate and no count (GPM).";
        nvlink_tx_bytes_per_second: Reading<f64> => Gauge, BytesPerSecond, 0, "Rate sent over all NVLinks, where the source gives a rate and no count (GPM).";
        nvlink_links: Reading<u64> => Gauge, None, 0, "NVLinks of the GPU (field 91).";
        nvlink_limit_bytes_per_second: Reading<f64> => Gauge, BytesPerSecond, 0, "What all NVLinks together carry one way: their number times their common speed (fields 91 and 90).";
        nvlink_errors_total: Reading<u64> => Counter, None, 0, "CRC errors, replays and recoveries of all NVLinks (fields 38, 45, 52, 59).";
        c2c_rx_bytes_per_second: Reading<f64> => Gauge, BytesPerSecond, 0, "Rate received over the link to a Grace CPU (GPM C2C_TOTAL_RX_PER_SEC).";
        c2c_tx_bytes_per_second: Reading<f64> => Gauge, BytesPerSecond, 0, "Rate sent over the link to a Grace CPU (GPM C2C_TOTAL_TX_PER_SEC).";
        c2c_limit_bytes_per_second: Reading<f64> => Gauge, BytesPerSecond, 0, "What the link to a Grace CPU carries one way: its parts times their speed (fields 170 and 172).";
        pcie_replays_total: Reading<u64> => Counter, None, 0, "PCIe packets that were sent again.";
        ecc_corrected_total: Reading<u64> => Counter, None, 0, "Memory errors that ECC corrected since the driver was loaded (field 3).";
        ecc_uncorrected_total: Reading<u64> => Counter, None, 0, "Memory errors that ECC could not correct since the driver was loaded (field 4).";
        ecc_uncorrected_ever_total: Reading<u64> => Counter, None, 0, "Memory errors that ECC could not correct in the life of the card (field 6).";
        remapped_corrected_rows: Reading<u64> => Gauge, None, 0, "Memory rows replaced after errors that could be corrected (Ampere and later).";
        remapped_uncorrected_rows: Reading<u64> => Gauge, None, 0, "Memory rows replaced after errors that could not be corrected (Ampere and later).";
        remap_pending: Reading<bool> => State, None, 0, "Whether a row waits to be replaced until the GPU is reset.";
        remap_failed: Reading<bool> => State, None, 0, "Whether a row could not be replaced: the card has no spare one.";
        retired_pages: Reading<u64> => Gauge, None, 0, "Memory pages taken out of use (before Ampere; fields 29 and 30).";
        retire_pending: Reading<bool> => State, None, 0, "Whether a page waits to be taken out of use until the GPU is reset (field 31).";
        xid: Reading<u64> => State, None, 0, "Number of the last error that the driver reported (Xid). Not applicable where none came since mltop watches.";
        xid_age_seconds: Reading<f64> => Gauge, Seconds, 0, "How long ago that was.";
        xids_total: Reading<u64> => Counter, None, 0, "Errors that the driver reported since mltop watches.";
        driver_calls_total: Reading<u64> => Counter, None, 0, "Calls that mltop made to the driver for this GPU.";
        driver_seconds_total: Reading<f64> => Counter, Seconds, 4, "Time that these calls took.";
        usage_source: Reading<UsageSource> => State, None, 0, "Where utilization and used memory come from: the driver, or the sum over processes, as on Intel's cards, whose driver tells none of the card.";
        usage_bound: Reading<Bound> => State, None, 0, "How utilization and used memory relate to the truth: lower where processes may not be looked at.";
        compute_engine_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of the compute engines that worked, as summed over processes (fdinfo; Intel).";
        render_engine_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of the render engines that worked, as summed over processes (fdinfo; Intel).";
        copy_engine_ratio: Reading<f64> => Gauge, Ratio, 3, "Share of the copy engines that worked, as summed over processes (fdinfo; Intel).";
    }
}

impl GpuSample {
    /// A row without a value, and why.
    pub fn blank(gpu: GpuId, gap: Gap) -> Self {
        let mut row = Self { gpu, ..Self::default() };
        for (index, spec) in Self::COLUMNS.iter().enumerate() {
            if spec.kind != Kind::Id {
                row.set(index, Cell::Null(gap));
            }
        }
        row
    }
}

states! {
    /// How a process uses a GPU.
    GpuProcKind {
        /// With a compute context of its own.
        Compute = "compute",
        /// For graphics.
        Graphics = "graphics",
        /// Through the multi-process service, whose server holds the context.
        Mps = "mps",
    }
}

states! {
    /// How it is known by which index a process counts a GPU.
    IndexSource {
        /// It is the only GPU that the process can see, and it holds memory of it.
        Only = "only",
        /// Its environment names the card, or asks for the order of the bus.
        Listed = "listed",
        /// Its runtime is taken to keep the order of the bus, as CUDA does where cards are alike.
        Inferred = "inferred",
    }
}

section! {
    /// What one process holds of one GPU, or of one MIG instance.
    GpuProcSample, "gpu_procs" {
        gpu: GpuId => Id, None, 0, "Index of the GPU.";
        pid: Pid => Id, None, 0, "The process. In a container the driver may give pids of the host.";
        memory_used_bytes: Reading<u64> => Gauge, Bytes, 0, "Device memory that it holds.";
        kind: Reading<GpuProcKind> => State, None, 0, "How it uses the GPU.";
        sm_ratio: Reading<f64> => Gauge, Ratio, 2, "Share of time in which its kernels ran, as the driver attributes it (nvmlDeviceGetProcessUtilization).";
        device_index: Reading<u64> => Gauge, None, 0, "Index by which the process counts this GPU: the N of its cuda:N, by which HIP calls AMD's too. From the environment that it was started with; not there where that leaves a doubt.";
        device_index_source: Reading<IndexSource> => State, None, 0, "How that index is known.";
    }
}
