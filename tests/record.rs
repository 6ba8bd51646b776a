//! The session's lines: what is written is read again, and what is damaged is never a number.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/arbitrary.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod arbitrary;
#[path = "record/damage.rs"]
mod damage;
#[path = "common/golden.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod golden;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::{Dice, any_sample, difference, session};
use mltop::model::finding::{EventKind, Evidence};
use mltop::model::inventory::HostInfo;
use mltop::model::{Event, Frame, Gap, GpuId, Reading, Sample, Severity, Stamp};
use mltop::record::line::VERSION;
use mltop::record::read::{open, read};
use mltop::record::{Damage, Decoder, Encoder, Item, ReadError, Session, SessionInfo, Tape};
use proptest::prelude::*;

fn info(session: &str) -> SessionInfo {
    let host = HostInfo { name: "box".into(), ..HostInfo::default() };
    SessionInfo::new(session, host, 1000, Stamp { unix_ms: 1_760_000_000_000, mono_ms: 50_000 })
}

fn event(id: u64) -> Event {
    Event {
        id,
        kind: EventKind::Mark,
        t_ms: 1_760_000_002_500,
        rule: None,
        cause: None,
        severity: None,
        run: None,
        pid: None,
        start_ms: 1_760_000_002_500,
        end_ms: None,
        title: "a \"mark\" of the user\u{1b}".to_owned(),
        evidence: Vec::new(),
        advice: String::new(),
        gain: String::new(),
        cost: None,
    }
}

/// A whole session as text.
fn text(samples: &[Arc<Sample>]) -> String {
    let mut out = String::new();
    let mut encoder = Encoder::new(info("s1"));
    encoder.head(&mut out);
    for (at, sample) in samples.iter().enumerate() {
        encoder.tick(sample, None, &mut out);
        if at == 2 {
            encoder.event(&event(1), &mut out);
        }
    }
    encoder.end(1_760_000_100_000, "stopped by the user", &mut out);
    assert_eq!(encoder.skipped(), 0);
    out
}

fn loaded(bytes: &[u8]) -> Result<Session, ReadError> {
    read("test", bytes)
}

/// A line with a checksum that fits, whatever stands in it.
fn sealed(line: &str) -> String {
    format!("{line},\"c\":\"{:08x}\"}}\n", crc32fast::hash(line.as_bytes()))
}

/// Every line of `text`, changed by `change` where it is of kind `kind`, and sealed again.
fn changed(text: &str, kind: &str, change: impl Fn(&str) -> String) -> String {
    let wanted = format!("{{\"k\":\"{kind}\"");
    text.lines()
        .map(|line| {
            let body = &line[..line.len() - 16];
            if body.starts_with(&wanted) { sealed(&change(body)) } else { format!("{line}\n") }
        })
        .collect()
}

#[test]
fn an_event_with_words_of_a_later_version_is_kept_and_is_no_damage() {
    let mut out = String::new();
    let mut encoder = Encoder::new(info("s1"));
    encoder.head(&mut out);
    encoder.tick(&Arc::default(), None, &mut out);
    let of_now = Event { severity: Some(Severity::High), rule: Some("STARVED".into()), ..event(1) };
    encoder.event(&of_now, &mut out);
    let later = changed(&out, "event", |line| {
        line.replace("\"high\"", "\"apocalyptic\"").replace("STARVED", "HAUNTED")
    });
    assert!(later.contains("apocalyptic") && later.contains("HAUNTED"), "{later}");
    let session = loaded(later.as_bytes()).unwrap();
    assert_eq!(session.health.lines_damaged, 0);
    let read = &session.events[0];
    assert_eq!((read.severity, read.rule.as_deref()), (None, Some("HAUNTED")));
    assert_eq!(read.title, of_now.title);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_tick_is_written_the_same_whatever_stood_before_it(seed in any::<u64>()) {
        let mut samples = session(seed, 5);
        let dice = &mut Dice::new(seed);
        for at in 1..samples.len() {
            let (earlier, later) = samples.split_at_mut(at);
            arbitrary::linger(Arc::make_mut(&mut later[0]), &earlier[at - 1], dice);
        }
        let mut behind = Encoder::new(info("s"));
        for sample in &samples {
            let mut lines = [String::new(), String::new()];
            behind.tick(sample, None, &mut lines[0]);
            Encoder::new(info("s")).tick(sample, None, &mut lines[1]);
            let [behind, alone] = lines.each_ref().map(|text| text.lines().last());
            prop_assert_eq!(behind, alone);
        }
    }

    #[test]
    fn a_sample_is_read_as_it_was_written_with_the_reason_for_every_gap(sample in any_sample()) {
        let mut out = String::new();
        Encoder::new(info("s")).tick(&sample, None, &mut out);
        let mut decoder = Decoder::new();
        let items: Vec<_> =
            out.lines().filter_map(|line| decoder.line(line.as_bytes()).unwrap()).collect();
        let [Item::Sample(read)] = &items[..] else { panic!("one tick is one sample") };
        prop_assert_eq!(difference(&sample, read), None);

        let mut again = String::new();
        Encoder::new(info("s")).tick(read, None, &mut again);
        prop_assert_eq!(again, out, "what was read is written in the same bytes");
    }

    #[test]
    fn names_follow_the_processes_that_come_change_and_go(seed in any::<u64>()) {
        let samples = session(seed, 25);
        let read = loaded(text(&samples).as_bytes()).unwrap();
        prop_assert_eq!(read.ticks(), samples.len());
        for (written, read) in samples.iter().zip(read.samples()) {
            prop_assert_eq!(difference(written, &read), None);
        }
        prop_assert!(read.health.is_whole());
    }

    #[test]
    fn no_line_of_any_bytes_makes_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = Decoder::new();
        let _ = decoder.line(&body);
        for kind in ["tick", "key", "proc", "head", "event", "end", "roll"] {
            let line = format!("{{\"k\":\"{kind}\",{}", String::from_utf8_lossy(&body));
            let _ = decoder.line(sealed(&line).as_bytes());
        }
        let _ = loaded(&body);
    }

    #[test]
    fn a_tick_spoiled_by_its_writer_is_refused_or_read_and_never_a_panic(seed in any::<u64>(), at in 0..400_usize, with in "[0-9\\[\\]{}\",:nul.e-]{1,6}") {
        let samples = session(seed, 1);
        let spoiled = changed(&text(&samples), "tick", |body| {
            let at = (0..=at.min(body.len() - 20) + 12).rev().find(|&at| body.is_char_boundary(at)).unwrap();
            format!("{}{with}{}", &body[..at], &body[at..])
        });
        let _ = loaded(spoiled.as_bytes());
    }
}

#[test]
fn columns_sections_and_kinds_of_a_later_version_are_ignored() {
    let samples = session(19, 3);
    let later = changed(&text(&samples), "tick", |line| {
        line.replacen(
            "\"host\":{",
            "\"quantum\":{\"qubit\":[1,{\"x\":[]}]},\"host\":{\"entanglement_ratio\":0.5,",
            1,
        )
    });
    let later = later + &sealed("{\"k\":\"roll\",\"x\":1");
    let read = loaded(later.as_bytes()).unwrap();
    for (written, read) in samples.iter().zip(read.samples()) {
        assert_eq!(difference(written, &read), None);
    }
    assert!(read.health.is_whole());
}

#[test]
fn a_column_that_the_writer_did_not_know_is_not_supported() {
    let line = sealed(
        r#"{"k":"tick","seq":1,"t_ms":2,"mono_ms":3,"dur_us":4,"host":{"load1":0.5},"gpus":{"gpu":[5]}"#,
    );
    let Ok(Some(Item::Sample(sample))) = Decoder::new().line(line.as_bytes()) else {
        panic!("a tick before any key line is readable")
    };
    assert_eq!(sample.host.load1, Reading::Is(0.5));
    assert_eq!(sample.host.runnable, Reading::Not(Gap::Unsupported));
    assert_eq!(sample.gpus[0].power_watts, Reading::Not(Gap::Unsupported));
    assert_eq!(sample.gpus[0].gpu, GpuId(5));
    assert!(sample.inventory.gpus.is_empty());
}

#[test]
fn a_session_for_a_newer_reader_is_refused_and_both_versions_are_named() {
    let newer = |kind| {
        let change = |line: &str| line.replace("\"min_reader_v\":1", "\"min_reader_v\":42");
        changed(&text(&session(23, 2)), kind, change)
    };
    for text in [newer("head"), newer("key")] {
        let error = loaded(text.as_bytes()).unwrap_err();
        assert!(matches!(error, ReadError::Newer { needs: 42, .. }));
        let words = error.to_string();
        assert!(words.contains("version 42") && words.contains(&format!("version {VERSION}")));
    }
    let mut decoder = Decoder::new();
    let mut damaged =
        newer("head").lines().map(|line| decoder.line(line.as_bytes())).collect::<Vec<_>>();
    damaged.dedup();
    assert_eq!(damaged, [Err(Damage::Newer { needs: 42 })], "no line after it is taken either");
}

#[test]
fn a_moment_gives_the_tick_at_or_before_it_and_the_one_before_that() {
    let samples = session(29, 35);
    let read = loaded(text(&samples).as_bytes()).unwrap();
    let (first, last) = read.span();
    assert_eq!((first, last), (samples[0].stamp, samples[34].stamp));
    assert!(read.at(first.unix_ms - 1).is_none());
    let (before, sample) = read.at(first.unix_ms).unwrap();
    assert!(before.is_none() && sample.seq == 0);
    for at in 1..35 {
        let (before, sample) = read.at(samples[at].stamp.unix_ms + 999).unwrap();
        assert_eq!(difference(&samples[at], &sample), None);
        assert_eq!(difference(&samples[at - 1], &before.unwrap()), None);
    }
    assert_eq!(read.at(i64::MAX).unwrap().1.seq, 34);
    assert_eq!(read.events, [event(1)]);
    assert_eq!(read.end.unwrap().reason, "stopped by the user");
    assert_eq!(read.head.as_deref(), Some(&info("s1")));
}

#[test]
fn a_tick_out_of_its_order_is_dropped_and_a_second_session_is_refused() {
    let samples = session(31, 3);
    let whole = text(&samples);
    let ticks: Vec<&str> =
        whole.lines().filter(|line| line.starts_with("{\"k\":\"tick\"")).collect();
    let read = loaded(format!("{whole}{}\n", ticks[0]).as_bytes()).unwrap();
    assert_eq!((read.ticks(), read.health.lines_damaged), (3, 1));
    assert_eq!(read.health.first_damage_ms, Some(samples[2].stamp.unix_ms));

    let mut other = String::new();
    Encoder::new(info("s2")).head(&mut other);
    let lines = whole.lines().count() as u64;
    let error = loaded(format!("{whole}{other}").as_bytes()).unwrap_err();
    assert!(matches!(error, ReadError::SecondSession { line, .. } if line == lines + 1));
}

#[test]
fn a_packed_recording_is_the_same_session_as_the_plain_one() {
    let samples = session(37, 25);
    let text = text(&samples);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mltop.jsonl.zst");
    std::fs::write(&path, zstd::bulk::compress(text.as_bytes(), 3).unwrap()).unwrap();
    let read = open(&path).unwrap();
    assert!(read.health.is_whole());
    for (written, read) in samples.iter().zip(read.samples()) {
        assert_eq!(difference(written, &read), None);
    }
}

#[test]
fn figures_that_follow_from_two_ticks_stand_beside_them_and_are_not_read_back() {
    let sample = session(41, 1).remove(0);
    let mut frame = Frame { span_seconds: Some(1.0), ..Frame::default() };
    frame.host.cpu_ratio = Reading::Is(0.25);
    frame.host.cpu_iowait_ratio = Reading::Not(Gap::Unsupported);
    let mut out = String::new();
    Encoder::new(info("s")).tick(&sample, Some(&frame), &mut out);
    let tick = out.lines().last().unwrap();
    let json: serde_json::Value = serde_json::from_str(tick).unwrap();
    assert_eq!(json["derived"]["span_seconds"], 1);
    assert_eq!(json["derived"]["host"]["cpu_ratio"], 0.25);
    assert_eq!(json["derived"]["host"]["cpu_iowait_ratio"], serde_json::Value::Null);
    assert_eq!(json["derived"]["gaps"]["host"]["cpu_iowait_ratio"], "unsupported");
    let mut decoder = Decoder::new();
    let read = out.lines().filter_map(|line| decoder.line(line.as_bytes()).unwrap()).last();
    let Some(Item::Sample(read)) = read else { panic!() };
    assert_eq!(difference(&sample, &read), None);
}

#[test]
fn the_head_says_what_every_column_is() {
    let mut out = String::new();
    Encoder::new(info("s")).head(&mut out);
    let head: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(head["format"], "mltop-session");
    assert_eq!((&head["v"], &head["min_reader_v"]), (&1.into(), &1.into()));
    let columns = head["schema"]["tick"]["gpus"].as_array().unwrap();
    let power = columns.iter().find(|column| column["name"] == "power_watts").unwrap();
    assert_eq!((&power["unit"], &power["kind"]), (&"watts".into(), &"gauge".into()));
    assert_eq!(power["precision"], 1);
    assert!(power["help"].as_str().unwrap().contains("Power draw"));
    assert!(head["schema"]["derived"]["loaders"].is_array());
}

#[test]
fn evidence_that_is_no_number_is_left_out_of_an_event() {
    let mut broken = event(5);
    let sound = Evidence { value: 0.5, limit: Some(f64::INFINITY), ..Evidence::default() };
    broken.evidence = vec![Evidence { value: f64::NAN, ..Evidence::default() }, sound.clone()];
    let mut out = String::new();
    Encoder::new(info("s")).event(&broken, &mut out);
    let Ok(Some(Item::Event(read))) = Decoder::new().line(out.as_bytes()) else { panic!() };
    assert_eq!(read.evidence, [Evidence { limit: None, ..sound }]);
}

#[test]
fn a_tape_gives_any_moment_that_it_still_holds() {
    let samples = session(43, 95);
    let mut tape = Tape::new(64 << 20, Duration::from_mins(30));
    assert!(tape.span().is_none() && tape.at(u64::MAX).is_none());
    for (at, sample) in samples.iter().enumerate() {
        tape.push(sample);
        // The newest tick is there at once, in the group that is still open.
        let (before, newest) = tape.at(u64::MAX).unwrap();
        assert_eq!(difference(sample, &newest), None);
        assert_eq!(before.map(|before| before.seq), at.checked_sub(1).map(|seq| seq as u64));
    }
    assert_eq!(tape.ticks(), 95);
    for sample in samples.iter().rev() {
        let (_, read) = tape.at(sample.stamp.mono_ms).unwrap();
        assert_eq!(difference(sample, &read), None);
    }
    let (_, read) = tape.at(samples[50].stamp.mono_ms - 1).unwrap();
    assert_eq!(read.seq, 49);
    assert!(tape.at(samples[0].stamp.mono_ms - 1).is_none());
    assert_eq!(tape.samples().count(), 95);
}

#[test]
fn a_tape_forgets_what_is_beyond_its_horizon_and_keeps_the_whole_of_what_is_not() {
    let samples = session(47, 200);
    let mut tape = Tape::new(64 << 20, Duration::from_mins(1));
    for sample in &samples {
        tape.push(sample);
        let (first, last) = tape.span().unwrap();
        let held = last.mono_ms - first.mono_ms;
        assert!(held <= 80_000, "at most the horizon and two groups");
        assert!(held >= 60_000.min(last.mono_ms - samples[0].stamp.mono_ms));
    }
}

#[test]
fn a_tape_never_takes_more_than_its_cap_and_one_group() {
    let cap = 60_000;
    let mut tape = Tape::new(cap, Duration::from_hours(1));
    for sample in session(53, 300) {
        tape.push(&sample);
        assert!(tape.bytes() <= cap + (256 << 10));
    }
    assert!(tape.ticks() < 300 && tape.ticks() > 0);
}

#[test]
fn samples_of_one_group_share_their_names() {
    let names = Arc::new(arbitrary::inventory(&mut Dice::new(3)));
    let mut dice = Dice::new(59);
    let samples: Vec<_> =
        (0..5).map(|seq| Arc::new(arbitrary::sample_with(&mut dice, seq, &names))).collect();
    let read: Vec<_> = loaded(text(&samples).as_bytes()).unwrap().samples().collect();
    assert!(read.windows(2).all(|pair| Arc::ptr_eq(&pair[0].inventory, &pair[1].inventory)));
}

/// Runs a program to its end, or ends it after a minute.
fn run(command: &mut Command, input: &str) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("no end within a minute");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

#[test]
fn three_lines_of_python_check_the_checksum_of_every_line() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: three_lines_of_python_check_the_checksum_of_every_line: no python3");
        return;
    }
    let script = "import sys, zlib, json\n\
        for line in sys.stdin.buffer:\n    body, c = line.rstrip(b'\\n').rsplit(b',\"c\":', 1)\n    \
        assert zlib.crc32(body) == int(json.loads(line)['c'], 16)\n    print('fits')\n";
    let text = text(&session(67, 4));
    let said = run(Command::new("python3").args(["-c", script]), &text);
    assert_eq!(said.lines().filter(|line| *line == "fits").count(), text.lines().count());
}

#[test]
fn the_first_version_of_the_format_is_read_for_ever() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions/golden-v1.mltop.jsonl");
    if std::env::var_os("MLTOP_REGENERATE").is_some() {
        std::fs::write(&path, golden::text()).unwrap();
    }
    let read = open(&path).unwrap();
    assert!(read.health.is_whole());
    golden::check(&read);
}

/// Prints what a tick and half an hour cost: `--ignored --nocapture`, optimized.
#[test]
#[ignore = "a measurement, not a check"]
fn what_a_tick_costs() {
    let ticks: Vec<_> = (0..1800).map(golden::busy).map(Arc::new).collect();
    let (mut encoder, mut out) = (Encoder::new(info("s")), String::new());
    let start = Instant::now();
    let mut bytes = 0;
    for tick in &ticks {
        out.clear();
        encoder.tick(tick, None, &mut out);
        bytes += out.len();
    }
    let encode = start.elapsed() / 1800;
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned()
    };
    let before = resident();
    let start = Instant::now();
    let mut tape = Tape::new(64 << 20, Duration::from_hours(1));
    for tick in &ticks {
        tape.push(tick);
    }
    let push = start.elapsed() / 1800;
    let after = resident();
    let start = Instant::now();
    for at in 0..180 {
        tape.at(50_000 + at * 10_000).unwrap();
    }
    let look = start.elapsed() / 180;
    eprintln!(
        "encode {encode:?}, push {push:?}, look {look:?}, {} bytes a tick, tape {} bytes, {before} to {after}",
        bytes / 1800,
        tape.bytes()
    );
}
