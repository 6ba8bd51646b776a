//! The mapped files of a process, and symbols out of the one that holds the interpreter.
//!
//! Symbols are looked up as the dynamic linker does, in the process's own memory: no file of the
//! trainer is opened, which could be on a filesystem that hangs, be replaced by now, or lie in a
//! container's own tree.

use crate::model::Gap;

use super::memory::{Remote, half_at, word_at};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
/// Program headers and entries of the dynamic section looked at.
const HEADERS: usize = 64;
const ENTRIES: usize = 128;
/// Symbols of one hash chain.
const CHAIN: u32 = 4096;

/// A file that is mapped into a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapped {
    /// Where its first byte is.
    pub(super) base: u64,
    /// Its path, as the process sees it.
    pub(super) path: String,
}

impl Mapped {
    /// The path's last part.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// The files that are mapped from their first byte on, out of `/proc/PID/maps`.
pub(super) fn mapped(maps: &str) -> Vec<Mapped> {
    let mut found: Vec<Mapped> = Vec::new();
    for line in maps.lines() {
        // begin-end perms offset device inode path, which may hold spaces.
        let mut words = line.splitn(6, ' ');
        let range = words.next().and_then(|range| range.split_once('-'));
        let base = range.and_then(|(begin, _)| u64::from_str_radix(begin, 16).ok());
        let offset = words.nth(1).and_then(|offset| u64::from_str_radix(offset, 16).ok());
        let path = words.nth(2).map(str::trim_start).filter(|path| path.starts_with('/'));
        if let (Some(base), Some(0), Some(path)) = (base, offset, path)
            && !found.iter().any(|file| file.path == path)
        {
            found.push(Mapped { base, path: path.to_owned() });
        }
    }
    found
}

/// The dynamic symbols of a mapped ELF file.
#[derive(Debug)]
pub(super) struct Symbols {
    /// What is added to an address in the file.
    bias: u64,
    names: u64,
    table: u64,
    hash: u64,
    buckets: u32,
    first: u32,
    bloom: u32,
}

impl Symbols {
    /// The symbols of the file that is mapped at `base`; None where it is not an ELF file with any.
    pub(super) fn of(remote: &mut Remote, base: u64) -> Result<Option<Self>, Gap> {
        let header: [u8; 64] = remote.bytes(base)?;
        // 64 bits, little-endian.
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return Ok(None);
        }
        let count = (half_at(&header, 56) & 0xffff) as usize;
        let mut headers = vec![0; 56 * count.min(HEADERS)];
        remote.fill(base.wrapping_add(word_at(&header, 32)), &mut headers)?;
        let (mut lowest, mut dynamic) = (u64::MAX, None);
        for header in headers.chunks_exact(56) {
            let address = word_at(header, 16);
            match half_at(header, 0) {
                PT_LOAD => lowest = lowest.min(address & !4095),
                PT_DYNAMIC => dynamic = Some((address, word_at(header, 40))),
                _ => {}
            }
        }
        let Some((dynamic, size)) = dynamic.filter(|_| lowest != u64::MAX) else { return Ok(None) };
        let bias = base.wrapping_sub(lowest);
        let mut entries = vec![0; (size as usize).min(16 * ENTRIES) & !15];
        remote.fill(bias.wrapping_add(dynamic), &mut entries)?;
        let entry = |tag: u64| {
            let mut entries = entries.chunks_exact(16);
            let found = entries.find(|entry| word_at(entry, 0) == tag);
            // glibc has put the final addresses there; others leave those of the file.
            found.map(|entry| word_at(entry, 8)).map(|at| if at < bias { bias + at } else { at })
        };
        let (Some(names), Some(table), Some(hash)) =
            (entry(DT_STRTAB), entry(DT_SYMTAB), entry(DT_GNU_HASH))
        else {
            return Ok(None);
        };
        let head: [u8; 16] = remote.bytes(hash)?;
        let [buckets, first, bloom] = [0, 4, 8].map(|at| half_at(&head, at));
        let sane = buckets > 0 && buckets < 1 << 24 && bloom < 1 << 24;
        Ok(sane.then_some(Self { bias, names, table, hash, buckets, first, bloom }))
    }

    /// The address of a symbol in the process, where the file defines it.
    pub(super) fn find(&self, remote: &mut Remote, name: &str) -> Result<Option<u64>, Gap> {
        let hash = gnu_hash(name);
        let buckets = self.hash.wrapping_add(16 + 8 * u64::from(self.bloom));
        let chains = buckets.wrapping_add(4 * u64::from(self.buckets));
        let start = remote.half(buckets.wrapping_add(4 * u64::from(hash % self.buckets)))?;
        let Some(from) = start.checked_sub(self.first) else { return Ok(None) };
        for step in 0..CHAIN {
            let link = remote.half(chains.wrapping_add(4 * u64::from(from.wrapping_add(step))))?;
            // The lowest bit marks the end of the chain.
            if link | 1 == hash | 1 {
                let at = self.table.wrapping_add(24 * u64::from(start.wrapping_add(step)));
                let symbol: [u8; 24] = remote.bytes(at)?;
                let text =
                    remote.c_text(self.names.wrapping_add(u64::from(half_at(&symbol, 0))))?;
                let value = word_at(&symbol, 8);
                if text == name && value != 0 {
                    return Ok(Some(self.bias.wrapping_add(value)));
                }
            }
            if link & 1 == 1 {
                break;
            }
        }
        Ok(None)
    }
}

fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add(byte.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_once_by_where_they_begin() {
        let maps = "\
55d4c0000000-55d4c0100000 r--p 00000000 fe:01 123   /usr/bin/python3.11\n\
55d4c0100000-55d4c0200000 r-xp 00100000 fe:01 123   /usr/bin/python3.11\n\
7f0000000000-7f0000100000 r--p 00000000 fe:01 9     /a b/libpython3.8.so.1.0 (deleted)\n\
7f0000200000-7f0000300000 rw-p 00000000 00:00 0 \n\
7ffd00000000-7ffd00100000 rw-p 00000000 00:00 0     [stack]\n\
nonsense\n";
        let files = mapped(maps);
        let names: Vec<_> = files.iter().map(|file| (file.base, file.name())).collect();
        assert_eq!(
            names,
            [(0x55d4_c000_0000, "python3.11"), (0x7f00_0000_0000, "libpython3.8.so.1.0 (deleted)")]
        );
    }

    #[test]
    fn the_hash_is_that_of_the_linker() {
        assert_eq!(gnu_hash(""), 0x1505);
        assert_eq!(gnu_hash("printf"), 0x156b_2bb8);
    }
}
