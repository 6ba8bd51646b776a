//! The smallest card or slice that would do: what it must hold, how much slower a step could become on
//! it, and when nothing may be said.
//!
//! Of the multiprocessors at work it is not known whether each kernel needs all of them: where kernels
//! are narrow a slice is as fast, where they are as wide as the card it is slower by what it lacks. So a
//! slowdown is a range, from 1.00 to `1 − a + a / s` for a share `a` at work and a size `s`.

use super::mig::{self, Card, Slice, Sliced};
use super::words;
use crate::model::inventory::GpuInfo;

/// Room that a smaller size must leave: a tenth, and 0.6 GiB for the context.
const ROOM: f64 = 1.10;
const CONTEXT_BYTES: f64 = 0.6 * GIB;
/// Of what the driver says that a process holds, so much is its context.
const OWN_CONTEXT_BYTES: f64 = 0.5 * GIB;
const GIB: f64 = 1_073_741_824.0;
/// Of a card's nominal memory, the driver keeps some.
const USABLE: f64 = 0.93;
/// How full a smaller size may be: a later minute above that takes the advice back.
const FULL: f64 = 0.90;
/// A size on which a step could take longer than this is not offered at all.
const SLOWEST: f64 = 2.0;

/// What a job needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// Share of the multiprocessors at work, at most.
    pub active: f64,
    /// Peak of the memory in bytes.
    pub bytes: f64,
}

impl Need {
    /// Memory that a smaller size must have, in bytes.
    pub(super) fn memory(&self) -> f64 {
        memory_enough(self.bytes)
    }
}

/// Memory that would be enough for a peak of so many bytes, as the driver sees it.
pub(super) fn memory_enough(peak: f64) -> f64 {
    ROOM.mul_add((peak - OWN_CONTEXT_BYTES).max(0.0), CONTEXT_BYTES)
}

/// A smaller size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offer {
    /// As it is asked for: `2g.20gb`, `L40S`.
    name: String,
    /// The same with its size.
    described: String,
    /// A step takes up to so many times as long.
    slowest: f64,
    /// Share of the multiprocessors, or of the speed of another card.
    share: f64,
    /// Its memory in bytes.
    bytes: f64,
    /// Of the card's compute slices, how many it leaves: `(5, 7)`. `None` for a whole card.
    frees: Option<(u32, u32)>,
}

/// What could be used instead of a card.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Offers {
    /// The one that frees most while a step takes no longer than the limit in the worst case.
    pub fits: Option<Offer>,
    /// Where none does: those that a slower step could be traded for, the smallest first.
    pub trade: Vec<Offer>,
}

/// Sizes smaller than this card on which a step would take at most `slowest` times as long. Slices only
/// where `slices` are a way for the job.
pub(super) fn offers(card: &GpuInfo, need: &Need, slowest: f64, slices: bool) -> Offers {
    let bytes = card.memory_bytes.unwrap_or_default() as f64;
    let cut = mig::sliced(&card.name, bytes, card.multiprocessors);
    // A slice is not cut again.
    let cut = cut.filter(|_| slices && card.mig.is_none());
    let parts =
        cut.into_iter().flat_map(|cut| cut.into.iter().map(move |part| of_slice(cut, part, need)));
    let cards = mig::smaller_cards(&card.name).into_iter();
    let cards =
        cards.flat_map(|(this, smaller)| smaller.iter().map(move |to| of_card(this, to, need)));
    let holds = |offer: &Offer| {
        offer.bytes >= need.memory()
            && need.active <= FULL * offer.share
            && offer.slowest <= SLOWEST
    };
    let mut all: Vec<Offer> = parts.filter(holds).collect();
    // A slice gives back at once what the job does not use; another card is another machine. So a card
    // is offered where it is sure to do and no slice is, or where there is no slice at all.
    if all.iter().all(|offer| offer.slowest > slowest) {
        let cards: Vec<Offer> = cards.filter(holds).collect();
        let sure = cards.iter().find(|offer| offer.slowest <= slowest);
        all.extend(sure.or_else(|| cards.first().filter(|_| all.is_empty())).cloned());
    }
    if let Some(at) = all.iter().position(|offer| offer.slowest <= slowest) {
        return Offers { fits: Some(all.swap_remove(at)), trade: Vec::new() };
    }
    // The smallest, and the one that costs least.
    let least = all.iter().min_by(|a, b| a.slowest.total_cmp(&b.slowest)).cloned();
    all.truncate(1);
    all.extend(least.filter(|least| !all.contains(least)));
    Offers { fits: None, trade: all }
}

fn of_slice(card: &Sliced, part: &Slice, need: &Need) -> Offer {
    let share = f64::from(part.multiprocessors) / f64::from(card.multiprocessors);
    let bytes = f64::from(part.mebibytes) * f64::from(1 << 20);
    Offer {
        name: part.profile.into(),
        described: format!(
            "a {} slice ({} of {} multiprocessors, {})",
            part.profile,
            part.multiprocessors,
            card.multiprocessors,
            words::memory(bytes)
        ),
        slowest: slowest(need.active, share),
        share,
        bytes,
        frees: Some((card.slices - part.slices, card.slices)),
    }
}

fn of_card(this: &Card, to: &Card, need: &Need) -> Offer {
    // Whether compute or memory binds is not known: the worse of the two.
    let share = (to.compute / this.compute).min(to.bandwidth / this.bandwidth).min(1.0);
    let bytes = to.gibibytes * GIB * USABLE;
    Offer {
        name: to.name.into(),
        described: format!(
            "an {} instead of the {} ({:.0} GB, {} of its speed in the worst case)",
            to.name,
            this.name,
            to.gibibytes,
            words::percent(share)
        ),
        slowest: slowest(need.active, share),
        share,
        bytes,
        frees: None,
    }
}

/// How many times as long a step takes where its kernels are as wide as the card.
fn slowest(active: f64, share: f64) -> f64 {
    1.0 - active + active / share.max(0.01)
}

impl Offer {
    /// `a 2g.20gb slice (32 of 132 multiprocessors, 20 GiB): a step would take 1.00 to 1.69 times as long`
    pub(super) fn sentence(&self) -> String {
        format!("{}: a step would take 1.00 to {:.2} times as long", self.described, self.slowest)
    }

    /// `frees 5/7 of the card`
    pub(super) fn gain(&self) -> String {
        match self.frees {
            Some((left, all)) => format!("frees {left}/{all} of the card"),
            None => format!(
                "frees the card: an {} with {} is enough",
                self.name,
                words::memory(self.bytes)
            ),
        }
    }

    /// Share of the card's cost for a step that is saved in the worst case.
    pub(super) fn saved(&self, active: f64) -> f64 {
        (1.0 - self.share) * (1.0 - active)
    }

    /// Activity and memory above which it would not do after all.
    pub(super) fn limits(&self) -> (f64, f64) {
        (FULL * self.share, self.bytes / ROOM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h100() -> GpuInfo {
        GpuInfo {
            name: "NVIDIA H100 80GB HBM3".into(),
            memory_bytes: Some(85_520_809_984),
            multiprocessors: Some(132),
            ..GpuInfo::default()
        }
    }

    fn need(active: f64, gibibytes: f64) -> Need {
        Need { active, bytes: gibibytes * GIB }
    }

    fn names(offers: &Offers) -> Vec<&str> {
        offers.fits.iter().chain(&offers.trade).map(|offer| &*offer.name).collect()
    }

    #[test]
    fn a_job_that_keeps_a_fifth_at_work_is_offered_slices_with_their_worst_case() {
        let offers = offers(&h100(), &need(0.20, 12.0), 1.10, true);
        assert_eq!(offers.fits, None);
        // The 1g.20gb has fewer multiprocessors than are at work now and then.
        assert_eq!(names(&offers), ["2g.20gb", "4g.40gb"]);
        let first = &offers.trade[0];
        assert!(first.sentence().contains("32 of 132 multiprocessors"), "{}", first.sentence());
        assert!(first.sentence().ends_with("1.00 to 1.62 times as long"), "{}", first.sentence());
        assert_eq!(first.gain(), "frees 5/7 of the card");
    }

    #[test]
    fn the_smallest_size_within_the_limit_is_the_one_that_does() {
        let offers = offers(&h100(), &need(0.05, 12.0), 1.10, true);
        let fits = offers.fits.unwrap();
        assert_eq!((&*fits.name, fits.gain()), ("3g.40gb", "frees 4/7 of the card".into()));
        assert!(fits.slowest < 1.07, "{}", fits.slowest);
        assert!(fits.limits().0 > 0.4 && fits.limits().0 < 0.42);
    }

    #[test]
    fn memory_rules_out_what_is_too_small_for_it() {
        assert_eq!(names(&offers(&h100(), &need(0.03, 30.0), 1.10, true)), ["3g.40gb"]);
        assert_eq!(names(&offers(&h100(), &need(0.03, 60.0), 1.10, true)), ["A100-80"]);
    }

    #[test]
    fn a_job_on_several_gpus_is_never_offered_a_slice() {
        let names = |active| {
            let offers = offers(&h100(), &need(active, 12.0), 1.10, false);
            names(&offers).join(" ")
        };
        assert!(!names(0.22).contains('g'), "{}", names(0.22));
        assert_eq!(names(0.02), "A30");
    }

    #[test]
    fn a_card_that_nobody_knows_has_no_smaller_one() {
        let card = GpuInfo { name: "NVIDIA GeForce RTX 4090".into(), ..h100() };
        assert_eq!(offers(&card, &need(0.05, 4.0), 1.10, true), Offers::default());
    }
}
