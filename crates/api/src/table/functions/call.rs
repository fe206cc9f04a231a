//! Calls of a closure with the values of a row.

use std::marker::PhantomData;

use arrow::array::{Array, ArrayRef};
use riverrun_base::Result;
use riverrun_data::DataType;
use riverrun_sql::UserSignature;
use serde::de::DeserializeOwned;

use crate::table::bridge::{is_single, taken};
use crate::table::rows::{Column, Rows, columns_of};

/// A closure of one to eight arguments, of which `A` is the tuple.
pub trait RowFunction<A, R>: Send + Sync + 'static {
    /// Calls it.
    fn call(&self, arguments: A) -> R;
}

macro_rules! closures {
    ($($name:ident $value:ident),*) => {
        impl<F, R, $($name),*> RowFunction<($($name,)*), R> for F
        where
            F: Fn($($name),*) -> R + Send + Sync + 'static,
        {
            fn call(&self, ($($value,)*): ($($name,)*)) -> R {
                self($($value),*)
            }
        }
    };
}

closures!(A a);
closures!(A a, B b);
closures!(A a, B b, C c);
closures!(A a, B b, C c, D d);
closures!(A a, B b, C c, D d, E e);
closures!(A a, B b, C c, D d, E e, G g);
closures!(A a, B b, C c, D d, E e, G g, H h);
closures!(A a, B b, C c, D d, E e, G g, H h, I i);

/// The arguments of a function as a tuple, or one value, of the program.
pub(super) struct Arguments<A>(PhantomData<fn() -> A>);

impl<A: DeserializeOwned> Arguments<A> {
    /// What is taken of arguments of these types, for a function that answers `returns`. A result that is left out for NULL is nullable.
    ///
    /// # Errors
    /// `A` is no type of SQL.
    pub(super) fn signature(given: &[DataType], returns: DataType, null_for_null: bool) -> Result<UserSignature> {
        let own: Vec<DataType> = columns_of::<A>()?.into_iter().map(|column| column.data_type).collect();
        let leaves_out = null_for_null && own.iter().zip(given).any(|(own, given)| !own.nullable && given.nullable);
        let arguments = if own.len() == given.len() {
            given.iter().zip(&own).map(|(given, own)| taken(given, own)).collect()
        } else {
            own
        };
        Ok(UserSignature { arguments, returns: DataType { nullable: returns.nullable || leaves_out, ..returns } })
    }

    /// Calls `take` with each row's arguments, in order; `None` for a row with NULL where `A` takes none.
    ///
    /// # Errors
    /// What `take` answers, or the columns are no `A`.
    pub(super) fn each(
        columns: &[ArrayRef],
        rows: usize,
        mut take: impl FnMut(usize, Option<A>) -> Result<()>,
    ) -> Result<()> {
        let own = columns_of::<A>()?;
        let strict: Vec<&ArrayRef> = own
            .iter()
            .zip(columns)
            .filter(|(own, column)| !own.data_type.nullable && column.null_count() > 0)
            .map(|(_, column)| column)
            .collect();
        let is_single = is_single::<A>()?;
        let named = own.iter().zip(columns);
        let named = named.map(|(own, column)| Ok((own.name.as_str(), Column::of(column)?))).collect::<Result<_>>()?;
        let reader = Rows::new(named, is_single);
        for row in 0..rows {
            let missing = strict.iter().any(|column| column.is_null(row));
            take(row, if missing { None } else { Some(reader.read(row)?) })?;
        }
        Ok(())
    }
}
