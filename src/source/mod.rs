//! What reads the machine. Knows the model and nothing else of mltop.

pub mod beside;
pub mod elsewhere;
pub mod gpu;
pub mod grid;
pub mod loader;
pub mod machine;
pub mod mounts;
pub mod process;
pub(crate) mod rights;
pub mod root;
pub mod sampler;
pub mod server;
pub mod simulated;
pub mod text;
pub mod trainer;

pub use root::Roots;
