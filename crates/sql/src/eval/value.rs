//! A column or a constant.

use std::sync::Arc;

use arrow::array::{Array, ArrayAccessor, ArrayRef, BooleanArray, Datum, Scalar, UInt32Array, new_null_array};
use arrow::compute;
use arrow::datatypes::DataType as ArrowType;
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};

use super::Column;

/// A column, or a constant that stands for a column of equal values.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// One value a row.
    Array(ArrayRef),
    /// The same value in every row.
    Scalar(Scalar<ArrayRef>),
}

impl Value {
    /// A constant from an array of one row.
    pub(crate) fn scalar(array: ArrayRef) -> Self {
        Self::Scalar(Scalar::new(array))
    }

    /// A constant NULL.
    pub(crate) fn null(data_type: &ArrowType) -> Self {
        Self::scalar(new_null_array(data_type, 1))
    }

    /// A constant truth value.
    pub(crate) fn boolean(value: bool) -> Self {
        Self::scalar(Arc::new(BooleanArray::from(vec![value])))
    }

    /// Whether it is a constant.
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self, Self::Scalar(_))
    }

    /// Whether it is a constant NULL.
    pub(crate) fn is_null_scalar(&self) -> bool {
        self.is_scalar() && self.array().is_null(0)
    }

    /// The array; of a constant, that of its one row.
    pub(crate) fn array(&self) -> &dyn Array {
        match self {
            Self::Array(array) => array.as_ref(),
            Self::Scalar(scalar) => scalar.get().0,
        }
    }

    /// The shared form of [`Value::array`].
    pub(crate) fn to_array(&self) -> ArrayRef {
        match self {
            Self::Array(array) => Arc::clone(array),
            Self::Scalar(scalar) => scalar.clone().into_inner(),
        }
    }

    /// For Arrow's kernels.
    pub(crate) fn datum(&self) -> &dyn Datum {
        match self {
            Self::Array(array) => array,
            Self::Scalar(scalar) => scalar,
        }
    }

    /// A column of `rows` rows.
    ///
    /// # Errors
    /// Arrow cannot repeat the constant.
    pub(crate) fn into_column(self, rows: usize) -> Result<ArrayRef> {
        match self {
            Self::Array(array) => Ok(array),
            Self::Scalar(scalar) if rows == 1 => Ok(scalar.into_inner()),
            Self::Scalar(scalar) => {
                let array = scalar.into_inner();
                if array.is_null(0) {
                    return Ok(new_null_array(array.data_type(), rows));
                }
                compute::take(&array, &UInt32Array::from(vec![0; rows]), None).map_err(arrow_error)
            }
        }
    }

    /// Its cells, of Arrow type `A`.
    ///
    /// # Errors
    /// It has another type, which is a bug of the function that was bound.
    pub(crate) fn cells<A: Array + 'static>(&self) -> Result<Column<&A>>
    where
        for<'a> &'a A: ArrayAccessor,
    {
        let array = self.array();
        let typed = array.as_any().downcast_ref::<A>();
        typed.map(|typed| Column::new(typed, self.is_scalar())).ok_or_else(|| {
            Error::internal(format!("a kernel expected {}, not {}", std::any::type_name::<A>(), array.data_type()))
        })
    }
}

/// An error of Arrow that no input explains.
pub(crate) fn arrow_error(error: ArrowError) -> Error {
    Error::internal("an operation on columns failed").caused_by(error)
}
