//! What the box is: facts that do not change while mltop runs.

use std::path::Path;

use super::file::{Slurp, value_of, whole_lines};
use crate::model::inventory::HostInfo;
use crate::source::Roots;
use crate::source::text::clean;

/// Longest text of a fact.
const LONGEST: usize = 128;

/// The facts about the box; what cannot be read is empty or 0.
pub(super) fn read(roots: &Roots) -> HostInfo {
    let mut slurp = Slurp::default();
    let kernel = roots.proc.join("sys/kernel");
    let memory = slurp.text(&roots.proc.join("meminfo")).map(|text| value_of(text, "MemTotal"));
    HostInfo {
        name: fact(&mut slurp, &kernel.join("hostname")),
        kernel: fact(&mut slurp, &kernel.join("osrelease")),
        os: os_name(&mut slurp, roots),
        cpu: cpu_model(&mut slurp, roots),
        cpu_count: cpu_count(&mut slurp, roots),
        memory_bytes: memory
            .ok()
            .and_then(crate::model::reading::Reading::ok)
            .map_or(0, |kib| kib.saturating_mul(1024)),
        boot_id: fact(&mut slurp, &kernel.join("random/boot_id")),
    }
}

fn fact(slurp: &mut Slurp, path: &Path) -> Box<str> {
    clean(slurp.bytes(path).unwrap_or_default().trim_ascii(), LONGEST)
}

fn os_name(slurp: &mut Slurp, roots: &Roots) -> Box<str> {
    let text = slurp.text(&roots.etc.join("os-release")).unwrap_or_default();
    let name = whole_lines(text).find_map(|line| line.strip_prefix("PRETTY_NAME="));
    clean(name.unwrap_or_default().trim_matches(['"', '\'']).as_bytes(), LONGEST)
}

fn cpu_model(slurp: &mut Slurp, roots: &Roots) -> Box<str> {
    let text = slurp.text(&roots.proc.join("cpuinfo")).unwrap_or_default();
    let model = whole_lines(text)
        .find_map(|line| line.strip_prefix("model name")?.trim_start().strip_prefix(':'));
    match model {
        Some(model) => clean(model.trim().as_bytes(), LONGEST),
        None if roots.proc == Path::new("/proc") => cpu_brand(),
        None => Box::default(),
    }
}

/// ARM kernels print part numbers; sysinfo has the table of names.
fn cpu_brand() -> Box<str> {
    use sysinfo::{CpuRefreshKind, RefreshKind, System};
    let kind = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(kind);
    let cpus = system.as_ref().map(System::cpus).unwrap_or_default();
    clean(cpus.first().map_or("", |cpu| cpu.brand()).trim().as_bytes(), LONGEST)
}

fn cpu_count(slurp: &mut Slurp, roots: &Roots) -> u32 {
    let text = slurp.text(&roots.proc.join("stat")).unwrap_or_default();
    whole_lines(text).filter(|line| super::host::is_one_cpu(line)).count() as u32
}
