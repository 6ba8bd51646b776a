//! A recorded session as if it came in now: each sample when its time has come.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::model::Sample;
use crate::record::Session;

/// No pause between two samples is kept longer: a box that slept for a night did not for the viewer.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Hands over the samples of a session at the pace at which they were taken, until the session ends
/// or `each` wants no more.
pub(super) fn play(
    session: Session,
    mut each: impl FnMut(Arc<Sample>) -> bool + Send + 'static,
) -> io::Result<()> {
    let play = move || {
        let mut due = Instant::now();
        let mut before_ms = None;
        for sample in session.samples() {
            let at_ms = sample.stamp.mono_ms;
            let pause = before_ms.map_or(0, |before: u64| at_ms.saturating_sub(before));
            before_ms = Some(at_ms);
            due += Duration::from_millis(pause).min(PAUSE_MAX);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if !each(sample) {
                return;
            }
        }
    };
    // Nobody waits for the thread: it ends when it finds that nobody listens.
    thread::Builder::new().name("replay".into()).spawn(play).map(drop)
}
