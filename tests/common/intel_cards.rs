//! Machines with one card of Intel's, as folders: `sys` and `proc` as the kernel would have them.
//!
//! Written from the kernel's documentation and sources, which each group of files names; no card was at
//! hand.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Files of a card: path below its PCI device, and content.
type Files = &'static [(&'static str, &'static str)];

/// What a card is made of.
pub(crate) struct Kind {
    device: &'static str,
    driver: &'static str,
    files: Files,
}

/// Arc A770 under xe.
pub(crate) const A770_XE: Kind = Kind {
    // xe_pciids.h: DG2-G10.
    device: "0x56a0",
    driver: "xe",
    files: &[
        // sysfs-driver-intel-xe-hwmon; on this chip only the package has counters (xe_hwmon.c).
        ("hwmon/hwmon3/name", "xe"),
        ("hwmon/hwmon3/energy2_input", "4123000000"),
        ("hwmon/hwmon3/energy2_label", "pkg"),
        ("hwmon/hwmon3/power2_max", "190000000"),
        ("hwmon/hwmon3/power2_rated_max", "225000000"),
        ("hwmon/hwmon3/temp2_input", "61500"),
        ("hwmon/hwmon3/temp2_label", "pkg"),
        ("hwmon/hwmon3/temp3_input", "70000"),
        ("hwmon/hwmon3/temp3_label", "vram"),
        ("hwmon/hwmon3/fan1_input", "1200"),
        // xe_gt_freq.c.
        ("tile0/gt0/freq0/act_freq", "2250"),
        ("tile0/gt0/freq0/cur_freq", "2400"),
        ("tile0/gt0/freq0/max_freq", "2400"),
        ("tile0/gt0/freq0/rp0_freq", "2400"),
        // xe_gt_throttle_sysfs.c.
        ("tile0/gt0/freq0/throttle/status", "1"),
        ("tile0/gt0/freq0/throttle/reason_pl1", "1"),
        ("tile0/gt0/freq0/throttle/reason_pl2", "0"),
        ("tile0/gt0/freq0/throttle/reason_pl4", "0"),
        ("tile0/gt0/freq0/throttle/reason_thermal", "1"),
        ("tile0/gt0/freq0/throttle/reason_prochot", "0"),
        ("tile0/gt0/freq0/throttle/reason_ratl", "0"),
        ("tile0/gt0/freq0/throttle/reason_vr_thermalert", "0"),
        ("tile0/gt0/freq0/throttle/reason_vr_tdc", "0"),
        // xe_tile_sysfs.c: 16 GiB.
        ("tile0/physical_vram_size_bytes", "17179869184"),
    ],
};

/// The same card under i915.
pub(crate) const A770_I915: Kind = Kind {
    device: "0x56a0",
    driver: "i915",
    files: &[
        // sysfs-driver-intel-i915-hwmon: the device's folder, and that of its one tile.
        ("hwmon/hwmon4/name", "i915_gt0"),
        ("hwmon/hwmon4/energy1_input", "77"),
        ("hwmon/hwmon5/name", "i915"),
        ("hwmon/hwmon5/energy1_input", "98000000"),
        ("hwmon/hwmon5/power1_max", "0"),
        ("hwmon/hwmon5/power1_rated_max", "225000000"),
        ("hwmon/hwmon5/temp1_input", "48000"),
        ("hwmon/hwmon5/fan1_input", "900"),
        // intel_gt_sysfs_pm.c.
        ("drm/card1/gt/gt0/rps_act_freq_mhz", "600"),
        ("drm/card1/gt/gt0/rps_max_freq_mhz", "2400"),
        ("drm/card1/gt/gt0/throttle_reason_status", "0"),
        ("drm/card1/gt/gt0/throttle_reason_pl1", "0"),
    ],
};

/// Data Center GPU Flex 170 under i915, shared out to virtual machines.
pub(crate) const FLEX_170: Kind = Kind {
    // xe_pciids.h: ATS-M150.
    device: "0x56c0",
    driver: "i915",
    files: &[
        ("hwmon/hwmon2/name", "i915"),
        ("hwmon/hwmon2/energy1_input", "1000000"),
        ("hwmon/hwmon2/power1_max", "120000000"),
        ("hwmon/hwmon2/power1_rated_max", "120000000"),
        ("drm/card1/gt/gt0/rps_act_freq_mhz", "1950"),
        ("drm/card1/gt/gt0/rps_max_freq_mhz", "2050"),
        ("drm/card1/gt/gt0/throttle_reason_status", "1"),
        ("drm/card1/gt/gt0/throttle_reason_vr_thermalert", "1"),
        // Intel's own kernel module, which is the one for this card.
        ("drm/card1/lmem_total_bytes", "15032385536"),
        // sysfs-bus-pci.
        ("sriov_numvfs", "4"),
        ("numa_node", "1"),
    ],
};

/// Data Center GPU Max 1100 under xe.
pub(crate) const MAX_1100: Kind = Kind {
    // intel pci.ids: Ponte Vecchio XL (1 tile).
    device: "0x0bda",
    driver: "xe",
    files: &[
        // xe_hwmon.c: the energy is that of the card, the limit that of the package.
        ("hwmon/hwmon0/name", "xe"),
        ("hwmon/hwmon0/energy1_input", "5000000"),
        ("hwmon/hwmon0/power2_max", "300000000"),
        ("tile0/gt0/freq0/act_freq", "1550"),
        ("tile0/gt0/freq0/max_freq", "1550"),
        // The newer file with all reasons at once (xe_gt_throttle.c).
        ("tile0/gt0/freq0/throttle/reasons", "pl4 something_new"),
        ("tile0/physical_vram_size_bytes", "51539607552"),
        ("numa_node", "-1"),
    ],
};

/// Data Center GPU Max 1550: two tiles, each with clocks and memory of its own.
pub(crate) const MAX_1550: Kind = Kind {
    device: "0x0bd5",
    driver: "xe",
    files: &[
        ("hwmon/hwmon0/name", "xe"),
        ("hwmon/hwmon0/energy1_input", "5000000"),
        ("tile0/gt0/freq0/act_freq", "900"),
        ("tile0/gt0/freq0/max_freq", "1600"),
        ("tile0/gt0/freq0/throttle/reasons", "none"),
        ("tile0/physical_vram_size_bytes", "68719476736"),
        ("tile1/gt1/freq0/act_freq", "1600"),
        ("tile1/gt1/freq0/max_freq", "1600"),
        ("tile1/gt1/freq0/throttle/reasons", "pl1"),
        ("tile1/physical_vram_size_bytes", "68719476736"),
    ],
};

/// PCI address of the card.
pub(crate) const CARD: &str = "0000:03:00.0";
/// Pid of the process that works on it.
pub(crate) const PID: u32 = 70;

/// Where the device lies: below the two ports of the card's own switch, and a root port.
const ABOVE: [(&str, &str); 3] = [
    ("0000:00:01.0", "16.0 GT/s PCIe"),
    ("0000:01:00.0", "16.0 GT/s PCIe"),
    ("0000:02:01.0", "2.5 GT/s PCIe"),
];

/// A machine in a folder.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// With one card, which only the process [`PID`] has open, and all processes to be seen.
    pub(crate) fn new(kind: &Kind) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        machine.bridges();
        let device = machine.device();
        let files = [
            ("vendor", "0x8086"),
            ("device", kind.device),
            ("revision", "0x08"),
            ("class", "0x038000"),
            // What the GPU says of the link within the card.
            ("current_link_speed", "2.5 GT/s PCIe"),
            ("current_link_width", "1"),
            ("max_link_speed", "2.5 GT/s PCIe"),
            ("max_link_width", "1"),
            ("power/runtime_status", "active"),
            ("power/control", "on"),
            ("drm/card1/dev", "226:1"),
            ("drm/renderD128/dev", "226:128"),
        ];
        for (file, text) in files.iter().chain(kind.files) {
            machine.write(&device.join(file), text);
        }
        let drivers = machine.path("sys/bus/pci/drivers").join(kind.driver);
        fs::create_dir_all(&drivers).unwrap();
        symlink(&drivers, device.join("driver")).unwrap();
        symlink(&device, device.join("drm/card1/device")).unwrap();
        fs::create_dir_all(machine.path("sys/class/drm")).unwrap();
        symlink(device.join("drm/card1"), machine.path("sys/class/drm/card1")).unwrap();
        machine.namespace("pid:[4026531836]");
        machine.process(1, 0);
        machine.process(PID, 500);
        machine
    }

    fn bridges(&self) {
        let mut folder = self.path("sys/devices/pci0000:00");
        for (name, speed) in ABOVE {
            folder = folder.join(name);
            let files = [
                ("vendor", "0x8086"),
                ("class", "0x060400"),
                ("current_link_speed", speed),
                ("current_link_width", "16"),
                ("max_link_speed", speed),
                ("max_link_width", "16"),
            ];
            for (file, text) in files {
                self.write(&folder.join(file), text);
            }
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the PCI device.
    pub(crate) fn device(&self) -> PathBuf {
        let above = self.path("sys/devices/pci0000:00");
        ABOVE.iter().fold(above, |folder, (name, _)| folder.join(name)).join(CARD)
    }

    /// Writes a file whole: whoever reads it at that moment has the old text or the new one.
    pub(crate) fn write(&self, path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let beside = self.path("written");
        fs::write(&beside, format!("{text}\n")).unwrap();
        fs::rename(beside, path).unwrap();
    }

    /// The pid namespace that mltop is in.
    pub(crate) fn namespace(&self, link: &str) {
        let path = self.path("proc/self/ns/pid");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(link, path).unwrap();
    }

    fn process(&self, pid: u32, start: u64) {
        let folder = self.path("proc").join(pid.to_string());
        fs::create_dir_all(folder.join("fd")).unwrap();
        let rest = "0 ".repeat(17);
        self.write(&folder.join("stat"), &format!("{pid} (python) S 1 {rest}{start} 0 0"));
    }

    /// Lets a process open the card, or say more of its client: `keys` are lines of fdinfo.
    pub(crate) fn client(&self, driver: &str, keys: &str) {
        let folder = self.path("proc").join(PID.to_string());
        let _ = symlink("/dev/dri/renderD128", folder.join("fd/9"));
        let text =
            format!("pos:\t0\ndrm-driver:\t{driver}\ndrm-client-id:\t5\ndrm-pdev:\t{CARD}\n{keys}");
        self.write(&folder.join("fdinfo/9"), &text);
    }
}
