//! Into which slices a card can be cut (MIG), and which other cards there are: the data that a smaller
//! size is chosen from.
//!
//! Sources. Names and counts: NVIDIA's MIG user guide, "Supported MIG Profiles", and
//! `deployments/systemd/config-default.yaml` of NVIDIA/mig-parted. Memory and multiprocessors: listings
//! of `nvidia-smi mig -lgip` that were published for A100-80 and H100-80 (an H100's 3g has 60, its
//! 1g.20gb 26), and programs that ran on slices of an H200 and printed 32 and 60; A100-40, A30 and B200
//! as in the device models of NVIDIA/go-nvml. Memory of H200 and B200 slices is kept a little below what
//! their names say, as that of the ones that were printed is. Cards: NVIDIA's data sheets, dense bf16.
//! Where the multiprocessors of a slice are not published (H100 PCIe and NVL, B300, RTX PRO), the card is
//! left out: nothing is advised that cannot be reckoned.

/// A slice that a card can be cut into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slice {
    /// Its profile, as `nvidia-smi mig -cgi` takes it.
    pub profile: &'static str,
    /// How many of the card's compute slices it takes.
    pub slices: u32,
    /// Its multiprocessors.
    pub multiprocessors: u32,
    /// Its memory in MiB.
    pub mebibytes: u32,
}

/// A card that can be cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sliced {
    /// Words that its product name has, all of them.
    words: &'static [&'static str],
    /// Its memory in GiB, from and up to, as the driver tells it.
    gibibytes: (f64, f64),
    /// Its multiprocessors.
    pub multiprocessors: u32,
    /// Compute slices of the whole.
    pub slices: u32,
    /// What it can be cut into, the smallest first.
    pub into: &'static [Slice],
}

const fn slice(profile: &'static str, slices: u32, multiprocessors: u32, mebibytes: u32) -> Slice {
    Slice { profile, slices, multiprocessors, mebibytes }
}

static SLICED: &[Sliced] = &[
    Sliced {
        words: &["A100"],
        gibibytes: (36.0, 42.0),
        multiprocessors: 108,
        slices: 7,
        into: &[
            slice("1g.5gb", 1, 14, 4864),
            slice("1g.10gb", 1, 14, 9856),
            slice("2g.10gb", 2, 28, 9856),
            slice("3g.20gb", 3, 42, 19_968),
            slice("4g.20gb", 4, 56, 19_968),
        ],
    },
    Sliced {
        words: &["A100"],
        gibibytes: (76.0, 84.0),
        multiprocessors: 108,
        slices: 7,
        into: &[
            slice("1g.10gb", 1, 14, 9856),
            slice("1g.20gb", 1, 14, 19_968),
            slice("2g.20gb", 2, 28, 19_968),
            slice("3g.40gb", 3, 42, 40_192),
            slice("4g.40gb", 4, 56, 40_192),
        ],
    },
    Sliced {
        words: &["A30"],
        gibibytes: (22.0, 25.0),
        multiprocessors: 56,
        slices: 4,
        into: &[slice("1g.6gb", 1, 14, 5836), slice("2g.12gb", 2, 28, 11_672)],
    },
    Sliced {
        words: &["H100", "80GB HBM3"],
        gibibytes: (76.0, 84.0),
        multiprocessors: 132,
        slices: 7,
        into: H100_80,
    },
    Sliced {
        words: &["H200"],
        gibibytes: (136.0, 144.0),
        multiprocessors: 132,
        slices: 7,
        into: &[
            slice("1g.18gb", 1, 16, 16_384),
            slice("1g.35gb", 1, 26, 33_280),
            slice("2g.35gb", 2, 32, 33_280),
            slice("3g.71gb", 3, 60, 71_424),
            slice("4g.71gb", 4, 64, 71_424),
        ],
    },
    Sliced {
        words: &["B200"],
        gibibytes: (174.0, 184.0),
        multiprocessors: 148,
        slices: 7,
        into: &[
            slice("1g.23gb", 1, 18, 22_528),
            slice("1g.45gb", 1, 18, 45_056),
            slice("2g.45gb", 2, 36, 45_056),
            slice("3g.90gb", 3, 54, 90_112),
            slice("4g.90gb", 4, 72, 90_112),
        ],
    },
];

static H100_80: &[Slice] = &[
    slice("1g.10gb", 1, 16, 9984),
    slice("1g.20gb", 1, 26, 20_090),
    slice("2g.20gb", 2, 32, 20_090),
    slice("3g.40gb", 3, 60, 40_320),
    slice("4g.40gb", 4, 64, 40_320),
];

/// How a card with this product name and so many bytes of memory can be cut; `None` where it cannot,
/// or where its slices are not known. `multiprocessors` is what the driver tells of the card.
pub(super) fn sliced(
    name: &str,
    bytes: f64,
    multiprocessors: Option<u32>,
) -> Option<&'static Sliced> {
    // A slice is not cut again.
    if name.contains("MIG") {
        return None;
    }
    let gibibytes = bytes / f64::from(1 << 30);
    SLICED.iter().find(|card| {
        let named = card.words.iter().all(|word| name.contains(word));
        let sized = (card.gibibytes.0..=card.gibibytes.1).contains(&gibibytes);
        named && sized && multiprocessors.is_none_or(|count| count == card.multiprocessors)
    })
}

/// A whole card.
#[derive(Clone, Copy, Debug)]
pub(super) struct Card {
    /// What people call it.
    pub name: &'static str,
    /// Words that its product name has, all of them.
    words: &'static [&'static str],
    /// Its memory in GiB, nominal.
    pub gibibytes: f64,
    /// Bytes a second of its memory, in GB/s.
    pub bandwidth: f64,
    /// Dense bf16 in TFLOP/s.
    pub compute: f64,
}

const fn card(
    name: &'static str,
    words: &'static [&'static str],
    gibibytes: f64,
    bandwidth: f64,
    compute: f64,
) -> Card {
    Card { name, words, gibibytes, bandwidth, compute }
}

/// The smallest first. Names of more words stand before those that they contain.
static CARDS: &[Card] = &[
    card("L4", &["L4"], 24.0, 300.0, 121.0),
    card("A30", &["A30"], 24.0, 933.0, 165.0),
    card("L40S", &["L40S"], 48.0, 864.0, 362.0),
    card("A100-40", &["A100", "40GB"], 40.0, 1555.0, 312.0),
    card("A100-80", &["A100", "80GB"], 80.0, 1935.0, 312.0),
    card("H100 PCIe", &["H100", "PCIe"], 80.0, 2000.0, 756.0),
    card("H100 SXM", &["H100", "HBM3"], 80.0, 3350.0, 989.0),
    card("H200", &["H200"], 141.0, 4800.0, 989.0),
    card("B200", &["B200"], 180.0, 7700.0, 2250.0),
];

/// The card with this product name, and those that are smaller, the smallest first.
pub(super) fn smaller_cards(name: &str) -> Option<(&'static Card, &'static [Card])> {
    let is = |card: &Card| card.words.iter().all(|word| has_word(name, word));
    let at = CARDS.iter().position(is)?;
    Some((CARDS.get(at)?, CARDS.get(..at)?))
}

/// Whether a name has a word that no longer word contains: an L40S is no L4.
fn has_word(name: &str, word: &str) -> bool {
    name.match_indices(word).any(|(at, _)| {
        let after = name.get(at + word.len()..).and_then(|rest| rest.chars().next());
        let before = name.get(..at).and_then(|rest| rest.chars().next_back());
        ![before, after].into_iter().flatten().any(|next| next.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: f64 = (1 << 30) as f64;

    #[test]
    fn a_card_is_found_by_its_name_its_memory_and_its_multiprocessors() {
        let h100 = sliced("NVIDIA H100 80GB HBM3", 79.6 * GIB, Some(132)).unwrap();
        assert_eq!((h100.multiprocessors, h100.into.len()), (132, 5));
        let a100 = sliced("NVIDIA A100-SXM4-40GB", 40.0 * GIB, None).unwrap();
        assert_eq!(a100.into[0], slice("1g.5gb", 1, 14, 4864));
        assert!(sliced("NVIDIA H100 80GB HBM3", 79.6 * GIB, Some(114)).is_none());
        assert!(sliced("NVIDIA H100 80GB HBM3 MIG 2g.20gb", 19.6 * GIB, None).is_none());
        assert!(sliced("NVIDIA GeForce RTX 4090", 24.0 * GIB, None).is_none());
    }

    #[test]
    fn slices_are_listed_from_small_to_large_and_fit_their_card() {
        for card in SLICED {
            for pair in card.into.windows(2) {
                assert!(pair[0].slices <= pair[1].slices, "{pair:?}");
                assert!(pair[0].multiprocessors <= pair[1].multiprocessors, "{pair:?}");
            }
            for part in card.into {
                assert!(part.multiprocessors < card.multiprocessors, "{part:?}");
                assert!(f64::from(part.mebibytes) / 1024.0 < card.gibibytes.1 / 1.7, "{part:?}");
                assert!(part.profile.starts_with(&format!("{}g.", part.slices)), "{part:?}");
            }
        }
    }

    #[test]
    fn smaller_cards_are_those_before_it_in_the_list() {
        let (this, smaller) = smaller_cards("NVIDIA H100 80GB HBM3").unwrap();
        assert_eq!(this.name, "H100 SXM");
        assert_eq!(smaller.first().map(|card| card.name), Some("L4"));
        assert_eq!(smaller_cards("NVIDIA L40S").unwrap().0.name, "L40S");
        assert_eq!(smaller_cards("NVIDIA A100-PCIE-40GB").unwrap().0.name, "A100-40");
        assert!(smaller_cards("NVIDIA GeForce RTX 4090").is_none());
    }
}
