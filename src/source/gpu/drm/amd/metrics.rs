//! The binary table `gpu_metrics` of amdgpu.
//!
//! Layouts are those of the kernel's `drivers/gpu/drm/amd/include/kgd_pp_interface.h`, structs
//! `gpu_metrics_v1_0` to `gpu_metrics_v1_8`, little-endian and with C's own alignment; each offset
//! below is named after its field there. The revisions do not extend one another, so a table is taken
//! only where its header's revision and size are one that is known. All ones stand for "not there". The
//! tables of graphics within processors (v2, v3) leave units open and differ among chips: nothing of
//! them is taken.

/// What a table tells, in its own units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// °C: `temperature_edge`.
    pub(super) edge: Option<u16>,
    /// °C: `temperature_hotspot`.
    pub(super) hotspot: Option<u16>,
    /// °C: `temperature_mem`.
    pub(super) memory: Option<u16>,
    /// Percent: `average_gfx_activity`.
    pub(super) gfx_percent: Option<u16>,
    /// Percent: `average_umc_activity`.
    pub(super) umc_percent: Option<u16>,
    /// W: `average_socket_power`, `curr_socket_power`.
    pub(super) watts: Option<u16>,
    /// `energy_accumulator`, in a unit that depends on the chip; see [`Table::energy_joules`].
    pub(super) energy: Option<u64>,
    /// MHz: `current_gfxclk`, the fastest part where each has its own.
    pub(super) gfx_mhz: Option<u16>,
    /// MHz: `current_uclk`.
    pub(super) memory_mhz: Option<u16>,
    /// Lanes: `pcie_link_width`.
    pub(super) pcie_lanes: Option<u16>,
    /// 0.1 GT/s: `pcie_link_speed`.
    pub(super) pcie_speed: Option<u16>,
    /// `pcie_replay_count_acc`.
    pub(super) replays: Option<u64>,
    /// `indep_throttle_status`: the same bits on every chip.
    pub(super) throttle: Option<u64>,
    /// Why clocks were held down, counted since the driver was loaded.
    pub(super) residency: Option<Residency>,
    /// Whether the table says its energy in 2⁻¹⁶ J.
    pub(super) energy_unit: bool,
}

/// How long each cause held the clocks down, in cycles of the firmware (`accumulation_counter`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Residency {
    /// `prochot_residency_acc`.
    pub(super) prochot: u32,
    /// `ppt_residency_acc`: the power limit.
    pub(super) power: u32,
    /// `socket_thm_residency_acc`, `vr_thm_residency_acc`, `hbm_thm_residency_acc`: heat.
    pub(super) heat: [u32; 3],
}

/// Where a revision has each field; 0, where the header lies, for one that it has not.
struct Layout {
    size: u16,
    revision: u8,
    edge: usize,
    hotspot: usize,
    memory: usize,
    gfx: usize,
    umc: usize,
    watts: usize,
    energy: usize,
    gfx_clock: usize,
    gfx_clocks: usize,
    memory_clock: usize,
    lanes: usize,
    speed: usize,
    replays: usize,
    throttle: usize,
    residency: usize,
}

/// v1.1 and what the later ones of single-chip cards share with it.
const V1_1: Layout = Layout {
    size: 96,
    revision: 1,
    edge: 4,
    hotspot: 6,
    memory: 8,
    gfx: 16,
    umc: 18,
    watts: 22,
    energy: 24,
    gfx_clock: 54,
    gfx_clocks: 1,
    memory_clock: 58,
    lanes: 74,
    speed: 76,
    replays: 0,
    throttle: 0,
    residency: 0,
};

/// v1.4 and what the later ones of cards of many dies share with it.
const V1_4: Layout = Layout {
    size: 288,
    revision: 4,
    edge: 0,
    hotspot: 4,
    memory: 6,
    gfx: 12,
    umc: 14,
    watts: 10,
    energy: 24,
    gfx_clock: 240,
    gfx_clocks: 8,
    memory_clock: 280,
    lanes: 48,
    speed: 50,
    replays: 88,
    throttle: 0,
    residency: 0,
};

/// v1.7, and v1.8 up to its partitions.
const V1_7: Layout = Layout {
    size: 2208,
    revision: 7,
    gfx_clock: 296,
    memory_clock: 336,
    lanes: 68,
    speed: 70,
    replays: 112,
    residency: 44,
    ..V1_4
};

const LAYOUTS: [Layout; 10] = [
    Layout {
        size: 80,
        revision: 0,
        edge: 16,
        hotspot: 18,
        memory: 20,
        gfx: 28,
        umc: 30,
        watts: 34,
        // Of 32 bits, and in no unit that the header names.
        energy: 0,
        // Width and speed have 8 bits each, and a speed of 0.1 GT/s does not fit above gen4.
        lanes: 0,
        speed: 0,
        ..V1_1
    },
    V1_1,
    Layout { size: 104, revision: 2, ..V1_1 },
    Layout { size: 120, revision: 3, throttle: 112, ..V1_1 },
    V1_4,
    Layout {
        size: 360,
        revision: 5,
        energy: 88,
        lanes: 112,
        speed: 114,
        replays: 152,
        gfx_clock: 312,
        memory_clock: 352,
        ..V1_4
    },
    // As first written, before partitions had figures of their own.
    Layout {
        size: 384,
        revision: 6,
        energy: 88,
        residency: 108,
        lanes: 136,
        speed: 138,
        replays: 176,
        gfx_clock: 336,
        memory_clock: 376,
        ..V1_4
    },
    // As released.
    Layout {
        size: 1664,
        revision: 6,
        energy: 16,
        residency: 36,
        lanes: 60,
        speed: 62,
        replays: 104,
        gfx_clock: 264,
        memory_clock: 304,
        ..V1_4
    },
    V1_7,
    Layout { size: 3360, revision: 8, ..V1_7 },
];

/// Reads a table; `None` for one that is cut short or of a revision that is not known.
pub(super) fn parse(bytes: &[u8]) -> Option<Table> {
    let &[a, b, format, content, ..] = bytes else { return None };
    let size = u16::from_le_bytes([a, b]);
    let layout = LAYOUTS
        .iter()
        .find(|layout| format == 1 && layout.revision == content && layout.size == size)?;
    let table = Bytes(bytes.get(..usize::from(size))?);
    let clocks = (0..layout.gfx_clocks).filter_map(|at| table.short(layout.gfx_clock + 2 * at));
    Some(Table {
        edge: table.short(layout.edge),
        hotspot: table.short(layout.hotspot),
        memory: table.short(layout.memory),
        gfx_percent: table.short(layout.gfx),
        umc_percent: table.short(layout.umc),
        watts: table.short(layout.watts),
        energy: table.long(layout.energy),
        gfx_mhz: clocks.max(),
        memory_mhz: table.short(layout.memory_clock),
        pcie_lanes: table.short(layout.lanes),
        pcie_speed: table.short(layout.speed),
        replays: table.long(layout.replays),
        throttle: table.long(layout.throttle),
        residency: table.residency(layout.residency),
        energy_unit: layout.revision >= 4,
    })
}

impl Table {
    /// Energy in joules. The header gives the unit from v1.4 on; before, `told` says that it is known
    /// to be the same for this chip.
    pub(super) fn energy_joules(&self, told: bool) -> Option<f64> {
        self.energy.filter(|_| self.energy_unit || told).map(|raw| raw as f64 / 65_536.0)
    }
}

/// A table cut to its size.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let bytes = self.0.get(offset..)?.first_chunk::<N>()?;
        (offset > 0 && bytes.iter().any(|byte| *byte != u8::MAX)).then_some(*bytes)
    }

    fn short(&self, offset: usize) -> Option<u16> {
        self.at(offset).map(u16::from_le_bytes)
    }

    fn word(&self, offset: usize) -> Option<u32> {
        self.at(offset).map(u32::from_le_bytes)
    }

    fn long(&self, offset: usize) -> Option<u64> {
        self.at(offset).map(u64::from_le_bytes)
    }

    fn residency(&self, offset: usize) -> Option<Residency> {
        if offset == 0 {
            return None;
        }
        let of = |nth: usize| self.word(offset + 4 * nth);
        Some(Residency { prochot: of(0)?, power: of(1)?, heat: [of(2)?, of(3)?, of(4)?] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blank(size: u16, content: u8) -> Vec<u8> {
        let mut bytes = vec![u8::MAX; usize::from(size)];
        bytes[..2].copy_from_slice(&size.to_le_bytes());
        bytes[2..4].copy_from_slice(&[1, content]);
        bytes
    }

    fn put(bytes: &mut [u8], offset: usize, value: u16) {
        bytes[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
    }

    #[test]
    fn what_is_all_ones_is_not_there() {
        for layout in &LAYOUTS {
            let table = parse(&blank(layout.size, layout.revision)).unwrap();
            assert_eq!(Table { energy_unit: false, ..table }, Table::default());
        }
    }

    #[test]
    fn a_table_of_another_size_or_revision_is_not_guessed_at() {
        assert!(parse(&blank(120, 3)).is_some());
        assert_eq!(parse(&blank(120, 3)[..119]), None);
        assert_eq!(parse(&blank(128, 3)), None);
        assert_eq!(parse(&blank(120, 9)), None);
        let mut apu = blank(120, 1);
        apu[2] = 2;
        assert_eq!(parse(&apu), None);
        assert_eq!(parse(&[]), None);
    }

    #[test]
    fn the_two_shapes_of_one_revision_are_told_apart_by_their_size() {
        for (size, lanes) in [(384, 136), (1664, 60)] {
            let mut bytes = blank(size, 6);
            put(&mut bytes, lanes, 16);
            assert_eq!(parse(&bytes).unwrap().pcie_lanes, Some(16), "{size}");
        }
    }

    #[test]
    fn energy_has_a_value_only_where_its_unit_is_known() {
        let mut bytes = blank(120, 3);
        bytes[24..32].copy_from_slice(&65_536_u64.to_le_bytes());
        let table = parse(&bytes).unwrap();
        assert_eq!((table.energy_joules(false), table.energy_joules(true)), (None, Some(1.0)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table_or_none(mut bytes in proptest::collection::vec(any::<u8>(), 0..4000), layout in 0..10_usize, forge in any::<bool>()) {
            if forge && bytes.len() >= 4 {
                bytes[..2].copy_from_slice(&LAYOUTS[layout].size.to_le_bytes());
                bytes[2..4].copy_from_slice(&[1, LAYOUTS[layout].revision]);
            }
            if let Some(table) = parse(&bytes) {
                prop_assert!(table.gfx_mhz != Some(u16::MAX) && table.energy != Some(u64::MAX));
            }
        }
    }
}
