//! Tests on real trainings: one at a time, and again where a busy machine disturbed one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// One training at a time: two would take each other's CPU, and the truth with it.
static ONE: Mutex<()> = Mutex::new(());

/// How often a live process is looked at before a miss is a fault and not a disturbance.
const TRIES: u32 = 3;

/// Runs a test of a live training while no other one of this program runs. Each miss is printed by
/// the panic that it is; only three in a row are a failure.
pub(crate) fn alone<T>(mut test: impl FnMut() -> T) -> T {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for number in 1..TRIES {
        match catch_unwind(AssertUnwindSafe(&mut test)) {
            Ok(value) => return value,
            Err(_) => println!("missed, try {number} of {TRIES}"),
        }
    }
    test()
}
