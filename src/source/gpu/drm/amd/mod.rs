//! AMD cards, as amdgpu tells of them under `/sys`.
//!
//! | figure | file | source |
//! |---|---|---|
//! | utilization | `gpu_busy_percent`, the mean of looks within the second | Documentation/gpu/amdgpu/thermal.rst |
//! | memory controller | `mem_busy_percent`, likewise | the same |
//! | memory | `mem_info_vram_total`, `mem_info_vram_used` | amdgpu_vram_mgr.c |
//! | power, limit, temperatures, clocks, fan | `hwmon/hwmon*/…` | Documentation/gpu/amdgpu/thermal.rst |
//! | energy, throttling, clocks without a sensor | `gpu_metrics` | kgd_pp_interface.h |
//! | link | `current_link_speed`, `max_link_width` … | Documentation/ABI/testing/sysfs-bus-pci |
//! | replays | `pcie_replay_count` | amdgpu_device.c |
//! | memory errors | `ras/umc_err_count` | amdgpu_ras.c |
//! | processes that compute by ROCm | `/sys/class/kfd/kfd/proc` | kfd_process.c |
//! | other processes, their memory and engines | fdinfo `drm-*-vram`, `drm-engine-*` | Documentation/gpu/drm-usage-stats.rst |
//!
//! `pcie_bw` is never read: the driver counts for a whole second inside the read.
//!
//! Each of these reads starts anew the time after which the kernel may put the card to sleep. A card that
//! may sleep, does nothing and has nobody's memory is therefore read once in 30 s; who computes on it shows
//! without touching it.

mod hwmon;
mod kfd;
mod metrics;
mod throttle;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::check;
use super::super::wire::Held;
use super::card::{Card, Files, Trouble, Watched, generation};
use super::census::Census;
use super::{empty_row, load};
use crate::model::inventory::GpuInfo;
use crate::model::sample::GpuSample;
use crate::model::{Gap, Reading};
use crate::source::root::Roots;
use hwmon::Hwmon;
use kfd::Kfd;
use metrics::Table;
use throttle::Throttle;

/// How often a card is read that may sleep, and that nobody is seen to use.
const RARE: Duration = Duration::from_secs(30);
/// Memory in use above which somebody may be training.
const IN_USE_BYTES: u64 = 256 << 20;

/// One AMD card.
pub(super) struct Amd {
    device: u16,
    pci: String,
    folder: PathBuf,
    /// Who has it open: ROCm's work does not count in there, and graphics' does not in the other.
    census: Arc<Census>,
    files: Files,
    hwmon: Hwmon,
    kfd: Kfd,
    /// The PCI device whose link leads to the slot.
    port: PathBuf,
    busy: Looks,
    memory_busy: Looks,
    throttle: Throttle,
    in_use: bool,
    /// The last row and when it was read, where the kernel may put the card to sleep.
    last: Option<(Instant, GpuSample)>,
    rows: u64,
    rare: GpuSample,
}

/// Looks at a percentage of a moment since the last row.
#[derive(Debug, Default)]
struct Looks {
    sum: f64,
    count: u32,
}

impl Looks {
    fn add(&mut self, percent: Reading<u32>) -> Reading<f64> {
        let ratio = percent.and_then(|percent| check::percent(f64::from(percent)));
        if let Reading::Is(ratio) = ratio {
            self.sum += ratio;
            self.count += 1;
        }
        ratio
    }

    /// Their mean; the looks begin anew.
    fn mean(&mut self) -> Option<f64> {
        let looks = std::mem::take(self);
        (looks.count > 0).then(|| looks.sum / f64::from(looks.count))
    }
}

impl Amd {
    pub(super) fn new(card: &Card, roots: &Roots, census: &Arc<Census>) -> Self {
        census.add(card);
        Self {
            device: card.device,
            pci: card.pci.clone(),
            folder: card.folder.clone(),
            census: Arc::clone(census),
            files: Files::new(card.folder.clone()),
            hwmon: Hwmon::default(),
            kfd: Kfd::new(roots, &card.pci),
            port: slot_port(card),
            busy: Looks::default(),
            memory_busy: Looks::default(),
            throttle: Throttle::default(),
            in_use: false,
            last: None,
            rows: 0,
            rare: empty_row(),
        }
    }

    fn fill_busy(&mut self, row: &mut GpuSample, table: &Table) {
        let last = self.busy.add(self.files.number("gpu_busy_percent"));
        let percent = |percent: Option<u16>| {
            Reading::from_option(percent, Gap::Unsupported)
                .and_then(|percent| check::percent(f64::from(percent)))
        };
        row.utilization_ratio = match (last, self.busy.mean()) {
            (Reading::Is(_), Some(mean)) => Reading::Is(mean),
            (gap, _) => either(gap, percent(table.gfx_percent)),
        };
        let last = self.memory_busy.add(self.files.number("mem_busy_percent"));
        row.memory_controller_ratio = match (last, self.memory_busy.mean()) {
            (Reading::Is(_), Some(mean)) => Reading::Is(mean),
            (gap, _) => either(gap, percent(table.umc_percent)),
        };
    }

    fn fill_memory(&mut self, row: &mut GpuSample) {
        let total = self.files.number::<u64>("mem_info_vram_total");
        let used = self.files.number::<u64>("mem_info_vram_used");
        row.memory_total_bytes = total.and_then(check::memory);
        row.memory_used_bytes =
            used.zip(total).and_then(|(used, total)| check::memory_used(used, total));
    }

    /// What the table tells that no file of its own does, or not on this card.
    fn fill_from_table(&mut self, row: &mut GpuSample, table: &Table) {
        let short = |value: Option<u16>| Reading::from_option(value, Gap::Unsupported);
        let celsius = |value| short(value).and_then(|value| check::temperature(u32::from(value)));
        let clock = |value| short(value).and_then(|value| check::clock(u32::from(value)));
        let limit = row.power_limit_watts;
        let edge = celsius(table.edge).or(celsius(table.hotspot));
        row.temperature_celsius = either(row.temperature_celsius, edge);
        row.memory_temperature_celsius =
            either(row.memory_temperature_celsius, celsius(table.memory));
        let watts = short(table.watts).and_then(|watts| check::power(f64::from(watts), limit));
        row.power_watts = either(row.power_watts, watts);
        row.sm_clock_hertz = either(row.sm_clock_hertz, clock(table.gfx_mhz));
        row.memory_clock_hertz = either(row.memory_clock_hertz, clock(table.memory_mhz));
        let joules = table.energy_joules(self.is_mi200());
        row.energy_joules_total = Reading::from_option(joules, Gap::Unsupported);
        let replays = Reading::from_option(table.replays, Gap::Unsupported);
        row.pcie_replays_total = either(
            self.rare.pcie_replays_total,
            replays.and_then(|count| check::counter(count, 1)),
        );
        row.throttle_reasons = self.throttle.reasons(table);
    }

    /// Whether the unit of its energy is documented (15.259 µJ) though its table does not say so.
    const fn is_mi200(&self) -> bool {
        matches!(self.device, 0x7408 | 0x740c | 0x740f | 0x7410)
    }

    /// What hardly changes: the link, its replays, memory errors, the highest clock.
    fn read_rare(&mut self) {
        let mut row = empty_row();
        self.fill_link(&mut row);
        row.pcie_replays_total = self
            .files
            .number::<u64>("pcie_replay_count")
            .and_then(|count| check::counter(count, 1));
        let highest = self.files.text("pp_dpm_sclk").ok().and_then(|text| highest_mhz(&text));
        row.sm_clock_max_hertz =
            Reading::from_option(highest, Gap::Unsupported).and_then(check::clock);
        match self.files.text("ras/umc_err_count") {
            Ok(text) => {
                let of = |name| Reading::from_option(errors(&text, name), Gap::Failed);
                row.ecc_uncorrected_total = of("ue");
                row.ecc_corrected_total = of("ce");
            }
            Err(gap) => {
                row.ecc_uncorrected_total = Reading::Not(gap);
                row.ecc_corrected_total = Reading::Not(gap);
            }
        }
        self.rare = row;
    }

    fn fill_link(&mut self, row: &mut GpuSample) {
        let mut speed = |name: &str| match self.files.text(self.port.join(name)) {
            Ok(text) => {
                Reading::from_option(generation(&text), Gap::Unsupported).and_then(check::link_gen)
            }
            Err(gap) => Reading::Not(gap),
        };
        row.pcie_link_gen = speed("current_link_speed");
        row.pcie_link_gen_max = speed("max_link_speed");
        let mut lanes =
            |name: &str| self.files.number::<u32>(self.port.join(name)).and_then(check::link_width);
        row.pcie_link_width = lanes("current_link_width");
        row.pcie_link_width_max = lanes("max_link_width");
    }

    fn copy_rare(&self, row: &mut GpuSample) {
        row.pcie_link_gen = self.rare.pcie_link_gen;
        row.pcie_link_gen_max = self.rare.pcie_link_gen_max;
        row.pcie_link_width = self.rare.pcie_link_width;
        row.pcie_link_width_max = self.rare.pcie_link_width_max;
        row.sm_clock_max_hertz = self.rare.sm_clock_max_hertz;
        row.ecc_corrected_total = self.rare.ecc_corrected_total;
        row.ecc_uncorrected_total = self.rare.ecc_uncorrected_total;
    }
}

impl Watched for Amd {
    fn info(&mut self, plain: GpuInfo) -> GpuInfo {
        self.kfd.find_nodes();
        let told = self.files.text("product_name").ok().filter(|name| !name.is_empty());
        let mut name = told.map_or_else(|| plain.name.to_string(), |name| named(&name));
        // A card in one partition is a whole card.
        let cut = self.files.text("current_compute_partition").ok();
        if let Some(cut) = cut.filter(|cut| !cut.is_empty() && cut != "SPX") {
            name = format!("{name} ({cut} partitions)");
        }
        let unique = self.files.text("unique_id").ok().filter(|id| id.len() >= 8);
        let mut info = plain;
        info.name = name.into();
        // As ROCm writes it.
        info.uuid = unique.map_or_else(Default::default, |id| format!("GPU-{id}").into());
        let total = self.files.number::<u64>("mem_info_vram_total").and_then(check::memory);
        info.memory_bytes = total.ok();
        info.multiprocessors = self.kfd.compute_units();
        info.modes.ecc = self.rare.ecc_uncorrected_total.is().then_some(true);
        info.modes.numa_node = self.files.number::<u32>("numa_node").ok();
        info.modes.minor = render_node(&self.folder);
        info
    }

    fn sample(&mut self, now: Instant) -> Result<GpuSample, Trouble> {
        if let Some((at, row)) = &self.last
            && now.saturating_duration_since(*at) < RARE
            && !self.in_use
            && self.kfd.held().is_none_or(|held| held.is_empty())
        {
            return Ok(row.clone());
        }
        if self.rows.is_multiple_of(10) {
            self.read_rare();
        }
        let bytes = self.files.bytes("gpu_metrics").unwrap_or_default();
        let table = metrics::parse(&bytes).unwrap_or_default();
        let mut row = empty_row();
        self.fill_busy(&mut row, &table);
        self.fill_memory(&mut row);
        self.hwmon.fill(&mut self.files, &mut row);
        self.copy_rare(&mut row);
        self.fill_from_table(&mut row, &table);
        if self.files.take_reset() {
            self.throttle = Throttle::default();
            return Err(Trouble::reset());
        }
        self.rows += 1;
        self.in_use = row.utilization_ratio.ok().is_some_and(|ratio| ratio > 0.0)
            || row.memory_used_bytes.ok().is_none_or(|bytes| bytes > IN_USE_BYTES);
        let (reads, spent) = self.files.cost();
        row.driver_calls_total = Reading::Is(reads);
        row.driver_seconds_total = Reading::Is(spent.as_secs_f64());
        let sleepy = self.files.text("power/control").is_ok_and(|word| word == "auto");
        self.last = sleepy.then(|| (now, row.clone()));
        Ok(row)
    }

    fn held(&mut self, now: Instant) -> Option<Vec<Held>> {
        let computes = self.kfd.held();
        let stale = self.census.patience();
        let count = self.census.latest();
        let count = count.filter(|count| now.saturating_duration_since(count.at) < stale);
        let Some(count) = count else { return computes };
        // ROCm's processes open every card: the compute driver knows which of them they use.
        let mut others = load::held(&self.pci, &count.clients, &count.work);
        others.retain(|one| !self.kfd.knows(one.pid));
        if computes.is_none() && others.is_empty() && count.clients.partial() {
            return None;
        }
        others.extend(computes.unwrap_or_default());
        others.sort_by_key(|one| one.pid);
        Some(others)
    }

    fn wants_looks(&self) -> bool {
        self.in_use
    }

    fn look(&mut self) {
        self.busy.add(self.files.number("gpu_busy_percent"));
        self.memory_busy.add(self.files.number("mem_busy_percent"));
        // A refusal between rows is told by the next row, if it is still in force then.
        self.files.take_reset();
    }

    fn forget(&mut self) {
        self.busy = Looks::default();
        self.memory_busy = Looks::default();
        self.throttle = Throttle::default();
        self.hwmon = Hwmon::default();
        self.last = None;
        self.rows = 0;
    }
}

/// What a file tells, else what the table does; where neither does, the file's reason is the better one.
fn either<T>(file: Reading<T>, table: Reading<T>) -> Reading<T> {
    if table.is() { file.or(table) } else { file }
}

/// The number of the card's render node, as in `/dev/dri/renderD128`.
fn render_node(folder: &Path) -> Option<u32> {
    let entries = fs::read_dir(folder.join("drm")).ok()?;
    let mut names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.find_map(|name| name.strip_prefix("renderD")?.parse().ok())
}

/// AMD cards carry a switch of their own: the link that training shares is that of its upper port.
fn slot_port(card: &Card) -> PathBuf {
    let vendor = |folder: &Path| Files::new(folder.to_owned()).text("vendor");
    let mut port = card.folder.clone();
    while let Some(parent) = port.parent() {
        if vendor(parent).as_deref() != Ok("0x1002") {
            break;
        }
        port = parent.to_owned();
    }
    port
}

/// The highest of lines such as `1: 2100Mhz *`.
fn highest_mhz(text: &str) -> Option<u32> {
    let clocks = text.lines().filter_map(|line| line.split_once(": "));
    clocks
        .filter_map(|(_, rest)| rest.trim_end_matches(" *").strip_suffix("Mhz")?.parse().ok())
        .max()
}

/// A line of `umc_err_count`: `ue: 0`.
fn errors(text: &str, name: &str) -> Option<u64> {
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    let count =
        lines.filter(|(key, _)| *key == name).find_map(|(_, count)| count.trim().parse().ok());
    count.filter(|count| *count < 1 << 53)
}

/// A product's name with its maker.
fn named(name: &str) -> String {
    if name.contains("AMD") { name.to_owned() } else { format!("AMD {name}") }
}

/// Names of chips that are sold under one name, or by their revision (the list amdgpu.ids of libdrm).
/// Most cards tell their own; these do not, or only with newer kernels.
pub(super) const fn marketing_name(device: u16, revision: u8) -> Option<&'static str> {
    Some(match (device, revision) {
        (0x738c, _) => "AMD Instinct MI100",
        (0x7408, _) => "AMD Instinct MI250X",
        (0x740c, _) => "AMD Instinct MI250X / MI250",
        (0x740f, _) => "AMD Instinct MI210",
        (0x74a0, _) => "AMD Instinct MI300A",
        (0x74a1, _) => "AMD Instinct MI300X",
        (0x74a5, _) => "AMD Instinct MI325X",
        (0x744c, 0xc8) => "AMD Radeon RX 7900 XTX",
        (0x744c, 0xcc) => "AMD Radeon RX 7900 XT",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_words_are_read() {
        assert_eq!(highest_mhz("0: 500Mhz *\n1: 1700Mhz\n"), Some(1700));
        assert_eq!(highest_mhz(""), None);
        assert_eq!(errors("ue: 1\nce: 23\n", "ce"), Some(23));
        assert_eq!(errors("ue: 1", "ce"), None);
    }
}
