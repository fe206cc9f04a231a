//! From a table's columns and options to the generators of its values; what does not fit is refused here.

use std::collections::BTreeMap;

use arrow::datatypes::DataType as ArrowType;
use riverrun_base::{Error, Result, nearest};
use riverrun_data::{DataType, LogicalType, MAX_LENGTH, RowField, arrow_type, field};

use crate::options::{DatagenOptions, Kind};
use crate::values::{
    Array, Binary, Booleans, Dates, Decimals, Doubles, Floats, Generator, IntegerSequence, Integers, Length, Map, Row,
    Sequence, Text, Times, Timestamps, Values, decimal,
};

/// The length of a random STRING or BYTES.
const TEXT_LENGTH: u32 = 100;
/// The number of elements of an ARRAY, MAP or MULTISET.
const COLLECTION_LENGTH: u32 = 3;
/// The longest interval of months, as in Flink.
const MONTHS: i64 = 120_000;
/// The most bytes that one row may take.
const ROW_BYTES: usize = 256 << 20;

/// What makes the rows of a table.
pub(crate) struct Columns {
    /// A generator for each column.
    pub generators: Vec<Generator>,
    /// How many rows there are until the shortest sequence ends.
    pub sequence_rows: Option<u64>,
    /// About how many bytes a row takes.
    pub row_bytes: usize,
}

impl Columns {
    /// Reads the options of every column.
    ///
    /// # Errors
    /// An option is of no column, does not apply to its type, or has a value that the type cannot hold.
    pub(crate) fn new(options: DatagenOptions, columns: &[RowField]) -> Result<Self> {
        let mut builder = Builder { options, types: BTreeMap::new(), sequence_rows: None };
        let generators = columns
            .iter()
            .map(|column| {
                let made = match builder.options.kind.remove(&column.name).unwrap_or(Kind::Random) {
                    Kind::Random => builder.random(&column.name, &column.data_type),
                    Kind::Sequence => builder.sequence(&column.name, &column.data_type),
                };
                made.map_err(|error| error.with("column", &column.name))
            })
            .collect::<Result<Vec<_>>>()?;
        builder.refuse_what_is_left(columns)?;
        let row_bytes = generators.iter().fold(0usize, |sum, column| sum.saturating_add(column.values.width()));
        if row_bytes > ROW_BYTES {
            let hint = "choose smaller values of 'fields.#.length'";
            return Err(Error::user(format!("a row of {row_bytes} bytes is too large")).hint(hint));
        }
        Ok(Self { generators, sequence_rows: builder.sequence_rows, row_bytes })
    }
}

/// Takes from the options what a column uses, so that what nobody uses is left.
struct Builder {
    options: DatagenOptions,
    /// The columns and their parts, by path, with the types they have.
    types: BTreeMap<String, LogicalType>,
    sequence_rows: Option<u64>,
}

impl Builder {
    fn generator(&mut self, path: &str, data_type: &DataType, null_rate: f64, values: Box<dyn Values>) -> Generator {
        self.types.insert(path.to_owned(), data_type.logical.clone());
        Generator { id: self.types.len() as u64, null_rate, values }
    }

    fn random(&mut self, path: &str, data_type: &DataType) -> Result<Generator> {
        let null_rate = self.options.null_rate.remove(path).unwrap_or(0.0);
        if !(0.0..=1.0).contains(&null_rate) {
            return Err(wrong(path, "null-rate", format!("{null_rate} is not between 0 and 1")));
        }
        if null_rate > 0.0 && !data_type.nullable {
            return Err(wrong(path, "null-rate", "the column is NOT NULL".to_owned()));
        }
        let arrow = arrow_type(&data_type.logical);
        let values: Box<dyn Values> = match &data_type.logical {
            LogicalType::Boolean => Box::new(Booleans),
            LogicalType::TinyInt => self.integers(path, arrow, i64::from(i8::MIN), i64::from(i8::MAX))?,
            LogicalType::SmallInt => self.integers(path, arrow, i64::from(i16::MIN), i64::from(i16::MAX))?,
            LogicalType::Int => self.integers(path, arrow, i64::from(i32::MIN), i64::from(i32::MAX))?,
            LogicalType::BigInt | LogicalType::IntervalDayTime => self.integers(path, arrow, i64::MIN, i64::MAX)?,
            LogicalType::IntervalYearMonth => self.integers(path, arrow, 0, MONTHS)?,
            LogicalType::Float => {
                let (min, max) = self.bounds(path, f32::from_bits(1), f32::MAX, finite)?;
                Box::new(Floats { min, max })
            }
            LogicalType::Double => {
                let (min, max) = self.bounds(path, f64::from_bits(1), f64::MAX, finite)?;
                Box::new(Doubles { min, max })
            }
            LogicalType::Decimal(precision, scale) => {
                let largest = 10i128.pow(u32::from(*precision)) - 1;
                let (min, max) = self.bounds(path, 0, largest, |text| decimal(text, *scale))?;
                Box::new(Decimals { arrow, min: min.clamp(-largest, largest), max: max.clamp(-largest, largest) })
            }
            LogicalType::Char(n) => Box::new(Text(Length { most: size(*n), varies: false })),
            LogicalType::Binary(n) => Box::new(Binary(Length { most: size(*n), varies: false })),
            LogicalType::VarChar(n) => Box::new(Text(self.length(path, *n)?)),
            LogicalType::VarBinary(n) => Box::new(Binary(self.length(path, *n)?)),
            LogicalType::Date => Box::new(Dates),
            LogicalType::Time(precision) => Box::new(Times { arrow, precision: *precision }),
            LogicalType::Timestamp(precision) | LogicalType::TimestampLtz(precision) => {
                let max_past = self.options.max_past.remove(path).unwrap_or_default().as_millis();
                let max_past = u64::try_from(max_past).unwrap_or(u64::MAX);
                Box::new(Timestamps { arrow, precision: *precision, max_past })
            }
            LogicalType::Array(element) => {
                let ArrowType::List(field) = arrow else { return Err(mismatch(data_type)) };
                let length = self.collection(path);
                Box::new(Array { field, element: self.random(&format!("{path}.element"), element)?, length })
            }
            LogicalType::Map(key, value) => {
                let length = self.collection(path);
                let key = self.random(&format!("{path}.key"), key)?;
                if key.null_rate > 0.0 {
                    return Err(wrong(&format!("{path}.key"), "null-rate", "a MAP has no NULL keys".to_owned()));
                }
                let value = self.random(&format!("{path}.value"), value)?;
                map(data_type, arrow, key, value, length)?
            }
            LogicalType::Multiset(element) => {
                let length = self.collection(path);
                let key = self.random(&format!("{path}.element"), element)?;
                if key.null_rate > 0.0 {
                    let message = "NULL elements of a MULTISET are not supported yet".to_owned();
                    return Err(wrong(&format!("{path}.element"), "null-rate", message));
                }
                let counts = Box::new(Integers::new(ArrowType::Int32, 1, 10));
                let int = DataType::not_null(LogicalType::Int);
                let counts = self.generator(&format!("{path}.count"), &int, 0.0, counts);
                map(data_type, arrow, key, counts, length)?
            }
            LogicalType::Row(fields) => {
                let columns = fields
                    .iter()
                    .map(|part| self.random(&format!("{path}.{}", part.name), &part.data_type))
                    .collect::<Result<Vec<_>>>()?;
                let fields = fields.iter().map(|part| field(&part.name, &part.data_type)).collect();
                Box::new(Row { fields, columns })
            }
            LogicalType::Null => return Err(Error::user("datagen makes no values of type NULL")),
        };
        Ok(self.generator(path, data_type, null_rate, values))
    }

    fn sequence(&mut self, path: &str, data_type: &DataType) -> Result<Generator> {
        let arrow = arrow_type(&data_type.logical);
        let fits: Box<dyn Fn(i64) -> bool> = match &data_type.logical {
            LogicalType::TinyInt => Box::new(|value| i8::try_from(value).is_ok()),
            LogicalType::SmallInt => Box::new(|value| i16::try_from(value).is_ok()),
            LogicalType::Int => Box::new(|value| i32::try_from(value).is_ok()),
            LogicalType::BigInt | LogicalType::Float | LogicalType::Double => Box::new(|_| true),
            LogicalType::Decimal(precision, scale) => {
                let digits = u32::from(*precision) - u32::from(*scale).min(u32::from(*precision));
                Box::new(move |value| u128::from(value.unsigned_abs()) < 10u128.pow(digits))
            }
            LogicalType::Char(n) | LogicalType::VarChar(n) => {
                let most = size(*n);
                Box::new(move |value| value.to_string().len() <= most)
            }
            LogicalType::Binary(8) => Box::new(|_| true),
            LogicalType::VarBinary(n) if *n >= 8 => Box::new(|_| true),
            LogicalType::Binary(_) | LogicalType::VarBinary(_) => {
                let message = format!("a sequence makes values of 8 bytes, which {} does not hold", data_type.logical);
                return Err(wrong(path, "kind", message));
            }
            other => {
                return Err(wrong(path, "kind", format!("there is no sequence of type {other}"))
                    .hint("a sequence can be a number, a string or bytes"));
            }
        };
        let mut bound = |key, from: fn(&mut DatagenOptions) -> &mut BTreeMap<String, i64>| {
            let value = from(&mut self.options)
                .remove(path)
                .ok_or_else(|| Error::user(format!("missing required option 'fields.{path}.{key}' for a sequence")))?;
            if fits(value) {
                Ok(value)
            } else {
                Err(wrong(path, key, format!("{value} does not fit the type {}", data_type.logical)))
            }
        };
        let start = bound("start", |options| &mut options.start)?;
        let end = bound("end", |options| &mut options.end)?;
        let Some(steps) = end.checked_sub(start).and_then(|steps| u64::try_from(steps).ok()) else {
            return Err(wrong(
                path,
                "end",
                format!("the end {end} is not after the start {start}, or too far from it"),
            ));
        };
        self.sequence_rows = Some(self.sequence_rows.unwrap_or(u64::MAX).min(steps + 1));
        let values: Box<dyn Values> = if data_type.logical.is_integer() {
            Box::new(IntegerSequence { arrow, start })
        } else {
            Box::new(Sequence { arrow, start })
        };
        Ok(self.generator(path, data_type, 0.0, values))
    }

    fn integers(&mut self, path: &str, arrow: ArrowType, least: i64, most: i64) -> Result<Box<dyn Values>> {
        let whole = |text: &str| text.trim().parse().ok().filter(|value| (least..=most).contains(value));
        let (min, max) = self.bounds(path, least, most, whole)?;
        Ok(Box::new(Integers::new(arrow, min, max)))
    }

    /// The smallest and the largest value.
    fn bounds<T: PartialOrd + Copy>(
        &mut self,
        path: &str,
        least: T,
        most: T,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<(T, T)> {
        let bound = |key, text: Option<String>, default| match text {
            None => Ok(default),
            Some(text) => read(&text).ok_or_else(|| wrong(path, key, format!("'{text}' is no value of its type"))),
        };
        let min = bound("min", self.options.min.remove(path), least)?;
        let max = bound("max", self.options.max.remove(path), most)?;
        if min > max {
            return Err(wrong(path, "min", "the smallest value is above the largest".to_owned()));
        }
        Ok((min, max))
    }

    /// The length of values of a type that allows `declared`.
    fn length(&mut self, path: &str, declared: u32) -> Result<Length> {
        let default = if declared == MAX_LENGTH { TEXT_LENGTH } else { declared };
        let most = self.options.length.remove(path).unwrap_or(default);
        if most > declared {
            return Err(wrong(path, "length", format!("{most} is more than the {declared} that the type allows")));
        }
        Ok(Length { most: size(most), varies: self.options.var_len.remove(path).unwrap_or(false) })
    }

    fn collection(&mut self, path: &str) -> usize {
        size(self.options.length.remove(path).unwrap_or(COLLECTION_LENGTH))
    }

    /// Refuses what no column has used.
    fn refuse_what_is_left(&self, columns: &[RowField]) -> Result<()> {
        let o = &self.options;
        let left = keys(&o.kind, "kind")
            .chain(keys(&o.min, "min"))
            .chain(keys(&o.max, "max"))
            .chain(keys(&o.max_past, "max-past"))
            .chain(keys(&o.length, "length"))
            .chain(keys(&o.var_len, "var-len"))
            .chain(keys(&o.start, "start"))
            .chain(keys(&o.end, "end"))
            .chain(keys(&o.null_rate, "null-rate"))
            .next();
        let Some((path, option)) = left else { return Ok(()) };
        let key = format!("fields.{path}.{option}");
        if let Some(logical) = self.types.get(path) {
            let is_column = columns.iter().any(|column| column.name == path);
            let hint = match option {
                "start" | "end" if is_column => "it is for columns with 'kind' = 'sequence'",
                "kind" if !is_column => "only a whole column can be a sequence",
                _ => "it is for random values of other types",
            };
            let message = format!("option '{key}' does not apply to a column of type {logical}");
            return Err(Error::user(message).hint(hint));
        }
        let names: Vec<&str> = self.types.keys().map(String::as_str).collect();
        let guess =
            nearest(path, names.iter().copied()).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        Err(Error::user(format!("there is no column '{path}' for the option '{key}'"))
            .hint(format!("{guess}Columns and their parts: {}", names.join(", "))))
    }
}

fn keys<'a, T>(map: &'a BTreeMap<String, T>, option: &'static str) -> impl Iterator<Item = (&'a str, &'static str)> {
    map.keys().map(move |path| (path.as_str(), option))
}

fn map(
    data_type: &DataType,
    arrow: ArrowType,
    key: Generator,
    value: Generator,
    length: usize,
) -> Result<Box<dyn Values>> {
    let ArrowType::Map(field, _) = arrow else { return Err(mismatch(data_type)) };
    let ArrowType::Struct(entry) = field.data_type().clone() else { return Err(mismatch(data_type)) };
    Ok(Box::new(Map { field, entry, key, value, length }))
}

fn finite<T: std::str::FromStr + Into<f64> + Copy>(text: &str) -> Option<T> {
    text.trim().parse().ok().filter(|value: &T| (*value).into().is_finite())
}

fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn wrong(path: &str, option: &str, message: String) -> Error {
    Error::user(message).with("option", format!("fields.{path}.{option}"))
}

fn mismatch(data_type: &DataType) -> Error {
    Error::internal(format!("{data_type} has an unexpected Arrow type"))
}
