//! What the example programs are made of. Each program is a file in `src/bin`; what several of them share, and what their tests drive, is
//! here.

pub mod clicks;
pub mod mysql;
pub mod training;
pub mod transactions;
