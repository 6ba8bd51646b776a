//! Files made to hurt: refused, or read as far as they are sound, within little memory.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use mltop::record::{ReadError, SessionFile};

use super::made::{Made, sealed};

/// The first bytes of a file of ours.
fn head() -> Vec<u8> {
    let made = Made::of(1, 1, 1000);
    let bytes = std::fs::read(&made.path).unwrap();
    let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    bytes[..length + 8].to_vec()
}

/// A frame of so many pieces of 128 KiB of one byte, each packed in four bytes.
fn bomb(byte: u8, pieces: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x38];
    for piece in 0..pieces {
        let last = u32::from(piece + 1 == pieces);
        let header = last | 1 << 1 | (128 << 10) << 3;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(byte);
    }
    frame
}

/// A frame of text that repeats itself.
fn packed(parts: &[(&str, usize)]) -> Vec<u8> {
    let mut packer = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for (part, times) in parts {
        for _ in 0..*times {
            packer.write_all(part.as_bytes()).unwrap();
        }
    }
    packer.finish().unwrap()
}

fn tick(seq: u64, body: &str) -> String {
    sealed(&format!(
        "{{\"k\":\"tick\",\"seq\":{seq},\"t_ms\":{seq},\"mono_ms\":{seq},\"dur_us\":1{body}"
    ))
}

/// A tick with so many rows of a section.
fn wide(seq: u64, rows: usize) -> String {
    let zeros = "0,".repeat(rows);
    tick(seq, &format!(",\"gpus\":{{\"gpu\":[{}]}}", zeros.trim_end_matches(',')))
}

/// The child of the next test: opens a file, looks at everything in it, and prints what it needed.
#[test]
#[ignore = "run by hostile_files_are_refused_within_little_memory"]
fn a_hostile_file_is_read_here() {
    let Some(path) = std::env::var_os("MLTOP_HOSTILE") else { return };
    let begun = Instant::now();
    let ticks = match SessionFile::open(Path::new(&path)) {
        Ok((file, _)) => {
            let _ = file.events();
            file.samples(0, u64::MAX).count()
        }
        Err(ReadError::NoTicks { .. } | ReadError::NotASession { .. }) => 0,
        Err(error) => panic!("{error}"),
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let ms = begun.elapsed().as_millis();
    writeln!(std::io::stdout(), "ticks={ticks} peak={} ms={ms}", peak.trim()).unwrap();
}

#[test]
fn hostile_files_are_refused_within_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let head = head();
    let file = |name: &str, frames: &[Vec<u8>]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, [head.clone(), frames.concat()].concat()).unwrap();
        path
    };
    let good = packed(&[(&tick(9_000_000, ""), 1)]);
    // What looks like our index, and what looks like a frame, a million times.
    let index = [&[0x5C, 0x2A, 0x4D, 0x18, 172, 0, 0, 0][..], b"MLIX"].concat();
    let frame = [0x28, 0xB5, 0x2F, 0xFD];
    let unequal = tick(1, ",\"gpus\":{\"gpu\":[0,1],\"power_watts\":[300]}");
    let event = |at| {
        sealed(&format!(
            "{{\"k\":\"event\",\"id\":{at},\"kind\":\"mark\",\"t_ms\":1,\"rule\":null,\"cause\":null,\"severity\":null,\"run\":null,\"pid\":null,\"start_ms\":1,\"end_ms\":null,\"title\":\"\",\"evidence\":[{}]",
            "{},".repeat(100_000).trim_end_matches(',')
        ))
    };
    let wide_ticks: Vec<u8> =
        packed(&[(&(1..200).map(|seq| wide(seq, 20_000)).collect::<String>(), 1)]);
    for (path, ticks) in [
        (file("a line of ten gigabytes", &[bomb(b'0', 81_920), good.clone()]), 1),
        (file("ten gigabytes of line ends", &[bomb(b'\n', 81_920), good.clone()]), 1),
        (file("bombs in a row", &vec![bomb(b'0', 8192); 300]), 0),
        (file("a million indexes", &[index.repeat(1 << 20), good.clone()]), 0),
        (file("a million frames", &[frame.repeat(1 << 20), good.clone()]), 0),
        (
            file(
                "a billion entities",
                &[
                    packed(&[
                        ("{\"k\":\"tick\",\"seq\":1,\"gpus\":{\"gpu\":[0", 1),
                        (&",0".repeat(1 << 20), 1000),
                    ]),
                    good.clone(),
                ],
            ),
            1,
        ),
        (file("many ticks of many rows", &[wide_ticks, good.clone()]), 2),
        (file("columns of unequal length", &[packed(&[(&unequal, 1)]), good.clone()]), 1),
        (
            file(
                "events of events",
                &[packed(&[(&tick(1, ""), 1), (&(0..60).map(event).collect::<String>(), 1)]), good],
            ),
            2,
        ),
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "hostile::a_hostile_file_is_read_here", "--nocapture"])
            .env("MLTOP_HOSTILE", &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().find_map(|line| line.split_once("ticks=")).unwrap_or_else(|| {
            panic!("{}: {said} {}", path.display(), String::from_utf8_lossy(&output.stderr))
        });
        let (read, peak) = line.1.split_once(" peak=").unwrap();
        let (peak, ms) = peak.split_once(" ms=").unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        eprintln!("{name}: {peak} at most, {} ms", ms.trim());
        assert_eq!(read, ticks.to_string(), "{}", path.display());
        let kib: u64 = peak.trim_end_matches("kB").trim().parse().unwrap();
        assert!(kib < 64 << 10, "{kib} KiB for {}", path.display());
    }
}

#[test]
fn a_file_for_a_newer_reader_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("newer.zst");
    let made = Made::of(1, 3, 1000);
    let bytes = std::fs::read(&made.path).unwrap();
    let text = b"\"min_reader_v\":1";
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    let mut newer = bytes.clone();
    newer[at + text.len() - 1] = b'7';
    std::fs::write(&path, newer).unwrap();
    let error = SessionFile::open(&path).unwrap_err();
    assert!(matches!(error, ReadError::Newer { needs: 7, .. }));
    assert!(error.to_string().contains("version 7, this mltop reads version 1"), "{error}");
}
