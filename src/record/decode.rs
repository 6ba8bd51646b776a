//! Lines as samples: a state machine that is fed line by line and never trusts one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Event, Inventory, Sample};

use super::head::{SessionInfo, check_version, read_head};
use super::key::{apply_proc, read_names};
use super::line::{Damage, bare, kind_of, objects};
use super::tick::read_tick;

/// What a line gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// What the session is.
    Head(Arc<SessionInfo>),
    /// A tick, with the names known by then.
    Sample(Arc<Sample>),
    /// Something happened.
    Event(Event),
    /// A clean stop.
    End(End),
}

/// How a session ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When, in milliseconds since the Unix epoch.
    pub t_ms: i64,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
}

/// Reads the lines of a session, one by one.
///
/// It may begin anywhere: a tick before the first `key` line is read, with no names.
#[derive(Debug, Default)]
pub struct Decoder {
    inventory: Arc<Inventory>,
    newer: Option<Damage>,
}

impl Decoder {
    /// A decoder that knows no name yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the lines so far have named.
    pub const fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// Reads one line, with or without its line end.
    ///
    /// `Ok(None)` for a line that only names things and for a kind that this version does not know.
    /// After [`Damage`] the next line can be read as if nothing had happened, save where it
    /// [is final](Damage::is_final).
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Item>, Damage> {
        if let Some(newer) = &self.newer {
            return Err(newer.clone());
        }
        let line = bare(line);
        let read = self.read(kind_of(line)?, line);
        if let Err(damage) = &read
            && damage.is_final()
        {
            self.newer = Some(damage.clone());
        }
        read
    }

    fn read(&mut self, kind: &[u8], line: &[u8]) -> Result<Option<Item>, Damage> {
        match kind {
            b"tick" => {
                let sample = read_tick(line, Arc::clone(&self.inventory))?;
                Ok(Some(Item::Sample(Arc::new(sample))))
            }
            b"key" => {
                objects(line)?;
                check_version(line)?;
                let names = read_names(line)?;
                // Samples go on sharing the names where a group only says them again.
                if *self.inventory != names {
                    self.inventory = Arc::new(names);
                }
                Ok(None)
            }
            b"proc" => {
                objects(line)?;
                apply_proc(line, &mut self.inventory)?;
                Ok(None)
            }
            b"head" => {
                objects(line)?;
                Ok(Some(Item::Head(Arc::new(read_head(line)?))))
            }
            b"event" => {
                objects(line)?;
                parse(line).map(|event| Some(Item::Event(event)))
            }
            b"end" => parse(line).map(|end| Some(Item::End(end))),
            _ => Ok(None),
        }
    }
}

fn parse<'de, T: Deserialize<'de>>(line: &'de [u8]) -> Result<T, Damage> {
    serde_json::from_slice(line).map_err(|_| Damage::Malformed)
}
