//! A stand-in for NVIDIA's library: the same names and layouts, its answers from a script.
//!
//! Built by `build`, once for each variant of a driver, and loaded through the dynamic loader as the
//! real one is. Standard library only. `MLTOP_STANDIN` names the script (see `scenario.rs`),
//! `MLTOP_STANDIN_CONTROL` one that is read again when it changes, `MLTOP_STANDIN_LOG` the file that
//! every call is written into (see `call.rs`). Its version (`nvmlSystemGetNVMLVersion`) says what it is,
//! so that mltop labels its GPUs as simulated wherever it shows them.

#![allow(non_snake_case, clippy::missing_safety_doc)]

mod abi;
mod call;
mod cost;
mod device;
mod events;
mod fault;
mod fields;
mod figure;
mod gpm;
mod health;
mod link;
mod lists;
mod load;
mod mig;
mod preset;
mod samples;
mod scenario;
mod system;
mod variant;
mod world;

/// Exports calls on a GPU: `name(extra arguments) |view| body`. On a MIG instance they are refused.
macro_rules! device_call {
    ($($calls:tt)*) => { $crate::export_calls! { false; $($calls)* } };
}
pub(crate) use device_call;

/// Exports calls that answer for MIG instances too.
macro_rules! any_device_call {
    ($($calls:tt)*) => { $crate::export_calls! { true; $($calls)* } };
}
pub(crate) use any_device_call;

macro_rules! export_calls {
    ($instances:literal; $( $name:ident ( $($arg:ident : $type:ty),* ) |$view:ident| $body:expr; )*) => { $(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(device: $crate::abi::Dev $(, $arg: $type)*) -> $crate::abi::Rc {
            $crate::call::on_gpu(stringify!($name), device, $instances, |$view| {
                // SAFETY: the caller's pointers are what the library's contract says.
                #[allow(unused_unsafe)]
                unsafe { $body }
            })
        }
    )* };
}
pub(crate) use export_calls;

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

/// A text in a buffer of a struct.
pub(crate) fn letters<const N: usize>(text: &str) -> [std::ffi::c_char; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(text.bytes().take(N - 1)) {
        *to = from as std::ffi::c_char;
    }
    out
}
