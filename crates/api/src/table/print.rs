//! Rows drawn as Flink's `TableResult.print()` draws them: a query's columns are as wide as their types can need, because rows are written before the
//! next ones are known; values stand on the right, and what is too long is cut.

use std::io::{self, Write};
use std::time::Duration;

use riverrun_data::{LogicalType, RowKind};
use riverrun_sql::{Column, ResultTable};

/// What stands for NULL.
const NULL: &str = "<NULL>";
/// How wide a column without bound is.
const MAX_WIDTH: usize = 30;

/// A table whose columns have their widths.
pub(super) struct Tableau {
    names: Vec<String>,
    widths: Vec<usize>,
}

impl Tableau {
    /// For a query's rows, each with its kind.
    pub(super) fn of_query(columns: &[Column]) -> Self {
        let width =
            |column: &Column| type_width(&column.data_type.logical).max(NULL.len()).max(column.name.chars().count());
        Self {
            names: std::iter::once("op".to_owned()).chain(columns.iter().map(|column| column.name.clone())).collect(),
            widths: std::iter::once(2).chain(columns.iter().map(width)).collect(),
        }
    }

    pub(super) fn head(&self, out: &mut impl Write) -> io::Result<()> {
        self.border(out)?;
        self.line(self.names.iter().map(String::as_str), out)?;
        self.border(out)
    }

    /// A row with its kind.
    pub(super) fn changed(&self, kind: RowKind, values: &[Option<String>], out: &mut impl Write) -> io::Result<()> {
        let values = values.iter().map(|value| value.as_deref().unwrap_or(NULL));
        self.line(std::iter::once(kind.short()).chain(values), out)
    }

    pub(super) fn foot(&self, rows: usize, elapsed: Duration, out: &mut impl Write) -> io::Result<()> {
        if rows > 0 {
            self.border(out)?;
        }
        let term = if rows > 1 { "rows" } else { "row" };
        writeln!(out, "Received a total of {rows} {term} ({:.2} seconds)", elapsed.as_secs_f64())
    }

    fn border(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"+")?;
        self.widths.iter().try_for_each(|width| write!(out, "{:-<1$}+", "", width + 2))?;
        out.write_all(b"\n")
    }

    fn line<'v>(&self, values: impl Iterator<Item = &'v str>, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"|")?;
        for (value, width) in values.zip(&self.widths) {
            let length = value.chars().count();
            if length <= *width {
                write!(out, " {:1$}{value} |", "", width - length)?;
            } else {
                let kept: String = value.chars().take(width.saturating_sub(3)).collect();
                write!(out, " {kept}... |")?;
            }
        }
        out.write_all(b"\n")
    }
}

/// The answer of a statement: a table, or the bare text where it is one.
pub(super) fn answer(table: &ResultTable, out: &mut impl Write) -> io::Result<()> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    if let [column] = table.columns.as_slice()
        && column.name == "result"
    {
        return table.rows.iter().flatten().try_for_each(|value| writeln!(out, "{}", text(value)));
    }
    if table.rows.is_empty() {
        return writeln!(out, "Empty set");
    }
    let rows: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(text).collect()).collect();
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let longest = |n: usize| rows.iter().filter_map(|row| row.get(n)).map(|text| text.chars().count()).max();
    let widths = names.iter().enumerate().map(|(n, name)| name.chars().count().max(longest(n).unwrap_or(0))).collect();
    let tableau = Tableau { names, widths };
    tableau.head(out)?;
    rows.iter().try_for_each(|row| tableau.line(row.iter().map(String::as_str), out))?;
    tableau.border(out)?;
    writeln!(out, "{} {} in set", rows.len(), if rows.len() > 1 { "rows" } else { "row" })
}

/// What the longest value of a type needs.
fn type_width(logical: &LogicalType) -> usize {
    match logical {
        LogicalType::TinyInt => 4,
        LogicalType::SmallInt => 6,
        LogicalType::Int => 11,
        LogicalType::BigInt => 20,
        LogicalType::Decimal(precision, _) => usize::from(*precision) + 2,
        LogicalType::Boolean => 5,
        LogicalType::Date => 10,
        LogicalType::Time(0) => 8,
        LogicalType::Time(precision) => usize::from(*precision) + 9,
        LogicalType::Timestamp(precision) | LogicalType::TimestampLtz(precision) => match precision {
            0 => 19,
            1..=3 => 23,
            4..=6 => 26,
            _ => 29,
        },
        _ => MAX_WIDTH,
    }
}
