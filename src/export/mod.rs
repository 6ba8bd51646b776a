//! Screens and sessions in the formats of other tools.

mod cast;
pub mod chrome;
pub mod csv;
mod numbers;
mod shapes;
mod svg;
mod text;

pub use cast::Cast;
pub use numbers::{Number, numbers};
pub use svg::svg;
pub use text::text;
