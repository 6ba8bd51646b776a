//! Inference servers: budgets, and what the servers' own metrics say of them.
//!
//! Everything is read over a window, never over the life of a server: counts are differences, and a
//! quantile is known only to the bucket of the histogram that it falls into. A mean is no quantile.

mod broken;
mod budget;
mod histogram;
mod judge;
mod load;
mod low_load;
mod proof;
mod recent;
mod saturated;
mod standing;

pub(super) use broken::{ABOUT as BUDGET, Broken};
pub use budget::{Budget, BudgetError, Budgets, Limit, What};
pub use histogram::{Bucket, Histogram};
pub use judge::{Outcome, Ruling, judge};
pub use load::{Load, Loads};
pub(super) use low_load::{ABOUT as LOW_LOAD, LowLoad};
pub(super) use saturated::{ABOUT as SATURATED, Saturated};
