//! A recording that is read in a thread of its own, beside the one that makes something of it: to unpack
//! a tick takes as long as all that is made of it.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::SessionFile;
use crate::model::Sample;

/// Ticks that are handed over at once.
const PIECE: usize = 32;
/// Pieces that wait to be taken.
const WAITING: usize = 2;

impl SessionFile {
    /// Hands over the ticks of a span, both ends included, as [`SessionFile::samples`] gives them, but
    /// read ahead. Where no thread can be had for it, each is read as it is taken.
    pub fn read_ahead<R>(
        &self,
        (from_ms, to_ms): (u64, u64),
        take: impl FnOnce(&mut dyn Iterator<Item = Arc<Sample>>) -> R,
    ) -> R {
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(WAITING);
            let read = move || {
                let mut samples = self.samples(from_ms, to_ms);
                loop {
                    let piece: Vec<_> = samples.by_ref().take(PIECE).collect();
                    // Who has seen enough listens no more.
                    if piece.is_empty() || sender.send(piece).is_err() {
                        return;
                    }
                }
            };
            match thread::Builder::new().name("reader".into()).spawn_scoped(scope, read) {
                Ok(_) => take(&mut receiver.into_iter().flatten()),
                Err(_) => take(&mut *self.samples(from_ms, to_ms)),
            }
        })
    }
}
