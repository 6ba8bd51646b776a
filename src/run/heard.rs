//! Signals that a program without a screen listens for.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::source::loader::discover::field;

/// One signal.
#[derive(Debug)]
pub(super) struct Heard(Option<Signal>);

impl Heard {
    /// Listens for it.
    pub(super) fn always(kind: SignalKind) -> io::Result<Self> {
        Ok(Self(Some(signal(kind)?)))
    }

    /// Listens for it, unless whoever started this program had it ignored: to listen would take that
    /// away from each program that is started from here, too.
    pub(super) fn unless_ignored(kind: SignalKind) -> io::Result<Self> {
        let status = std::fs::read("/proc/self/status")?;
        if is_ignored(&status, kind) { Ok(Self(None)) } else { Self::always(kind) }
    }

    /// Waits for the next one; for ever where it is not listened for.
    pub(super) async fn recv(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Whether `/proc/PID/status` has a signal among those that are ignored.
fn is_ignored(status: &[u8], kind: SignalKind) -> bool {
    let ignored = field(status, "SigIgn:").and_then(|bits| u64::from_str_radix(bits, 16).ok());
    let bit = 1_u64.checked_shl(kind.as_raw_value().unsigned_abs().saturating_sub(1));
    ignored.zip(bit).is_some_and(|(ignored, bit)| ignored & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_nohup_the_hangup_is_ignored_and_nothing_else() {
        let status = b"Name:\tmltop\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert!(is_ignored(status, SignalKind::hangup()));
        assert!(!is_ignored(status, SignalKind::terminate()));
        assert!(!is_ignored(b"Name:\tmltop\n", SignalKind::hangup()));
    }
}
