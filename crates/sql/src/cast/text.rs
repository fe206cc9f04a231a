//! Cells as text, as Flink prints results and as `CAST(... AS STRING)` makes them.
//!
//! `NULL`, `TRUE`, `1.0E10`, `2026-01-02 03:04:05.000`, `+1 02:03:04.000`, `[1, 2]`, `{a=1}`, `(1, x)`. The two differ in bytes only: a printed
//! result shows `x'0aff'`, a cast decodes UTF-8.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMillisecondArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalYearMonthArray, ListArray,
    MapArray, StringArray, StringBuilder, StructArray,
};
#[cfg(test)]
use chrono_tz::Tz;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::calendar::{Date, MILLIS_PER_DAY, WallTime};
use super::digits::{write_double, write_float};
use super::times::{Times, Timestamps};
use super::zone::Zone;
use crate::eval::Text;

/// How bytes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// As `x'0aff'`: printed results.
    Hexadecimal,
    /// As the text they encode: casts.
    Utf8,
}

/// A column whose cells can be written as text. The column's types are looked at once, when it is made.
pub(crate) struct TextColumn<'a> {
    array: &'a dyn Array,
    cells: Cells<'a>,
    zone: &'a Zone,
    bytes: Bytes,
}

enum Cells<'a> {
    Null,
    Boolean(&'a BooleanArray),
    TinyInt(&'a Int8Array),
    SmallInt(&'a Int16Array),
    Int(&'a Int32Array),
    BigInt(&'a Int64Array),
    Float(&'a Float32Array),
    Double(&'a Float64Array),
    Decimal(&'a Decimal128Array, u8),
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
    Date(&'a Date32Array),
    Time(Times<'a>, u8),
    Timestamp(Timestamps<'a>, u8),
    TimestampLtz(Timestamps<'a>, u8),
    Months(&'a IntervalYearMonthArray),
    Millis(&'a DurationMillisecondArray),
    Array(&'a ListArray, Box<TextColumn<'a>>),
    Map(&'a MapArray, Box<TextColumn<'a>>, Box<TextColumn<'a>>),
    Row(Vec<TextColumn<'a>>),
}

impl<'a> TextColumn<'a> {
    /// A column of a type; timestamps with local zone are shown in `zone`.
    ///
    /// # Errors
    /// The array does not hold values of that type, which is a bug.
    pub(crate) fn new(array: &'a dyn Array, logical: &L, zone: &'a Zone, bytes: Bytes) -> Result<Self> {
        let cells = match logical {
            L::Null => Some(Cells::Null),
            L::Boolean => array.as_boolean_opt().map(Cells::Boolean),
            L::TinyInt => array.as_primitive_opt().map(Cells::TinyInt),
            L::SmallInt => array.as_primitive_opt().map(Cells::SmallInt),
            L::Int => array.as_primitive_opt().map(Cells::Int),
            L::BigInt => array.as_primitive_opt().map(Cells::BigInt),
            L::Float => array.as_primitive_opt().map(Cells::Float),
            L::Double => array.as_primitive_opt().map(Cells::Double),
            L::Decimal(_, scale) => array.as_primitive_opt().map(|decimals| Cells::Decimal(decimals, *scale)),
            L::Char(_) | L::VarChar(_) => array.as_string_opt().map(Cells::Text),
            L::Binary(_) | L::VarBinary(_) => array.as_binary_opt().map(Cells::Binary),
            L::Date => array.as_primitive_opt().map(Cells::Date),
            L::Time(precision) => Times::of(array).map(|times| Cells::Time(times, *precision)),
            L::Timestamp(precision) => Timestamps::of(array).map(|times| Cells::Timestamp(times, *precision)),
            L::TimestampLtz(precision) => Timestamps::of(array).map(|times| Cells::TimestampLtz(times, *precision)),
            L::IntervalYearMonth => array.as_primitive_opt().map(Cells::Months),
            L::IntervalDayTime => array.as_primitive_opt().map(Cells::Millis),
            L::Array(element) => match array.as_list_opt() {
                Some(list) => {
                    Some(Cells::Array(list, Box::new(Self::new(list.values(), &element.logical, zone, bytes)?)))
                }
                None => None,
            },
            L::Map(key, value) => Self::entries(array, &key.logical, &value.logical, zone, bytes)?,
            L::Multiset(element) => Self::entries(array, &element.logical, &L::Int, zone, bytes)?,
            L::Row(fields) => match array.as_struct_opt() {
                Some(row) if row.num_columns() == fields.len() => {
                    Some(Cells::Row(Self::fields(row, fields.iter().map(|field| &field.data_type), zone, bytes)?))
                }
                _ => None,
            },
        };
        match cells {
            Some(cells) => Ok(Self { array, cells, zone, bytes }),
            None => Err(Error::internal(format!("{} cannot be printed as {logical}", array.data_type()))),
        }
    }

    fn entries(array: &'a dyn Array, key: &L, value: &L, zone: &'a Zone, bytes: Bytes) -> Result<Option<Cells<'a>>> {
        let Some(map) = array.as_map_opt() else { return Ok(None) };
        let keys = Box::new(Self::new(map.keys(), key, zone, bytes)?);
        let values = Box::new(Self::new(map.values(), value, zone, bytes)?);
        Ok(Some(Cells::Map(map, keys, values)))
    }

    fn fields<'t>(
        row: &'a StructArray,
        types: impl Iterator<Item = &'t DataType>,
        zone: &'a Zone,
        bytes: Bytes,
    ) -> Result<Vec<Self>> {
        row.columns()
            .iter()
            .zip(types)
            .map(|(column, data_type)| Self::new(column, &data_type.logical, zone, bytes))
            .collect()
    }

    /// Appends the text of a cell; `NULL` for NULL.
    pub(crate) fn write(&self, row: usize, out: &mut impl Text) {
        if self.array.is_null(row) {
            return out.push("NULL");
        }
        match &self.cells {
            Cells::Null => out.push("NULL"),
            Cells::Boolean(cells) => out.push(if cells.value(row) { "TRUE" } else { "FALSE" }),
            Cells::TinyInt(cells) => write_integer(out, cells.value(row).into()),
            Cells::SmallInt(cells) => write_integer(out, cells.value(row).into()),
            Cells::Int(cells) => write_integer(out, cells.value(row).into()),
            Cells::BigInt(cells) => write_integer(out, cells.value(row)),
            Cells::Float(cells) => write_float(out, cells.value(row)),
            Cells::Double(cells) => write_double(out, cells.value(row)),
            Cells::Decimal(cells, scale) => write_decimal(out, cells.value(row), *scale),
            Cells::Text(cells) => out.push(cells.value(row)),
            Cells::Binary(cells) => match self.bytes {
                Bytes::Hexadecimal => write_hex(out, cells.value(row)),
                Bytes::Utf8 => out.push(&String::from_utf8_lossy(cells.value(row))),
            },
            Cells::Date(cells) => write_date(out, Date::of(cells.value(row).into())),
            Cells::Time(times, precision) => write_time(out, times.millis(row), *precision),
            Cells::Timestamp(times, precision) => write_timestamp(out, times.wall(row), *precision),
            Cells::TimestampLtz(times, precision) => write_timestamp(out, times.wall_in(row, self.zone), *precision),
            Cells::Months(cells) => write_months(out, cells.value(row).into()),
            Cells::Millis(cells) => write_millis(out, cells.value(row)),
            Cells::Array(list, elements) => {
                let (first, end) = bounds(list.value_offsets(), row);
                out.push("[");
                for n in first..end {
                    out.push(if n == first { "" } else { ", " });
                    elements.write_nested(n, out);
                }
                out.push("]");
            }
            Cells::Map(map, keys, values) => {
                let (first, end) = bounds(map.value_offsets(), row);
                out.push("{");
                for n in first..end {
                    out.push(if n == first { "" } else { ", " });
                    keys.write_nested(n, out);
                    out.push("=");
                    values.write_nested(n, out);
                }
                out.push("}");
            }
            Cells::Row(fields) => {
                out.push("(");
                for (n, field) in fields.iter().enumerate() {
                    out.push(if n == 0 { "" } else { ", " });
                    field.write_nested(row, out);
                }
                out.push(")");
            }
        }
    }

    /// Keeps the recursion out of the loop over a column of plain values.
    #[inline(never)]
    fn write_nested(&self, row: usize, out: &mut impl Text) {
        self.write(row, out);
    }
}

fn bounds(offsets: &[i32], row: usize) -> (usize, usize) {
    let offset = |n: usize| offsets.get(n).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default();
    (offset(row), offset(row + 1))
}

/// A cell as Flink's client prints it; `NULL` for NULL.
///
/// # Errors
/// The array does not hold values of that type, which is a bug.
#[cfg(test)]
pub(crate) fn cell_text(array: &dyn Array, row: usize, data_type: &DataType, zone: Tz) -> Result<String> {
    let mut text = String::new();
    TextColumn::new(array, &data_type.logical, &Zone::new(zone), Bytes::Hexadecimal)?.write(row, &mut text);
    Ok(text)
}

/// The text of every cell; NULL stays NULL.
pub(super) fn texts(array: &ArrayRef, logical: &L, zone: &Zone, bytes: Bytes) -> Result<StringArray> {
    let column = TextColumn::new(array, logical, zone, bytes)?;
    let mut out = StringBuilder::with_capacity(array.len(), array.len() * 16);
    for row in 0..array.len() {
        if array.is_null(row) || matches!(column.cells, Cells::Null) {
            out.append_null();
        } else {
            column.write(row, &mut out);
            out.append_value("");
        }
    }
    Ok(out.finish())
}

/// Writes an integer.
pub(crate) fn write_integer(out: &mut impl Text, value: i64) {
    let _infallible = write!(out, "{value}");
}

/// Writes an unscaled decimal with all digits of its scale.
pub(crate) fn write_decimal(out: &mut impl Text, value: i128, scale: u8) {
    let power = super::decimals::power(scale).unsigned_abs();
    let digits = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    let _infallible = match scale {
        0 => write!(out, "{value}"),
        _ => write!(out, "{sign}{}.{:0width$}", digits / power, digits % power, width = usize::from(scale)),
    };
}

/// Writes bytes as `x'0aff'`.
fn write_hex(out: &mut impl Text, bytes: &[u8]) {
    out.push("x'");
    for byte in bytes {
        let _infallible = write!(out, "{byte:02x}");
    }
    out.push("'");
}

/// Writes a number of two digits.
pub(crate) fn write_two(out: &mut impl Text, value: i64) {
    write_padded(out, value, 2);
}

/// Writes a number that is not negative, with zeros in front up to `width` digits, at most 20.
pub(crate) fn write_padded(out: &mut impl Text, value: i64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut first = digits.len();
    while rest > 0 || digits.len() - first < width.min(20) {
        first -= 1;
        // The remainder is one digit.
        digits[first] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    out.push(std::str::from_utf8(&digits[first..]).unwrap_or_default());
}

/// Writes `yyyy-MM-dd`.
pub(crate) fn write_date(out: &mut impl Text, date: Date) {
    if date.year < 0 {
        out.push("-");
    }
    write_padded(out, date.year, 4);
    out.push("-");
    write_two(out, date.month);
    out.push("-");
    write_two(out, date.day);
}

fn write_clock(out: &mut impl Text, (hour, minute, second): (i64, i64, i64)) {
    write_two(out, hour);
    out.push(":");
    write_two(out, minute);
    out.push(":");
    write_two(out, second);
}

/// Writes `HH:mm:ss` and, where the precision is above 0, the fraction without zeros at its end, but one digit at least.
fn write_time(out: &mut impl Text, millis: i64, precision: u8) {
    let seconds = millis / 1000;
    write_clock(out, (seconds / 3600, seconds / 60 % 60, seconds % 60));
    if precision > 0 {
        out.push(".");
        let mut rest = millis % 1000;
        for _ in 0..precision {
            write_padded(out, rest / 100, 1);
            rest = rest % 100 * 10;
            if rest == 0 {
                break;
            }
        }
    }
}

/// Writes `yyyy-MM-dd HH:mm:ss` and as many digits of the fraction as the precision says.
pub(crate) fn write_timestamp(out: &mut impl Text, time: WallTime, precision: u8) {
    write_date(out, time.date());
    out.push(" ");
    write_clock(out, time.clock());
    if precision > 0 {
        out.push(".");
        let cut = 10_i64.pow(9 - u32::from(precision.min(9)));
        write_padded(out, time.nano / cut, precision.into());
    }
}

fn write_months(out: &mut impl Text, months: i64) {
    out.push(if months < 0 { "-" } else { "+" });
    let months = months.abs();
    let _infallible = write!(out, "{}-{:02}", months / 12, months % 12);
}

fn write_millis(out: &mut impl Text, millis: i64) {
    out.push(if millis < 0 { "-" } else { "+" });
    // The smallest value has no positive counterpart.
    let millis = i64::try_from(millis.unsigned_abs()).unwrap_or(i64::MAX);
    write_integer(out, millis / MILLIS_PER_DAY);
    out.push(" ");
    let seconds = millis % MILLIS_PER_DAY / 1000;
    write_clock(out, (seconds / 3600, seconds / 60 % 60, seconds % 60));
    out.push(".");
    write_padded(out, millis % 1000, 3);
}
