use proptest::prelude::*;

use super::*;

/// A page as the probe writes it, with one loader.
fn page() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    put(&mut bytes, 0, &[(1, 4711), (2, 977), (3, 1)]);
    let figures = [0, 0, 5_000, 12, 3_000, 3, 1, 1, 2, 8, 2, 2, 4, 3, 4711, 7];
    for (n, &figure) in figures.iter().enumerate() {
        put(&mut bytes, SLOT, &[(n, figure)]);
    }
    bytes[SLOT + NAME_AT..SLOT + NAME_AT + 7].copy_from_slice(b"Numbers");
    bytes[SLOT + PIDS_AT..SLOT + PIDS_AT + 4].copy_from_slice(&4712_u32.to_ne_bytes());
    bytes
}

fn put(bytes: &mut [u8; BYTES], at: usize, words: &[(usize, u64)]) {
    for &(n, word) in words {
        bytes[at + n * 8..at + n * 8 + 8].copy_from_slice(&word.to_ne_bytes());
    }
}

fn parse(bytes: &[u8; BYTES]) -> io::Result<Page> {
    read(|copy| {
        *copy = *bytes;
        Ok(())
    })
}

#[test]
fn a_page_says_what_the_probe_wrote() {
    let page = parse(&page()).unwrap();
    assert_eq!((page.pid, page.start_ticks, page.unsettled), (Pid(4711), 977, 0));
    let slot = &page.slots[0];
    assert_eq!((slot.batches, slot.ready, slot.stash), (12, Some(3), Some(1)));
    assert_eq!((slot.capacity(), slot.batch_size, &*slot.dataset), (4, Some(4), "Numbers"));
    assert_eq!((slot.pinned, slot.persistent, slot.ended), (true, true, false));
    assert_eq!((slot.waited, &*slot.pids), (Duration::from_micros(3), &[Pid(4712)][..]));
    assert_eq!(slot.batches_before, 8);
}

#[test]
fn a_wait_that_lasts_counts_up_to_now() {
    let mut bytes = page();
    put(&mut bytes, SLOT, &[(1, 10_000)]);
    let slot = parse(&bytes).unwrap().slots[0].clone();
    assert_eq!(slot.waited_by(Duration::from_nanos(11_500)), Duration::from_nanos(4_500));
    // A clock of another time namespace is no negative wait.
    assert_eq!(slot.waited_by(Duration::from_nanos(1)), Duration::from_micros(3));
}

#[test]
fn a_slot_is_believed_only_when_it_stood_still() {
    let mut tick = 0;
    let moving = read(|copy| {
        *copy = page();
        tick += 1;
        put(copy, SLOT, &[(3, tick)]);
        Ok(())
    });
    let page_ = moving.unwrap();
    assert_eq!((page_.slots.len(), page_.unsettled), (0, 1));
    let mut tries = 0;
    let settles = read(|copy| {
        *copy = page();
        tries += 1;
        // Half written twice, then still.
        put(copy, SLOT, &[(0, u64::from(tries <= 2)), (3, tries.min(3))]);
        Ok(())
    });
    assert_eq!(settles.unwrap().slots[0].batches, 3);
}

#[test]
fn figures_that_cannot_be_are_left_out() {
    let mut bytes = page();
    put(&mut bytes, SLOT, &[(5, u64::MAX), (6, 1), (12, 0), (15, u64::MAX)]);
    let slot = parse(&bytes).unwrap().slots[0].clone();
    assert_eq!((slot.ready, slot.stash, slot.batch_size), (None, None, None));
    put(&mut bytes, SLOT, &[(5, 5)]);
    assert_eq!(parse(&bytes).unwrap().slots[0].ready, None, "more than the capacity");
    for figure in [3, 10] {
        let mut bytes = page();
        put(&mut bytes, SLOT, &[(figure, u64::MAX)]);
        assert_eq!(parse(&bytes).unwrap().slots.len(), 0, "{figure}");
    }
}

#[test]
fn a_page_has_the_name_of_its_process() {
    assert_eq!(pid_of("4711.loaders"), Some(Pid(4711)));
    for bad in [".loaders", "+1.loaders", "1.loader", "x.loaders", "99999999999.loaders"] {
        assert_eq!(pid_of(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_page_or_none_and_every_figure_holds(
        noise in proptest::collection::vec(any::<u8>(), BYTES),
        spots in proptest::collection::vec((0..BYTES, any::<u8>()), 0..64),
        keep_head in any::<bool>(),
    ) {
        let mut bytes: [u8; BYTES] = if keep_head { page() } else { noise.try_into().unwrap() };
        for (at, byte) in spots {
            bytes[at] = byte;
        }
        let Ok(page) = parse(&bytes) else { return Ok(()) };
        prop_assert!(page.slots.len() <= SLOTS);
        for slot in page.slots {
            prop_assert!(slot.ready.is_none_or(|ready| ready <= slot.capacity()));
            prop_assert!(slot.stash.is_none_or(|stash| Some(stash) <= slot.ready));
            prop_assert!(slot.pids.len() <= 64 && slot.batches_before <= slot.batches);
            prop_assert!(slot.dataset.chars().count() <= 64);
            prop_assert!(!slot.dataset.chars().any(char::is_control));
            prop_assert!(slot.waited_by(Duration::MAX) >= slot.waited);
        }
    }
}
