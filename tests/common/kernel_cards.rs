//! A folder that stands for `/sys` and `/proc` of a box with cards that the kernel alone tells of, and
//! AMD's cards in it. Written from the kernel's documentation and sources; no card was at hand.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const GIB: u64 = 1 << 30;

/// The box.
pub(crate) struct Cards {
    folder: tempfile::TempDir,
}

/// One file of a card and its content.
pub(crate) type Content<'a> = (&'a str, &'a str);

impl Cards {
    pub(crate) fn new() -> Self {
        let cards = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(cards.sys("class/drm")).unwrap();
        fs::create_dir_all(cards.root().join("proc")).unwrap();
        cards
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn sys(&self, name: &str) -> PathBuf {
        self.root().join("sys").join(name)
    }

    /// Writes a file below `/sys`, with its folders.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.sys(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A card as `card<number>`, its folder at `at` below `devices`, whose last part is its PCI address.
    pub(crate) fn card(&self, number: u32, at: &str, driver: &str, files: &[Content<'_>]) {
        let folder = format!("devices/{at}");
        for (name, content) in files {
            self.write(&format!("{folder}/{name}"), format!("{content}\n"));
        }
        self.write(&format!("{folder}/power/runtime_status"), "active\n");
        let driver = self.sys(&format!("bus/pci/drivers/{driver}"));
        fs::create_dir_all(&driver).unwrap();
        symlink(driver, self.sys(&format!("{folder}/driver"))).unwrap();
        let entry = self.sys(&format!("class/drm/card{number}"));
        fs::create_dir_all(&entry).unwrap();
        let _ = fs::remove_file(entry.join("device"));
        symlink(self.sys(&folder), entry.join("device")).unwrap();
    }

    /// A node of the compute driver: the number of a card or a partition, and where it is.
    pub(crate) fn node(&self, nth: u32, id: u64, location: u64, units: u64) {
        let folder = format!("class/kfd/kfd/topology/nodes/{nth}");
        self.write(&format!("{folder}/gpu_id"), format!("{id}\n"));
        let simds = units * 4;
        self.write(
            &format!("{folder}/properties"),
            format!("cpu_cores_count 0\nsimd_count {simds}\nsimd_per_cu 4\nlocation_id {location}\ndomain 0\ndrm_render_minor 128\n"),
        );
    }

    /// Lets all processes of the box be seen: in its first pid namespace, with the first process.
    pub(crate) fn whole(&self) {
        let own = self.root().join("proc/self/ns");
        fs::create_dir_all(&own).unwrap();
        symlink("pid:[4026531836]", own.join("pid")).unwrap();
        self.process(1);
    }

    fn process(&self, pid: u32) -> PathBuf {
        let folder = self.root().join(format!("proc/{pid}"));
        fs::create_dir_all(folder.join("fd")).unwrap();
        fs::create_dir_all(folder.join("fdinfo")).unwrap();
        let rest = "0 ".repeat(17);
        fs::write(folder.join("stat"), format!("{pid} (python) S 1 {rest}500 0 0\n")).unwrap();
        folder
    }

    /// Lets a process have the render node of a card open, or say more of that: `keys` are lines of
    /// fdinfo.
    pub(crate) fn client(&self, pid: u32, at: &str, node: u32, driver: &str, keys: &str) {
        let folder = self.process(pid);
        let node = format!("renderD{node}");
        self.write(&format!("devices/{at}/drm/{node}/dev"), "226:128\n");
        let _ = symlink(format!("/dev/dri/{node}"), folder.join("fd/9"));
        let pdev = at.rsplit('/').next().unwrap();
        let text =
            format!("drm-driver:\t{driver}\ndrm-client-id:\t{pid}\ndrm-pdev:\t{pdev}\n{keys}");
        // As the kernel does: the new text replaces the old one whole.
        fs::write(folder.join("next"), text).unwrap();
        fs::rename(folder.join("next"), folder.join("fdinfo/9")).unwrap();
    }

    /// Bytes that a process holds of a node.
    pub(crate) fn holds(&self, pid: u32, id: u64, bytes: u64) {
        self.write(&format!("class/kfd/kfd/proc/{pid}/vram_{id}"), format!("{bytes}\n"));
    }
}

/// A value of a binary table.
pub(crate) enum Value {
    Short(u16),
    Word(u32),
    Long(u64),
}

/// A `gpu_metrics` table in which all but `values` is all ones.
pub(crate) fn metrics(size: u16, content: u8, values: &[(usize, Value)]) -> Vec<u8> {
    let mut bytes = vec![0xff_u8; usize::from(size)];
    bytes[..2].copy_from_slice(&size.to_le_bytes());
    bytes[2..4].copy_from_slice(&[1, content]);
    for (offset, value) in values {
        let value: &[u8] = match value {
            Value::Short(value) => &value.to_le_bytes(),
            Value::Word(value) => &value.to_le_bytes(),
            Value::Long(value) => &value.to_le_bytes(),
        };
        bytes[*offset..*offset + value.len()].copy_from_slice(value);
    }
    bytes
}

pub(crate) const MI210: &str = "pci0000:00/0000:03:00.0";
pub(crate) const MI300X: &str = "pci0000:20/0000:c1:00.0";
/// Behind the switch that the card carries: its upper port leads to the slot.
pub(crate) const RX7900: &str = "pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/0000:43:00.0";

/// Figures as Documentation/gpu/amdgpu/thermal.rst and Documentation/ABI/testing/sysfs-bus-pci give
/// their units.
pub(crate) fn mi210(cards: &Cards) {
    let files = [
        ("vendor", "0x1002"),
        ("device", "0x740f"),
        ("revision", "0x02"),
        ("product_name", "Instinct MI210"),
        ("unique_id", "7ae3b5c1d2f40918"),
        ("numa_node", "1"),
        ("gpu_busy_percent", "87"),
        ("mem_busy_percent", "41"),
        ("mem_info_vram_total", "68702699520"),
        ("mem_info_vram_used", "32212254720"),
        ("current_link_speed", "16.0 GT/s PCIe"),
        ("current_link_width", "16"),
        ("max_link_speed", "16.0 GT/s PCIe"),
        ("max_link_width", "16"),
        ("pcie_replay_count", "2"),
        ("pp_dpm_sclk", "0: 500Mhz\n1: 1700Mhz *"),
        ("ras/umc_err_count", "ue: 1\nce: 23"),
        ("hwmon/hwmon4/name", "amdgpu"),
        ("hwmon/hwmon4/power1_average", "241000000"),
        ("hwmon/hwmon4/power1_cap", "300000000"),
        ("hwmon/hwmon4/temp1_label", "edge"),
        ("hwmon/hwmon4/temp1_input", "45000"),
        ("hwmon/hwmon4/temp2_label", "junction"),
        ("hwmon/hwmon4/temp2_input", "61000"),
        ("hwmon/hwmon4/temp3_label", "mem"),
        ("hwmon/hwmon4/temp3_input", "58000"),
        ("hwmon/hwmon4/freq1_label", "sclk"),
        ("hwmon/hwmon4/freq1_input", "1700000000"),
        ("hwmon/hwmon4/freq2_label", "mclk"),
        ("hwmon/hwmon4/freq2_input", "1600000000"),
    ];
    cards.card(0, MI210, "amdgpu", &files);
    // gpu_metrics_v1_3: energy_accumulator at 24 (15.259 µJ on MI200), indep_throttle_status at 112;
    // bit 0 is SMU_THROTTLER_PPT0_BIT, bit 36 SMU_THROTTLER_TEMP_HOTSPOT_BIT.
    let table = metrics(120, 3, &[(24, Value::Long(100 << 16)), (112, Value::Long(1 | 1 << 36))]);
    cards.write(&format!("devices/{MI210}/gpu_metrics"), table);
    cards.node(1, 51_234, 0x0300, 104);
    cards.holds(4711, 51_234, 20 * GIB);
    cards.holds(4712, 51_234, 0);
}

/// In two partitions; figures of an OAM module without an edge sensor and a fan.
pub(crate) fn mi300x(cards: &Cards) {
    let files = [
        ("vendor", "0x1002"),
        ("device", "0x74a1"),
        ("current_compute_partition", "DPX"),
        ("gpu_busy_percent", "100"),
        ("mem_info_vram_total", "206141652992"),
        ("mem_info_vram_used", "150000000000"),
        ("current_link_speed", "32.0 GT/s PCIe"),
        ("current_link_width", "16"),
        ("max_link_speed", "32.0 GT/s PCIe"),
        ("max_link_width", "16"),
        ("hwmon/hwmon7/power1_input", "690000000"),
        ("hwmon/hwmon7/power1_cap", "750000000"),
        ("hwmon/hwmon7/temp2_label", "junction"),
        ("hwmon/hwmon7/temp2_input", "70000"),
        ("hwmon/hwmon7/temp3_label", "mem"),
        ("hwmon/hwmon7/temp3_input", "62000"),
    ];
    cards.card(1, MI300X, "amdgpu", &files);
    power_cycles(cards, 1000);
    cards.node(2, 70_001, 0xc100, 152);
    cards.node(3, 70_002, 0xc100 | 1 << 28, 152);
    cards.holds(4711, 70_001, 60 * GIB);
    cards.holds(4711, 70_002, 70 * GIB);
}

/// gpu_metrics_v1_6 as released: average_umc_activity at 14, energy_accumulator at 16 (15.259 µJ), the
/// residencies from 36 on, pcie_replay_count_acc at 104, current_gfxclk from 264 on, current_uclk at 304.
pub(crate) fn power_cycles(cards: &Cards, power: u32) {
    let residencies = [0, power, 7, 7, 7];
    let mut values: Vec<(usize, Value)> = vec![
        (14, Value::Short(55)),
        (16, Value::Long(500 << 16)),
        (104, Value::Long(4)),
        (264, Value::Short(2090)),
        (266, Value::Short(2100)),
        (304, Value::Short(1300)),
    ];
    values.extend(
        residencies.into_iter().enumerate().map(|(nth, count)| (36 + 4 * nth, Value::Word(count))),
    );
    cards.write(&format!("devices/{MI300X}/gpu_metrics"), metrics(1664, 6, &values));
}

pub(crate) fn rx7900xtx(cards: &Cards) {
    let files = [
        ("vendor", "0x1002"),
        ("device", "0x744c"),
        ("revision", "0xc8"),
        ("gpu_busy_percent", "3"),
        ("mem_busy_percent", "1"),
        ("mem_info_vram_total", "25753026560"),
        ("mem_info_vram_used", "1073741824"),
        ("current_link_speed", "16.0 GT/s PCIe"),
        ("current_link_width", "16"),
        ("max_link_speed", "16.0 GT/s PCIe"),
        ("max_link_width", "16"),
        ("hwmon/hwmon2/power1_average", "58000000"),
        ("hwmon/hwmon2/power1_cap", "339000000"),
        ("hwmon/hwmon2/temp1_label", "edge"),
        ("hwmon/hwmon2/temp1_input", "51000"),
        ("hwmon/hwmon2/pwm1", "51"),
        ("hwmon/hwmon2/pwm1_max", "255"),
    ];
    cards.card(2, RX7900, "amdgpu", &files);
    let table = metrics(120, 3, &[(24, Value::Long(12345)), (112, Value::Long(1 << 16))]);
    cards.write(&format!("devices/{RX7900}/gpu_metrics"), table);
    let upper = "devices/pci0000:00/0000:00:01.1";
    cards.write(&format!("{upper}/vendor"), "0x1022\n");
    for (port, speed) in [("0000:01:00.0", "8.0"), ("0000:01:00.0/0000:02:00.0", "16.0")] {
        cards.write(&format!("{upper}/{port}/vendor"), "0x1002\n");
        cards.write(&format!("{upper}/{port}/current_link_speed"), format!("{speed} GT/s PCIe\n"));
        cards.write(&format!("{upper}/{port}/max_link_speed"), "16.0 GT/s PCIe\n");
        cards.write(&format!("{upper}/{port}/current_link_width"), "8\n");
        cards.write(&format!("{upper}/{port}/max_link_width"), "16\n");
    }
}
