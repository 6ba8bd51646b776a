//! mltop shows why the GPUs of a running training job wait.
//!
//! ```text
//!  machine ─ source ─► Sample ─┬─► record (file, history, stream: the same lines)
//!                              │
//!  session file ── record ─────┤   live and replay differ only in who hands over the Sample
//!                              ▼
//!                     derive ─► Frame ─► history ─► diagnose ─► Finding
//!                                                      │
//!                            keys ─► Action ─► app State ─► view (text, numbers, roles)
//!                                                      │
//!                                                      └─► ui (the only user of ratatui), export, report
//! ```
//!
//! * What is recorded is raw; rates are a pure function of two samples ([`mod@derive`]).
//! * `model derive history diagnose view report config` are pure: no clock, no file, no environment, no terminal.
//! * `source` knows `model` only, `record` `derive` too, for the overview that its index holds; `ui` never reads the machine; `run` alone knows everybody.
//! * A reading is a value or a reason why there is none ([`model::Reading`]); nothing turns a gap into 0.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")
)]

pub mod app;
pub mod cli;
pub mod config;
pub mod derive;
pub mod diagnose;
pub mod error;
pub mod export;
pub mod fmt;
pub mod history;
pub mod model;
pub mod probe;
pub mod record;
pub mod report;
pub mod run;
pub mod source;
pub mod term;
pub mod ui;
pub mod view;
