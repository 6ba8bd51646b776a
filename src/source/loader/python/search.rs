//! Finding iterators: on the stacks, and in the garbage collector's lists.

use std::collections::HashMap;

use crate::model::Gap;

use super::layout::{ENUMERATE_IT, GC_HEAD, OB_TYPE};
use super::memory::{half_at, is_object, word_at};
use super::objects::{Heap, Kind};
use super::stack::{self, TAGS, Thread};

/// Frames of one stack.
const DEEPEST: usize = 512;
/// Values of one frame.
const VALUES: u32 = 1024;
/// How often what holds an iterator is followed: an enumerate in a generator in a generator.
const FOLLOWED: u8 = 4;
/// Iterators found in one call.
const FOUND: usize = 64;
/// Before 3.11 a code's cells are counted apart.
const CELLS: u32 = 16;

/// Adds the iterators that the frames of a thread hold, in variables or while they go over them.
pub(super) fn on_stack(heap: &mut Heap, thread: Thread, found: &mut Vec<u64>) -> Result<(), Gap> {
    let layout = heap.layout.thread.clone();
    let mut frame = heap.remote.word(thread.state.wrapping_add(layout.frame))?;
    if let Some(offset) = layout.frame_in_c.filter(|_| frame != 0) {
        frame = heap.remote.word(frame.wrapping_add(offset))?;
    }
    for _ in 0..DEEPEST {
        if !is_object(frame) {
            break;
        }
        frame = in_frame(heap, frame, found, 0)?;
    }
    Ok(())
}

/// Adds what one frame holds; the frame that called it.
fn in_frame(heap: &mut Heap, frame: u64, found: &mut Vec<u64>, depth: u8) -> Result<u64, Gap> {
    let held = held(heap, frame)?;
    for value in held.values {
        let _ = visit(heap, value, found, depth);
    }
    Ok(held.previous)
}

/// What a frame holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) code: u64,
    /// The frame that called it.
    previous: u64,
    /// Its variables, and behind them values in the works and what was left there. Empty where it is no
    /// frame of a Python function.
    pub(super) values: Vec<u64>,
}

/// Reads a frame.
pub(super) fn held(heap: &mut Heap, frame: u64) -> Result<Held, Gap> {
    let head = stack::head(&heap.layout, frame);
    let mut bytes = [0; 64];
    let bytes = bytes.get_mut(..head.len).ok_or(Gap::Failed)?;
    heap.remote.fill(head.at, bytes)?;
    let (code, previous) = stack::links(&heap.layout, bytes);
    let mut held = Held { code, previous, values: Vec::new() };
    if heap.type_of(code).and_then(|kind| heap.kind(kind)) != Ok(Kind::Code) {
        return Ok(held);
    }
    let sizes: [u8; 64] = heap.remote.bytes(code.wrapping_add(24))?;
    let size = |offset: u64| half_at(&sizes, (offset - 24) as usize);
    let (locals, room) = (size(heap.layout.code.locals), size(heap.layout.code.stack));
    let cells = if heap.layout.minor < 11 { CELLS } else { 0 };
    let count = locals.saturating_add(room).saturating_add(cells);
    if count > VALUES {
        return Ok(held);
    }
    // The last frame of a chunk may end before its room does: then only what is sure is read.
    let at = frame.wrapping_add(heap.layout.frame.locals);
    let values = heap.remote.words(at, count as usize);
    let values = values.or_else(|_| heap.remote.words(at, locals.min(count) as usize));
    held.values = values.unwrap_or_default().into_iter().map(|value| value & !TAGS).collect();
    Ok(held)
}

/// The frame of a generator; none where it came to its end.
pub(super) fn generator_frame(heap: &mut Heap, generator: u64) -> Result<u64, Gap> {
    let at = generator.wrapping_add(heap.layout.generator_frame);
    if heap.layout.minor < 11 { heap.remote.word(at) } else { Ok(at) }
}

/// Adds an object if it is an iterator, or what it goes over if that is one. Slots hold what was left
/// there too, so what cannot be read is nothing.
fn visit(heap: &mut Heap, object: u64, found: &mut Vec<u64>, depth: u8) -> Result<(), Gap> {
    if !is_object(object) || found.len() >= FOUND || depth > FOLLOWED {
        return Ok(());
    }
    let kind = heap.type_of(object)?;
    match heap.kind(kind)? {
        Kind::Iterator if !found.contains(&object) => found.push(object),
        Kind::Enumerate => {
            let inner = heap.remote.word(object + ENUMERATE_IT)?;
            visit(heap, inner, found, depth + 1)?;
        }
        Kind::Generator => {
            let frame = generator_frame(heap, object)?;
            if is_object(frame) {
                in_frame(heap, frame, found, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Size of a page.
const PAGE: u64 = 4096;
/// Pages kept while lists are walked: neighbours in a list are often neighbours in memory.
const PAGES: usize = 64;

/// A walk through the garbage collector's lists that goes on from call to call.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The list, youngest first; 3 and more: done.
    generation: usize,
    /// The object in it, by the address of its links; 0: at the start of the list.
    at: u64,
    pages: HashMap<u64, Box<[u8; PAGE as usize]>>,
}

impl Walk {
    /// Whether all lists were walked through.
    pub(super) fn done(&self) -> bool {
        self.generation >= 3
    }

    /// Walks on past at most so many objects, and adds the iterators among them.
    pub(super) fn go_on(
        &mut self,
        heap: &mut Heap,
        base: u64,
        mut objects: u32,
        found: &mut Vec<u64>,
    ) -> Result<(), Gap> {
        self.pages.clear();
        let heads = heap.layout.generations.heads.map(|head| base.wrapping_add(head));
        if self.at != 0 && !self.linked(heap).unwrap_or(false) {
            // It went, or moved on: the list is begun anew.
            self.at = 0;
        }
        while let Some(&head) = heads.get(self.generation) {
            if self.at == 0 {
                self.at = heap.remote.word(head)? & !TAGS;
            }
            // Objects move from list to list meanwhile, so the end may be any list's head.
            while !heads.contains(&self.at) {
                if objects == 0 || found.len() >= FOUND {
                    self.pages.clear();
                    return Ok(());
                }
                objects -= 1;
                let Ok((next, kind)) = self.links(heap, self.at) else { break };
                if heap.kind(kind) == Ok(Kind::Iterator) && !found.contains(&(self.at + GC_HEAD)) {
                    found.push(self.at + GC_HEAD);
                }
                self.at = next;
            }
            self.generation += 1;
            self.at = 0;
        }
        self.pages.clear();
        Ok(())
    }

    /// Whether the object stands in a list still: the one before leads to it.
    fn linked(&self, heap: &mut Heap) -> Result<bool, Gap> {
        let before = heap.remote.word(self.at.wrapping_add(8))? & !TAGS;
        Ok(heap.remote.word(before)? & !TAGS == self.at)
    }

    /// The next object in the list, and the type of this one.
    fn links(&mut self, heap: &mut Heap, at: u64) -> Result<(u64, u64), Gap> {
        if !is_object(at) {
            return Err(Gap::Failed);
        }
        let (page, offset) = (at & !(PAGE - 1), (at % PAGE) as usize);
        let type_at = GC_HEAD + OB_TYPE;
        if offset as u64 + type_at + 8 > PAGE {
            let words = heap.remote.words(at, 4)?;
            let (Some(next), Some(kind)) = (words.first(), words.last()) else {
                return Err(Gap::Failed);
            };
            return Ok((next & !TAGS, *kind));
        }
        if !self.pages.contains_key(&page) {
            if self.pages.len() >= PAGES {
                self.pages.clear();
            }
            let mut bytes = Box::new([0; PAGE as usize]);
            heap.remote.fill(page, bytes.as_mut_slice())?;
            self.pages.insert(page, bytes);
        }
        let bytes = self.pages.get(&page).ok_or(Gap::Failed)?;
        let word = |at: usize| word_at(bytes.as_slice(), at);
        Ok((word(offset) & !TAGS, word(offset + type_at as usize)))
    }
}
