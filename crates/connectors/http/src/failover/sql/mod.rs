//! Tables of databases: `values`, a text, and `timestamp`. All rows of an attempt are one transaction, and every value is a bound parameter.

mod mysql;
mod postgres;
mod sqlite;

use riverrun_base::{Error, Result};

use super::Store;
use super::settings::SqlPlace;
use crate::options::Storage;

/// The store of a database.
///
/// # Errors
/// The URL asks for something that is not supported.
pub(crate) fn open(place: &SqlPlace, table: &str) -> Result<Box<dyn Store>> {
    match place.system {
        Storage::MySql => Ok(Box::new(mysql::MySql::new(place, table)?)),
        Storage::Postgres => Ok(Box::new(postgres::Postgres::new(place, table)?)),
        Storage::Sqlite => Ok(Box::new(sqlite::Sqlite::new(place, table))),
        other => Err(Error::internal(format!("'{other}' is no database"))),
    }
}

/// A server, as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    host: String,
    port: u16,
    database: String,
    /// Parameters, with their names in lower case.
    parameters: Vec<(String, String)>,
}

impl Server {
    /// Reads `mysql://host:port/database?parameter=value`.
    fn parse(url: &str, port: u16) -> Result<Self> {
        let bad = |why: &str| {
            Error::user(format!("the URL of the failover store is not valid: {why}"))
                .with("option", "sink.failover.jdbc.url")
                .hint("write jdbc:mysql://host:port/database")
        };
        let rest = url.split_once("://").map(|(_, rest)| rest).ok_or_else(|| bad("it has no host"))?;
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').ok_or_else(|| bad("it names no database"))?;
        if authority.contains([',', '@']) || database.is_empty() {
            return Err(bad("it names one host and one database, and no user"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, digits)) if !digits.ends_with(']') => {
                (host, digits.parse().map_err(|_| bad("its port is no number"))?)
            }
            _ => (authority, port),
        };
        if host.is_empty() {
            return Err(bad("it has no host"));
        }
        let parameter = |text: &str| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (name.to_ascii_lowercase(), value.to_owned())
        };
        let parameters = parameters.split('&').filter(|text| !text.is_empty()).map(parameter).collect();
        Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port, database: database.to_owned(), parameters })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A table's name in quotes, part by part. It has no quotes of its own: that was checked.
fn quoted(table: &str, quote: char) -> String {
    table.split('.').map(|part| format!("{quote}{part}{quote}")).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn urls_of_servers_are_read() {
        let server = Server::parse("mysql://db.local:3307/failover?useSSL=false&x", 3306).unwrap();
        assert_eq!((server.host.as_str(), server.port, server.database.as_str()), ("db.local", 3307, "failover"));
        assert_eq!(
            (server.parameter("usessl"), server.parameter("x"), server.parameter("y")),
            (Some("false"), Some(""), None)
        );
        assert_eq!(Server::parse("postgresql://[::1]/d", 5432).unwrap().host, "::1");
        for url in ["mysql://h", "mysql://h/", "mysql:///d", "mysql://a,b/d", "mysql://u:p@h/d", "mysql://h:x/d"] {
            assert!(Server::parse(url, 1).is_err(), "{url}");
        }
        assert_eq!(quoted("s.t", '`'), "`s`.`t`");
    }
}
