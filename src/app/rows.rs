//! The rows of the table: runs, and below each the ranks that are shown.

use crate::model::{Inventory, Pid, RunId};

use super::state::State;

/// Ranks beyond which runs are folded until the user opens them.
const RANKS_SHOWN_UNASKED: usize = 8;

/// Rows of the terminal below which runs are folded until the user opens them.
const ROOM_FOR_RANKS: u16 = 30;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The run.
    pub run: RunId,
    /// The rank's trainer, for a row below its run.
    pub rank: Option<Pid>,
    /// Whether its ranks stand below it; `None` for a run of one rank, which has nothing to open.
    pub open: Option<bool>,
}

/// The rows that the table has, whether or not the screen has room for them.
pub fn rows(state: &State) -> Vec<Row> {
    let Some(frame) = state.shown() else { return Vec::new() };
    let inventory = &frame.sample.inventory;
    let mut rows = Vec::new();
    for info in &inventory.runs {
        if info.trainers.len() < 2 {
            rows.push(Row { run: info.run, rank: None, open: None });
            continue;
        }
        let open = is_open(state, inventory, info.run);
        rows.push(Row { run: info.run, rank: None, open: Some(open) });
        if open {
            let ranks = info.trainers.iter();
            rows.extend(ranks.map(|pid| Row { run: info.run, rank: Some(*pid), open: None }));
        }
    }
    rows
}

/// Whether the ranks of a run are shown: as the user asked, else where there is room for all.
pub fn is_open(state: &State, inventory: &Inventory, run: RunId) -> bool {
    state.opened.get(&run).copied().unwrap_or_else(|| {
        let ranks: usize = inventory.runs.iter().map(|run| run.trainers.len()).sum();
        // The strip of a replay takes a row.
        let room = ROOM_FOR_RANKS + u16::from(state.whole.is_some());
        ranks <= RANKS_SHOWN_UNASKED && state.size.1 >= room
    })
}
