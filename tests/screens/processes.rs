//! The screen of the processes.

use std::sync::Arc;

use crate::frames::{Dress, World};
use crate::program::{Program, assert_inside};
use crate::{DOWN, ENTER, ESC, UP, assert_says, assert_sound, boxes, colourless};
use mltop::app::{Effect, Feed, Key, KeyCode, Looked, Msg, Order, Overlay, ScreenKind, Signal};
use mltop::model::process::{ProcessLook, ResourceLimit, Variable};
use mltop::model::{Gap, Pid, Reading};
use mltop::ui::Glyphs;
use proptest::prelude::*;

fn opened(dress: Dress, ticks: u64) -> Program {
    let mut program = Program::after(World { dress: Some(dress), ..World::default() }, ticks);
    program.keys("4");
    program
}

/// The screen with the process of this pid chosen.
fn chosen(pid: u32) -> Program {
    let mut program = opened(boxes::full, 20);
    program.state.processes.chosen = Some(Pid(pid));
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
    program.key(DOWN);
    program.key(ENTER);
    writeln!(out, "== full\n{}", program.text(120, 50)).unwrap();
    program.key(ESC);
    program.keys("K");
    writeln!(out, "== signal\n{}", program.text(120, 36)).unwrap();
    program.key(ENTER);
    writeln!(out, "== sure\n{}", program.text(120, 36)).unwrap();
}

#[test]
fn trainers_stand_below_their_launcher_and_workers_below_their_trainers() {
    let mut program = opened(boxes::full, 110);
    for (width, height) in [(200, 50), (120, 36), (80, 24)] {
        let shown = program.text(width, height);
        assert_says(&shown, &["PID", "CPU%", "RSS", "torchrun", "├─", "pt_data_worker"]);
        assert_says(&shown, &["of 412", "watched: on a GPU", "q quit", "/ filter"]);
    }
    let shown = program.text(200, 50);
    assert_says(&shown, &["rank 0 of train.py", "30.0 GiB", "90%", "60.0 MB/s", "postgres"]);
    assert_says(&shown, &["docker 4f2a91c07b3e", "session-2.scope", "--nproc-per-node 4"]);
    assert_says(&shown, &["tree by CPU%", "sends it a signal, after a question"]);
    let place = |name: &str| shown.find(name).unwrap();
    assert!(place("torchrun") < place("rank 0 of train.py"), "{shown}");
    assert!(place("pt_data_worker") < place("postgres"), "who uses most comes first\n{shown}");
}

#[test]
fn a_filter_narrows_the_list_while_it_is_typed_and_keeps_whom_they_belong_to() {
    let mut program = opened(boxes::full, 20);
    program.keys("/POSTG");
    let shown = program.text(120, 36);
    assert_says(&shown, &["postgres", "1 of 412", "processes with this in name"]);
    assert!(!shown.contains("torchrun"), "{shown}");
    program.key(ENTER);
    assert_says(&program.text(120, 36), &["with POSTG", "/ filter"]);
    program.key(ESC);
    assert_says(&program.text(120, 36), &["torchrun", "38 of 412"]);
    // A worker is shown with its trainer and its launcher.
    program.keys("/41210");
    let shown = program.text(120, 36);
    assert_says(&shown, &["41210", "41207", "41000", "3 of 412"]);
    program.key(ESC);
    assert_eq!(program.state.processes.filter, "");
    program.keys("/nothing at all");
    assert_says(&program.text(120, 36), &["no process that is watched has this in its names"]);
    program.keys("q");
    assert!(!program.effects.contains(&Effect::Quit), "it was typed");
}

#[test]
fn processes_are_sorted_by_each_column_both_ways_as_a_tree_and_as_a_list() {
    let mut program = opened(boxes::full, 20);
    program.keys("l");
    assert_says(&program.text(120, 36), &["list by CPU%"]);
    assert!(!program.text(120, 36).contains("├─"));
    program.keys("s");
    assert_eq!(program.state.processes.order, Order::Memory);
    let first = |program: &mut Program| {
        let shown = program.text(120, 36);
        let row = shown.lines().position(|row| row.contains("PID")).unwrap() + 1;
        shown.lines().nth(row).unwrap().to_owned()
    };
    let most = first(&mut program);
    assert!(most.contains("postgres"), "it was read last, as 38 GiB: {most}");
    program.keys("r");
    assert_says(&first(&mut program), &["1.00 GiB"]);
    assert_says(&program.text(120, 36), &["list by RSS reversed"]);
    for order in Order::ALL {
        while program.state.processes.order != order {
            program.keys("s");
        }
        assert_says(&program.text(120, 36), &[order.word()]);
    }
    program.keys("1s");
    assert_says(&program.text(120, 36), &["a key of screen 4"]);
}

#[test]
fn a_folded_process_hides_all_below_it_and_says_how_many() {
    let mut program = chosen(41_000);
    program.keys("e");
    let shown = program.text(120, 36);
    assert_says(&shown, &["torchrun (+36)"]);
    assert!(!shown.contains("pt_data_worker"), "{shown}");
    program.keys("e");
    assert_says(&program.text(120, 36), &["pt_data_worker"]);
    program.state.processes.chosen = Some(Pid(900));
    program.keys("e");
    assert_says(&program.text(120, 36), &["nothing below it to fold"]);
}

fn answer(pid: u32) -> ProcessLook {
    let variable = |name: &str, value: &str| Variable { name: name.into(), value: value.into() };
    ProcessLook {
        pid: Pid(pid),
        start_ticks: 7,
        command: Reading::Is("python train.py --lr 1e-3".into()),
        directory: Reading::Is("/home/me".into()),
        open_files: Reading::Is(113),
        limits: Reading::Is(vec![ResourceLimit {
            name: "open files".into(),
            soft: "1024".into(),
            hard: "4096".into(),
            unit: "files".into(),
        }]),
        niceness: Reading::Is(-5),
        oom_score: Reading::Is(667),
        environment: Reading::Is(vec![variable("HF_TOKEN", "***"), variable("RANK", "0")]),
    }
}

#[test]
fn a_process_in_full_has_what_is_recorded_and_what_this_machine_answers() {
    let mut program = chosen(41_207);
    program.key(ENTER);
    assert_eq!(program.state.overlay, Some(Overlay::Process { pid: Pid(41_207), scroll: 0 }));
    assert!(program.effects.contains(&Effect::LookAt { pid: Pid(41_207), start_ticks: 7 }));
    let shown = program.text(120, 60);
    assert_says(&shown, &["Process 41207 · python", "python train.py", "trainer · rank 0"]);
    assert_says(&shown, &["docker 4f2a91c07b3e", "30.0 GiB", "No answer yet."]);
    // An answer about another process is nobody's.
    let looked = Looked::Is(Arc::new(answer(41_308)));
    program.send(Msg::Looked { pid: Pid(41_308), looked });
    assert_says(&program.text(120, 60), &["No answer yet."]);
    let looked = Looked::Is(Arc::new(answer(41_207)));
    program.send(Msg::Looked { pid: Pid(41_207), looked });
    let shown = program.text(120, 70);
    assert_says(&shown, &["1024 files, at most 4096", "113", "-5", "667 (1000 is ended first)"]);
    assert_says(&shown, &["HF_TOKEN", "***", "RANK", "secrets hidden", "--lr 1e-3"]);
    // Nor is one about another process that had its number before.
    let looked = Looked::Is(Arc::new(ProcessLook { start_ticks: 6, ..answer(41_207) }));
    program.send(Msg::Looked { pid: Pid(41_207), looked });
    let shown = program.text(120, 60);
    assert_says(&shown, &["an earlier process of this number"]);
    assert!(!shown.contains("--lr 1e-3"), "{shown}");
    program.send(Msg::Looked { pid: Pid(41_207), looked: Looked::Not(Gap::Denied) });
    assert_says(&program.text(120, 60), &["Nothing to be had of it: no permission."]);
    program.key(DOWN);
    assert_eq!(program.state.overlay, Some(Overlay::Process { pid: Pid(41_207), scroll: 1 }));
    program.key(ESC);
    assert!(program.state.overlay.is_none() && program.state.processes.chosen.is_some());
    program.key(ESC);
    program.key(ESC);
    assert_eq!(program.state.screen, ScreenKind::Lanes);
}

fn sent(program: &Program) -> Vec<&Effect> {
    program.effects.iter().filter(|effect| matches!(effect, Effect::Signal { .. })).collect()
}

#[test]
fn a_signal_is_sent_after_a_yes_to_a_question_that_names_pid_name_and_signal() {
    let mut program = chosen(41_000);
    program.keys("K");
    assert_says(&program.text(120, 36), &["A signal to process 41000", "SIGTERM", "SIGKILL"]);
    assert_says(&program.text(120, 36), &["part of a training", "--nproc-per-node 4"]);
    program.key(DOWN);
    program.key(ENTER);
    let shown = program.text(120, 36);
    assert_says(&shown, &["Send SIGINT to process 41000 (torchrun)?", "y send it"]);
    assert!(sent(&program).is_empty());
    program.keys("y");
    let wanted = Effect::Signal { pid: Pid(41_000), start_ticks: 7, signal: Signal::Int };
    assert_eq!(sent(&program), [&wanted]);
    assert_eq!(program.state.overlay, None);
}

#[test]
fn anything_but_a_yes_sends_nothing() {
    for key in [ENTER, ESC, DOWN, Key::char('n'), Key::char(' '), Key::char('K'), Key::ctrl('y')] {
        let mut program = chosen(41_207);
        program.keys("K");
        program.key(ENTER);
        program.key(key);
        assert!(sent(&program).is_empty(), "{}", key.label());
        assert_says(&program.text(120, 36), &["no signal was sent"]);
    }
    // Whoever leaves mltop at the question leaves it, and nothing else.
    let mut program = chosen(41_207);
    program.keys("K");
    program.key(ENTER);
    program.keys("q");
    assert!(sent(&program).is_empty() && program.effects.contains(&Effect::Quit));
    // A y before the question is another key.
    let mut program = chosen(41_207);
    program.keys("Ky");
    assert!(sent(&program).is_empty());
}

#[test]
fn no_yes_is_taken_to_a_question_that_cannot_be_seen() {
    let mut program = chosen(41_207);
    program.send(Msg::Resize(60, 11));
    program.keys("K");
    assert_eq!(program.state.overlay, None);
    assert_says(&program.text(120, 36), &["no signals: the question before one takes 60x12"]);
    // On the smallest terminal that has room, the one that is chosen and all of the question are seen.
    for (at, signal) in Signal::ALL.into_iter().enumerate() {
        let mut program = chosen(41_207);
        program.text(60, 12);
        program.keys("K");
        for _ in 0..at {
            program.key(DOWN);
        }
        assert_says(&program.text(60, 12), &[signal.name()]);
        program.key(ENTER);
        let question = format!("Send {} to process 41207 (python)?", signal.name());
        assert_says(&program.text(60, 12), &[&question, "y send it", "any other key do not"]);
    }
    // It may become smaller while the question stands.
    let mut program = chosen(41_207);
    program.keys("K");
    program.key(ENTER);
    program.send(Msg::Resize(120, 5));
    program.keys("y");
    assert!(sent(&program).is_empty());
}

#[test]
fn there_are_no_signals_read_only_nor_in_a_recording_nor_to_nobody() {
    let mut program = chosen(41_207);
    program.state.readonly = true;
    program.keys("K");
    assert_says(&program.text(120, 36), &["no signals: mltop runs with --readonly"]);
    assert!(!program.text(120, 36).contains("K signal"));
    let mut program = chosen(41_207);
    let name = "x.mltop".to_owned();
    program.state.feed = Feed::Replay { name, speed: 1.0, interval_ms: 1000 };
    program.keys("K");
    assert_says(&program.text(120, 36), &["this is a recording"]);
    program.state.message = None;
    program.key(ENTER);
    assert!(!program.effects.iter().any(|effect| matches!(effect, Effect::LookAt { .. })));
    assert_says(&program.text(120, 60), &["Limits and environment are not recorded"]);
    let mut program = opened(boxes::full, 20);
    program.keys("K");
    assert_says(&program.text(120, 36), &["choose a process first"]);
    program.keys("1");
    program.state.processes.chosen = Some(Pid(41_207));
    program.keys("K");
    assert_eq!(program.state.overlay, None);
    // Even where the question stands already.
    let mut program = chosen(41_207);
    program.keys("K");
    program.key(ENTER);
    program.state.readonly = true;
    program.keys("y");
    assert!(sent(&program).is_empty());
}

#[test]
fn ascii_keeps_the_tree() {
    let mut program = opened(boxes::full, 20);
    let shown = colourless(&program.screen(140, 44), Glyphs::Ascii);
    assert!(shown.is_ascii(), "{shown}");
    assert_says(&shown, &["+-", "pt_data_worker"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_size_and_every_box_has_a_screen_that_stays_inside(
        size in (0..220u16, 0..70u16),
        dress in proptest::sample::select(vec![boxes::full as Dress, boxes::bare, boxes::hostile]),
        ticks in prop_oneof![Just(0), 1..3u64],
        keys in "[-+esrlKn/ 4]{0,10}",
        specials in proptest::collection::vec(proptest::sample::select(vec![ENTER, ESC, DOWN, UP]), 0..8),
    ) {
        let mut program = opened(dress, ticks);
        program.starve();
        program.keys(&keys);
        for key in specials {
            program.key(key);
            assert_inside(&program.screen(size.0, size.1));
        }
        assert_sound(&program.screen(size.0, size.1));
        prop_assert!(sent(&program).is_empty(), "no key of these is a yes");
    }
}
