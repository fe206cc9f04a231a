//! Rows to requests.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, MapArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use bytes::Bytes;
use hashbrown::HashMap;
use hyper::http::{HeaderName, HeaderValue};
use riverrun_base::options::OptionValue;
use riverrun_base::{Error, Result};
use riverrun_data::Batch;
use riverrun_formats::{Encoded, Encoder, Format};
use xxhash_rust::xxh3::Xxh3;

use crate::known_mode;
use crate::options::QueryMode;
use crate::request::{Request, Verb};
use crate::settings::{header_name, header_value};
use crate::template::Template;
use crate::url::Url;

/// How a table's rows are requests. Column numbers are those of the batch: physical columns, then metadata.
#[derive(Clone)]
pub(crate) struct Plan {
    /// The URL.
    pub(crate) url: Part,
    /// The method.
    pub(crate) method: Part,
    /// Headers with columns in them.
    pub(crate) headers: Vec<(HeaderName, Template)>,
    /// The column with more headers.
    pub(crate) more_headers: Option<usize>,
    /// The body; none where the URL says everything.
    pub(crate) body: Option<BodyPlan>,
    /// What the text after `?` is.
    pub(crate) query_mode: QueryMode,
    /// The columns that put records in order.
    pub(crate) order: Vec<usize>,
    /// The columns of the idempotency key; a single one of metadata is the key itself.
    pub(crate) key: Option<KeyPlan>,
}

/// A text of a request.
#[derive(Clone)]
pub(crate) enum Part {
    /// A template.
    Template(Template),
    /// A metadata column.
    Column(usize),
}

/// Where a body comes from.
#[derive(Clone)]
pub(crate) struct BodyPlan {
    pub(crate) format: Arc<dyn Format>,
    pub(crate) schema: SchemaRef,
    pub(crate) columns: Vec<usize>,
    /// Whether NULL is no body, as the format `raw` has it.
    pub(crate) null_is_none: bool,
}

/// Where an idempotency key comes from.
#[derive(Clone)]
pub(crate) enum KeyPlan {
    /// This column is the key.
    Column(usize),
    /// A hash of these.
    Hash(Vec<usize>),
}

impl Part {
    fn columns(&self) -> Vec<usize> {
        match self {
            Self::Template(template) => template.columns().collect(),
            Self::Column(column) => vec![*column],
        }
    }
}

/// Encodes rows. One writer owns it.
pub(crate) struct RowEncoder {
    plan: Plan,
    encoder: Option<Box<dyn Encoder>>,
    encoded: Encoded,
    /// The URL of all rows, where they have one.
    fixed: Option<(Arc<str>, Url, Option<Bytes>)>,
    /// The last URL's destination, which the next is likely to have, too.
    last: Option<Url>,
}

/// Columns as text.
struct Texts(HashMap<usize, StringArray>);

impl Texts {
    fn get(&self, column: usize, row: usize) -> Option<&str> {
        let array = self.0.get(&column)?;
        array.is_valid(row).then(|| array.value(row))
    }
}

impl RowEncoder {
    /// An encoder for one writer.
    ///
    /// # Errors
    /// The format cannot write the columns.
    pub(crate) fn new(plan: Plan) -> Result<Self> {
        let encoder = plan.body.as_ref().map(|body| body.format.encoder()).transpose()?;
        let constant = match &plan.url {
            Part::Template(template) => template.constant(),
            Part::Column(_) => None,
        };
        let fixed = match constant {
            None => None,
            Some(text) => {
                let (address, body) = split(text, plan.query_mode);
                let url = Url::parse(address).map_err(Error::user)?;
                Some((Arc::from(text), url, body.map(Bytes::from)))
            }
        };
        Ok(Self { plan, encoder, encoded: Encoded::default(), fixed, last: None })
    }

    /// The requests of a batch's rows, in order. A row whose request cannot be made has one that says why.
    ///
    /// # Errors
    /// A value that the body's format cannot hold.
    pub(crate) fn encode(&mut self, batch: &Batch) -> Result<Vec<Request>> {
        let texts = self.texts(batch)?;
        let bodies = self.bodies(batch)?;
        let mut requests = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let body = bodies.get(row).cloned().unwrap_or_default();
            requests.push(self.request(batch, &texts, row, body));
        }
        Ok(requests)
    }

    fn texts(&self, batch: &Batch) -> Result<Texts> {
        let plan = &self.plan;
        let mut needed = plan.url.columns();
        needed.extend(plan.method.columns());
        needed.extend(plan.headers.iter().flat_map(|(_, template)| template.columns()));
        needed.extend(&plan.order);
        match &plan.key {
            Some(KeyPlan::Column(column)) => needed.push(*column),
            Some(KeyPlan::Hash(columns)) => needed.extend(columns),
            None => {}
        }
        let mut texts = HashMap::new();
        for column in needed {
            if !texts.contains_key(&column) {
                texts.insert(column, text_of(array(batch, column)?)?);
            }
        }
        Ok(Texts(texts))
    }

    /// The bodies of all rows; empty without a format.
    fn bodies(&mut self, batch: &Batch) -> Result<Vec<Bytes>> {
        let (Some(body), Some(encoder)) = (&self.plan.body, &mut self.encoder) else { return Ok(Vec::new()) };
        let is_none = |row: usize| {
            let first = body.columns.first().and_then(|column| batch.rows().columns().get(*column));
            body.null_is_none && first.is_some_and(|array| array.is_null(row))
        };
        let left_out: Vec<bool> = (0..batch.num_rows()).map(is_none).collect();
        let remaining = if left_out.contains(&true) {
            batch.filter(&left_out.iter().map(|out| Some(!out)).collect::<BooleanArray>())?
        } else {
            batch.clone()
        };
        let rows = RecordBatchOptions::new().with_row_count(Some(remaining.num_rows()));
        let columns: Vec<ArrayRef> =
            body.columns.iter().filter_map(|column| remaining.rows().columns().get(*column).cloned()).collect();
        let projected = RecordBatch::try_new_with_options(Arc::clone(&body.schema), columns, &rows)
            .map_err(|error| Error::data("a row does not fit the columns of its table").caused_by(error))?;
        self.encoded.clear();
        encoder.encode(&remaining.replace_rows(projected)?, &mut self.encoded)?;
        let mut messages = self.encoded.messages();
        let bodies = left_out.iter().map(|out| match out {
            true => Bytes::new(),
            false => messages.next().map(Bytes::copy_from_slice).unwrap_or_default(),
        });
        Ok(bodies.collect())
    }

    fn request(&mut self, batch: &Batch, texts: &Texts, row: usize, body: Bytes) -> Request {
        let (url, mut target, own_body) = self.target(texts, row);
        let verb = self.verb(texts, row).unwrap_or_else(|why| {
            target = Err(why);
            Verb::Post
        });
        let headers = self.headers(batch, texts, row).unwrap_or_else(|why| {
            target = Err(why);
            Vec::new()
        });
        let order = (!self.plan.order.is_empty()).then(|| hash(&self.plan.order, texts, row).digest());
        let key = match &self.plan.key {
            None => None,
            Some(KeyPlan::Column(column)) => texts.get(*column, row).map(Arc::from),
            Some(KeyPlan::Hash(columns)) => Some(Arc::from(format!("{:032x}", hash(columns, texts, row).digest128()))),
        };
        Request { verb, url, target, headers, body: own_body.unwrap_or(body), order, key }
    }

    fn target(&mut self, texts: &Texts, row: usize) -> (Arc<str>, std::result::Result<Url, String>, Option<Bytes>) {
        if let Some((text, url, body)) = &self.fixed {
            return (Arc::clone(text), Ok(url.clone()), body.clone());
        }
        let columns = self.plan.url.columns();
        let text = match &self.plan.url {
            _ if columns.iter().any(|column| texts.get(*column, row).is_none()) => {
                return (Arc::from(""), Err("a column of its URL is NULL".to_owned()), None);
            }
            Part::Column(column) => texts.get(*column, row).unwrap_or_default().to_owned(),
            Part::Template(template) => template.fill_url(|column| texts.get(column, row).unwrap_or_default()),
        };
        let (address, body) = split(&text, self.plan.query_mode);
        let mut url = Url::parse(address);
        if let (Ok(url), Some(last)) = (&mut url, &self.last)
            && url.origin == last.origin
        {
            // One name of a destination for all its records.
            url.origin = Arc::clone(&last.origin);
        }
        if let Ok(url) = &url {
            self.last = Some(url.clone());
        }
        let url = url.map_err(|why| format!("its URL is not valid: {why}"));
        (Arc::from(text.as_str()), url, body.map(Bytes::from))
    }

    fn verb(&self, texts: &Texts, row: usize) -> std::result::Result<Verb, String> {
        let text = match &self.plan.method {
            Part::Template(template) => template.fill(|column| texts.get(column, row).unwrap_or_default()),
            Part::Column(column) => texts.get(*column, row).unwrap_or("post").to_owned(),
        };
        Verb::parse(&text).map_err(|error| format!("its method is unknown: {}", error.message()))
    }

    fn headers(
        &self,
        batch: &Batch,
        texts: &Texts,
        row: usize,
    ) -> std::result::Result<Vec<(HeaderName, HeaderValue)>, String> {
        let mut headers = Vec::new();
        for (name, template) in &self.plan.headers {
            // A header whose column is NULL is left out.
            if template.columns().all(|column| texts.get(column, row).is_some()) {
                let text = template.fill(|column| texts.get(column, row).unwrap_or_default());
                headers.push((
                    name.clone(),
                    header_value(name.as_str(), &text).map_err(|error| error.message().to_owned())?,
                ));
            }
        }
        let map = self
            .plan
            .more_headers
            .and_then(|column| batch.rows().columns().get(column)?.as_any().downcast_ref::<MapArray>());
        let Some(map) = map.filter(|map| map.is_valid(row)) else { return Ok(headers) };
        let entries = map.value(row);
        let strings = |column: usize| {
            entries.columns().get(column).and_then(|array| array.as_any().downcast_ref::<StringArray>())
        };
        let (Some(names), Some(values)) = (strings(0), strings(1)) else { return Ok(headers) };
        for entry in 0..entries.len() {
            if values.is_valid(entry) {
                let name = header_name(names.value(entry)).map_err(|error| error.message().to_owned())?;
                let value =
                    header_value(name.as_str(), values.value(entry)).map_err(|error| error.message().to_owned())?;
                headers.retain(|(known, _)| *known != name);
                headers.push((name, value));
            }
        }
        Ok(headers)
    }
}

fn split(url: &str, mode: QueryMode) -> (&str, Option<String>) {
    match mode {
        QueryMode::Query => (url, None),
        QueryMode::JsonBody => known_mode::split(url),
    }
}

fn array(batch: &Batch, column: usize) -> Result<&ArrayRef> {
    let array = batch.rows().columns().get(column);
    array.ok_or_else(|| Error::internal(format!("a batch has no column {column}")))
}

fn text_of(array: &ArrayRef) -> Result<StringArray> {
    let text = cast(array, &ArrowType::Utf8)
        .map_err(|error| Error::data("a column cannot be written as text").caused_by(error))?;
    let text = text.as_any().downcast_ref::<StringArray>().cloned();
    text.ok_or_else(|| Error::internal("text is not text"))
}

fn hash(columns: &[usize], texts: &Texts, row: usize) -> Xxh3 {
    let mut hash = Xxh3::new();
    for column in columns {
        match texts.get(*column, row) {
            Some(text) => {
                hash.update(&(text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
            None => hash.update(&u64::MAX.to_le_bytes()),
        }
    }
    hash
}
