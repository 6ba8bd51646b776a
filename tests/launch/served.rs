//! The socket on which `mltop run` tells what it reads.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use mltop::model::{EventKind, Reading};
use mltop::record::{Decoder, Item};

use super::common::{Place, eventually};
use super::train::interpreters;

fn socket(place: &Place) -> PathBuf {
    let found = || place.leftovers().first().map(|run| run.join("socket"));
    eventually("a socket", || found().is_some_and(|path| path.exists()));
    found().unwrap()
}

/// Everything up to the end of what is said.
fn items(mut stream: UnixStream) -> Vec<Item> {
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => bytes.extend_from_slice(&buffer[..got]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
    let mut decoder = Decoder::new();
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    lines.filter_map(|line| decoder.line(line).unwrap()).collect()
}

#[test]
fn a_listener_hears_the_start_the_ticks_and_the_exit_code() {
    let place = Place::new();
    let mut child = place.command(&["sh", "-c", "read go; exit 5"]);
    let mut child = child.stdin(Stdio::piped()).spawn().unwrap();
    let path = socket(&place);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    // Nothing that is said to it matters.
    let _ = stream.write_all(&[0xff; 4096]);
    assert_eq!(first_byte(&stream), b'{');
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let items = items(stream);
    assert!(matches!(&items[0], Item::Head(_)), "{items:?}");
    let events: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Item::Event(event) => Some((event.kind, event.title.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(events[0].0, EventKind::Start);
    assert!(events[0].1.contains("sh -c read go; exit 5"), "{events:?}");
    assert_eq!(events[1], (EventKind::Stop, "the training ended with exit code 5".into()));
    assert!(items.iter().any(|item| matches!(item, Item::Sample(_))));
    assert!(matches!(items.last(), Some(Item::End(_))), "{items:?}");
}

/// Waits for the first byte, and leaves it there.
fn first_byte(stream: &UnixStream) -> u8 {
    let mut byte = [0; 1];
    rustix::io::retry_on_intr(|| {
        rustix::net::recv(stream, &mut byte[..], rustix::net::RecvFlags::PEEK)
    })
    .unwrap();
    byte[0]
}

#[test]
fn the_rows_of_the_trainings_loader_are_served_and_a_sleepy_listener_harms_nobody() {
    let Some((_, python)) = interpreters().into_iter().next() else { return };
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/py/train.py");
    let mut command = place.command(&[python.to_str().unwrap(), script, "--seconds", "8"]);
    command.arg("--out").arg(folder.path().join("truth.jsonl")).env("OMP_NUM_THREADS", "1");
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let path = socket(&place);
    let sleepy = UnixStream::connect(&path).unwrap();
    let awake = items(UnixStream::connect(&path).unwrap());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(sleepy);
    let rows: Vec<_> = awake
        .iter()
        .filter_map(|item| match item {
            Item::Sample(sample) => sample.loaders.first(),
            _ => None,
        })
        .collect();
    assert!(rows.iter().any(|row| row.workers == Reading::Is(2) && row.ready.is()), "{rows:?}");
}
