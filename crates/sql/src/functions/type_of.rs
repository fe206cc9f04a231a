//! `TYPEOF`.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Datum, StringArray};
use riverrun_data::{DataType, LogicalType as L};

use super::signature::{Choice, Refusal, count};
use super::{Argument, Bound, ScalarFunction};
use crate::eval::Value;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[ScalarFunction {
    names: &["TYPEOF"],
    usage: "TYPEOF(value [, full])",
    description: "The type of a value as text; with TRUE, without short names such as STRING.",
    choose: type_of,
}];

fn type_of(args: &[Argument]) -> Choice {
    count(args, 1..=2)?;
    let full = match args.get(1) {
        None => false,
        Some(full) => {
            full.boolean()?;
            let value = full
                .literal
                .as_ref()
                .ok_or_else(|| Refusal::because("the second argument of TYPEOF must be a constant"))?;
            let array = value.get().0;
            array.as_boolean_opt().is_some_and(|flag| flag.is_valid(0) && flag.value(0))
        }
    };
    let mut text = String::new();
    write(&args[0].data_type, full, &mut text);
    let arguments = args.iter().map(|arg| arg.data_type.clone()).collect();
    // Flink shows the type as nullable though it always has a value.
    Ok(Bound::new(arguments, DataType::nullable(L::STRING), move |_, _| {
        Ok(Value::scalar(Arc::new(StringArray::from(vec![text.as_str()]))))
    }))
}

fn write(data_type: &DataType, full: bool, out: &mut String) {
    match &data_type.logical {
        L::VarChar(length) if full => out.push_str(&format!("VARCHAR({length})")),
        L::VarBinary(length) if full => out.push_str(&format!("VARBINARY({length})")),
        L::IntervalYearMonth => out.push_str("INTERVAL MONTH"),
        L::IntervalDayTime => out.push_str("INTERVAL SECOND(3)"),
        L::Array(element) => nested("ARRAY<", [&**element], full, out),
        L::Multiset(element) => nested("MULTISET<", [&**element], full, out),
        L::Map(key, value) => nested("MAP<", [&**key, &**value], full, out),
        L::Row(fields) => {
            out.push_str("ROW<");
            for (n, field) in fields.iter().enumerate() {
                out.push_str(if n == 0 { "`" } else { ", `" });
                out.push_str(&field.name);
                out.push_str("` ");
                write(&field.data_type, full, out);
            }
            out.push('>');
        }
        other => out.push_str(&other.to_string()),
    }
    if !data_type.nullable && data_type.logical != L::Null {
        out.push_str(" NOT NULL");
    }
}

fn nested<'a>(start: &str, parts: impl IntoIterator<Item = &'a DataType>, full: bool, out: &mut String) {
    out.push_str(start);
    for (n, part) in parts.into_iter().enumerate() {
        out.push_str(if n == 0 { "" } else { ", " });
        write(part, full, out);
    }
    out.push('>');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_flink_names_them() {
        let name = |data_type: DataType, full: bool| {
            let mut text = String::new();
            write(&data_type, full, &mut text);
            text
        };
        assert_eq!(name(DataType::not_null(L::STRING), false), "STRING NOT NULL");
        assert_eq!(name(DataType::not_null(L::STRING), true), "VARCHAR(2147483647) NOT NULL");
        assert_eq!(name(DataType::not_null(L::IntervalDayTime), false), "INTERVAL SECOND(3) NOT NULL");
        assert_eq!(
            name(DataType::nullable(L::Array(Box::new(DataType::not_null(L::Int)))), false),
            "ARRAY<INT NOT NULL>"
        );
        assert_eq!(name(DataType::nullable(L::Null), false), "NULL");
    }
}
