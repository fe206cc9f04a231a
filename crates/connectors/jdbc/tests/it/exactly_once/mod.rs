//! `'sink.delivery-guarantee' = 'exactly-once'`.

mod commits;
mod job;
mod locks;
mod refused;
mod servers;
mod sqlite;
mod xa;
