//! The screen of the box.

use crate::frames::{Dress, World};
use crate::program::{Program, assert_inside};
use crate::{DOWN, ESC, LEFT, assert_says, assert_sound, boxes, cursors};
use mltop::app::{Cost, Key, KeyCode, Msg, Recording, ScreenKind};
use mltop::view::screen::Body;
use proptest::prelude::*;

const PAGE_DOWN: Key = Key::plain(KeyCode::PageDown);

fn opened(dress: Dress, ticks: u64) -> Program {
    let mut program = Program::after(World { dress: Some(dress), ..World::default() }, ticks);
    program.keys("6");
    program
}

#[test]
#[ignore = "prints screens to be judged by eye"]
fn print_the_screens() {
    use std::io::Write;
    let mut out = std::io::stderr().lock();
    let mut program = opened(boxes::full, 110);
    for (width, height) in [(200, 50), (120, 36), (80, 24), (60, 20)] {
        writeln!(out, "== {width}x{height}\n{}", program.text(width, height)).unwrap();
    }
    writeln!(out, "== huge\n{}", opened(boxes::huge, 20).text(200, 50)).unwrap();
}

#[test]
fn plots_figures_and_lists_stand_together_at_every_usual_size() {
    let mut program = opened(boxes::full, 110);
    for (width, height) in [(200, 50), (120, 36), (80, 24)] {
        let shown = program.text(width, height);
        assert_says(&shown, &["CPU", "Memory", "Pressure", "Disks", "nvme1n1", "1.77 GB/s", "98%"]);
        assert_says(&shown, &["60s", "q quit"]);
        let plots = program.screen(width, height).parts.into_iter();
        let plots = plots.filter(|part| matches!(part.body, Body::Plot(_))).count();
        assert_eq!(plots, 3, "{width}x{height}");
    }
    let shown = program.text(200, 50);
    assert_says(&shown, &["↑↓ scroll", "load 12.0 9.0 4.5", "iowait 11%", "31.4 GiB of 64.0 GiB"]);
    assert_says(&shown, &["page cache", "21.0 GiB", "swap", "2.00 GiB", "to be written"]);
    assert_says(&shown, &["I/O              41.0%    12.0%", "/data /scratch · KIOXIA CM7"]);
    assert_says(&shown, &["/mnt/imagenet  nfs4, served by another machine", "ext4 on nvme1n1"]);
    assert_says(&shown, &["7.9 of 8.0 cores by quota", "throttled in 63% of the periods"]);
    assert_says(&shown, &["31.0 GiB of 48.0 GiB, page cache 20.0 GiB of it", "eth0", "250 MB/s"]);
    assert_says(&shown, &["AMD EPYC 9654, 16 CPUs", "Debian GNU/Linux 12 · 6.18.0"]);
}

#[test]
fn what_mltop_costs_is_told_for_each_process_and_thread_and_in_all() {
    let mut program = opened(boxes::full, 110);
    program.send(Msg::Cost(Cost {
        terminal_bytes_per_second: 1200.0,
        terminal_bytes: 90_000,
        history_seconds: 1930,
        history_bytes: Some(2 << 20),
    }));
    program.send(Msg::Recording(Some(Recording { seconds: 75, bytes: 4_200_000, paused: false })));
    let shown = program.text(200, 50);
    assert_says(
        &shown,
        &[
            "process 4000",
            "sampler, each tick",
            "main, screen or recorder",
            "GPU collector 4001",
            "820",
        ],
    );
    assert_says(&shown, &["0.6% of a core, 9.00 MiB of memory", "a tick takes 2.10 ms"]);
    assert_says(&shown, &["212 a second at loaders, 14 µs of CPU time each"]);
    assert_says(&shown, &["1.20 kB/s sent to it, 90.0 kB so far", "32 min can be gone back"]);
    assert_says(&shown, &["packed in 2.00 MiB of memory", "00:01:15 recorded, 4.20 MB"]);
}

#[test]
fn sources_that_cannot_be_read_come_first_with_why_and_what_would_mend_it() {
    let shown = opened(boxes::full, 110).text(200, 50);
    assert_says(&shown, &["in part  2 trainers may not be read. Run mltop as root."]);
    assert_says(&shown, &["absent   no NVIDIA driver. load the nvidia module"]);
    let place = |name: &str| shown.find(name).unwrap();
    assert!(place("in part") < place("absent") && place("absent") < place("fine"), "{shown}");
}

#[test]
fn many_cpus_share_bars_and_old_sessions_say_that_they_have_none() {
    let shown = opened(boxes::huge, 20).text(200, 50);
    assert_says(&shown, &["256, 4 to a bar", "0-3"]);
    let shown = opened(boxes::bare, 20).text(120, 36);
    assert_says(&shown, &["one by one they are not in this recording", "no permission"]);
    assert_says(&shown, &["not supported", "none is told of (/proc/diskstats)"]);
    assert!(!shown.contains("0 B/s"), "absent is not zero\n{shown}");
}

#[test]
fn lists_scroll_to_their_end_and_come_back() {
    let mut program = opened(boxes::full, 110);
    assert_says(&program.text(80, 24), &["more"]);
    for _ in 0..30 {
        program.key(PAGE_DOWN);
    }
    assert_says(&program.text(80, 24), &["The box", "Debian", "↑"]);
    program.key(ESC);
    assert_eq!((program.state.screen, program.state.host_scroll), (ScreenKind::Host, 0));
    assert_says(&program.text(80, 24), &["Disks"]);
    program.key(DOWN);
    program.key(ESC);
    program.key(ESC);
    assert_eq!(program.state.screen, ScreenKind::Lanes);
}

#[test]
fn the_plots_share_the_cursor_of_the_lanes() {
    let mut program = opened(boxes::full, 110);
    program.key(LEFT);
    let cursors = cursors(&program.screen(140, 44));
    assert!(cursors.len() == 3 && cursors.iter().all(|one| one.is_some() && *one == cursors[0]));
}

#[test]
fn without_plots_the_same_stands_in_numbers() {
    let mut program = opened(boxes::full, 110);
    let screen = program.screen(60, 20);
    assert!(screen.parts.iter().all(|part| matches!(part.body, Body::Text(_))));
    assert_says(&program.text(60, 20), &["CPU", "load 12.0", "Pressure", "nvme1n1"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_size_and_every_box_has_a_screen_that_stays_inside(
        size in (0..220u16, 0..70u16),
        dress in proptest::sample::select(vec![
            boxes::full as Dress, boxes::bare, boxes::huge, boxes::hostile,
        ]),
        ticks in prop_oneof![Just(0), 1..3u64, Just(30)],
        keys in "[-+jkT? 6]{0,8}",
    ) {
        let mut program = opened(dress, ticks);
        program.starve();
        program.keys(&keys);
        program.keys("6");
        for key in [DOWN, PAGE_DOWN, LEFT] {
            program.key(key);
            assert_inside(&program.screen(size.0, size.1));
        }
        assert_sound(&program.screen(size.0, size.1));
    }
}
