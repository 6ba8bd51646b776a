//! Screens as data, built from the state. Pure: no clock, no file, no terminal.

mod bar;
mod build;
mod disk_lane;
mod findings;
mod focus;
mod footer;
mod gpu_lanes;
mod gpus;
mod header;
mod host;
mod lane;
pub mod lanes;
mod layout;
mod loader_lanes;
mod loaders;
mod pair;
mod pcie_lane;
mod pointed;
mod popup;
mod processes;
mod rank;
pub mod screen;
mod sheet;
mod small;
mod strip;
mod table;
mod text;
mod told;
mod verdict;
mod window;
mod workers;

pub use build::build;
pub use lanes::{NoPast, Plotted};
pub use pointed::pointed;
pub use screen::Screen;
