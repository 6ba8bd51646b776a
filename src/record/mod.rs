//! The session's lines, and what reads and writes them.
//!
//! One codec serves the stream, the recording, the replay and the scroll-back in memory. A line is one
//! JSON object with its checksum at the end ([`mod@line`]); a group of lines begins with the names of
//! everything that is there and lasts about ten seconds, so that any group can be read by itself.
//!
//! ```text
//!  Sample ─ Encoder ─► lines ─┬─► stdout ─► read::read ─► Session ──────────────────┐
//!                             ├─► Writer ─► file, ring of files ─► SessionFile ─────┼─► Arc<Sample>
//!                             └─► Tape (packed groups in memory) ───────────────────┘
//! ```
//!
//! [`Writer`] has a thread of its own; [`SessionFile`] holds the index of a file and the few groups that
//! were looked at last, however long the file is (`container`).

mod ahead;
mod columns;
mod container;
pub mod decode;
pub mod encode;
mod gaps;
mod group;
pub mod head;
mod key;
pub mod line;
pub mod read;
mod reasons;
mod rewrite;
pub mod ring;
pub mod series;
pub mod session_file;
mod shelf;
pub mod tape;
mod text;
mod tick;
mod unpack;
pub mod verify;
pub mod writer;

pub use container::ENDING;
pub use decode::{Decoder, End, Item};
pub use encode::Encoder;
pub use group::Pair;
pub use head::SessionInfo;
pub use line::Damage;
pub use read::{Health, ReadError, Session};
pub use rewrite::Rewritten;
pub use series::{Extent, Series};
pub use session_file::SessionFile;
pub use tape::Tape;
pub use writer::{Options, Progress, Sync, Writer};
