//! The postmortem: what it says, that it is safe to open, and that its page works in a browser.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/chromium.rs"]
mod chromium;
#[path = "common/sessions.rs"]
mod sessions;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use chromium::Chromium;
use sessions::{Made, START_UNIX_MS};

const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u{1b}[31m";

fn mltop(arguments: &[&str], file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mltop"))
        .arg(arguments[0])
        .arg(file)
        .args(&arguments[1..])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn hostile(folder: &Path) -> PathBuf {
    let made = Made {
        name: HOSTILE.to_owned(),
        torch: HOSTILE.to_owned(),
        gap: 60..75,
        mark: Some((100, HOSTILE.to_owned())),
        ..Made::default()
    };
    made.write(folder, "hostile.mltop.jsonl.zst")
}

#[test]
fn it_tells_findings_with_evidence_runs_gaps_and_marks() {
    let folder = tempfile::tempdir().unwrap();
    let made = Made { gap: 60..75, mark: Some((100, "new data".to_owned())), ..Made::default() };
    let file = made.write(folder.path(), "a.mltop.jsonl.zst");
    let report: Value = serde_json::from_str(&mltop(&["report", "--json"], &file)).unwrap();
    assert_eq!(report["ticks"], 285);
    assert_eq!(report["host"]["name"], "gpu-box-7");
    assert_eq!(report["gpus"].as_array().unwrap().len(), 2);
    assert_eq!(report["gpus"][0]["driver"], "570.86");
    let run = &report["runs"][0];
    assert_eq!(run["name"], "train.py");
    assert_eq!(run["gpus"], serde_json::json!([0, 1]));
    // Both ranks run the same, so it is told once.
    assert_eq!(run["software"].as_array().unwrap().len(), 1);
    assert_eq!(run["software"][0]["torch"], "2.9.1+cu128");
    let finding = &report["findings"][0];
    assert_eq!(finding["rule"], "STARVED");
    assert!(!finding["evidence"].as_array().unwrap().is_empty());
    let start = (finding["start_ms"].as_i64().unwrap() - START_UNIX_MS) / 1000;
    assert!((110..135).contains(&start), "{start}");
    let gap = &report["gaps"][0];
    assert_eq!(gap["from_ms"], START_UNIX_MS + 59_000);
    assert_eq!(gap["to_ms"], START_UNIX_MS + 75_000);
    assert_eq!(report["marks"][0]["note"], "new data");
    for form in ["--md", "--html"] {
        let text = mltop(&["report", form], &file);
        for word in ["STARVED", "train.py", "gpu-box-7", "new data", "570.86", "2.9.1+cu128"] {
            assert!(text.contains(word), "{form}: no {word}");
        }
    }
    let text = mltop(&["report"], &file);
    assert!(text.contains("14:00:59 to 14:01:15") && text.contains("new data"), "{text}");
    assert!(text.contains("2.9.1+cu128 (version.py of the package that it maps)"), "{text}");
    assert!(text.contains("Training took "), "what the time went into: {text}");
}

#[test]
fn a_part_of_a_session_is_reported_with_what_began_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = Made::default().write(folder.path(), "a.mltop.jsonl.zst");
    let part = ["report", "--json", "--since", "150", "--until", "170"];
    let report: Value = serde_json::from_str(&mltop(&part, &file)).unwrap();
    assert_eq!(report["ticks"], 21);
    assert_eq!(report["findings"][0]["rule"], "STARVED");
    let healthy = ["report", "--json", "--until", "60"];
    let report: Value = serde_json::from_str(&mltop(&healthy, &file)).unwrap();
    assert_eq!(report["findings"], serde_json::json!([]));
}

#[test]
fn names_and_notes_of_others_stay_words_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let file = hostile(folder.path());
    let page = mltop(&["report", "--html"], &file);
    assert!(!page.contains("<img") && !page.contains("<script>alert"));
    for form in [&["report"] as &[&str], &["report", "--md"], &["report", "--html"]] {
        assert!(!mltop(form, &file).contains('\u{1b}'));
    }
    let markdown = mltop(&["report", "--md"], &file);
    assert!(!markdown.contains("<img") && !markdown.contains("<script"), "{markdown}");
}

#[test]
fn an_hour_of_eight_gpus_is_a_page_below_a_megabyte() {
    let folder = tempfile::tempdir().unwrap();
    let made = Made { ticks: 3600, gpus: 8, starved: 1200..2400, ..Made::default() };
    let file = made.write(folder.path(), "hour.mltop.jsonl.zst");
    let page = mltop(&["report", "--html"], &file);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

/// Where the plot `at` lies within the window.
fn place(browser: &mut Chromium, at: usize, across: f64) -> (f64, f64) {
    let asked = format!(
        "(() => {{ const over = document.querySelectorAll('.u-over')[{at}]; \
         over.scrollIntoView({{ block: 'center' }}); const box = over.getBoundingClientRect(); \
         return [box.left + box.width * {across}, box.top + box.height / 2]; }})()"
    );
    let place = browser.value(&asked);
    (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
}

const SPAN: &str = "window.mltop.plots.map((plot) => plot.scales.x.max - plot.scales.x.min)";

#[test]
fn its_page_works_in_a_real_browser_in_the_dark_and_in_the_light() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    fs::write(&page, mltop(&["report", "--html"], &hostile(folder.path()))).unwrap();
    let mut pictures = Vec::new();
    for scheme in ["light", "dark"] {
        browser.open(&page, scheme);
        browser.wait_for("window.mltop !== undefined && window.mltop.plots.length >= 7");
        // Every plot has been painted: its canvas is not of one colour.
        browser.wait_for(
            "[...document.querySelectorAll('canvas')].every((canvas) => { const { width, height } = \
             canvas; const data = canvas.getContext('2d').getImageData(0, 0, width, height).data; \
             return new Set(new Uint32Array(data.buffer)).size > 4; })",
        );
        pictures.push(browser.picture());
    }
    assert_ne!(pictures[0], pictures[1], "light and dark look alike");
    hover(&mut browser);
    zoom(&mut browser);
    // A click on a finding goes to it.
    browser.value("document.querySelector('#findings button').click()");
    browser
        .wait_for("window.mltop.plots[0].scales.x.max - window.mltop.plots[0].scales.x.min < 250");
    browser.wait_for("!document.getElementById('reset').disabled");
    // The gap is null in every line, never bridged.
    let bridged = browser.value(
        "(() => { const plot = window.mltop.plots[0]; const at = plot.data[0].findIndex((x) => \
         x - plot.data[0][0] > 59.0005); return plot.data.slice(1).some((line) => line[at] != null); })()",
    );
    assert_eq!(bridged, false);
    assert_eq!(browser.said, Vec::<String>::new());
}

/// One cursor over all lanes, and values in their legends.
fn hover(browser: &mut Chromium) {
    let at = place(browser, 2, 0.5);
    browser.mouse("mouseMoved", at, 0);
    browser.wait_for("window.mltop.plots.every((plot) => plot.cursor.idx > 10)");
    browser.wait_for(
        "[...document.querySelectorAll('.u-legend')].every((legend) => \
         [...legend.querySelectorAll('.u-value')].some((value) => /[0-9]/.test(value.textContent)))",
    );
    browser.wait_for("/^14:0[0-9]:[0-9]{2} UTC$/.test(document.getElementById('at').textContent)");
}

/// A drag zooms all lanes, a double click shows the whole session again.
fn zoom(browser: &mut Chromium) {
    let whole = browser.value(SPAN);
    let (from, to) = (place(browser, 1, 0.25), place(browser, 1, 0.5));
    browser.mouse("mouseMoved", from, 0);
    browser.mouse("mousePressed", from, 1);
    for step in 1..=4 {
        let x = from.0 + (to.0 - from.0) * f64::from(step) / 4.0;
        browser.mouse("mouseMoved", (x, from.1), 1);
    }
    browser.mouse("mouseReleased", to, 1);
    browser.wait_for(&format!("{SPAN}.every((span) => span > 60 && span < 90)"));
    for clicks in [1, 2] {
        browser.mouse("mousePressed", to, clicks);
        browser.mouse("mouseReleased", to, clicks);
    }
    browser.wait_for(&format!("JSON.stringify({SPAN}) === '{whole}'"));
}

#[test]
fn a_session_of_more_than_a_day_has_the_day_on_its_time_axis() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = Made { ticks: 90_000, gap: 100..89_900, ..Made::default() };
    let file = made.write(folder.path(), "days.mltop.jsonl.zst");
    let page = folder.path().join("page.html");
    fs::write(&page, mltop(&["report", "--html"], &file)).unwrap();
    browser.open(&page, "light");
    browser.wait_for("window.mltop !== undefined && window.mltop.plots.length >= 7");
    let labels = "const labels = window.mltop.plots[0].axes[0]._values; return labels.length > 1 && \
                  labels.every((label) => /^11-2[23] [0-9]{2}:[0-9]{2}:[0-9]{2}$/.test(label));";
    browser.wait_for(&format!("(() => {{ {labels} }})()"));
    browser.wait_for(
        "document.getElementById('at').textContent.startsWith('11-22 14:00:00 to 11-23')",
    );
    assert_eq!(browser.said, Vec::<String>::new());
}

#[test]
#[ignore = "writes sessions to look at, into the folder that MLTOP_SESSIONS names"]
fn write_sessions_to_look_at() {
    let folder = PathBuf::from(std::env::var_os("MLTOP_SESSIONS").unwrap());
    let hour = Made {
        ticks: 3600,
        gpus: 8,
        starved: 1200..2400,
        gap: 600..700,
        mark: Some((1500, "moved to NVMe".to_owned())),
        ..Made::default()
    };
    hour.write(&folder, "hour.mltop.jsonl.zst");
    hostile(&folder);
}
