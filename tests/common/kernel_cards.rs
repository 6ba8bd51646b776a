//! A folder that stands for `/sys` and `/proc` of a box with cards that the kernel alone tells of.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

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
