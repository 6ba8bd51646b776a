//! The screen of the loaders.

use crate::frames::{Odd, World};
use crate::program::{Program, assert_inside, spans, starved};
use crate::{DOWN, ENTER, ESC, LEFT, UP, assert_says, assert_sound, colourless};
use mltop::app::{Key, KeyCode, Overlay, ScreenKind};
use mltop::model::{Cause, Evidence};
use mltop::ui::Glyphs;
use mltop::view::screen::{Body, Role};
use proptest::prelude::*;

fn one_rank() -> World {
    World { gpus: 1, ..World::default() }
}

/// The screen of the loaders of a world after so many ticks.
fn opened(world: World, ticks: u64) -> Program {
    let mut program = Program::after(world, ticks);
    program.keys("3");
    program
}

#[test]
fn one_screen_tells_depth_wait_pace_workers_and_what_they_come_to() {
    let mut program = opened(one_rank(), 110);
    for (width, height) in [(200, 50), (120, 36), (80, 24)] {
        let text = program.text(width, height);
        assert_says(&text, &["Loader queue", "Blocked", "Depth", "share of", "Pace", "Workers"]);
        assert_says(
            &text,
            &["PID", "CPU%", "41208", "workers can make", "loop can take", "Enough"],
        );
        assert_says(&text, &["60s", "q quit", "3 loaders"]);
    }
}

#[test]
fn supply_and_demand_are_those_of_the_last_seconds_and_not_of_two_phases() {
    // The loop starves since tick 60; a mean over the window in view would have the workers ahead.
    let mut program = opened(one_rank(), 90);
    let text = program.text(120, 36);
    // 2.4 steps a second, workers without work for 5 %, the loop for 53 %.
    assert_says(&text, &["2.53/s", "5.11/s", "221 ms a batch"]);
}

#[test]
fn workers_that_would_be_enough_are_named_with_their_assumption_and_only_where_they_would_help() {
    let mut program = opened(World { odd: Odd::Computes, ..one_rank() }, 110);
    assert_says(&program.text(120, 40), &["18 workers would be enough", "Not proved"]);
    // Before a finding, what may be saturated is enough to name none.
    let mut program = opened(one_rank(), 110);
    assert_says(&program.text(120, 40), &["No number of workers is named", "wait for a disk"]);
    program.starve();
    program.tick(110);
    let text = program.text(120, 40);
    assert_says(&text, &["No number of workers is named: the disk is saturated"]);
    assert!(!text.contains("would be enough"), "{text}");
    let mut finding = starved();
    finding.cause = Some(Cause::TooFewWorkers);
    finding.evidence =
        vec![Evidence { series: "loaders.wait_ratio".into(), value: 0.41, ..Evidence::default() }];
    program.findings = vec![finding];
    program.tick(111);
    assert_says(&program.text(120, 40), &["About 14 workers would be enough (8 / (1 − 0.41))"]);
}

#[test]
fn a_fed_loop_has_enough_workers() {
    let mut program = opened(one_rank(), 50);
    assert_says(&program.text(120, 36), &["8 workers are enough: the loop waited 2% of the last"]);
}

#[test]
fn the_batch_that_is_awaited_is_named_with_the_worker_that_has_it() {
    let mut program = opened(one_rank(), 111);
    let text = program.text(140, 44);
    assert_says(&text, &["Batch 1000", "worker 3 (pid 41211) is on a CPU with it", "4 later ones"]);
    // With a batch ready nothing is awaited.
    program.tick(111);
    assert!(!program.text(140, 44).contains("Awaited"));
}

#[test]
fn each_figure_says_how_it_is_known_and_why_not_better() {
    let says = |odd, parts: &[&str]| {
        let mut program = opened(World { odd, ..one_rank() }, 110);
        assert_says(&program.text(160, 44), parts);
    };
    says(
        Odd::Nothing,
        &["from the interpreter's memory, exact", "seen on the Python stack, exact"],
    );
    says(Odd::Probe, &["Depth from the probe in the process", "wait from the probe"]);
    says(
        Odd::Doubtful,
        &["doubtful: sources disagree", "No better The pipe and the memory differ"],
    );
    says(Odd::Denied, &["no permission", "Run mltop as the user of the training"]);
    says(Odd::Alone, &["num_workers is 0", "Set num_workers to 2 at first"]);
    let mut pinned = opened(World { pinned: true, ..one_rank() }, 110);
    assert_says(
        &pinned.text(160, 44),
        &["inferred: capacity less", "at most", "batches are pinned"],
    );
}

#[test]
fn a_session_from_before_workers_had_rows_shows_the_rest() {
    let mut program = opened(World { odd: Odd::NoRows, ..one_rank() }, 110);
    let text = program.text(120, 36);
    assert_says(&text, &["41208", "Depth", "workers can make"]);
    // Their letters were recorded, one look a tick.
    let mix = program.screen(120, 36).parts.into_iter().find_map(|part| match part.body {
        Body::Mix(mix) => Some(mix),
        _ => None,
    });
    let row = mix.unwrap().rows.swap_remove(0);
    assert_eq!(row[row.len() - 4], Some([0.0, 0.0, 1.0, 0.0, 0.0]), "worker 0 waits for the disk");
}

#[test]
fn bars_of_workers_stand_over_the_same_axis_as_the_plots() {
    let mut program = opened(one_rank(), 110);
    let screen = program.screen(120, 36);
    let widths: Vec<u16> = screen
        .parts
        .iter()
        .filter(|part| matches!(part.body, Body::Plot(_) | Body::Mix(_)))
        .map(|part| part.area.width)
        .collect();
    assert_eq!(widths.len(), 3);
    assert!(widths.iter().all(|width| *width == widths[0]));
    program.key(LEFT);
    let cursors: Vec<_> = program
        .screen(120, 36)
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            Body::Plot(plot) => Some(plot.cursor),
            Body::Mix(mix) => Some(mix.cursor),
            _ => None,
        })
        .collect();
    assert!(cursors[0].is_some() && cursors.iter().all(|cursor| *cursor == cursors[0]));
}

#[test]
fn the_worst_rank_stands_first_and_the_loader_that_stands_is_dimmed() {
    let world = World { gpus: 3, odd: Odd::Validation, ..World::default() };
    let mut program = opened(world, 110);
    let screen = program.screen(120, 40);
    let ranks: Vec<(String, Role)> =
        spans(&screen).into_iter().filter(|(text, _)| text.contains(" rank ")).collect();
    let order: Vec<&str> = ranks.iter().map(|(text, _)| text.trim()).collect();
    assert_eq!(order[..2], ["train.py rank 0", "train.py rank 0"], "{order:?}");
    assert_eq!(ranks[0].1, Role::Title, "the one that moves");
    assert_eq!(ranks[1].1, Role::Dim, "the one that stands");
}

#[test]
fn arrows_choose_a_loader_enter_its_workers_and_esc_goes_back_by_one() {
    let world = World { gpus: 2, ..World::default() };
    let mut program = opened(world, 110);
    program.key(DOWN);
    program.key(DOWN);
    let second = program.state.picked.loader.unwrap();
    assert_eq!(program.state.picked_loader().unwrap().loader, second);
    program.key(ENTER);
    assert!(program.state.picked.inside && program.state.picked.worker == Some(0));
    program.key(DOWN);
    program.key(ENTER);
    let overlay = Overlay::Worker { loader: second, worker: 1, scroll: 0 };
    assert_eq!(program.state.overlay, Some(overlay));
    assert_says(&program.text(120, 36), &["Worker 1 of loader", "mean size of a read"]);
    program.key(ESC);
    assert!(program.state.overlay.is_none() && program.state.picked.inside);
    program.key(ESC);
    assert!(!program.state.picked.inside && program.state.picked.loader == Some(second));
    program.key(ESC);
    assert_eq!(program.state.picked.loader, None);
    program.key(ESC);
    assert_eq!(program.state.screen, ScreenKind::Lanes);
}

#[test]
fn with_one_loader_the_arrows_choose_a_worker_at_once() {
    let mut program = opened(one_rank(), 110);
    program.key(UP);
    assert_eq!(program.state.picked.worker, Some(7));
    for _ in 0..20 {
        program.key(DOWN);
    }
    assert_eq!(program.state.picked.worker, Some(7), "there are eight");
    program.key(LEFT);
    program.key(ESC);
    assert!(program.state.picked.worker.is_none() && program.text(120, 36).contains("PAUSED"));
    program.key(ESC);
    assert!(program.text(120, 36).contains("LIVE"));
    assert_eq!(program.state.screen, ScreenKind::Loaders);
}

#[test]
fn the_chosen_worker_is_in_sight_however_many_there_are() {
    let mut program = opened(World { workers: 64, ..one_rank() }, 110);
    program.key(UP);
    for (width, height) in [(120, 36), (80, 24), (60, 20)] {
        assert_says(&program.text(width, height), &["41271"]);
    }
}

#[test]
fn enter_without_a_choice_tells_why_as_on_the_lanes() {
    let mut program = Program::after(one_rank(), 110);
    program.starve();
    program.tick(110);
    program.keys("3");
    program.key(ENTER);
    assert!(matches!(program.state.overlay, Some(Overlay::Finding { .. })));
}

#[test]
fn ascii_and_no_colour_keep_every_letter_of_a_worker() {
    let mut program = opened(one_rank(), 110);
    let screen = program.screen(120, 36);
    let shown = colourless(&screen, Glyphs::Ascii);
    assert!(shown.is_ascii(), "{shown}");
    assert_says(&shown, &["DDDDDD", "........", "workers can make #"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_size_and_every_world_has_a_screen_that_stays_inside(
        size in (0..220u16, 0..70u16),
        ranks in 0..5u32,
        workers in prop_oneof![Just(0), 1..9u32, Just(300)],
        odd in proptest::sample::select(&Odd::ALL[..]),
        ticks in prop_oneof![Just(0), 1..3u64, Just(40)],
        keys in "[-+ejkgTx? 13]{0,8}",
        specials in proptest::collection::vec(proptest::sample::select(vec![ENTER, ESC, DOWN, UP, LEFT]), 0..8),
    ) {
        let world = World { gpus: ranks, workers, odd, ..World::default() };
        let mut program = opened(world, ticks);
        program.starve();
        program.keys(&keys);
        for key in specials {
            program.key(key);
            assert_inside(&program.screen(size.0, size.1));
        }
        assert_sound(&program.screen(size.0, size.1));
    }
}
