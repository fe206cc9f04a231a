//! The sink of a table: its options and columns, checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use riverrun_base::options::{OptionReader, OptionValue};
use riverrun_base::{Error, Result, Secret, nearest};
use riverrun_connect::{MetadataKey, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::{ChangelogMode, DataType, LogicalType, RowField, RowKind, arrow_schema};

use crate::encode::{BodyPlan, KeyPlan, Part, Plan, RowEncoder};
use crate::known_mode;
use crate::options::{self, BatchFormat, HttpOptions, Order, QueryMode};
use crate::request::Verb;
use crate::settings::{Settings, header_name, header_value};
use crate::shell::Shell;
use crate::template::Template;
use crate::url::Url;
use crate::writer::HttpWriter;

/// The metadata that a table can write.
pub(crate) fn metadata() -> Vec<MetadataKey> {
    let key = |key, data_type, description| MetadataKey { key, data_type, writable: true, description };
    let string = || DataType::nullable(LogicalType::STRING);
    vec![
        key("url", string(), "The URL that the row is sent to."),
        key("method", string(), "The method of its request; post where it is NULL."),
        key(
            "headers",
            DataType::nullable(LogicalType::Map(Box::new(string()), Box::new(string()))),
            "Headers of its request, beside those of the option `headers.*`.",
        ),
        key(
            "idempotency-key",
            string(),
            "Its idempotency key, for the header that `sink.idempotency-key.header` names.",
        ),
    ]
}

/// A sink, checked.
struct HttpSink {
    table: String,
    settings: Settings,
    plan: Plan,
    parallelism: Option<usize>,
    mode: ChangelogMode,
}

/// Checks a table.
///
/// # Errors
/// The user's mistakes.
pub(crate) fn sink(context: &TableContext) -> Result<Box<dyn Sink>> {
    let mut reader =
        options::reader(format!("connector '{}' of table {}", context.connector, context.name), &context.options)?;
    let options: HttpOptions = reader.read()?;
    if options.parallelism == Some(0) {
        return Err(Error::user("a sink needs a writer").with("option", "sink.parallelism"));
    }
    let table = Table::new(context);
    let url = table.url(&options)?;
    let method = table.method(&options)?;
    let body = table.body(&options, &url, &method, &mut reader)?;
    let mode = body.as_ref().map_or(ChangelogMode::INSERT_ONLY, |body| body.format.changelog_mode());
    let (fixed_headers, headers) = table.headers(&options.headers, &options, body.is_some())?;
    let order = table.order(&options)?;
    let plan = Plan {
        method,
        headers,
        more_headers: table.metadata("headers"),
        body,
        query_mode: options.query_mode,
        order,
        key: table.key(&options)?,
        url,
    };
    let fixed = table.fixed_url(&plan)?;
    let settings = Settings::new(&options, fixed.as_ref(), fixed_headers, &mut reader)?;
    reader.finish()?;
    if plan.key.is_some() && options.idempotency_header.is_none() {
        return Err(Error::user("an idempotency key is made, and no header carries it")
            .hint("add 'sink.idempotency-key.header' = 'Idempotency-Key'"));
    }
    Ok(Box::new(HttpSink { table: context.name.clone(), settings, plan, parallelism: options.parallelism, mode }))
}

impl Sink for HttpSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
        let both: Vec<RowKind> =
            kinds.into_iter().filter(|kind| self.mode.contains(*kind) && query.contains(*kind)).collect();
        ChangelogMode::of(&both)
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        let open = || {
            let encoder = RowEncoder::new(self.plan.clone())?;
            let shell = Shell::start(self.settings.clone().share(context.parallelism), context)?;
            Ok(Box::new(HttpWriter::new(encoder, shell)) as Box<dyn SinkWriter>)
        };
        open().map_err(|error: Error| error.with("table", &self.table))
    }
}

/// The columns of a table, and what options say of them.
struct Table<'a> {
    context: &'a TableContext,
    names: Vec<&'a str>,
}

impl<'a> Table<'a> {
    fn new(context: &'a TableContext) -> Self {
        Self { context, names: context.columns.iter().map(|column| column.name.as_str()).collect() }
    }

    /// Where a batch has the metadata of a key.
    fn metadata(&self, key: &str) -> Option<usize> {
        let written = self.context.metadata.iter().filter(|column| !column.is_virtual);
        written.enumerate().find(|(_, column)| column.key == key).map(|(n, _)| self.names.len() + n)
    }

    fn template(&self, text: &str, option: &'static str) -> Result<Template> {
        let template = Template::parse(text, &self.names, option)?;
        template.columns().try_for_each(|column| self.check_text(column, option))?;
        Ok(template)
    }

    fn check_text(&self, column: usize, option: &'static str) -> Result<()> {
        let RowField { name, data_type } = &self.context.columns[column];
        match data_type.logical {
            LogicalType::Char(_)
            | LogicalType::VarChar(_)
            | LogicalType::Boolean
            | LogicalType::TinyInt
            | LogicalType::SmallInt
            | LogicalType::Int
            | LogicalType::BigInt
            | LogicalType::Decimal(..)
            | LogicalType::Date => Ok(()),
            _ => Err(Error::user(format!("the column '{name}' of type {} is not written as text", data_type.logical))
                .with("option", option)
                .hint("CAST it to STRING in the query, in the form that the destination wants")),
        }
    }

    fn columns(&self, names: &[String], option: &'static str) -> Result<Vec<usize>> {
        let find = |name: &String| {
            self.names.iter().position(|known| known == name).ok_or_else(|| {
                let guess = nearest(name, self.names.iter().copied())
                    .map(|near| format!("did you mean '{near}'? "))
                    .unwrap_or_default();
                Error::user(format!("the table has no column '{name}'"))
                    .with("option", option)
                    .hint(format!("{guess}Columns: {}", self.names.join(", ")))
            })
        };
        names.iter().map(find).collect()
    }

    fn url(&self, options: &HttpOptions) -> Result<Part> {
        match (&options.url, self.metadata("url")) {
            (Some(_), Some(_)) => Err(Error::user("the option 'url' and a metadata column 'url' both say where rows go").hint("remove one of them")),
            (None, Some(column)) => Ok(Part::Column(column)),
            (Some(text), None) => Ok(Part::Template(self.template(text, "url")?)),
            (None, None) => Err(Error::user("nothing says where rows go")
                .with("option", "url")
                .hint("add 'url' = 'https://host/path', which may name columns as {column}, or a column 'url STRING METADATA'")),
        }
    }

    fn method(&self, options: &HttpOptions) -> Result<Part> {
        if let Some(column) = self.metadata("method") {
            return Ok(Part::Column(column));
        }
        let template = self.template(&options.method, "method")?;
        if let Some(text) = template.constant() {
            Verb::parse(text).map_err(|error| error.with("option", "method"))?;
        }
        Ok(Part::Template(template))
    }

    fn body(
        &self,
        options: &HttpOptions,
        url: &Part,
        method: &Part,
        reader: &mut OptionReader,
    ) -> Result<Option<BodyPlan>> {
        let Some(name) = &options.format else {
            let unused = |option: &str| {
                Err(Error::user(format!("'{option}' is about a body, and there is none")).hint("add 'format' = 'json'"))
            };
            return match () {
                () if options.body_columns.is_some() => unused("body.columns"),
                () if options.batch_format != BatchFormat::None => unused("sink.batch.format"),
                () => Ok(None),
            };
        };
        if options.query_mode == QueryMode::JsonBody {
            return Err(Error::user("the body is either what follows '?' in the URL or of a format")
                .with("option", "query-mode")
                .hint("remove 'format', or write 'query-mode' = 'query'"));
        }
        let columns = match &options.body_columns {
            Some(names) => self.columns(names, "body.columns")?,
            None => {
                let whole = |part: &Part| match part {
                    Part::Template(template) => template.single_column(),
                    Part::Column(_) => None,
                };
                let left_out = [whole(url), whole(method)];
                (0..self.names.len()).filter(|column| !left_out.contains(&Some(*column))).collect()
            }
        };
        let fields: Vec<RowField> = columns.iter().map(|column| self.context.columns[*column].clone()).collect();
        let schema = arrow_schema(&fields);
        let format = riverrun_formats::open(reader, "format", name, Arc::clone(&schema))?.into();
        if matches!(options.batch_format, BatchFormat::JsonArray | BatchFormat::Ndjson) && name != "json" {
            return Err(Error::user(format!(
                "'{}' makes of records what is JSON, and they are '{name}'",
                options.batch_format
            ))
            .with("option", "sink.batch.format")
            .hint("write 'format' = 'json' or 'sink.batch.format' = 'raw'"));
        }
        Ok(Some(BodyPlan { format, schema, columns, null_is_none: name == "raw" }))
    }

    /// Headers without columns, and those with.
    fn headers(
        &self,
        written: &BTreeMap<String, Secret>,
        options: &HttpOptions,
        has_body: bool,
    ) -> Result<(HeaderMap, Vec<(HeaderName, Template)>)> {
        let (mut fixed, mut headers) = (HeaderMap::new(), Vec::new());
        for (name, value) in written {
            let parsed = header_name(name).map_err(|error| error.with("option", "headers.*"))?;
            let template = self.template(value.expose(), "headers.*")?;
            match template.constant() {
                Some(text) => {
                    let mut value = header_value(name, text).map_err(|error| error.with("option", "headers.*"))?;
                    value.set_sensitive(true);
                    drop(fixed.insert(parsed, value));
                }
                None => headers.push((parsed, template)),
            }
        }
        let kind = match (options.format.as_deref(), options.batch_format, options.query_mode) {
            (_, BatchFormat::JsonArray | BatchFormat::Ndjson, _) => None,
            (Some("json"), ..) | (None, _, QueryMode::JsonBody) => Some("application/json"),
            (Some("csv"), ..) => Some("text/csv; charset=utf-8"),
            _ if has_body => Some("application/octet-stream"),
            _ => None,
        };
        if let Some(kind) = kind {
            fixed.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        }
        Ok((fixed, headers))
    }

    fn order(&self, options: &HttpOptions) -> Result<Vec<usize>> {
        match (options.order, &options.order_columns) {
            (Order::None, None) => Ok(Vec::new()),
            (Order::None, Some(_)) => {
                Err(Error::user("'sink.order.columns' is for 'sink.order' = 'key'").hint("add 'sink.order' = 'key'"))
            }
            (Order::Key, Some(names)) => {
                let columns = self.columns(names, "sink.order.columns")?;
                columns.iter().try_for_each(|column| self.check_text(*column, "sink.order.columns"))?;
                Ok(columns)
            }
            (Order::Key, None) if self.context.primary_key.is_empty() => {
                Err(Error::user("there is no key to put records in order by")
                    .with("option", "sink.order")
                    .hint("add 'sink.order.columns' = '...', or a PRIMARY KEY"))
            }
            (Order::Key, None) => {
                self.context.primary_key.iter().try_for_each(|column| self.check_text(*column, "sink.order"))?;
                Ok(self.context.primary_key.clone())
            }
        }
    }

    fn key(&self, options: &HttpOptions) -> Result<Option<KeyPlan>> {
        match (&options.idempotency_columns, self.metadata("idempotency-key")) {
            (Some(_), Some(_)) => Err(Error::user(
                "the idempotency key comes from 'sink.idempotency-key.columns' and from a metadata column",
            )
            .hint("remove one of them")),
            (None, Some(column)) => Ok(Some(KeyPlan::Column(column))),
            (Some(names), None) => {
                let columns = self.columns(names, "sink.idempotency-key.columns")?;
                columns.iter().try_for_each(|column| self.check_text(*column, "sink.idempotency-key.columns"))?;
                Ok(Some(KeyPlan::Hash(columns)))
            }
            (None, None) => Ok(None),
        }
    }

    /// A URL of the destination, where the table says which one it is.
    fn fixed_url(&self, plan: &Plan) -> Result<Option<Url>> {
        let Part::Template(template) = &plan.url else { return Ok(None) };
        let text = template.constant().unwrap_or_else(|| template.beginning());
        let address = if plan.query_mode == QueryMode::JsonBody { known_mode::split(text).0 } else { text };
        let after_scheme = address.split_once("://").map_or("", |(_, rest)| rest);
        if template.constant().is_none() && !after_scheme.contains(['/', '?']) {
            // The record says the host, or a part of it.
            return Ok(None);
        }
        Url::parse(address)
            .map(Some)
            .map_err(|why| Error::user(format!("'{address}' is not valid: {why}")).with("option", "url"))
    }
}
