//! JDBC urls: what they name, and the parameters that people paste with them.
//!
//! A parameter is *used*, *needless* (what it asks for is how this connector works anyway) or *ignored*: an ignored or
//! unknown one is reported once, when the table is opened. Passwords never leave this module but as [`Secret`].

mod encryption;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use riverrun_base::{Error, Result, Secret};

pub(crate) use encryption::Encryption;

/// How long connecting may take, unless the url says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A database system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    MySql,
    MariaDb,
    Postgres,
    Sqlite,
}

impl System {
    /// Driver classes that people name for it.
    fn drivers(self) -> &'static [&'static str] {
        match self {
            Self::MySql => &["com.mysql.cj.jdbc.Driver", "com.mysql.jdbc.Driver", "org.mariadb.jdbc.Driver"],
            Self::MariaDb => &["org.mariadb.jdbc.Driver", "com.mysql.cj.jdbc.Driver", "com.mysql.jdbc.Driver"],
            Self::Postgres => &["org.postgresql.Driver"],
            Self::Sqlite => &["org.sqlite.JDBC"],
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        })
    }
}

/// Where a database is.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    Server(Server),
    File(File),
}

/// A database on a server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) system: System,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) encryption: Encryption,
    /// A file of PEM certificates that the server's certificate is checked against.
    pub(crate) root_certificates: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    /// How long an answer may take, where the url says so.
    pub(crate) socket_timeout: Option<Duration>,
    /// PostgreSQL's `search_path`.
    pub(crate) schema: Option<String>,
    pub(crate) application_name: Option<String>,
    /// MySQL's `0000-00-00` is read as NULL, and not refused.
    pub(crate) zero_dates_are_null: bool,
    /// Parameters without effect, with the reason.
    pub(crate) ignored: Vec<String>,
}

/// A SQLite database.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// The file and the table are made where they are missing.
    pub(crate) create: bool,
    pub(crate) busy_timeout: Duration,
    /// `PRAGMA`s: name and value.
    pub(crate) pragmas: Vec<(&'static str, String)>,
    pub(crate) ignored: Vec<String>,
}

/// MySQL's and MariaDB's parameters that ask for what is so anyway, or are read by [`encryption`].
const NEEDLESS_MYSQL: &[&str] = &[
    "allowmultiqueries",
    "allowpublickeyretrieval",
    "autoreconnect",
    "autoreconnectforpools",
    "cacheprepstmts",
    "cacheresultsetmetadata",
    "cacheserverconfiguration",
    "characterencoding",
    "defaultfetchsize",
    "elidesetautocommits",
    "failoverreadonly",
    "jdbccomplianttruncation",
    "maintaintimestats",
    "nullcatalogmeanscurrent",
    "prepstmtcachesize",
    "prepstmtcachesqllimit",
    "rewritebatchedstatements",
    "tcpkeepalive",
    "requiressl",
    "sslmode",
    "tcpnodelay",
    "tinyint1isbit",
    "trustservercertificate",
    "usecursorfetch",
    "useinformationschema",
    "uselegacydatetimecode",
    "uselocalsessionstate",
    "usejdbccomplianttimezoneshift",
    "useserverprepstmts",
    "usessl",
    "useunicode",
    "verifyservercertificate",
    "yearisdatetype",
];

/// PostgreSQL's.
const NEEDLESS_POSTGRES: &[&str] = &[
    "adaptivefetch",
    "assumeminserverversion",
    "autosave",
    "binarytransfer",
    "charset",
    "defaultrowfetchsize",
    "preferquerymode",
    "preparethreshold",
    "rewritebatchedinserts",
    "rewritebatchedstatements",
    "ssl",
    "sslmode",
    "stringtype",
    "tcpkeepalive",
    "tcpnodelay",
];

impl Location {
    /// Reads a url.
    ///
    /// # Errors
    /// It is no JDBC url of a system that is supported, or a parameter that is understood has a value that is not.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let url = url.trim();
        let forms = "write jdbc:mysql://host:3306/database, jdbc:mariadb://host:3306/database, \
                     jdbc:postgresql://host:5432/database or jdbc:sqlite:path";
        let rest =
            url.strip_prefix("jdbc:").ok_or_else(|| Error::user("the url does not begin with 'jdbc:'").hint(forms))?;
        let (scheme, rest) =
            rest.split_once(':').ok_or_else(|| Error::user("the url names no database system").hint(forms))?;
        match scheme {
            "mysql" => Server::parse(System::MySql, rest).map(Self::Server),
            "mariadb" => Server::parse(System::MariaDb, rest).map(Self::Server),
            "postgresql" => Server::parse(System::Postgres, rest).map(Self::Server),
            "sqlite" => File::parse(rest).map(Self::File),
            other => Err(Error::not_supported(format!("database system '{other}' of the url")).hint(forms)),
        }
    }

    pub(crate) fn system(&self) -> System {
        match self {
            Self::Server(server) => server.system,
            Self::File(_) => System::Sqlite,
        }
    }

    /// Parameters of the url without effect.
    pub(crate) fn ignored(&self) -> &[String] {
        match self {
            Self::Server(server) => &server.ignored,
            Self::File(file) => &file.ignored,
        }
    }

    /// Refuses a driver class that does not fit.
    ///
    /// # Errors
    /// Names the classes that fit.
    pub(crate) fn check_driver(&self, driver: Option<&str>) -> Result<()> {
        let fitting = self.system().drivers();
        match driver {
            Some(driver) if !fitting.contains(&driver.trim()) => {
                Err(Error::user(format!("'driver' = '{driver}' does not fit the url of a {} database", self.system()))
                    .hint(format!("leave 'driver' out, or write {}", fitting.join(" or "))))
            }
            _ => Ok(()),
        }
    }

    /// User and password from the options, which stand above those in the url.
    pub(crate) fn set_credentials(&mut self, user: Option<&str>, password: Option<&Secret>) {
        if let Self::Server(server) = self {
            server.user = user.map(str::to_owned).or(server.user.take());
            server.password = password.cloned().or(server.password.take());
        }
    }
}

impl fmt::Display for Location {
    /// For errors: host, port and database, never a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => {
                write!(f, "{} at {}:{}", server.system, server.host, server.port)?;
                server.database.as_ref().map_or(Ok(()), |database| write!(f, "/{database}"))
            }
            Self::File(file) => write!(f, "SQLite file {}", file.path.display()),
        }
    }
}

impl Server {
    fn parse(system: System, rest: &str) -> Result<Self> {
        let default_port = if system == System::Postgres { 5432 } else { 3306 };
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = match address.strip_prefix("//") {
            Some(address) => address.split_once('/').unwrap_or((address, "")),
            // jdbc:postgresql:database
            None if system == System::Postgres => ("", address.trim_start_matches('/')),
            None if ["loadbalance:", "replication:", "sequential:", "aurora:"]
                .iter()
                .any(|mode| rest.starts_with(mode)) =>
            {
                return Err(Error::not_supported("a url over several servers").hint("name one server"));
            }
            None => return Err(Error::user(format!("the url of {system} lacks '//' before the host"))),
        };
        let (credentials, authority) =
            authority.rsplit_once('@').map_or((None, authority), |(before, after)| (Some(before), after));
        let (host, port) = host_and_port(authority, default_port)?;
        let (user, password) = match credentials {
            None => (None, None),
            Some(text) => {
                let (user, password) =
                    text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
                (Some(decode(user)), password.map(|password| Secret::new(decode(password))))
            }
        };
        let lower: Vec<(String, String)> = pairs(parameters).map(|(key, value)| (key.to_lowercase(), value)).collect();
        let mut server = Self {
            system,
            host,
            port,
            database: Some(decode(database)).filter(|name| !name.is_empty()),
            user,
            password,
            encryption: if system == System::Postgres {
                encryption::of_postgres(&lower)?
            } else {
                encryption::of_mysql(&lower)?
            },
            root_certificates: None,
            connect_timeout: CONNECT_TIMEOUT,
            socket_timeout: None,
            schema: None,
            application_name: None,
            zero_dates_are_null: false,
            ignored: Vec::new(),
        };
        for (key, value) in pairs(parameters) {
            if system == System::Postgres {
                server.postgres_parameter(&key, value)?;
            } else {
                server.mysql_parameter(&key, value)?;
            }
        }
        Ok(server)
    }

    fn mysql_parameter(&mut self, key: &str, value: String) -> Result<()> {
        match key.to_lowercase().as_str() {
            "user" => self.user = Some(value),
            "password" => self.password = Some(Secret::new(value)),
            "serversslcert" => self.root_certificates = Some(PathBuf::from(value.trim_start_matches("file:"))),
            "trustcertificatekeystoreurl" | "clientcertificatekeystoreurl" | "truststore" | "keystore" => {
                return Err(Error::not_supported(format!("url parameter '{key}', a Java key store,"))
                    .hint("name a file of PEM certificates with 'serverSslCert'"));
            }
            "connecttimeout" => self.connect_timeout = milliseconds(key, &value)?.unwrap_or(CONNECT_TIMEOUT),
            "sockettimeout" => self.socket_timeout = milliseconds(key, &value)?,
            "zerodatetimebehavior" => {
                self.zero_dates_are_null = match value.to_lowercase().replace('_', "").as_str() {
                    "converttonull" => true,
                    "exception" => false,
                    _ => return Err(bad_value(key, &value, "CONVERT_TO_NULL or EXCEPTION")),
                }
            }
            "servertimezone" | "connectiontimezone" => self.ignored.push(format!(
                "{key}: a TIMESTAMP is a wall clock, written and read as it is, and a TIMESTAMP_LTZ an instant in any zone"
            )),
            name if NEEDLESS_MYSQL.contains(&name) => {}
            _ => self.ignored.push(format!("{key}: unknown here")),
        }
        Ok(())
    }

    fn postgres_parameter(&mut self, key: &str, value: String) -> Result<()> {
        match key.to_lowercase().as_str() {
            "user" => self.user = Some(value),
            "password" => self.password = Some(Secret::new(value)),
            "currentschema" => self.schema = Some(value),
            "applicationname" => self.application_name = Some(value),
            "sslrootcert" => self.root_certificates = Some(PathBuf::from(value)),
            "sslcert" | "sslkey" | "sslfactory" => {
                return Err(Error::not_supported(format!("url parameter '{key}'"))
                    .hint("the server's certificate can be checked with 'sslmode' and 'sslrootcert'"));
            }
            "connecttimeout" | "logintimeout" => {
                self.connect_timeout = seconds(key, &value)?.unwrap_or(CONNECT_TIMEOUT)
            }
            "sockettimeout" => self.socket_timeout = seconds(key, &value)?,
            name if NEEDLESS_POSTGRES.contains(&name) => {}
            _ => self.ignored.push(format!("{key}: unknown here")),
        }
        Ok(())
    }
}

impl File {
    fn parse(rest: &str) -> Result<Self> {
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("file:").unwrap_or(path);
        if path.is_empty() || path == ":memory:" {
            return Err(Error::user("an in-memory database of SQLite ends with the connection that made it")
                .hint("name a file: jdbc:sqlite:path/to/file.db"));
        }
        let mut file = Self {
            path: PathBuf::from(path),
            create: false,
            busy_timeout: Duration::from_secs(5),
            pragmas: Vec::new(),
            ignored: Vec::new(),
        };
        for (key, value) in pairs(parameters) {
            match key.to_lowercase().as_str() {
                "create" => file.create = is_true(&value),
                "busy_timeout" => file.busy_timeout = milliseconds(&key, &value)?.unwrap_or(file.busy_timeout),
                "journal_mode" => {
                    file.pragmas.push((
                        "journal_mode",
                        one_of(&key, value, &["delete", "truncate", "persist", "memory", "wal", "off"])?,
                    ));
                }
                "synchronous" => {
                    let allowed = ["off", "normal", "full", "extra", "0", "1", "2", "3"];
                    file.pragmas.push(("synchronous", one_of(&key, value, &allowed)?));
                }
                "foreign_keys" => {
                    file.pragmas.push(("foreign_keys", if is_true(&value) { "on" } else { "off" }.to_owned()))
                }
                _ => file.ignored.push(format!("{key}: unknown here")),
            }
        }
        Ok(file)
    }
}

fn host_and_port(authority: &str, default_port: u16) -> Result<(String, u16)> {
    if authority.contains(',') || authority.starts_with('(') || authority.starts_with("address=") {
        return Err(Error::not_supported("a url over several servers").hint("name one server"));
    }
    // it is not shown: it may be a password before a missing '@'
    let bad = || Error::user("the url's port is no number from 1 to 65535").hint("write host:port, or host alone");
    let port_of = |text: &str| match text {
        "" => Ok(default_port),
        text => text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad),
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) =
                rest.split_once(']').ok_or_else(|| Error::user("an IPv6 address of the url lacks its ']'"))?;
            (host, port.strip_prefix(':').unwrap_or_default())
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    Ok((if host.is_empty() { "localhost" } else { host }.to_owned(), port_of(port)?))
}

/// Parameters between `&`, keys as they are, values decoded.
fn pairs(parameters: &str) -> impl Iterator<Item = (String, String)> {
    parameters.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key.trim().to_owned(), decode(value))
    })
}

/// Undoes percent encoding; what is no valid escape stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = (*byte == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        decoded.push(escape.unwrap_or(*byte));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

fn is_true(value: &str) -> bool {
    ["true", "1", "yes", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// A time-out in milliseconds; 0 is none.
fn milliseconds(key: &str, value: &str) -> Result<Option<Duration>> {
    let number: u64 = value.trim().parse().map_err(|_| bad_value(key, value, "a number of milliseconds"))?;
    Ok((number > 0).then(|| Duration::from_millis(number)))
}

/// A time-out in seconds; 0 is none.
fn seconds(key: &str, value: &str) -> Result<Option<Duration>> {
    let number: u64 = value.trim().parse().map_err(|_| bad_value(key, value, "a number of seconds"))?;
    Ok((number > 0).then(|| Duration::from_secs(number)))
}

fn one_of(key: &str, value: String, allowed: &[&str]) -> Result<String> {
    match allowed.iter().find(|known| value.eq_ignore_ascii_case(known)) {
        Some(known) => Ok((*known).to_owned()),
        None => Err(bad_value(key, &value, &allowed.join(", "))),
    }
}

fn bad_value(key: &str, value: &str, expected: &str) -> Error {
    Error::user(format!("'{value}' is no value of url parameter '{key}'")).hint(format!("it takes {expected}"))
}

#[cfg(test)]
mod tests;
