//! What source and sink of a table have in common: its columns, and how bodies hold them.

use std::sync::Arc;

use riverrun_base::options::OptionReader;
use riverrun_base::{Error, Result};
use riverrun_connect::TableContext;
use riverrun_formats::Format;

use crate::client::{Access, Connection, TlsAccess};
use crate::columns::Columns;
use crate::delimited::Delimited;
use crate::options::TableOptions;

/// The columns of a table, and how messages hold them.
#[derive(Clone)]
pub(crate) struct Table {
    /// The table's name.
    pub(crate) name: String,
    pub(crate) columns: Arc<Columns>,
    pub(crate) body: Arc<dyn Format>,
}

impl Table {
    /// Checks columns and format.
    ///
    /// # Errors
    /// A format that cannot hold the columns, or a primary key that has no meaning.
    pub(crate) fn new(
        context: &TableContext,
        options: &TableOptions,
        columns: Columns,
        reader: &mut OptionReader,
    ) -> Result<Self> {
        let schema = columns.body_schema();
        let is_binary =
            |index: &usize| columns.physical.get(*index).is_some_and(|column| column.data_type.logical.is_binary());
        let body: Arc<dyn Format> = match &options.format {
            Some(name) => riverrun_formats::open(reader, "format", name, schema)?.into(),
            None if columns.body.len() == 1 && columns.body.iter().all(is_binary) => {
                riverrun_formats::open(reader, "format", "raw", schema)?.into()
            }
            None => Arc::new(Delimited::new(options, schema)?),
        };
        if !context.primary_key.is_empty() && body.changelog_mode().is_insert_only() {
            return Err(Error::user(
                "a PRIMARY KEY has no meaning on connector 'rocketmq', whose messages are all insertions",
            )
            .hint("remove the PRIMARY KEY, or use a format that holds changes"));
        }
        Ok(Self { name: context.name.clone(), columns: Arc::new(columns), body })
    }
}

/// How the cluster of a table is reached.
///
/// # Errors
/// An address is none, or a key is missing.
pub(crate) fn connection(options: &TableOptions) -> Result<Connection> {
    let access = Access {
        name_servers: options.name_servers.clone(),
        access_key: options.access_key.clone(),
        secret_key: options.secret_key.clone(),
        tls: TlsAccess {
            enabled: options.tls,
            verify: options.tls_verify,
            trust: options.tls_trust.clone(),
            identity: (options.tls_certificate.clone(), options.tls_key.clone()),
        },
        heartbeat_ms: options.heartbeat_interval,
        route_ms: options.route_interval,
        pause_ms: options.pause,
    };
    Connection::new(access)
}
