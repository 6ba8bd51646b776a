//! What a card is, whether it is awake, and how its small files are read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::wire::Held;
use super::amd::Amd;
use super::census::Census;
use super::intel::Intel;
use crate::model::inventory::GpuInfo;
use crate::model::sample::GpuSample;
use crate::model::{Gap, Reading};
use crate::source::root::Roots;

/// The most that is read of one file: `gpu_metrics` has 4 KiB at the most, all others are shorter.
const CAP: u64 = 8 * 1024;
/// Cards of one box that are looked at.
const MOST_CARDS: usize = 64;

/// A kernel driver that we can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    /// AMD's.
    Amdgpu,
    /// Intel's, since Xe.
    Xe,
    /// Intel's before.
    I915,
}

impl Driver {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "amdgpu" => Some(Self::Amdgpu),
            "xe" => Some(Self::Xe),
            "i915" => Some(Self::I915),
            _ => None,
        }
    }

    /// The kernel's name for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Amdgpu => "amdgpu",
            Self::Xe => "xe",
            Self::I915 => "i915",
        }
    }
}

/// A card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// Its folder below `/sys/devices`.
    pub(super) folder: PathBuf,
    /// PCI address, as `0000:03:00.0`.
    pub(super) pci: String,
    /// PCI number of the maker.
    pub(super) vendor: u16,
    /// PCI number of the chip.
    pub(super) device: u16,
    /// PCI number of its revision.
    pub(super) revision: u8,
    /// Who drives it.
    pub(super) driver: Driver,
}

/// Whether a card can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It can.
    Awake,
    /// The kernel suspended it: a read would wake it.
    Asleep,
    /// It is no longer there.
    Gone,
}

/// Why a card gives no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Of every figure.
    pub(super) gap: Gap,
    /// In words.
    pub(super) words: String,
}

impl Trouble {
    pub(super) fn asleep() -> Self {
        // Not a fault: there is nothing to read of a card without power.
        let words = "asleep: the kernel suspended it, and it is not woken to be read";
        Self { gap: Gap::NotApplicable, words: words.to_owned() }
    }

    pub(super) fn gone() -> Self {
        let words = "is gone: unplugged, or its driver was unloaded; see dmesg";
        Self { gap: Gap::Lost, words: words.to_owned() }
    }

    pub(super) fn reset() -> Self {
        let words = "is being reset: its driver answers nothing until that is done; see dmesg";
        Self { gap: Gap::Lost, words: words.to_owned() }
    }
}

/// What each maker's module does for a card.
pub(super) trait Watched: Send {
    /// Who it is, read anew now and then: `plain` is what is known without a read.
    fn info(&mut self, plain: GpuInfo) -> GpuInfo;

    /// Its figures; the number of the GPU in the row is not used.
    fn sample(&mut self, now: Instant) -> Result<GpuSample, Trouble>;

    /// Who holds memory of it; `None` where that cannot be told now.
    fn held(&mut self, now: Instant) -> Option<Vec<Held>>;

    /// Whether a figure of a moment wants looks between two rows.
    fn wants_looks(&self) -> bool {
        false
    }

    /// One such look.
    fn look(&mut self) {}

    /// The card went away: counts start anew.
    fn forget(&mut self) {}
}

impl Card {
    /// The maker's module for it.
    pub(super) fn watched(&self, roots: &Roots, census: &Arc<Census>) -> Box<dyn Watched> {
        match self.driver {
            Driver::Amdgpu => Box::new(Amd::new(self, roots, census)),
            Driver::Xe | Driver::I915 => Box::new(Intel::new(self, census)),
        }
    }

    /// Whether it can be asked now. Reads nothing that wakes it.
    pub(super) fn state(&self) -> State {
        // Unplugged, or lent to a virtual machine: another driver has it then.
        if driver_of(&self.folder) != Some(self.driver) {
            return State::Gone;
        }
        match read(&self.folder.join("power/runtime_status")) {
            Ok(status) if matches!(status.trim_ascii(), b"suspended" | b"suspending") => {
                State::Asleep
            }
            _ => State::Awake,
        }
    }

    /// Who it is, as far as can be told without a read that wakes it.
    pub(super) fn plain_info(&self) -> GpuInfo {
        let maker = if self.vendor == 0x1002 { "AMD" } else { "Intel" };
        let numbers = || format!("{maker} GPU {:04x}:{:04x}", self.vendor, self.device).into();
        let name = super::amd::marketing_name(self.device, self.revision)
            .filter(|_| self.driver == Driver::Amdgpu);
        GpuInfo {
            name: name.map_or_else(numbers, Into::into),
            driver: self.driver.name().into(),
            pci: self.pci.as_str().into(),
            ..GpuInfo::default()
        }
    }

    /// Whether it is part of the processor and shares the host's memory.
    fn integrated(&self) -> bool {
        match self.driver {
            // Numbers of chips within processors; those of cards begin at 0x6600.
            Driver::Amdgpu => self.device < 0x2000 || matches!(self.device >> 8, 0x98 | 0x99),
            // By rule the second device of the first bus.
            Driver::Xe | Driver::I915 => self.pci.ends_with(":00:02.0"),
        }
    }
}

/// Every card that we can read, by its PCI address. Graphics within a processor count only where the
/// box has no other GPU, and only AMD's: they run trainings, and Intel's hardly.
pub(super) fn discover(sys: &Path) -> Vec<Card> {
    let mut cards = listed(sys);
    let nvidia = first_index(sys) > 0;
    if nvidia || cards.iter().any(|card| !card.integrated()) {
        cards.retain(|card| !card.integrated());
    } else {
        cards.retain(|card| card.driver == Driver::Amdgpu);
    }
    cards.truncate(MOST_CARDS);
    cards
}

/// Whether there is a card that we can read.
pub(in crate::source::gpu) fn present(sys: &Path) -> bool {
    !discover(sys).is_empty()
}

fn listed(sys: &Path) -> Vec<Card> {
    let Ok(entries) = fs::read_dir(sys.join("class/drm")) else { return Vec::new() };
    let cards = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("card"));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    });
    let mut cards: Vec<Card> = cards.filter_map(|entry| card_of(&entry.path())).collect();
    cards.sort_by(|a, b| a.pci.cmp(&b.pci));
    cards.dedup_by(|a, b| a.pci == b.pci);
    cards
}

fn card_of(folder: &Path) -> Option<Card> {
    let folder = fs::canonicalize(folder.join("device")).ok()?;
    let driver = driver_of(&folder)?;
    let pci = folder.file_name()?.to_str().filter(|name| is_pci(name))?.to_owned();
    let number = |name: &str| hex(&folder.join(name));
    let (vendor, device) = (number("vendor")?, number("device")?);
    let revision = number("revision").unwrap_or_default();
    let (vendor, device) = (u16::try_from(vendor).ok()?, u16::try_from(device).ok()?);
    Some(Card { pci, vendor, device, revision: revision as u8, driver, folder })
}

/// The driver that a device has now, where we can read it.
fn driver_of(folder: &Path) -> Option<Driver> {
    let driver = fs::read_link(folder.join("driver")).ok()?;
    Driver::from_name(driver.file_name()?.to_str()?)
}

fn is_pci(name: &str) -> bool {
    name.matches(':').count() == 2 && name.contains('.')
}

/// The number of the first card: those of NVIDIA's driver come before, whether or not its library is
/// there yet, so that no number ever passes from one card to another.
pub(super) fn first_index(sys: &Path) -> u32 {
    let Ok(entries) = fs::read_dir(sys.join("bus/pci/drivers/nvidia")) else { return 0 };
    let cards = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_pci));
    cards.count() as u32
}

/// A number as the kernel writes it in hexadecimal.
fn hex(path: &Path) -> Option<u32> {
    let text = read(path).ok()?;
    let text = std::str::from_utf8(&text).ok()?.trim();
    u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(CAP).read_to_end(&mut content)?;
    Ok(content)
}

/// Reads a card's small files, and keeps account of that.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    reads: u64,
    spent: Duration,
    reset: bool,
}

impl Files {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder, reads: 0, spent: Duration::ZERO, reset: false }
    }

    /// Where they are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a read since the last call was refused as a card that is being reset does.
    pub(super) fn take_reset(&mut self) -> bool {
        std::mem::take(&mut self.reset)
    }

    /// Files read, and the time that it took.
    pub(super) const fn cost(&self) -> (u64, Duration) {
        (self.reads, self.spent)
    }

    /// The content of a file of the card, or of any where the name is an absolute path.
    pub(super) fn bytes(&mut self, name: impl AsRef<Path>) -> Result<Vec<u8>, Gap> {
        let begun = Instant::now();
        let content = read(&self.folder.join(name));
        self.reads += 1;
        self.spent += begun.elapsed();
        content.map_err(|error| {
            self.reset |= means_reset(&error);
            gap(&error)
        })
    }

    /// The same as text.
    pub(super) fn text(&mut self, name: impl AsRef<Path>) -> Result<String, Gap> {
        let text = String::from_utf8(self.bytes(name)?).map_err(|_| Gap::Failed)?;
        Ok(text.trim().to_owned())
    }

    /// One number in a file of its own.
    pub(super) fn number<T: FromStr>(&mut self, name: impl AsRef<Path>) -> Reading<T> {
        match self.text(name) {
            Ok(text) => Reading::from_option(text.parse().ok(), Gap::Failed),
            Err(gap) => Reading::Not(gap),
        }
    }
}

/// The generation of a PCIe link's speed as the kernel words it: `16.0 GT/s PCIe`.
pub(super) fn generation(speed: &str) -> Option<u32> {
    match speed.split_ascii_whitespace().next()? {
        "2.5" => Some(1),
        "5.0" | "5" => Some(2),
        "8.0" | "8" => Some(3),
        "16.0" | "16" => Some(4),
        "32.0" | "32" => Some(5),
        "64.0" | "64" => Some(6),
        _ => None,
    }
}

/// EPERM (not EACCES: that is a right that is missing) and EBUSY: amdgpu says so while it resets the
/// card.
fn means_reset(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(1 | 16))
}

/// Why a file gives nothing.
fn gap(error: &io::Error) -> Gap {
    match error.raw_os_error() {
        // ENOENT, ENODATA, EINVAL and EOPNOTSUPP: this chip does not have it.
        Some(2 | 61 | 22 | 95) => Gap::Unsupported,
        // ENXIO, ENODEV; and EPERM, EBUSY for a reset.
        Some(6 | 19 | 1 | 16) => Gap::Lost,
        _ => Gap::from(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_card_that_another_driver_has_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().to_owned();
        let card = Card {
            folder,
            pci: "0000:03:00.0".into(),
            vendor: 0x8086,
            device: 0x56a0,
            revision: 0,
            driver: Driver::Xe,
        };
        for (driver, state) in [("xe", State::Awake), ("vfio-pci", State::Gone)] {
            let _ = fs::remove_file(root.path().join("driver"));
            symlink(root.path().join(driver), root.path().join("driver")).unwrap();
            assert_eq!(card.state(), state, "{driver}");
        }
    }

    #[test]
    fn each_speed_of_the_kernel_is_a_generation() {
        for (speed, is) in [
            ("2.5 GT/s PCIe", Some(1)),
            ("5.0 GT/s PCIe", Some(2)),
            ("8.0 GT/s PCIe", Some(3)),
            ("16.0 GT/s PCIe", Some(4)),
            ("32.0 GT/s PCIe", Some(5)),
            ("64.0 GT/s PCIe", Some(6)),
            ("Unknown", None),
            ("", None),
        ] {
            assert_eq!(generation(speed), is, "{speed}");
        }
    }

    #[test]
    fn a_card_in_reset_is_told_from_one_that_we_may_not_read() {
        let of = io::Error::from_raw_os_error;
        assert!(means_reset(&of(1)) && means_reset(&of(16)) && !means_reset(&of(13)));
        assert_eq!((gap(&of(13)), gap(&of(2))), (Gap::Denied, Gap::Unsupported));
        assert_eq!((gap(&of(19)), gap(&of(5))), (Gap::Lost, Gap::Failed));
    }
}
