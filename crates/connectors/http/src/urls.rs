//! A sink of strings, each of which is a URL: what programs know from Apache StreamPark, key for key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use riverrun_base::options::OptionValue;
use riverrun_base::{Error, Result};
use riverrun_connect::{Committable, Flush, Sink, SinkWriter, TaskContext};
use riverrun_data::{ChangelogMode, Records};
use riverrun_protocol::CheckpointId;

use crate::known_mode;
use crate::options::{self, BatchFormat, HttpOptions, Order, QueryMode};
use crate::request::{Request, Stored, Verb};
use crate::settings::{Settings, header_name, header_value};
use crate::shell::Shell;
use crate::url::{Origin, Url};
use crate::writer::LOOK;

/// Sends each string as a request.
///
/// A string is a URL. As in Apache StreamPark, the text after its first `?` is sent as the members of a JSON object, whatever the method,
/// and `200` alone is success; `query-mode` = `query` sends it as the URL's query, and `sink.threshold.success-code` names other codes. All
/// options of the table `'connector' = 'http'` are taken that do not speak of columns.
///
/// ```
/// use std::collections::BTreeMap;
/// use riverrun_http::UrlSink;
///
/// let config = UrlSink::options_of_yaml("http.sink:\n  threshold:\n    retries: 3\n    successCode: [200, 201]\n").unwrap();
/// assert_eq!(config["http.sink.threshold.successCode"], "200,201");
/// assert!(UrlSink::new("post", &config, &BTreeMap::new()).is_ok());
/// assert!(UrlSink::new("steal", &config, &BTreeMap::new()).is_err());
/// ```
#[derive(Clone, Debug)]
pub struct UrlSink {
    settings: Settings,
    verb: Verb,
    mode: QueryMode,
    parallelism: Option<usize>,
}

impl UrlSink {
    /// A sink that sends by this method (`get`, `post`, `patch`, `put`, `delete`, `options`, `trace`), with these headers.
    ///
    /// # Errors
    /// The user's mistakes, as for a table.
    pub fn new(method: &str, written: &BTreeMap<String, String>, headers: &BTreeMap<String, String>) -> Result<Self> {
        let verb = Verb::parse(method).map_err(|error| error.with("option", "method"))?;
        let mut written = written.clone();
        for (key, known) in [("query-mode", "json-body"), ("sink.threshold.success-code", "200")] {
            let is_given = written.keys().any(|given| {
                let given = given.strip_prefix("http.").unwrap_or(given);
                given == key || key.ends_with("success-code") && given.ends_with("threshold.successCode")
            });
            if !is_given {
                written.insert(key.to_owned(), known.to_owned());
            }
        }
        let mut reader = options::reader("the HTTP sink".to_owned(), &written)?;
        let options: HttpOptions = reader.read()?;
        if options.url.is_some()
            || options.format.is_some()
            || options.body_columns.is_some()
            || options.order != Order::None
            || options.idempotency_columns.is_some()
            || options.batch_format != BatchFormat::None
        {
            return Err(Error::user(
                "a sink of URLs has no columns and no format: each string says all of its request",
            )
            .hint("use a table with 'connector' = 'http'"));
        }
        let mut all = HeaderMap::new();
        let given = options.headers.iter().map(|(name, value)| (name, value.expose()));
        for (name, value) in given.chain(headers.iter().map(|(name, value)| (name, value.as_str()))) {
            let mut value = header_value(name, value)?;
            value.set_sensitive(true);
            all.insert(header_name(name)?, value);
        }
        if options.query_mode == QueryMode::JsonBody {
            all.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        let settings = Settings::new(&options, None, all, &mut reader)?;
        reader.finish()?;
        Ok(Self { settings, verb, mode: options.query_mode, parallelism: options.parallelism })
    }

    /// The options in a YAML file as people have them: keys nested or with dots, lists as lists. What does not begin with `http.` is
    /// somebody else's.
    ///
    /// # Errors
    /// The text is no YAML, or a value is neither text, number, truth value nor a list of these.
    pub fn options_of_yaml(text: &str) -> Result<BTreeMap<String, String>> {
        let value: serde_json::Value =
            serde_saphyr::from_str(text).map_err(|error| Error::user(format!("this is no YAML: {error}")))?;
        let mut options = BTreeMap::new();
        flatten("", &value, &mut options)?;
        options.retain(|key, _| key.starts_with("http."));
        Ok(options)
    }

    fn request(&self, text: &str) -> Request {
        let (address, body) = match self.mode {
            QueryMode::Query => (text, None),
            QueryMode::JsonBody => known_mode::split(text),
        };
        let target = Url::parse(address).map_err(|why| format!("its URL is not valid: {why}"));
        let body = body.map(Bytes::from).unwrap_or_default();
        Request { verb: self.verb, url: Arc::from(text), target, headers: Vec::new(), body, order: None, key: None }
    }
}

fn flatten(key: &str, value: &serde_json::Value, options: &mut BTreeMap<String, String>) -> Result<()> {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Ok(text.clone()),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        serde_json::Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(Error::user("a value is neither text, number nor truth value").with("option", key)),
    };
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                let name = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&name, value, options)?;
            }
            Ok(())
        }
        serde_json::Value::Null => Ok(()),
        serde_json::Value::Array(items) => {
            let items = items.iter().map(text).collect::<Result<Vec<_>>>()?;
            options.insert(key.to_owned(), items.join(","));
            Ok(())
        }
        value => {
            options.insert(key.to_owned(), text(value)?);
            Ok(())
        }
    }
}

impl Sink<Records<String>> for UrlSink {
    fn changelog_mode(&self, _: ChangelogMode) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter<Records<String>>>> {
        let shell = Shell::start(self.settings.clone().share(context.parallelism), context)?;
        Ok(Box::new(UrlWriter { sink: self.clone(), shell, last: None, looked: Instant::now() }))
    }
}

struct UrlWriter {
    sink: UrlSink,
    shell: Shell,
    /// The last URL's destination, which the next is likely to have, too.
    last: Option<Arc<Origin>>,
    looked: Instant,
}

impl SinkWriter<Records<String>> for UrlWriter {
    fn write(&mut self, batch: Records<String>) -> Result<()> {
        let mut requests: Vec<Request> = batch.values().iter().map(|text| self.sink.request(text)).collect();
        for url in requests.iter_mut().filter_map(|request| request.target.as_mut().ok()) {
            // One name of a destination for all its records.
            match &self.last {
                Some(last) if **last == *url.origin => url.origin = Arc::clone(last),
                _ => self.last = Some(Arc::clone(&url.origin)),
            }
        }
        self.shell.take(requests)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.looked + LOOK)
    }

    fn tick(&mut self) -> Result<()> {
        self.looked = Instant::now();
        self.shell.check()
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        match reason {
            Flush::Barrier => self.shell.check(),
            Flush::End => self.shell.finish(),
        }
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        self.shell.barrier(checkpoint)?;
        Ok(Vec::new())
    }

    fn snapshot(&mut self) -> Result<Vec<Vec<u8>>> {
        Ok(self.shell.snapshot()?.iter().map(Stored::encode).collect())
    }

    fn restore(&mut self, entries: Vec<Vec<u8>>) -> Result<()> {
        self.shell.restore(entries.iter().map(|entry| Stored::decode(entry)).collect::<Result<Vec<_>>>()?);
        Ok(())
    }
}
