//! A body without a format: lines of fields between delimiters, as the known connector has it.
//!
//! A message is any number of rows, one a line; empty lines are none. What stands in a field is what `csv` has there without quotes; an
//! empty field of a column that is no text is NULL. A table of one column takes whole lines. Too few or too many fields, and fields
//! that cannot be read, are treated as `lengthCheck` says.

use std::ops::Range;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use riverrun_base::options::OptionReader;
use riverrun_base::{Error, Result};
use riverrun_formats::{DecodeError, Decoded, Decoder, Encoder, Format};

use crate::options::{LengthCheck, TableOptions, unescape};

/// What stands for NULL where a field is missing: no text holds a noncharacter of Unicode.
const NULL: &str = "\u{10ffff}";

/// Between fields of a table with one column, which has none.
const NO_DELIMITER: char = '\u{10fffe}';

/// How often what is left out is logged where not every line is.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The format of one table.
pub(crate) struct Delimited {
    fields: Box<dyn Format>,
    schema: SchemaRef,
    delimiter: char,
    line_ends: Vec<char>,
    check: LengthCheck,
    logs_all: bool,
}

impl Delimited {
    /// Checks what the options say of bodies.
    ///
    /// # Errors
    /// A delimiter that is not one character, an encoding that is not there yet, or a type that a field cannot hold.
    pub(crate) fn new(options: &TableOptions, schema: SchemaRef) -> Result<Self> {
        if !["utf-8", "utf8", "us-ascii", "ascii"].contains(&options.encoding.trim().to_lowercase().as_str()) {
            return Err(Error::not_supported(format!("the encoding '{}'", options.encoding))
                .with("option", "encoding")
                .hint("bodies are UTF-8"));
        }
        let delimiter = unescape(&options.field_delimiter);
        let mut characters = delimiter.chars();
        let delimiter = match (characters.next(), characters.next()) {
            (Some(delimiter), None) => delimiter,
            _ => {
                return Err(Error::user(format!("'{delimiter}' is not one character"))
                    .with("option", "fieldDelimiter")
                    .hint("fields are read and written with the same single character between them"));
            }
        };
        let is_single = schema.fields().len() == 1;
        let csv = [
            ("csv.field-delimiter", if is_single { NO_DELIMITER } else { delimiter }.to_string()),
            ("csv.disable-quote-character", "true".to_owned()),
            ("csv.null-literal", NULL.to_owned()),
        ];
        let csv = csv.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut reader = OptionReader::new("bodies without a format", csv);
        let fields = riverrun_formats::open(&mut reader, "format", "csv", SchemaRef::clone(&schema))?;
        Ok(Self {
            fields,
            schema,
            delimiter,
            line_ends: unescape(&options.line_delimiter).chars().collect(),
            check: options.length_check,
            logs_all: options.column_error_debug,
        })
    }
}

impl Format for Delimited {
    fn decoder(&self) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(DelimitedDecoder {
            fields: self.fields.decoder()?,
            lines: Lines {
                delimiter: self.delimiter,
                line_ends: self.line_ends.clone(),
                is_text: self.schema.fields().iter().map(|field| *field.data_type() == ArrowType::Utf8).collect(),
                check: self.check,
            },
            schema: SchemaRef::clone(&self.schema),
            logs: Logs { all: self.logs_all, last: None },
        }))
    }

    fn encoder(&self) -> Result<Box<dyn Encoder>> {
        // NULL is written as an empty field, as the known connector does
        let csv = [
            (
                "csv.field-delimiter",
                if self.schema.fields().len() == 1 { NO_DELIMITER } else { self.delimiter }.to_string(),
            ),
            ("csv.disable-quote-character", "true".to_owned()),
        ];
        let csv = csv.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut reader = OptionReader::new("bodies without a format", csv);
        riverrun_formats::open(&mut reader, "format", "csv", SchemaRef::clone(&self.schema))?.encoder()
    }
}

struct DelimitedDecoder {
    fields: Box<dyn Decoder>,
    lines: Lines,
    schema: SchemaRef,
    logs: Logs,
}

/// How messages become lines with the right number of fields.
struct Lines {
    delimiter: char,
    line_ends: Vec<char>,
    /// Whether a column holds texts, in which an empty field is an empty text.
    is_text: Vec<bool>,
    check: LengthCheck,
}

/// A line that is read: of which message, and where, in the message or in the buffer of lines that were changed.
struct Line {
    message: usize,
    place: Place,
}

enum Place {
    Message(Range<usize>),
    Changed(Range<usize>),
}

impl Decoder for DelimitedDecoder {
    fn split(&self, bytes: &[u8], end: bool, messages: &mut Vec<Range<usize>>) -> Result<usize> {
        self.fields.split(bytes, end, messages)
    }

    fn decode(&mut self, messages: &[&[u8]]) -> Result<Decoded, DecodeError> {
        let mut changed = Vec::new();
        let mut lines = Vec::with_capacity(messages.len());
        let mut skipped = 0;
        for (message, bytes) in messages.iter().enumerate() {
            skipped += self.lines.read(message, bytes, &mut lines, &mut changed, &mut self.logs)?;
        }
        let bytes: Vec<&[u8]> = lines
            .iter()
            .map(|line| match &line.place {
                Place::Message(range) => &messages[line.message][range.clone()],
                Place::Changed(range) => &changed[range.clone()],
            })
            .collect();
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut origins: Vec<u32> = Vec::with_capacity(lines.len());
        let origin = |line: &Line| u32::try_from(line.message).unwrap_or(u32::MAX);
        let mut begin = 0;
        while begin < bytes.len() {
            match self.fields.decode(&bytes[begin..]) {
                Ok(decoded) => {
                    batches.push(decoded.rows);
                    origins.extend(lines[begin..].iter().map(origin));
                    begin = bytes.len();
                }
                Err(error) => {
                    let bad = begin + error.message;
                    let message = lines.get(bad).map_or(0, |line| line.message);
                    if self.lines.check == LengthCheck::Exception {
                        return Err(DecodeError { message, error: error.error });
                    }
                    self.logs.skipped(&error.error, self.lines.check);
                    skipped += 1;
                    // what stands before it can be read
                    if bad > begin {
                        batches.push(self.fields.decode(&bytes[begin..bad])?.rows);
                        origins.extend(lines[begin..bad].iter().map(origin));
                    }
                    begin = bad + 1;
                }
            }
        }
        let rows = match batches.len() {
            1 => batches.remove(0),
            _ => concat_batches(&self.schema, &batches).map_err(|error| DecodeError {
                message: 0,
                error: Error::internal("cannot put the rows of RocketMQ bodies together").caused_by(error),
            })?,
        };
        let is_plain = origins.len() == messages.len() && origins.iter().enumerate().all(|(n, m)| n == *m as usize);
        Ok(Decoded { rows, kinds: None, messages: (!is_plain).then_some(origins), skipped })
    }
}

impl Lines {
    /// Appends the lines of a message; how many were left out.
    fn read(
        &self,
        message: usize,
        bytes: &[u8],
        lines: &mut Vec<Line>,
        changed: &mut Vec<u8>,
        logs: &mut Logs,
    ) -> Result<u64, DecodeError> {
        let fail = |error: Error| DecodeError { message, error };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let error = Error::data("a body is no text in UTF-8").caused_by(error);
                if self.check == LengthCheck::Exception {
                    return Err(fail(error));
                }
                logs.skipped(&error, self.check);
                return Ok(1);
            }
        };
        let mut skipped = 0;
        for line in text.split(|c| self.line_ends.contains(&c)).filter(|line| !line.is_empty()) {
            let start = line.as_ptr() as usize - text.as_ptr() as usize;
            match self.fit(line) {
                Fit::AsItIs => lines.push(Line { message, place: Place::Message(start..start + line.len()) }),
                Fit::UpTo(length) => lines.push(Line { message, place: Place::Message(start..start + length) }),
                Fit::Changed => {
                    let begin = changed.len();
                    self.write(line, changed);
                    lines.push(Line { message, place: Place::Changed(begin..changed.len()) });
                }
                Fit::Not(fields) => {
                    let error = Error::data(format!(
                        "a line has {fields} fields, and the table {} columns",
                        self.is_text.len()
                    ))
                    .hint("set 'lengthCheck' to leave out, cut or fill such lines; is 'fieldDelimiter' right?");
                    if self.check == LengthCheck::Exception {
                        return Err(fail(error));
                    }
                    logs.skipped(&error, self.check);
                    skipped += 1;
                }
            }
        }
        Ok(skipped)
    }

    /// Whether a line has the right fields, or what is to be done about it.
    fn fit(&self, line: &str) -> Fit {
        let columns = self.is_text.len();
        if columns == 1 {
            return Fit::AsItIs;
        }
        let (mut fields, mut cut, mut has_null, mut last) = (0, None, false, 0);
        for (at, _) in line.match_indices(self.delimiter).chain([(line.len(), "")]) {
            has_null |= at == last && self.is_text.get(fields) == Some(&false);
            fields += 1;
            if fields == columns {
                cut = Some(at);
            }
            last = at + self.delimiter.len_utf8();
        }
        let (may_pad, may_cut) = match self.check {
            LengthCheck::None => (false, true),
            LengthCheck::Pad => (true, true),
            LengthCheck::Skip | LengthCheck::SkipSilent | LengthCheck::Exception => (false, false),
        };
        match cut {
            None if may_pad => Fit::Changed,
            None => Fit::Not(fields),
            Some(_) if fields > columns && !may_cut => Fit::Not(fields),
            Some(_) if has_null => Fit::Changed,
            Some(_) if fields == columns => Fit::AsItIs,
            Some(length) => Fit::UpTo(length),
        }
    }

    /// Writes a line with as many fields as there are columns, and what stands for NULL where it belongs.
    fn write(&self, line: &str, out: &mut Vec<u8>) {
        let mut fields = line.split(self.delimiter);
        let mut delimiter = [0; 4];
        let delimiter = self.delimiter.encode_utf8(&mut delimiter).as_bytes();
        for (n, is_text) in self.is_text.iter().enumerate() {
            if n > 0 {
                out.extend_from_slice(delimiter);
            }
            let text = match fields.next() {
                Some("") if !is_text => NULL,
                Some(text) => text,
                None => NULL,
            };
            out.extend_from_slice(text.as_bytes());
        }
    }
}

enum Fit {
    AsItIs,
    /// Its first bytes.
    UpTo(usize),
    Changed,
    /// It has so many fields.
    Not(usize),
}

/// What is told of lines that were left out.
struct Logs {
    all: bool,
    last: Option<Instant>,
}

impl Logs {
    fn skipped(&mut self, error: &Error, check: LengthCheck) {
        let is_due = self.all || self.last.is_none_or(|last| last.elapsed() >= LOG_INTERVAL);
        if check != LengthCheck::SkipSilent && is_due {
            self.last = Some(Instant::now());
            tracing::warn!(target: "riverrun_rocketmq", "a line is left out: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
