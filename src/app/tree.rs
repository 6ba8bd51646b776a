//! Parents and children as rows, one below the other.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::Pid;

/// Levels of a tree that are told apart: what is deeper stands at the last of them. A recording may
/// hold a chain of as many processes as it likes.
pub const DEEPEST: usize = 12;

/// One row of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The process.
    pub pid: Pid,
    /// For each level from the second on, whether the branch there goes on below this row; the last
    /// is its own level. Empty for a row of the first level; the last [`DEEPEST`] of a deep one.
    pub goes_on: Vec<bool>,
    /// Whether its children are folded away; `None` without children.
    pub folded: Option<bool>,
    /// Processes below it that are folded away.
    pub hidden: usize,
}

/// The rows of a tree, siblings in the order of `compare`. `parents` names the parent of each
/// process, where that is among them. Each has one row or is hidden below a folded one, also where
/// what was read of parents makes a ring.
pub(super) fn tree(
    parents: &BTreeMap<Pid, Option<Pid>>,
    folded: &BTreeSet<Pid>,
    compare: impl Fn(&Pid, &Pid) -> Ordering,
) -> Vec<Branch> {
    let mut children = children(parents);
    for siblings in children.values_mut() {
        siblings.sort_by(&compare);
    }
    let none = Vec::new();
    let of = |pid: Option<Pid>| children.get(&pid).unwrap_or(&none);
    let mut rows = Vec::with_capacity(parents.len());
    let mut met: BTreeSet<Pid> = BTreeSet::new();
    // What is still to come, the next at the end.
    let mut stack: Vec<(Pid, Vec<bool>)> =
        of(None).iter().rev().map(|pid| (*pid, Vec::new())).collect();
    let mut rings = parents.keys();
    loop {
        let Some((pid, goes_on)) = stack.pop() else {
            // Whoever is in a ring is below no first one: the ring is opened at its lowest number.
            match rings.find(|pid| !met.contains(pid)) {
                Some(pid) => stack.push((*pid, Vec::new())),
                None => return rows,
            }
            continue;
        };
        if !met.insert(pid) {
            continue;
        }
        let below: Vec<Pid> =
            of(Some(pid)).iter().filter(|child| !met.contains(child)).copied().collect();
        let is_folded = folded.contains(&pid);
        let mut hidden = 0;
        if is_folded {
            hidden = hide(&below, &children, &mut met);
        } else {
            for (at, child) in below.iter().enumerate().rev() {
                let more = at + 1 < below.len();
                let above = &goes_on[goes_on.len().saturating_sub(DEEPEST - 1)..];
                stack.push((*child, [above, &[more]].concat()));
            }
        }
        rows.push(Branch {
            pid,
            goes_on,
            folded: (!below.is_empty()).then_some(is_folded),
            hidden,
        });
    }
}

/// Marks all below as met, and counts them.
fn hide(
    below: &[Pid],
    children: &BTreeMap<Option<Pid>, Vec<Pid>>,
    met: &mut BTreeSet<Pid>,
) -> usize {
    let mut hidden = 0;
    let mut stack = below.to_vec();
    while let Some(pid) = stack.pop() {
        if met.insert(pid) {
            hidden += 1;
            stack.extend(children.get(&Some(pid)).into_iter().flatten());
        }
    }
    hidden
}

fn children(parents: &BTreeMap<Pid, Option<Pid>>) -> BTreeMap<Option<Pid>, Vec<Pid>> {
    let mut children: BTreeMap<Option<Pid>, Vec<Pid>> = BTreeMap::new();
    for (pid, parent) in parents {
        children.entry(*parent).or_default().push(*pid);
    }
    children
}

/// For each process what it and all below it come to. Those in a ring are below nobody.
pub(super) fn sums(
    parents: &BTreeMap<Pid, Option<Pid>>,
    of: impl Fn(Pid) -> f64,
) -> BTreeMap<Pid, f64> {
    let mut sums: BTreeMap<Pid, f64> = parents.keys().map(|pid| (*pid, of(*pid))).collect();
    let mut waits: BTreeMap<Pid, usize> = BTreeMap::new();
    for parent in parents.values().flatten() {
        *waits.entry(*parent).or_default() += 1;
    }
    // From the leaves up: a parent follows once all its children are summed.
    let mut done: Vec<Pid> =
        parents.keys().filter(|pid| !waits.contains_key(pid)).copied().collect();
    while let Some(pid) = done.pop() {
        let Some(parent) = parents.get(&pid).copied().flatten() else { continue };
        let own = sums.get(&pid).copied().unwrap_or_default();
        if let Some(sum) = sums.get_mut(&parent) {
            *sum += own;
        }
        if let Some(left) = waits.get_mut(&parent) {
            *left -= 1;
            if *left == 0 {
                done.push(parent);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parents(pairs: &[(u32, Option<u32>)]) -> BTreeMap<Pid, Option<Pid>> {
        pairs.iter().map(|(pid, parent)| (Pid(*pid), parent.map(Pid))).collect()
    }

    #[test]
    fn children_stand_below_their_parents_and_lines_end_with_the_last() {
        let parents = parents(&[(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1)), (9, None)]);
        let rows = tree(&parents, &BTreeSet::new(), Ord::cmp);
        let shown: Vec<(u32, Vec<bool>)> =
            rows.iter().map(|row| (row.pid.0, row.goes_on.clone())).collect();
        let wanted =
            [(1, vec![]), (2, vec![true]), (3, vec![true, false]), (4, vec![false]), (9, vec![])];
        assert_eq!(shown, wanted);
        assert_eq!((rows[0].folded, rows[2].folded), (Some(false), None));
        let sums = sums(&parents, |pid| f64::from(pid.0));
        assert_eq!((sums[&Pid(1)], sums[&Pid(2)], sums[&Pid(9)]), (10.0, 5.0, 9.0));
    }

    #[test]
    fn a_folded_process_hides_and_counts_all_below_it() {
        let parents = parents(&[(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1))]);
        let rows = tree(&parents, &BTreeSet::from([Pid(1)]), Ord::cmp);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].folded, rows[0].hidden), (Some(true), 3));
    }

    #[test]
    fn a_chain_of_very_many_processes_costs_no_more_than_as_many_side_by_side() {
        const MANY: u32 = 50_000;
        let chain = (0..MANY).map(|pid| (Pid(pid), pid.checked_sub(1).map(Pid))).collect();
        let rows = tree(&chain, &BTreeSet::new(), Ord::cmp);
        assert_eq!(rows.len(), MANY as usize);
        assert!(rows.iter().all(|row| row.goes_on.len() <= DEEPEST));
        assert!((sums(&chain, |_| 1.0)[&Pid(0)] - f64::from(MANY)).abs() < 0.5);
    }

    proptest! {
        #[test]
        fn every_process_has_one_row_or_is_hidden_whatever_was_read_of_parents(
            pairs in prop::collection::vec((0..40u32, prop::option::of(0..40u32)), 0..60),
            folded in prop::collection::btree_set(0..40u32, 0..10),
        ) {
            let mut all = parents(&pairs);
            let known: BTreeSet<Pid> = all.keys().copied().collect();
            for parent in all.values_mut() {
                *parent = parent.filter(|parent| known.contains(parent));
            }
            let folded = folded.into_iter().map(Pid).collect();
            let rows = tree(&all, &folded, Ord::cmp);
            let shown: BTreeSet<Pid> = rows.iter().map(|row| row.pid).collect();
            prop_assert_eq!(shown.len(), rows.len());
            let hidden: usize = rows.iter().map(|row| row.hidden).sum();
            prop_assert_eq!(rows.len() + hidden, all.len());
            prop_assert!(sums(&all, |_| 1.0).values().all(|sum| *sum >= 1.0));
        }
    }
}
