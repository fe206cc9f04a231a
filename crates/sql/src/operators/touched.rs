//! The groups that a batch touches.

/// The different slots among those of a batch's rows. Its memory is used again for each batch.
#[derive(Default)]
pub(super) struct Touched {
    /// The slots, each once, in the order of their first row.
    pub(super) slots: Vec<u32>,
    /// The first row of each.
    pub(super) rows: Vec<u32>,
    /// For each slot of the table, whether it is among [`Self::slots`].
    marked: Vec<bool>,
}

impl Touched {
    /// Finds the slots of a batch's rows, all below `end`.
    pub(super) fn find(&mut self, slots: &[u32], end: usize) {
        for slot in self.slots.drain(..) {
            self.marked[slot as usize] = false;
        }
        self.rows.clear();
        self.marked.resize(end.max(self.marked.len()), false);
        for (row, slot) in (0u32..).zip(slots) {
            let marked = &mut self.marked[*slot as usize];
            if !*marked {
                *marked = true;
                self.slots.push(*slot);
                self.rows.push(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_found_once_with_its_first_row_in_each_batch_anew() {
        let mut touched = Touched::default();
        touched.find(&[3, 1, 3, 0], 4);
        assert_eq!((touched.slots.as_slice(), touched.rows.as_slice()), ([3, 1, 0].as_slice(), [0, 1, 3].as_slice()));
        touched.find(&[1, 1], 4);
        assert_eq!((touched.slots.as_slice(), touched.rows.as_slice()), ([1].as_slice(), [0].as_slice()));
    }
}
