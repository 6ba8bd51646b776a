//! The reader over images of a process: a true one, mutated ones, ones that change while they are read,
//! and pure noise. It must not panic, must stay within its budget, and must never show a value that
//! fails its own checks.

#![allow(clippy::print_stdout, reason = "a test that cannot run says so")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use proptest::prelude::*;
use rustix::process::{Signal, kill_process_group};

use super::image::{Mapped, mapped};
use super::memory::{Memory, Piece, Process, Remote};
use super::objects::Heap;
use super::*;

const PAGE: u64 = 4096;
/// What one operation may read at most, calls and bytes.
const CALLS: u64 = FIND_CALLS as u64 + 2 * OBJECTS as u64;
const OBJECTS: u32 = 2_000;

/// Pages of a process, as words that may change while they are read.
#[derive(Debug, Default)]
struct Image {
    pages: BTreeMap<u64, Vec<AtomicU64>>,
}

impl Image {
    fn copy_of(&self) -> Self {
        let words = |page: &Vec<AtomicU64>| {
            page.iter().map(|word| AtomicU64::new(word.load(Ordering::Relaxed))).collect()
        };
        Self { pages: self.pages.iter().map(|(&at, page)| (at, words(page))).collect() }
    }

    /// Copies from one page.
    fn copy(&self, at: u64, bytes: &mut [u8]) -> Option<()> {
        let page = self.pages.get(&(at & !(PAGE - 1)))?;
        let mut at = (at % PAGE) as usize;
        let mut rest = bytes;
        while !rest.is_empty() {
            let word = page.get(at / 8)?.load(Ordering::Relaxed).to_le_bytes();
            let len = rest.len().min(8 - at % 8);
            let (now, behind) = rest.split_at_mut(len);
            now.copy_from_slice(&word[at % 8..][..len]);
            rest = behind;
            at += len;
        }
        Some(())
    }

    /// Some word of it, by a number.
    fn word(&self, number: u64) -> Option<&AtomicU64> {
        let page = self.pages.values().nth((number / 512) as usize % self.pages.len())?;
        page.get((number % 512) as usize)
    }
}

#[derive(Clone, Debug)]
struct Shown(Arc<Image>);

impl Memory for Shown {
    fn copy(&mut self, pieces: &[Piece], bytes: &mut [u8]) -> Result<(), Gap> {
        let mut rest = bytes;
        for piece in pieces {
            let (mut at, end) = (piece.at, piece.at + piece.len as u64);
            while at < end {
                let until = end.min((at & !(PAGE - 1)) + PAGE);
                let (now, behind) = rest.split_at_mut((until - at) as usize);
                self.0.copy(at, now).ok_or(Gap::Failed)?;
                (rest, at) = (behind, until);
            }
        }
        Ok(())
    }
}

/// Keeps each page that the reader touches.
#[derive(Debug)]
struct Recorder {
    process: Process,
    image: Arc<Mutex<Image>>,
}

impl Memory for Recorder {
    fn copy(&mut self, pieces: &[Piece], bytes: &mut [u8]) -> Result<(), Gap> {
        self.process.copy(pieces, bytes)?;
        let mut image = self.image.lock().unwrap();
        for piece in pieces {
            let mut page = piece.at & !(PAGE - 1);
            while page < piece.at + piece.len as u64 {
                let mut content = vec![0; PAGE as usize];
                self.process.copy(&[Piece { at: page, len: PAGE as usize }], &mut content)?;
                let words = content
                    .chunks_exact(8)
                    .map(|word| AtomicU64::new(u64::from_le_bytes(word.try_into().unwrap())));
                image.pages.entry(page).or_insert_with(|| words.collect());
                page += PAGE;
            }
        }
        Ok(())
    }
}

/// Everything is mapped, and full of addresses, small numbers and nonsense.
#[derive(Debug)]
struct Noise(u64);

impl Memory for Noise {
    fn copy(&mut self, pieces: &[Piece], bytes: &mut [u8]) -> Result<(), Gap> {
        let addresses = pieces.iter().flat_map(|piece| piece.at..piece.at + piece.len as u64);
        for (byte, at) in bytes.iter_mut().zip(addresses) {
            let mut word = ((at / 8) ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            word ^= word >> 29;
            let word = match word % 8 {
                0..=4 => 0x1000_0000 + (word >> 20) % (1 << 16) * 8,
                5..=6 => word >> 8 & 7,
                _ => word,
            };
            *byte = word.to_le_bytes()[(at % 8) as usize];
        }
        Ok(())
    }
}

/// A training with the stand-in for torch, stopped: two iterators, one of them pinned, one at its end.
const TRAINING: &str = "
import sys, time
sys.path.insert(0, sys.argv[1])
import torch
from torch.utils.data import DataLoader
torch.cuda.is_available = lambda: True
first = iter(DataLoader(range(1000), batch_size=4, num_workers=2, pin_memory=True))
second = iter(DataLoader([0] * 7, batch_size=4, num_workers=0))
next(first), list(second)
for batch in first:
    print('ready', flush=True)
    time.sleep(60)
";

struct Trainer(Child);

impl Drop for Trainer {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_raw(self.0.id().cast_signed()).unwrap();
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

fn start() -> Option<Trainer> {
    let standin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/standin");
    let mut child = Command::new("python3")
        .args(["-c", TRAINING])
        .arg(standin)
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .ok()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
    let trainer = Trainer(child);
    (line == "ready\n").then_some(trainer)
}

/// An image with the files that were mapped, made once. None where there is no Python to make it of.
fn image() -> Option<&'static (Image, Vec<Mapped>)> {
    static MADE: OnceLock<Option<(Image, Vec<Mapped>)>> = OnceLock::new();
    MADE.get_or_init(|| {
        let trainer = start()?;
        let pid = Pid(trainer.0.id());
        let group = rustix::process::Pid::from_raw(pid.0.cast_signed()).unwrap();
        kill_process_group(group, Signal::STOP).unwrap();
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", pid.0)).unwrap();
        let files = mapped(&maps);
        let image = Arc::new(Mutex::new(Image::default()));
        let recorder = Recorder { process: Process::new(pid), image: Arc::clone(&image) };
        let mut interpreter = interpreter(Box::new(recorder), &files).unwrap();
        let seen = exercise(&mut interpreter);
        assert_eq!(seen.len(), 2, "{seen:?}");
        drop(interpreter);
        let image = Arc::into_inner(image).unwrap().into_inner().unwrap();
        println!("an image of {} pages", image.pages.len());
        Some((image, files))
    })
    .as_ref()
}

fn interpreter(memory: Box<dyn Memory>, files: &[Mapped]) -> Result<Interpreter, Refusal> {
    let attached = attach::find(memory, files)?;
    Ok(Interpreter::of(attached, Pid(1), PathBuf::new(), 0))
}

/// Uses all of it, and checks what it says.
fn exercise(interpreter: &mut Interpreter) -> Vec<Arc<IteratorFacts>> {
    for _ in 0..3 {
        let (calls, _) = interpreter.cost();
        let _ = interpreter.search(Budget { objects: OBJECTS });
        assert!(interpreter.cost().0 - calls <= CALLS);
        let known: Vec<_> = interpreter.iterators().to_vec();
        for facts in &known {
            assert!(facts.num_workers <= 1024 && facts.workers.len() <= 2048, "{facts:?}");
            let (calls, bytes) = interpreter.cost();
            let look = interpreter.look(Some(facts.id));
            let (calls_after, bytes_after) = interpreter.cost();
            assert!(calls_after - calls <= u64::from(LOOK_CALLS));
            assert!(bytes_after - bytes <= u64::from(LOOK_CALLS) * (256 << 10));
            if let Ok(depth) = look.depth {
                check(facts, depth);
            }
        }
        let _ = interpreter.stack();
    }
    interpreter.iterators().to_vec()
}

fn check(facts: &IteratorFacts, depth: Depth) {
    let Some(queues) = depth.queues else {
        assert_eq!(facts.num_workers, 0);
        return;
    };
    let capacity = facts.capacity();
    assert!(queues.ready <= queues.finished, "{queues:?}");
    assert!(queues.finished <= queues.sent - queues.received, "{queues:?}");
    assert!(queues.sent - queues.received <= 2 * capacity + 2, "{queues:?}");
    assert!(queues.outstanding <= capacity, "{facts:?} {queues:?}");
}

#[test]
fn an_image_of_a_training_shows_its_two_iterators() {
    let Some((image, files)) = image() else {
        println!("skipped: no python3 to make an image of");
        return;
    };
    let memory = Shown(Arc::new(image.copy_of()));
    let mut interpreter = interpreter(Box::new(memory), files).unwrap();
    let mut known = exercise(&mut interpreter);
    known.sort_by_key(|facts| facts.num_workers);
    let [inline, pinned] = known.try_into().unwrap();
    assert_eq!((inline.num_workers, inline.batch_size), (0, Some(4)));
    assert_eq!((inline.prefetch_factor, inline.epoch_batches), (None, Some(2)));
    assert_eq!((pinned.num_workers, pinned.prefetch_factor), (2, Some(2)));
    assert!(pinned.pinned && !pinned.persistent_workers);
    assert_eq!(pinned.epoch_batches, Some(250));
    assert_eq!((&*pinned.dataset, pinned.workers.len()), ("range", 2));
    let queues = interpreter.depth(pinned.id).unwrap().queues.unwrap();
    assert_eq!((queues.received, queues.sent), (2, 6));
    assert_eq!(interpreter.depth(inline.id).unwrap(), Depth { taken: 2, queues: None });
}

#[test]
fn an_image_that_changes_while_it_is_read_gives_no_nonsense() {
    let Some((image, files)) = image() else {
        println!("skipped: no python3 to make an image of");
        return;
    };
    let image = Arc::new(image.copy_of());
    let stop = Arc::new(AtomicBool::new(false));
    let (theirs, ended) = (Arc::clone(&image), Arc::clone(&stop));
    let mutator = thread::spawn(move || {
        let mut dice = 0x2545_f491_4f6c_dd1d_u64;
        while !ended.load(Ordering::Relaxed) {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let Some(word) = theirs.word(dice >> 8) else { continue };
            let before = word.load(Ordering::Relaxed);
            let value = theirs.word(dice >> 20).map_or(dice, |other| other.load(Ordering::Relaxed));
            word.store(if dice.is_multiple_of(3) { dice } else { value }, Ordering::Relaxed);
            thread::yield_now();
            // Mostly put right again: else nothing would be left to read.
            if !dice.is_multiple_of(16) {
                word.store(before, Ordering::Relaxed);
            }
        }
    });
    for _ in 0..20 {
        if let Ok(mut interpreter) = interpreter(Box::new(Shown(Arc::clone(&image))), files) {
            exercise(&mut interpreter);
        }
    }
    stop.store(true, Ordering::Relaxed);
    mutator.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_image_gives_no_nonsense(
        changes in prop::collection::vec((any::<u64>(), any::<u64>(), 0_u8..5), 1..400),
        late in any::<bool>(),
    ) {
        if let Some((image, files)) = image() {
            let image = Arc::new(image.copy_of());
            let mutate = || {
                for &(place, value, how) in &changes {
                    let Some(word) = image.word(place) else { continue };
                    let before = word.load(Ordering::Relaxed);
                    word.store(match how {
                        0 => value,
                        1 => 0,
                        2 => u64::MAX,
                        3 => before ^ 1 << (value % 64),
                        _ => image.word(value).map_or(0, |other| other.load(Ordering::Relaxed)),
                    }, Ordering::Relaxed);
                }
            };
            if !late {
                mutate();
            }
            if let Ok(mut interpreter) = interpreter(Box::new(Shown(Arc::clone(&image))), files) {
                let _ = interpreter.search(Budget { objects: OBJECTS });
                if late {
                    mutate();
                }
                exercise(&mut interpreter);
            }
        }
    }

    #[test]
    fn noise_is_no_interpreter_and_ends_every_search(seed in any::<u64>(), minor in 8_u8..=12) {
        let files = [Mapped { base: 0x1000_0000, path: "/usr/bin/python3".into() }];
        prop_assert!(interpreter(Box::new(Noise(seed)), &files).is_err());
        let version = Version { major: 3, minor, micro: None };
        let heap = Heap::new(Remote::new(Box::new(Noise(seed))), layout::Layout::of(minor).unwrap());
        let main = Thread { state: 0x1000_0000, id: 7 };
        let attached = Attached { version, heap, root: (0x1000_0008, 0), runtime: 0x1000_0000, main };
        let mut noise = Interpreter::of(attached, Pid(1), PathBuf::new(), 0);
        noise.heap.remote.allow(100);
        noise.root.1 = noise.heap.remote.word(noise.root.0).unwrap();
        exercise(&mut noise);
        noise.heap.remote.allow(FIND_CALLS);
        let mut found = Vec::new();
        let _ = search::on_stack(&mut noise.heap, main, &mut found);
        let _ = noise.walk.go_on(&mut noise.heap, 0x1000_0000, OBJECTS, &mut found);
        noise.iterators.renew(&mut noise.heap, &[0x1000_0100, 0x1000_0200]);
    }
}
