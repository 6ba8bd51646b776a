//! The pointer: what stands at a cell is what was painted there, and nothing is done by a slip of it.

use proptest::prelude::*;

use crate::frames::{Dress, World};
use crate::paint::paint;
use crate::program::{Program, assert_inside};
use crate::{ENTER, LEFT, boxes, cards, cursors};
use mltop::app::{Effect, Key, KeyCode, Msg, Order, Overlay, Press, ScreenKind, Spot};
use mltop::view::pointed;
use mltop::view::screen::Body;

const SIZE: (u16, u16) = (120, 36);
/// Every press that a terminal can tell.
const PRESSES: [Press; 9] = [
    Press::Click,
    Press::Drag,
    Press::Grasp,
    Press::Stretch,
    Press::Release,
    Press::WheelUp,
    Press::WheelDown,
    Press::WheelLeft,
    Press::WheelRight,
];

fn opened(dress: Dress, keys: &str) -> Program {
    let world = World { gpus: 8, dress: Some(dress), ..World::default() };
    let mut program = Program::after(world, 110);
    program.starve();
    program.tick(110);
    program.keys(keys);
    program
}

/// Uses the pointer on what is painted at a cell.
fn press(program: &mut Program, press: Press, (x, y): (u16, u16)) {
    let spot = pointed(&program.screen(SIZE.0, SIZE.1), x, y);
    program.send(Msg::Point(press, spot));
}

/// The first cell of the screen at which this is painted.
fn cell_of(program: &mut Program, text: &str) -> (u16, u16) {
    let rows = paint(&program.screen(SIZE.0, SIZE.1));
    let found = rows.iter().zip(0..).find_map(|(row, y)| {
        let at = row.find(text)?;
        Some((row[..at].chars().count() as u16, y))
    });
    found.unwrap_or_else(|| panic!("no '{text}' in\n{}", rows.join("\n")))
}

fn click_on(program: &mut Program, text: &str) {
    let cell = cell_of(program, text);
    press(program, Press::Click, cell);
}

/// What stands at each cell that stands for something, with the row that is painted there.
fn spots(program: &mut Program) -> Vec<(Spot, String)> {
    let screen = program.screen(SIZE.0, SIZE.1);
    let rows = paint(&screen);
    let cells = (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y)));
    let of = |(x, y)| (pointed(&screen, x, y), rows[usize::from(y)].clone());
    cells.map(of).filter(|(spot, _)| *spot != Spot::Ground).collect()
}

#[test]
fn a_click_on_a_screen_in_the_last_row_goes_there() {
    let mut program = opened(boxes::full, "");
    for (text, screen) in [
        ("2 GPUs", ScreenKind::Gpus),
        ("3 loaders", ScreenKind::Loaders),
        ("4 processes", ScreenKind::Processes),
        ("5 findings", ScreenKind::Findings),
        ("6 host", ScreenKind::Host),
        ("1 lanes", ScreenKind::Lanes),
    ] {
        click_on(&mut program, text);
        assert_eq!(program.state.screen, screen);
    }
    click_on(&mut program, "? help");
    assert!(matches!(program.state.overlay, Some(Overlay::Help { .. })));
    // Beside what lies over the screen a click leaves it; the last row can be used all the same.
    press(&mut program, Press::Click, (0, 12));
    assert_eq!(program.state.overlay, None);
    click_on(&mut program, "q quit");
    assert!(program.effects.contains(&Effect::Quit));
}

#[test]
fn a_click_on_a_lane_puts_the_cursor_into_the_column_that_was_clicked() {
    for keys in ["", "2", "3", "5", "6"] {
        let mut program = opened(boxes::full, keys);
        let (x, y) = cell_of(&mut program, "60s");
        press(&mut program, Press::Click, (x + 3, y - 1));
        let columns = cursors(&program.screen(SIZE.0, SIZE.1));
        assert!(!columns.is_empty(), "{keys}");
        assert!(columns.iter().all(|at| *at == Some(x + 2)), "{keys}: {columns:?}, not {}", x + 2);
        // It goes along with the pointer.
        press(&mut program, Press::Drag, (x + 9, y - 1));
        let cursor = program
            .screen(SIZE.0, SIZE.1)
            .parts
            .into_iter()
            .find_map(|part| if let Body::Plot(plot) = part.body { plot.cursor } else { None });
        assert_eq!(cursor, Some(x + 8), "{keys}");
    }
}

/// The part of the past that the lanes show.
fn shown(program: &mut Program) -> (u64, u64) {
    let past = program.screen(SIZE.0, SIZE.1).shown.unwrap();
    (past.from_ms, past.to_ms)
}

#[test]
fn a_span_that_is_drawn_along_a_lane_fills_the_time_axis() {
    let mut program = opened(boxes::full, "");
    let (x, y) = cell_of(&mut program, "60s");
    let at = |program: &mut Program, x| match pointed(&program.screen(SIZE.0, SIZE.1), x, y - 1) {
        Spot::Moment(at_ms) => at_ms,
        other => panic!("{other:?}"),
    };
    let before = program.state.zoom_ms();
    press(&mut program, Press::Grasp, (x + 20, y - 1));
    let last = at(&mut program, x + 20);
    // From right to left as well, and over what is no lane.
    press(&mut program, Press::Stretch, (x + 9, y - 1));
    press(&mut program, Press::Stretch, (x, SIZE.1 - 1));
    press(&mut program, Press::Stretch, (x, y - 1));
    let first = at(&mut program, x);
    assert_eq!(program.state.transport.cursor(), Some(first));
    let said = program.state.message().unwrap_or_default().to_owned();
    assert!(said.starts_with("21 s, ") && said.ends_with("let go to see it"), "{said}");
    assert_eq!(program.state.zoom_ms(), before, "until it is let go");
    press(&mut program, Press::Release, (x, y - 1));
    assert_eq!((program.state.zoom_ms(), program.state.span), (30_000, None));
    let (from, to) = shown(&mut program);
    assert!(from < first && last < to && to - last < first - from + 1000, "{from} {to}");
    // Without a way there is no span, and what is let go twice is let go.
    press(&mut program, Press::Release, (x + 30, y - 1));
    press(&mut program, Press::Grasp, (x + 30, y - 1));
    press(&mut program, Press::Release, (x + 30, y - 1));
    assert_eq!(shown(&mut program), (from, to));
}

#[test]
fn the_wheel_zooms_over_a_lane_and_goes_through_a_list() {
    let mut program = opened(boxes::full, "");
    let lane = cell_of(&mut program, "60s");
    press(&mut program, Press::WheelUp, lane);
    assert_eq!(program.state.zoom_ms(), 60_000);
    press(&mut program, Press::WheelDown, lane);
    press(&mut program, Press::WheelDown, lane);
    assert_eq!(program.state.zoom_ms(), 300_000);
    press(&mut program, Press::WheelLeft, lane);
    assert!(program.state.transport.cursor().is_some());
    program.key(Key::plain(KeyCode::End));
    program.keys("4");
    let list = cell_of(&mut program, "PID");
    press(&mut program, Press::WheelDown, list);
    let first = program.state.processes.chosen;
    press(&mut program, Press::WheelDown, list);
    assert!(first.is_some() && program.state.processes.chosen != first);
}

#[test]
fn a_click_chooses_the_row_that_is_painted_there_and_the_next_one_opens_it() {
    let mut program = opened(boxes::full, "4");
    let all = spots(&mut program);
    let mut processes = 0;
    for (spot, row) in &all {
        if let Spot::Process(pid) = spot {
            assert!(row.contains(&pid.to_string()), "{pid} in {row}");
            processes += 1;
        }
    }
    assert!(processes > 0);
    click_on(&mut program, "41207");
    assert_eq!(program.state.processes.chosen.map(|pid| pid.0), Some(41_207));
    click_on(&mut program, "41207");
    assert!(matches!(program.state.overlay, Some(Overlay::Process { .. })));

    let mut program = opened(cards::hoppers, "2");
    let mut gpus: Vec<u32> = Vec::new();
    for (spot, row) in spots(&mut program) {
        if let Spot::Gpu(gpu) = spot {
            let number = format!("{gpu} ");
            assert!(row.contains(&number), "{number} in {row}");
            gpus.push(gpu.0);
        }
    }
    gpus.dedup();
    assert_eq!(gpus, [0, 1, 2, 3, 4, 5, 6, 7]);

    let mut program = opened(boxes::full, "3");
    click_on(&mut program, "41208");
    assert_eq!(program.state.picked.worker, Some(0));
    click_on(&mut program, "41208");
    assert!(matches!(program.state.overlay, Some(Overlay::Worker { worker: 0, .. })));

    let mut program = opened(boxes::full, "5");
    click_on(&mut program, "● high");
    assert_eq!(program.state.chosen_finding, Some(1));

    let mut program = opened(boxes::full, "");
    click_on(&mut program, "STARVED · DISK-BOUND");
    assert!(matches!(program.state.overlay, Some(Overlay::Finding { id: 1, .. })));
}

#[test]
fn a_heading_sorts_and_sorts_the_other_way_round() {
    let mut program = opened(boxes::full, "4");
    let heading = cell_of(&mut program, "RSS");
    press(&mut program, Press::Click, heading);
    assert_eq!(
        (program.state.processes.order, program.state.processes.reversed),
        (Order::Memory, false)
    );
    press(&mut program, Press::Click, heading);
    assert!(program.state.processes.reversed);
    click_on(&mut program, "NAME");
    assert_eq!(program.state.processes.order, Order::Name);
}

#[test]
fn no_click_is_a_yes_and_none_ends_a_line_that_is_typed() {
    let mut program = opened(boxes::full, "4");
    click_on(&mut program, "41207");
    program.keys("K");
    program.key(ENTER);
    let asked = program.state.overlay;
    program.effects.clear();
    let screen = program.screen(SIZE.0, SIZE.1);
    for (x, y) in (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y))) {
        program.send(Msg::Point(Press::Click, pointed(&screen, x, y)));
    }
    assert_eq!(program.state.overlay, asked);
    assert_eq!(program.effects, []);
    program.keys("n/tra");
    press(&mut program, Press::Click, (2, SIZE.1 - 1));
    assert_eq!(program.state.screen, ScreenKind::Processes);
    assert_eq!(program.state.prompt.as_ref().map(|prompt| &*prompt.text), Some("tra"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_done_with_a_pointer_panics_at_any_size(
        size in (0..220u16, 0..70u16),
        dress in proptest::sample::select(vec![boxes::full as Dress, boxes::hostile, cards::hoppers]),
        keys in "[1-6?gKe]{0,2}",
        script in proptest::collection::vec(
            ((0..240u16, 0..80u16), proptest::sample::select(PRESSES.to_vec()), "[1-6? ]{0,1}"),
            1..10,
        ),
    ) {
        let world = World { gpus: 8, dress: Some(dress), ..World::default() };
        let mut program = Program::after(world, 3);
        program.starve();
        program.tick(3);
        program.keys(&keys);
        for ((x, y), press, key) in script {
            let spot = pointed(&program.screen(size.0, size.1), x, y);
            program.send(Msg::Point(press, spot));
            program.keys(&key);
            assert_inside(&program.screen(size.0, size.1));
        }
        program.key(LEFT);
        assert_inside(&program.screen(size.0, size.1));
        let sent = program.effects.iter().any(|effect| matches!(effect, Effect::Signal { .. }));
        prop_assert!(!sent, "no press of these is a yes");
    }
}
