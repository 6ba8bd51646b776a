//! Screens in the formats of other tools.

mod shapes;
mod svg;
mod text;

pub use svg::svg;
pub use text::text;
