//! What other programs make of a recording: finished, cut off, and still growing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use mltop::record::Writer;

use super::full::until;
use super::golden;
use super::made::{Made, write};

/// The ticks that each kind of file holds at least, and its path.
fn files(folder: &Path) -> (Vec<(PathBuf, u64)>, Writer, Made) {
    let made = Made::with((0..40).map(golden::busy).map(Arc::new).collect(), 1000);
    let bytes = std::fs::read(&made.path).unwrap();
    let cut = folder.join("cut.mltop.jsonl.zst");
    std::fs::write(&cut, &bytes[..bytes.len() * 3 / 5]).unwrap();
    let growing = folder.join("growing.mltop.jsonl.zst");
    let writer =
        write(&growing, &(0..15).map(golden::busy).map(Arc::new).collect::<Vec<_>>(), 1000);
    until("written", || writer.progress().ticks == 15);
    (vec![(made.path.clone(), 40), (cut, 15), (growing, 15)], writer, made)
}

fn succeeds(command: &mut Command) -> bool {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_there(program: &str, test: &str) -> bool {
    let there = succeeds(Command::new(program).arg("--version"));
    if !there {
        eprintln!("skipped: {test}: no {program} on this machine");
    }
    there
}

#[test]
fn zstdcat_and_jq_read_it_finished_cut_off_and_growing() {
    const NAME: &str = "zstdcat_and_jq_read_it_finished_cut_off_and_growing";
    if !is_there("zstdcat", NAME) || !is_there("jq", NAME) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (files, _writer, _made) = files(folder.path());
    for (path, ticks) in files {
        let script =
            "zstdcat \"$0\" 2>/dev/null | jq -c 'select(.k == \"tick\") | .seq' 2>/dev/null";
        let output = Command::new("sh").args(["-c", script]).arg(&path).output().unwrap();
        let read = String::from_utf8_lossy(&output.stdout).lines().count() as u64;
        assert!(read >= ticks, "{read} ticks of {}", path.display());
    }
}

/// A Python with pandas, DuckDB and a zstd reader.
fn python(test: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("MLTOP_TEST_CACHE").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(Path::new(&home).join(".cache/mltop-tests"))
    })?;
    let python = cache.join("tables/bin/python");
    if succeeds(Command::new(&python).args(["-c", "import pandas, duckdb"])) {
        return Some(python);
    }
    eprintln!("skipped: {test}: no Python with pandas and DuckDB in the test cache");
    None
}

#[test]
fn pandas_and_duckdb_read_it_finished_cut_off_and_growing() {
    const SCRIPT: &str = "
import sys, duckdb, pandas
path = sys.argv[1]
frame = pandas.read_json(path, lines=True)
gpus = pandas.DataFrame(frame[frame.k == 'tick'].gpus.dropna().iloc[0])
assert 'utilization_ratio' in gpus.columns
count = duckdb.sql(f\"select count(*) from read_json('{path}') where k = 'tick'\").fetchall()[0][0]
watts = duckdb.sql(f\"select t_ms, unnest((gpus->'$.gpu')::int[]) gpu, unnest((gpus->'$.power_watts')::double[]) w from read_json('{path}') where k = 'tick'\").fetchall()
assert watts
print((frame.k == 'tick').sum(), count)
";
    let Some(python) = python("pandas_and_duckdb_read_it_finished_cut_off_and_growing") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (files, _writer, _made) = files(folder.path());
    for (path, ticks) in files {
        let output = Command::new(&python).args(["-c", SCRIPT]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let counts: Vec<u64> = said.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        assert!(
            counts.len() == 2 && counts.iter().all(|count| *count >= ticks),
            "{}: {said} {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
