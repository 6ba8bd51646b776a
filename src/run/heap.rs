//! How the C library's allocator takes memory and gives it back.

/// Blocks of so many bytes and more have pages of their own, and so much may lie free at the end of
/// the heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const THRESHOLD: nix::libc::c_int = 64 << 10;

/// Has the allocator share and return what is free, for as long as the program runs.
///
/// By itself glibc raises both thresholds to the largest block that was ever freed. The buffers of a
/// compressor, needed once in ten seconds, then come from the middle of the heap, and what is allocated
/// after them keeps it from shrinking: a third more memory after half an hour. Other C libraries are
/// left as they are.
pub fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "the C library's own call has no safe wrapper")]
        // SAFETY: documented parameters with values in range; only called before other threads run.
        unsafe {
            nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1);
            nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, THRESHOLD);
            nix::libc::mallopt(nix::libc::M_TRIM_THRESHOLD, THRESHOLD);
        }
    }
}
