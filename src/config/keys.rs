//! The keys of a configuration file that are not thresholds of rules.

use std::ops::RangeInclusive;

use toml::Value;

use crate::cli;
use crate::diagnose::{Settings, Timing};

/// Windows that the engine can look over: it remembers two minutes.
pub(super) const WINDOW_SECONDS: RangeInclusive<f64> = 2.0..=120.0;
/// How long a condition may have to hold.
pub(super) const HOLD_SECONDS: RangeInclusive<f64> = 0.0..=600.0;

/// A key of `[windows]`, and the setting that it stands for.
pub(super) enum Window {
    /// Window, raise and clear, in seconds.
    Timing(fn(&mut Settings) -> &mut Timing),
    /// Seconds within a range.
    Seconds(fn(&mut Settings) -> &mut f64, RangeInclusive<f64>),
    /// A number of steps.
    Steps(fn(&mut Settings) -> &mut u64),
}

impl Window {
    /// What can stand there, in words.
    pub(super) fn remedy(&self) -> String {
        match self {
            Self::Timing(_) => format!(
                "write [window, raise, clear] in seconds: {} to {}, and {} to {} for the others",
                WINDOW_SECONDS.start(),
                WINDOW_SECONDS.end(),
                HOLD_SECONDS.start(),
                HOLD_SECONDS.end()
            ),
            Self::Seconds(_, range) => {
                format!("write seconds between {} and {}", range.start(), range.end())
            }
            Self::Steps(_) => "write a whole number between 1 and 1000000".to_owned(),
        }
    }

    /// The value in force, as it stands in a file.
    pub(super) fn value(&self, settings: &Settings) -> String {
        let mut settings = settings.clone();
        match self {
            Self::Timing(place) => {
                let Timing { window, raise, clear } = *place(&mut settings);
                format!("[{window}, {raise}, {clear}]")
            }
            Self::Seconds(place, _) => place(&mut settings).to_string(),
            Self::Steps(place) => place(&mut settings).to_string(),
        }
    }
}

/// The keys of `[windows]`: name, setting, what it means.
pub(super) const WINDOWS: &[(&str, Window, &str)] = &[
    (
        "fast",
        Window::Timing(|settings| &mut settings.fast),
        "Window, raise and clear where looks come at 10 Hz and the window holds enough steps.",
    ),
    (
        "standard",
        Window::Timing(|settings| &mut settings.standard),
        "Window, raise and clear elsewhere.",
    ),
    (
        "stretch",
        Window::Seconds(|settings| &mut settings.stretch, WINDOW_SECONDS),
        "The most that the standard window is stretched to, to hold enough steps.",
    ),
    (
        "warm_up_steps",
        Window::Steps(|settings| &mut settings.warm_up_steps),
        "Steps that end the warm-up of a trainer.",
    ),
    (
        "warm_up",
        Window::Seconds(|settings| &mut settings.warm_up, 0.0..=3600.0),
        "Time that ends the warm-up where the steps do not come.",
    ),
    (
        "warm_up_attached",
        Window::Seconds(|settings| &mut settings.warm_up_attached, 0.0..=3600.0),
        "The same where the workers had been at work for long when they were found.",
    ),
    (
        "boundary",
        Window::Seconds(|settings| &mut settings.boundary, 0.0..=600.0),
        "The least time that is left out after an epoch boundary.",
    ),
    (
        "sizing_point",
        Window::Seconds(|settings| &mut settings.sizing_point, 1.0..=600.0),
        "One point of a sizing window; 15 make a window, and two windows must agree.",
    ),
    (
        "sizing_steps",
        Window::Steps(|settings| &mut settings.sizing_steps),
        "Steps without which a sizing window says nothing.",
    ),
];

/// A flag that can be kept.
pub(super) struct Flag {
    /// The section of the file.
    pub(super) section: &'static str,
    /// The key in it.
    pub(super) name: &'static str,
    /// The verbs that it is for; all that have the flag where there is none.
    pub(super) verbs: &'static [&'static str],
    /// The flag's name in the program.
    pub(super) id: &'static str,
    /// The value without a configuration, as it stands in the file, without quotes.
    pub(super) default: &'static str,
    /// Another way to write the default.
    pub(super) is_default: fn(&str) -> bool,
    /// Whether it is a word, and stands in quotes.
    pub(super) quoted: bool,
    /// Whether a value can stand there.
    pub(super) allows: fn(&str) -> bool,
    /// What can stand there, in words.
    pub(super) range: &'static str,
    /// What it means.
    pub(super) what: &'static str,
}

/// What a value is, as far as it must be the same as that of the default.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    Truth,
}

impl Flag {
    /// What a value is.
    pub(super) fn kind(value: &Value) -> Kind {
        match value {
            Value::Boolean(_) => Kind::Truth,
            Value::Integer(_) | Value::Float(_) => Kind::Number,
            _ => Kind::Word,
        }
    }

    /// What the default is.
    pub(super) fn kind_of_default(&self) -> Kind {
        match self.default {
            _ if self.quoted => Kind::Word,
            "true" | "false" => Kind::Truth,
            _ => Kind::Number,
        }
    }

    const fn blank() -> Self {
        Self {
            section: "",
            name: "",
            verbs: &[],
            id: "",
            default: "",
            is_default: |_| false,
            quoted: true,
            allows: |word| !word.is_empty(),
            range: "a word",
            what: "",
        }
    }
}

/// What keeps budgets: no flag, as `mltop check --budget` asks for a verdict on what is looked at then.
pub(super) const BUDGET: &str = "inference.budget";

/// All flags that can be kept, section by section.
pub(super) const FLAGS: &[Flag] = &[
    Flag {
        section: "watch",
        name: "interval",
        id: "interval",
        default: "1s",
        allows: |word| cli::interval(word).is_ok(),
        range: "a time between \"100ms\" and \"10s\"",
        what: "Time between ticks (--interval).",
        ..Flag::blank()
    },
    Flag {
        section: "screen",
        name: "theme",
        id: "theme",
        default: "auto",
        range: "\"auto\", \"dark\" or \"light\"",
        what: "Colours (--theme).",
        ..Flag::blank()
    },
    Flag {
        section: "screen",
        name: "ascii",
        id: "ascii",
        default: "false",
        quoted: false,
        range: "true or false",
        what: "Plain ASCII instead of line and block characters (--ascii).",
        ..Flag::blank()
    },
    Flag {
        section: "screen",
        name: "no_mouse",
        id: "no_mouse",
        default: "false",
        quoted: false,
        range: "true or false",
        what: "Leave the mouse to the terminal, which then selects text without Shift (--no-mouse).",
        ..Flag::blank()
    },
    Flag {
        section: "screen",
        name: "readonly",
        id: "readonly",
        default: "false",
        quoted: false,
        range: "true or false",
        what: "Never send a signal to a process, not even after a question (--readonly).",
        ..Flag::blank()
    },
    Flag {
        section: "notify",
        name: "bell",
        id: "bell",
        default: "false",
        quoted: false,
        range: "true or false",
        what: "Ring when a finding opens that is a warning or worse (--bell).",
        ..Flag::blank()
    },
    Flag {
        section: "notify",
        name: "on_finding",
        id: "on_finding",
        range: "a shell command",
        what: "Run a shell command when a finding opens (--on-finding); \"\" runs none.",
        ..Flag::blank()
    },
    Flag {
        section: "inference",
        name: "budget",
        id: BUDGET,
        range: "the name of a file with budgets, as mltop check --budget takes",
        what: "Hold inference servers against the budgets in this file all the time; \"\" holds them \
               against none.",
        ..Flag::blank()
    },
    Flag {
        section: "price",
        name: "gpu_hour",
        id: "price",
        default: "0",
        is_default: |word| word.parse() == Ok(0.0),
        quoted: false,
        allows: |word| cli::price(word).is_ok(),
        range: "a number above 0, or 0 where it is not known",
        what: "What an hour of one GPU costs, to tell what is lost in money (--price); 0 is not known.",
        ..Flag::blank()
    },
    Flag {
        section: "record",
        name: "sync",
        verbs: &["record", "flight"],
        id: "sync",
        default: "1s",
        allows: |word| ["never", "1s", "tick"].contains(&word),
        range: "\"never\", \"1s\" or \"tick\"",
        what: "When to bring ticks to the medium (record and flight --sync).",
        ..Flag::blank()
    },
    Flag {
        section: "flight",
        name: "max_bytes",
        verbs: &["flight"],
        id: "max_bytes",
        default: "1GiB",
        allows: |word| cli::ring_size(word).is_ok(),
        range: "a size of at least \"1MiB\"",
        what: "The most that the ring of `mltop flight` takes on disk (--max-bytes).",
        ..Flag::blank()
    },
    Flag {
        section: "flight",
        name: "max_age",
        verbs: &["flight"],
        id: "max_age",
        default: "168h",
        allows: |word| cli::span(word).is_ok(),
        range: "a time like \"168h\"",
        what: "What is older goes (--max-age).",
        ..Flag::blank()
    },
];
