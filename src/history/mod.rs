//! What was, for plots: rings of points with gaps. Pure.
//!
//! One ring of times is shared by one ring of values for each [`Track`]. A moment without a value is
//! a gap, and so is a hole in time: nothing here turns either into 0, and nothing joins its edges.

mod axis;
mod buckets;
mod ring;
mod store;
mod track;
mod values;

pub use axis::{Axis, Moment};
pub use buckets::{Bucket, Sum};
pub use ring::Ring;
pub use store::History;
pub use track::Track;
