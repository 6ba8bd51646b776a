//! A configuration file with all keys, each with what it means.

use std::fmt::{self, Write};

use super::keys::{FLAGS, WINDOWS};
use super::{Config, abouts, thresholds};

/// The whole file: what is at its default is commented out, so that a later version's default is not
/// held back by it.
pub fn text(config: &Config) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = write(config, &mut out);
    out
}

fn write(config: &Config, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "# mltop: flags go before the environment, that before this file, and this before"
    )?;
    writeln!(out, "# the defaults. What stands here commented out is the default.")?;
    let mut section = "";
    for flag in FLAGS {
        if flag.section != section {
            section = flag.section;
            writeln!(out, "\n[{section}]")?;
        }
        let of_flag = |kept: &&super::Kept| kept.id == flag.id && kept.verbs == flag.verbs;
        let kept = config.flags.iter().find(of_flag).map(|kept| kept.value.as_str());
        let value = kept.unwrap_or(flag.default);
        let value =
            if flag.quoted { toml::Value::from(value).to_string() } else { value.to_owned() };
        line(out, flag.what, flag.name, &value, kept.is_none())?;
    }
    writeln!(out, "\n# In seconds, over which findings are looked for.\n[windows]")?;
    let defaults = Config::default().settings;
    for (name, window, what) in WINDOWS {
        let value = window.value(&config.settings);
        let default = value == window.value(&defaults);
        line(out, what, name, &value, default)?;
    }
    let mut codes: Vec<&str> = abouts().map(|about| about.code).collect();
    let mut seen = std::collections::BTreeSet::new();
    codes.retain(|code| seen.insert(*code) && thresholds(code).next().is_some());
    for code in codes {
        writeln!(out, "\n[rules.{code}]")?;
        for threshold in thresholds(code) {
            let value = config.settings.of(threshold);
            let what = format!("{} ({})", threshold.what, threshold.unit);
            let default = value.to_bits() == threshold.default.to_bits();
            line(out, &what, threshold.name, &value.to_string(), default)?;
        }
    }
    Ok(())
}

fn line(out: &mut String, what: &str, name: &str, value: &str, default: bool) -> fmt::Result {
    let mark = if default { "#" } else { "" };
    writeln!(out, "# {what}\n{mark}{name} = {value}")
}
