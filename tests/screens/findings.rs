//! The screen of the findings.

use crate::frames::{START_MONO_MS, START_UNIX_MS, World};
use crate::program::{Program, assert_inside, spans, starved};
use crate::{DOWN, ENTER, ESC, LEFT, UP, assert_says, assert_sound, colourless};
use mltop::app::{Effect, Key, KeyCode, Overlay, ScreenKind};
use mltop::model::{Cause, Cost, Finding, Rule, Severity};
use mltop::ui::Glyphs;
use mltop::view::screen::{Body, Role};
use proptest::prelude::*;

const SIZES: [(u16, u16); 3] = [(200, 50), (120, 36), (80, 24)];

#[allow(clippy::unnecessary_wraps, reason = "as the field that it is for")]
fn cost(gpu_seconds: f64) -> Option<Cost> {
    Some(Cost {
        low_gpu_seconds: gpu_seconds * 0.8,
        gpu_seconds,
        high_gpu_seconds: gpu_seconds * 1.2,
        price_per_gpu_hour: Some(3600.0),
    })
}

/// Ended: preparation from second 10 to 30, twice as long ago as an idle GPU; open: the starvation.
fn several() -> Vec<Finding> {
    let past = Finding {
        id: 2,
        cause: Some(Cause::PrepBound),
        severity: Severity::Warn,
        start_ms: START_UNIX_MS + 10_000,
        end_ms: Some(START_UNIX_MS + 30_000),
        title: "train.py waits for data 12 % of the time: 8 workers spend 99 % on the CPU"
            .to_owned(),
        advice: "Give the job more cores, or a faster decoder.".to_owned(),
        cost: cost(4.0),
        ..starved()
    };
    let idle = Finding {
        id: 3,
        rule: Rule::IdleHeld,
        cause: None,
        severity: Severity::Critical,
        run: None,
        start_ms: START_UNIX_MS + 40_000,
        end_ms: Some(START_UNIX_MS + 60_000),
        title: "python (pid 7) holds 38 GiB of GPU 3 and has not used it for 31 min".to_owned(),
        advice: "Stop the process 7.".to_owned(),
        cost: cost(20.0),
        ..starved()
    };
    vec![Finding { cost: cost(95.0), ..starved() }, past, idle]
}

/// The screen of the findings after so many ticks.
fn opened(findings: Vec<Finding>, ticks: u64) -> Program {
    let mut program = Program::after(World::default(), ticks);
    program.findings = findings;
    program.tick(ticks);
    program.keys("5");
    program
}

/// The row on which a text stands.
fn row_of(text: &str, part: &str) -> usize {
    let found = text.lines().position(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no '{part}' in\n{text}"))
}

#[test]
#[ignore = "prints screens to be judged by eye"]
fn print_the_screens() {
    use std::io::Write;
    let mut program = opened(several(), 110);
    program.key(DOWN);
    let mut out = std::io::stderr().lock();
    for (width, height) in [(200, 50), (120, 36), (80, 24), (60, 20), (40, 10), (39, 9)] {
        writeln!(out, "== {width}x{height}\n{}", program.text(width, height)).unwrap();
    }
    program.key(ENTER);
    writeln!(out, "== evidence\n{}", program.text(120, 36)).unwrap();
}

#[test]
fn one_screen_tells_the_grades_what_is_worth_most_and_every_finding_with_the_evidence_of_one() {
    let mut program = opened(several(), 110);
    for (width, height) in SIZES {
        let text = program.text(width, height);
        let areas = ["ingestion", "preprocessing", "compute", "evaluation", "inference"];
        assert_says(&text, &areas);
        assert_says(&text, &["Audit F", "3 findings", "Worth most", "1 open · 2 past"]);
        assert_says(&text, &["STARVED", "IDLE-HELD", "● high", "○ warn", "○ critical", "14:01:10"]);
        assert_says(&text, &["up to 114 GPU-s, $114.00", "Not enough evidence", "5 findings"]);
    }
    // Where there is room, the chosen finding is there in full.
    for (width, height) in [(200, 50), (120, 36)] {
        assert_says(&program.text(width, height), &["rank 0 was blocked in 53 % of 500 looks"]);
    }
}

#[test]
fn open_findings_stand_first_and_past_ones_by_their_end() {
    let mut program = opened(several(), 110);
    let text = program.text(120, 36);
    let list = text.split("1 open · 2 past").nth(1).unwrap();
    assert!(row_of(list, "● high") < row_of(list, "IDLE-HELD"));
    assert!(row_of(list, "IDLE-HELD") < row_of(list, "○ warn"));
}

#[test]
fn the_changes_are_sorted_by_what_they_would_give_back() {
    let mut program = opened(several(), 110);
    let text = program.text(120, 36);
    let order = ["pack the 112 KiB files", "Stop the process 7", "Give the job more cores"];
    let rows = order.map(|part| row_of(&text, part));
    assert!(rows.is_sorted(), "{rows:?}\n{text}");
}

#[test]
fn arrows_choose_and_enter_shows_the_evidence_and_goes_to_its_span() {
    let mut program = opened(several(), 110);
    program.key(DOWN);
    program.key(DOWN);
    assert_eq!(program.state.picked_finding().unwrap().id, 3);
    program.key(ENTER);
    assert_eq!(program.state.overlay, Some(Overlay::Finding { id: 3, scroll: 0 }));
    assert_eq!(program.state.transport.cursor(), Some(START_MONO_MS + 40_000));
    assert_says(&program.text(120, 36), &["holds 38 GiB", "its span on the lanes", "PAUSED"]);
    // The list stands as it stood: a jump in time moves no row.
    program.key(ESC);
    assert_eq!(program.state.screen, ScreenKind::Findings);
    assert_eq!(program.state.picked_finding().unwrap().id, 3);
    assert!(
        row_of(&program.text(120, 36), "● high") < row_of(&program.text(120, 36), "○ critical")
    );
    program.key(ENTER);
    program.key(ENTER);
    assert_eq!(program.state.screen, ScreenKind::Lanes);
    assert!(program.state.overlay.is_none());
    assert_eq!(program.state.transport.cursor(), Some(START_MONO_MS + 40_000));
    assert_eq!(program.state.verdict().unwrap().id, 3);
}

#[test]
fn esc_goes_back_by_one() {
    let mut program = opened(several(), 110);
    program.key(DOWN);
    program.key(ENTER);
    program.key(ESC);
    assert!(program.state.overlay.is_none());
    program.key(ESC);
    assert!(program.state.chosen_finding.is_none() && program.text(120, 36).contains("PAUSED"));
    program.key(ESC);
    assert!(program.text(120, 36).contains("LIVE"));
    assert_eq!(program.state.screen, ScreenKind::Findings);
    program.key(ESC);
    assert_eq!(program.state.screen, ScreenKind::Lanes);
}

#[test]
fn a_finding_that_is_put_aside_is_marked_counts_for_nothing_and_comes_back() {
    let mut program = opened(several(), 110);
    program.key(DOWN);
    program.keys("x");
    assert_eq!(program.effects.last(), Some(&Effect::Dismiss(1)));
    let text = program.text(120, 36);
    assert_says(&text, &["× aside", "1 put aside", "2 findings"]);
    assert!(!text.contains("114 GPU-s"), "{text}");
    let dim = spans(&program.screen(120, 36));
    assert!(dim.iter().any(|(text, role)| text.contains("× aside") && *role == Role::Dim));
    program.keys("x");
    assert_eq!(program.effects.last(), Some(&Effect::TakeBack(1)));
    assert_says(&program.text(120, 36), &["● high", "3 findings", "114 GPU-s"]);
}

#[test]
fn the_advice_that_is_copied_is_that_of_the_chosen_finding() {
    let mut program = opened(several(), 110);
    program.key(UP);
    program.keys("y");
    let copied = Effect::Copy("Give the job more cores, or a faster decoder.".to_owned());
    assert_eq!(program.effects.last(), Some(&copied));
}

#[test]
fn jumping_between_findings_takes_the_choice_along() {
    let mut program = opened(several(), 110);
    program.keys("[");
    assert_eq!(program.state.picked_finding().unwrap().id, 1);
    program.keys("[");
    assert_eq!(program.state.picked_finding().unwrap().id, 3);
}

#[test]
fn the_chosen_finding_is_in_sight_however_many_there_are() {
    let many = (0..300).map(|at| Finding {
        id: at + 1,
        start_ms: START_UNIX_MS + at as i64 * 100,
        end_ms: Some(START_UNIX_MS + at as i64 * 100 + 90_000),
        ..starved()
    });
    let mut program = opened(many.collect(), 110);
    program.key(UP);
    for (width, height) in [(200, 50), (120, 36), (80, 24), (60, 20)] {
        let screen = program.screen(width, height);
        let rows = screen.parts.iter().filter_map(|part| match &part.body {
            Body::Text(rows) => Some(rows.iter().filter(|row| row.selected).count()),
            _ => None,
        });
        assert_eq!(rows.sum::<usize>(), 1, "{width}x{height}");
    }
}

#[test]
fn where_nothing_was_found_it_is_said_how_much_that_means() {
    let mut program = opened(Vec::new(), 110);
    for (width, height) in SIZES {
        let text = program.text(width, height);
        assert_says(&text, &["Nothing found in", "none so far", "Not enough evidence", "0 open"]);
        assert!(!text.contains("Worth most"), "{text}");
    }
    program.key(ENTER);
    assert!(program.state.message().unwrap().contains("nothing was found so far"));
    let mut unseen = Program::after(World { gpus: 0, run: None, ..World::default() }, 5);
    unseen.keys("5");
    assert_says(&unseen.text(120, 36), &["not enough evidence to judge any"]);
}

#[test]
fn ascii_and_no_colour_keep_grades_marks_and_spans() {
    let mut program = opened(several(), 110);
    program.key(DOWN);
    program.key(LEFT);
    let screen = program.screen(120, 36);
    let shown = colourless(&screen, Glyphs::Ascii);
    assert!(shown.is_ascii(), "{shown}");
    assert_says(&shown, &[" F  ingestion", "* high", "o warn", "....####", "STARVED . DISK-BOUND"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_size_and_every_set_of_findings_has_a_screen_that_stays_inside(
        size in (0..230u16, 0..70u16),
        ranks in 0..5u32,
        ticks in prop_oneof![Just(0), 1..3u64, Just(40)],
        findings in proptest::collection::vec(any_finding(), 0..40),
        keys in "[-+ejkgTxy?\\[\\] 135]{0,8}",
        specials in proptest::collection::vec(proptest::sample::select(vec![ENTER, ESC, DOWN, UP, LEFT]), 0..8),
    ) {
        let mut program = Program::after(World { gpus: ranks, ..World::default() }, ticks);
        program.findings = findings;
        program.keys("5");
        program.tick(ticks);
        program.keys(&keys);
        for key in specials {
            program.key(key);
            assert_inside(&program.screen(size.0, size.1));
        }
        assert_sound(&program.screen(size.0, size.1));
    }
}

/// Findings as no engine would make them: times that run backwards, costs of nothing and of nonsense,
/// words of others.
fn any_finding() -> impl Strategy<Value = Finding> {
    let rules = proptest::sample::select(Rule::ALL);
    let severities = proptest::sample::select(Severity::ALL);
    let times = (-50_000..200_000_i64, proptest::option::of(-50_000..200_000_i64));
    let costs = proptest::option::of(prop_oneof![Just(0.0), 0.0..1e9, Just(f64::NAN), Just(-3.0)]);
    let words =
        prop_oneof![Just(String::new()), "\\PC{0,200}", Just("\u{1b}[2J wide 日本語 ".repeat(30))];
    (1..60u64, rules, severities, times, costs, words).prop_map(
        |(id, rule, severity, (start, end), seconds, words)| Finding {
            id,
            rule,
            cause: (rule == Rule::Starved).then_some(Cause::HeadOfLine),
            severity,
            start_ms: START_UNIX_MS + start,
            end_ms: end.map(|end| START_UNIX_MS + end),
            title: words.clone(),
            advice: words,
            cost: seconds.and_then(cost),
            ..starved()
        },
    )
}
