//! Budgets of a service: what its latency, memory, load and errors may be, as a TOML text says it.
//!
//! ```toml
//! [inference]              # or [[inference]], one for each service
//! match = "llama"          # a pid, a port, a kind, or a part of the model's name; without it, any
//! p99_ms = 2000            # from the arrival of a request to the end of its answer
//! ttft_p95_ms = 300        # to its first token
//! itl_p99_ms = 60          # between two tokens
//! gpu_mem_gib_max = 70
//! qps_min = 20
//! tokens_per_second_min = 1500
//! error_rate_max = 0.001
//! ```

use toml::{Table, Value};

use crate::model::server::{Measure, ServerInfo};

/// The table that holds budgets.
const TABLE: &str = "inference";
/// The key that says which service is meant.
const MATCH: &str = "match";
/// Budgets in one text.
const MAX_BUDGETS: usize = 256;

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// A quantile (0 to 1) of a latency, at most so many seconds.
    Latency(Measure, f64),
    /// Device memory of the server's processes, at most so many bytes.
    Memory,
    /// Answered requests a second, at least so many.
    Requests,
    /// Generated tokens a second, at least so many.
    Tokens,
    /// Share of requests that fail, at most this one.
    Errors,
}

/// Every key, what it is about, and how many base units (seconds, bytes, …) one of its own is.
const KEYS: [(&str, What, f64); 13] = [
    ("p50_ms", What::Latency(Measure::Request, 0.50), 1e-3),
    ("p95_ms", What::Latency(Measure::Request, 0.95), 1e-3),
    ("p99_ms", What::Latency(Measure::Request, 0.99), 1e-3),
    ("ttft_p50_ms", What::Latency(Measure::FirstToken, 0.50), 1e-3),
    ("ttft_p95_ms", What::Latency(Measure::FirstToken, 0.95), 1e-3),
    ("ttft_p99_ms", What::Latency(Measure::FirstToken, 0.99), 1e-3),
    ("itl_p50_ms", What::Latency(Measure::InterToken, 0.50), 1e-3),
    ("itl_p95_ms", What::Latency(Measure::InterToken, 0.95), 1e-3),
    ("itl_p99_ms", What::Latency(Measure::InterToken, 0.99), 1e-3),
    ("gpu_mem_gib_max", What::Memory, (1_u64 << 30) as f64),
    ("qps_min", What::Requests, 1.0),
    ("tokens_per_second_min", What::Tokens, 1.0),
    ("error_rate_max", What::Errors, 1.0),
];

/// One limit of a budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Its key in the file, as `p99_ms`.
    pub key: &'static str,
    /// What it is about.
    pub what: What,
    /// Its value in base units: seconds, bytes, a second, a share.
    pub value: f64,
}

/// The limits of one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// Which service: a pid, a port, a kind, or a part of the model's name. `None` for any.
    pub matches: Option<Box<str>>,
    /// Its limits, in the order of the keys.
    pub limits: Vec<Limit>,
}

/// All budgets of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budgets {
    /// In the order of the text.
    pub budgets: Vec<Budget>,
}

/// Why a text holds no budgets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// It is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// It has no table of this name, or an empty one.
    #[error("no budget: write a table [inference] with one of {}", keys())]
    Empty,
    /// The table is something else.
    #[error("'{0}' must be a table, as in [inference], or several, as in [[inference]]")]
    NoTable(&'static str),
    /// A key that no budget has.
    #[error("unknown key '{key}' in [inference]; {}", instead(key))]
    Unknown {
        /// The key.
        key: String,
    },
    /// A value that makes no sense.
    #[error("{key} = {value} in [inference] is no limit: {wanted} is needed")]
    Value {
        /// The key.
        key: String,
        /// What it was set to.
        value: String,
        /// What it may be set to.
        wanted: &'static str,
    },
    /// More budgets than anybody has services.
    #[error("more than {MAX_BUDGETS} budgets")]
    TooMany,
}

fn keys() -> String {
    KEYS.map(|(key, _, _)| key).join(", ")
}

/// The known key that is meant, or all of them.
fn instead(key: &str) -> String {
    let known = KEYS.iter().map(|(known, _, _)| *known).chain([MATCH]);
    let nearest = known.map(|known| (edits(key, known), known)).min();
    match nearest {
        Some((edits, known)) if edits <= 4 => format!("did you mean '{known}'?"),
        _ => format!("known are match, {}", keys()),
    }
}

/// Letters to change, add or leave out to make one word of the other; long words are not compared.
fn edits(a: &str, b: &str) -> usize {
    if a.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.bytes().enumerate() {
        let mut before = at;
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
        for (place, right) in b.bytes().enumerate() {
            let above = row.get(place + 1).copied().unwrap_or_default();
            let beside = row.get(place).copied().unwrap_or_default();
            let best = (before + usize::from(left != right)).min(above + 1).min(beside + 1);
            if let Some(cell) = row.get_mut(place + 1) {
                *cell = best;
            }
            before = above;
        }
    }
    row.last().copied().unwrap_or_default()
}

impl Budgets {
    /// Reads a file of budgets.
    pub fn parse(text: &str) -> Result<Self, BudgetError> {
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| BudgetError::Syntax(error.to_string()))?;
        if let Some(key) = table.keys().find(|key| *key != TABLE) {
            return Err(BudgetError::Unknown { key: key.clone() });
        }
        Self::of(table.get(TABLE).ok_or(BudgetError::Empty)?)
    }

    /// Reads the value of `inference` in a larger file.
    pub fn of(value: &Value) -> Result<Self, BudgetError> {
        let budgets = match value {
            Value::Table(table) => vec![Budget::of(table)?],
            Value::Array(tables) if tables.len() > MAX_BUDGETS => {
                return Err(BudgetError::TooMany);
            }
            Value::Array(tables) => tables
                .iter()
                .map(|table| match table {
                    Value::Table(table) => Budget::of(table),
                    _ => Err(BudgetError::NoTable(TABLE)),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(BudgetError::NoTable(TABLE)),
        };
        if budgets.is_empty() { Err(BudgetError::Empty) } else { Ok(Self { budgets }) }
    }
}

impl Budget {
    fn of(table: &Table) -> Result<Self, BudgetError> {
        let mut budget = Self::default();
        for (key, value) in table {
            if key == MATCH {
                budget.matches = Some(matched(value)?);
                continue;
            }
            let known = KEYS.iter().find(|(known, _, _)| known == key);
            let (key, what, unit) =
                *known.ok_or_else(|| BudgetError::Unknown { key: key.clone() })?;
            budget.limits.push(Limit { key, what, value: number(key, what, value)? * unit });
        }
        if budget.limits.is_empty() {
            return Err(BudgetError::Empty);
        }
        let place = |limit: &Limit| KEYS.iter().position(|(key, _, _)| *key == limit.key);
        budget.limits.sort_by_key(place);
        Ok(budget)
    }

    /// Whether the budget is that of a served model.
    pub fn is_of(&self, server: &ServerInfo) -> bool {
        let Some(wanted) = self.matches.as_deref() else { return true };
        let pid = server.pid.is_some_and(|pid| pid.to_string() == wanted);
        let port = port(&server.url) == Some(wanted);
        pid || port || *server.kind == *wanted || server.model.contains(wanted)
    }
}

/// `8000` of `http://127.0.0.1:8000/metrics`
fn port(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    Some(authority.rsplit_once(':')?.1)
}

fn matched(value: &Value) -> Result<Box<str>, BudgetError> {
    let word = match value {
        Value::String(word) => word.clone(),
        // A pid or a port may be written as the number that it is.
        Value::Integer(number) => number.to_string(),
        _ => String::new(),
    };
    if word.is_empty() {
        return Err(BudgetError::Value {
            key: MATCH.into(),
            value: value.to_string(),
            wanted: "a pid, a port, a kind of server or a part of a model's name",
        });
    }
    Ok(word.into())
}

fn number(key: &str, what: What, value: &Value) -> Result<f64, BudgetError> {
    let given = match value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        _ => f64::NAN,
    };
    let (sound, wanted) = match what {
        What::Errors => ((0.0..1.0).contains(&given), "a share from 0 to below 1"),
        _ => (given > 0.0 && given.is_finite(), "a number above 0"),
    };
    if sound {
        Ok(given)
    } else {
        Err(BudgetError::Value { key: key.into(), value: value.to_string(), wanted })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "what is read is what was written, to the last bit")]

    use super::*;

    #[test]
    fn one_table_or_several_are_read_and_values_come_in_base_units() {
        let one = Budgets::parse("[inference]\np99_ms = 2000\ngpu_mem_gib_max = 1.5\n").unwrap();
        let limits = &one.budgets[0].limits;
        assert_eq!(limits[0].what, What::Latency(Measure::Request, 0.99));
        assert_eq!((limits[0].value, limits[1].value), (2.0, 1.5 * f64::from(1 << 30)));
        let two = "[[inference]]\nmatch = 8000\nqps_min = 1\n[[inference]]\nerror_rate_max = 0\n";
        let two = Budgets::parse(two).unwrap();
        assert_eq!(two.budgets[0].matches.as_deref(), Some("8000"));
        assert_eq!(two.budgets[1].limits[0].value, 0.0);
    }

    #[test]
    fn what_is_no_budget_is_refused_with_the_remedy() {
        let refused = |text: &str| Budgets::parse(text).unwrap_err().to_string();
        assert_eq!(
            refused("[inference]\np99 = 2\n"),
            "unknown key 'p99' in [inference]; did you mean 'p99_ms'?"
        );
        assert!(refused("[inference]\nspeed = 2\n").contains("known are match, p50_ms"));
        assert!(refused("").starts_with("no budget: write a table [inference]"));
        assert!(refused("[inference]\n").starts_with("no budget"));
        assert!(
            refused("[inference\n").contains("TOML parse error"),
            "{}",
            refused("[inference\n")
        );
        let odd = "[inference]\np99_ms = \"fast\"\n";
        assert_eq!(
            refused(odd),
            "p99_ms = \"fast\" in [inference] is no limit: a number above 0 is needed"
        );
        for bad in ["-1", "0", "nan", "inf"] {
            assert!(refused(&format!("[inference]\nqps_min = {bad}\n")).contains("above 0"));
        }
        assert!(refused("[inference]\nerror_rate_max = 1\n").contains("from 0 to below 1"));
        assert!(refused("inference = 3\n").contains("must be a table"));
        assert!(refused("[other]\nx = 1\n").contains("unknown key 'other'"));
    }

    #[test]
    fn a_budget_is_matched_by_pid_port_kind_or_model() {
        let server = ServerInfo {
            kind: "vllm".into(),
            url: "http://127.0.0.1:8000/metrics".into(),
            pid: Some(crate::model::Pid(4711)),
            model: "meta-llama/Llama-3.1-8B".into(),
            ..ServerInfo::default()
        };
        let of = |word: &str| Budget { matches: Some(word.into()), limits: Vec::new() };
        for word in ["4711", "8000", "vllm", "Llama-3.1"] {
            assert!(of(word).is_of(&server), "{word}");
        }
        for word in ["471", "800", "vll", "mistral", "127.0.0.1"] {
            assert!(!of(word).is_of(&server), "{word}");
        }
        assert!(Budget::default().is_of(&server));
    }
}
