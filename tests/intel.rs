//! Intel's cards through the true path: mltop starts its collector, which reads a machine in a folder.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/intel_cards.rs"]
mod intel_cards;
#[path = "common/watched_cards.rs"]
mod watched_cards;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mltop::model::inventory::SourceState;
use mltop::model::sample::{Bound, GpuProcKind, GpuSample, UsageSource};
use mltop::model::throttle::{CURRENT, HARDWARE_HEAT, HEAT, OTHER, POWER_CAP};
use mltop::model::{Gap, Pid, Reading};
use mltop::source::gpu::{GpuLook, Gpus};

use intel_cards::{A770_I915, A770_XE, FLEX_170, Kind, MAX_1100, MAX_1550, Machine, PID};
use watched_cards::{FAST, until, watch};

struct Rig {
    machine: Machine,
    gpus: Gpus,
}

impl Rig {
    fn new(kind: &Kind) -> Self {
        Self::on(Machine::new(kind))
    }

    fn on(machine: Machine) -> Self {
        Self { gpus: watch(machine.root(), &[]), machine }
    }

    /// Waits for a look that is as wanted.
    fn until(&self, wanted: impl Fn(&GpuLook) -> bool) -> GpuLook {
        until(&self.gpus, wanted)
    }

    /// The row of the card once all of it was read, with its look.
    fn settled(&self) -> (GpuSample, GpuLook) {
        let look = self.until(|look| {
            look.samples.first().is_some_and(|row| {
                row.utilization_ratio.gap() != Some(Gap::NotYet) && row.power_watts.is()
            })
        });
        (look.samples[0].clone(), look)
    }
}

fn gigabytes(binary: u64) -> Reading<u64> {
    Reading::Is(binary << 30)
}

fn megahertz(clock: u64) -> Reading<u64> {
    Reading::Is(clock * 1_000_000)
}

#[test]
fn an_arc_under_xe_tells_each_figure() {
    let rig = Rig::new(&A770_XE);
    let (row, look) = rig.settled();
    let info = &look.infos[0];
    assert_eq!(
        (&*info.name, &*info.driver, &*info.pci),
        ("Intel Arc A770", "xe", intel_cards::CARD)
    );
    assert_eq!(info.memory_bytes, Some(16 << 30));
    assert_eq!(row.memory_total_bytes, gigabytes(16));
    assert_eq!(row.sm_clock_hertz, megahertz(2250));
    assert_eq!(row.sm_clock_max_hertz, megahertz(2400));
    assert_eq!(row.throttle_reasons, Reading::Is(POWER_CAP | HEAT));
    assert_eq!(row.energy_joules_total, Reading::Is(4123.0));
    // A count that stands is a card that draws nothing; that it is the rise, a test beside it shows.
    assert_eq!(row.power_watts, Reading::Is(0.0));
    assert_eq!(row.power_limit_watts, Reading::Is(190.0));
    assert_eq!(row.temperature_celsius, Reading::Is(61.0));
    assert_eq!(row.memory_temperature_celsius, Reading::Is(70.0));
    // No file tells the most that a fan can do.
    assert_eq!(row.fan_ratio, Reading::Not(Gap::Unsupported));
    // The link to the machine, not the one within the card.
    let link = (row.pcie_link_gen, row.pcie_link_width);
    assert_eq!(link, (Reading::Is(4), Reading::Is(16)));
    let most = (row.pcie_link_gen_max, row.pcie_link_width_max);
    assert_eq!(most, (Reading::Is(4), Reading::Is(16)));
    assert_eq!(row.usage_source, Reading::Is(UsageSource::Processes));
    // Every process may be seen, and none has it open.
    assert_eq!(row.utilization_ratio, Reading::Is(0.0));
    assert_eq!(row.memory_used_bytes, Reading::Is(0));
    assert_eq!(row.usage_bound, Reading::Is(Bound::Exact));
    assert_eq!(row.sm_active_ratio, Reading::Not(Gap::Unsupported));
    assert_eq!(row.xids_total, Reading::Not(Gap::Unsupported));
    assert_eq!((&*look.status.source, look.status.state), ("drm", SourceState::Ok));
}

#[test]
fn an_arc_under_i915_tells_what_that_driver_has() {
    let rig = Rig::new(&A770_I915);
    let (row, look) = rig.settled();
    assert_eq!((&*look.infos[0].name, &*look.infos[0].driver), ("Intel Arc A770", "i915"));
    assert_eq!(row.sm_clock_hertz, megahertz(600));
    assert_eq!(row.sm_clock_max_hertz, megahertz(2400));
    assert_eq!(row.throttle_reasons, Reading::Is(0));
    // That of the device, not of its tile.
    assert_eq!(row.energy_joules_total, Reading::Is(98.0));
    // The one limit that there is is switched off.
    assert_eq!(row.power_limit_watts, Reading::Not(Gap::NotApplicable));
    assert_eq!(row.temperature_celsius, Reading::Is(48.0));
    assert_eq!(row.memory_temperature_celsius, Reading::Not(Gap::Unsupported));
    assert_eq!(row.memory_total_bytes, Reading::Not(Gap::Unsupported));
}

#[test]
fn a_flex_without_a_display_is_a_card_and_says_that_it_is_shared() {
    let (row, look) = Rig::new(&FLEX_170).settled();
    let info = &look.infos[0];
    assert_eq!(&*info.name, "Intel Data Center GPU Flex 170");
    assert_eq!(&*info.modes.virtualization, "shared by 4 virtual functions (SR-IOV)");
    assert_eq!(info.modes.numa_node, Some(1));
    assert_eq!(row.memory_total_bytes, gigabytes(14));
    assert_eq!(row.power_limit_watts, Reading::Is(120.0));
    assert_eq!(row.throttle_reasons, Reading::Is(HARDWARE_HEAT));
    assert_eq!(row.sm_clock_hertz, megahertz(1950));
    assert_eq!(row.temperature_celsius, Reading::Not(Gap::Unsupported));
}

#[test]
fn a_max_tells_the_energy_of_the_card_and_the_limit_of_the_package() {
    let (row, look) = Rig::new(&MAX_1100).settled();
    assert_eq!(&*look.infos[0].name, "Intel Data Center GPU Max 1100");
    assert_eq!(look.infos[0].modes.numa_node, None);
    assert_eq!(row.memory_total_bytes, gigabytes(48));
    assert_eq!(row.power_limit_watts, Reading::Is(300.0));
    assert_eq!(row.energy_joules_total, Reading::Is(5.0));
    // A reason that is not known yet is said to be one.
    assert_eq!(row.throttle_reasons, Reading::Is(CURRENT | OTHER));
}

#[test]
fn two_tiles_are_one_card_with_the_memory_of_both_and_the_clock_of_the_faster() {
    let (row, look) = Rig::new(&MAX_1550).settled();
    assert_eq!(look.samples.len(), 1);
    assert_eq!(&*look.infos[0].name, "Intel Data Center GPU Max 1550, 2 tiles");
    assert_eq!(row.memory_total_bytes, gigabytes(128));
    assert_eq!(row.sm_clock_hertz, megahertz(1600));
    assert_eq!(row.throttle_reasons, Reading::Is(POWER_CAP));
}

/// Lets the compute engines of the card work for half of the time between any two looks, whenever they
/// are: by the card's own clock.
fn work_on(machine: &Machine, step: u64) {
    machine.client(
        "xe",
        &format!(
            "drm-total-vram0:\t4 GiB\ndrm-resident-vram0:\t3 GiB\ndrm-resident-gtt:\t8 MiB\n\
             drm-cycles-ccs:\t{}\ndrm-total-cycles-ccs:\t{}\ndrm-engine-capacity-ccs:\t4\n\
             drm-cycles-rcs:\t0\ndrm-total-cycles-rcs:\t{}\n",
            step * 2000,
            step * 1000,
            step * 1000
        ),
    );
}

#[test]
fn the_load_of_a_card_is_that_of_the_processes_on_it() {
    let rig = Rig::new(&A770_XE);
    let step = std::cell::Cell::new(1);
    let look = rig.until(|look| {
        step.set(step.get() + 1);
        work_on(&rig.machine, step.get());
        let busy = |row: &GpuSample| row.utilization_ratio == Reading::Is(0.5);
        let held = look.procs.first().is_some_and(|held| held.sm_ratio == Reading::Is(0.5));
        held && look.samples.first().is_some_and(busy)
    });
    let row = &look.samples[0];
    assert_eq!(row.compute_engine_ratio, Reading::Is(0.5));
    assert_eq!(row.render_engine_ratio, Reading::Is(0.0));
    assert_eq!(row.memory_used_bytes, gigabytes(3));
    let held = &look.procs[0];
    assert_eq!((held.pid, held.memory_used_bytes), (Pid(PID), gigabytes(3)));
    assert_eq!(held.kind, Reading::Is(GpuProcKind::Compute));
}

#[test]
fn in_a_container_the_load_is_the_least_and_without_a_process_not_known() {
    let machine = Machine::new(&A770_XE);
    machine.namespace("pid:[4026532999]");
    let rig = Rig::on(machine);
    let (row, _) = rig.settled();
    assert_eq!(row.utilization_ratio, Reading::Not(Gap::Denied));
    assert_eq!(row.memory_used_bytes, Reading::Not(Gap::Denied));
    work_on(&rig.machine, 1);
    let look = rig.until(|look| look.samples[0].utilization_ratio.is());
    assert_eq!(look.samples[0].usage_bound, Reading::Is(Bound::Lower));
    assert_eq!(look.samples[0].memory_used_bytes, gigabytes(3));
}

#[test]
fn a_card_that_sleeps_is_not_touched_and_is_read_once_it_wakes() {
    let machine = Machine::new(&A770_XE);
    let device = machine.device();
    machine.write(&device.join("power/runtime_status"), "suspended");
    work_on(&machine, 1);
    // Whoever reads a pipe that nobody writes to hangs, and the card is not heard of again.
    let pipes = ["hwmon/hwmon3/energy2_input", "tile0/gt0/freq0/act_freq"].map(|f| device.join(f));
    let client = machine.path("proc").join(format!("{PID}/fdinfo/9"));
    for pipe in pipes.iter().chain([&client]) {
        fs::remove_file(pipe).unwrap();
        let made = std::process::Command::new("mkfifo").arg(pipe).status();
        assert!(made.unwrap().success());
    }
    let rig = Rig::on(machine);
    let asleep = |look: &GpuLook| {
        let row = look.samples.first()?;
        let trouble = look.infos[0].trouble.clone()?;
        Some((row.power_watts, row.age_seconds, trouble))
    };
    rig.until(|look| {
        asleep(look).is_some_and(|(power, _, trouble)| {
            power == Reading::Not(Gap::NotApplicable) && trouble.contains("asleep")
        })
    });
    // It goes on to be heard of: nothing hangs.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        sleep(FAST);
    }
    rig.until(|look| asleep(look).is_some_and(|(_, age, _)| age.ok().is_some_and(|age| age < 1.0)));
    for (pipe, text) in pipes.iter().zip(["4200000000", "300"]) {
        rig.machine.write(pipe, text);
    }
    work_on(&rig.machine, 2);
    rig.machine.write(&rig.machine.device().join("power/runtime_status"), "active");
    let look = rig.until(|look| look.samples[0].sm_clock_hertz == megahertz(300));
    assert_eq!(look.infos[0].trouble, None);
}

#[test]
fn a_card_that_vanishes_is_lost_and_found_again() {
    let rig = Rig::new(&A770_XE);
    rig.settled();
    let driver = rig.machine.device().join("driver");
    let target = fs::read_link(&driver).unwrap();
    fs::remove_file(&driver).unwrap();
    let look = rig.until(|look| look.samples[0].sm_clock_hertz == Reading::Not(Gap::Lost));
    assert!(look.infos[0].trouble.as_deref().is_some_and(|words| words.contains("gone")));
    assert_eq!(look.status.state, SourceState::Failed);
    // The driver that is loaded anew gives its sensors another number.
    let hwmon = rig.machine.device().join("hwmon");
    fs::rename(hwmon.join("hwmon3"), hwmon.join("hwmon8")).unwrap();
    std::os::unix::fs::symlink(target, driver).unwrap();
    let look = rig.until(|look| {
        let row = &look.samples[0];
        row.sm_clock_hertz.is() && row.temperature_celsius == Reading::Is(61.0)
    });
    assert_eq!(look.infos[0].trouble, None);
}

#[test]
fn a_file_that_may_not_be_read_is_denied_and_the_rest_goes_on() {
    if rustix::process::geteuid().is_root() {
        // Root may read everything.
        eprintln!("skipped: a_file_that_may_not_be_read_is_denied_and_the_rest_goes_on (root)");
        return;
    }
    let machine = Machine::new(&A770_XE);
    let file = machine.device().join("tile0/gt0/freq0/act_freq");
    fs::set_permissions(file, fs::Permissions::from_mode(0o000)).unwrap();
    let (row, _) = Rig::on(machine).settled();
    assert_eq!(row.sm_clock_hertz, Reading::Not(Gap::Denied));
    assert_eq!(row.temperature_celsius, Reading::Is(61.0));
}
