//! A store's options, checked.

use std::collections::BTreeMap;

use riverrun_base::{Error, Result, Secret};

use super::Store;
use crate::options::{Storage, StoreOptions};

/// A store.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    /// What is kept is in this table, topic or folder.
    pub(crate) table: String,
    /// Where that is.
    pub(crate) place: Place,
}

/// Where a store is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A folder of this machine.
    Local { path: String },
    /// A database.
    Sql(SqlPlace),
    /// A topic.
    Kafka { servers: String, properties: BTreeMap<String, Secret> },
    /// A table of HBase.
    HBase { quorum: String, port: u16 },
    /// A folder of HDFS, with the form of its dates for chrono.
    Hdfs { namenode: String, user: Option<String>, path: String, date: String },
}

/// A database.
#[derive(Clone, Debug)]
pub(crate) struct SqlPlace {
    /// Its kind.
    pub(crate) system: Storage,
    /// The URL behind `jdbc:`.
    pub(crate) url: String,
    /// The user.
    pub(crate) user: Option<String>,
    /// The password.
    pub(crate) password: Option<Secret>,
}

impl StoreSettings {
    /// Checks options.
    ///
    /// # Errors
    /// The user's mistakes.
    pub(crate) fn new(options: StoreOptions) -> Result<Self> {
        let storage = options.storage;
        let needs = |value: Option<String>, key: &str| {
            value.filter(|value| !value.trim().is_empty()).ok_or_else(|| {
                Error::user(format!("missing required option '{key}' for the failover store '{storage}'"))
                    .hint(format!("add '{key}' = '...'"))
            })
        };
        let table = match (&options.table, &options.kafka_topic) {
            (_, Some(topic)) if storage == Storage::Kafka => topic.clone(),
            (table, _) => needs(table.clone(), "sink.failover.table")?,
        };
        let place = match storage {
            Storage::None => return Err(Error::internal("no store is no store")),
            Storage::Local => Place::Local { path: needs(options.local_path, "sink.failover.local.path")? },
            Storage::MySql | Storage::Postgres | Storage::Sqlite => {
                let url = needs(options.jdbc_url, "sink.failover.jdbc.url")?;
                Place::Sql(SqlPlace {
                    system: storage,
                    url: checked_url(&url, storage)?,
                    user: options.jdbc_username,
                    password: options.jdbc_password,
                })
            }
            Storage::Kafka => Place::Kafka {
                servers: needs(options.kafka_servers, "sink.failover.kafka.bootstrap.servers")?,
                properties: options.kafka_properties,
            },
            Storage::Hdfs => Place::Hdfs {
                namenode: needs(options.hdfs_namenode, "sink.failover.hdfs.namenode")?,
                user: options.hdfs_user,
                path: needs(options.hdfs_path, "sink.failover.hdfs.path")?,
                date: date_format(&options.hdfs_format)?,
            },
            Storage::HBase => Place::HBase {
                quorum: needs(options.hbase_quorum, "sink.failover.hbase.zookeeper.quorum")?,
                port: options.hbase_port,
            },
        };
        check_table(&table, &place)?;
        Ok(Self { table, place })
    }

    /// The store. It connects to nothing yet.
    ///
    /// # Errors
    /// This build does not have it, or a property is refused.
    pub(crate) fn open(&self) -> Result<Box<dyn Store>> {
        match &self.place {
            Place::Local { path } => Ok(Box::new(super::folder::Folder::new(path, &self.table))),
            #[cfg(feature = "sql")]
            Place::Sql(place) => super::sql::open(place, &self.table),
            #[cfg(not(feature = "sql"))]
            Place::Sql(place) => Err(not_built(place.system)),
            #[cfg(feature = "kafka")]
            Place::Kafka { servers, properties } => {
                Ok(Box::new(super::kafka::Topic::new(servers, &self.table, properties)?))
            }
            #[cfg(not(feature = "kafka"))]
            Place::Kafka { .. } => Err(not_built(Storage::Kafka)),
            #[cfg(feature = "hbase")]
            Place::HBase { quorum, port } => Ok(Box::new(super::hbase::HBase::new(quorum, *port, &self.table))),
            #[cfg(not(feature = "hbase"))]
            Place::HBase { .. } => Err(not_built(Storage::HBase)),
            #[cfg(feature = "hdfs")]
            Place::Hdfs { namenode, user, path, date } => Ok(Box::new(super::hdfs::Hdfs::new(
                namenode,
                user.as_deref(),
                &format!("{}/{}", path.trim_end_matches('/'), self.table),
                date,
            ))),
            #[cfg(not(feature = "hdfs"))]
            Place::Hdfs { .. } => Err(not_built(Storage::Hdfs)),
        }
    }

    /// What it is, for people; without secrets.
    pub(crate) fn name(&self) -> String {
        match &self.place {
            Place::Local { path } => format!("the folder {path}/{}", self.table),
            Place::Sql(place) => {
                format!("the table {} of {}", self.table, place.url.split(['?', ';']).next().unwrap_or_default())
            }
            Place::Kafka { servers, .. } => format!("the topic {} of Kafka at {servers}", self.table),
            Place::HBase { quorum, .. } => format!("the table {} of HBase at {quorum}", self.table),
            Place::Hdfs { namenode, path, .. } => format!("the folder {path}/{} of {namenode}", self.table),
        }
    }
}

#[cfg(not(all(feature = "sql", feature = "kafka", feature = "hbase", feature = "hdfs")))]
fn not_built(storage: Storage) -> Error {
    Error::user(format!("this build does not have the failover store '{storage}'"))
        .with("option", "sink.failover.storage")
}

/// The URL without `jdbc:`.
fn checked_url(url: &str, storage: Storage) -> Result<String> {
    let schemes: &[&str] = match storage {
        Storage::MySql => &["mysql://", "mariadb://"],
        Storage::Postgres => &["postgresql://", "postgres://"],
        _ => &["sqlite:"],
    };
    let bare = url.trim().strip_prefix("jdbc:").unwrap_or(url.trim());
    if !schemes.iter().any(|scheme| bare.starts_with(scheme)) {
        return Err(Error::user(format!("this URL is not of a database of the kind '{storage}'"))
            .with("option", "sink.failover.jdbc.url")
            .hint(format!("it begins with jdbc:{}", schemes[0])));
    }
    Ok(bare.to_owned())
}

/// A table's name goes into statements and paths, so it may have few characters only.
fn check_table(table: &str, place: &Place) -> Result<()> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_allowed = |byte: u8| match place {
        Place::Sql(_) => is_word(byte) || byte == b'.' || byte == b'$',
        _ => is_word(byte) || byte == b'.' || byte == b'-',
    };
    if table.bytes().all(is_allowed) && !table.split('.').any(str::is_empty) {
        return Ok(());
    }
    Err(Error::user(format!("'{table}' is no name for a failover store"))
        .with("option", "sink.failover.table")
        .hint("it has letters, digits and underscores; a dot stands between a schema and its table"))
}

/// A form of dates as Java writes it (`yyyy-MM-dd`), as chrono does.
fn date_format(java: &str) -> Result<String> {
    let mut form = String::new();
    let mut rest = java;
    const PARTS: &[(&str, &str)] =
        &[("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S")];
    while let Some(first) = rest.chars().next() {
        match PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            Some((part, chrono)) => {
                form.push_str(chrono);
                rest = &rest[part.len()..];
            }
            None if first.is_ascii_digit() || "-_.".contains(first) => {
                form.push(first);
                rest = &rest[1..];
            }
            None => {
                return Err(Error::user(format!("'{java}' is no form of a folder's date"))
                    .with("option", "sink.failover.hdfs.format")
                    .hint("it has yyyy, MM, dd, HH, mm and ss between -, _ and ."));
            }
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn forms_of_dates_and_names_of_tables_are_checked() {
        assert_eq!(date_format("yyyy-MM-dd").unwrap(), "%Y-%m-%d");
        assert_eq!(date_format("yyyyMMdd_HH").unwrap(), "%Y%m%d_%H");
        assert!(date_format("yyyy/MM").is_err() && date_format("EEE").is_err() && date_format("ü").is_err());
        let local = Place::Local { path: String::new() };
        for (table, is_good) in
            [("a_b", true), ("a.b-c", true), ("..", false), ("a/b", false), ("", false), ("a;b", false), ("ü", false)]
        {
            assert_eq!(check_table(table, &local).is_ok(), is_good, "{table}");
        }
    }

    #[test]
    fn a_url_must_be_of_its_database() {
        assert_eq!(checked_url("jdbc:mysql://h/d", Storage::MySql).unwrap(), "mysql://h/d");
        assert!(checked_url("jdbc:postgresql://h/d", Storage::MySql).is_err());
    }
}
