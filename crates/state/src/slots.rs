//! Slots: the places of keys, groups and sessions in columns of state.

use riverrun_base::{Error, Result};

/// Gives out small numbers and takes them back. Numbers that came back are given out again first, so the columns behind them stay as
/// long as the most that were ever in use at a time.
///
/// ```
/// use riverrun_state::Slots;
///
/// let mut slots = Slots::default();
/// assert_eq!((slots.take()?, slots.take()?), (0, 1));
/// slots.give_back(0);
/// assert_eq!((slots.take()?, slots.end()), (0, 2));
/// # Ok::<(), riverrun_base::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Slots {
    free: Vec<u32>,
    end: u32,
}

impl Slots {
    /// A slot that is not in use.
    ///
    /// # Errors
    /// There are 2^32 - 1 in use already.
    pub fn take(&mut self) -> Result<u32> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        let slot = self.end;
        self.end = slot
            .checked_add(1)
            .ok_or_else(|| Error::user("an operator has more than 2^32 keys").hint("raise the parallelism"))?;
        Ok(slot)
    }

    /// Takes back a slot that is in use.
    pub fn give_back(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// One more than the largest slot that was ever given out: the length of the columns behind the slots.
    pub fn end(&self) -> usize {
        self.end as usize
    }

    /// Those in use, in ascending order.
    pub fn used(&self) -> Vec<u32> {
        let mut free = vec![false; self.end()];
        self.free.iter().for_each(|slot| free[*slot as usize] = true);
        (0..self.end).zip(free).filter(|(_, free)| !free).map(|(slot, _)| slot).collect()
    }

    /// How many are in use.
    pub fn in_use(&self) -> usize {
        self.end() - self.free.len()
    }
}
