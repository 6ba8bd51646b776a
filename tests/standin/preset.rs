//! Cards by name. The figures are those of data sheets and of public listings, rounded: they make a
//! believable card and are no measurement.

use crate::figure::{Figure, Figures};

/// A card: its name, what differs from the usual, and its MIG profiles.
pub struct Preset {
    pub word: &'static str,
    pub name: &'static str,
    figures: &'static [(Figure, f64)],
    /// Name, multiprocessors, megabytes.
    pub profiles: &'static [(&'static str, u32, u64)],
}

const GIB: f64 = 1_073_741_824.0;

use Figure::{
    Arch, Brand, C2c, C2cSpeed, CoresPerSm, Ecc, Fan, Fans, Gpm, Limit, LimitMin, LinkGen,
    LinkGenMax, LinkWidth, LinkWidthMax, Major, MemClock, MemReserved, MemTotal, MigMost, Minor,
    NoMemory, NoPcie, NvlinkSpeed, NvlinkVersion, Nvlinks, Power, SmClock, SmClockIdle, SmClockMax,
    Sms,
};

/// Every card that a script can name.
pub const PRESETS: &[Preset] = &[
    Preset {
        word: "a100-80",
        name: "NVIDIA A100-SXM4-80GB",
        figures: &[
            (Arch, 7.0),
            (Major, 8.0),
            (Minor, 0.0),
            (CoresPerSm, 64.0),
            (Sms, 108.0),
            (MemTotal, 80.0 * GIB),
            (Limit, 400_000.0),
            (LimitMin, 100_000.0),
            (Power, 60_000.0),
            (SmClock, 210.0),
            (SmClockIdle, 210.0),
            (SmClockMax, 1410.0),
            (MemClock, 1593.0),
            (LinkGen, 4.0),
            (LinkGenMax, 4.0),
            (Nvlinks, 12.0),
            (NvlinkVersion, 4.0),
            (NvlinkSpeed, 25_000.0),
        ],
        profiles: &[
            ("1g.10gb", 14, 9856),
            ("1g.20gb", 14, 19_968),
            ("2g.20gb", 28, 19_968),
            ("3g.40gb", 42, 40_192),
            ("4g.40gb", 56, 40_192),
            ("7g.80gb", 98, 80_384),
        ],
    },
    Preset {
        word: "h100",
        name: "NVIDIA H100 80GB HBM3",
        figures: &[
            (Gpm, 1.0),
            (LinkGen, 5.0),
            (LinkGenMax, 5.0),
            (Nvlinks, 18.0),
            (NvlinkVersion, 6.0),
            (NvlinkSpeed, 26_562.0),
        ],
        profiles: &[
            ("1g.10gb", 16, 10_240),
            ("1g.20gb", 26, 20_480),
            ("2g.20gb", 32, 20_480),
            ("3g.40gb", 60, 40_960),
            ("4g.40gb", 64, 40_960),
            ("7g.80gb", 132, 81_920),
        ],
    },
    Preset {
        word: "h200",
        name: "NVIDIA H200",
        figures: &[
            (Gpm, 1.0),
            (MemTotal, 141.0 * GIB),
            (MemClock, 3201.0),
            (LinkGen, 5.0),
            (LinkGenMax, 5.0),
            (Nvlinks, 18.0),
            (NvlinkVersion, 6.0),
            (NvlinkSpeed, 26_562.0),
        ],
        profiles: &[
            ("1g.18gb", 16, 18_432),
            ("1g.35gb", 26, 35_840),
            ("2g.35gb", 32, 35_840),
            ("3g.71gb", 60, 72_704),
            ("4g.71gb", 64, 72_704),
            ("7g.141gb", 132, 144_384),
        ],
    },
    Preset {
        word: "b200",
        name: "NVIDIA B200",
        figures: &[
            (Arch, 10.0),
            (Major, 10.0),
            (Gpm, 1.0),
            (Sms, 148.0),
            (MemTotal, 180.0 * GIB),
            (Limit, 1_000_000.0),
            (Power, 140_000.0),
            (SmClock, 120.0),
            (SmClockIdle, 120.0),
            (SmClockMax, 1965.0),
            (MemClock, 3996.0),
            (LinkGen, 5.0),
            (LinkGenMax, 5.0),
            (Nvlinks, 18.0),
            (NvlinkVersion, 7.0),
            (NvlinkSpeed, 53_125.0),
        ],
        profiles: &[
            ("1g.23gb", 18, 23_552),
            ("1g.45gb", 30, 46_080),
            ("2g.45gb", 36, 46_080),
            ("3g.90gb", 70, 92_160),
            ("4g.90gb", 72, 92_160),
            ("7g.180gb", 148, 184_320),
        ],
    },
    Preset {
        word: "rtx4090",
        name: "NVIDIA GeForce RTX 4090",
        figures: &[
            (Arch, 8.0),
            (Major, 8.0),
            (Minor, 9.0),
            (Sms, 128.0),
            (MemTotal, 24.0 * GIB),
            (MemReserved, 300e6),
            (Limit, 450_000.0),
            (LimitMin, 150_000.0),
            (Power, 25_000.0),
            (SmClock, 210.0),
            (SmClockIdle, 210.0),
            (SmClockMax, 3105.0),
            (MemClock, 10_501.0),
            (LinkGen, 1.0),
            (LinkGenMax, 4.0),
            (Ecc, 0.0),
            (Fans, 2.0),
            (Fan, 30.0),
            (Brand, 5.0),
            (MigMost, 0.0),
        ],
        profiles: &[],
    },
    Preset {
        word: "t4",
        name: "Tesla T4",
        figures: &[
            (Arch, 6.0),
            (Major, 7.0),
            (Minor, 5.0),
            (CoresPerSm, 64.0),
            (Sms, 40.0),
            (MemTotal, 15.0 * GIB),
            (MemReserved, 280e6),
            (Limit, 70_000.0),
            (LimitMin, 60_000.0),
            (Power, 10_000.0),
            (SmClock, 300.0),
            (SmClockIdle, 300.0),
            (SmClockMax, 1590.0),
            (MemClock, 5001.0),
            (LinkGen, 1.0),
            (LinkGenMax, 3.0),
            (Brand, 2.0),
            (MigMost, 0.0),
        ],
        profiles: &[],
    },
    Preset {
        // Its memory is the host's, and the link that it names is none.
        word: "gb10",
        name: "NVIDIA GB10",
        figures: &[
            (Arch, 10.0),
            (Major, 12.0),
            (Minor, 1.0),
            (Sms, 48.0),
            (NoMemory, 1.0),
            (NoPcie, 1.0),
            (Limit, 140_000.0),
            (LimitMin, 0.0),
            (Power, 5_000.0),
            (SmClock, 208.0),
            (SmClockIdle, 208.0),
            (SmClockMax, 3003.0),
            (MemClock, 0.0),
            (LinkGen, 1.0),
            (LinkGenMax, 1.0),
            (LinkWidth, 1.0),
            (LinkWidthMax, 1.0),
            (C2c, 1.0),
            (C2cSpeed, 300_000.0),
            (Ecc, 0.0),
            (MigMost, 0.0),
        ],
        profiles: &[],
    },
];

/// The card of that name.
pub fn named(word: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.word == word)
}

impl Preset {
    pub fn fill(&self, figures: &mut Figures) {
        for (figure, value) in self.figures {
            figures.set(*figure, *value);
        }
    }
}
