//! The stack of a thread: its frames from the innermost out, and what they tell together.

use std::collections::HashMap;

use crate::model::Gap;

use super::facts::LoaderKind;
use super::layout::{Frame, Layout};
use super::look::Activity;
use super::memory::{Piece, is_object, word_at};
use super::objects::{Heap, Kind};
use super::recall::Recall;
use super::roles::Role;

/// Frames of one stack.
const DEEPEST: usize = 512;
/// Threads of one interpreter.
const THREADS: usize = 1024;
/// Codes remembered.
const CODES: usize = 16_384;
/// Looks for which it is believed that a code is still the one that was seen: a function lives as long
/// as its module, and what takes the place of a rare one that does not is right again after some seconds.
/// To make sure costs a call for each code.
const BELIEVED: u32 = 250;
/// The lowest bits of a pointer in a frame say how it is counted, from 3.14 on.
pub(super) const TAGS: u64 = 3;

/// A thread's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    /// Where its state is.
    pub(super) state: u64,
    /// Its own id, by which a state that was used again is told.
    pub(super) id: u64,
}

/// What a stack tells.
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that was seen")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Story {
    /// The outermost call for a batch: whose, and its frame.
    pub(super) next: Option<(LoaderKind, u64)>,
    /// Whether something sleeps inside of it, or inside of `take`.
    pub(super) asleep: bool,
    /// Whether a batch is prepared inside of it.
    pub(super) fetches: bool,
    /// Whether something is taken from a queue.
    pub(super) takes: bool,
    /// The innermost activity.
    pub(super) activity: Option<Activity>,
    /// Whether it is in a validation.
    pub(super) validates: bool,
}

/// A code that was seen.
#[derive(Clone, Copy, Debug)]
struct Known {
    role: Role,
    /// Its file and its name, as objects.
    witness: [u64; 2],
    /// The look in which it was read.
    checked: u32,
}

/// Codes by their address.
#[derive(Debug, Default)]
pub(super) struct Codes {
    known: HashMap<u64, Known>,
    /// Looks taken.
    pub(super) looks: u32,
}

/// The head of a frame: its code, and the frame that called it.
pub(super) fn head(layout: &Layout, frame: u64) -> Piece {
    let Frame { code, previous, .. } = layout.frame;
    let (from, to) = (code.min(previous), code.max(previous) + 8);
    Piece { at: frame.wrapping_add(from), len: (to - from) as usize }
}

/// Code and caller out of a frame's head.
pub(super) fn links(layout: &Layout, head: &[u8]) -> (u64, u64) {
    let Frame { code, previous, .. } = layout.frame;
    let from = code.min(previous);
    let at = |offset: u64| word_at(head, (offset - from) as usize);
    (at(code) & !TAGS, at(previous))
}

/// What is read of a thread's state.
pub(super) fn state(layout: &Layout, state: u64) -> Piece {
    let thread = &layout.thread;
    let last = thread.id.max(thread.frame).max(thread.interpreter).max(thread.next);
    Piece { at: state, len: last as usize + 8 }
}

/// The threads of an interpreter, the newest first: the main thread is the last.
pub(super) fn threads(heap: &mut Heap, interpreter: u64) -> Result<Vec<Thread>, Gap> {
    let layout = heap.layout.thread.clone();
    let mut at = heap.remote.word(interpreter.wrapping_add(heap.layout.threads_head))?;
    let mut found: Vec<Thread> = Vec::new();
    while at != 0 && found.len() < THREADS {
        if !is_object(at) || heap.remote.word(at + layout.interpreter)? != interpreter {
            return Err(Gap::Failed);
        }
        found.push(Thread { state: at, id: heap.remote.word(at + layout.id)? });
        at = heap.remote.word(at + layout.next)?;
    }
    Ok(found)
}

/// The innermost frame of a thread, that its state tells; 0 where it runs no Python.
fn innermost(
    heap: &mut Heap,
    recall: &mut Recall,
    interpreter: u64,
    thread: Thread,
) -> Result<u64, Gap> {
    let layout = &heap.layout.thread;
    let piece = state(&heap.layout, thread.state);
    let bytes = recall.get(&mut heap.remote, piece)?;
    let at = |offset: u64| word_at(bytes, offset as usize);
    if at(layout.interpreter) != interpreter || at(layout.id) != thread.id {
        return Err(Gap::Failed);
    }
    match (at(layout.frame), layout.frame_in_c) {
        (0, _) | (_, None) => Ok(at(layout.frame)),
        (in_c, Some(offset)) => recall.word(&mut heap.remote, in_c.wrapping_add(offset)),
    }
}

/// What the stack of a thread tells. `Failed` where it changed while it was read.
pub(super) fn story(
    heap: &mut Heap,
    recall: &mut Recall,
    codes: &mut Codes,
    interpreter: u64,
    thread: Thread,
) -> Result<Story, Gap> {
    let mut frame = innermost(heap, recall, interpreter, thread)?;
    let mut story = Story::default();
    for _ in 0..DEEPEST {
        if frame == 0 {
            return Ok(story);
        }
        if !is_object(frame) {
            return Err(Gap::Failed);
        }
        let bytes = recall.get(&mut heap.remote, head(&heap.layout, frame))?;
        let (code, previous) = links(&heap.layout, bytes);
        story.add(codes.role(heap, code)?, frame);
        frame = previous;
    }
    // Deeper than anybody's training: whatever is below cannot be told.
    Err(Gap::Failed)
}

impl Story {
    /// Adds the next frame outwards.
    fn add(&mut self, role: Role, frame: u64) {
        match role {
            Role::Plain => {}
            Role::Next(kind) => self.next = Some((kind, frame)),
            Role::Fetch => self.fetches = true,
            Role::Take => self.takes = true,
            Role::Sleep => self.asleep = true,
            Role::Does(activity) => {
                self.activity.get_or_insert(activity);
            }
            Role::Validates => self.validates = true,
        }
    }
}

impl Codes {
    /// The role of the code at an address.
    fn role(&mut self, heap: &mut Heap, code: u64) -> Result<Role, Gap> {
        if let Some(known) = self.known.get(&code).copied() {
            if self.looks.wrapping_sub(known.checked) < BELIEVED {
                return Ok(known.role);
            }
            if witness(heap, code)? == known.witness {
                if let Some(known) = self.known.get_mut(&code) {
                    known.checked = self.looks;
                }
                return Ok(known.role);
            }
        }
        self.learn(heap, code)
    }

    fn learn(&mut self, heap: &mut Heap, code: u64) -> Result<Role, Gap> {
        let kind = heap.type_of(code)?;
        let mut known = Known { role: Role::Plain, witness: [0; 2], checked: self.looks };
        let kind = heap.kind(kind)?;
        if kind == Kind::Code {
            known.witness = witness(heap, code)?;
            let [file, name] = known.witness;
            known.role = Role::of(&heap.text(file)?, &heap.text(name)?);
        } else if kind != Kind::Nothing || heap.layout.minor < 13 {
            return Err(Gap::Failed);
        }
        // From 3.13 on there is a frame with None for its code where C calls Python.
        if self.known.len() >= CODES {
            self.known.clear();
        }
        self.known.insert(code, known);
        Ok(known.role)
    }
}

/// File and name of a code: they stand side by side.
fn witness(heap: &mut Heap, code: u64) -> Result<[u64; 2], Gap> {
    let bytes: [u8; 16] = heap.remote.bytes(code.wrapping_add(heap.layout.code.file))?;
    Ok([word_at(&bytes, 0), word_at(&bytes, 8)])
}

/// The first argument of a frame.
pub(super) fn first_argument(heap: &mut Heap, recall: &mut Recall, frame: u64) -> Result<u64, Gap> {
    let at = frame.wrapping_add(heap.layout.frame.locals);
    Ok(recall.word(&mut heap.remote, at)? & !TAGS)
}
