//! The program without its loop: keys and ticks in, screens out.
#![allow(dead_code, reason = "each test program uses its part")]

use std::sync::Arc;

use mltop::app::{Effect, Key, Msg, State, Tick};
use mltop::diagnose::audit::Watched;
use mltop::diagnose::{Doing, RunState, Settings, Verdict};
use mltop::model::{Bound, Cause, Evidence, Finding, Pid, Reading, Rule, RunId, Severity};
use mltop::view::build;
use mltop::view::screen::{Area, Body, Line, Part, Role, Screen};

use crate::frames::{Past, START_MONO_MS, START_UNIX_MS, World, wait_at};
use crate::paint::paint;

/// The program without a terminal: it answers the state's effects as the loop would.
pub(crate) struct Program {
    pub(crate) world: World,
    pub(crate) state: State,
    pub(crate) past: Past,
    pub(crate) findings: Vec<Finding>,
    pub(crate) watched: Watched,
    pub(crate) effects: Vec<Effect>,
}

impl Program {
    pub(crate) fn new(world: World) -> Self {
        let past = Past::default();
        let state = State::new(120, 36);
        let watched = Watched::new(&Settings::default());
        Self { world, state, past, findings: Vec::new(), watched, effects: Vec::new() }
    }

    /// A program that has watched so many ticks.
    pub(crate) fn after(world: World, ticks: u64) -> Self {
        let mut program = Self::new(world);
        for tick in 0..ticks {
            program.tick(tick);
        }
        program
    }

    pub(crate) fn tick(&mut self, tick: u64) {
        let frame = self.world.frame(tick);
        self.past.frames.push(Arc::clone(&frame));
        let now = vec![RunState {
            run: RunId(1),
            pid: Some(Pid(41_207)),
            state: if wait_at(tick) > 0.1 { Doing::WaitsForData } else { Doing::Ahead },
            wait: Reading::Is(wait_at(tick)),
            bound: Bound::Exact,
            text: "train.py waits for data".to_owned(),
            severity: Some(Severity::High),
        }];
        let now = if self.world.run.is_some() { now } else { Vec::new() };
        let findings = self.findings.clone();
        let running = self.world.run.is_some().then_some((RunId(1), Verdict::Quiet));
        self.watched.push(&frame, running.into_iter());
        let watched = Arc::new(self.watched.clone());
        self.send(Msg::Tick(Tick { frame, findings, now, watched, oldest_ms: START_MONO_MS }));
    }

    pub(crate) fn send(&mut self, msg: Msg) {
        for effect in self.state.update(msg) {
            if let Effect::Seek { mono_ms } = effect {
                let frame = self.past.at(mono_ms);
                self.send(Msg::Moment { mono_ms, frame });
            }
            self.effects.push(effect);
        }
    }

    pub(crate) fn key(&mut self, key: Key) {
        self.send(Msg::Key(key));
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        for char in keys.chars() {
            self.key(Key::char(char));
        }
    }

    pub(crate) fn screen(&mut self, width: u16, height: u16) -> Screen {
        self.send(Msg::Resize(width, height));
        build(&self.state, &self.past, width, height)
    }

    pub(crate) fn text(&mut self, width: u16, height: u16) -> String {
        paint(&self.screen(width, height)).join("\n")
    }

    /// The finding of the drawing, raised at tick 70.
    pub(crate) fn starve(&mut self) {
        self.findings = vec![starved()];
    }
}

pub(crate) fn starved() -> Finding {
    Finding {
        id: 1,
        rule: Rule::Starved,
        cause: Some(Cause::DiskBound),
        severity: Severity::High,
        run: Some(RunId(1)),
        pid: Some(Pid(41_207)),
        start_ms: START_UNIX_MS + 70_000,
        end_ms: None,
        title: "train.py waits for data 41 % of the time: 8 workers spend 71 % in disk wait on \
                nvme1n1 (1.9 GB/s, 98 % busy)"
            .to_owned(),
        evidence: vec![Evidence {
            text: "rank 0 was blocked in 53 % of 500 looks".to_owned(),
            ..Evidence::default()
        }],
        advice: "pack the 112 KiB files into shards, or copy them to a local disk".to_owned(),
        gain: "up to 1.7× faster if fed".to_owned(),
        cost: None,
        dismissed: false,
    }
}

pub(crate) fn assert_inside(screen: &Screen) {
    for Part { area, body } in &screen.parts {
        let Area { x, y, width, height } = *area;
        assert!(u32::from(x) + u32::from(width) <= u32::from(screen.width), "{area:?}");
        assert!(u32::from(y) + u32::from(height) <= u32::from(screen.height), "{area:?}");
        assert!(width > 0 && height > 0, "{area:?}");
        match body {
            Body::Plot(plot) => {
                assert!(plot.high > plot.low && plot.high.is_finite());
                assert_eq!(plot.shades.len(), usize::from(width) - 2);
                for series in &plot.series {
                    assert_eq!(series.points.len(), (usize::from(width) - 2) * 2);
                }
                for (first, columns, _) in &plot.gaps {
                    assert!(first + columns <= width - 2);
                }
                assert!(plot.cursor.is_none_or(|cursor| cursor < width - 2));
            }
            Body::Rule(rule) => {
                for (column, label) in &rule.ticks {
                    assert!(usize::from(*column) + label.len() < usize::from(width));
                }
                assert!(rule.cursor.is_none_or(|cursor| cursor < width - 1));
            }
            Body::Heat(heat) => {
                for (_, values) in &heat.rows {
                    assert_eq!(values.len(), usize::from(width) - 2);
                }
            }
            Body::Mix(mix) => {
                assert!(mix.rows.len() <= usize::from(height));
                for row in &mix.rows {
                    assert_eq!(row.len(), usize::from(width) - 2);
                }
            }
            Body::Text(rows) | Body::Popup { rows, .. } => {
                assert!(rows.len() <= usize::from(height), "{} rows in {height}", rows.len());
            }
        }
    }
}

/// Every piece of text on a screen.
pub(crate) fn spans(screen: &Screen) -> Vec<(String, Role)> {
    let mut all = Vec::new();
    let mut line = |line: &Line| {
        all.extend(line.iter().map(|span| (span.text.clone(), span.role)));
    };
    for part in &screen.parts {
        match &part.body {
            Body::Text(rows) => {
                for row in rows {
                    line(&row.left);
                    line(&row.right);
                }
            }
            Body::Popup { title, rows } => {
                line(title);
                for row in rows {
                    line(&row.left);
                }
            }
            Body::Rule(rule) => {
                line(&rule.left);
                line(&rule.right);
            }
            Body::Plot(_) | Body::Heat(_) | Body::Mix(_) => {}
        }
    }
    all
}
