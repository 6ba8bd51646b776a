//! Which driver this library says that it is. The build decides (see `build`), a script may differ.

use std::ffi::CStr;

unsafe extern "C" {
    /// The version, a text with its end.
    static standin_driver: [u8; 32];
    /// 0 where the byte counters are missing though the driver is new enough for them.
    static standin_counters: i32;
}

pub fn driver() -> String {
    // SAFETY: laid down by the build beside this code, and never written.
    let text = unsafe { CStr::from_ptr((&raw const standin_driver).cast()) };
    text.to_string_lossy().into_owned()
}

pub fn has_counters() -> bool {
    // SAFETY: as above.
    unsafe { standin_counters != 0 }
}
