//! The iterators of one interpreter that are known, each with its plan.

use std::sync::Arc;

use crate::model::Gap;

use super::facts::{Depth, IteratorFacts, IteratorId};
use super::objects::Heap;
use super::plan::Plan;
use super::recall::Recall;

/// Iterators known at once.
const KNOWN: usize = 64;
/// Looks until an object without a plan is tried again.
const AGAIN: u32 = 10;

/// All that are known.
#[derive(Debug, Default)]
pub(super) struct Iterators {
    plans: Vec<Plan>,
    facts: Vec<Arc<IteratorFacts>>,
    numbered: u32,
    /// The object that had no plan last, and the look in which it was tried.
    refused: Option<(u64, u32)>,
}

impl Iterators {
    /// Their facts, oldest first.
    pub(super) fn facts(&self) -> &[Arc<IteratorFacts>] {
        &self.facts
    }

    /// Makes sure of those that are known, and adds those among the objects that are not.
    pub(super) fn renew(&mut self, heap: &mut Heap, found: &[u64]) {
        let mut recall = Recall::default();
        for mut plan in std::mem::take(&mut self.plans) {
            // What reads as it should is where it was: to find it anew takes a thousand calls.
            if plan.is_complete() && plan.depth(heap, &mut recall).is_ok() {
                self.plans.push(plan);
                continue;
            }
            match Plan::of(heap, plan.object, plan.facts.id) {
                Ok(new) if new.same(&plan) => plan.replace(new),
                // Changed while it was read: that is no proof that it is gone.
                Err(Gap::Failed) if plan.is_there(heap) => {}
                _ => continue,
            }
            self.plans.push(plan);
        }
        for &object in found {
            if !self.plans.iter().any(|plan| plan.object == object) {
                self.add(heap, object);
            }
        }
        self.list();
    }

    fn list(&mut self) {
        self.facts.clear();
        self.facts.extend(self.plans.iter().map(|plan| Arc::clone(&plan.facts)));
    }

    fn add(&mut self, heap: &mut Heap, object: u64) -> Option<&Plan> {
        if self.plans.len() >= KNOWN {
            return None;
        }
        let plan = Plan::of(heap, object, IteratorId(self.numbered)).ok()?;
        self.numbered = self.numbered.wrapping_add(1);
        self.plans.push(plan);
        self.plans.last()
    }

    /// The iterator at an address, which is one for sure. It is made known where it is not.
    pub(super) fn at(
        &mut self,
        heap: &mut Heap,
        object: u64,
        look: u32,
    ) -> Option<Arc<IteratorFacts>> {
        if let Some(plan) = self.plans.iter().find(|plan| plan.object == object) {
            return Some(Arc::clone(&plan.facts));
        }
        let just = |&(at, tried): &(u64, u32)| at == object && look.wrapping_sub(tried) < AGAIN;
        if self.refused.as_ref().is_some_and(just) {
            return None;
        }
        let added = self.add(heap, object).map(|plan| Arc::clone(&plan.facts));
        self.refused = added.is_none().then_some((object, look));
        self.list();
        added
    }

    /// The depth of one. It is forgotten where it is gone.
    pub(super) fn depth(
        &mut self,
        heap: &mut Heap,
        recall: &mut Recall,
        id: IteratorId,
    ) -> Result<Depth, Gap> {
        let found = self.plans.iter().position(|plan| plan.facts.id == id).ok_or(Gap::Lost)?;
        let plan = self.plans.get_mut(found).ok_or(Gap::Lost)?;
        match plan.depth(heap, recall) {
            Err(Gap::Lost) => {}
            // With it went what its figures stood in, and what is not mapped any more reads as a change.
            Err(Gap::Failed) if !plan.is_there(heap) => {}
            depth => return depth,
        }
        // Its attributes may have moved to another place, as when one was added.
        match Plan::of(heap, plan.object, id) {
            Ok(new) if new.same(plan) => {
                plan.replace(new);
                Err(Gap::Failed)
            }
            Err(Gap::Failed) if plan.is_there(heap) => Err(Gap::Failed),
            _ => {
                self.plans.remove(found);
                self.list();
                Err(Gap::Lost)
            }
        }
    }
}
