//! How well the cards are used, and what would do instead: each rule with what raises it, a near miss
//! that does not, and nothing else raised in either.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/cards.rs"]
mod cards;

#[path = "diagnose/checkpoint_stall.rs"]
mod checkpoint_stall;
#[path = "diagnose/clock_throttle.rs"]
mod clock_throttle;
#[path = "diagnose/h100_traces.rs"]
mod h100_traces;
#[path = "diagnose/idle_held.rs"]
mod idle_held;
#[path = "diagnose/long_init.rs"]
mod long_init;
#[path = "diagnose/no_tensor_cores.rs"]
mod no_tensor_cores;
#[path = "diagnose/oversized.rs"]
mod oversized;
#[path = "diagnose/small_batch.rs"]
mod small_batch;
#[path = "diagnose/straggler.rs"]
mod straggler;
#[path = "diagnose/unused_gpu.rs"]
mod unused_gpu;
#[path = "diagnose/vram_pressure.rs"]
mod vram_pressure;
