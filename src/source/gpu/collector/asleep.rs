//! A card that the kernel put to sleep, as on a laptop: opening the library would wake it, and keep it
//! awake.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::super::drm;
use super::super::wire::Line;
use super::Out;

/// How often it is seen whether it woke.
const APART: Duration = Duration::from_secs(2);

/// Returns when there is a card that is awake, or none.
pub(super) fn wait(out: &Out) {
    let roots = drm::roots(std::env::var_os(drm::ROOT).map(PathBuf::from));
    let devices = roots.sys.join("bus/pci/devices");
    if !asleep(&devices) {
        return;
    }
    out.say(&Line::Fault {
        absent: true,
        message:
            "the NVIDIA card is asleep: the kernel suspended it, and it is not woken to be read"
                .to_owned(),
        remedy: String::new(),
    });
    while asleep(&devices) {
        thread::sleep(APART);
    }
}

/// Whether every NVIDIA card is suspended, and there is one.
fn asleep(devices: &Path) -> bool {
    let Ok(entries) = fs::read_dir(devices) else { return false };
    let mut cards = entries.flatten().map(|entry| entry.path()).filter(|card| {
        // Display controllers, with or without a display.
        is(&card.join("vendor"), "0x10de") && is(&card.join("class"), "0x03")
    });
    let Some(first) = cards.next() else { return false };
    std::iter::once(first)
        .chain(cards)
        .all(|card| is(&card.join("power/runtime_status"), "suspend"))
}

/// Whether a small file begins with a word.
fn is(path: &Path, word: &str) -> bool {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_string(&mut text));
    read.is_ok() && text.starts_with(word)
}
