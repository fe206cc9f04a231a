//! The options, as Flink's jdbc connector names them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use riverrun_base::options::OptionReader;
use riverrun_base::{Error, Result, Secret, nearest};
use riverrun_connect::TableContext;
use riverrun_data::{LogicalType, RowField};

use crate::url::{Location, System};

riverrun_base::option_enum! {
    /// What a lookup join remembers.
    pub(crate) enum LookupCache {
        /// Nothing.
        "NONE" => None,
        /// The rows it has found.
        "PARTIAL" => Partial,
    }
}

riverrun_base::option_enum! {
    /// Whether filters go to the database.
    pub(crate) enum FilterHandling {
        /// Where they can.
        "always" => Always,
        /// Not at all.
        "never" => Never,
    }
}

riverrun_base::option_enum! {
    /// How sure the sink delivers.
    pub(crate) enum Guarantee {
        /// Each row once, in transactions that follow the checkpoints.
        "exactly-once" => ExactlyOnce,
        /// No row is lost; after a failure rows may be written again, which changes nothing where there is a primary
        /// key.
        "at-least-once" => AtLeastOnce,
        /// Rows may be lost when the job fails: checkpoints do not wait for them.
        "none" => None,
    }
}

riverrun_base::options! {
    /// Options of the jdbc connector.
    pub(crate) struct JdbcOptions {
        /// The database: jdbc:mysql://host:port/database, jdbc:mariadb://..., jdbc:postgresql://..., or
        /// jdbc:sqlite:path.
        "url" => url: String,
        /// The table, also as schema.table or database.table. It must exist.
        "table-name" => table_name: String,
        /// The class of the JDBC driver; accepted where it fits the url, and not needed.
        "driver" => driver: Option<String>,
        /// The user.
        "username" => username: Option<String>,
        /// The password.
        "password" => password: Option<Secret>,
        /// How long a lost connection is re-established before the job fails, and how long one statement may take.
        "connection.max-retry-timeout" => max_retry_timeout: Duration = "60 s",
        /// The column by which a scan is cut into parts that are read in parallel: an integer column.
        "scan.partition.column" => partition_column: Option<String>,
        /// Into how many parts a scan is cut.
        "scan.partition.num" => partition_num: Option<u32>,
        /// The smallest value of the first part; smaller ones are not read.
        "scan.partition.lower-bound" => partition_lower_bound: Option<i64>,
        /// The largest value of the last part; larger ones are not read.
        "scan.partition.upper-bound" => partition_upper_bound: Option<i64>,
        /// The largest number of rows of one batch of a scan; 0 leaves it to the connector. Rows are always streamed.
        "scan.fetch-size" => fetch_size: u32 = "0",
        /// Accepted for Flink's scripts; a scan is one statement, so that it makes no difference.
        "scan.auto-commit" => auto_commit: bool = "true",
        /// Accepted for Flink's scripts: filters are applied here, not by the database.
        "filter.handling.policy" => filter_handling: FilterHandling = "always",
        /// What a lookup join remembers.
        "lookup.cache" => lookup_cache: LookupCache = "NONE",
        /// The most rows that a lookup join remembers.
        "lookup.partial-cache.max-rows" | "lookup.cache.max-rows" => lookup_max_rows: Option<i64>,
        /// How long a lookup join remembers a row after it was read.
        "lookup.partial-cache.expire-after-write" | "lookup.cache.ttl" => lookup_expire_after_write: Option<Duration>,
        /// How long a lookup join remembers a row after it was used.
        "lookup.partial-cache.expire-after-access" => lookup_expire_after_access: Option<Duration>,
        /// Whether a lookup join remembers that a key has no row.
        "lookup.partial-cache.cache-missing-key" | "lookup.cache.caching-missing-key" => lookup_cache_missing_key: bool = "true",
        /// How often a lookup is tried again.
        "lookup.max-retries" => lookup_max_retries: u32 = "3",
        /// How sure the sink delivers. With `exactly-once`, rows are written and become visible with the checkpoints:
        /// by XA on MySQL and MariaDB, by prepared transactions on PostgreSQL; for SQLite they wait in the checkpoint.
        "sink.delivery-guarantee" => guarantee: Guarantee = "at-least-once",
        /// How many rows the sink holds at most before it writes them; 0 leaves it to the interval and to checkpoints.
        /// Without effect with `exactly-once`.
        "sink.buffer-flush.max-rows" => flush_max_rows: usize = "100",
        /// How long the sink holds a row at most; 0 leaves it to the number of rows and to checkpoints. Without effect
        /// with `exactly-once`.
        "sink.buffer-flush.interval" => flush_interval: Duration = "1 s",
        /// How often rows are written again after a failure that may pass, such as a deadlock. A lost connection is
        /// re-established for as long as connection.max-retry-timeout allows.
        "sink.max-retries" => sink_max_retries: u32 = "3",
        /// The number of parallel writers; that of the input without it.
        "sink.parallelism" => sink_parallelism: Option<usize>,
    }
}

/// A table of the script with its checked options. Nothing is connected.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) context: TableContext,
    pub(crate) location: Location,
    pub(crate) name: TableName,
    pub(crate) options: JdbcOptions,
    /// Whether it is no table of a script, but what the statement of a program writes to: it has no name and no columns.
    pub(crate) by_statement: bool,
}

/// The name of a table in a database: parts between dots, as the user wrote them or between quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
}

/// How a scan is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partitioning {
    pub(crate) column: usize,
    pub(crate) count: u32,
    pub(crate) lower: i64,
    pub(crate) upper: i64,
}

impl fmt::Debug for Table {
    /// Without the context, whose options hold the password as the user wrote it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("location", &self.location)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// Reads and checks what the script says.
    ///
    /// # Errors
    /// The user's mistake, with the option and the remedy.
    pub(crate) fn new(context: &TableContext) -> Result<Self> {
        let mut reader = context.option_reader();
        let table = Self::read(context, &mut reader);
        // an unknown option is the likelier cause of a missing one
        reader.finish()?;
        table
    }

    /// What a program's statement writes to.
    ///
    /// # Errors
    /// The user's mistake, with the option and the remedy.
    pub(crate) fn of_statement(options: BTreeMap<String, String>) -> Result<Self> {
        let mut reader = OptionReader::new("a JdbcSink", options.clone());
        let read: JdbcOptions = reader.read()?;
        reader.finish()?;
        let location = location(&read)?;
        let context = TableContext {
            name: "JdbcSink".to_owned(),
            columns: Vec::new(),
            metadata: Vec::new(),
            primary_key: Vec::new(),
            options,
            connector: "jdbc".to_owned(),
        };
        let name = TableName { schema: None, table: String::new() };
        Ok(Self { context, location, name, options: read, by_statement: true })
    }

    fn read(context: &TableContext, reader: &mut OptionReader) -> Result<Self> {
        let options: JdbcOptions = reader.read()?;
        let location = location(&options).map_err(|error| error.with("table", &context.name))?;
        if options.sink_parallelism == Some(0) {
            return Err(Error::user("'sink.parallelism' must be at least 1").with("table", &context.name));
        }
        if context.columns.is_empty() {
            return Err(Error::user("a jdbc table needs at least one physical column").with("table", &context.name));
        }
        for column in &context.columns {
            check_type(location.system(), column).map_err(|error| error.with("table", &context.name))?;
        }
        let name = TableName::parse(&options.table_name).map_err(|error| error.with("table", &context.name))?;
        Ok(Self { context: context.clone(), location, name, options, by_statement: false })
    }

    /// How `scan.partition.*` cuts a scan; `None` where it is not asked for.
    ///
    /// # Errors
    /// Some of the four options are missing or do not fit together.
    pub(crate) fn partitioning(&self) -> Result<Option<Partitioning>> {
        let options = &self.options;
        let given = [
            ("scan.partition.column", options.partition_column.is_some()),
            ("scan.partition.num", options.partition_num.is_some()),
            ("scan.partition.lower-bound", options.partition_lower_bound.is_some()),
            ("scan.partition.upper-bound", options.partition_upper_bound.is_some()),
        ];
        let (Some(column), Some(count), Some(lower), Some(upper)) = (
            &options.partition_column,
            options.partition_num,
            options.partition_lower_bound,
            options.partition_upper_bound,
        ) else {
            let missing: Vec<&str> = given.iter().filter(|(_, given)| !given).map(|(key, _)| *key).collect();
            if missing.len() == given.len() {
                return Ok(None);
            }
            return Err(Error::user("a partitioned scan needs all four scan.partition options")
                .with("table", &self.context.name)
                .hint(format!("add {}", missing.join(", "))));
        };
        if count == 0 {
            return Err(Error::user("'scan.partition.num' must be at least 1").with("table", &self.context.name));
        }
        if lower > upper {
            return Err(Error::user(format!(
                "'scan.partition.lower-bound' {lower} is above 'scan.partition.upper-bound' {upper}"
            ))
            .with("table", &self.context.name));
        }
        let names = || self.context.columns.iter().map(|field| field.name.as_str());
        let index = names().position(|name| name == column).ok_or_else(|| {
            let near = nearest(column, names()).map(|near| format!("did you mean '{near}'?"));
            Error::user(format!("'scan.partition.column' names '{column}', which is no physical column"))
                .with("table", &self.context.name)
                .hint(near.unwrap_or_else(|| format!("columns: {}", names().collect::<Vec<_>>().join(", "))))
        })?;
        let logical = &self.context.columns[index].data_type.logical;
        if !logical.is_integer() && !matches!(logical, LogicalType::Decimal(_, 0)) {
            return Err(Error::user(format!("'scan.partition.column' {column} is {logical}"))
                .with("table", &self.context.name)
                .hint("choose a column of whole numbers; the bounds are whole numbers"));
        }
        Ok(Some(Partitioning { column: index, count, lower, upper }))
    }
}

/// Where the database is, and how long it may be away.
fn location(options: &JdbcOptions) -> Result<Location> {
    let mut location = Location::parse(&options.url).map_err(|error| error.with("option", "url"))?;
    location.check_driver(options.driver.as_deref())?;
    location.set_credentials(options.username.as_deref(), options.password.as_ref());
    if options.max_retry_timeout < Duration::from_secs(1) {
        return Err(Error::user("'connection.max-retry-timeout' must be at least 1 s"));
    }
    Ok(location)
}

impl TableName {
    /// Reads `table`, `schema.table`, and either part between back quotes or double quotes where it holds a dot.
    fn parse(text: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text.trim();
        loop {
            let (part, after) = match rest.chars().next() {
                Some(quote @ ('`' | '"')) => {
                    let inner = &rest[1..];
                    let end = inner.find(quote).ok_or_else(|| bad_name(text))?;
                    (&inner[..end], &inner[end + 1..])
                }
                _ => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            if part.is_empty() {
                return Err(bad_name(text));
            }
            parts.push(part.to_owned());
            match after.strip_prefix('.') {
                Some(more) => rest = more,
                None if after.is_empty() => break,
                None => return Err(bad_name(text)),
            }
        }
        let table = parts.pop();
        match (parts.pop(), table, parts.is_empty()) {
            (schema, Some(table), true) => Ok(Self { schema, table }),
            _ => Err(bad_name(text)),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.table)
    }
}

fn bad_name(text: &str) -> Error {
    Error::user(format!("'{text}' is not the name of a table"))
        .with("option", "table-name")
        .hint("write table or schema.table; put a part that holds a dot between back quotes")
}

/// Refuses types that the database has no column for.
fn check_type(system: System, column: &RowField) -> Result<()> {
    let logical = &column.data_type.logical;
    let refused = |hint: &str| {
        Err(Error::user(format!("{system} cannot hold column {} of type {logical}", column.name)).hint(hint))
    };
    match logical {
        LogicalType::Array(element) if system == System::Postgres => match element.logical {
            LogicalType::Array(_) | LogicalType::Map(..) | LogicalType::Multiset(_) | LogicalType::Row(_) => {
                refused("arrays of scalar types are supported")
            }
            _ => check_type(system, &RowField { name: column.name.clone(), data_type: (**element).clone() }),
        },
        LogicalType::Array(_)
        | LogicalType::Map(..)
        | LogicalType::Multiset(_)
        | LogicalType::Row(_)
        | LogicalType::IntervalYearMonth
        | LogicalType::IntervalDayTime
        | LogicalType::Null => refused("declare it STRING, and write it as text (JSON_STRING for structures)"),
        LogicalType::Time(7..) | LogicalType::Timestamp(7..) | LogicalType::TimestampLtz(7..)
            if system != System::Sqlite =>
        {
            refused("at most 6 digits of a second are held; declare precision 6, or cast to it")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_table::table;

    const URL: &str = "jdbc:mysql://h/db";

    fn refused(url: &str, columns: &[(&str, LogicalType)], options: &[(&str, &str)]) -> String {
        let checked = table(url, columns, &[], options).and_then(|table| table.partitioning().map(|_| ()));
        checked.unwrap_err().to_string()
    }

    #[test]
    fn the_options_of_flinks_documentation_are_taken() {
        let options = [
            ("driver", "com.mysql.jdbc.Driver"),
            ("username", "me"),
            ("password", "secret"),
            ("connection.max-retry-timeout", "30s"),
            ("scan.fetch-size", "1000"),
            ("scan.auto-commit", "false"),
            ("lookup.cache", "PARTIAL"),
            ("lookup.partial-cache.max-rows", "500"),
            ("lookup.partial-cache.expire-after-write", "10s"),
            ("lookup.partial-cache.expire-after-access", "10s"),
            ("lookup.partial-cache.cache-missing-key", "false"),
            ("lookup.max-retries", "1"),
            ("sink.buffer-flush.max-rows", "0"),
            ("sink.buffer-flush.interval", "0"),
            ("sink.max-retries", "5"),
            ("sink.parallelism", "2"),
        ];
        let table = table(URL, &[("a", LogicalType::Int)], &[0], &options).unwrap();
        assert_eq!((table.options.flush_max_rows, table.options.flush_interval), (0, Duration::ZERO));
        assert!(!format!("{table:?}").contains("secret"));
        let older = [
            ("lookup.cache.max-rows", "5"),
            ("lookup.cache.ttl", "1 min"),
            ("lookup.cache.caching-missing-key", "false"),
        ];
        assert_eq!(
            crate::test_table::table(URL, &[("a", LogicalType::Int)], &[], &older).unwrap().options.lookup_max_rows,
            Some(5)
        );
    }

    #[test]
    fn wrong_options_name_the_remedy() {
        let a = [("a", LogicalType::Int), ("s", LogicalType::STRING)];
        assert!(refused(URL, &a, &[("sink.max-retry", "1")]).contains("did you mean 'sink.max-retries'?"));
        assert!(
            refused(URL, &a, &[("driver", "org.postgresql.Driver")])
                .contains("does not fit the url of a MySQL database")
        );
        assert!(refused(URL, &a, &[("sink.parallelism", "0")]).contains("must be at least 1"));
        assert!(refused(URL, &a, &[("connection.max-retry-timeout", "10 ms")]).contains("at least 1 s"));
        assert!(refused("jdbc:mysql//h", &a, &[]).contains("option: url"));
        let text = refused(URL, &a, &[("scan.partition.column", "a"), ("scan.partition.num", "4")]);
        assert!(text.contains("add scan.partition.lower-bound, scan.partition.upper-bound"), "{text}");
        let partition = |column: &str, lower: &str, upper: &str| {
            let bounds = [
                ("scan.partition.column", column),
                ("scan.partition.num", "4"),
                ("scan.partition.lower-bound", lower),
                ("scan.partition.upper-bound", upper),
            ];
            refused(URL, &a, &bounds)
        };
        assert!(partition("b", "1", "2").contains("names 'b', which is no physical column"));
        assert!(partition("s", "1", "2").contains("scan.partition.column' s is STRING"));
        assert!(partition("a", "2", "1").contains("is above"));
    }

    #[test]
    fn types_that_the_database_has_not_are_refused() {
        let array = |logical| LogicalType::Array(Box::new(riverrun_data::DataType::nullable(logical)));
        for logical in [array(LogicalType::Int), LogicalType::IntervalDayTime, LogicalType::Row(Vec::new())] {
            let text = refused(URL, &[("a", logical)], &[]);
            assert!(
                text.contains("MySQL cannot hold column a of type") && text.contains("declare it STRING"),
                "{text}"
            );
        }
        assert!(refused(URL, &[("a", LogicalType::Timestamp(9))], &[]).contains("declare precision 6"));
        assert!(
            refused("jdbc:postgresql://h/db", &[("a", array(array(LogicalType::Int)))], &[])
                .contains("arrays of scalar types")
        );
        table("jdbc:postgresql://h/db", &[("a", array(LogicalType::Int))], &[], &[]).unwrap();
        table("jdbc:sqlite:a.db", &[("a", LogicalType::Timestamp(9))], &[], &[]).unwrap();
    }

    #[test]
    fn table_names_are_read_in_parts() {
        let name = |schema: Option<&str>, table: &str| TableName {
            schema: schema.map(str::to_owned),
            table: table.to_owned(),
        };
        assert_eq!(TableName::parse("orders").unwrap(), name(None, "orders"));
        assert_eq!(TableName::parse("shop.orders").unwrap(), name(Some("shop"), "orders"));
        assert_eq!(TableName::parse("`my.shop`.\"or.ders\"").unwrap(), name(Some("my.shop"), "or.ders"));
        for text in ["", ".", "a.", ".a", "a.b.c", "`a", "`a`b"] {
            assert!(TableName::parse(text).unwrap_err().to_string().contains("not the name of a table"), "{text}");
        }
    }
}
