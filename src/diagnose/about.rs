//! What a rule says of itself: its sentences, its thresholds, and where they come from. Everything
//! that explains a rule reads this: the screen, `mltop explain`, the README's table, the configuration.

use crate::model::Area;

/// A rule or a cause, explained. It stands as `ABOUT` at the top of the rule's own file.
#[derive(Debug)]
pub struct About {
    /// The word that stands for it, as `STARVED`.
    pub code: &'static str,
    /// Where in the pipeline it looks.
    pub area: Area,
    /// One sentence: what it says.
    pub what: &'static str,
    /// When it is raised and when it is cleared, in words. `{name}` stands for the threshold of that
    /// name, as it is in force.
    pub when: &'static str,
    /// What to change, naming the knobs.
    pub remedy: &'static str,
    /// Where its thresholds come from; "a proposal" where nobody has published one.
    pub source: &'static str,
    /// What a configuration can set, as `[rules.STARVED] blocked = 0.2`.
    pub thresholds: &'static [&'static Threshold],
}

/// A number that a rule holds a measurement against.
#[derive(Debug)]
pub struct Threshold {
    /// The rule or the cause that it belongs to.
    pub code: &'static str,
    /// Its name in a configuration.
    pub name: &'static str,
    /// Its value where no configuration says otherwise, in `unit`.
    pub default: f64,
    /// One of [`UNITS`].
    pub unit: &'static str,
    /// What it means, in one sentence.
    pub what: &'static str,
}

/// The units of thresholds, with the least and the most that makes sense, and how that is said.
pub const UNITS: &[(&str, f64, f64, &str)] = &[
    ("share", 0.0, 1.0, "a share between 0 and 1"),
    ("seconds", 0.0, 1e7, "seconds, at least 0"),
    ("bytes", 0.0, 1e15, "bytes, at least 0"),
    ("bytes/s", 0.0, 1e15, "bytes a second, at least 0"),
    ("1/s", 0.0, 1e12, "times a second, at least 0"),
    ("times", 0.0, 1e6, "a factor, at least 0"),
    ("count", 0.0, 1e9, "a count, at least 0"),
    ("celsius", 0.0, 200.0, "degrees Celsius between 0 and 200"),
];

impl About {
    /// The `when` with the thresholds that `value` gives in the place of their names.
    pub fn when(&self, value: impl Fn(&'static Threshold) -> f64) -> String {
        let mut text = self.when.to_owned();
        for threshold in self.thresholds.iter().copied() {
            let name = format!("{{{}}}", threshold.name);
            if text.contains(&name) {
                text = text.replace(&name, &threshold.words(value(threshold)));
            }
        }
        text
    }
}

impl Threshold {
    /// The least and the most that it can be set to, and the same in words.
    pub fn range(&self) -> (f64, f64, &'static str) {
        let known = UNITS.iter().find(|(unit, ..)| *unit == self.unit);
        known.map_or((f64::MIN, f64::MAX, "a number"), |(_, least, most, words)| {
            (*least, *most, *words)
        })
    }

    /// A value of it with its unit: `10 %`, `512 MiB`, `30 min`, `3 ×`.
    pub fn words(&self, value: f64) -> String {
        /// At most three digits after the point, and no zeros at the end.
        fn plain(value: f64) -> String {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        match self.unit {
            "share" => format!("{} %", plain(value * 100.0)),
            "seconds" if value >= 120.0 => format!("{} min", plain(value / 60.0)),
            "seconds" => format!("{} s", plain(value)),
            "bytes" => super::words::size(value),
            "bytes/s" => super::words::rate(value),
            "1/s" => format!("{} a second", plain(value)),
            "times" => format!("{} times", plain(value)),
            "celsius" => format!("{} °C", plain(value)),
            _ => plain(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SHARE: Threshold =
        Threshold { code: "TEST", name: "share", default: 0.1, unit: "share", what: "A share." };
    static HELD: Threshold =
        Threshold { code: "TEST", name: "held", default: 600.0, unit: "seconds", what: "A time." };
    static ABOUT: About = About {
        code: "TEST",
        area: Area::Ingestion,
        what: "It tests.",
        when: "Above {share} for {held}; cleared below half of {share}.",
        remedy: "None.",
        source: "a proposal",
        thresholds: &[&SHARE, &HELD],
    };

    #[test]
    fn the_thresholds_in_force_stand_in_the_sentence() {
        assert_eq!(
            ABOUT.when(|threshold| threshold.default),
            "Above 10 % for 10 min; cleared below half of 10 %."
        );
        assert_eq!(
            ABOUT.when(|threshold| threshold.default / 8.0),
            "Above 1.25 % for 75 s; cleared below half of 1.25 %."
        );
    }
}
