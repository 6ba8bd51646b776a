//! AMD cards through the true path: mltop starts its collector, which reads a folder that stands for
//! `/sys`. The folders follow the kernel's documentation and sources; no AMD card was at hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/kernel_cards.rs"]
mod kernel_cards;
#[path = "common/watched_cards.rs"]
mod watched_cards;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use mltop::model::inventory::{GpuInfo, SourceState};
use mltop::model::sample::{GpuProcKind, GpuSample};
use mltop::model::{Gap, Pid, Reading, throttle};
use mltop::source::gpu::{GpuLook, Gpus};
use rustix::fs::{FileType, Mode, mknodat};

use kernel_cards::{Cards, MI210, MI300X, RX7900, mi210, mi300x, power_cycles, rx7900xtx};
use watched_cards::{DEADLINE, FAST, until, watch};

const GIB: u64 = 1 << 30;

/// A file that never ends: who reads it waits for ever.
fn endless(cards: &Cards, name: &str) {
    let path = cards.sys(name);
    let _ = fs::remove_file(&path);
    mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

struct Rig {
    gpus: Gpus,
}

impl Rig {
    fn new(cards: &Cards) -> Self {
        Self { gpus: watch(cards.root(), &[]) }
    }

    /// Waits for a look that is as wanted.
    fn until(&self, wanted: impl FnMut(&GpuLook) -> bool) -> GpuLook {
        until(&self.gpus, wanted)
    }
}

fn card<'a>(look: &'a GpuLook, pci: &str) -> Option<(&'a GpuInfo, &'a GpuSample)> {
    let info = look.infos.iter().find(|info| pci.ends_with(&*info.pci) && !info.pci.is_empty())?;
    Some((info, look.samples.iter().find(|row| row.gpu == info.gpu)?))
}

/// Whether a card answers and was named by a read.
fn answers(look: &GpuLook, pci: &str) -> bool {
    card(look, pci).is_some_and(|(info, row)| {
        row.utilization_ratio.is() && info.memory_bytes.is_some() && info.trouble.is_none()
    })
}

#[test]
fn each_figure_of_an_mi210_is_what_its_file_says() {
    let cards = Cards::new();
    mi210(&cards);
    let rig = Rig::new(&cards);
    let look = rig.until(|look| {
        let all = look.status.state == SourceState::Ok && !look.procs.is_empty();
        all && answers(look, MI210)
    });
    let (info, row) = card(&look, MI210).unwrap();
    assert_eq!((&*info.name, &*info.uuid), ("AMD Instinct MI210", "GPU-7ae3b5c1d2f40918"));
    assert_eq!((info.multiprocessors, info.modes.numa_node), (Some(104), Some(1)));
    assert_eq!((info.memory_bytes, info.modes.ecc), (Some(68_702_699_520), Some(true)));
    assert_eq!(row.utilization_ratio, Reading::Is(0.87));
    assert_eq!(row.memory_controller_ratio, Reading::Is(0.41));
    assert_eq!(row.memory_used_bytes, Reading::Is(32_212_254_720));
    assert_eq!((row.power_watts, row.power_limit_watts), (Reading::Is(241.0), Reading::Is(300.0)));
    assert_eq!(row.temperature_celsius, Reading::Is(45.0));
    assert_eq!(row.memory_temperature_celsius, Reading::Is(58.0));
    assert_eq!(row.sm_clock_hertz, Reading::Is(1_700_000_000));
    assert_eq!(row.sm_clock_max_hertz, Reading::Is(1_700_000_000));
    assert_eq!(row.memory_clock_hertz, Reading::Is(1_600_000_000));
    assert_eq!((row.pcie_link_gen, row.pcie_link_width), (Reading::Is(4), Reading::Is(16)));
    assert_eq!(row.pcie_replays_total, Reading::Is(2));
    assert_eq!(row.ecc_uncorrected_total, Reading::Is(1));
    assert_eq!(row.ecc_corrected_total, Reading::Is(23));
    assert_eq!(row.energy_joules_total, Reading::Is(100.0));
    assert_eq!(row.throttle_reasons, Reading::Is(throttle::POWER_CAP | throttle::HEAT));
    // What AMD does not tell is absent, and no zero.
    for absent in [row.pcie_rx_bytes_per_second, row.sm_active_ratio, row.fan_ratio] {
        assert_eq!(absent, Reading::Not(Gap::Unsupported));
    }
    assert_eq!(row.xids_total, Reading::Not(Gap::Unsupported));
    let held: Vec<_> =
        look.procs.iter().map(|held| (held.pid, held.memory_used_bytes, held.kind)).collect();
    let compute = Reading::Is(GpuProcKind::Compute);
    assert_eq!(held, [(Pid(4711), Reading::Is(20 * GIB), compute)]);
}

#[test]
fn an_mi300x_in_partitions_is_one_card_with_the_sum_of_them() {
    let cards = Cards::new();
    mi300x(&cards);
    let rig = Rig::new(&cards);
    let look = rig.until(|look| answers(look, MI300X) && !look.procs.is_empty());
    let (info, row) = card(&look, MI300X).unwrap();
    assert_eq!(&*info.name, "AMD Instinct MI300X (DPX partitions)");
    assert_eq!(info.multiprocessors, Some(304));
    assert_eq!(look.procs[0].memory_used_bytes, Reading::Is(130 * GIB));
    assert_eq!((row.power_watts, row.power_limit_watts), (Reading::Is(690.0), Reading::Is(750.0)));
    // Without an edge sensor the junction's, and from the table what no file tells.
    assert_eq!(row.temperature_celsius, Reading::Is(70.0));
    assert_eq!(row.memory_controller_ratio, Reading::Is(0.55));
    assert_eq!(row.sm_clock_hertz, Reading::Is(2_100_000_000));
    assert_eq!(row.memory_clock_hertz, Reading::Is(1_300_000_000));
    assert_eq!(row.energy_joules_total, Reading::Is(500.0));
    assert_eq!((row.pcie_link_gen, row.pcie_replays_total), (Reading::Is(5), Reading::Is(4)));
    // Why clocks are held down is counted: a cause is in force while its count grows.
    rig.until(|look| card(look, MI300X).unwrap().1.throttle_reasons == Reading::Is(0));
    let mut power = 1000;
    rig.until(|look| {
        power += 1;
        power_cycles(&cards, power);
        card(look, MI300X).unwrap().1.throttle_reasons == Reading::Is(throttle::POWER_CAP)
    });
}

#[test]
fn the_link_of_a_card_with_a_switch_of_its_own_is_that_to_the_slot() {
    let cards = Cards::new();
    rx7900xtx(&cards);
    let look = Rig::new(&cards).until(|look| answers(look, RX7900));
    let (info, row) = card(&look, RX7900).unwrap();
    assert_eq!(&*info.name, "AMD Radeon RX 7900 XTX");
    assert_eq!((row.pcie_link_gen, row.pcie_link_gen_max), (Reading::Is(3), Reading::Is(4)));
    assert_eq!((row.pcie_link_width, row.pcie_link_width_max), (Reading::Is(8), Reading::Is(16)));
    assert_eq!(row.fan_ratio, Reading::Is(0.2));
    assert_eq!(row.throttle_reasons, Reading::Is(throttle::CURRENT));
    // The unit of this chip's energy is not documented, and it has no such memory errors.
    assert_eq!(row.energy_joules_total, Reading::Not(Gap::Unsupported));
    assert_eq!(row.ecc_corrected_total, Reading::Not(Gap::Unsupported));
}

#[test]
fn utilization_is_the_mean_of_looks_and_a_figure_that_is_garbage_is_none() {
    let cards = Cards::new();
    mi210(&cards);
    let file = |name: &str| format!("devices/{MI210}/{name}");
    cards.write(&file("hwmon/hwmon4/temp1_input"), "hot\n");
    cards.write(&file("mem_info_vram_used"), "99999999999999\n");
    cards.write(&file("hwmon/hwmon4/power1_average"), "18446744073709551615\n");
    cards.write(&file("gpu_metrics"), [9_u8; 40]);
    let rig = Rig::new(&cards);
    let look = rig.until(|look| answers(look, MI210));
    let row = card(&look, MI210).unwrap().1;
    assert_eq!(row.temperature_celsius, Reading::Not(Gap::Failed));
    assert_eq!(row.memory_used_bytes, Reading::Not(Gap::Failed));
    assert_eq!(row.power_watts, Reading::Not(Gap::Failed));
    assert_eq!(row.throttle_reasons, Reading::Not(Gap::Unsupported));
    let mut high = false;
    rig.until(|look| {
        high = !high;
        let busy = if high { "100\n" } else { "0\n" };
        // As the kernel does, the new value replaces the old one whole.
        cards.write(&file("busy_next"), busy);
        fs::rename(cards.sys(&file("busy_next")), cards.sys(&file("gpu_busy_percent"))).unwrap();
        let ratio = card(look, MI210).unwrap().1.utilization_ratio;
        ratio.ok().is_some_and(|ratio| ratio > 0.0 && ratio < 0.87)
    });
}

#[test]
fn a_card_that_sleeps_is_not_read() {
    let cards = Cards::new();
    mi210(&cards);
    rx7900xtx(&cards);
    cards.write(&format!("devices/{RX7900}/power/runtime_status"), "suspended\n");
    // Who reads these would not come back.
    for name in ["gpu_busy_percent", "gpu_metrics", "mem_info_vram_total", "product_name"] {
        endless(&cards, &format!("devices/{RX7900}/{name}"));
    }
    let rig = Rig::new(&cards);
    let asleep = |look: &GpuLook| {
        let (info, row) = card(look, RX7900)?;
        let words = info.trouble.as_deref()?.starts_with("asleep");
        Some(words && row.utilization_ratio == Reading::Not(Gap::NotApplicable))
    };
    let look = rig.until(|look| answers(look, MI210) && asleep(look) == Some(true));
    assert_eq!(look.status.state, SourceState::Ok, "{:?}", look.status);
    assert_eq!(&*card(&look, RX7900).unwrap().0.name, "AMD Radeon RX 7900 XTX");
    rig.until(|look| {
        card(look, MI210).is_some_and(|(_, row)| row.driver_calls_total.ok() > Some(200))
    });
    assert_eq!(asleep(&rig.gpus.look(Instant::now())), Some(true));
}

#[test]
fn a_card_that_may_sleep_is_let_sleep_until_somebody_computes_on_it() {
    let cards = Cards::new();
    mi210(&cards);
    let file = |name: &str| format!("devices/{MI210}/{name}");
    for (name, content) in [
        ("power/control", "auto\n"),
        ("gpu_busy_percent", "0\n"),
        ("mem_info_vram_used", "1048576\n"),
    ] {
        cards.write(&file(name), content);
    }
    fs::remove_dir_all(cards.sys("class/kfd/kfd/proc")).unwrap();
    let rig = Rig::new(&cards);
    let row = |look: &GpuLook| card(look, MI210).unwrap().1.clone();
    let first = row(&rig.until(|look| answers(look, MI210)));
    // Who reads this now does not come back.
    endless(&cards, &file("mem_info_vram_used"));
    sleep(FAST * 5);
    let later = rig.until(|look| row(look).age_seconds.ok().is_some_and(|age| age < 0.5));
    assert_eq!(row(&later).driver_calls_total, first.driver_calls_total);
    fs::remove_file(cards.sys(&file("mem_info_vram_used"))).unwrap();
    cards.write(&file("mem_info_vram_used"), format!("{}\n", 2 * GIB));
    cards.holds(4711, 51_234, 2 * GIB);
    rig.until(|look| row(look).memory_used_bytes == Reading::Is(2 * GIB));
}

#[test]
fn a_read_that_never_returns_costs_its_card_alone() {
    let cards = Cards::new();
    mi210(&cards);
    rx7900xtx(&cards);
    endless(&cards, &format!("devices/{RX7900}/gpu_metrics"));
    let rig = Rig::new(&cards);
    let look = rig.until(|look| {
        let late = card(look, RX7900).map(|(_, row)| row.utilization_ratio);
        answers(look, MI210) && late == Some(Reading::Not(Gap::Late))
    });
    assert_eq!(look.status.state, SourceState::Partial);
    let begun = Instant::now();
    rig.gpus.abandon();
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_card_that_is_unplugged_is_lost_until_it_comes_back() {
    let cards = Cards::new();
    mi210(&cards);
    rx7900xtx(&cards);
    let rig = Rig::new(&cards);
    let look = rig.until(|look| answers(look, MI210) && answers(look, RX7900));
    let number = card(&look, MI210).unwrap().0.gpu;
    fs::rename(cards.sys(&format!("devices/{MI210}")), cards.sys("unplugged")).unwrap();
    let look =
        rig.until(|look| card(look, MI210).unwrap().1.utilization_ratio == Reading::Not(Gap::Lost));
    assert!(card(&look, MI210).unwrap().0.trouble.as_deref().unwrap().contains("unplugged"));
    assert!(answers(&look, RX7900));
    assert_eq!(look.status.state, SourceState::Partial);
    fs::rename(cards.sys("unplugged"), cards.sys(&format!("devices/{MI210}"))).unwrap();
    let look = rig.until(|look| answers(look, MI210));
    assert_eq!(card(&look, MI210).unwrap().0.gpu, number);
}

#[test]
fn cards_are_numbered_behind_those_of_nvidia_s_driver_and_graphics_of_a_processor_give_way() {
    let cards = Cards::new();
    mi210(&cards);
    mi300x(&cards);
    cards.write("bus/pci/drivers/nvidia/0000:65:00.0/vendor", "0x10de\n");
    let apu = [("vendor", "0x1002"), ("device", "0x1586"), ("gpu_busy_percent", "1")];
    cards.card(3, "pci0000:00/0000:c5:00.0", "amdgpu", &apu);
    let look = Rig::new(&cards).until(|look| answers(look, MI210) && answers(look, MI300X));
    let numbers: Vec<u32> = look.infos.iter().map(|info| info.gpu.0).collect();
    assert_eq!(numbers, [1, 2]);
    let alone = Cards::new();
    alone.card(0, "pci0000:00/0000:c5:00.0", "amdgpu", &apu);
    let look = Rig::new(&alone).until(|look| {
        look.samples.first().is_some_and(|row| row.utilization_ratio == Reading::Is(0.01))
    });
    assert_eq!(&*look.infos[0].name, "AMD GPU 1002:1586");
}

#[test]
fn a_box_without_such_a_card_starts_no_collector() {
    let cards = Cards::new();
    cards.card(
        0,
        "pci0000:00/0000:65:00.0",
        "nvidia",
        &[("vendor", "0x10de"), ("device", "0x2330")],
    );
    let look = Rig::new(&cards).until(|look| look.status.state == SourceState::Absent);
    assert_eq!((look.infos.len(), look.others.len()), (0, 0));
}

#[test]
fn an_nvidia_card_that_sleeps_is_not_woken_and_asked_as_soon_as_it_wakes() {
    let cards = Cards::new();
    let card = "bus/pci/devices/0000:65:00.0";
    cards.write(&format!("{card}/vendor"), "0x10de\n");
    cards.write(&format!("{card}/class"), "0x030200\n");
    cards.write(&format!("{card}/power/runtime_status"), "suspended\n");
    let rig = Rig::new(&cards);
    rig.until(|look| look.status.message.contains("asleep"));
    cards.write(&format!("{card}/power/runtime_status"), "active\n");
    // The library is asked now, whatever it has to say on this box.
    rig.until(|look| !look.status.message.contains("asleep"));
}

/// A child that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_stream_of_a_box_with_amd_cards_has_them_with_names_and_processes() {
    let cards = Cards::new();
    mi210(&cards);
    rx7900xtx(&cards);
    let mltop = Command::new(env!("CARGO_BIN_EXE_mltop"))
        .args(["stream", "--plain"])
        .env("MLTOP_GPU_ROOT", cards.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut mltop = Ended(mltop);
    let output = mltop.0.stdout.take().unwrap();
    let (said, heard) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if said.send(line).is_err() {
                return;
            }
        }
    });
    let begun = Instant::now();
    let mut wanted = vec!["AMD Instinct MI210", "AMD Radeon RX 7900 XTX", "0.87"];
    while !wanted.is_empty() {
        let line = heard.recv_timeout(DEADLINE.saturating_sub(begun.elapsed())).unwrap();
        wanted.retain(|word| !line.contains(word));
    }
}
