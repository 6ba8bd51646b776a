//! MIG instances of a card: memory and processes of each, and its activity where GPM tells it.
//!
//! An instance has neither utilization nor clocks, power or links of its own: the first the driver
//! does not tell, the others are the card's.

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::super::check;
use super::super::wire::Held;
use super::driver::Library;
use super::gpm::{self, Gpm, Look, Wanted};
use super::reads::{Asker, Call};
use super::slow::named;
use super::{driver, raw};
use crate::model::inventory::{GpuInfo, MigInfo};
use crate::model::sample::{GpuProcKind, GpuSample};
use crate::model::{Gap, GpuId, Reading};

/// One MIG instance.
pub(super) struct Slice {
    /// Its number.
    pub(super) id: GpuId,
    device: Device<'static>,
    uuid: String,
    instance: Option<u32>,
    gpm: Gpm,
    /// Its figures.
    pub(super) row: GpuSample,
    /// Who it is, until that was said.
    pub(super) news: Option<GpuInfo>,
}

impl Asker {
    /// The instances of the card as they are now: those that were there before keep what they know.
    pub(super) fn slices(
        &mut self,
        card: GpuId,
        library: &Library,
        before: Vec<Slice>,
    ) -> Vec<Slice> {
        let most = self.ask(Call::Mig, Device::mig_device_count).ok().unwrap_or(0);
        let mut before = before;
        let mut slices = Vec::new();
        for index in 0..most.min(GpuId::SLICES) {
            let Some(id) = card.slice(index) else { break };
            // A hole among the indices answers "not found".
            let found = self.ask(Call::Other, |gpu| gpu.mig_device_by_index(index));
            let Some(device) = found.ok() else { continue };
            let uuid = self.timed(1, || device.uuid()).unwrap_or_default();
            let same = |slice: &Slice| slice.id == id && slice.uuid == uuid && !uuid.is_empty();
            if let Some(at) = before.iter().position(same) {
                slices.push(before.swap_remove(at));
                continue;
            }
            slices.push(self.slice(id, device, uuid, library));
        }
        slices
    }

    fn slice(
        &mut self,
        id: GpuId,
        device: Device<'static>,
        uuid: String,
        library: &Library,
    ) -> Slice {
        let nvml = self.nvml;
        let (gpu_instance, compute_instance) = self.timed(2, || raw::instance_ids(nvml, &device));
        let name = self.timed(1, || device.name()).unwrap_or_default();
        let attributes = self.timed(1, || device.attributes()).ok();
        let info = GpuInfo {
            gpu: id,
            uuid: uuid.as_str().into(),
            name: name.as_str().into(),
            driver: library.driver.clone(),
            simulated: library.simulated,
            memory_bytes: attributes.as_ref().map(|is| is.memory_size_mb.saturating_mul(1 << 20)),
            multiprocessors: attributes.as_ref().map(|is| is.multiprocessor_count),
            mig: Some(MigInfo {
                gpu_instance,
                compute_instance,
                profile: profile(&name).into(),
                slices: attributes.as_ref().map(|is| is.compute_instance_slice_count),
            }),
            ..GpuInfo::default()
        };
        let mut row = GpuSample::blank(id, Gap::NotApplicable);
        // The driver tells neither of an instance.
        row.utilization_ratio = Reading::Not(Gap::Unsupported);
        row.memory_controller_ratio = Reading::Not(Gap::Unsupported);
        let gpm = Gpm::default();
        Slice { id, device, uuid, instance: gpu_instance, gpm, row, news: Some(info) }
    }

    /// Memory and activity of an instance.
    pub(super) fn fast_of(&mut self, slice: &mut Slice) {
        let row = &mut slice.row;
        match self.timed(1, || slice.device.memory_info()) {
            Ok(memory) => {
                row.memory_total_bytes = check::memory(memory.total);
                row.memory_used_bytes = check::memory_used(memory.used, memory.total);
                row.memory_reserved_bytes = check::memory_used(memory.reserved, memory.total);
            }
            Err(error) => {
                let gap = Reading::Not(driver::gap(&error));
                row.memory_total_bytes = gap;
                row.memory_used_bytes = gap;
                row.memory_reserved_bytes = gap;
            }
        }
        let look = match slice.instance {
            Some(instance) => self.gpm_look(&mut slice.gpm, Wanted::Slice { instance }),
            None => Look::Failed(NvmlError::NotSupported),
        };
        match look {
            Look::Early => {}
            Look::First => gpm::fill(row, &[], Gap::NotYet),
            Look::Values(values) => gpm::fill(row, &values, Gap::Unsupported),
            Look::Failed(error) => gpm::fill(row, &[], driver::gap(&error)),
        }
    }

    /// The processes of an instance.
    pub(super) fn processes_of(&mut self, slice: &Slice) -> Reading<Vec<Held>> {
        let nvml = self.nvml;
        let list = self.timed(1, || raw::processes(nvml, &slice.device, raw::Kind::Compute));
        match list {
            Ok(list) => Reading::Is(named(list, GpuProcKind::Compute)),
            Err(error) => Reading::Not(driver::gap(&error)),
        }
    }
}

/// The size in an instance's name: `NVIDIA A100-SXM4-80GB MIG 1g.10gb`.
fn profile(name: &str) -> &str {
    name.rsplit_once("MIG ").map_or("", |(_, profile)| profile.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_an_instance_is_in_its_name() {
        assert_eq!(profile("NVIDIA A100-SXM4-80GB MIG 1g.10gb"), "1g.10gb");
        assert_eq!(profile("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb"), "1c.3g.40gb");
        assert_eq!(profile("NVIDIA H100"), "");
    }
}
