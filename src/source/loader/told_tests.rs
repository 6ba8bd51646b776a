use super::*;

fn slot(loader: u64, pids: &[u32]) -> Slot {
    Slot {
        loader,
        iterators: 3,
        batches: 25,
        batches_before: 20,
        waited: Duration::from_millis(70),
        ready: Some(3),
        stash: Some(1),
        workers: pids.len() as u64,
        prefetch_factor: 2 * u64::from(!pids.is_empty()),
        pids: pids.iter().copied().map(Pid).collect(),
        dataset: "Numbers".into(),
        ..Slot::default()
    }
}

#[test]
fn a_slot_says_what_was_in_order_when_the_loop_left_and_how_far_this_epoch_is() {
    let depth = depth(&slot(1, &[7, 8]));
    assert_eq!((depth.ready, depth.stash, depth.taken), (Ok(2), Ok(1), Some(5)));
    assert_eq!((depth.bound, depth.waited), (Bound::Doubtful, Some(Duration::from_millis(70))));
}

#[test]
fn without_workers_there_is_a_wait_and_no_queue() {
    let depth = depth(&Slot { ready: None, stash: None, ..slot(1, &[]) });
    assert_eq!((depth.ready, depth.stash), (Err(Gap::NotApplicable), Err(Gap::NotApplicable)));
    assert!(depth.waited.is_some());
}

#[test]
fn each_epoch_has_a_key_of_its_own_unless_the_workers_stay() {
    let first = slot(1, &[7]);
    let next = Slot { iterators: 4, ..first.clone() };
    assert_ne!(key(&first), key(&next));
    let stay = |slot: &Slot| key(&Slot { persistent: true, ..slot.clone() });
    assert_eq!(stay(&first), stay(&next));
    assert_ne!(stay(&first), stay(&slot(2, &[7])));
}

#[test]
fn a_loader_that_the_memory_knows_is_found_by_its_workers_or_by_its_dataset() {
    let slots = [slot(1, &[7, 8]), slot(2, &[9]), slot(3, &[])];
    let with = Known { workers: vec![Pid(9)], num_workers: Some(1), ..Known::default() };
    assert_eq!(same(&with, &slots).map(|slot| slot.loader), Some(2));
    let without = Known { num_workers: Some(0), dataset: "Numbers".into(), ..Known::default() };
    assert_eq!(same(&without, &slots).map(|slot| slot.loader), Some(3));
    let other = Known { dataset: "Others".into(), ..without };
    assert_eq!(same(&other, &slots), None);
    let strange = Known { workers: vec![Pid(70)], num_workers: Some(1), ..Known::default() };
    assert_eq!(same(&strange, &slots), None);
}
