//! Loaders: counts of looks become shares of the tick.

use super::counter::{rate, rises, share};
use crate::model::frame::LoaderRates;
use crate::model::reading::{Gap, Reading};
use crate::model::sample::LoaderSample;

pub(super) fn rates(prev: Option<&LoaderSample>, now: &LoaderSample, seconds: f64) -> LoaderRates {
    let (looks, ready, empty, wait, delivery, steps, run, queued, disk, net, idle, other) = rises!(
        prev, now;
        samples_total, ready_sum, empty_samples_total, wait_samples_total,
        delivery_samples_total, steps_total, worker_run_samples_total, worker_runq_samples_total,
        worker_disk_samples_total, worker_net_samples_total, worker_idle_samples_total,
        worker_other_samples_total);
    // Nobody looked: that the count of steps stands still says nothing of the loop.
    let steps = match now.ready {
        Reading::Not(gap @ (Gap::Late | Gap::Lost)) => Reading::Not(gap),
        _ => steps,
    };
    // The six states are all there are: their sum is the number of looks at workers.
    let all = [run, queued, disk, net, idle, other]
        .into_iter()
        .fold(Reading::Is(0.0), |sum, part| sum.zip(part).map(|(sum, part)| sum + part));
    let none = if now.workers == Reading::Is(0) { Gap::NotApplicable } else { Gap::NotYet };
    let of_looks = |part| share(part, looks, Gap::NotYet);
    let of_workers = |part| share(part, all, none);
    // A loader without a queue is not one whose queue is empty.
    let of_queue = |figure: Reading<f64>| match now.ready {
        Reading::Not(gap @ (Gap::NotApplicable | Gap::Unsupported)) => Reading::Not(gap),
        _ => figure,
    };
    LoaderRates {
        pid: now.pid,
        loader: now.loader,
        wait_ratio: of_looks(wait),
        delivery_ratio: of_looks(delivery),
        empty_ratio: of_queue(of_looks(empty)),
        ready_mean: of_queue(ready_mean(ready, looks)),
        steps_per_second: rate(steps, seconds),
        step_seconds: step_seconds(steps, seconds),
        worker_run_ratio: of_workers(run),
        worker_runq_ratio: of_workers(queued),
        worker_disk_ratio: of_workers(disk),
        worker_net_ratio: of_workers(net),
        worker_idle_ratio: of_workers(idle),
        worker_other_ratio: of_workers(other),
        samples_per_second: rate(steps, seconds)
            .zip(now.batch_size)
            .map(|(batches, size)| batches * size as f64),
        epoch_seconds: now
            .epoch_batches
            .zip(step_seconds(steps, seconds))
            .map(|(batches, step)| batches as f64 * step),
        ..main_thread(prev, now, seconds)
    }
}

/// What follows from the looks at the main thread's stack, and from the workers' comings.
fn main_thread(prev: Option<&LoaderSample>, now: &LoaderSample, seconds: f64) -> LoaderRates {
    let (
        looks,
        starts,
        workers,
        forward,
        backward,
        optimizer,
        collective,
        compile,
        checkpoint,
        logging,
        import,
        validation,
    ) = rises!(
        prev, now;
        main_samples_total, worker_starts_total, main_workers_samples_total,
        main_forward_samples_total, main_backward_samples_total, main_optimizer_samples_total,
        main_collective_samples_total, main_compile_samples_total, main_checkpoint_samples_total,
        main_logging_samples_total, main_import_samples_total, main_validation_samples_total);
    let of_looks = |part| share(part, looks, Gap::NotYet);
    LoaderRates {
        worker_starts_per_second: rate(starts, seconds),
        main_workers_ratio: of_looks(workers),
        main_forward_ratio: of_looks(forward),
        main_backward_ratio: of_looks(backward),
        main_optimizer_ratio: of_looks(optimizer),
        main_collective_ratio: of_looks(collective),
        main_compile_ratio: of_looks(compile),
        main_checkpoint_ratio: of_looks(checkpoint),
        main_logging_ratio: of_looks(logging),
        main_import_ratio: of_looks(import),
        main_validation_ratio: of_looks(validation),
        ..LoaderRates::default()
    }
}

fn ready_mean(sum: Reading<f64>, looks: Reading<f64>) -> Reading<f64> {
    sum.zip(looks).and_then(|(sum, looks)| {
        if looks > 0.0 { Reading::Is(sum / looks) } else { Reading::Not(Gap::NotYet) }
    })
}

fn step_seconds(steps: Reading<f64>, seconds: f64) -> Reading<f64> {
    steps.and_then(|steps| {
        if steps > 0.0 { Reading::Is(seconds / steps) } else { Reading::Not(Gap::NotApplicable) }
    })
}
