//! Tables as Flink's client draws them in its mode TABLEAU (`TableauStyle`, `CliTableauResultView`).
//!
//! A query's columns are as wide as their type can need, because rows are written before the next ones are known; a statement's answer is
//! as wide as its content. Values stand on the right; what is too long is cut. A character that is two columns wide in a terminal counts two. Flink
//! counts three for one outside the basic plane (an emoji), so that its lines end at different columns; here they do not.

use std::io::{self, Write};
use std::time::Duration;

use riverrun_data::{LogicalType, RowKind};
use unicode_width::UnicodeWidthChar;

use super::result::{Column, ResultTable};

/// What stands for NULL in a query's result.
const NULL: &str = "<NULL>";
/// What stands where text was cut.
const CUT: &str = "...";
/// The column with the row's kind.
const KIND: &str = "op";

/// How wide a column of text is drawn at most, where nothing else is said (`sql-client.display.max-column-width`).
pub const COLUMN_WIDTH: usize = 30;

/// A table whose columns have their widths.
pub struct Tableau {
    names: Vec<String>,
    widths: Vec<usize>,
}

impl Tableau {
    /// For a query's rows, each with its kind; a column whose type has no longest value is `max_width` wide.
    pub fn of_query(columns: &[Column], max_width: usize) -> Self {
        let names = std::iter::once(KIND.to_owned()).chain(columns.iter().map(|column| column.name.clone()));
        let width = |column: &Column| {
            type_width(&column.data_type.logical, max_width).max(NULL.len()).max(column.name.chars().count())
        };
        let widths = std::iter::once(KIND.len()).chain(columns.iter().map(width));
        Self { names: names.collect(), widths: widths.collect() }
    }

    /// Draws the names of the columns.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn head(&self, out: &mut impl Write) -> io::Result<()> {
        self.border(out)?;
        self.line(self.names.iter().map(String::as_str), out)?;
        self.border(out)
    }

    /// Draws a row with its kind.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn changed(&self, kind: RowKind, values: &[Option<String>], out: &mut impl Write) -> io::Result<()> {
        let values = values.iter().map(|value| value.as_deref().unwrap_or(NULL));
        self.line(std::iter::once(kind.short()).chain(values), out)
    }

    /// Draws what stands behind the rows: how many there were, and how long it took or, if `terminated`, that the user ended it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn foot(&self, rows: u64, elapsed: Duration, terminated: bool, out: &mut impl Write) -> io::Result<()> {
        let term = row_term(rows);
        if terminated {
            return writeln!(out, "Query terminated, received a total of {rows} {term}");
        }
        if rows > 0 {
            self.border(out)?;
        }
        writeln!(out, "Received a total of {rows} {term} ({:.2} seconds)", elapsed.as_secs_f64())
    }

    fn border(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"+")?;
        for width in &self.widths {
            write!(out, "{:-<1$}+", "", width + 2)?;
        }
        out.write_all(b"\n")
    }

    fn line<'v>(&self, values: impl Iterator<Item = &'v str>, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"|")?;
        for (value, width) in values.zip(&self.widths) {
            out.write_all(b" ")?;
            cell(value, *width, out)?;
            out.write_all(b" |")?;
        }
        out.write_all(b"\n")
    }
}

impl ResultTable {
    /// Draws the answer of a statement: a table, or the bare text where it is one (SHOW CREATE, EXPLAIN).
    ///
    /// # Errors
    /// It cannot be written.
    pub fn draw(&self, out: &mut impl Write) -> io::Result<()> {
        let value = |value: &'_ Option<String>| value.clone().unwrap_or_default();
        if let [column] = self.columns.as_slice()
            && column.name == "result"
        {
            return self.rows.iter().flatten().try_for_each(|text| writeln!(out, "{}", value(text)));
        }
        if self.rows.is_empty() {
            return writeln!(out, "Empty set");
        }
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(value).collect()).collect();
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let content =
            |n: usize| rows.iter().filter_map(move |row| row.get(n)).map(|text| text_width(text)).max().unwrap_or(0);
        let widths = names.iter().enumerate().map(|(n, name)| name.chars().count().max(content(n))).collect();
        let tableau = Tableau { names, widths };
        tableau.head(out)?;
        for row in &rows {
            tableau.line(row.iter().map(String::as_str), out)?;
        }
        tableau.border(out)?;
        writeln!(out, "{} {} in set", rows.len(), row_term(rows.len() as u64))
    }
}

fn row_term(rows: u64) -> &'static str {
    if rows > 1 { "rows" } else { "row" }
}

/// What the longest value of a type needs; `max_width` where it has no bound.
fn type_width(logical: &LogicalType, max_width: usize) -> usize {
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
        _ => max_width,
    }
}

/// A value on the right of its column, cut where it is too long.
fn cell(value: &str, width: usize, out: &mut impl Write) -> io::Result<()> {
    let used = text_width(value);
    if used <= width {
        return write!(out, "{:1$}{value}", "", width - used);
    }
    let room = width.saturating_sub(CUT.len());
    let mut kept = 0;
    let mut end = 0;
    for (at, c) in value.char_indices() {
        if kept + char_width(c) > room {
            break;
        }
        kept += char_width(c);
        end = at + c.len_utf8();
    }
    write!(out, "{:1$}{2}{CUT}", "", room - kept, &value[..end])
}

fn text_width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char_width).sum() }
}

/// Two for what East Asian fonts draw wide, one for everything else, combining characters too, as in Flink.
fn char_width(c: char) -> usize {
    if c.width() == Some(2) { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use riverrun_data::DataType;

    use super::*;

    fn column(name: &str, logical: LogicalType) -> Column {
        Column { name: name.to_owned(), data_type: DataType::nullable(logical) }
    }

    fn values(values: &[Option<&str>]) -> Vec<Option<String>> {
        values.iter().map(|value| value.map(str::to_owned)).collect()
    }

    fn drawn(draw: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        draw(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_query_is_drawn_as_flinks_client_does() {
        let columns = [
            column("id", LogicalType::Int),
            column("k", LogicalType::STRING),
            column("a_long_name_of_a_column", LogicalType::Boolean),
        ];
        let table = Tableau::of_query(&columns, 30);
        let text = drawn(|out| {
            table.head(out)?;
            table.changed(
                RowKind::Insert,
                &values(&[Some("1"), Some("text of more than thirty characters"), Some("TRUE")]),
                out,
            )?;
            table.changed(RowKind::UpdateAfter, &values(&[None, Some("日本"), None]), out)?;
            table.foot(2, Duration::from_millis(204), false, out)
        });
        let expected = "\
+----+-------------+--------------------------------+-------------------------+
| op |          id |                              k | a_long_name_of_a_column |
+----+-------------+--------------------------------+-------------------------+
| +I |           1 | text of more than thirty ch... |                    TRUE |
| +U |      <NULL> |                           日本 |                  <NULL> |
+----+-------------+--------------------------------+-------------------------+
Received a total of 2 rows (0.20 seconds)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn no_row_has_no_border_behind_it_and_an_end_by_the_user_says_so() {
        let table = Tableau::of_query(&[column("x", LogicalType::Int)], 30);
        assert_eq!(
            drawn(|out| table.foot(0, Duration::ZERO, false, out)),
            "Received a total of 0 row (0.00 seconds)\n"
        );
        assert_eq!(
            drawn(|out| table.foot(5, Duration::ZERO, true, out)),
            "Query terminated, received a total of 5 rows\n"
        );
    }

    #[test]
    fn wide_text_is_cut_between_characters_and_filled_up() {
        assert_eq!(drawn(|out| cell("日本語日本語", 8, out)), " 日本...");
        assert_eq!(drawn(|out| cell("日本語日本語", 9, out)), "日本語...");
        assert_eq!(drawn(|out| cell("abc", 5, out)), "  abc");
    }

    #[test]
    fn widths_follow_the_type() {
        let widths = [
            LogicalType::TinyInt,
            LogicalType::BigInt,
            LogicalType::Decimal(10, 2),
            LogicalType::Timestamp(3),
            LogicalType::Double,
        ];
        assert_eq!(widths.map(|logical| type_width(&logical, 30)), [4, 20, 12, 23, 30]);
    }

    #[test]
    fn answers_are_as_wide_as_their_content_and_texts_are_bare() {
        let columns = vec![column("table name", LogicalType::STRING)];
        let table = |names: &[&str]| ResultTable {
            columns: columns.clone(),
            rows: names.iter().map(|name| values(&[Some(name)])).collect(),
        };
        let expected = "+------------+\n| table name |\n+------------+\n|     orders |\n+------------+\n1 row in set\n";
        assert_eq!(drawn(|out| table(&["orders"]).draw(out)), expected);
        assert_eq!(drawn(|out| table(&[]).draw(out)), "Empty set\n");
        let text =
            ResultTable { columns: vec![column("result", LogicalType::STRING)], rows: vec![values(&[Some("a\nb")])] };
        assert_eq!(drawn(|out| text.draw(out)), "a\nb\n");
    }
}
