//! The open findings of one rule, by what they are about.

use std::collections::BTreeMap;

use crate::diagnose::ledger::{Ledger, Said};

/// Open findings: the number of each, and the end of the last span that bore it out.
#[derive(Clone, Debug)]
pub(super) struct Standing<K> {
    open: BTreeMap<K, (u64, i64)>,
}

impl<K> Default for Standing<K> {
    fn default() -> Self {
        Self { open: BTreeMap::new() }
    }
}

impl<K: Ord> Standing<K> {
    /// It holds over this span: renews the finding, or opens one from the span's start.
    pub(super) fn holds(&mut self, key: K, said: Said, span: (i64, i64), ledger: &mut Ledger) {
        if let Some((id, last_ms)) = self.open.get_mut(&key) {
            *last_ms = span.1;
            ledger.renew(*id, said, false);
        } else if let Some(id) = ledger.open(said, span.0) {
            self.open.insert(key, (id, span.1));
        }
    }

    /// It is over since `at_ms`; without that, since it was last borne out.
    pub(super) fn over(&mut self, key: &K, at_ms: Option<i64>, ledger: &mut Ledger) {
        if let Some((id, last_ms)) = self.open.remove(key) {
            ledger.close(id, at_ms.unwrap_or(last_ms));
        }
    }

    /// Ends those that nobody is there for any more.
    pub(super) fn keep(&mut self, stays: impl Fn(&K) -> bool, ledger: &mut Ledger) {
        self.open.retain(|key, (id, last_ms)| {
            let stays = stays(key);
            if !stays {
                ledger.close(*id, *last_ms);
            }
            stays
        });
    }
}
