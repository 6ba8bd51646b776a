//! What a session comes to, for whoever was not there. Pure: frames in, a report out, and the report
//! as text, Markdown, JSON or one page of HTML that needs nothing else.
//!
//! ```text
//!  Frame, Change ─► Gather ─► Report ─┬─► text, markdown, json
//!                                     └─► html (page/: style, script, uPlot)
//! ```

pub mod compare;
mod gather;
mod html;
mod judgement;
mod lanes;
mod markdown;
mod rows;
pub mod rules;
mod runs;
mod session;
mod text;
mod words;

pub use gather::Gather;
pub use html::html;
pub use judgement::{JudgedLimit, JudgedRun, Judgement, Outcome};
pub use lanes::{Lane, Line, Scale};
pub use markdown::markdown;
pub use session::{About, Gap, GpuPart, Mark, Report, RunPart};
pub use text::text;

/// The report as one JSON object. The plots are not in it: `mltop export` gives the numbers.
pub fn json(report: &Report) -> String {
    plain_json(report)
}

/// A value as one JSON object in lines, without a character that a terminal would obey.
fn plain_json(value: &impl serde::Serialize) -> String {
    use std::fmt::Write as _;
    // Strings and finite numbers only: turning them into text cannot fail.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len() + 1);
    for glyph in text.chars() {
        // JSON lets these stand as they are; a terminal would obey them.
        if glyph.is_control() && glyph != '\n' {
            let _ = write!(out, "\\u{:04x}", u32::from(glyph));
        } else {
            out.push(glyph);
        }
    }
    out.push('\n');
    out
}
