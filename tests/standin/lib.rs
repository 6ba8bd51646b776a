//! A stand-in for NVIDIA's library: the same names and layouts, its answers from a script.
//!
//! Built by the tests with `rustc --crate-type cdylib`, once for each variant of missing symbols, and
//! loaded through the dynamic loader as the real one is. Standard library only.

#![allow(non_snake_case, clippy::missing_safety_doc)]

mod abi;
mod device;
mod lists;
mod monitor;
mod scenario;
mod system;
mod world;

/// Exports a call on one GPU: `name(extra arguments) |view| body`.
macro_rules! device_call {
    ($( $name:ident ( $($arg:ident : $type:ty),* ) |$view:ident| $body:expr; )*) => { $(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(device: $crate::abi::Dev $(, $arg: $type)*) -> $crate::abi::Rc {
            $crate::world::on_gpu(stringify!($name), device, |$view| {
                // SAFETY: the caller's pointers are what the library's contract says.
                #[allow(unused_unsafe)]
                unsafe { $body }
            })
        }
    )* };
}
pub(crate) use device_call;

/// Writes a value through the caller's pointer.
pub(crate) unsafe fn give<T>(out: *mut T, value: T) -> abi::Rc {
    if out.is_null() {
        return abi::INVALID;
    }
    // SAFETY: the caller's pointer, checked for null.
    unsafe { out.write(value) };
    abi::OK
}

/// Writes a text with its end into the caller's buffer.
pub(crate) unsafe fn give_text(text: &str, out: *mut std::ffi::c_char, room: u32) -> abi::Rc {
    if out.is_null() {
        return abi::INVALID;
    }
    if text.len() + 1 > room as usize {
        return abi::INSUFFICIENT_SIZE;
    }
    // SAFETY: the buffer has `room` bytes, as the caller says.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len());
        *out.add(text.len()) = 0;
    }
    abi::OK
}
