//! The first screen as it is drawn in the design, with made-up numbers that behave like real ones.

use mltop::view::screen::{
    Area, Body, Bucket, Draw, Edge, Heat, Line, Part, Plot, Role, Rule, Screen, Series, Shade,
    Span, TextRow, span, strong,
};

pub(crate) const WIDTH: u16 = 120;
const COLUMNS: u16 = WIDTH - 2;
const CURSOR: Option<u16> = None;

/// Noise that is the same every time, -1 to 1.
fn noise(seed: u32, at: usize) -> f32 {
    let mut x = seed.wrapping_mul(0x9e37_79b9) ^ (at as u32).wrapping_mul(0x85eb_ca6b);
    x ^= x >> 15;
    x = x.wrapping_mul(0x2c1b_3c6d);
    x ^= x >> 12;
    x = x.wrapping_mul(0x297a_2d39);
    x ^= x >> 15;
    (x as f32 / u32::MAX as f32).mul_add(2.0, -1.0)
}

/// Whether the run starves at a point.
fn starves(point: usize) -> bool {
    (92..148).contains(&point) || (196..236).contains(&point)
}

/// Whether nothing was read at a point.
fn lost(point: usize) -> bool {
    (38..64).contains(&point)
}

fn points(seed: u32, fed: f32, starved: f32, wobble: f32, top: f32) -> Vec<Option<Bucket>> {
    let value = |point: usize| {
        let base = if starves(point) { starved } else { fed };
        let drift = (point as f32 / 9.0 + seed as f32).sin() * wobble * 0.4;
        (base + drift + noise(seed, point) * wobble * 0.6).clamp(0.0, 1.0) * top
    };
    let bucket = |point| {
        let mean = f32::midpoint(value(point), value(point + 1));
        let spread = wobble * top * (0.7 + 0.3 * noise(seed + 7, point));
        Bucket { min: (mean - spread).max(0.0), mean, max: (mean + spread).min(top) }
    };
    (0..usize::from(COLUMNS) * 2).map(|point| (!lost(point)).then(|| bucket(point))).collect()
}

fn series(role: Role, draw: Draw, points: Vec<Option<Bucket>>) -> Series {
    Series { role, draw, points }
}

fn shades() -> Vec<Shade> {
    (0..usize::from(COLUMNS))
        .map(|column| match column * 2 {
            point if lost(point) => Shade::Gap,
            point if starves(point) => Shade::Starved,
            _ => Shade::None,
        })
        .collect()
}

fn lane(high: f64, labels: &[(f64, &str)], series: Vec<Series>) -> Plot {
    Plot {
        low: 0.0,
        high,
        labels: labels.iter().map(|(value, text)| (*value, (*text).to_owned())).collect(),
        series,
        limit: None,
        headroom: None,
        shades: shades(),
        gaps: vec![(19, 13, "no answer".into())],
        cursor: CURSOR,
    }
}

fn part(y: u16, height: u16, body: Body) -> Part {
    Part { area: Area { x: 0, y, width: WIDTH, height }, body }
}

fn rule(edge: Edge, left: Line, right: Line) -> Body {
    Body::Rule(Rule { edge, left, right, ticks: Vec::new(), cursor: CURSOR.map(|x| x + 1) })
}

fn lanes() -> Vec<(Line, Line, u16, Plot)> {
    let util = points(1, 0.84, 0.16, 0.12, 100.0);
    let mut gpu = lane(
        100.0,
        &[(100.0, "100"), (50.0, " 50"), (0.0, "  0")],
        vec![
            series(Role::Band, Draw::Band, util.clone()),
            series(Role::GpuUtil, Draw::Area, util),
            series(Role::GpuActivity, Draw::Line, points(2, 0.46, 0.08, 0.08, 100.0)),
        ],
    );
    gpu.headroom = None;
    let mut memory = lane(
        80.0,
        &[(80.0, "80")],
        vec![series(Role::GpuMemory, Draw::Area, points(3, 0.39, 0.39, 0.01, 80.0))],
    );
    memory.headroom = Some((33.0, vec![true; usize::from(COLUMNS)]));
    let pcie = lane(
        1.0,
        &[],
        vec![
            series(Role::PcieRx, Draw::Area, points(4, 0.42, 0.12, 0.14, 1.0)),
            series(Role::PcieTx, Draw::Hanging, points(5, 0.2, 0.06, 0.06, 1.0)),
        ],
    );
    let mut disk =
        lane(2.4, &[], vec![series(Role::DiskRead, Draw::Area, points(6, 0.35, 0.78, 0.1, 2.4))]);
    disk.limit = Some(1.95);
    let mut queue = lane(
        17.0,
        &[(16.0, "16")],
        vec![
            series(Role::Band, Draw::Band, points(7, 0.7, 0.03, 0.12, 16.0)),
            series(Role::Queue, Draw::Step, points(7, 0.7, 0.02, 0.04, 16.0)),
        ],
    );
    queue.limit = Some(16.0);
    let blocked =
        lane(1.0, &[], vec![series(Role::Blocked, Draw::Area, points(8, 0.04, 0.62, 0.12, 1.0))]);
    let title = |text: &str| vec![strong(text, Role::Title)];
    vec![
        (
            title("GPU util"),
            vec![
                span("now ", Role::Dim),
                span("31%", Role::GpuUtil),
                span("  mean ", Role::Dim),
                span("58%", Role::Text),
            ],
            5,
            gpu,
        ),
        (
            title("GPU mem"),
            vec![span("31.2", Role::GpuMemory), span(" of 80 GiB  39%", Role::Dim)],
            2,
            memory,
        ),
        (
            vec![
                strong("PCIe", Role::Title),
                span("  ▲ to GPU", Role::PcieRx),
                span("  ▼ from GPU", Role::PcieTx),
            ],
            vec![span("1.2 GB/s", Role::PcieRx), span(" · 2% of gen5 x16", Role::Dim)],
            3,
            pcie,
        ),
        (
            title("Disk read"),
            vec![span("1.9 GB/s", Role::DiskRead), span("  nvme1n1 98% busy 8.1ms", Role::Dim)],
            3,
            disk,
        ),
        (
            title("Loader queue"),
            vec![
                span("0 of 16 ready", Role::Queue),
                span(" · 4 out of order · empty 74% of the time · memory", Role::Dim),
            ],
            3,
            queue,
        ),
        (
            title("Blocked"),
            vec![span("53%", Role::Blocked), span(" of step time", Role::Dim)],
            2,
            blocked,
        ),
    ]
}

fn header() -> Body {
    let row = |left: Line, right: Line, bar| TextRow {
        left,
        right,
        bar,
        selected: false,
        spots: Vec::new(),
    };
    let dim = |text: &str| span(text, Role::Dim);
    Body::Text(vec![
        row(
            vec![
                strong(" mltop", Role::Title),
                dim("  gpu-box-7 · 4×H100 80GB · torch 2.15 py3.12"),
            ],
            vec![
                span("● LIVE", Role::Live),
                dim(" 1s   "),
                strong("REC", Role::Critical),
                dim(" 00:42:10 3.1MB   mltop 0.6% 9MB   "),
                span("14:02:31 ", Role::Text),
            ],
            None,
        ),
        row(
            vec![
                strong("STARVED 41%", Role::Critical),
                span(
                    "  train.py (4 ranks, GPU 0-3) waits for data · fetch-bound: 8 workers 71% in disk wait on nvme1n1 (98% busy)",
                    Role::Text,
                ),
            ],
            Vec::new(),
            Some(Role::Critical),
        ),
        row(
            vec![
                dim("  up to "),
                span("1.7× faster", Role::Good),
                dim(
                    " if fed · a faster disk, a local copy, or pack 112 KiB files into shards · 1.6 GPU-h lost this hour",
                ),
            ],
            vec![strong("[Enter] ", Role::Key)],
            Some(Role::Critical),
        ),
    ])
}

fn workers(states: &str) -> impl Iterator<Item = Span> {
    states.chars().map(|state| {
        let role = match state {
            'D' => Role::WorkerDisk,
            'R' => Role::WorkerRun,
            'S' => Role::WorkerWait,
            'Z' => Role::WorkerDead,
            _ => Role::WorkerIdle,
        };
        span(state, role)
    })
}

fn table() -> Body {
    let head = " RUN / RANK          PID    GPU  UTIL  MEM   CPU%  READ      QUEUE     BLOCKED  STEP    WORKERS (one cell each)";
    let line = |name: &str, rest: &str, queue: &str, tail: &str, states: &str, selected| {
        let mut left = vec![
            span(format!("{name:<20}"), Role::Text),
            span(rest.to_owned(), Role::Text),
            span(queue.to_owned(), Role::Queue),
            span(tail.to_owned(), Role::Text),
        ];
        left.extend(workers(states));
        TextRow { left, selected, ..TextRow::default() }
    };
    Body::Text(vec![
        TextRow { left: vec![span(head, Role::Dim)], ..TextRow::default() },
        line(
            " ▾ train.py",
            " -      0-3  58%   39%   812%  1.9GB/s   ",
            "▁ 0/16    ",
            "53%      412ms   ",
            "DDDRDD·D DDRDDDDD …",
            true,
        ),
        line(
            "     rank 0",
            " 41207  0    61%   40%   201%  480MB/s   ",
            "▁ 0/16    ",
            "51%      409ms   ",
            "DDDRDD·D",
            false,
        ),
        line(
            "     rank 1",
            " 41208  1    57%   39%   204%  476MB/s   ",
            "▂ 3/16    ",
            "54%      411ms   ",
            "DDRDDDDZ",
            false,
        ),
    ])
}

fn keys() -> Body {
    let pairs = [
        ("1", "lanes"),
        ("2", "GPUs"),
        ("3", "loaders"),
        ("4", "processes"),
        ("5", "findings"),
        ("6", "host"),
    ];
    let mut left = vec![span(" ", Role::Text)];
    for (key, name) in pairs {
        left.extend([strong(key, Role::Key), span(format!(" {name}  "), Role::Dim)]);
    }
    let mut right = Vec::new();
    for (key, name) in
        [("space", "pause"), ("←→", "scrub"), ("+-", "zoom"), ("m", "mark"), ("?", "help")]
    {
        right.extend([strong(key, Role::Key), span(format!(" {name}  "), Role::Dim)]);
    }
    Body::Text(vec![TextRow { left, right, ..TextRow::default() }])
}

/// The lanes at 120 columns, with the cursor in `cursor` if it is set.
pub(crate) fn lanes_screen(cursor: Option<u16>) -> Screen {
    let mut parts = vec![part(0, 3, header())];
    let mut y = 3;
    for (index, (left, right, height, mut plot)) in lanes().into_iter().enumerate() {
        plot.cursor = cursor;
        let edge = if index == 0 { Edge::Top } else { Edge::Middle };
        let mut body = rule(edge, left, right);
        if let Body::Rule(rule) = &mut body {
            rule.cursor = cursor.map(|x| x + 1);
        }
        parts.push(part(y, 1, body));
        parts.push(part(y + 1, height, Body::Plot(plot)));
        y += height + 1;
    }
    let ticks = [(1, "120s"), (30, "90s"), (60, "60s"), (89, "30s"), (118, "now")];
    let ticks = ticks.map(|(column, label)| (column, label.to_owned())).to_vec();
    let bottom = Rule {
        edge: Edge::Bottom,
        left: Vec::new(),
        right: Vec::new(),
        ticks,
        cursor: cursor.map(|x| x + 1),
    };
    parts.push(part(y, 1, Body::Rule(bottom)));
    parts.push(part(y + 1, 4, table()));
    parts.push(part(y + 5, 1, keys()));
    Screen { width: WIDTH, height: y + 6, parts, shown: None }
}

/// A heat map with a popup over it.
pub(crate) fn heat_screen() -> Screen {
    let row = |gpu: u32| {
        let starved = if gpu == 5 { 0.02 } else { 0.2 };
        let values = points(20 + gpu, 0.85, starved, 0.12, 1.0);
        let values = values.iter().step_by(2).map(|b| b.map(|b| b.mean)).collect();
        (format!("GPU {gpu} "), values)
    };
    let heat = Heat { rows: (0..8).map(row).collect(), role: Role::GpuUtil, cursor: None };
    let line = |key: &str, text: &str| TextRow {
        left: vec![strong(format!("{key:<9}"), Role::Key), span(text, Role::Text)],
        ..TextRow::default()
    };
    let popup = Body::Popup {
        title: vec![strong("Keys", Role::Title)],
        rows: vec![
            line("space", "pause or go on"),
            line("← →", "move the cursor"),
            line("+ -", "zoom the time axis"),
            line("q", "quit"),
        ],
    };
    let title = vec![strong("GPU util", Role::Title), span("  by GPU", Role::Dim)];
    Screen {
        width: WIDTH,
        height: 14,
        shown: None,
        parts: vec![
            part(0, 1, rule(Edge::Top, title, vec![span("GPU 5 is last", Role::Warn)])),
            part(1, 8, Body::Heat(heat)),
            part(9, 1, rule(Edge::Bottom, Vec::new(), Vec::new())),
            Part { area: Area { x: 40, y: 5, width: 36, height: 6 }, body: popup },
        ],
    }
}
