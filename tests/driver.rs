//! The driver's whole surface: the stand-in against NVIDIA's header and its own binding, and mltop
//! against the stand-in, side by side with others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "driver/answers.rs"]
mod answers;
#[path = "driver/cards.rs"]
mod cards;
#[path = "driver/header.rs"]
mod header;
#[path = "driver/polling.rs"]
mod polling;
#[path = "common/pty.rs"]
mod pty;
#[path = "driver/readers.rs"]
mod readers;
#[path = "common/scene.rs"]
mod scene;
#[path = "driver/soak.rs"]
mod soak;
#[path = "common/standin.rs"]
mod standin;
#[path = "driver/table.rs"]
mod table;
#[path = "driver/troubles.rs"]
mod troubles;
#[path = "driver/whole.rs"]
mod whole;
