//! A column that grows by the values read into it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, DurationMillisecondArray, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, IntervalYearMonthArray, ListArray, MapArray, NullBufferBuilder,
    PrimitiveArray, StringArray, StructArray, Time32MillisecondArray, Time64MicrosecondArray, Time64NanosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Date32Type, Field, FieldRef, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType, type_of_field};

use super::{Kind, Problems, Slot, Slots, arrow_error};

/// What a column is.
pub(crate) struct Spec {
    /// Its name, with the names of the rows around it: `address.city`.
    pub(crate) path: String,
    pub(crate) data_type: DataType,
    field: FieldRef,
}

/// A growing column.
pub(crate) struct Column {
    pub(crate) spec: Spec,
    pub(crate) nulls: NullBufferBuilder,
    pub(crate) values: Values,
}

/// The values of a column; where one is NULL, any.
pub(crate) enum Values {
    Boolean(Vec<bool>),
    TinyInt(Vec<i8>),
    SmallInt(Vec<i16>),
    Int(Vec<i32>),
    BigInt(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal(Vec<i128>, u8, u8),
    Text(Texts),
    Bytes(Texts),
    Date(Vec<i32>),
    /// Nanoseconds of the day.
    Time(Vec<i64>, u8),
    /// In the unit of the precision.
    Timestamp(Vec<i64>, u8),
    /// As [`Values::Timestamp`].
    TimestampLtz(Vec<i64>, u8),
    Months(Vec<i32>),
    Millis(Vec<i64>),
    Array(Lengths, Box<Column>),
    Map(Lengths, Box<Column>, Box<Column>),
    Row(Vec<Column>),
}

/// Texts, one behind the other.
#[derive(Default)]
pub(crate) struct Texts {
    pub(crate) bytes: Vec<u8>,
    ends: Vec<i32>,
}

impl Texts {
    /// Ends a text at the end of `bytes`.
    #[inline]
    fn end(&mut self) {
        // Past 2 GiB `finish` fails.
        self.ends.push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
    }

    fn finish(&mut self) -> Result<(OffsetBuffer<i32>, Buffer)> {
        if i32::try_from(self.bytes.len()).is_err() {
            return Err(Error::data("the texts of one column in one batch exceed 2 GiB").hint("read smaller batches"));
        }
        Ok((offsets(&mut self.ends), Buffer::from_vec(std::mem::take(&mut self.bytes))))
    }
}

/// How many elements each array or map has.
#[derive(Default)]
pub(crate) struct Lengths {
    ends: Vec<i32>,
    end: usize,
}

impl Lengths {
    /// Ends an array of `length` elements.
    pub(crate) fn push(&mut self, length: usize) {
        self.end += length;
        self.ends.push(i32::try_from(self.end).unwrap_or(i32::MAX));
    }

    fn finish(&mut self) -> Result<OffsetBuffer<i32>> {
        let end = std::mem::take(&mut self.end);
        if i32::try_from(end).is_err() {
            return Err(Error::data("the arrays of one column in one batch have more than 2^31 elements")
                .hint("read smaller batches"));
        }
        Ok(offsets(&mut self.ends))
    }
}

fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.append(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

impl Column {
    /// An empty column for the values of `field`.
    ///
    /// # Errors
    /// The field's type is none of Flink's.
    pub(crate) fn new(path: &str, field: &FieldRef) -> Result<Self> {
        let data_type = type_of_field(field).ok_or_else(|| {
            Error::internal(format!("no type of Flink SQL for {}", field.data_type())).with("column", path)
        })?;
        let values = match &data_type.logical {
            LogicalType::Boolean => Values::Boolean(Vec::new()),
            LogicalType::TinyInt => Values::TinyInt(Vec::new()),
            LogicalType::SmallInt => Values::SmallInt(Vec::new()),
            LogicalType::Int => Values::Int(Vec::new()),
            LogicalType::BigInt => Values::BigInt(Vec::new()),
            LogicalType::Float => Values::Float(Vec::new()),
            LogicalType::Double => Values::Double(Vec::new()),
            LogicalType::Decimal(precision, scale) => Values::Decimal(Vec::new(), *precision, *scale),
            LogicalType::Char(_) | LogicalType::VarChar(_) => Values::Text(Texts::default()),
            LogicalType::Binary(_) | LogicalType::VarBinary(_) => Values::Bytes(Texts::default()),
            LogicalType::Date => Values::Date(Vec::new()),
            LogicalType::Time(precision) => Values::Time(Vec::new(), *precision),
            LogicalType::Timestamp(precision) => Values::Timestamp(Vec::new(), *precision),
            LogicalType::TimestampLtz(precision) => Values::TimestampLtz(Vec::new(), *precision),
            LogicalType::IntervalYearMonth => Values::Months(Vec::new()),
            LogicalType::IntervalDayTime => Values::Millis(Vec::new()),
            LogicalType::Array(_) | LogicalType::Map(..) | LogicalType::Multiset(_) | LogicalType::Row(_) => {
                nested(path, field)?
            }
            LogicalType::Null => return Err(Error::user("a column cannot have type NULL").with("column", path)),
        };
        Ok(Self {
            spec: Spec { path: path.to_owned(), data_type, field: field.clone() },
            nulls: NullBufferBuilder::new(0),
            values,
        })
    }

    /// The column's array, leaving it empty.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        let nulls = self.nulls.finish();
        let data_type = self.spec.field.data_type();
        let array: ArrayRef = match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(std::mem::take(values)), nulls)),
            Values::TinyInt(values) => Arc::new(Int8Array::new(std::mem::take(values).into(), nulls)),
            Values::SmallInt(values) => Arc::new(Int16Array::new(std::mem::take(values).into(), nulls)),
            Values::Int(values) => Arc::new(Int32Array::new(std::mem::take(values).into(), nulls)),
            Values::BigInt(values) => Arc::new(Int64Array::new(std::mem::take(values).into(), nulls)),
            Values::Float(values) => Arc::new(Float32Array::new(std::mem::take(values).into(), nulls)),
            Values::Double(values) => Arc::new(Float64Array::new(std::mem::take(values).into(), nulls)),
            Values::Decimal(values, ..) => {
                Arc::new(Decimal128Array::new(std::mem::take(values).into(), nulls).with_data_type(data_type.clone()))
            }
            Values::Text(texts) => {
                let (offsets, bytes) = texts.finish()?;
                Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(arrow_error)?)
            }
            Values::Bytes(texts) => {
                let (offsets, bytes) = texts.finish()?;
                Arc::new(BinaryArray::try_new(offsets, bytes, nulls).map_err(arrow_error)?)
            }
            Values::Date(values) => Arc::new(PrimitiveArray::<Date32Type>::new(std::mem::take(values).into(), nulls)),
            Values::Time(values, precision) => times(std::mem::take(values), *precision, nulls),
            Values::Timestamp(values, precision) | Values::TimestampLtz(values, precision) => {
                timestamps(std::mem::take(values), *precision, nulls, data_type)
            }
            Values::Months(values) => Arc::new(IntervalYearMonthArray::new(std::mem::take(values).into(), nulls)),
            Values::Millis(values) => Arc::new(DurationMillisecondArray::new(std::mem::take(values).into(), nulls)),
            Values::Array(lengths, element) => {
                let offsets = lengths.finish()?;
                let values = element.finish()?;
                Arc::new(ListArray::try_new(element.spec.field.clone(), offsets, values, nulls).map_err(arrow_error)?)
            }
            Values::Map(lengths, keys, values) => {
                let offsets = lengths.finish()?;
                map(data_type, offsets, vec![keys.finish()?, values.finish()?], nulls).map_err(arrow_error)?
            }
            Values::Row(fields) => {
                let length = fields.first().map_or(0, |field| field.nulls.len());
                let arrays = fields.iter_mut().map(Self::finish).collect::<Result<Vec<_>>>()?;
                row(data_type, arrays, nulls, length).map_err(arrow_error)?
            }
        };
        Ok(array)
    }
}

fn nested(path: &str, field: &Field) -> Result<Values> {
    Ok(match field.data_type() {
        ArrowType::List(element) => {
            Values::Array(Lengths::default(), Box::new(Column::new(&format!("{path}[]"), element)?))
        }
        ArrowType::Struct(fields) => Values::Row(
            fields
                .iter()
                .map(|field| Column::new(&format!("{path}.{}", field.name()), field))
                .collect::<Result<_>>()?,
        ),
        ArrowType::Map(entries, _) => match entries.data_type() {
            ArrowType::Struct(fields) if fields.len() == 2 => Values::Map(
                Lengths::default(),
                Box::new(Column::new(&format!("{path}.key"), &fields[0])?),
                Box::new(Column::new(&format!("{path}.value"), &fields[1])?),
            ),
            other => return Err(Error::internal(format!("a map of {other}")).with("column", path)),
        },
        other => return Err(Error::internal(format!("{other} is not nested")).with("column", path)),
    })
}

fn times(nanos: Vec<i64>, precision: u8, nulls: Option<NullBuffer>) -> ArrayRef {
    match precision {
        0..=3 => {
            let millis =
                nanos.into_iter().map(|nanos| i32::try_from(nanos / 1_000_000).unwrap_or_default()).collect::<Vec<_>>();
            Arc::new(Time32MillisecondArray::new(millis.into(), nulls))
        }
        4..=6 => Arc::new(Time64MicrosecondArray::new(nanos.into_iter().map(|nanos| nanos / 1_000).collect(), nulls)),
        _ => Arc::new(Time64NanosecondArray::new(nanos.into(), nulls)),
    }
}

fn timestamps(values: Vec<i64>, precision: u8, nulls: Option<NullBuffer>, data_type: &ArrowType) -> ArrayRef {
    fn array<T: ArrowPrimitiveType<Native = i64>>(
        values: Vec<i64>,
        nulls: Option<NullBuffer>,
        data_type: &ArrowType,
    ) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(data_type.clone()))
    }
    match precision {
        0..=3 => array::<TimestampMillisecondType>(values, nulls, data_type),
        4..=6 => array::<TimestampMicrosecondType>(values, nulls, data_type),
        _ => array::<TimestampNanosecondType>(values, nulls, data_type),
    }
}

fn map(
    data_type: &ArrowType,
    offsets: OffsetBuffer<i32>,
    columns: Vec<ArrayRef>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let ArrowType::Map(entries, sorted) = data_type else {
        return Err(ArrowError::SchemaError(format!("{data_type} is no map")));
    };
    let ArrowType::Struct(fields) = entries.data_type() else {
        return Err(ArrowError::SchemaError(format!("{data_type} has no entries")));
    };
    let values = StructArray::try_new(fields.clone(), columns, None)?;
    Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, values, nulls, *sorted)?))
}

fn row(
    data_type: &ArrowType,
    columns: Vec<ArrayRef>,
    nulls: Option<NullBuffer>,
    length: usize,
) -> Result<ArrayRef, ArrowError> {
    let ArrowType::Struct(fields) = data_type else {
        return Err(ArrowError::SchemaError(format!("{data_type} is no row")));
    };
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, length)?))
}

/// What reading a slot gave.
pub(crate) enum Read<T> {
    /// A value.
    Value(T),
    /// NULL.
    Null,
    /// A text that is no value of the type.
    Bad,
}

impl<T> Read<T> {
    /// A value, or a text that is none.
    #[inline]
    pub(crate) fn of(value: Option<T>) -> Self {
        value.map_or(Self::Bad, Self::Value)
    }
}

/// Reads a column's slots.
#[inline]
pub(crate) fn append<'a, T: Copy + Default>(
    values: &mut Vec<T>,
    spec: &Spec,
    nulls: &mut NullBufferBuilder,
    slots: Slots<'_, 'a>,
    problems: &mut Problems,
    mut read: impl FnMut(&Slot<'a>) -> Read<T>,
) {
    values.reserve(slots.len());
    for slot in slots.iter() {
        match read(slot) {
            Read::Value(value) => {
                values.push(value);
                nulls.append_non_null();
            }
            nothing => {
                values.push(T::default());
                append_nothing(&nothing, spec, nulls, slot, problems);
            }
        }
    }
}

/// Notes that a slot gave no value; the caller has put a placeholder where the value would be.
#[cold]
pub(crate) fn append_nothing<T>(
    nothing: &Read<T>,
    spec: &Spec,
    nulls: &mut NullBufferBuilder,
    slot: &Slot<'_>,
    problems: &mut Problems,
) {
    let nullable = spec.data_type.nullable;
    match nothing {
        Read::Bad if !(problems.ignore && nullable) => problems.unreadable(slot.row, spec, slot.text),
        Read::Null if !nullable && slot.kind != Kind::Masked => problems.unexpected_null(slot.row, spec),
        _ => {}
    }
    nulls.append(!nullable);
}

/// Reads a column of texts or bytes; `read` appends to the bytes it is given. What is no UTF-8 costs its row, if `utf8` is demanded.
#[inline]
pub(crate) fn append_text<'a>(
    texts: &mut Texts,
    utf8: bool,
    spec: &Spec,
    nulls: &mut NullBufferBuilder,
    slots: Slots<'_, 'a>,
    problems: &mut Problems,
    mut read: impl FnMut(&Slot<'a>, &mut Vec<u8>) -> Read<()>,
) {
    let (start, first) = (texts.bytes.len(), texts.ends.len());
    texts.ends.reserve(slots.len());
    for slot in slots.iter() {
        let length = texts.bytes.len();
        match read(slot, &mut texts.bytes) {
            Read::Value(()) => nulls.append_non_null(),
            nothing => {
                texts.bytes.truncate(length);
                append_nothing(&nothing, spec, nulls, slot, problems);
            }
        }
        texts.end();
    }
    if utf8 && !texts.bytes[start..].is_ascii() {
        refuse_invalid_utf8(texts, first, spec, slots, problems);
    }
}

#[cold]
fn refuse_invalid_utf8(texts: &mut Texts, first: usize, spec: &Spec, slots: Slots<'_, '_>, problems: &mut Problems) {
    let position = |end: Option<&i32>| end.and_then(|end| usize::try_from(*end).ok()).unwrap_or_default();
    let mut start = position(first.checked_sub(1).and_then(|last| texts.ends.get(last)));
    for (end, slot) in texts.ends[first..].iter().zip(slots.iter()) {
        let end = position(Some(end));
        let text = texts.bytes.get_mut(start..end).unwrap_or_default();
        if std::str::from_utf8(text).is_err() {
            problems.report(slot.row, || {
                Error::data(format!("'{}' is not valid UTF-8", super::shorten(text))).with("column", &spec.path)
            });
            text.fill(b'?');
        }
        start = end;
    }
}
