//! What a GPU is described by: numbers under names, so that a script can set any of them.

/// Makes the figures: a name in Rust, the name in a script, and the usual value, that of an idle H100.
macro_rules! figures {
    ($($name:ident $word:literal $usual:literal)*) => {
        /// One figure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Figure { $($name),* }

        const WORDS: &[&str] = &[$($word),*];
        const USUAL: [f64; WORDS.len()] = [$($usual),*];
        const ALL: [Figure; WORDS.len()] = [$(Figure::$name),*];
    };
}

figures! {
    // Load: these move, and views that are means or counts are made of them.
    Util "util" 0.0
    MemUtil "mem_util" 0.0
    Encoder "enc" 0.0
    Decoder "dec" 0.0
    Jpeg "jpg" 0.0
    // Nanoseconds a second that clocks were held down, by power and by heat.
    HeldByPower "held_by_power" 0.0
    HeldByHeat "held_by_heat" 0.0
    // Multiprocessors busy, warps resident, tensor pipe busy, memory interface busy: per cent.
    Sm "sm" 0.0
    Occupancy "occ" 0.0
    Tensor "tensor" 0.0
    Dram "dram" 0.0
    // Milliwatts.
    Power "power" 75_000.0
    // Bytes per second.
    PcieRx "pcie_rx" 0.0
    PcieTx "pcie_tx" 0.0
    NvlinkRx "nvlink_rx" 0.0
    NvlinkTx "nvlink_tx" 0.0
    C2cRx "c2c_rx" 0.0
    C2cTx "c2c_tx" 0.0
    // Bytes.
    MemTotal "mem_total" 85_899_345_920.0
    MemReserved "mem_reserved" 524_288_000.0
    MemUsed "mem_used" 0.0
    Bar1Total "bar1_total" 137_438_953_472.0
    Bar1Used "bar1_used" 68_719_476_736.0
    // Degrees, megahertz, bits of nvml.h.
    Temp "temp" 34.0
    TempMemory "temp_mem" 0.0
    TempSlowdown "temp_slowdown" 90.0
    TempShutdown "temp_shutdown" 95.0
    SmClock "sm_clock" 345.0
    SmClockIdle "sm_clock_idle" 345.0
    SmClockMax "sm_clock_max" 1980.0
    MemClock "mem_clock" 2619.0
    Throttle "throttle" 1.0
    Pstate "pstate" 0.0
    // Milliwatts.
    Limit "limit" 700_000.0
    LimitMin "limit_min" 200_000.0
    LimitMax "limit_max" 0.0
    LinkGen "link_gen" 4.0
    LinkGenMax "link_gen_max" 4.0
    LinkWidth "link_width" 16.0
    LinkWidthMax "link_width_max" 16.0
    Replays "replays" 0.0
    // Links of NVLink, megabytes per second each way of one, and a bit for each that is down.
    Nvlinks "nvlinks" 0.0
    NvlinkVersion "nvlink_version" 6.0
    NvlinkSpeed "nvlink_speed" 0.0
    NvlinkDown "nvlink_down" 0.0
    NvlinkReplays "nvlink_replays" 0.0
    NvlinkRecoveries "nvlink_recoveries" 0.0
    NvlinkCrc "nvlink_crc" 0.0
    C2c "c2c" 0.0
    C2cSpeed "c2c_speed" 0.0
    // Identity.
    Sms "sms" 132.0
    CoresPerSm "cores_per_sm" 128.0
    Arch "arch" 9.0
    Major "cc_major" 9.0
    Minor "cc_minor" 0.0
    Brand "brand" 14.0
    Numa "numa" 0.0
    Fans "fans" 0.0
    Fan "fan" 0.0
    MigMost "mig_most" 7.0
    // Modes: 1 for on.
    Persistence "persistence" 1.0
    Ecc "ecc" 1.0
    ComputeMode "compute_mode" 0.0
    Virtualization "virtualization" 0.0
    Confidential "confidential" 0.0
    Gsp "gsp" 1.0
    // Errors: since the driver was loaded, and ever.
    EccCorrected "ecc_corrected" 0.0
    EccUncorrected "ecc_uncorrected" 0.0
    EccCorrectedEver "ecc_corrected_ever" 0.0
    EccUncorrectedEver "ecc_uncorrected_ever" 0.0
    RowsCorrected "rows_corrected" 0.0
    RowsUncorrected "rows_uncorrected" 0.0
    RowsPending "rows_pending" 0.0
    RowsFailed "rows_failed" 0.0
    RetiredSingle "retired_single" 0.0
    RetiredDouble "retired_double" 0.0
    RetiredPending "retired_pending" 0.0
    Recovery "recovery" 0.0
    // What the driver has: 1 for yes.
    Fields "fields" 1.0
    Counter64 "counter64" 0.0
    Gpm "gpm" 0.0
    GpmMib "gpm_mib" 1.0
    Samples "samples" 1.0
    NoAttributes "no_attributes" 0.0
    NoMemory "no_memory" 0.0
    NoPcie "no_pcie" 0.0
    // Share by which the load jitters, and the seed of it.
    Noise "noise" 0.0
    Seed "seed" 1.0
}

/// How many figures at the front of the list are load.
pub const LOAD: usize = Figure::C2cTx as usize + 1;

impl Figure {
    pub fn named(word: &str) -> Option<Self> {
        WORDS.iter().position(|known| *known == word).map(|at| ALL[at])
    }
}

/// All figures of a GPU.
#[derive(Clone, Copy, Debug)]
pub struct Figures(pub [f64; WORDS.len()]);

impl Default for Figures {
    fn default() -> Self {
        Self(USUAL)
    }
}

impl Figures {
    pub fn get(&self, figure: Figure) -> f64 {
        self.0[figure as usize]
    }

    pub fn set(&mut self, figure: Figure, value: f64) {
        self.0[figure as usize] = value;
    }
}
