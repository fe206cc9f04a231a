//! Calls by HTTP, under the names that people know from Apache StreamPark's sink.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use riverrun_base::{Error, Result};
use riverrun_http::UrlSink;

use crate::{DataStream, DataStreamSink, ParameterTool};

/// What stands before the keys of a configuration file.
const PREFIX: &str = "http.";

/// Sends each string of a stream as a request: at least once, with retries, and with a failover store for what cannot be delivered.
///
/// A string is a URL. As in Apache StreamPark, the text after its first `?` is sent as the members of a JSON object in the body, whatever the
/// method, and `200` alone is success. The option `query-mode` = `query` sends that text as the URL's query, and
/// `sink.threshold.success-code` names other codes.
///
/// ```no_run
/// use riverrun::connectors::http::HttpSink;
/// use riverrun::prelude::*;
///
/// # fn main() -> riverrun::Result<()> {
/// let env = StreamExecutionEnvironment::new();
/// let calls = env.from_sequence(1, 10).map(|user| format!("https://api.example.com/visits?userId={user}&siteId=7"));
/// HttpSink::new()
///     .header("X-Api-Key", "...")
///     .option("http.sink.threshold.retries", "5")
///     .option("http.sink.failover.storage", "mysql")
///     .option("http.sink.failover.table", "record")
///     .option("http.sink.failover.jdbc.jdbcUrl", "jdbc:mysql://localhost:3306/test")
///     .parallelism(1)
///     .name("visits")
///     .uid("visits")
///     .post(calls)?;
/// env.execute("visits")?;
/// # Ok(())
/// # }
/// ```
///
/// Options come from a [configuration file](Self::from_config_file), from [the command line](Self::from_parameters), and by name from
/// [the program](Self::option); what is said later holds. They are looked at when a stream is given to the sink, before the job runs. A URL that
/// cannot be called is a record that cannot be delivered: it goes where such records go, and stops nothing.
///
/// A record chooses whom this process asks: so addresses that are not public are refused unless the option `sink.allowed-destinations` lists them, and with
/// it nothing else is asked.
#[derive(Clone, Default)]
pub struct HttpSink {
    options: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    parallelism: Option<usize>,
    name: Option<String>,
    uid: Option<String>,
    file: Option<String>,
}

impl HttpSink {
    /// A sink with the default of every option.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A sink with the options of a file: YAML as Apache StreamPark has it, nested or with dots, lists as lists or with commas; or properties, if the file's
    /// name ends with `.properties`. Keys that do not begin with `http.` are somebody else's.
    ///
    /// ```yaml
    /// http.sink:
    ///   threshold:
    ///     numWriters: 3
    ///     retries: 3
    ///     successCode: [200, 201]
    ///   failover:
    ///     storage: mysql
    ///     table: record
    ///     jdbc:
    ///       jdbcUrl: jdbc:mysql://localhost:3306/test
    /// ```
    ///
    /// # Errors
    /// The file cannot be read, or is not of its form.
    pub fn from_config_file(file: impl AsRef<Path>) -> Result<Self> {
        let file = file.as_ref();
        let written = read(file).map_err(|error| error.with("file", file.display()))?;
        let mut sink = Self { file: Some(file.display().to_string()), ..Self::default() };
        for (key, value) in written {
            sink = sink.option(&key, value);
        }
        Ok(sink)
    }

    /// A sink as the program's arguments say: with the file that `--conf` names, if it is given, and over it the parameters that begin with `http.`, as
    /// `--http.sink.threshold.retries 5`.
    ///
    /// # Errors
    /// As [`Self::from_config_file`], or a parameter has no value.
    pub fn from_parameters(parameters: &ParameterTool) -> Result<Self> {
        let mut sink = if parameters.has("conf") {
            let place = parameters.get_required("conf")?;
            let path = place.strip_prefix("file://").unwrap_or(place);
            if path.contains("://") {
                return Err(Error::user(format!("the configuration '{place}' is not a file of this machine"))
                    .hint("write --conf PATH, or --conf file:///PATH"));
            }
            Self::from_config_file(path)?
        } else {
            Self::default()
        };
        for key in parameters.to_map().keys().filter(|key| key.starts_with(PREFIX)) {
            sink = sink.option(key, parameters.get_required(key)?);
        }
        Ok(sink)
    }

    /// An option by its name: each that a table with `'connector' = 'http'` has and that does not speak of columns, with `http.` in front or without.
    #[must_use]
    pub fn option(mut self, key: &str, value: impl Into<String>) -> Self {
        self.options.insert(key.strip_prefix(PREFIX).unwrap_or(key).to_owned(), value.into());
        self
    }

    /// A header of every request. What it says is in no log, and in no failover store.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Headers of every request: [`Self::header`].
    #[must_use]
    pub fn headers<K: Into<String>, V: Into<String>>(mut self, headers: impl IntoIterator<Item = (K, V)>) -> Self {
        self.headers.extend(headers.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// How many subtasks send; each has its own queue and connections.
    #[must_use]
    pub fn parallelism(mut self, parallelism: usize) -> Self {
        self.parallelism = Some(parallelism);
        self
    }

    /// Names the sink, for metrics, logs, errors and the failover store.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The name under which records that are not done are stored in checkpoints, unique in the job.
    #[must_use]
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.uid = Some(uid.into());
        self
    }

    /// Sends each record by GET.
    ///
    /// # Errors
    /// An option is unknown, which the error says with the nearest name, or wrong; a header has a name or a value that no header can have.
    pub fn get(&self, stream: DataStream<String>) -> Result<DataStreamSink> {
        self.send("get", stream)
    }

    /// Sends each record by POST.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn post(&self, stream: DataStream<String>) -> Result<DataStreamSink> {
        self.send("post", stream)
    }

    /// Sends each record by PATCH.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn patch(&self, stream: DataStream<String>) -> Result<DataStreamSink> {
        self.send("patch", stream)
    }

    /// Sends each record by PUT.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn put(&self, stream: DataStream<String>) -> Result<DataStreamSink> {
        self.send("put", stream)
    }

    /// Sends each record by DELETE.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn delete(&self, stream: DataStream<String>) -> Result<DataStreamSink> {
        self.send("delete", stream)
    }

    /// Sends each record by OPTIONS.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn options(&self, stream: DataStream<String>) -> Result<DataStreamSink> {
        self.send("options", stream)
    }

    /// Sends each record by TRACE.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn trace(&self, stream: DataStream<String>) -> Result<DataStreamSink> {
        self.send("trace", stream)
    }

    fn send(&self, method: &str, stream: DataStream<String>) -> Result<DataStreamSink> {
        let sink = UrlSink::new(method, &self.options, &self.headers).map_err(|error| match &self.file {
            Some(file) => error.with("file", file),
            None => error,
        })?;
        let name = self.name.clone().unwrap_or_else(|| format!("Sink: HTTP {method}"));
        let mut added = stream.sink_to(sink).name(name);
        if let Some(parallelism) = self.parallelism {
            added = added.set_parallelism(parallelism);
        }
        if let Some(uid) = &self.uid {
            added = added.uid(uid);
        }
        Ok(added)
    }
}

/// Values may be passwords and tokens, so only keys are shown.
impl fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSink")
            .field("options", &self.options.keys())
            .field("headers", &self.headers.keys())
            .field("parallelism", &self.parallelism)
            .field("name", &self.name)
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

/// The keys of a file that begin with `http.`.
fn read(file: &Path) -> Result<BTreeMap<String, String>> {
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("properties")) {
        let mut written = ParameterTool::from_properties_file(file)?.to_map();
        written.retain(|key, _| key.starts_with(PREFIX));
        return Ok(written);
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::user("cannot read the configuration of the HTTP sink").caused_by(error))?;
    UrlSink::options_of_yaml(&text)
}
