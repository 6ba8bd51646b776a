//! The words of mltop as types. Pure: no clock, no file, no environment.

pub mod finding;
pub mod frame;
pub mod gpu;
pub mod id;
pub mod inventory;
pub mod metric;
pub mod own;
pub mod process;
pub mod reading;
pub mod sample;
pub mod server;
pub mod text;
pub mod throttle;
pub mod xid;

pub use finding::{Area, Cause, Cost, Event, EventKind, Evidence, Finding, Rule, Severity};
pub use frame::Frame;
pub use id::{GpuId, LoaderId, Pid, RunId, ServerId, Stamp};
pub use inventory::Inventory;
pub use reading::{Gap, Reading};
pub use sample::{Bound, Sample};
