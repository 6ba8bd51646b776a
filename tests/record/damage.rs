//! What is torn, flipped, foreign or hostile: never a wrong value, a panic or all of the memory.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use mltop::model::sample::{GpuSample, LoaderSample};
use mltop::model::{Gap, GpuId, Reading, Sample};
use mltop::record::line::{MAX_LINE, MAX_ROWS};
use mltop::record::read::open;
use mltop::record::{Damage, Decoder, Encoder, Item, ReadError, Session};

use super::arbitrary::{Dice, difference, session};
use super::{changed, info, loaded, run, sealed, text};

/// Asserts that each sample of the session is, to the last column, one that was written.
fn none_is_wrong(session: &Session, written: &[Arc<Sample>]) {
    for sample in session.samples() {
        let same = written.iter().find(|one| one.seq == sample.seq).unwrap();
        // Names may be older where the line that changed them is the damaged one.
        let mut bare = (*sample).clone();
        bare.inventory = Arc::clone(&same.inventory);
        assert_eq!(difference(same, &bare), None);
    }
}

#[test]
fn a_session_cut_at_any_byte_keeps_every_whole_line_before_the_cut() {
    let samples = session(7, 3);
    let text = text(&samples);
    let tick_ends: Vec<usize> = text
        .match_indices("{\"k\":\"tick\"")
        .map(|(at, _)| at + text[at..].find('\n').unwrap())
        .collect();
    for cut in 0..text.len() {
        // The line end itself may be missing: the checksum proves the line.
        let whole = tick_ends.iter().filter(|&&end| end <= cut).count();
        match loaded(&text.as_bytes()[..cut]) {
            Ok(read) => {
                assert_eq!(read.ticks(), whole, "cut at {cut}");
                none_is_wrong(&read, &samples);
                let (head, tail) = text.as_bytes().split_at(cut);
                let in_line = !head.ends_with(b"\n") && !tail.starts_with(b"\n");
                assert_eq!(read.health.truncated, in_line, "cut at {cut}");
                assert!(read.end.is_none() || cut == text.len() - 1);
            }
            Err(_) => assert_eq!(whole, 0, "cut at {cut}"),
        }
    }
}

#[test]
fn one_flipped_byte_costs_its_line_and_is_never_a_wrong_value() {
    let samples = session(11, 6);
    let text = text(&samples);
    let dice = &mut Dice::new(300);
    for _ in 0..300 {
        let mut bytes = text.clone().into_bytes();
        let at = dice.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << dice.below(8);
        let read = loaded(&bytes).unwrap();
        none_is_wrong(&read, &samples);
        assert!(read.ticks() >= samples.len() - 2, "a flip takes two lines at most");
        assert!(read.health.lines_damaged >= 1);
    }
}

#[test]
fn one_flipped_byte_of_a_packed_session_is_never_a_wrong_value() {
    let samples = session(13, 30);
    let text = text(&samples);
    let mut packed = Vec::new();
    let groups: Vec<&str> = text.split_inclusive("{\"k\":\"key\"").collect();
    let mut carry = String::new();
    for group in groups {
        let body = format!("{carry}{group}");
        let keep = body.strip_suffix("{\"k\":\"key\"").map_or(body.len(), str::len);
        carry = body[keep..].to_owned();
        packed.extend(zstd::bulk::compress(&body.as_bytes()[..keep], 1).unwrap());
    }
    assert_eq!(loaded(&packed).unwrap().ticks(), samples.len());
    let dice = &mut Dice::new(301);
    for _ in 0..100 {
        let mut bytes = packed.clone();
        let at = dice.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << dice.below(8);
        // The head's own frame may be the broken one, and is then no magic number any more.
        if let Ok(read) = loaded(&bytes) {
            none_is_wrong(&read, &samples);
            assert!(
                read.ticks() >= samples.len() / 2,
                "{} ticks after a flip at {at}",
                read.ticks()
            );
        } else {
            assert!(at < 16, "unreadable after a flip at {at}");
        }
    }
    for cut in (1..packed.len()).step_by(97) {
        if let Ok(read) = loaded(&packed[..cut]) {
            none_is_wrong(&read, &samples);
        }
    }
}

#[test]
fn a_line_whose_columns_differ_in_length_is_dropped_and_counted() {
    let sample = Sample {
        gpus: vec![GpuSample::default(), GpuSample { gpu: GpuId(1), ..GpuSample::default() }],
        ..Sample::default()
    };
    let whole = text(&[Arc::new(sample)]);
    let torn = changed(&whole, "tick", |line| {
        line.replace("\"power_watts\":[null,null]", "\"power_watts\":[300]")
    });
    assert_ne!(torn, whole);
    let tick = torn.lines().find(|line| line.starts_with("{\"k\":\"tick\"")).unwrap();
    assert_eq!(Decoder::new().line(tick.as_bytes()), Err(Damage::UnequalColumns));
    let longer = changed(&whole, "tick", |line| {
        line.replace("\"power_watts\":[null,null]", "\"power_watts\":[300,300,300]")
    });
    for text in [torn, longer] {
        let Err(ReadError::NoTicks { damaged: 1, .. }) = loaded(text.as_bytes()) else {
            panic!("the only tick is dropped")
        };
    }
}

#[test]
fn a_row_without_its_name_is_nobodys_and_costs_the_line() {
    let line = sealed(
        r#"{"k":"tick","seq":1,"t_ms":1,"mono_ms":1,"dur_us":1,"gpus":{"power_watts":[300]}"#,
    );
    assert_eq!(Decoder::new().line(line.as_bytes()), Err(Damage::Malformed));
}

#[test]
fn a_tick_with_more_rows_than_any_machine_has_is_refused() {
    let mut line =
        String::from(r#"{"k":"tick","seq":1,"t_ms":1,"mono_ms":1,"dur_us":1,"gpus":{"gpu":[0"#);
    for _ in 0..MAX_ROWS {
        line.push_str(",0");
    }
    line.push_str("]}");
    assert_eq!(Decoder::new().line(sealed(&line).as_bytes()), Err(Damage::TooManyRows));
    let many = Sample { gpus: vec![GpuSample::default(); MAX_ROWS + 1], ..Sample::default() };
    let (mut encoder, mut out) = (Encoder::new(info("s")), String::new());
    encoder.tick(&Arc::new(many), None, &mut out);
    assert!(!out.contains("\"tick\""), "what no reader takes is not written");
    assert_eq!(encoder.skipped(), 1);
}

#[test]
fn a_line_of_five_mebibytes_is_refused_and_the_next_one_is_read() {
    let samples = session(17, 2);
    let whole = text(&samples);
    let at = whole.find("{\"k\":\"tick\"").unwrap();
    let long = sealed(&format!("{{\"k\":\"tick\",\"x\":\"{}\"", "x".repeat(5 << 20)));
    assert_eq!(Decoder::new().line(long.as_bytes()), Err(Damage::TooLong));
    let read = loaded(format!("{}{long}{}", &whole[..at], &whole[at..]).as_bytes()).unwrap();
    assert_eq!((read.ticks(), read.health.lines_damaged), (2, 1));
    none_is_wrong(&read, &samples);
    assert!(long.len() > MAX_LINE);
}

#[test]
fn a_reason_that_is_unknown_or_stands_beside_a_value_makes_no_number() {
    let line = sealed(
        r#"{"k":"tick","seq":1,"t_ms":2,"mono_ms":3,"dur_us":4,"gpus":{"gpu":[0],"power_watts":[7],"sm_active_ratio":[null]},"gaps":{"gpus":{"power_watts":"lost","sm_active_ratio":"eclipsed","x":["y"]},"x":1}"#,
    );
    let Ok(Some(Item::Sample(sample))) = Decoder::new().line(line.as_bytes()) else { panic!() };
    assert_eq!(sample.gpus[0].power_watts, Reading::Is(7.0));
    assert_eq!(sample.gpus[0].sm_active_ratio, Reading::Not(Gap::Failed));
}

#[test]
fn a_value_of_another_type_is_unreadable_and_not_zero() {
    let line = sealed(
        r#"{"k":"tick","seq":1,"t_ms":2,"mono_ms":3,"dur_us":4,"loaders":{"pid":[9],"loader":[1],"ready":["many"],"steps_total":[-4],"capacity":[9007199254740993],"ready_source":["tarot"]}"#,
    );
    let Ok(Some(Item::Sample(sample))) = Decoder::new().line(line.as_bytes()) else { panic!() };
    let LoaderSample { ready, steps_total, capacity, ready_source, .. } = sample.loaders[0];
    assert_eq!(ready, Reading::Not(Gap::Failed));
    assert_eq!(steps_total, Reading::Not(Gap::Failed));
    assert_eq!(capacity, Reading::Not(Gap::Failed));
    assert_eq!(ready_source, Reading::Not(Gap::Failed));
}

#[test]
fn what_is_no_recording_is_told_apart_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    assert!(matches!(open(folder.path()), Err(ReadError::Directory { .. })));
    assert!(matches!(open(&folder.path().join("none")), Err(ReadError::NotFound { .. })));
    assert!(matches!(open(&file("empty", b"")), Err(ReadError::Empty { .. })));
    for (name, bytes) in [
        ("words", &b"Dear diary\nnothing happened\n"[..]),
        ("json", b"{\"format\":\"other\"}\n"),
        ("short", b"x"),
        ("zeros", &vec![0; 9 << 20]),
        ("packed words", &zstd::bulk::compress(b"Dear diary\n", 1).unwrap()),
        ("foreign", sealed(r#"{"k":"head","format":"all-smi","min_reader_v":1"#).as_bytes()),
    ] {
        let error = open(&file(name, bytes)).unwrap_err();
        assert!(matches!(error, ReadError::NotASession { .. }), "{name}: {error}");
        assert!(error.to_string().contains("the first line is not a head line of mltop-session"));
    }
    let hostile = open(&folder.path().join("\u{1b}[2Jx")).unwrap_err().to_string();
    assert!(!hostile.chars().any(char::is_control));
    let only_head = text(&[]);
    assert!(matches!(loaded(only_head.as_bytes()), Err(ReadError::NoTicks { .. })));
}

/// The child of the next test: reads a bomb and prints its own peak of memory in KiB.
#[test]
#[ignore = "run by a_bomb_ends_at_the_cap_within_little_memory"]
fn a_bomb_is_read_here() {
    let Some(path) = std::env::var_os("MLTOP_BOMB") else { return };
    let error = open(Path::new(&path)).unwrap_err();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let cap = matches!(error, ReadError::Barren { .. } | ReadError::NotASession { .. });
    writeln!(std::io::stdout(), "cap={cap} peak={}", peak.trim()).unwrap();
}

#[test]
fn a_bomb_ends_at_the_cap_within_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let head = text(&session(61, 1));
    let bomb = |name: &str, start: &str, piece: &[u8], mebibytes: usize| {
        let path = folder.path().join(name);
        let file = std::fs::File::create(&path).unwrap();
        let mut packer = zstd::stream::write::Encoder::new(file, 1).unwrap();
        packer.write_all(start.as_bytes()).unwrap();
        let block = piece.repeat((1 << 20) / piece.len());
        for _ in 0..mebibytes {
            packer.write_all(&block).unwrap();
        }
        packer.finish().unwrap();
        path
    };
    let key = head.lines().find(|line| line.contains("\"key\"")).unwrap().to_owned() + "\n";
    for (path, most) in [
        (bomb("zeros", "", &[0], 256), 300),
        (bomb("zeros behind a head", &head, &[0], 256), 300),
        (bomb("line ends", &head, b"\n", 16), 300),
        (bomb("names", &head, key.as_bytes(), 128), 300),
    ] {
        let packed = std::fs::metadata(&path).unwrap().len();
        assert!(packed < most << 10, "{packed} bytes are no bomb");
        let said = run(
            Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "damage::a_bomb_is_read_here", "--nocapture"])
                .env("MLTOP_BOMB", &path),
            "",
        );
        let line = said.lines().find_map(|line| line.split_once("cap=")).unwrap().1;
        let (cap, peak) = line.split_once(" peak=").unwrap();
        assert_eq!(cap, "true", "{}", path.display());
        let kib: u64 = peak.trim_end_matches("kB").trim().parse().unwrap();
        assert!(kib < 64 << 10, "{kib} KiB for {}", path.display());
    }
}
