//! Where the loop is in its epoch, how long one takes, and whether workers live on into the next.

use crate::fmt;
use crate::model::Reading;
use crate::model::sample::LoaderSample;

use super::over::Over;

/// Shares of an epoch that are told in whole percents.
const WHOLE: f64 = 100.0;

/// The epoch, as far as it is readable; `None` where nothing of it is.
pub(super) fn words(row: &LoaderSample, over: &Over) -> Option<String> {
    let mut parts = Vec::new();
    // The count begins where mltop found the loader: the epoch of that moment is number 1.
    if let Some(epochs) = row.epochs_total.ok() {
        parts.push(format!("Epoch {} since the loader was found", epochs + 1));
    }
    let length = row.epoch_batches.ok().filter(|length| *length > 0);
    match (row.position.ok(), length) {
        (Some(at), Some(length)) => {
            let share = (at as f64 / length as f64 * WHOLE).floor().clamp(0.0, WHOLE);
            parts.push(format!("batch {at} of {length} ({share:.0}%)"));
        }
        (Some(at), None) => parts.push(format!("batch {at}, length not known")),
        (None, Some(length)) => parts.push(format!("{length} batches long")),
        (None, None) => {}
    }
    if let Some(seconds) = row.last_epoch_seconds.ok() {
        parts.push(format!("the last one took {}", duration(seconds)));
    }
    let steps = over.steps.filter(|steps| *steps > 0.0);
    if let (Some(length), Some(steps)) = (length, steps) {
        parts.push(format!("one takes {} at this pace", duration(length as f64 / steps)));
    }
    if let Some(size) = row.batch_size.ok() {
        let rate = steps.map_or_else(String::new, |steps| {
            format!(", {} samples/s", fmt::count(steps * size as f64).trim())
        });
        parts.push(format!("{size} samples a batch{rate}"));
    }
    (!parts.is_empty()).then(|| parts.join("; ") + ".")
}

/// That workers are started anew each epoch, as was seen or as the loader is set.
pub(super) fn starts(row: &LoaderSample) -> Option<String> {
    let workers = row.workers.ok().filter(|workers| *workers > 0)?;
    let started = row.worker_starts_total.ok().filter(|started| *started > 0);
    let seen = started.map_or_else(String::new, |started| {
        let times = if started == 1 { "one was".into() } else { format!("{started} were") };
        format!(" ({times} started since the loader was found)")
    });
    if row.persistent == Reading::Is(true) {
        return None;
    }
    let anew = started.is_some_and(|started| started >= workers);
    (anew || row.persistent == Reading::Is(false)).then(|| {
        format!(
            "Started anew each epoch{seen}, with their start-up and an empty queue each time: \
             persistent_workers=True keeps them."
        )
    })
}

/// A time in one or two units.
fn duration(seconds: f64) -> String {
    if (0.0..120.0).contains(&seconds) {
        fmt::seconds(seconds).trim().to_owned()
    } else if seconds.is_finite() {
        fmt::ago(seconds as u64)
    } else {
        fmt::NONE.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Gap;

    #[test]
    fn an_epoch_is_told_as_far_as_it_is_readable() {
        let over = Over { steps: Some(2.0), ..Over::default() };
        assert_eq!(words(&LoaderSample::default(), &over), None);
        let row = LoaderSample {
            position: Reading::Is(210),
            epoch_batches: Reading::Is(1200),
            epochs_total: Reading::Is(2),
            last_epoch_seconds: Reading::Is(580.0),
            batch_size: Reading::Is(32),
            ..LoaderSample::default()
        };
        assert_eq!(
            words(&row, &over).unwrap(),
            "Epoch 3 since the loader was found; batch 210 of 1200 (17%); the last one took 9 min; \
             one takes 10 min at this pace; 32 samples a batch, 64 samples/s."
        );
        let endless = LoaderSample {
            position: Reading::Is(7),
            epoch_batches: Reading::Not(Gap::NotApplicable),
            ..LoaderSample::default()
        };
        assert_eq!(words(&endless, &over).unwrap(), "batch 7, length not known.");
    }

    #[test]
    fn workers_that_live_on_are_not_said_to_be_started_anew() {
        let row = |persistent, starts| LoaderSample {
            workers: Reading::Is(4),
            persistent,
            worker_starts_total: Reading::Is(starts),
            ..LoaderSample::default()
        };
        let unknown = Reading::Not(Gap::Unsupported);
        assert_eq!(starts(&row(Reading::Is(true), 8)), None);
        assert_eq!(starts(&row(unknown, 0)), None);
        assert_eq!(starts(&row(unknown, 1)), None, "one that died was replaced");
        assert!(starts(&row(unknown, 8)).unwrap().contains("8 were started"));
        assert!(starts(&row(Reading::Is(false), 0)).unwrap().contains("each epoch, with"));
    }
}
