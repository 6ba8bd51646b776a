use super::*;
use crate::source::loader::capacity::Sight;

fn view(result: &[u64], workers: &[(&[u64], bool)], main: MainAt) -> View<'static> {
    View {
        result: Frames { indices: result.to_vec(), ..Frames::default() },
        bytes: result.len() * 300,
        workers: Some(
            workers
                .iter()
                .map(|&(indices, idle)| Tasks { indices: indices.to_vec(), idle })
                .collect(),
        ),
        before: result.len() as u64,
        steady: true,
        main,
        pin_thread: None,
        sealed: false,
        semaphores: None,
    }
}

/// The same look often enough to be believed.
fn settled(queue: &mut Queue, view: &View<'_>) -> Finding {
    for _ in 0..12 {
        queue.look(view);
    }
    queue.look(view).unwrap()
}

#[test]
fn an_empty_pipe_under_a_polling_loop_is_starvation() {
    let mut queue = Queue::new(2, Some(false));
    let found = settled(&mut queue, &view(&[], &[(&[12], false), (&[13], false)], MainAt::Poll));
    assert_eq!((found.ready, found.bound, found.waiting), (0, Bound::Exact, true));
    assert_eq!(queue.capacity.exact(), Some(4));
}

#[test]
fn a_full_pipe_is_counted_batch_by_batch() {
    let mut queue = Queue::new(2, Some(false));
    let idle: (&[u64], bool) = (&[], true);
    let found = settled(&mut queue, &view(&[4, 5, 6, 7], &[idle, idle], MainAt::Other));
    assert_eq!((found.ready, found.waiting, queue.capacity.exact()), (4, false, Some(4)));
    assert_eq!(queue.stash, Reading::Is(0));
}

#[test]
fn batches_behind_an_unfinished_one_are_not_ready() {
    let mut queue = Queue::new(4, Some(false));
    // Worker 1 still works on 5, with 9 waiting for it.
    let workers: [(&[u64], bool); 4] = [(&[8], false), (&[9], false), (&[], true), (&[], true)];
    let found = settled(&mut queue, &view(&[6, 7], &workers, MainAt::Other));
    assert_eq!(found.ready, 0);
}

#[test]
fn finished_batches_that_the_loop_put_aside_are_the_stash() {
    let mut queue = Queue::new(2, Some(false));
    let idle: (&[u64], bool) = (&[], true);
    settled(&mut queue, &view(&[4, 5, 6, 7], &[idle, idle], MainAt::Other));
    queue.look(&view(&[], &[(&[10], false), idle], MainAt::Poll));
    assert_eq!(queue.stash, Reading::Is(2));
}

#[test]
fn batches_put_aside_are_ready_once_their_turn_is_next() {
    let mut queue = Queue::new(2, Some(false));
    let idle: (&[u64], bool) = (&[], true);
    settled(&mut queue, &view(&[4, 5, 6, 7], &[idle, idle], MainAt::Other));
    // The loop is at 6 and steps; 6 and 7 came before 5 did, 8 came since, 9 is worked on.
    let workers: [(&[u64], bool); 2] = [idle, (&[], false)];
    let found = queue.look(&view(&[8], &workers, MainAt::Other)).unwrap();
    assert_eq!((found.ready, found.bound), (3, Bound::Upper));
}

#[test]
fn between_epochs_nothing_is_waited_for() {
    let mut queue = Queue::new(2, Some(false));
    let idle: (&[u64], bool) = (&[], true);
    let found = queue.look(&view(&[], &[idle, idle], MainAt::Poll)).unwrap();
    assert_eq!((found.active, found.waiting), (false, false));
}

#[test]
fn a_pinning_loader_is_read_by_what_is_not_finished() {
    let mut queue = Queue::new(2, Some(true));
    let starved = view(&[], &[(&[12], false), (&[13], false)], MainAt::Futex);
    let found = settled(&mut queue, &starved);
    assert_eq!(
        (found.ready, found.source, found.bound),
        (0, ReadySource::Complement, Bound::Upper)
    );
    assert!(found.waiting);
    let idle: (&[u64], bool) = (&[], true);
    let full = queue.look(&view(&[], &[idle, idle], MainAt::Other)).unwrap();
    assert_eq!((full.ready, full.bound, full.waiting), (4, Bound::Upper, false));
}

#[test]
fn a_full_pinned_queue_under_a_waiting_lock_is_no_wait_for_data() {
    let mut queue = Queue::new(2, Some(true));
    let idle: (&[u64], bool) = (&[], true);
    let found = queue.look(&view(&[], &[idle, idle], MainAt::Futex)).unwrap();
    assert_eq!((found.ready, found.bound, found.waiting), (4, Bound::Doubtful, false));
}

#[test]
fn a_pinning_loader_says_nothing_without_its_workers() {
    let mut queue = Queue::new(2, Some(true));
    let look = View { workers: None, ..view(&[], &[], MainAt::Other) };
    assert_eq!(queue.look(&look), None);
}

#[test]
fn batches_too_large_for_the_pipe_are_read_by_the_complement() {
    let mut queue = Queue::new(2, Some(false));
    let idle: (&[u64], bool) = (&[], true);
    settled(&mut queue, &view(&[], &[(&[2], false), (&[3], false)], MainAt::Poll));
    let mut look = view(&[], &[idle, idle], MainAt::Other);
    look.result.truncated = true;
    look.bytes = 64 << 10;
    let found = queue.look(&look).unwrap();
    assert_eq!(
        (found.ready, found.source, found.bound),
        (4, ReadySource::Complement, Bound::Upper)
    );
}

#[test]
fn without_thread_names_pinning_is_told_by_where_finished_batches_are() {
    let mut queue = Queue::new(2, None);
    assert_eq!(queue.pinning.get(), None);
    let idle: (&[u64], bool) = (&[], true);
    // It moves, everything is finished, and the result pipe is always empty.
    for step in 0..20 {
        queue.look(&view(&[], &[(&[step], false), idle], MainAt::Other));
        queue.look(&view(&[step], &[idle, idle], MainAt::Other));
        queue.look(&view(&[], &[idle, idle], MainAt::Other));
    }
    assert_eq!(queue.pinning.get(), Some(true));
    let mut plain = Queue::new(2, None);
    settled(&mut plain, &view(&[4, 5, 6, 7], &[idle, idle], MainAt::Other));
    assert_eq!(plain.pinning.get(), Some(false));
}

#[test]
fn passing_memory_over_a_socket_is_delivery() {
    let mut queue = Queue::new(2, Some(false));
    let found = queue.look(&view(&[5], &[(&[6], false), (&[7], false)], MainAt::Socket)).unwrap();
    assert!(found.waiting && found.delivery);
}

/// What semaphores say of a loader with these tasks and idle workers.
fn exactly(result: u64, workers: &[(u64, bool)]) -> semaphores::Look {
    semaphores::Look {
        result,
        reader_waits: false,
        queued: workers.iter().map(|worker| worker.0).collect(),
        idle: workers.iter().map(|worker| worker.1).collect(),
    }
}

#[test]
fn semaphores_count_batches_that_the_pipe_cannot_hold() {
    let mut queue = Queue::new(2, Some(false));
    let said = exactly(4, &[(0, true), (0, true)]);
    let mut look = view(&[], &[(&[], true), (&[], true)], MainAt::Other);
    (look.bytes, look.result.truncated, look.semaphores) = (64 << 10, true, Some(&said));
    let found = settled(&mut queue, &look);
    assert_eq!((found.ready, found.source), (4, ReadySource::Semaphore));
    assert_eq!(found.bound, Bound::Exact);
}

#[test]
fn semaphores_alone_do_not_tell_what_was_put_aside() {
    let mut queue = Queue::new(2, Some(false));
    let said = exactly(1, &[(2, false), (0, true)]);
    let mut look = view(&[5], &[(&[6, 8], false), (&[], true)], MainAt::Other);
    look.semaphores = Some(&said);
    let found = queue.look(&look).unwrap();
    assert_eq!(found.source, ReadySource::Semaphore);
    assert_eq!(found.bound, Bound::Lower, "the capacity is not known yet");
}

#[test]
fn a_pinning_loader_is_exact_where_semaphores_tell_who_works() {
    let mut queue = Queue::new(2, Some(true));
    let said = exactly(0, &[(0, true), (1, false)]);
    // The second worker polls a socket: it only looks idle.
    let mut look = view(&[], &[(&[], true), (&[9], false)], MainAt::Futex);
    look.semaphores = Some(&said);
    for _ in 0..12 {
        queue.look(&View {
            semaphores: Some(&exactly(0, &[(1, false), (1, false)])),
            ..look.clone()
        });
    }
    queue.capacity.see(4, None, Sight::Waited);
    queue.capacity.see(4, None, Sight::Waited);
    queue.capacity.see(4, None, Sight::Waited);
    // Newer tasks: the epoch does not run out.
    look.workers = view(&[], &[(&[], true), (&[10], false)], MainAt::Futex).workers;
    queue.look(&look);
    let found = queue.look(&look).unwrap();
    assert_eq!((found.ready, found.source), (2, ReadySource::Semaphore));
    assert_eq!((found.bound, found.waiting), (Bound::Exact, false));
}

#[test]
fn of_a_sealed_trainer_the_semaphores_alone_tell() {
    let mut queue = Queue::new(2, Some(false));
    let mut look = view(&[], &[], MainAt::Other);
    (look.workers, look.sealed) = (None, true);
    let starved = semaphores::Look { reader_waits: true, ..exactly(0, &[(1, false), (1, false)]) };
    let full = exactly(4, &[(0, true), (0, true)]);
    let found = settled(&mut queue, &View { semaphores: Some(&full), ..look.clone() });
    assert_eq!((found.ready, found.bound, found.waiting), (4, Bound::Upper, false));
    let found = settled(&mut queue, &View { semaphores: Some(&starved), ..look });
    assert_eq!((found.ready, found.waiting), (0, true));
    assert_eq!(queue.capacity.exact(), Some(4));
}

#[test]
fn a_loop_that_sleeps_beside_a_batch_does_not_wait_where_it_sleeps() {
    let mut queue = Queue::new(2, Some(false));
    let mut see = |apart: usize, looks: usize| {
        for look in 0..looks {
            queue.slept(look < apart);
        }
        queue.sleeps_apart()
    };
    assert!(!see(2, 100), "a batch may have come at that very moment");
    assert!(see(1, 100));
    // A loop that does so all the time is doubted all the time, however seldom it is seen.
    assert!((0..20).all(|_| see(4, 1000)));
    assert!(!see(0, 20_000), "it was another part of the program");
}

#[test]
fn of_a_queue_with_semaphores_the_readers_lock_tells_the_wait_and_not_the_place() {
    let mut queue = Queue::new(2, Some(false));
    let mut empty = exactly(0, &[(1, false), (1, false)]);
    let look = view(&[], &[(&[8], false), (&[9], false)], MainAt::Poll);
    let found = settled(&mut queue, &View { semaphores: Some(&empty), ..look.clone() });
    assert!(!found.waiting, "asleep elsewhere");
    empty.reader_waits = true;
    let found = settled(&mut queue, &View { semaphores: Some(&empty), ..look });
    assert!(found.waiting);
}

#[test]
fn batches_put_aside_stay_aside_when_nothing_is_missing_any_more() {
    let mut queue = Queue::new(2, Some(false));
    let idle: (&[u64], bool) = (&[], true);
    settled(&mut queue, &view(&[4, 5, 6, 7], &[idle, idle], MainAt::Other));
    // 6 and 7 came before 5 did: the loop has them. 8 and 9 are in the queue, and all work is done.
    let said = exactly(2, &[(0, true), (0, true)]);
    let without =
        View { workers: None, semaphores: Some(&said), ..view(&[8, 9], &[], MainAt::Other) };
    let found = queue.look(&without).unwrap();
    assert_eq!((found.ready, found.bound), (2, Bound::Lower), "how many it has was not looked for");
    let all = View { semaphores: Some(&said), ..view(&[8, 9], &[idle, idle], MainAt::Other) };
    let found = queue.look(&all).unwrap();
    assert_eq!((found.ready, found.bound), (4, Bound::Upper));
    let full = exactly(4, &[(0, true), (0, true)]);
    let found = queue.look(&View { semaphores: Some(&full), ..without }).unwrap();
    assert_eq!((found.ready, found.bound), (4, Bound::Exact), "there can be no more");
}

#[test]
fn batches_that_only_the_semaphore_counts_may_be_out_of_order_while_one_is_missing() {
    let mut queue = Queue::new(2, Some(false));
    let idle: (&[u64], bool) = (&[], true);
    settled(&mut queue, &view(&[4, 5, 6, 7], &[idle, idle], MainAt::Other));
    // Two are in the queue and on their way into the pipe; one worker has not finished.
    let said = exactly(2, &[(0, true), (0, false)]);
    let look = View { workers: None, semaphores: Some(&said), ..view(&[], &[], MainAt::Other) };
    assert_eq!(queue.look(&look).unwrap().bound, Bound::Doubtful);
}
