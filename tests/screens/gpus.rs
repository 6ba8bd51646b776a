//! The screen of the GPUs.

use crate::frames::{Dress, World};
use crate::program::{Program, assert_inside};
use crate::{DOWN, ENTER, ESC, LEFT, UP, assert_says, assert_sound, cards, colourless};
use mltop::app::{Overlay, ScreenKind};
use mltop::model::GpuId;
use mltop::ui::Glyphs;
use mltop::view::screen::Body;
use proptest::prelude::*;

fn opened(gpus: u32, dress: Dress, ticks: u64) -> Program {
    let world = World { gpus, dress: Some(dress), ..World::default() };
    let mut program = Program::after(world, ticks);
    program.keys("2");
    program
}

#[test]
fn eight_gpus_stand_in_a_map_with_their_figures_and_one_of_them_with_its_lanes() {
    let mut program = opened(8, cards::hoppers, 110);
    for (width, height) in [(200, 50), (120, 36), (80, 24)] {
        let shown = program.text(width, height);
        assert_says(&shown, &["GPUs", "GPU util", "GPU mem", "UTIL", "MEM", "POWER", "Health"]);
        assert_says(&shown, &["60s", "q quit", "2 GPUs"]);
        let heat =
            program.screen(width, height).parts.into_iter().find_map(|part| match part.body {
                Body::Heat(heat) => Some(heat.rows.len()),
                _ => None,
            });
        assert_eq!(heat, Some(8), "{width}x{height}");
    }
    let shown = program.text(200, 50);
    assert_says(&shown, &["SM active", "tensor", "DRAM", "within the second 5% to 99%"]);
    assert_says(&shown, &["Power", "of 700 W", "1755 of 1980 MHz", "61°C · memory 72°C", "P0"]);
    assert_says(&shown, &["gen5 x16", "NVLink", "18 links", "train.py rank 7", "JPEG 12%"]);
}

#[test]
fn one_gpu_has_no_map_and_sixteen_are_scrolled_to_the_chosen_one() {
    let mut program = opened(1, cards::hoppers, 110);
    let screen = program.screen(120, 36);
    assert!(!screen.parts.iter().any(|part| matches!(part.body, Body::Heat(_))));
    assert_says(&program.text(120, 36), &["train.py", "SM active", "PCIe ▲ to"]);
    let mut program = opened(16, cards::hoppers, 110);
    program.key(UP);
    assert_eq!(program.state.shown_gpu(), Some(GpuId(15)));
    for (width, height) in [(200, 50), (120, 36), (80, 24), (60, 20)] {
        assert_says(&program.text(width, height), &[">15"]);
    }
    assert_says(&program.text(80, 24), &["8 to 15 of 16"]);
    assert_says(&program.text(200, 50), &["rank 0", "rank 15"]);
}

#[test]
fn what_is_the_matter_with_a_gpu_is_told_with_what_to_do() {
    let mut program = opened(3, cards::ill, 110);
    let shown = program.text(160, 44);
    assert_says(&shown, &["no answer", "ECC error", "HW heat"]);
    assert_says(&shown, &["GPU 0: fell off the bus.", "Xid 79 2 min ago, the last of 2"]);
    assert_says(&shown, &["fault of the hardware", "look at power cables"]);
    program.key(DOWN);
    program.key(DOWN);
    let shown = program.text(160, 44);
    assert_says(&shown, &["4 memory errors that ECC could not correct", "nvidia-smi -r"]);
    program.key(DOWN);
    let shown = program.text(160, 44);
    assert_says(&shown, &["Clocks are cut by the hardware because of heat"]);
    assert_says(&shown, &["also: HW slowdown", "bits 0x8000", "Look at fans"]);
}

#[test]
fn a_healthy_gpu_says_what_was_looked_at() {
    let mut program = opened(2, cards::hoppers, 110);
    let shown = program.text(160, 44);
    assert_says(&shown, &["No Xid since mltop watches, ECC corrected 3, nothing beyond"]);
    assert_says(&shown, &["2 PCIe replays", "0 NVLink errors"]);
    assert_says(&shown, &["Clocks are lowered to keep to the power limit, 12% of the last second"]);
    assert_says(&shown, &["asks the driver 11 times a second, 0.2% of the time"]);
}

#[test]
fn gpus_that_a_job_was_given_and_does_not_use_are_named() {
    let mut program = opened(8, cards::hoppers, 110);
    assert_says(&program.text(200, 50), &["was given GPU 0-7 by SLURM_JOB_GPUS", "none stands"]);
    let mut program = opened(4, cards::hoppers, 110);
    let shown = program.text(200, 50);
    assert_says(&shown, &["works on GPU 0-3: GPU 4-7 without work of it"]);
}

#[test]
fn each_process_is_told_by_which_number_it_knows_the_card() {
    let mut program = opened(8, cards::hoppers, 110);
    program.key(DOWN);
    program.key(DOWN);
    assert_says(&program.text(200, 50), &["~cuda:1"]);
    assert_says(&program.text(120, 36), &["~cuda:1"]);
    program.key(ENTER);
    for _ in 0..60 {
        program.key(DOWN);
    }
    assert_says(&program.text(160, 44), &["its ~cuda:1: inferred from the order"]);
}

#[test]
fn a_sum_over_those_who_may_be_seen_is_marked_as_the_least() {
    let mut program = opened(2, cards::least, 110);
    let shown = program.text(160, 44);
    assert_says(&shown, &["now ≥", "Utilization and memory in use are inferred, and the least"]);
    let row = shown.lines().find(|line| line.contains("▸0")).unwrap();
    assert_eq!(row.matches('≥').count(), 2, "utilization and memory: {row}");
    let exact = opened(2, cards::hoppers, 110).text(160, 44);
    assert!(!exact.contains("now ≥") && exact.contains("now "), "{exact}");
}

#[test]
fn mig_instances_stand_below_their_card_with_what_the_driver_tells_of_them() {
    let mut program = opened(2, cards::sliced, 110);
    let shown = program.text(200, 50);
    assert_says(&shown, &["0:0", "0:1", "0:2", "1g.10gb", "2g.20gb"]);
    let place = |name: &str| shown.find(name).unwrap();
    assert!(place("0:0") < place("0:2"), "{shown}");
    assert_says(&shown, &["6 compute slices in 3 instances: 0:0 1g.10gb, 0:1 2g.20gb"]);
    assert_says(&shown, &["Persistence mode is off"]);
    program.key(DOWN);
    program.key(DOWN);
    assert_eq!(program.state.shown_gpu(), GpuId(0).slice(0));
    let shown = program.text(200, 50);
    assert_says(&shown, &["Power, clocks, links and health are", "GPU util  GPU 0:0"]);
    assert!(!shown.contains("Clocks and heat"), "{shown}");
    program.key(DOWN);
    assert_says(&program.text(200, 50), &["train.py rank 0"]);
}

#[test]
fn a_driver_that_tells_next_to_nothing_leaves_gaps_and_no_zeros() {
    let mut program = opened(2, cards::bare, 110);
    let shown = program.text(160, 44);
    assert_says(&shown, &["no SM activity here: utilization says only that a kernel ran"]);
    assert_says(&shown, &["not supported", "not seen from here", "MPS"]);
    assert!(!shown.contains(" 0 W") && !shown.contains("0 B/s"), "{shown}");
    program.key(DOWN);
    program.key(ENTER);
    assert_says(&program.text(160, 60), &["power limit", "not supported", "ECC uncorrected"]);
}

#[test]
fn arrows_choose_a_gpu_enter_shows_it_in_full_and_esc_goes_back_by_one() {
    let mut program = opened(4, cards::hoppers, 110);
    program.key(DOWN);
    program.key(DOWN);
    assert_eq!(program.state.picked_gpu, Some(GpuId(1)));
    assert_says(&program.text(120, 36), &[">1 ", "GPU 1", "41307"]);
    program.key(ENTER);
    assert_eq!(program.state.overlay, Some(Overlay::Gpu { gpu: GpuId(1), scroll: 0 }));
    assert_says(&program.text(120, 60), &["GPU 1 ·", "Xid errors seen", "SM occupancy"]);
    program.key(DOWN);
    assert_eq!(program.state.overlay, Some(Overlay::Gpu { gpu: GpuId(1), scroll: 1 }));
    program.key(ESC);
    assert!(program.state.overlay.is_none() && program.state.picked_gpu.is_some());
    program.key(ESC);
    assert_eq!(program.state.picked_gpu, None);
    program.key(ESC);
    assert_eq!(program.state.screen, ScreenKind::Lanes);
}

#[test]
fn map_and_lanes_share_one_axis_and_one_cursor() {
    let mut program = opened(4, cards::hoppers, 110);
    program.key(LEFT);
    let screen = program.screen(140, 44);
    let of = |body: &Body| match body {
        Body::Plot(plot) => Some(plot.cursor),
        Body::Heat(heat) => Some(heat.cursor),
        _ => None,
    };
    let parts = screen.parts.iter().filter(|part| of(&part.body).is_some());
    let all: Vec<_> = parts.map(|part| (part.area.width, of(&part.body).unwrap())).collect();
    assert_eq!(all.len(), 6, "a map and five lanes");
    assert!(all[0].1.is_some() && all.iter().all(|one| *one == all[0]), "{all:?}");
}

#[test]
fn without_a_gpu_the_screen_says_why() {
    let mut program = opened(0, cards::hoppers, 20);
    assert_says(&program.text(120, 36), &["no GPU found", "Workers, disks and queues"]);
}

#[test]
fn ascii_and_no_colour_keep_map_and_bars() {
    let mut program = opened(8, cards::hoppers, 110);
    let screen = program.screen(140, 44);
    let shown = colourless(&screen, Glyphs::Ascii);
    assert!(shown.is_ascii(), "{shown}");
    assert_says(&shown, &["SM active   #", "GPUs"]);
    // Half used and hardly used are told apart in the map.
    assert!(shown.contains("***") || shown.contains("+++") || shown.contains("%%%"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_size_and_every_box_has_a_screen_that_stays_inside(
        size in (0..220u16, 0..70u16),
        gpus in prop_oneof![Just(0u32), 1..9u32, Just(40)],
        dress in proptest::sample::select(vec![
            cards::hoppers as Dress, cards::bare, cards::ill, cards::sliced, cards::least,
        ]),
        ticks in prop_oneof![Just(0), 1..3u64, Just(40)],
        keys in "[-+ejkgTx? 123]{0,8}",
        specials in proptest::collection::vec(proptest::sample::select(vec![ENTER, ESC, DOWN, UP, LEFT]), 0..8),
    ) {
        let mut program = opened(gpus, dress, ticks);
        program.starve();
        program.keys(&keys);
        program.keys("2");
        for key in specials {
            program.key(key);
            assert_inside(&program.screen(size.0, size.1));
        }
        assert_sound(&program.screen(size.0, size.1));
    }
}
