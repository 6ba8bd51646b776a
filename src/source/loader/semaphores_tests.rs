//! Semaphores of loaders, in the order in which they are made.

use proptest::prelude::*;

use super::*;

const EVENT_VALUES: [u32; EVENT] = [1, 0, 0, 0, 0];

fn queue(messages: u32, waits: bool) -> Vec<u32> {
    vec![u32::from(!waits), 1, MOST - messages]
}

/// A loader's semaphores: its result queue with so many batches, and tasks for each worker.
fn loader(result: u32, tasks: &[u32]) -> Vec<u32> {
    let mut values = queue(result, result == 0);
    values.extend(EVENT_VALUES);
    values.extend(tasks.iter().flat_map(|&count| queue(count, count == 0)));
    values
}

fn layouts(values: &[u32]) -> Vec<(usize, usize)> {
    let values: Vec<Option<u32>> = values.iter().copied().map(Some).collect();
    parse(&values).into_iter().map(|layout| (layout.result, layout.index.len())).collect()
}

#[test]
fn a_loader_is_a_queue_an_event_and_a_queue_for_each_worker() {
    assert_eq!(layouts(&loader(4, &[0, 1])), [(0, 2)]);
    assert_eq!(layouts(&loader(0, &[2, 2, 0, 1])), [(0, 4)]);
}

#[test]
fn two_loaders_one_after_the_other_are_told_apart() {
    let values = [loader(4, &[0, 1]), loader(0, &[1, 1, 1])].concat();
    assert_eq!(layouts(&values), [(0, 2), (14, 3)]);
}

#[test]
fn other_locks_and_queues_around_are_no_loader() {
    assert_eq!(layouts(&queue(3, false)), []);
    assert_eq!(layouts(&[queue(0, true), queue(0, true)].concat()), []);
    let values = [vec![1, 1, 0], loader(1, &[1]), vec![1, 0, 7]].concat();
    assert_eq!(layouts(&values), [(3, 1)]);
}

#[test]
fn a_value_that_cannot_be_read_hides_its_loader_and_no_other() {
    let mut values: Vec<Option<u32>> =
        [loader(4, &[0, 1]), vec![1], loader(0, &[1])].concat().into_iter().map(Some).collect();
    values[0] = None;
    let found = parse(&values);
    assert_eq!(found, [Layout { result: 15, index: vec![23] }]);
}

#[test]
fn the_youngest_loader_that_a_worker_maps_is_its_own() {
    let values: Vec<Option<u32>> =
        [loader(4, &[0, 1]), loader(0, &[1, 1])].concat().into_iter().map(Some).collect();
    let all: Vec<Mapped> =
        (0..values.len() as u64).map(|inode| Mapped { inode, device: 1, address: 0 }).collect();
    // Forked when the first loader was there, and when both were.
    let old = choose(&values, &all, &all[..11], 2).unwrap();
    let young = choose(&values, &all, &all[..25], 2).unwrap();
    assert_eq!((old[0], young[0]), (0, 14));
    assert_eq!(old, [0, 2, 8, 10, 11, 13]);
    assert_eq!(choose(&values, &all, &all[..11], 3), None);
}

#[test]
fn a_line_of_a_map_is_a_semaphore_only_with_its_name() {
    let line =
        b"7f0000000000-7f0000001000 rw-s 00000000 00:1a 77     /dev/shm/sem.mp-abc (deleted)";
    let found = mapping(line).unwrap();
    assert_eq!((found.inode, found.address), (77, 0x7f00_0000_0000));
    assert_eq!(mapping(b"7f00-7f01 rw-s 00000000 00:1a 77     /dev/shm/torch_12"), None);
    assert_eq!(mapping(b"7f00-7f01 rw-p 00000000 00:00 0"), None);
}

proptest! {
    #[test]
    fn loaders_are_found_between_anything_that_is_no_queue(
        shapes in prop::collection::vec((0_u32..50, prop::collection::vec(0_u32..9, 1..5)), 1..5),
        between in prop::collection::vec(2_u32..900, 0..4),
    ) {
        let mut values = Vec::new();
        let mut wanted = Vec::new();
        for (result, tasks) in &shapes {
            values.extend(&between);
            wanted.push((values.len(), tasks.len()));
            values.extend(loader(*result, tasks));
        }
        prop_assert_eq!(layouts(&values), wanted);
    }

    #[test]
    fn any_values_give_only_loaders_that_lie_within_them(
        values in prop::collection::vec(prop_oneof![
            Just(None), (0_u32..3).prop_map(Some), (MOST - 3..=MOST).prop_map(Some), any::<u32>().prop_map(Some),
        ], 0..200),
    ) {
        for layout in parse(&values) {
            prop_assert!(!layout.index.is_empty());
            for start in layout.index.iter().chain([&layout.result]) {
                prop_assert!(start + 3 <= values.len());
            }
        }
    }
}
