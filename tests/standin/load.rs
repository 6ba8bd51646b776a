//! Kinds of load: what a training does to a GPU, as a pattern that repeats. Shares of power, activity
//! and traffic are those seen in public recordings of each state.

use crate::figure::{Figure, Figures};

/// A pattern: parts that follow each other, each a share of the period.
pub struct Kind {
    pub word: &'static str,
    /// Seconds after which it repeats.
    pub period: f64,
    parts: &'static [Part],
    /// Share of the memory that is in use.
    memory: f64,
}

/// One part of a pattern. Activities in per cent, `power` a share of the limit, traffic in bytes per
/// second, negative for a share of what the link carries.
struct Part {
    share: f64,
    util: f64,
    sm: f64,
    tensor: f64,
    dram: f64,
    power: f64,
    rx: f64,
    tx: f64,
    nvlink: f64,
}

const fn part(share: f64, activity: [f64; 4], power: f64, traffic: [f64; 3]) -> Part {
    let [util, sm, tensor, dram] = activity;
    let [rx, tx, nvlink] = traffic;
    Part { share, util, sm, tensor, dram, power, rx, tx, nvlink }
}

const IDLE: Part = part(1.0, [0.0; 4], 0.10, [0.0; 3]);
/// With a context and no kernel.
const HELD: Part = part(1.0, [0.0; 4], 0.17, [0.0; 3]);

/// Every kind that a script can name.
pub const KINDS: &[Kind] = &[
    Kind {
        word: "healthy",
        period: 0.4,
        parts: &[
            part(0.85, [100.0, 85.0, 42.0, 55.0], 0.80, [3e8, 1e8, 0.0]),
            part(0.15, [100.0, 30.0, 0.0, 20.0], 0.60, [1e8, 1e8, 40e9]),
        ],
        memory: 0.85,
    },
    Kind {
        word: "starved",
        period: 1.2,
        parts: &[
            part(0.4, [100.0, 70.0, 30.0, 45.0], 0.70, [2.5e9, 1e8, 0.0]),
            Part { share: 0.6, ..HELD },
        ],
        memory: 0.6,
    },
    Kind {
        word: "over_provisioned",
        period: 0.2,
        parts: &[
            part(0.3, [100.0, 45.0, 8.0, 20.0], 0.42, [4e8, 1e8, 0.0]),
            Part { share: 0.7, ..HELD },
        ],
        memory: 0.15,
    },
    Kind {
        word: "nccl_spin",
        period: 1.0,
        parts: &[part(1.0, [100.0, 6.0, 0.0, 2.0], 0.23, [0.0; 3])],
        memory: 0.85,
    },
    Kind {
        word: "ckpt",
        period: 1.0,
        parts: &[part(1.0, [3.0, 1.0, 0.0, 1.0], 0.18, [1e7, 3e9, 0.0])],
        memory: 0.85,
    },
    Kind {
        word: "pcie_bound",
        period: 0.5,
        parts: &[
            part(0.35, [100.0, 40.0, 10.0, 40.0], 0.50, [-0.92, 1e8, 0.0]),
            part(0.65, [0.0, 0.0, 0.0, 5.0], 0.25, [-0.92, 1e7, 0.0]),
        ],
        memory: 0.5,
    },
    Kind { word: "idle", period: 1.0, parts: &[IDLE], memory: 0.0 },
    Kind { word: "alloc_idle", period: 1.0, parts: &[HELD], memory: 0.5 },
];

/// The kind of that name.
pub fn named(word: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.word == word)
}

impl Kind {
    /// The part that holds at `t`, and when it ends.
    fn part(&self, t: f64) -> (&'static Part, f64) {
        let begun = (t / self.period).floor() * self.period;
        let mut end = begun;
        for part in self.parts {
            end += part.share * self.period;
            // A moment at an edge belongs to what follows it, whatever the last bit says.
            if t < end - 1e-9 {
                return (part, end);
            }
        }
        (&self.parts[0], begun + self.period + self.parts[0].share * self.period)
    }

    /// When the pattern changes next after `t`.
    pub fn edge_after(&self, t: f64) -> f64 {
        if self.parts.len() == 1 { f64::INFINITY } else { self.part(t).1 }
    }

    /// Puts the load at `t` into a GPU's figures.
    pub fn fill(&self, figures: &mut Figures, t: f64) {
        let part = self.part(t).0;
        let link = link_bytes(figures);
        let traffic = |rate: f64| if rate < 0.0 { -rate * link } else { rate.min(link) };
        let links = figures.get(Figure::Nvlinks) > 0.0;
        let nvlink = if links { part.nvlink } else { 0.0 };
        let busy = part.util > 50.0;
        let clock = if busy { Figure::SmClockMax } else { Figure::SmClockIdle };
        let set = [
            (Figure::Util, part.util),
            (Figure::MemUtil, part.dram),
            (Figure::Sm, part.sm),
            (Figure::Occupancy, part.sm * 0.55),
            (Figure::Tensor, part.tensor),
            (Figure::Dram, part.dram),
            (Figure::Power, (part.power * figures.get(Figure::Limit)).round()),
            (Figure::PcieRx, traffic(part.rx)),
            (Figure::PcieTx, traffic(part.tx)),
            (Figure::NvlinkRx, nvlink),
            (Figure::NvlinkTx, nvlink),
            (Figure::MemUsed, (self.memory * figures.get(Figure::MemTotal)).round()),
            (Figure::SmClock, figures.get(clock)),
            (Figure::Temp, (30.0 + 45.0 * part.power).round()),
            (Figure::Throttle, f64::from(u8::from(part.util == 0.0))),
        ];
        for (figure, value) in set {
            figures.set(figure, value);
        }
    }
}

/// What the link carries one way, bytes per second after coding.
pub fn link_bytes(figures: &Figures) -> f64 {
    let lane = match figures.get(Figure::LinkGen) as u32 {
        0 | 1 => 0.25e9,
        2 => 0.5e9,
        3 => 0.985e9,
        4 => 1.969e9,
        5 => 3.938e9,
        _ => 7.877e9,
    };
    lane * figures.get(Figure::LinkWidth).max(1.0)
}
