//! Tests on real trainings: first beside at most what the CPUs bear, then alone where that disturbed one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Whoever looks at a live training holds it: shared on a first try, and to himself on any other.
static BOX: RwLock<()> = RwLock::new(());

/// How often a live process is looked at before a miss is a fault and not a disturbance.
pub(crate) const TRIES: u32 = 3;

/// The right to look at a training, for as long as it is held.
#[expect(dead_code, reason = "they are held, not read")]
pub(crate) enum Room {
    Shared(RwLockReadGuard<'static, ()>),
    Own(RwLockWriteGuard<'static, ()>),
}

impl Room {
    /// Room for a try, counted from one. The trainings mostly sleep, and so do those who look at them:
    /// there is a CPU for each of the tests that run at once. What misses all the same has the box to
    /// itself when it tries again.
    pub(crate) fn for_try(number: u32) -> Self {
        if number == 1 {
            Self::Shared(BOX.read().unwrap_or_else(PoisonError::into_inner))
        } else {
            Self::Own(BOX.write().unwrap_or_else(PoisonError::into_inner))
        }
    }
}

/// Runs a test of a live training. Each miss is printed by the panic that it is; only three in a row, of
/// which the last two were alone, are a failure.
pub(crate) fn alone<T>(mut test: impl FnMut() -> T) -> T {
    for number in 1..TRIES {
        let _room = Room::for_try(number);
        match catch_unwind(AssertUnwindSafe(&mut test)) {
            Ok(value) => return value,
            Err(_) => println!("missed, try {number} of {TRIES}"),
        }
    }
    let _room = Room::for_try(TRIES);
    test()
}
