//! `mltop doctor`: what can be read here, what cannot, why, and what would allow it.

mod loaders;
mod rights;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::sync::Arc;

use crate::error::Error;
use crate::model::inventory::{SourceState, SourceStatus};
use crate::model::sample::{Bound, UsageSource};
use crate::model::{Gap, Reading, Sample};
use crate::source::Roots;
use crate::source::trainer::PidProblem;

/// How one check went.
#[derive(Clone, Debug, Default, PartialEq)]
struct Check {
    mark: Mark,
    what: String,
    finding: String,
    remedy: String,
    /// Further lines: what was tried, and what would allow it.
    more: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mark {
    Yes,
    Part,
    No,
    /// Not there, and no fault.
    #[default]
    None,
}

impl Mark {
    const fn word(self) -> &'static str {
        match self {
            Self::Yes => "ok     ",
            Self::Part => "partly ",
            Self::No => "no     ",
            Self::None => "absent ",
        }
    }
}

impl From<SourceState> for Mark {
    fn from(state: SourceState) -> Self {
        match state {
            SourceState::Ok => Self::Yes,
            SourceState::Partial => Self::Part,
            SourceState::Failed => Self::No,
            SourceState::Absent | SourceState::Unknown => Self::None,
        }
    }
}

/// Prints the report on what the last of a few samples shows. `problem` is what stands against the
/// process that was asked for.
pub(super) fn report(
    sample: &Sample,
    roots: &Roots,
    problem: Option<&PidProblem>,
) -> Result<(), Error> {
    let mut text = String::new();
    let host = &sample.inventory.host;
    let _ = writeln!(text, "mltop {} on {}, {}", env!("CARGO_PKG_VERSION"), host.name, host.kernel);
    for check in checks(sample, roots, problem) {
        let _ = writeln!(text, "{}{:<18} {}", check.mark.word(), check.what, check.finding);
        if !check.remedy.is_empty() {
            let _ = writeln!(text, "{:<26}→ {}", "", check.remedy);
        }
        for line in &check.more {
            let _ = writeln!(text, "{:<26}{line}", "");
        }
    }
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn checks(sample: &Sample, roots: &Roots, problem: Option<&PidProblem>) -> Vec<Check> {
    let mut checks = vec![rights::check(roots)];
    checks.extend(problem.map(loaders::of_problem));
    checks.extend([processes(sample, roots), pressure(sample), limits(sample)]);
    checks.push(disks(sample));
    checks.extend(sample.inventory.sources.iter().map(from_status));
    checks.extend(gpus(sample));
    checks.extend(sample.loaders.iter().map(|loader| loaders::check(sample, loader)));
    checks
}

fn from_status(status: &Arc<SourceStatus>) -> Check {
    let fine = status.message.is_empty();
    Check {
        mark: status.state.into(),
        what: status.source.to_string(),
        finding: if fine { "read".into() } else { status.message.to_string() },
        remedy: status.remedy.to_string(),
        ..Check::default()
    }
}

fn processes(sample: &Sample, roots: &Roots) -> Check {
    let what = "processes".to_owned();
    let hidden = fs::symlink_metadata(roots.proc.join("1/stat")).is_err();
    let Reading::Is(seen) = sample.host.processes else {
        let finding = format!("{} cannot be listed", roots.proc.display());
        return Check {
            mark: Mark::No,
            what,
            finding,
            remedy: "mount proc".into(),
            ..Check::default()
        };
    };
    if hidden {
        let finding = format!("{seen} seen; those of other users are hidden (hidepid)");
        return Check {
            mark: Mark::Part,
            what,
            finding,
            remedy: "sudo mltop".into(),
            ..Check::default()
        };
    }
    Check { mark: Mark::Yes, what, finding: format!("{seen} seen"), ..Check::default() }
}

fn pressure(sample: &Sample) -> Check {
    let what = "pressure (PSI)".to_owned();
    match sample.host.psi_io_some_seconds_total {
        Reading::Is(_) => Check {
            mark: Mark::Yes,
            what,
            finding: "CPU, I/O and memory".into(),
            ..Check::default()
        },
        Reading::Not(gap) => Check {
            mark: Mark::None,
            what,
            finding: format!("{}: the kernel does not account for stalls", gap.words()),
            remedy: "boot with psi=1".into(),
            ..Check::default()
        },
    }
}

fn limits(sample: &Sample) -> Check {
    let mut bounds = Vec::new();
    for group in &sample.cgroups {
        if let Reading::Is(cores) = group.cpu_limit_cores {
            bounds.push(format!("{} may use {cores:.1} cores", group.cgroup));
        }
        if let Reading::Is(rate) = group.io_read_limit_bytes_per_second {
            bounds.push(format!("{} may read {:.0} MB/s", group.cgroup, rate as f64 / 1e6));
        }
    }
    let finding = match (sample.cgroups.is_empty(), bounds.is_empty()) {
        (true, _) => "read where a training runs".to_owned(),
        (false, true) => "read; none binds a training".to_owned(),
        (false, false) => bounds.join(", "),
    };
    Check { mark: Mark::Yes, what: "cgroup limits".into(), finding, ..Check::default() }
}

fn disks(sample: &Sample) -> Check {
    let names: Vec<&str> = sample.disks.iter().map(|disk| &*disk.disk).collect();
    let (mark, finding) = if names.is_empty() {
        (Mark::None, "no block device with I/O".to_owned())
    } else {
        (Mark::Yes, names.join(" "))
    };
    Check { mark, what: "disks".into(), finding, ..Check::default() }
}

/// Why an AMD card's traffic is not told.
const PCIE_OF_AMD: &str = "not read, the driver counts for a whole second inside the read";

/// For each card, which of the figures that matter are missing.
fn gpus(sample: &Sample) -> Vec<Check> {
    let mut checks = Vec::new();
    for (info, row) in sample.inventory.gpus.iter().zip(&sample.gpus) {
        let figures: [(&str, Option<Gap>); 5] = [
            ("utilization", row.utilization_ratio.gap()),
            ("memory", row.memory_used_bytes.gap()),
            ("power", row.power_watts.gap()),
            ("SM activity", row.sm_active_ratio.gap()),
            ("PCIe", row.pcie_source.gap()),
        ];
        let missing: Vec<String> = figures
            .iter()
            .filter_map(|(name, gap)| {
                let why = (*gap)?;
                let of_amd = *name == "PCIe" && &*info.driver == "amdgpu";
                let why = if of_amd && why == Gap::Unsupported { PCIE_OF_AMD } else { why.words() };
                Some(format!("{name}: {why}"))
            })
            .collect();
        let label = if info.simulated { " (SIMULATED)" } else { "" };
        let mut finding = format!("{}{label}", info.name);
        if let Some(trouble) = &info.trouble {
            let _ = write!(finding, ", {trouble}");
        }
        if !missing.is_empty() {
            let _ = write!(finding, "; {}", missing.join(", "));
        }
        let mark = if missing.is_empty() { Mark::Yes } else { Mark::Part };
        let summed = row.usage_source == Reading::Is(UsageSource::Processes);
        let remedy = if summed && row.usage_bound != Reading::Is(Bound::Exact) {
            "its driver tells utilization and memory of each process only: sudo mltop looks at all"
        } else {
            ""
        };
        let (what, remedy) = (format!("gpu {}", info.gpu), remedy.to_owned());
        checks.push(Check { mark, what, finding, remedy, ..Check::default() });
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GpuId;
    use crate::model::inventory::GpuInfo;
    use crate::model::sample::GpuSample;

    #[test]
    fn a_card_names_each_figure_that_is_missing_and_why() {
        let mut sample = Sample::default();
        let info = GpuInfo { name: "H100".into(), ..GpuInfo::default() };
        Arc::make_mut(&mut sample.inventory).gpus.push(Arc::new(info));
        sample.gpus.push(GpuSample {
            gpu: GpuId(0),
            utilization_ratio: Reading::Is(0.5),
            sm_active_ratio: Reading::Not(Gap::Unsupported),
            ..GpuSample::default()
        });
        let check = &gpus(&sample)[0];
        assert_eq!(check.mark, Mark::Part);
        assert!(check.finding.contains("SM activity: not supported"), "{}", check.finding);
        assert!(!check.finding.contains("utilization"), "{}", check.finding);
    }

    #[test]
    fn a_source_without_trouble_is_read_and_one_with_trouble_says_so_with_the_remedy() {
        let status = SourceStatus {
            source: "nvml".into(),
            state: SourceState::Failed,
            message: "driver and library differ".into(),
            remedy: "reboot".into(),
        };
        let check = from_status(&Arc::new(status));
        assert_eq!((check.mark, &*check.remedy), (Mark::No, "reboot"));
    }
}
