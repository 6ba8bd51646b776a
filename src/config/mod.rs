//! The configuration file: windows, thresholds, the price of a GPU, and the flags that one wants to
//! keep. Pure: text in, values out. A flag goes before the environment, the environment before the
//! file, the file before the default.

mod keys;
mod text;

use thiserror::Error;
use toml::{Table, Value};

use crate::diagnose::{Settings, Threshold, abouts};

use keys::{FLAGS, Flag, WINDOWS, Window};

pub use text::text;

/// What a configuration file sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Windows, thresholds, and the price.
    pub settings: Settings,
    /// Flags that are kept, as they would stand on the command line.
    pub flags: Vec<Kept>,
}

impl Config {
    /// The file with the budgets of inference servers, where one is kept.
    pub fn budget(&self) -> Option<&str> {
        let kept = self.flags.iter().find(|kept| kept.id == keys::BUDGET);
        kept.map(|kept| kept.value.as_str())
    }
}

/// A flag that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The verbs that it is for; all that have it where there is none.
    pub verbs: &'static [&'static str],
    /// Its name in the program.
    pub id: &'static str,
    /// Its value.
    pub value: String,
}

/// What is wrong with a configuration file: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("configuration {file}: {key}: {problem}; {remedy}")]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The key, with the tables that it stands in.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

/// Key, problem and remedy.
type Wrong = (String, String, String);

impl Config {
    /// Reads a configuration. `file` is its name, for messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let wrong = |(key, problem, remedy): Wrong| {
            let [file, key, problem] = [file, &key, &problem].map(clip);
            ConfigError { file, key, problem, remedy }
        };
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            wrong((format!("line {line}"), error.message().to_owned(), "mend the TOML".to_owned()))
        })?;
        let mut config = Self::default();
        for (name, value) in &table {
            config.section(name, value).map_err(wrong)?;
        }
        Ok(config)
    }

    fn section(&mut self, name: &str, value: &Value) -> Result<(), Wrong> {
        if !sections().any(|known| known == name) {
            let remedy = suggestion(name, sections());
            return Err((name.to_owned(), "there is no such section".to_owned(), remedy));
        }
        let Value::Table(table) = value else {
            let remedy = format!("write it as [{name}] with keys below it");
            return Err((name.to_owned(), "it is no section".to_owned(), remedy));
        };
        match name {
            "rules" => table.iter().try_for_each(|(code, value)| self.rule(code, value)),
            "windows" => table.iter().try_for_each(|(key, value)| self.window(key, value)),
            section => table.iter().try_for_each(|(key, value)| self.flag(section, key, value)),
        }
    }

    fn window(&mut self, name: &str, value: &Value) -> Result<(), Wrong> {
        let key = format!("windows.{name}");
        let Some((_, window, ..)) = WINDOWS.iter().find(|(known, ..)| *known == name) else {
            let remedy = suggestion(name, WINDOWS.iter().map(|(known, ..)| *known));
            return Err((key, "there is no such key".to_owned(), remedy));
        };
        let settings = &mut self.settings;
        let refused =
            || (key.clone(), format!("{} is out of range", short(value)), window.remedy());
        match window {
            Window::Timing(place) => {
                let numbers: Option<Vec<f64>> =
                    value.as_array().and_then(|list| list.iter().map(number).collect());
                let Some([window, raise, clear]) = numbers.as_deref() else {
                    return Err(refused());
                };
                if !keys::WINDOW_SECONDS.contains(window)
                    || ![raise, clear].iter().all(|hold| keys::HOLD_SECONDS.contains(*hold))
                {
                    return Err(refused());
                }
                let place = place(settings);
                (place.window, place.raise, place.clear) = (*window, *raise, *clear);
            }
            Window::Seconds(place, range) => {
                let seconds = number(value).filter(|value| range.contains(value));
                *place(settings) = seconds.ok_or_else(refused)?;
            }
            Window::Steps(place) => {
                let steps = value.as_integer().and_then(|value| u64::try_from(value).ok());
                let steps = steps.filter(|steps| (1..=1_000_000).contains(steps));
                *place(settings) = steps.ok_or_else(refused)?;
            }
        }
        Ok(())
    }

    fn rule(&mut self, code: &str, value: &Value) -> Result<(), Wrong> {
        let key = format!("rules.{code}");
        if !abouts().any(|about| about.code == code) {
            let remedy = suggestion(code, abouts().map(|about| about.code));
            return Err((key, "there is no such rule".to_owned(), remedy));
        }
        let Value::Table(table) = value else {
            let remedy = format!("write it as [rules.{code}] with thresholds below it");
            return Err((key, "it is no section".to_owned(), remedy));
        };
        for (name, value) in table {
            let key = format!("rules.{code}.{name}");
            let Some(threshold) = thresholds(code).find(|threshold| threshold.name == name) else {
                let remedy = suggestion(name, thresholds(code).map(|threshold| threshold.name));
                return Err((key, "there is no such threshold".to_owned(), remedy));
            };
            let (least, most, range) = threshold.range();
            let Some(value) = number(value).filter(|value| (least..=most).contains(value)) else {
                let problem = format!("{} is out of range", short(value));
                let remedy = format!("write {range}; the default is {}", threshold.default);
                return Err((key, problem, remedy));
            };
            self.settings.set(threshold, value);
        }
        Ok(())
    }

    fn flag(&mut self, section: &str, name: &str, value: &Value) -> Result<(), Wrong> {
        let key = format!("{section}.{name}");
        let of_section = || FLAGS.iter().filter(|flag| flag.section == section);
        let Some(flag) = of_section().find(|flag| flag.name == name) else {
            let remedy = suggestion(name, of_section().map(|flag| flag.name));
            return Err((key, "there is no such key".to_owned(), remedy));
        };
        let refused = || {
            (
                key.clone(),
                format!("{} is out of range", short(value)),
                format!("write {}", flag.range),
            )
        };
        let word = match value {
            Value::String(text) => text.clone(),
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => value.to_string(),
            _ => return Err(refused()),
        };
        if word == flag.default || (flag.is_default)(&word) {
            return Ok(());
        }
        if !(flag.allows)(&word) || Flag::kind(value) != flag.kind_of_default() {
            return Err(refused());
        }
        self.flags.push(Kept { verbs: flag.verbs, id: flag.id, value: word });
        Ok(())
    }
}

fn sections() -> impl Iterator<Item = &'static str> {
    let mut sections: Vec<&str> = FLAGS.iter().map(|flag| flag.section).collect();
    sections.dedup();
    sections.into_iter().chain(["windows", "rules"])
}

/// The thresholds of a rule, and of a cause that has its name.
fn thresholds(code: &str) -> impl Iterator<Item = &'static Threshold> {
    abouts().filter(move |about| about.code == code).flat_map(|about| about.thresholds).copied()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(*value as f64),
        Value::Float(value) => Some(*value).filter(|value| value.is_finite()),
        _ => None,
    }
}

/// A value in a message.
fn short(value: &Value) -> String {
    clip(&value.to_string())
}

/// Texts of a foreign file in a message: short, and without anything that a terminal obeys.
fn clip(text: &str) -> String {
    crate::model::text::clean(text.as_bytes(), 200).into_string()
}

/// "did you mean …", or all there are.
pub fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    const MOST_NAMED: usize = 40;
    let wrong: String = wrong.chars().take(64).collect();
    let known: Vec<&str> = known.collect();
    let distance =
        |name: &str| strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase());
    let near = known.iter().map(|name| (distance(name), *name)).min();
    match near {
        Some((edits, name)) if edits <= 3 && edits < name.len() => {
            format!("did you mean \"{name}\"?")
        }
        _ if known.is_empty() => "it has no keys".to_owned(),
        _ => {
            let named: Vec<&str> = known.iter().copied().take(MOST_NAMED).collect();
            format!("use one of {}", named.join(", "))
        }
    }
}
