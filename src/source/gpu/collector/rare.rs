//! What an administrator changes, or nobody: limits, identity, modes, and lists that are dear to ask.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, ComputeMode, GpuVirtualizationMode};

use super::super::check;
use super::driver::Library;
use super::fields;
use super::raw;
use super::reads::{Asker, Call};
use super::slow::named;
use crate::model::inventory::{GpuInfo, GpuModes};
use crate::model::sample::{GpuProcKind, GpuSample};
use crate::model::{Gap, GpuId, Reading};

impl Asker {
    /// Limits, what the card is wired to, worn memory, and processes that are no compute ones: their
    /// list is the costliest call of all.
    pub(super) fn rare(&mut self, row: &mut GpuSample) {
        let nvml = self.nvml;
        row.power_limit_watts = self
            .ask(Call::Other, Device::enforced_power_limit)
            .and_then(|mw| check::power_limit(f64::from(mw) / 1e3));
        self.bests(row);
        let bar1 = self.ask(Call::Bar1, Device::bar1_memory_info);
        row.bar1_total_bytes = bar1.as_ref().and_then(|bar1| check::memory(bar1.total));
        row.bar1_used_bytes =
            bar1.as_ref().and_then(|bar1| check::memory_used(bar1.used, bar1.total));
        self.wiring(row);
        self.worn_memory(row);
        self.others.clear();
        for (list, kind) in
            [(raw::Kind::Mps, GpuProcKind::Mps), (raw::Kind::Graphics, GpuProcKind::Graphics)]
        {
            let held = self.ask(Call::Other, |gpu| raw::processes(nvml, gpu, list));
            self.others.extend(named(held.ok().unwrap_or_default(), kind));
        }
    }

    /// What the card could do at its best, and its fans: none of it changes once it is known.
    fn bests(&mut self, row: &mut GpuSample) {
        if !row.sm_clock_max_hertz.is() {
            row.sm_clock_max_hertz =
                self.ask(Call::Other, |gpu| gpu.max_clock_info(Clock::SM)).and_then(check::clock);
        }
        if !row.pcie_link_gen_max.is() {
            row.pcie_link_gen_max =
                self.ask(Call::Other, Device::max_pcie_link_gen).and_then(check::link_gen);
        }
        if !row.pcie_link_width_max.is() {
            row.pcie_link_width_max =
                self.ask(Call::Other, Device::max_pcie_link_width).and_then(check::link_width);
        }
        if self.fans.is_none() {
            self.fans = self.ask(Call::Other, Device::num_fans).ok().map(|fans| fans.min(16));
        }
    }

    /// NVLinks, and the link to a Grace CPU.
    fn wiring(&mut self, row: &mut GpuSample) {
        let values = self.fields(&[
            fields::NVLINK_LINKS,
            fields::NVLINK_SPEED,
            fields::C2C_LINKS,
            fields::C2C_SPEED,
        ]);
        // A card without links says 0 or does not know the field.
        let links = |id| {
            values.of(id).and_then(|links| match links {
                0 => Reading::Not(Gap::Unsupported),
                1..=64 => Reading::Is(links),
                _ => Reading::Not(Gap::Failed),
            })
        };
        // Speeds are in megabytes a second and one way, for each link.
        let limit = |links: Reading<u64>, speed| {
            links.zip(values.of(speed)).and_then(|(links, speed)| match speed {
                1..=1_000_000 => Reading::Is(links as f64 * speed as f64 * 1e6),
                _ => Reading::Not(Gap::Failed),
            })
        };
        row.nvlink_links = links(fields::NVLINK_LINKS);
        row.nvlink_limit_bytes_per_second = limit(row.nvlink_links, fields::NVLINK_SPEED);
        let c2c = links(fields::C2C_LINKS);
        row.c2c_limit_bytes_per_second = limit(c2c, fields::C2C_SPEED);
        self.c2c = c2c.is();
        if let Reading::Not(gap) = row.nvlink_links {
            row.nvlink_rx_bytes_per_second = Reading::Not(gap);
            row.nvlink_tx_bytes_per_second = Reading::Not(gap);
        }
        if let Reading::Not(gap) = c2c {
            row.c2c_rx_bytes_per_second = Reading::Not(gap);
            row.c2c_tx_bytes_per_second = Reading::Not(gap);
        }
    }

    /// Rows that were replaced, and before Ampere pages taken out of use.
    fn worn_memory(&mut self, row: &mut GpuSample) {
        let nvml = self.nvml;
        let rows = self.ask(Call::Rows, |gpu| raw::remapped_rows(nvml, gpu));
        row.remapped_corrected_rows = rows.map(|rows| u64::from(rows.corrected));
        row.remapped_uncorrected_rows = rows.map(|rows| u64::from(rows.uncorrected));
        row.remap_pending = rows.map(|rows| rows.pending);
        row.remap_failed = rows.map(|rows| rows.failed);
        let values = self.fields(&[
            fields::RETIRED_CORRECTED,
            fields::RETIRED_UNCORRECTED,
            fields::RETIRE_PENDING,
        ]);
        let pages =
            values.of(fields::RETIRED_CORRECTED).zip(values.of(fields::RETIRED_UNCORRECTED));
        row.retired_pages = pages.and_then(|(a, b)| check::counter(a.saturating_add(b), 1));
        row.retire_pending = values.of(fields::RETIRE_PENDING).map(|pending| pending != 0);
    }

    /// Who the GPU is; what can change of it is read anew by [`Self::modes`].
    pub(super) fn identity(&mut self, index: u32, library: &Library, row: &GpuSample) -> GpuInfo {
        GpuInfo {
            gpu: GpuId(index),
            uuid: self.ask(Call::Other, Device::uuid).ok().unwrap_or_default().into(),
            name: self.ask(Call::Other, Device::name).ok().unwrap_or_default().into(),
            driver: library.driver.clone(),
            simulated: library.simulated,
            pci: self
                .ask(Call::Other, Device::pci_info)
                .map(|pci| pci.bus_id)
                .ok()
                .unwrap_or_default()
                .into(),
            memory_bytes: row.memory_total_bytes.ok(),
            multiprocessors: self.multiprocessors(),
            ..GpuInfo::default()
        }
    }

    /// How the card is set up; of what was `known`, what cannot change under a running driver stands.
    pub(super) fn modes(&mut self, known: &GpuModes) -> GpuModes {
        let compute = self.ask(Call::Other, Device::compute_mode).ok();
        let virtualization = self.ask(Call::Other, Device::virtualization_mode).ok();
        // No node is told as all ones.
        let node = |asker: &mut Self| {
            asker.ask(Call::Other, Device::numa_node_id).ok().filter(|node| *node < 4096)
        };
        GpuModes {
            persistence: self.ask(Call::Other, Device::is_in_persistent_mode).ok(),
            compute: compute.map_or("", compute_words).into(),
            mig: self.ask(Call::Mig, Device::mig_mode).ok().map(|mode| mode.current == 1),
            ecc: self
                .ask(Call::Other, Device::is_ecc_enabled)
                .ok()
                .map(|ecc| ecc.currently_enabled),
            virtualization: virtualization.as_ref().map_or("", virtualization_words).into(),
            confidential: known
                .confidential
                .or_else(|| self.ask(Call::Other, Device::is_cc_enabled).ok()),
            numa_node: known.numa_node.or_else(|| node(self)),
            minor: known.minor.or_else(|| self.ask(Call::Other, Device::minor_number).ok()),
        }
    }

    /// Multiprocessors: told directly since Ampere, else from the cores that each has.
    fn multiprocessors(&self) -> Option<u32> {
        if let Ok(attributes) = self.device.attributes()
            && (1..=1024).contains(&attributes.multiprocessor_count)
        {
            return Some(attributes.multiprocessor_count);
        }
        let capability = self.device.cuda_compute_capability().ok()?;
        let cores = match (capability.major, capability.minor) {
            (7, _) | (6 | 8, 0) => 64,
            (5 | 6 | 8..=12, _) => 128,
            _ => return None,
        };
        let count = self.device.num_cores().ok()? / cores;
        (1..=1024).contains(&count).then_some(count)
    }
}

const fn compute_words(mode: ComputeMode) -> &'static str {
    match mode {
        ComputeMode::Default => "default",
        ComputeMode::ExclusiveThread => "exclusive thread",
        ComputeMode::Prohibited => "prohibited",
        ComputeMode::ExclusiveProcess => "exclusive process",
    }
}

const fn virtualization_words(mode: &GpuVirtualizationMode) -> &'static str {
    match mode {
        GpuVirtualizationMode::Bare => "",
        GpuVirtualizationMode::PassThrough => "passed through to this machine",
        GpuVirtualizationMode::Vgpu => "vGPU",
        GpuVirtualizationMode::HostVgpu => "host of vGPUs",
        GpuVirtualizationMode::HostVsga => "host of shared graphics",
    }
}
