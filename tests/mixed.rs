//! Boxes with cards of several makers, cards in reset, and files that may not be read: through the true
//! path, in which mltop starts its collectors. No card was at hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/kernel_cards.rs"]
mod kernel_cards;
#[path = "common/standin.rs"]
mod standin;
#[path = "common/watched_cards.rs"]
mod watched_cards;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use mltop::model::inventory::{GpuInfo, SourceState};
use mltop::model::sample::{Bound, GpuProcKind, GpuSample, UsageSource};
use mltop::model::{Gap, GpuId, Pid, Reading};
use mltop::source::gpu::{GpuLook, Gpus};
use serde_json::{Value, json};

use kernel_cards::{Cards, MI210, RX7900, mi210, rx7900xtx};
use watched_cards::{DEADLINE, until, watch};

const MLTOP: &str = env!("CARGO_BIN_EXE_mltop");
/// Behind the ports of its own switch.
const ARC: &str = "pci0000:80/0000:80:01.0/0000:83:00.0";
/// EACCES and EBUSY.
const DENIED: u32 = 13;
const BUSY: u32 = 16;

/// An Arc A770 under xe: sysfs-driver-intel-xe-hwmon, xe_gt_freq.c, xe_tile_sysfs.c.
fn arc(cards: &Cards) {
    let files = [
        ("vendor", "0x8086"),
        ("device", "0x56a0"),
        ("revision", "0x08"),
        ("power/control", "on"),
        ("hwmon/hwmon3/name", "xe"),
        ("hwmon/hwmon3/energy2_input", "4123000000"),
        ("hwmon/hwmon3/power2_max", "190000000"),
        ("hwmon/hwmon3/temp2_input", "61500"),
        ("hwmon/hwmon3/temp2_label", "pkg"),
        ("tile0/gt0/freq0/act_freq", "2250"),
        ("tile0/gt0/freq0/max_freq", "2400"),
        ("tile0/physical_vram_size_bytes", "17179869184"),
    ];
    cards.card(3, ARC, "xe", &files);
}

/// Lets the compute engines of the Arc work for a quarter of the card's own clock from step to step.
fn compute(cards: &Cards, pid: u32, step: u64) {
    let (busy, clock) = (step * 1000, step * 1000);
    let keys = format!(
        "drm-total-vram0:\t4 GiB\ndrm-resident-vram0:\t3 GiB\ndrm-cycles-ccs:\t{busy}\n\
         drm-total-cycles-ccs:\t{clock}\ndrm-engine-capacity-ccs:\t4\n"
    );
    cards.client(pid, ARC, 130, "xe", &keys);
}

struct Rig {
    gpus: Gpus,
}

impl Rig {
    fn new(cards: &Cards, more: &[(&str, OsString)]) -> Self {
        Self { gpus: watch(cards.root(), more) }
    }

    /// Waits for a look that is as wanted.
    fn until(&self, wanted: impl FnMut(&GpuLook) -> bool) -> GpuLook {
        until(&self.gpus, wanted)
    }
}

fn card<'a>(look: &'a GpuLook, pci: &str) -> Option<(&'a GpuInfo, &'a GpuSample)> {
    let info = look.infos.iter().find(|info| !info.pci.is_empty() && pci.ends_with(&*info.pci))?;
    Some((info, look.samples.iter().find(|row| row.gpu == info.gpu)?))
}

fn answers(look: &GpuLook, pci: &str) -> bool {
    card(look, pci).is_some_and(|(info, row)| {
        row.utilization_ratio.is() && info.memory_bytes.is_some() && info.trouble.is_none()
    })
}

/// What makes a program refuse to open these files, and the list by which it does.
fn refusing(cards: &Cards, files: &[(u32, &str)]) -> (PathBuf, [(&'static str, OsString); 2]) {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    let shim = SHIM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/refuse.c");
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refuse.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&built).arg(source).arg("-ldl");
        assert!(compiler.status().unwrap().success(), "the shim cannot be built");
        built
    });
    let list = cards.root().join("refuse");
    let line = |(error, file): &(u32, &str)| {
        // As mltop names it, links resolved.
        let path = fs::canonicalize(cards.sys(&format!("devices/{file}"))).unwrap();
        format!("{error} {}\n", path.display())
    };
    fs::write(&list, files.iter().map(line).collect::<String>()).unwrap();
    (list.clone(), [("LD_PRELOAD", shim.into()), ("REFUSE", list.into())])
}

#[test]
fn two_cards_of_amd_and_one_of_intel_are_told_apart_and_each_tells_its_own() {
    let cards = Cards::new();
    cards.whole();
    mi210(&cards);
    rx7900xtx(&cards);
    arc(&cards);
    let rig = Rig::new(&cards, &[]);
    let mut step = 0;
    let look = rig.until(|look| {
        step += 1;
        compute(&cards, 70, step);
        // Draws on the card, and so is no process of the compute driver; one second in eight.
        let keys =
            format!("drm-memory-vram:\t524288 KiB\ndrm-engine-gfx:\t{} ns\n", step * 2_500_000);
        cards.client(71, RX7900, 129, "amdgpu", &keys);
        // A process of ROCm has every card open, and works on the one that its driver names.
        cards.client(4711, RX7900, 129, "amdgpu", "drm-memory-vram:\t16 KiB\n");
        let held = |pid| look.procs.iter().any(|held| held.pid == Pid(pid));
        let all = [MI210, RX7900, ARC].iter().all(|pci| answers(look, pci));
        let busy =
            card(look, ARC).is_some_and(|(_, row)| row.utilization_ratio == Reading::Is(0.25));
        let all = all && look.status.state == SourceState::Ok;
        all && busy && held(70) && held(71) && held(4711)
    });
    let numbers: Vec<(u32, &str)> =
        look.infos.iter().map(|info| (info.gpu.0, &*info.driver)).collect();
    assert_eq!(numbers, [(0, "amdgpu"), (1, "amdgpu"), (2, "xe")], "in the order of the bus");
    let names: Vec<&str> = look.infos.iter().map(|info| &*info.name).collect();
    assert_eq!(names, ["AMD Instinct MI210", "AMD Radeon RX 7900 XTX", "Intel Arc A770"]);
    let row = |pci| card(&look, pci).unwrap().1;
    assert_eq!(row(MI210).utilization_ratio, Reading::Is(0.87));
    assert_eq!(row(RX7900).power_watts, Reading::Is(58.0));
    assert_eq!(row(ARC).temperature_celsius, Reading::Is(61.0));
    let source = |pci| row(pci).usage_source.ok().unwrap();
    let sources = [MI210, RX7900, ARC].map(source);
    assert_eq!(sources, [UsageSource::Driver, UsageSource::Driver, UsageSource::Processes]);
    assert_eq!(row(ARC).usage_bound, Reading::Is(Bound::Exact));
    let held: Vec<_> = look
        .procs
        .iter()
        .map(|held| {
            (
                held.gpu,
                held.pid,
                held.memory_used_bytes.ok().unwrap() >> 20,
                held.kind.ok().unwrap(),
            )
        })
        .collect();
    let (computes, draws) = (GpuProcKind::Compute, GpuProcKind::Graphics);
    let wanted = [
        (GpuId(0), Pid(4711), 20 << 10, computes),
        (GpuId(1), Pid(71), 512, draws),
        (GpuId(2), Pid(70), 3 << 10, computes),
    ];
    assert_eq!(held, wanted);
    assert_eq!(&*look.status.source, "drm");
    assert!(look.others.is_empty(), "one collector reads them all");
}

#[test]
fn an_nvidia_card_that_hangs_takes_no_amd_card_along() {
    let cards = Cards::new();
    mi210(&cards);
    cards.write("bus/pci/drivers/nvidia/0000:65:00.0/vendor", "0x10de\n");
    let at = |name: &str| cards.root().join(name);
    fs::write(at("script"), "gpu 0 name=Stand-in_H100 pci=00000000:65:00.0 util=37").unwrap();
    fs::write(at("control"), "").unwrap();
    let environment = [
        ("LD_LIBRARY_PATH", standin::build("full").into()),
        ("MLTOP_STANDIN", at("script").into()),
        ("MLTOP_STANDIN_CONTROL", at("control").into()),
    ];
    let rig = Rig::new(&cards, &environment);
    let other = |look: &GpuLook| -> Vec<(String, SourceState)> {
        let told = look.others.iter().map(|other| &other.status);
        told.map(|status| (status.source.to_string(), status.state)).collect()
    };
    let util = |look: &GpuLook, gpu: usize| look.samples.get(gpu).map(|row| row.utilization_ratio);
    let look = rig.until(|look| {
        let all = look.status.state == SourceState::Ok && answers(look, MI210);
        all && other(look) == [("drm".to_owned(), SourceState::Ok)]
            && util(look, 0) == Some(Reading::Is(0.37))
    });
    let numbers: Vec<u32> = look.infos.iter().map(|info| info.gpu.0).collect();
    assert_eq!(numbers, [0, 1]);
    assert_eq!(&*look.status.source, "nvml");
    fs::write(at("control"), "fault fn=nvmlDeviceGetUtilizationRates hang=1").unwrap();
    rig.until(|look| {
        let late = util(look, 0) == Some(Reading::Not(Gap::Late));
        let there = other(look) == [("drm".to_owned(), SourceState::Ok)];
        let hangs = look.status.state != SourceState::Ok;
        late && hangs && there && util(look, 1) == Some(Reading::Is(0.87))
    });
}

#[test]
fn a_card_in_reset_is_lost_with_the_reason_until_it_answers_again() {
    let cards = Cards::new();
    mi210(&cards);
    rx7900xtx(&cards);
    let busy = format!("{MI210}/gpu_busy_percent");
    let (list, environment) = refusing(&cards, &[(BUSY, &busy)]);
    let rig = Rig::new(&cards, &environment);
    let reset = |look: &GpuLook| {
        let (info, row) = card(look, MI210)?;
        let words = info.trouble.as_deref()?.starts_with("is being reset");
        let lost = Reading::Not(Gap::Lost);
        Some(words && row.utilization_ratio == lost && row.power_watts == lost)
    };
    rig.until(|look| {
        let partial = look.status.state == SourceState::Partial;
        partial && reset(look) == Some(true) && answers(look, RX7900)
    });
    fs::write(&list, "").unwrap();
    let look = rig.until(|look| answers(look, MI210) && look.status.state == SourceState::Ok);
    assert_eq!(card(&look, MI210).unwrap().1.utilization_ratio, Reading::Is(0.87));
}

/// The stream of the whole program.
struct Stream {
    _mltop: Ended,
    heard: Receiver<String>,
}

impl Stream {
    fn new(cards: &Cards, environment: &[(&str, OsString)]) -> Self {
        let mut mltop = Command::new(MLTOP)
            .args(["stream", "--plain"])
            .env("MLTOP_GPU_ROOT", cards.root())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = mltop.stdout.take().unwrap();
        let (said, heard) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        Self { _mltop: Ended(mltop), heard }
    }

    /// The first line that is as wanted.
    fn until(&self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let begun = Instant::now();
        let mut last = Value::Null;
        loop {
            let left = DEADLINE.saturating_sub(begun.elapsed());
            let Ok(line) = self.heard.recv_timeout(left) else { panic!("never came: {last}") };
            let line: Value = serde_json::from_str(&line).unwrap();
            if wanted(&line) {
                return line;
            }
            last = line;
        }
    }
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
fn files_that_may_not_be_read_are_denied_and_the_rest_arrives() {
    let cards = Cards::new();
    cards.whole();
    mi210(&cards);
    arc(&cards);
    let power = format!("{MI210}/hwmon/hwmon4/power1_average");
    let clock = format!("{ARC}/tile0/gt0/freq0/act_freq");
    let (_, environment) = refusing(&cards, &[(DENIED, &power), (DENIED, &clock)]);
    let stream = Stream::new(&cards, &environment);
    let tick = stream.until(|line| {
        let temperatures = &line["gpus"]["temperature_celsius"];
        temperatures[0] == 45.0
            && temperatures[1] == 61.0
            && line["gpus"]["memory_total_bytes"][1].is_u64()
    });
    let of = |column: &str, gpu: usize| tick["gpus"][column][gpu].clone();
    assert_eq!((of("power_watts", 0), of("sm_clock_hertz", 1)), (Value::Null, Value::Null));
    assert_eq!(of("utilization_ratio", 0), 0.87);
    assert_eq!(of("sm_clock_hertz", 0), 1_700_000_000_u64);
    assert_eq!(of("power_limit_watts", 1).as_f64(), Some(190.0));
    let gap = |column: &str, gpu: usize| {
        let gap = &tick["gaps"]["gpus"][column];
        if gap.is_array() { gap[gpu].clone() } else { gap.clone() }
    };
    assert_eq!(
        (gap("power_watts", 0), gap("sm_clock_hertz", 1)),
        ("denied".into(), "denied".into())
    );
}

#[test]
fn which_card_is_cuda_0_follows_from_the_list_that_a_process_was_started_with() {
    let trainer = Command::new("sleep").arg("300").env("CUDA_VISIBLE_DEVICES", "2,0").spawn();
    let trainer = Ended(trainer.unwrap());
    let pid = trainer.0.id();
    let cards = Cards::new();
    let script = cards.root().join("script");
    let holds = |gpu: u32| format!("gpu {gpu} model=h100\nproc gpu={gpu} pid={pid} mem=1000\n");
    fs::write(&script, holds(0) + "gpu 1 model=h100\n" + &holds(2)).unwrap();
    let library = standin::build("full").into();
    let environment = [("LD_LIBRARY_PATH", library), ("MLTOP_STANDIN", script.into())];
    let stream = Stream::new(&cards, &environment);
    let tick = stream.until(|line| line["gpu_procs"]["device_index"][1].is_u64());
    let held = &tick["gpu_procs"];
    assert_eq!(held["gpu"], json!([0, 2]));
    assert_eq!(held["device_index"], json!([1, 0]));
    // Nobody asked CUDA for the order of the bus: it keeps it because the cards are alike.
    assert_eq!(held["device_index_source"], json!(["inferred", "inferred"]));
}

#[test]
fn who_computes_on_an_intel_card_is_a_trainer() {
    let cards = Cards::new();
    cards.whole();
    arc(&cards);
    // Nothing tells that it trains, but for the card that it works on.
    let trainer = Ended(Command::new("sleep").arg("300").spawn().unwrap());
    let pid = trainer.0.id();
    let stream = Stream::new(&cards, &[]);
    let mut step = 0;
    let mut named = false;
    let tick = stream.until(|line| {
        step += 1;
        compute(&cards, pid, step);
        let runs = line["runs"].as_array().cloned().unwrap_or_default();
        named |= runs.iter().any(|run| run["trainers"][0] == pid && run["name"] == "sleep");
        let held = &line["gpu_procs"];
        named && held["pid"][0] == pid && held["sm_ratio"][0] == 0.25
    });
    assert_eq!(tick["gpu_procs"]["memory_used_bytes"][0], 3_u64 << 30);
    assert_eq!(tick["gpu_procs"]["kind"][0], "compute");
    let recorded = tick["procs"]["pid"].as_array().unwrap();
    assert!(recorded.iter().any(|recorded| *recorded == pid), "{recorded:?}");
    // CUDA does not count it.
    assert_eq!(tick["gpu_procs"]["device_index"][0], Value::Null);
}
