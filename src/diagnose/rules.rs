//! The list of all rules, and what each is shown and may do.
//!
//! A rule is a value in a file of its own. To add one: its file with `ABOUT` and a type that is a
//! [`Check`], and its line in the list below. A finding goes to the first rule of the list that claims
//! the time (see [`Ledger`]), so a rule that names the root stands before those of its consequences.

use super::about::About;
use super::cause::causes;
use super::ledger::Ledger;
use super::settings::Settings;
use super::supply::{
    self, cache_thrash, cold_cache, cpu_oversubscribed, cpu_quota, epoch_respawn, host_memory,
    main_thread, repeated_prep, small_files, transfer_bound,
};
use super::trainer::Trainer;
use super::{
    checkpoint_stall, clock_throttle, evaluation, idle_held, inference, long_init, no_tensor_cores,
    oversized, oversized_compute, oversized_memory, small_batch, starved, straggler, unused_gpu,
    vram_pressure,
};
use crate::model::{Cause, Frame, Rule, RunId};

/// One rule: takes frames, and opens, renews and closes findings.
pub(super) trait Check {
    /// One more tick.
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger);

    /// The session ends, or jumped back: closes what is open, and forgets.
    fn end(&mut self, ledger: &mut Ledger);
}

/// What a rule is shown of a tick.
pub(super) struct Scene<'a> {
    /// The tick.
    pub frame: &'a Frame,
    /// All watched trainers, with their ticks, their gates and the loader in use, this tick included.
    pub trainers: &'a [&'a Trainer],
    /// Windows and thresholds.
    pub settings: &'a Settings,
    /// Runs that starve, and why: what that names is not raised again, and a starved run is not judged
    /// by what its GPU does.
    pub starved: &'a [(RunId, Option<Cause>)],
}

impl Scene<'_> {
    /// Whether a run starves.
    pub(super) fn starves(&self, run: RunId) -> bool {
        self.starved.iter().any(|(starved, _)| *starved == run)
    }
}

/// Declares all rules: the field that holds the state of each, its type, and its `ABOUT`s.
macro_rules! rules {
    ($( $field:ident: $rule:ty, [$($about:path),+]; )+) => {
        /// The state of all rules.
        #[derive(Clone, Default)]
        pub(super) struct Rules { $( pub(super) $field: $rule, )+ }

        impl Rules {
            /// One more tick for each rule, in the order of the list.
            pub(super) fn step(
                &mut self,
                frame: &Frame,
                trainers: &[&Trainer],
                settings: &Settings,
                ledger: &mut Ledger,
            ) {
                $(
                    let starved = starving(ledger);
                    let scene = Scene { frame, trainers, settings, starved: &starved };
                    self.$field.step(&scene, ledger);
                )+
            }

            /// Ends all rules.
            pub(super) fn end(&mut self, ledger: &mut Ledger) {
                $( self.$field.end(ledger); )+
            }
        }

        static RULES: &[&About] = &[ $($( &$about, )+)+ ];
    };
}

rules! {
    starved: starved::Starved, [starved::ABOUT];
    eval_starved: evaluation::EvalStarved, [evaluation::STARVED];
    eval_share: evaluation::EvalShare, [evaluation::SHARE];
    supply: supply::Supply, [
        small_files::ABOUT, cache_thrash::ABOUT, cold_cache::ABOUT, main_thread::ABOUT,
        epoch_respawn::ABOUT, transfer_bound::ABOUT, repeated_prep::ABOUT, cpu_quota::ABOUT,
        cpu_oversubscribed::ABOUT
    ];
    host_memory: host_memory::HostMemory, [host_memory::ABOUT];
    checkpoint_stall: checkpoint_stall::CheckpointStall, [checkpoint_stall::ABOUT];
    straggler: straggler::Straggler, [straggler::ABOUT];
    clock_throttle: clock_throttle::ClockThrottle, [clock_throttle::ABOUT];
    long_init: long_init::LongInit, [long_init::ABOUT];
    idle_held: idle_held::IdleHeld, [idle_held::ABOUT];
    budget: inference::Broken, [inference::BUDGET];
    saturated: inference::Saturated, [inference::SATURATED];
    low_load: inference::LowLoad, [inference::LOW_LOAD];
    unused_gpu: unused_gpu::UnusedGpu, [unused_gpu::ABOUT];
    no_tensor_cores: no_tensor_cores::NoTensorCores, [no_tensor_cores::ABOUT];
    small_batch: small_batch::SmallBatch, [small_batch::ABOUT];
    vram_pressure: vram_pressure::VramPressure, [vram_pressure::ABOUT];
    oversized: oversized::Oversized, [oversized_compute::ABOUT, oversized_memory::ABOUT];
}

/// The runs with an open finding of starvation. No allocation where there is none.
fn starving(ledger: &Ledger) -> Vec<(RunId, Option<Cause>)> {
    let open = ledger.lasting().iter().filter(|finding| finding.rule == Rule::Starved);
    open.filter_map(|finding| Some((finding.run?, finding.cause))).collect()
}

/// All rules, explained, in the order in which they are asked.
pub fn rules() -> &'static [&'static About] {
    RULES
}

/// All rules and causes, explained, each once: a rule that STARVED names as a cause, too, comes with
/// the rules.
pub fn abouts() -> impl Iterator<Item = &'static About> {
    rules().iter().copied().chain(causes().iter().copied().filter(|about| !is_rule(about)))
}

/// Whether a rule has this explanation, be it a cause, too.
pub fn is_rule(about: &About) -> bool {
    rules().iter().any(|rule| std::ptr::eq(*rule, about))
}

/// A rule, explained; `None` for one that this version does not look for.
pub fn about(rule: Rule) -> Option<&'static About> {
    RULES.iter().copied().find(|about| about.code == rule.code())
}
