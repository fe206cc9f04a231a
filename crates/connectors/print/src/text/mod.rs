//! Rows as Flink's `print` shows them: `+I[1, a, null]`, each value as the `toString` of the Java object that Flink makes of it.

mod time;
mod value;

use riverrun_base::Result;
use riverrun_data::Batch;

use value::Column;

/// Appends a line for each row.
///
/// # Errors
/// A column has a type that no table column can have: a bug.
pub(crate) fn write_rows(out: &mut Vec<u8>, prefix: &str, batch: &Batch) -> Result<()> {
    let columns = batch.rows().columns().iter().map(|column| Column::new(column)).collect::<Result<Vec<_>>>()?;
    for row in 0..batch.num_rows() {
        out.extend_from_slice(prefix.as_bytes());
        write_row(out, batch.kind(row).short(), &columns, row);
        out.push(b'\n');
    }
    Ok(())
}

/// Appends the values of a row in brackets, behind its kind.
fn write_row(out: &mut Vec<u8>, kind: &str, columns: &[Column<'_>], row: usize) {
    out.extend_from_slice(kind.as_bytes());
    write_list(out, b"[]", columns.iter(), |out, column| column.write(out, row));
}

/// Appends items with commas between two brackets.
fn write_list<T>(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    out.push(brackets[0]);
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.extend_from_slice(b", ");
        }
        write(out, item);
    }
    out.push(brackets[1]);
}
