//! The comparison for a terminal.

use std::fmt::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::spread::Interval;
use super::{Comparison, Figure, Side};
use crate::fmt::counted;
use crate::report::words::safe;

/// The comparison as text.
pub fn text(of: &Comparison) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = write(of, &mut out);
    out
}

fn write(of: &Comparison, out: &mut String) -> fmt::Result {
    for (name, side) in [("before", &of.before), ("after", &of.after)] {
        writeln!(out, "{name:<8}{}", told(side))?;
    }
    for doubt in &of.doubts {
        writeln!(out, "doubt   {}", safe(doubt))?;
    }
    writeln!(out)?;
    row(["", "before", "after", "change", ""], out)?;
    for figure in &of.figures {
        let show = |interval: Option<Interval>| {
            interval.map_or_else(|| crate::fmt::NONE.to_owned(), |one| ranged(figure, one, of))
        };
        let (before, after) = (show(figure.before), show(figure.after));
        row([title(figure), &before, &after, &change(figure), verdict(figure)], out)?;
    }
    writeln!(out, "\nBy {}.", of.method)
}

fn told(side: &Side) -> String {
    if side.run.is_empty() {
        return format!("{}  no training seen in it", safe(&side.file));
    }
    let known = |name: &str, version: &str| match version {
        "" => String::new(),
        version => format!(", {name} {}", safe(version)),
    };
    let software = known("Python", &side.python) + &known("PyTorch", &side.torch);
    format!(
        "{}  {}, {}, {}{software}, {}",
        safe(&side.file),
        safe(&side.run),
        counted(side.ranks, "rank"),
        safe(super::gpus(side)),
        counted(side.windows, "window")
    )
}

fn row(cells: [&str; 5], out: &mut String) -> fmt::Result {
    const WIDTHS: [usize; 5] = [24, 28, 28, 32, 0];
    let mut line = String::new();
    for (cell, width) in cells.into_iter().zip(WIDTHS) {
        // What is wider than its column must not run into the next one.
        let pad = width.saturating_sub(cell.width()).max(1);
        write!(line, "{cell}{:pad$}", "")?;
    }
    writeln!(out, "{}", line.trim_end())
}

fn title(figure: &Figure) -> &'static str {
    match figure.name {
        "step_seconds" => "step",
        "steps_per_second" => "steps a second",
        "blocked_ratio" => "blocked",
        "gpu_utilization_ratio" => "GPU utilization",
        "cost_of_1000_steps" => "cost of 1000 steps",
        _ => "GPU-seconds, 1000 steps",
    }
}

fn is_share(figure: &Figure) -> bool {
    figure.name.ends_with("_ratio")
}

fn ranged(figure: &Figure, one: Interval, of: &Comparison) -> String {
    let show = |value: f64| match figure.name {
        "step_seconds" => crate::fmt::seconds(value).trim().to_owned(),
        "blocked_ratio" | "gpu_utilization_ratio" => {
            crate::fmt::fine_percent(value.clamp(0.0, 1.0)).trim().to_owned()
        }
        _ if of.price_per_gpu_hour.is_some() && figure.name.starts_with("cost") => {
            format!("{value:.4}")
        }
        _ => significant(value),
    };
    format!("{} ({} to {})", show(one.value), show(one.low), show(one.high))
}

/// Four significant digits.
fn significant(value: f64) -> String {
    let before_point = if value == 0.0 { 3.0 } else { value.abs().log10().floor() };
    let behind = (3.0 - before_point).clamp(0.0, 9.0) as usize;
    format!("{value:.behind$}")
}

/// The change of a share in points, of anything else in percent of what was before.
fn change(figure: &Figure) -> String {
    let Some((by, before)) = figure.difference.zip(figure.before) else {
        return crate::fmt::NONE.to_owned();
    };
    if !is_share(figure) && before.value <= 0.0 {
        return crate::fmt::NONE.to_owned();
    }
    let (scale, unit) =
        if is_share(figure) { (100.0, "points") } else { (100.0 / before.value, "%") };
    let [value, low, high] = [by.value, by.low, by.high].map(|value| value * scale);
    format!("{value:+.1} {unit} ({low:+.1} to {high:+.1})")
}

fn verdict(figure: &Figure) -> &'static str {
    let better = figure.difference.is_some_and(|by| (by.value < 0.0) == figure.less_is_better);
    match figure.more_than_noise {
        None => "too little to tell",
        Some(false) => "within noise",
        Some(true) if better => "better",
        Some(true) => "worse",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_four_significant_digits_and_no_more() {
        let shown = [0.0, 0.001_234_56, 14.387, 141.54, 98_765.4].map(significant);
        assert_eq!(shown, ["0", "0.001235", "14.39", "141.5", "98765"]);
    }

    #[test]
    fn a_cell_that_is_wider_than_its_column_does_not_run_into_the_next() {
        let mut out = String::new();
        let wide = "1.234 (0.000 to 1234.567), and more";
        assert!(row(["step", wide, "after", "", ""], &mut out).is_ok());
        assert!(out.contains(&format!("{wide} after")), "{out}");
    }
}
