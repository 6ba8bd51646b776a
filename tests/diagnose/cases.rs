//! Every rule and every cause has a scenario that raises it and a near miss that does not, and neither
//! raises anything else.
//!
//! To add one, for a rule `SMALL-FILES`:
//!
//! 1. its file `tests/diagnose/small_files.rs` with two functions that play frames into an engine and
//!    give what was found, all of it, whether it lasts or has ended:
//!
//!    ```
//!    pub(crate) fn raises() -> Vec<Finding>   // raises it, and nothing else
//!    pub(crate) fn misses() -> Vec<Finding>   // nearly raises it: just below a threshold, or with the
//!                                             // one figure missing that makes the difference
//!    ```
//!
//!    [`played`] runs a [`Scenario`] that is healthy for a minute and then changes; frames made by hand
//!    do as well;
//! 2. its line in `cases!` below: `small_files: "SMALL-FILES", small_files::raises, small_files::misses;`
//!    A cause whose near miss starves for another reason names that one: `…, instead Cause::Mixed;`
//! 3. its line in the README's table: `MLTOP_REGENERATE=1 cargo test --test diagnose readme`.
//!
//! A test in `explained.rs` fails where a rule or a cause of the program lacks one of these.

use mltop::diagnose::Engine;
use mltop::model::{Cause, Finding, Rule};

use crate::scenario::{Load, Scenario};
use crate::supply::{cpu, epochs, gpu, memory, reads};

mod checkpoint_stall;
mod clock_throttle;
mod evaluation;
mod long_init;
mod no_tensor_cores;
mod serving;
mod sized;
mod small_batch;
mod starved;
mod straggler;
mod unused_gpu;
mod vram_pressure;

/// Declares the cases: a test each, and the codes that have one.
macro_rules! cases {
    ($( $name:ident: $code:literal, $raises:path, $misses:path $(, instead $cause:path)?; )+) => {
        /// The rules and causes that have a scenario and a near miss.
        pub(crate) const CODES: &[&str] = &[ $($code),+ ];

        $(
            #[test]
            fn $name() {
                raised($code, &$raises());
                let instead: Option<Cause> = None $(.or(Some($cause)))?;
                missed($code, &$misses(), instead);
            }
        )+
    };
}

cases! {
    starved: "STARVED", starved::raises, starved::misses;
    disk_bound: "DISK-BOUND", starved::disk, starved::disk_with_room, instead Cause::TooFewWorkers;
    remote_fs: "REMOTE-FS", starved::remote, starved::local, instead Cause::TooFewWorkers;
    prep_bound: "PREP-BOUND", starved::full_box, starved::free_cores, instead Cause::TooFewWorkers;
    too_few_workers: "TOO-FEW-WORKERS", starved::raises, starved::full_box, instead Cause::PrepBound;
    head_of_line: "HEAD-OF-LINE", starved::tail, starved::short_tail;
    delivery_bound: "DELIVERY-BOUND", starved::delivery, starved::quick_delivery;
    mixed: "MIXED", starved::half_and_half, starved::disk, instead Cause::DiskBound;
    unattributed: "UNATTRIBUTED", starved::lock, starved::half_and_half, instead Cause::Mixed;
    eval_share: "EVAL-SHARE", evaluation::large, evaluation::small;
    eval_share_inferred: "EVAL-SHARE", evaluation::large_without_frames, evaluation::two_training_sets;
    eval_starved: "EVAL-STARVED", evaluation::starved, evaluation::fed;
    budget: "BUDGET", serving::slow, serving::quick;
    saturated: "SATURATED", serving::queue_grows, serving::queue_stands;
    saturated_cache: "SATURATED", serving::cache_full, serving::cache_nearly_full;
    low_load: "LOW-LOAD", serving::one_at_a_time, serving::two_at_a_time;
    small_files: "SMALL-FILES", reads::small_files, reads::larger_files;
    cache_thrash: "CACHE-THRASH", epochs::thrashing, epochs::hardly_thrashing;
    cold_cache: "COLD-CACHE", epochs::cold, epochs::as_cold;
    main_thread: "MAIN-THREAD", gpu::main_thread, gpu::quick_main_thread;
    epoch_respawn: "EPOCH-RESPAWN", epochs::respawn, epochs::quick_respawn;
    transfer_bound: "TRANSFER-BOUND", gpu::full_link, gpu::link_with_room;
    repeated_prep: "REPEATED-PREP", epochs::repeated, epochs::not_repeated;
    cpu_quota: "CPU-QUOTA", cpu::throttled, cpu::hardly_throttled;
    cpu_oversubscribed: "CPU-OVERSUBSCRIBED", cpu::in_line, cpu::hardly_more_threads_than_cores;
    host_memory: "HOST-MEMORY", memory::short, memory::nearly_short;
    idle_held: "IDLE-HELD", sized::idle, sized::nearly_idle;
    oversized_compute: "OVERSIZED-COMPUTE", sized::few_multiprocessors, sized::many_multiprocessors;
    oversized_memory: "OVERSIZED-VRAM", sized::little_memory, sized::half_the_memory;
    no_tensor_cores: "NO-TENSOR-CORES", no_tensor_cores::raises, no_tensor_cores::misses;
    small_batch: "SMALL-BATCH", small_batch::raises, small_batch::misses;
    unused_gpu: "UNUSED-GPU", unused_gpu::raises, unused_gpu::misses;
    straggler: "STRAGGLER", straggler::raises, straggler::misses;
    checkpoint_stall: "CHECKPOINT-STALL", checkpoint_stall::raises, checkpoint_stall::misses;
    clock_throttle: "CLOCK-THROTTLE", clock_throttle::raises, clock_throttle::misses;
    vram_pressure: "VRAM-PRESSURE", vram_pressure::raises, vram_pressure::misses;
    long_init: "LONG-INIT", long_init::raises, long_init::misses;
}

/// What is found where a box is healthy for a minute, then changes, and stays so for `seconds`.
pub(crate) fn played(
    mut scenario: Scenario,
    seconds: u32,
    change: impl FnOnce(&mut Scenario),
) -> Vec<Finding> {
    let mut engine: Engine = crate::engine();
    let before = scenario.run(&mut engine, 60);
    assert!(before.is_empty(), "nothing is the matter yet: {before:#?}");
    change(&mut scenario);
    scenario.run(&mut engine, seconds);
    engine.findings().to_vec()
}

/// A lone trainer with eight workers whose steps take a tenth of a second.
pub(crate) fn eight(load: Load) -> Scenario {
    Scenario::new(8, load, 0.1)
}

fn is(finding: &Finding, code: &str) -> bool {
    let named = finding.cause.filter(|_| finding.rule == Rule::Starved);
    finding.rule.code() == code || named.is_some_and(|cause| cause.code() == code)
}

fn raised(code: &str, findings: &[Finding]) {
    assert!(!findings.is_empty(), "{code} is not raised");
    for finding in findings {
        assert!(is(finding, code), "beside {code} is raised {finding:#?}");
        says_all(finding);
    }
}

fn missed(code: &str, findings: &[Finding], instead: Option<Cause>) {
    for finding in findings {
        let other = finding.rule == Rule::Starved && instead.is_some() && finding.cause == instead;
        assert!(other && !is(finding, code), "the near miss of {code} raises {finding:#?}");
    }
    assert_eq!(findings.is_empty(), instead.is_none(), "the near miss of {code} starves no more");
}

/// Full sentences, and evidence with its span.
fn says_all(finding: &Finding) {
    crate::sentences::full(finding);
    for evidence in &finding.evidence {
        assert!(!evidence.text.is_empty() && !evidence.series.is_empty(), "{evidence:#?}");
        assert!(evidence.from_ms < evidence.to_ms, "{evidence:#?}");
        assert!(evidence.value.is_finite(), "{evidence:#?}");
    }
}
