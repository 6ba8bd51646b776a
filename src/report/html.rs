//! The report as one page that needs nothing else: no network, and nothing runs in it that was not
//! put there by this program. Names and notes are others' words, and stay words.

use std::fmt::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::diagnose::audit::{Audit, Grade, cost};
use crate::history::Bucket;
use crate::model::Finding;
use crate::model::text::Escaped;

use super::lanes::{Lane, Line, Scale};
use super::session::Report;
use super::words::{self, safe};

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const UPLOT_STYLE: &str = include_str!("page/uplot.min.css");
const UPLOT_SCRIPT: &str = include_str!("page/uplot.min.js");
const UPLOT_LICENSE: &str = include_str!("page/uplot-LICENSE");

/// The report as a page.
pub fn html(report: &Report) -> String {
    let mut out = String::with_capacity(256 << 10);
    // Writing into a string does not fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> fmt::Result {
    let title = format!("mltop: {}", safe(&report.about.file));
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">", policy())?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<title>{}</title>", Escaped(&title))?;
    writeln!(out, "<!-- uPlot: {} -->", Escaped(UPLOT_LICENSE.trim()))?;
    writeln!(out, "<style>{UPLOT_STYLE}</style>\n<style>{STYLE}</style>\n</head>\n<body>")?;
    writeln!(out, "<h1>{}</h1>", Escaped(&title))?;
    if report.gpus.iter().any(|gpu| gpu.simulated) {
        writeln!(
            out,
            "<p class=\"simulated\">SIMULATED GPU: its figures are made by a simulation.</p>"
        )?;
    }
    list(words::about(report).into_iter().skip(1), out)?;
    audit(&report.audit, out)?;
    findings(report, out)?;
    writeln!(
        out,
        "<h2>Lanes</h2>\n<div class=\"bar\"><button id=\"reset\">Whole session</button>"
    )?;
    writeln!(out, "<output id=\"at\"></output>")?;
    writeln!(out, "<span class=\"dim\">drag to zoom, double click or Esc to see all</span></div>")?;
    writeln!(out, "<div id=\"lanes\"></div>")?;
    runs(report, out)?;
    rest(report, out)?;
    let data = serde_json::to_string(&data(report)).unwrap_or_default().replace('<', "\\u003c");
    writeln!(out, "<script type=\"application/json\" id=\"data\">{data}</script>")?;
    writeln!(out, "<script>{UPLOT_SCRIPT}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>")
}

/// Only what is on the page itself runs or colours, by its hash; nothing is fetched or sent.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {} {}; style-src {} {}; base-uri 'none'; form-action 'none'",
        hash(UPLOT_SCRIPT),
        hash(SCRIPT),
        hash(UPLOT_STYLE),
        hash(STYLE)
    )
}

fn audit(audit: &Audit, out: &mut String) -> fmt::Result {
    writeln!(out, "<h2>Audit</h2>\n<p><strong>{}</strong></p>", Escaped(&safe(&audit.summary())))?;
    write!(out, "<div class=\"scroll\"><table id=\"audit\"><thead><tr>")?;
    for heading in words::AREA_HEADINGS {
        write!(out, "<th>{heading}</th>")?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for part in &audit.areas {
        let [grade, area, found, lost, seen] = &words::area(part)[..] else { continue };
        let class =
            part.grade.map_or_else(|| "none".to_owned(), |grade| grade.letter().to_string());
        write!(out, "<tr><td class=\"grade {class}\">{grade}</td>")?;
        for cell in [area, found, lost] {
            write!(out, "<td>{}</td>", Escaped(cell))?;
        }
        writeln!(out, "<td class=\"wide\">{}</td></tr>", Escaped(seen))?;
    }
    writeln!(out, "</tbody></table></div>\n<p class=\"dim\">{}</p>", Escaped(Grade::RULE))?;
    if audit.changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h3>Worth most</h3>\n<ol>")?;
    for worth in &audit.changes {
        writeln!(out, "<li>{}</li>", Escaped(&words::change(worth)))?;
    }
    writeln!(out, "</ol>")
}

fn findings(report: &Report, out: &mut String) -> fmt::Result {
    writeln!(out, "<h2>Findings</h2>")?;
    if report.findings.is_empty() {
        return writeln!(out, "<p>None.</p>");
    }
    writeln!(out, "<div class=\"scroll\"><table id=\"findings\"><thead><tr>")?;
    for heading in ["severity", "finding", "when (UTC)", "what, why, and what to change"] {
        write!(out, "<th>{heading}</th>")?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for finding in &report.findings {
        self::finding(finding, report, out)?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn finding(finding: &Finding, report: &Report, out: &mut String) -> fmt::Result {
    let severity = finding.severity.code();
    let (from, to) = (finding.start_ms, finding.end_ms.unwrap_or(report.to_ms));
    write!(out, "<tr><td class=\"severity {severity}\">{severity}</td><td>")?;
    write!(out, "{}</td><td>", Escaped(&words::rule(finding)))?;
    write!(out, "<button class=\"link\" data-from=\"{from}\" data-to=\"{to}\">")?;
    write!(out, "{}</button></td><td class=\"wide\">", Escaped(&words::when(finding, report)))?;
    write!(out, "<strong>{}</strong>", Escaped(&safe(&finding.title)))?;
    for sentence in [&finding.advice, &finding.gain, &cost(finding)] {
        if !sentence.is_empty() {
            write!(out, "<p>{}</p>", Escaped(&safe(sentence)))?;
        }
    }
    items(finding.evidence.iter().map(|evidence| safe(&evidence.text)), out)?;
    writeln!(out, "</td></tr>")
}

fn runs(report: &Report, out: &mut String) -> fmt::Result {
    writeln!(out, "<h2>Runs</h2>")?;
    if report.runs.is_empty() {
        return writeln!(out, "<p>No training was seen.</p>");
    }
    table(&words::RUN_HEADINGS, report.runs.iter().map(words::run), out)?;
    for part in &report.runs {
        writeln!(out, "<h3>{}</h3>", Escaped(&safe(&part.name)))?;
        list(words::environment(part), out)?;
    }
    Ok(())
}

fn rest(report: &Report, out: &mut String) -> fmt::Result {
    if !report.gpus.is_empty() {
        writeln!(out, "<h2>GPUs</h2>")?;
        table(&words::GPU_HEADINGS, report.gpus.iter().map(words::gpu), out)?;
    }
    if !report.marks.is_empty() {
        writeln!(out, "<h2>Marks</h2>")?;
        let mark = |mark: &super::Mark| {
            format!("{} {}", words::clock(mark.at_ms, report), safe(&mark.note))
        };
        items(report.marks.iter().map(mark), out)?;
    }
    if !report.gaps.is_empty() {
        writeln!(out, "<h2>Gaps</h2>")?;
        items(report.gaps.iter().map(|gap| words::gap(gap, report)), out)?;
    }
    Ok(())
}

fn list<'a>(rows: impl IntoIterator<Item = (&'a str, String)>, out: &mut String) -> fmt::Result {
    writeln!(out, "<dl>")?;
    for (name, value) in rows {
        writeln!(out, "<dt>{}</dt><dd>{}</dd>", Escaped(name), Escaped(&value))?;
    }
    writeln!(out, "</dl>")
}

fn items(rows: impl Iterator<Item = String>, out: &mut String) -> fmt::Result {
    writeln!(out, "<ul>")?;
    for row in rows {
        writeln!(out, "<li>{}</li>", Escaped(&row))?;
    }
    writeln!(out, "</ul>")
}

fn table(
    headings: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    out: &mut String,
) -> fmt::Result {
    write!(out, "<div class=\"scroll\"><table><thead><tr>")?;
    for heading in headings {
        write!(out, "<th>{}</th>", Escaped(heading))?;
    }
    write!(out, "</tr></thead><tbody>")?;
    for row in rows {
        write!(out, "<tr>")?;
        for cell in row {
            write!(out, "<td>{}</td>", Escaped(&cell))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div>")
}

/// What the script draws.
fn data(report: &Report) -> Value {
    let from = report.from_ms;
    let findings = report.findings.iter().map(|finding| {
        json!({
            "from": finding.start_ms,
            "to": finding.end_ms.unwrap_or(report.to_ms),
            "severity": finding.severity.code(),
        })
    });
    let gaps = report.gaps.iter().map(|gap| json!({ "from": gap.from_ms, "to": gap.to_ms }));
    let marks = report.marks.iter().map(|mark| json!({ "at": mark.at_ms }));
    json!({
        "from": from,
        "to": report.to_ms,
        "times": report.times_ms.iter().map(|at| at - from).collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "gaps": gaps.collect::<Vec<_>>(),
        "marks": marks.collect::<Vec<_>>(),
        "lanes": report.lanes.iter().map(lane).collect::<Vec<_>>(),
    })
}

fn lane(lane: &Lane) -> Value {
    let scale = match lane.scale {
        Scale::Share => "share",
        Scale::Rate => "rate",
        Scale::Number => "number",
    };
    let lines: Vec<Value> = lane.lines.iter().map(|one| line(one, lane.scale)).collect();
    json!({ "title": lane.title, "scale": scale, "lines": lines })
}

fn line(line: &Line, scale: Scale) -> Value {
    let column = |part: fn(&Bucket) -> f32| -> Vec<Value> {
        line.points.iter().map(|point| number(point.as_ref().map(part), scale)).collect()
    };
    let mut value = json!({ "label": safe(&line.label), "mean": column(|bucket| bucket.mean) });
    if line.range {
        value["min"] = column(|bucket| bucket.min).into();
        value["max"] = column(|bucket| bucket.max).into();
    }
    if line.faint {
        value["faint"] = true.into();
    }
    if line.limit {
        value["limit"] = true.into();
    }
    value
}

/// A number with the digits that can be seen; null where there is none.
fn number(value: Option<f32>, scale: Scale) -> Value {
    let Some(value) = value.filter(|value| value.is_finite()) else { return Value::Null };
    let digits = match scale {
        Scale::Share => 1e3,
        Scale::Rate => return json!((f64::from(value)).round() as i64),
        Scale::Number => 1e2,
    };
    let rounded = (f64::from(value) * digits).round() / digits;
    // A whole number needs no point.
    if rounded.fract() == 0.0 { json!(rounded as i64) } else { json!(rounded) }
}
