//! Why a GPU's clocks are where they are, in words.
//!
//! The bits are those of `nvmlClocksEventReason*` in nvml.h (before R535 `nvmlClocksThrottleReason*`).
//! What other makers' drivers tell is put into the same words, and into a bit of our own, far above
//! those of NVML, where it has none.

/// To keep to the power limit.
pub const POWER_CAP: u64 = 0x4;
/// By the hardware itself.
pub const HARDWARE: u64 = 0x8;
/// By the driver or firmware, because of heat.
pub const HEAT: u64 = 0x20;
/// By the hardware itself, because of heat.
pub const HARDWARE_HEAT: u64 = 0x40;
/// Because the machine's power supply demands it.
pub const POWER_BRAKE: u64 = 0x80;
/// To keep to the electrical current that the card's supply can give. Not NVML's.
pub const CURRENT: u64 = 1 << 40;
/// For a reason that the driver names and we have no word for. Not NVML's.
pub const OTHER: u64 = 1 << 41;

/// One reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Its bit.
    pub bit: u64,
    /// A word or two for a narrow column.
    pub word: &'static str,
    /// What it means, a clause that follows "clocks".
    pub meaning: &'static str,
    /// What to do; empty where nothing is wrong.
    pub remedy: &'static str,
    /// Whether it costs speed that the card could have given.
    pub holds_back: bool,
}

/// The reasons that there are, the gravest first.
pub const REASONS: &[Reason] = &[
    Reason {
        bit: 0x40,
        word: "HW heat",
        meaning: "are cut by the hardware because of heat",
        remedy: "Look at fans, airflow and the room's temperature at once.",
        holds_back: true,
    },
    Reason {
        bit: 0x80,
        word: "power brake",
        meaning: "are cut because the machine's power supply demands it",
        remedy: "Look at power supplies and at the power budget of the chassis.",
        holds_back: true,
    },
    Reason {
        bit: 0x8,
        word: "HW slowdown",
        meaning: "are cut by the hardware (heat, or the power supply)",
        remedy: "Look at fans, airflow and power supplies.",
        holds_back: true,
    },
    Reason {
        bit: 0x20,
        word: "heat",
        meaning: "are lowered by the driver because of heat",
        remedy: "Look at fans, airflow and what blows its warm air at this card.",
        holds_back: true,
    },
    Reason {
        bit: 0x4,
        word: "power cap",
        meaning: "are lowered to keep to the power limit",
        remedy: "That is usual under full load; raise the limit (nvidia-smi -pl, rocm-smi --setpoweroverdrive) if it was lowered.",
        holds_back: true,
    },
    Reason {
        bit: CURRENT,
        word: "current cap",
        meaning: "are lowered to keep to the current that the card's supply can give",
        remedy: "That is usual under full load.",
        holds_back: true,
    },
    Reason {
        bit: 0x10,
        word: "sync boost",
        meaning: "follow the slowest card of a group that is kept in step",
        remedy: "",
        holds_back: true,
    },
    Reason {
        bit: 0x2,
        word: "clocks set",
        meaning: "are held where an administrator set them",
        remedy: "nvidia-smi -rgc and -rac take that back.",
        holds_back: true,
    },
    Reason {
        bit: 0x100,
        word: "display",
        meaning: "are held for a display",
        remedy: "",
        holds_back: true,
    },
    Reason {
        bit: 0x1,
        word: "idle",
        meaning: "are low because nothing runs",
        remedy: "",
        holds_back: false,
    },
];

/// The reasons in force, the gravest first. A bit that we do not know is not among them: ask
/// [`unknown`].
pub fn reasons(bits: u64) -> impl Iterator<Item = &'static Reason> {
    REASONS.iter().filter(move |reason| bits & reason.bit != 0)
}

/// The bits that stand for reasons of a later driver.
pub fn unknown(bits: u64) -> u64 {
    REASONS.iter().fold(bits, |left, reason| left & !reason.bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_reason_comes_first_and_no_bit_stands_twice() {
        let words: Vec<&str> =
            reasons(0x4 | 0x40 | 0x8 | 0x8000).map(|reason| reason.word).collect();
        assert_eq!(words, ["HW heat", "HW slowdown", "power cap"]);
        assert_eq!(unknown(0x4 | 0x8000), 0x8000);
        assert_eq!(reasons(0).count(), 0);
        for (at, reason) in REASONS.iter().enumerate() {
            assert_eq!(reason.bit.count_ones(), 1);
            assert!(REASONS[at + 1..].iter().all(|other| other.bit != reason.bit));
        }
    }
}
