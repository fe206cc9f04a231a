//! What kernels are made of: cells of a column or a constant, and the loop over the rows.
//!
//! A kernel takes its arguments' cells, then lets [`Rows`] call a closure for each row. The closure is compiled into the loop, so that
//! nothing is called dynamically, and nothing allocated, for a row.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayAccessor, ArrowPrimitiveType, BinaryBuilder, BooleanArray, BooleanBufferBuilder, NullBufferBuilder,
    PrimitiveArray, StringBuilder,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType as ArrowType;
use riverrun_base::Result;

use super::{EvalContext, Value};

/// The cells of an argument, the same way for a column and a constant.
#[derive(Clone, Copy)]
pub(crate) struct Column<A> {
    array: A,
    /// All ones for a column, zero for a constant: what a row's number is masked with.
    mask: usize,
}

impl<A: ArrayAccessor> Column<A> {
    pub(super) fn new(array: A, scalar: bool) -> Self {
        Self { array, mask: if scalar { 0 } else { usize::MAX } }
    }

    /// The cell of a row; of any value where the row is NULL.
    #[inline]
    pub(crate) fn at(&self, row: usize) -> A::Item {
        self.array.value(row & self.mask)
    }

    /// Whether a row is NULL.
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row & self.mask)
    }

    /// The cell of a row, `None` where it is NULL.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<A::Item> {
        if self.is_null(row) { None } else { Some(self.at(row)) }
    }

    /// The value of a constant that is not NULL.
    pub(crate) fn constant(&self) -> Option<A::Item> {
        if self.mask == 0 { self.get(0) } else { None }
    }
}

/// Where a text is written to.
pub(crate) trait Text: Write {
    /// Appends `text`.
    fn push(&mut self, text: &str);

    /// Appends a character.
    fn push_char(&mut self, character: char) {
        self.push(character.encode_utf8(&mut [0; 4]));
    }
}

impl Text for String {
    fn push(&mut self, text: &str) {
        self.push_str(text);
    }
}

impl Text for StringBuilder {
    fn push(&mut self, text: &str) {
        // Writing to a builder cannot fail.
        let _infallible = self.write_str(text);
    }
}

/// The rows that a kernel computes: one where every argument is constant, else those of the batch.
pub(crate) struct Rows {
    count: usize,
    constant: bool,
    nulls: Option<NullBuffer>,
}

impl Rows {
    /// Rows that are NULL wherever an argument is.
    pub(crate) fn strict(args: &[Value], context: &EvalContext) -> Self {
        let mut rows = Self::all(args, context);
        for arg in args {
            let nulls = match (arg, arg.array().logical_nulls()) {
                (_, None) => continue,
                (Value::Array(_), nulls) => nulls,
                (Value::Scalar(_), Some(nulls)) if nulls.null_count() > 0 => Some(NullBuffer::new_null(rows.count)),
                (Value::Scalar(_), _) => continue,
            };
            rows.nulls = NullBuffer::union(rows.nulls.as_ref(), nulls.as_ref());
        }
        rows
    }

    /// Rows of a function that looks at NULLs itself.
    pub(crate) fn all(args: &[Value], context: &EvalContext) -> Self {
        let constant = args.iter().all(Value::is_scalar);
        Self { count: if constant { 1 } else { context.rows }, constant, nulls: None }
    }

    /// Every row of the batch, also where the arguments are constant: for a function whose value changes from row to row.
    pub(crate) fn each(context: &EvalContext) -> Self {
        Self { count: context.rows, constant: false, nulls: None }
    }

    /// How many rows are computed.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether every argument is constant.
    pub(crate) fn is_constant(&self) -> bool {
        self.constant
    }

    /// The rows that are NULL because an argument is.
    pub(crate) fn nulls(&self) -> Option<&NullBuffer> {
        self.nulls.as_ref()
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// An array of [`Rows::count`] rows as this function's value.
    pub(crate) fn value(&self, array: impl Array + 'static) -> Value {
        let array = Arc::new(array);
        if self.constant { Value::scalar(array) } else { Value::Array(array) }
    }

    /// Numbers, dates or times that every row has; `compute` also sees NULL rows, and its value is dropped.
    pub(crate) fn numbers<T: ArrowPrimitiveType>(
        &self,
        data_type: &ArrowType,
        compute: impl FnMut(usize) -> T::Native,
    ) -> Value {
        let values: Vec<T::Native> = (0..self.count).map(compute).collect();
        let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), self.nulls.clone());
        self.value(array.with_data_type(data_type.clone()))
    }

    /// Numbers, dates or times of the rows that are not NULL; `None` makes a NULL.
    pub(crate) fn try_numbers<T: ArrowPrimitiveType>(
        &self,
        data_type: &ArrowType,
        mut compute: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<Value> {
        let mut values = Vec::with_capacity(self.count);
        let mut nulls = NullBufferBuilder::new(self.count);
        for row in 0..self.count {
            let value = if self.is_null(row) { None } else { compute(row)? };
            nulls.append(value.is_some());
            values.push(value.unwrap_or_default());
        }
        let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls.finish());
        Ok(self.value(array.with_data_type(data_type.clone())))
    }

    /// Truth values; `test` also sees NULL rows.
    pub(crate) fn booleans(&self, test: impl FnMut(usize) -> bool) -> Value {
        self.value(BooleanArray::new(BooleanBuffer::collect_bool(self.count, test), self.nulls.clone()))
    }

    /// Truth values of the rows that are not NULL; `None` makes a NULL.
    pub(crate) fn try_booleans(&self, mut test: impl FnMut(usize) -> Result<Option<bool>>) -> Result<Value> {
        let mut values = BooleanBufferBuilder::new(self.count);
        let mut nulls = NullBufferBuilder::new(self.count);
        for row in 0..self.count {
            let value = if self.is_null(row) { None } else { test(row)? };
            nulls.append(value.is_some());
            values.append(value.unwrap_or_default());
        }
        Ok(self.value(BooleanArray::new(values.finish(), nulls.finish())))
    }

    /// Texts of the rows that are not NULL; `write` appends the text and returns true, or returns false for NULL.
    pub(crate) fn texts(&self, mut write: impl FnMut(usize, &mut StringBuilder) -> Result<bool>) -> Result<Value> {
        let mut out = StringBuilder::with_capacity(self.count, self.count * 16);
        for row in 0..self.count {
            if !self.is_null(row) && write(row, &mut out)? {
                out.append_value("");
            } else {
                out.append_null();
            }
        }
        Ok(self.value(out.finish()))
    }

    /// Bytes of the rows that are not NULL; as [`Rows::texts`].
    pub(crate) fn bytes(&self, mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<bool>) -> Result<Value> {
        let mut out = BinaryBuilder::with_capacity(self.count, self.count * 16);
        let mut cell = Vec::new();
        for row in 0..self.count {
            cell.clear();
            if !self.is_null(row) && write(row, &mut cell)? {
                out.append_value(&cell);
            } else {
                out.append_null();
            }
        }
        Ok(self.value(out.finish()))
    }
}
