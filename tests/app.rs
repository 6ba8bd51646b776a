//! State, keys and screens, driven as the program drives them: keys and ticks in, screens out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/frames.rs"]
mod frames;
#[path = "common/paint.rs"]
mod paint;
#[path = "common/program.rs"]
mod program;

use std::sync::Arc;

use frames::{Dress, START_MONO_MS, START_UNIX_MS, World, util_at};
use mltop::app::{Effect, Feed, Key, KeyCode, Msg, Recording, ScreenKind, State, Tick};
use mltop::model::frame::DiskRates;
use mltop::model::inventory::DiskInfo;
use mltop::model::{Frame, Reading, Sample, Severity};
use mltop::view::screen::{Body, Shade};
use mltop::view::{NoPast, build};
use paint::paint;
use program::{Program, assert_inside, spans, starved};
use proptest::prelude::*;

#[test]
#[ignore = "prints screens to be judged by eye"]
fn print_the_screens() {
    use std::io::Write;
    let mut program = Program::after(World::default(), 110);
    let mut out = std::io::stderr().lock();
    let mut show = |title: &str, text: String| writeln!(out, "== {title}\n{text}").unwrap();
    show("provisional", program.text(120, 36));
    program.starve();
    program.tick(110);
    for (width, height) in [(120, 36), (200, 50), (80, 24), (60, 20), (40, 10), (39, 9)] {
        show(&format!("{width}x{height}"), program.text(width, height));
    }
    program.key(Key::plain(KeyCode::Left));
    program.key(Key::shift(KeyCode::Left));
    show("scrubbed", program.text(120, 36));
    program.key(Key::plain(KeyCode::End));
    program.key(Key::plain(KeyCode::Enter));
    show("finding", program.text(120, 36));
    program.keys("?");
    show("help", program.text(100, 44));
    program.keys("?gg");
    show("heat", program.text(120, 36));
    let none = World { gpus: 0, run: None, ..World::default() };
    show("nothing", Program::after(none, 5).text(120, 36));
}

#[test]
fn a_frozen_screen_does_not_move_while_data_go_on() {
    let mut program = Program::after(World::default(), 100);
    program.keys(" ");
    let before = program.screen(120, 36);
    for tick in 100..160 {
        program.tick(tick);
    }
    let mut after = program.screen(120, 36);
    // How long ago that was is the one thing that goes on.
    assert!(paint(&after)[0].contains("PAUSED −60 s"));
    after.parts[0] = before.parts[0].clone();
    assert_eq!(before, after);
    program.key(Key::plain(KeyCode::End));
    assert!(program.text(120, 36).contains("LIVE"));
}

#[test]
fn scrubbing_shows_the_values_of_the_moment_under_the_cursor() {
    let mut program = Program::after(World { gpus: 1, ..World::default() }, 110);
    let now = format!("now {:>4}", format!("{:.0}%", util_at(109, 0) * 100.0));
    assert!(program.text(120, 36).contains(&now));
    for _ in 0..90 {
        program.key(Key::plain(KeyCode::Left));
    }
    let text = program.text(120, 36);
    let then = format!("at cursor {:>4}", format!("{:.0}%", util_at(19, 0) * 100.0));
    assert!(text.contains(&then), "{then} in\n{text}");
    assert!(text.contains("PAUSED −90 s") && text.contains("14:00:19"), "{text}");
    assert!(text.contains("15/16") || text.contains("14/16") || text.contains("12/16"), "{text}");
    assert!(!text.contains("now─"), "a window in the past does not end now\n{text}");
}

#[test]
fn an_answer_for_another_moment_is_not_shown() {
    let mut program = Program::after(World::default(), 100);
    program.key(Key::plain(KeyCode::Left));
    let shown = program.state.shown().cloned();
    let frame = program.past.at(START_MONO_MS);
    program.send(Msg::Moment { mono_ms: START_MONO_MS, frame });
    assert_eq!(program.state.shown().cloned(), shown);
}

#[test]
fn a_provisional_state_and_a_finding_do_not_look_alike() {
    let mut program = Program::after(World::default(), 100);
    let text = program.text(120, 36);
    assert!(text.contains("provisional: no finding holds") && !text.contains("STARVED"), "{text}");
    program.starve();
    program.tick(100);
    let text = program.text(120, 36);
    assert!(text.contains("STARVED · DISK-BOUND") && !text.contains("provisional"), "{text}");
    assert!(text.contains("up to 1.7× faster") && text.contains("[Enter]"), "{text}");
}

#[test]
fn a_starved_span_shades_the_same_columns_of_every_lane() {
    let mut program = Program::after(World::default(), 110);
    program.starve();
    program.tick(110);
    let screen = program.screen(120, 36);
    let shaded: Vec<Vec<bool>> = screen
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            Body::Plot(plot) => Some(plot.shades.iter().map(|s| *s == Shade::Starved).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(shaded.len(), 6);
    assert!(shaded.iter().all(|columns| *columns == shaded[0]));
    let share = shaded[0].iter().filter(|shaded| **shaded).count() as f64 / shaded[0].len() as f64;
    assert!((share - 40.0 / 120.0).abs() < 0.02, "{share}");
}

#[test]
fn a_terminal_of_80_by_24_has_four_lanes_a_row_a_run_and_a_line_of_verdict() {
    let mut program = Program::after(World::default(), 110);
    program.starve();
    program.tick(110);
    let text = program.text(80, 24);
    for lane in ["GPU util", "PCIe", "Disk read", "Loader queue"] {
        assert!(text.contains(lane), "{lane} in\n{text}");
    }
    assert!(!text.contains("GPU mem ─") && !text.contains("rank 1"), "{text}");
    assert!(text.contains("▸train.py (4 ranks)") && text.contains("53%"), "{text}");
}

#[test]
fn a_long_name_of_a_run_gives_way_to_the_number_of_its_ranks() {
    let run = Some("finetune_llama_on_instructions.py".into());
    let mut program = Program::after(World { run, ..World::default() }, 3);
    program.tick(3);
    let text = program.text(120, 36);
    assert!(text.contains("… (4 ranks)"), "{text}");
}

#[test]
fn below_the_width_of_plots_there_are_numbers_and_below_that_one_line() {
    let mut program = Program::after(World { simulated: true, ..World::default() }, 110);
    let screen = program.screen(60, 20);
    assert!(screen.parts.iter().all(|part| matches!(part.body, Body::Text(_))));
    let text = paint(&screen).join("\n");
    assert!(text.contains("of 16 ready") && text.contains("SIMULATED GPU"), "{text}");
    let text = program.text(39, 1);
    assert!(text.contains("SIMULATED GPU") && text.contains("train.py"), "{text}");
    assert!(program.screen(0, 0).parts.is_empty());
}

#[test]
fn a_simulated_gpu_is_told_at_every_size() {
    let mut program = Program::after(World { simulated: true, ..World::default() }, 20);
    for (width, height) in [(200, 50), (120, 36), (80, 24), (72, 16), (60, 20), (40, 10), (30, 3)] {
        for keys in ["", " ", "?"] {
            program.keys(keys);
            let text = program.text(width, height);
            assert!(text.contains("SIMULATED GPU"), "{width}x{height} {keys:?}\n{text}");
        }
        program.key(Key::plain(KeyCode::Esc));
        program.key(Key::plain(KeyCode::Esc));
    }
}

#[test]
fn inferred_depths_and_lower_bounds_carry_their_mark() {
    let mut program = Program::after(World { pinned: true, ..World::default() }, 110);
    let text = program.text(120, 36);
    assert!(text.contains("≤ 1 of 16 ready") || text.contains("≤ 0 of 16 ready"), "{text}");
    assert!(text.contains("inferred, complement, pinned") && text.contains("≥1.20 GB/s"), "{text}");
    assert!(text.contains("≤1/16") || text.contains("≤0/16"), "{text}");
}

#[test]
fn a_lane_without_data_says_why_and_what_to_do() {
    let mut program = Program::new(World { gpus: 0, run: None, ..World::default() });
    let mut frame = (*program.world.frame(0)).clone();
    let mut sample = (*frame.sample).clone();
    let mut inventory = (*sample.inventory).clone();
    inventory.sources.push(Arc::new(mltop::model::inventory::SourceStatus {
        source: "nvml".into(),
        state: mltop::model::inventory::SourceState::Absent,
        message: "no NVIDIA driver".into(),
        remedy: "load the nvidia module".into(),
    }));
    sample.inventory = Arc::new(inventory);
    frame.sample = Arc::new(sample);
    let frame = Arc::new(frame);
    program.past.frames.push(Arc::clone(&frame));
    let (findings, now, watched) = Default::default();
    let tick = Tick { frame, findings, now, watched, oldest_ms: START_MONO_MS };
    program.send(Msg::Tick(tick));
    let text = program.text(120, 36);
    assert!(text.contains("no NVIDIA driver: load the nvidia module"), "{text}");
    assert!(text.contains("No training loop found") && text.contains("mltop demo"), "{text}");
    assert!(text.contains("--pid") && text.contains("as that user or root"), "{text}");
}

#[test]
fn a_gpu_that_does_not_answer_is_named_with_its_age() {
    let mut program = Program::after(World::default(), 50);
    let mut frame = (*program.world.frame(50)).clone();
    let mut sample = (*frame.sample).clone();
    sample.gpus[3].age_seconds = Reading::Is(12.4);
    frame.sample = Arc::new(sample);
    let tick = Tick {
        frame: Arc::new(frame),
        findings: Vec::new(),
        now: Vec::new(),
        watched: Arc::new(program.watched.clone()),
        oldest_ms: START_MONO_MS,
    };
    program.send(Msg::Tick(tick));
    assert!(program.text(120, 36).contains("GPU 3: no answer for 12 s"));
}

#[test]
fn enter_opens_the_finding_y_copies_its_advice_and_x_puts_it_aside() {
    let mut program = Program::after(World::default(), 100);
    program.starve();
    program.tick(100);
    program.key(Key::plain(KeyCode::Enter));
    let text = program.text(120, 36);
    for part in
        ["rank 0 was blocked in 53 %", "The disk is saturated", "up to 1.7×", "since 14:01:10"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    program.keys("y");
    assert_eq!(program.effects.last(), Some(&Effect::Copy(starved().advice)));
    program.keys("x");
    assert_eq!(program.effects.last(), Some(&Effect::Dismiss(1)));
    assert!(!program.text(120, 36).contains("STARVED"));
}

#[test]
fn jumping_to_a_finding_goes_to_its_start() {
    let mut program = Program::after(World::default(), 100);
    program.starve();
    program.tick(100);
    program.keys("[");
    assert!(program.effects.contains(&Effect::Seek { mono_ms: START_MONO_MS + 70_000 }));
    let text = program.text(120, 36);
    assert!(text.contains("finding 1 of 1") && text.contains("14:01:10"), "{text}");
    program.keys("[");
    assert!(program.text(120, 36).contains("no earlier finding"));
    program.key(Key::plain(KeyCode::Esc));
    assert!(program.text(120, 36).contains("LIVE"));
}

/// Where the loader's files are is not known, and a loop device reads more than any disk.
fn with_a_loop_device(_: u64, sample: &mut Sample, frame: &mut Frame) {
    let inventory = Arc::make_mut(&mut sample.inventory);
    for loader in &mut inventory.loaders {
        Arc::make_mut(loader).storage.clear();
    }
    let (disk, rate) = ("loop0", Reading::Is(9e9));
    inventory.disks.insert(0, Arc::new(DiskInfo { disk: disk.into(), ..DiskInfo::default() }));
    let rates =
        DiskRates { disk: disk.into(), read_bytes_per_second: rate, ..DiskRates::default() };
    frame.disks.insert(0, rates);
}

fn and_nothing_else(tick: u64, sample: &mut Sample, frame: &mut Frame) {
    with_a_loop_device(tick, sample, frame);
    Arc::make_mut(&mut sample.inventory).disks.truncate(1);
}

fn and_a_disk_that_rests(tick: u64, sample: &mut Sample, frame: &mut Frame) {
    with_a_loop_device(tick, sample, frame);
    frame.disks[1].read_bytes_per_second = Reading::Is(0.0);
}

#[test]
fn where_the_loaders_disk_is_not_known_the_busiest_is_shown_and_never_a_loop_device() {
    for (dress, told) in [
        (with_a_loop_device as Dress, "Disk read  nvme1n1  the busiest; loader's files not"),
        (and_a_disk_that_rests, "Disk read  nvme1n1  no disk reads; loader's files not"),
        (and_nothing_else, "no disk found"),
    ] {
        let world = World { dress: Some(dress), ..World::default() };
        let text = Program::after(world, 50).text(200, 50);
        assert!(text.contains(told), "{told} in\n{text}");
    }
}

#[test]
fn an_action_runs_by_its_name_and_what_cannot_be_run_says_so_for_a_while() {
    let mut program = Program::after(World::default(), 20);
    program.keys(":gp");
    assert!(program.text(120, 36).contains("run: gp_   gpu lane, gpus"));
    program.keys("us");
    program.key(Key::plain(KeyCode::Enter));
    assert_eq!(program.state.screen, ScreenKind::Gpus);
    program.keys(":zoom");
    program.key(Key::plain(KeyCode::Enter));
    assert!(program.text(120, 36).contains("'zoom' can mean zoom in, zoom out"));
    program.keys(":dance");
    assert!(program.text(120, 36).contains("no action is called that"));
    program.key(Key::plain(KeyCode::Enter));
    assert!(program.text(120, 36).contains("no action is called 'dance'"));
    for tick in 20..24 {
        program.tick(tick);
    }
    assert!(program.text(120, 36).contains("'dance'"));
    program.tick(24);
    assert!(!program.text(120, 36).contains("'dance'"));
}

#[test]
fn a_heat_map_of_sixteen_gpus_has_a_row_for_each() {
    let mut program = Program::after(World { gpus: 16, ..World::default() }, 60);
    program.keys("gg");
    let screen = program.screen(120, 50);
    let heat = screen.parts.iter().find_map(|part| match &part.body {
        Body::Heat(heat) => Some((part.area.height, heat.rows.len())),
        _ => None,
    });
    assert_eq!(heat, Some((16, 16)));
}

#[test]
fn numbers_of_the_table_end_in_the_same_columns_at_every_tick() {
    let mut program = Program::after(World { gpus: 1, ..World::default() }, 2);
    for tick in 2..140 {
        program.tick(tick);
        let rows = paint(&program.screen(120, 36));
        let head = rows.iter().find(|row| row.contains("BLOCKED  ")).unwrap();
        let row = rows.iter().find(|row| row.contains("train.py  ")).unwrap();
        let end = head.find("BLOCKED").unwrap() + "BLOCKED".len();
        let before: String = row.chars().take(end).collect();
        assert!(before.ends_with('%'), "tick {tick}: {row}");
    }
}

#[test]
fn a_finding_of_a_warning_or_worse_rings_once_where_the_bell_is_on() {
    for (severity, wanted) in [(Severity::Info, 0), (Severity::Warn, 1), (Severity::Critical, 1)] {
        let mut program = Program::after(World::default(), 100);
        program.keys("b");
        program.starve();
        program.findings[0].severity = severity;
        program.tick(100);
        program.tick(101);
        let rings = program.effects.iter().filter(|effect| **effect == Effect::Bell).count();
        assert_eq!(rings, wanted, "{severity:?}");
    }
}

#[test]
fn a_replay_never_says_now_or_live() {
    let mut program = Program::after(World::default(), 100);
    program.state.feed =
        Feed::Replay { name: "monday.mltop".to_owned(), speed: 4.0, interval_ms: 1000 };
    let text = program.text(120, 36);
    assert!(text.contains("REPLAY monday.mltop 4×") && !text.contains("LIVE"), "{text}");
    assert!(!text.contains("now "), "{text}");
    assert!(text.contains("14:01:39"), "{text}");
}

#[test]
fn before_the_first_sample_every_size_says_that_it_waits() {
    let state = State::new(120, 36);
    for (width, height) in [(200, 50), (120, 36), (80, 24), (60, 20), (30, 3)] {
        let screen = build(&state, &NoPast, width, height);
        assert_inside(&screen);
        assert!(paint(&screen).join("\n").contains("waiting for the fi"), "{width}x{height}");
    }
}

#[test]
fn hostile_names_reach_the_screen_without_escapes_and_within_bounds() {
    for name in [
        "\u{1b}[31mred\u{1b}]0;title\u{7}".to_owned(),
        "two\nlines\r\n".to_owned(),
        "x".repeat(10_000),
        "日本語のとても長い名前".repeat(50),
        "\u{202e}gnp.exe\u{200b}".to_owned(),
        String::new(),
    ] {
        let mut program =
            Program::new(World { run: Some(name.clone()), host: name.clone(), ..World::default() });
        let mut finding = starved();
        finding.title.clone_from(&name);
        finding.advice.clone_from(&name);
        program.findings = vec![finding];
        for tick in 0..80 {
            program.tick(tick);
        }
        for keys in ["", "\n"] {
            if keys == "\n" {
                program.key(Key::plain(KeyCode::Enter));
            }
            for (width, height) in [(120, 36), (80, 24), (60, 20), (30, 2)] {
                let screen = program.screen(width, height);
                assert_inside(&screen);
                for (text, _) in spans(&screen) {
                    assert!(!text.chars().any(char::is_control), "{text:?}");
                    assert!(!text.contains(['\u{202e}', '\u{200b}']), "{text:?}");
                    assert!(text.len() < 4000, "{} bytes", text.len());
                }
            }
        }
    }
}

/// Any key that a terminal can send.
fn any_key() -> impl Strategy<Value = Key> {
    let bound: Vec<Key> = mltop::app::keymap::KEYS.iter().map(|(key, _)| *key).collect();
    prop_oneof![
        6 => proptest::sample::select(bound).prop_filter("quit ends the script", |key| {
            *key != Key::char('q') && *key != Key::ctrl('c')
        }),
        1 => any::<char>().prop_map(Key::char),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_script_of_keys_at_any_size_panics_or_leaves_the_screen(
        script in proptest::collection::vec((any_key(), any::<bool>()), 0..40),
        sizes in proptest::collection::vec((0u16..300, 0u16..100), 1..6),
        gpus in 0u32..9,
        runs in any::<bool>(),
        watched in 0u64..90,
    ) {
        let run = runs.then(|| "train.py".to_owned());
        let mut program = Program::new(World { gpus, run, workers: gpus, ..World::default() });
        program.starve();
        let mut tick = 0;
        while tick < watched {
            program.tick(tick);
            tick += 1;
        }
        for (key, ticks) in script {
            program.key(key);
            if ticks {
                program.tick(tick);
                tick += 1;
            }
            let (width, height) = sizes[tick as usize % sizes.len()];
            assert_inside(&program.screen(width, height));
        }
        for (width, height) in sizes {
            let screen = program.screen(width, height);
            assert_inside(&screen);
            prop_assert_eq!(paint(&screen).len(), usize::from(height));
        }
    }
}

#[test]
fn a_mark_takes_a_note_and_the_keys_typed_for_it_do_nothing_else() {
    let mut program = Program::after(World::default(), 20);
    program.keys("mq T");
    let text = program.text(120, 36);
    assert!(text.contains("mark this moment; a note: q T_"), "{text}");
    assert!(program.effects.is_empty());
    program.key(Key::plain(KeyCode::Enter));
    let unix_ms = START_UNIX_MS + 19_000;
    assert_eq!(program.effects, [Effect::Mark { unix_ms, note: "q T".to_owned() }]);
    program.keys("mx");
    program.key(Key::plain(KeyCode::Esc));
    assert_eq!(program.effects.len(), 1);
    assert!(!program.text(120, 36).contains("a note"));
}

#[test]
fn recording_is_asked_for_by_a_key_and_seen_in_the_first_row() {
    let mut program = Program::after(World::default(), 20);
    program.keys("RS");
    assert_eq!(program.effects, [Effect::Record, Effect::SaveLast]);
    let recording = Recording { seconds: 75, bytes: 4_200_000, paused: false };
    program.send(Msg::Recording(Some(recording)));
    assert!(program.text(120, 36).contains("REC 00:01:15 4.20 MB"), "{}", program.text(120, 36));
    program.send(Msg::Recording(Some(Recording { paused: true, ..recording })));
    assert!(program.text(120, 36).contains("REC PAUSED"));
}
