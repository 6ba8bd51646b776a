//! The script of the stand-in: lines of `word key=value …`. `_` in a value stands for a space.
//!
//! ```text
//! driver 580.65.06
//! gpu 0 util=37 mem_used=43980465152 power=300000 pcie_rx=20e9 gpm=1
//! phase gpu=0 from=2 to=4 util=90
//! proc gpu=0 pid=123 mem=1073741824
//! fault fn=nvmlDeviceGetUtilizationRates gpu=1 after=5 rc=15
//! fault fn=nvmlInit_v2 hang=1
//! ```
//!
//! A fault's `fn` may end in `*`. `after`, `until`: seconds since the start; `after_calls`: of that
//! function. Effects: `rc`, `delay` (ms), `hang`, `hangfile` (write into that file), `garbage`
//! (`u64max`, `over100`, `x1000`, `zero`).

use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub struct Scenario {
    pub driver: String,
    pub gpus: BTreeMap<u32, Gpu>,
    pub phases: Vec<Phase>,
    pub faults: Vec<Fault>,
}

/// One GPU: every figure is a number under its name, so that a phase can change any of them.
#[derive(Clone, Default)]
pub struct Gpu {
    pub figures: BTreeMap<String, f64>,
    pub texts: BTreeMap<String, String>,
    pub procs: Vec<(u32, u64)>,
}

#[derive(Clone, Default)]
pub struct Phase {
    pub gpu: u32,
    pub from: f64,
    pub to: f64,
    pub figures: BTreeMap<String, f64>,
}

#[derive(Clone, Default)]
pub struct Fault {
    pub function: String,
    pub gpu: Option<u32>,
    pub after: f64,
    pub until: f64,
    pub after_calls: u64,
    pub rc: Option<u32>,
    pub delay_ms: u64,
    pub hang: bool,
    pub hangfile: Option<String>,
    pub garbage: Option<String>,
}

impl Gpu {
    /// A figure, or its usual value.
    pub fn figure(&self, name: &str) -> f64 {
        self.figures.get(name).copied().unwrap_or_else(|| usual(name))
    }

    pub fn text(&self, name: &str, usual: &str) -> String {
        self.texts.get(name).cloned().unwrap_or_else(|| usual.to_owned())
    }
}

/// An idle H100.
fn usual(name: &str) -> f64 {
    match name {
        "mem_total" => 85_899_345_920.0,
        "mem_reserved" => 524_288_000.0,
        "power" => 75_000.0,
        "limit" => 700_000.0,
        "temp" => 34.0,
        "sm_clock" => 345.0,
        "sm_clock_max" => 1980.0,
        "mem_clock" => 2619.0,
        "link_gen" | "link_gen_max" => 4.0,
        "link_width" | "link_width_max" => 16.0,
        "sms" => 132.0,
        "fields" | "gpm_mib" => 1.0,
        "throttle" => 1.0,
        _ => 0.0,
    }
}

impl Fault {
    pub fn hits(&self, function: &str, gpu: Option<u32>, t: f64, calls: u64) -> bool {
        let named = match self.function.strip_suffix('*') {
            Some(start) => function.starts_with(start),
            None => function == self.function,
        };
        named
            && (self.gpu.is_none() || self.gpu == gpu)
            && t >= self.after
            && t < self.until
            && calls > self.after_calls
    }
}

impl Scenario {
    /// Reads more lines on top of what there is. What is not understood is left out.
    pub fn read(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("driver") => self.driver = words.next().unwrap_or_default().to_owned(),
                Some("gpu") => {
                    let Some(index) = words.next().and_then(|word| word.parse().ok()) else {
                        continue;
                    };
                    let gpu = self.gpus.entry(index).or_default();
                    for (key, value) in pairs(words) {
                        match value.parse::<f64>() {
                            Ok(number) => drop(gpu.figures.insert(key.to_owned(), number)),
                            Err(_) => {
                                drop(gpu.texts.insert(key.to_owned(), value.replace('_', " ")));
                            }
                        }
                    }
                }
                Some("phase") => self.phases.push(phase(&pairs(words).collect())),
                Some("proc") => {
                    let pairs: BTreeMap<_, _> = pairs(words).collect();
                    let gpu = number(&pairs, "gpu").unwrap_or(0.0) as u32;
                    let memory = pairs.get("mem").and_then(|value| value.parse().ok());
                    let pid = number(&pairs, "pid").unwrap_or(0.0) as u32;
                    self.gpus.entry(gpu).or_default().procs.push((pid, memory.unwrap_or(u64::MAX)));
                }
                Some("fault") => self.faults.push(fault(&pairs(words).collect())),
                _ => {}
            }
        }
    }

    /// The GPU as it is at `t`.
    pub fn at(&self, index: u32, t: f64) -> Option<Gpu> {
        let mut gpu = self.gpus.get(&index)?.clone();
        for phase in self.phases.iter().filter(|phase| phase.gpu == index) {
            if t >= phase.from && t < phase.to {
                gpu.figures.extend(phase.figures.clone());
            }
        }
        Some(gpu)
    }

    /// The next moment after `t` at which a phase begins or ends.
    pub fn edge_after(&self, t: f64) -> f64 {
        let edges = self.phases.iter().flat_map(|phase| [phase.from, phase.to]);
        edges.filter(|edge| *edge > t).fold(f64::INFINITY, f64::min)
    }
}

fn pairs<'a>(words: impl Iterator<Item = &'a str>) -> impl Iterator<Item = (&'a str, &'a str)> {
    words.filter_map(|word| word.split_once('='))
}

fn number(pairs: &BTreeMap<&str, &str>, key: &str) -> Option<f64> {
    pairs.get(key).and_then(|value| value.parse().ok())
}

fn phase(pairs: &BTreeMap<&str, &str>) -> Phase {
    let mut figures = BTreeMap::new();
    for (key, value) in pairs {
        if let Ok(value) = value.parse::<f64>() {
            figures.insert((*key).to_owned(), value);
        }
    }
    Phase {
        gpu: number(pairs, "gpu").unwrap_or(0.0) as u32,
        from: number(pairs, "from").unwrap_or(0.0),
        to: number(pairs, "to").unwrap_or(f64::INFINITY),
        figures,
    }
}

fn fault(pairs: &BTreeMap<&str, &str>) -> Fault {
    let text = |key| pairs.get(key).map(|value| (*value).to_owned());
    Fault {
        function: text("fn").unwrap_or_default(),
        gpu: number(pairs, "gpu").map(|gpu| gpu as u32),
        after: number(pairs, "after").unwrap_or(0.0),
        until: number(pairs, "until").unwrap_or(f64::INFINITY),
        after_calls: number(pairs, "after_calls").unwrap_or(0.0) as u64,
        rc: number(pairs, "rc").map(|rc| rc as u32),
        delay_ms: number(pairs, "delay").unwrap_or(0.0) as u64,
        hang: pairs.contains_key("hang"),
        hangfile: text("hangfile"),
        garbage: text("garbage"),
    }
}
