//! Reads again in one call what the look before needed one piece after the other.
//!
//! Following a chain of pointers costs a call for each link. Between two looks most links stay where
//! they are: so a look begins with one call for all that was needed lately, and only what is new costs
//! calls of its own. What is at hand is never older than the look.

use crate::model::Gap;

use super::memory::{Piece, Remote, word_at};

/// Pieces that are remembered from look to look.
const KEPT: usize = 192;
/// Looks for which a piece that was not needed is still read: a loop goes back and forth between few
/// stacks, and a piece more costs far less than a call.
const FORGET: u8 = 8;
/// Pieces so close are read as one.
const NEAR: u64 = 2048;
/// The longest piece made of near ones.
const LONGEST: u64 = 8 << 10;
/// The most that one look holds.
const ROOM: usize = 128 << 10;

/// A piece that was needed lately.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    piece: Piece,
    /// Looks since it was needed.
    age: u8,
}

/// A piece at hand.
#[derive(Clone, Copy, Debug)]
struct Held {
    at: u64,
    len: usize,
    /// Where it stands in the bytes.
    offset: usize,
}

/// What is at hand of one look, and what the next will begin with.
#[derive(Debug, Default)]
pub(super) struct Recall {
    wanted: Vec<Wanted>,
    /// What the look began with: it is at hand in any case.
    first: Option<Piece>,
    /// Those of `wanted` that are sorted by address; the later ones are not.
    known: usize,
    held: Vec<Held>,
    /// Those of `held` that are sorted by address; the later ones are not.
    sorted: usize,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Recall {
    /// Begins a look. `first` is read before all others: it says which of them count.
    pub(super) fn begin(&mut self, remote: &mut Remote, first: Piece) -> Result<(), Gap> {
        self.wanted.retain_mut(|wanted| {
            wanted.age = wanted.age.saturating_add(1);
            wanted.age <= FORGET
        });
        self.wanted.truncate(KEPT);
        self.wanted.sort_unstable_by_key(|wanted| wanted.piece.at);
        self.known = self.wanted.len();
        self.first = Some(first);
        self.pieces.clear();
        self.pieces.push(first);
        for Wanted { piece, .. } in &self.wanted {
            let end = piece.at.saturating_add(piece.len as u64);
            match self.pieces.get_mut(1..).and_then(<[Piece]>::last_mut) {
                Some(last)
                    if piece.at <= last.at.saturating_add(last.len as u64 + NEAR)
                        && end.saturating_sub(last.at) <= LONGEST =>
                {
                    last.len = last.len.max((end - last.at) as usize);
                }
                _ => self.pieces.push(*piece),
            }
        }
        if self.read(remote).is_err() {
            // One of them is not mapped any more: those that count are found one by one.
            self.wanted.clear();
            self.known = 0;
            self.pieces.truncate(1);
            self.read(remote)?;
        }
        Ok(())
    }

    /// Reads `self.pieces` anew. All but the first are sorted.
    fn read(&mut self, remote: &mut Remote) -> Result<(), Gap> {
        self.held.clear();
        self.bytes.clear();
        self.sorted = 0;
        let total: usize = self.pieces.iter().map(|piece| piece.len).sum();
        if total > ROOM {
            return Err(Gap::Failed);
        }
        self.bytes.resize(total, 0);
        remote.copy(&self.pieces, &mut self.bytes)?;
        let mut offset = 0;
        for piece in &self.pieces {
            self.held.push(Held { at: piece.at, len: piece.len, offset });
            offset += piece.len;
        }
        // The first is not in its place among the sorted: it goes to the others.
        self.held.rotate_left(1);
        self.sorted = self.held.len() - 1;
        Ok(())
    }

    /// Makes pieces be at hand, those that are not by one call.
    pub(super) fn need(&mut self, remote: &mut Remote, pieces: &[Piece]) -> Result<(), Gap> {
        self.pieces.clear();
        let mut total = 0;
        for &piece in pieces {
            if self.first != Some(piece) && !self.refresh(piece) {
                self.wanted.push(Wanted { piece, age: 0 });
            }
            if self.find(piece).is_none() {
                self.pieces.push(piece);
                total += piece.len;
            }
        }
        if self.pieces.is_empty() {
            return Ok(());
        }
        let start = self.bytes.len();
        if start + total > ROOM {
            return Err(Gap::Failed);
        }
        self.bytes.resize(start + total, 0);
        let done = remote.copy(&self.pieces, self.bytes.get_mut(start..).unwrap_or_default());
        if let Err(gap) = done {
            self.bytes.truncate(start);
            // Not to spoil the next look's one call. What was at hand stays wanted only if asked again.
            let missed = &self.pieces;
            self.wanted.retain(|wanted| !missed.contains(&wanted.piece));
            self.known = 0;
            return Err(gap);
        }
        let mut offset = start;
        for piece in &self.pieces {
            self.held.push(Held { at: piece.at, len: piece.len, offset });
            offset += piece.len;
        }
        Ok(())
    }

    /// Notes that a piece is needed still; whether it was known.
    fn refresh(&mut self, piece: Piece) -> bool {
        let sorted = self.known.min(self.wanted.len());
        let (known, new) = self.wanted.split_at_mut(sorted);
        let from = known.partition_point(|wanted| wanted.piece.at < piece.at);
        let same = known.iter_mut().skip(from).take_while(|wanted| wanted.piece.at == piece.at);
        let found = same.chain(new).find(|wanted| wanted.piece == piece);
        found.is_some_and(|wanted| {
            wanted.age = 0;
            true
        })
    }

    fn find(&self, piece: Piece) -> Option<&[u8]> {
        let holds = |held: &&Held| {
            held.at <= piece.at
                && piece.at.saturating_add(piece.len as u64) <= held.at + held.len as u64
        };
        let (sorted, late) = self.held.split_at_checked(self.sorted)?;
        let after = sorted.partition_point(|held| held.at <= piece.at);
        let near = after.checked_sub(1).and_then(|at| sorted.get(at)).filter(holds);
        let held = near.or_else(|| late.iter().find(holds))?;
        let from = held.offset + (piece.at - held.at) as usize;
        self.bytes.get(from..from + piece.len)
    }

    /// Bytes at an address, read where they are not at hand.
    pub(super) fn get(&mut self, remote: &mut Remote, piece: Piece) -> Result<&[u8], Gap> {
        self.need(remote, &[piece])?;
        self.find(piece).ok_or(Gap::Failed)
    }

    /// A word at an address.
    pub(super) fn word(&mut self, remote: &mut Remote, at: u64) -> Result<u64, Gap> {
        Ok(word_at(self.get(remote, Piece { at, len: 8 })?, 0))
    }
}
