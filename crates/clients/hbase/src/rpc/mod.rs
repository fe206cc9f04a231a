//! HBase's RPC: protobuf messages in frames over TCP, with the cells of rows beside them in a form of their own.

pub(crate) mod cells;
pub(crate) mod connection;
pub(crate) mod exception;
pub(crate) mod frame;
pub(crate) mod messages;

/// What is asked: a service has connections of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    /// Rows, of a region server.
    Client,
    /// Tables, of the master.
    Master,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "ClientService",
            Self::Master => "MasterService",
        }
    }
}
