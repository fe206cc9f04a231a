//! Arrays, maps and rows: construction, access, and functions of them.

mod access;
mod arrays;
mod construction;
mod lists;
mod maps;
mod sets;
#[cfg(test)]
mod tests;

pub(super) use access::FUNCTIONS as ACCESS;
pub(super) use arrays::FUNCTIONS as ARRAYS;
pub(super) use construction::FUNCTIONS as CONSTRUCTION;
pub(super) use maps::FUNCTIONS as MAPS;
pub(super) use sets::FUNCTIONS as SETS;
