//! The values of one track, in pieces: memory is taken as they come, and hardly any by one that
//! stands still.

use std::collections::VecDeque;

/// Values in a piece.
const PIECE: usize = 128;

/// The last so many values, oldest first; NaN stands for none.
#[derive(Debug)]
pub(super) struct Values {
    most: usize,
    full: VecDeque<Piece>,
    /// The piece in progress.
    open: Vec<f32>,
    /// Values of the first piece that are forgotten.
    gone: usize,
}

#[derive(Debug)]
enum Piece {
    Same(f32),
    Each(Box<[f32]>),
}

impl Piece {
    fn of(values: &[f32]) -> Self {
        match values {
            // By their bits: no NaN equals another.
            [first, rest @ ..] if rest.iter().all(|value| value.to_bits() == first.to_bits()) => {
                Self::Same(*first)
            }
            values => Self::Each(values.into()),
        }
    }
}

impl Values {
    /// Room for `most` values; for one at least.
    pub(super) const fn new(most: usize) -> Self {
        let most = if most == 0 { 1 } else { most };
        Self { most, full: VecDeque::new(), open: Vec::new(), gone: 0 }
    }

    /// Adds a value, and forgets the oldest where there are more than may be.
    pub(super) fn push(&mut self, value: f32) {
        self.open.push(value);
        if self.open.len() == PIECE {
            self.full.push_back(Piece::of(&self.open));
            self.open.clear();
        }
        if self.len() > self.most {
            self.gone += 1;
        }
        if self.gone == PIECE {
            self.full.pop_front();
            self.gone = 0;
        }
    }

    /// Values held.
    pub(super) fn len(&self) -> usize {
        self.full.len() * PIECE + self.open.len() - self.gone
    }

    /// Value `index`, counted from the oldest.
    pub(super) fn get(&self, index: usize) -> Option<f32> {
        let at = index.checked_add(self.gone)?;
        match self.full.get(at / PIECE) {
            Some(Piece::Same(value)) => Some(*value),
            Some(Piece::Each(values)) => values.get(at % PIECE).copied(),
            None => self.open.get(at.checked_sub(self.full.len() * PIECE)?).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_values_are_held_in_their_order(
            most in 0usize..400,
            runs in prop::collection::vec((0u8..3, 1usize..200), 0..8),
        ) {
            let pushed: Vec<f32> = runs
                .iter()
                .flat_map(|(kind, count)| (0..*count).map(move |at| match kind {
                    0 => 0.25,
                    1 => f32::NAN,
                    _ => at as f32,
                }))
                .collect();
            let mut values = Values::new(most);
            for value in &pushed {
                values.push(*value);
            }
            let kept = &pushed[pushed.len().saturating_sub(most.max(1))..];
            prop_assert_eq!(values.len(), kept.len());
            let bits = |value: f32| value.to_bits();
            let held: Vec<_> = (0..=kept.len()).map(|at| values.get(at).map(bits)).collect();
            let expected: Vec<_> =
                kept.iter().map(|value| Some(bits(*value))).chain([None]).collect();
            prop_assert_eq!(held, expected);
        }
    }

    #[test]
    fn a_track_that_stands_still_takes_one_value_for_each_piece() {
        let mut values = Values::new(4096);
        (0..PIECE * 3).for_each(|_| values.push(0.5));
        assert!(values.full.iter().all(|piece| matches!(piece, Piece::Same(0.5))));
    }
}
