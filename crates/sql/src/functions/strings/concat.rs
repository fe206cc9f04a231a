//! `||`, `CONCAT` and `CONCAT_WS`.

use arrow::array::StringArray;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L, MAX_LENGTH};

use super::length_of;
use crate::eval::{EvalContext, Rows, Text, Value};
use crate::functions::signature::{Choice, Refusal, any_nullable, count, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["||"],
        usage: "string || string",
        description: "Two texts, one behind the other; NULL if any is NULL.",
        choose: operator,
    },
    ScalarFunction {
        names: &["CONCAT"],
        usage: "CONCAT(string, ...)",
        description: "Texts, one behind the other; NULL if any is NULL.",
        choose: concat,
    },
    ScalarFunction {
        names: &["CONCAT_WS"],
        usage: "CONCAT_WS(separator, string, ...)",
        description: "Texts with a separator between them; NULLs are left out.",
        choose: with_separator,
    },
];

fn operator(args: &[Argument]) -> Choice {
    let [left, right] = exactly(args)?;
    if left.data_type.logical.is_binary() && right.data_type.logical.is_binary() {
        return bytes(left, right);
    }
    let (a, b) = (left.text()?, right.text()?);
    let length = length_of(&a).saturating_add(length_of(&b)).min(MAX_LENGTH);
    let logical = match (&a.logical, &b.logical) {
        (L::Char(_), L::Char(_)) => L::Char(length),
        _ => L::VarChar(length),
    };
    Ok(Bound::new(vec![a, b], DataType { logical, nullable: any_nullable(args) }, append))
}

fn bytes(left: &Argument, right: &Argument) -> Choice {
    let size = |data_type: &DataType| match data_type.logical {
        L::Binary(length) | L::VarBinary(length) => length,
        _ => MAX_LENGTH,
    };
    let length = size(&left.data_type).saturating_add(size(&right.data_type)).min(MAX_LENGTH);
    let logical = match (&left.data_type.logical, &right.data_type.logical) {
        (L::Binary(_), L::Binary(_)) => L::Binary(length),
        _ => L::VarBinary(length),
    };
    let returns = DataType { logical, nullable: left.is_nullable() || right.is_nullable() };
    Ok(Bound::new(vec![left.data_type.clone(), right.data_type.clone()], returns, |args, context| {
        let parts = args.iter().map(|arg| arg.cells::<arrow::array::BinaryArray>()).collect::<Result<Vec<_>>>()?;
        Rows::strict(args, context).bytes(|row, out| {
            parts.iter().for_each(|part| out.extend_from_slice(part.at(row)));
            Ok(true)
        })
    }))
}

fn concat(args: &[Argument]) -> Choice {
    count(args, 1..=usize::MAX)?;
    let arguments = args.iter().map(Argument::text).collect::<Result<Vec<_>, Refusal>>()?;
    Ok(Bound::new(arguments, DataType { logical: L::STRING, nullable: any_nullable(args) }, append))
}

fn append(args: &[Value], context: &EvalContext) -> Result<Value> {
    let parts = args.iter().map(|arg| arg.cells::<StringArray>()).collect::<Result<Vec<_>>>()?;
    Rows::strict(args, context).texts(|row, out| {
        parts.iter().for_each(|part| out.push(part.at(row)));
        Ok(true)
    })
}

fn with_separator(args: &[Argument]) -> Choice {
    count(args, 1..=usize::MAX)?;
    let arguments = args.iter().map(Argument::text).collect::<Result<Vec<_>, Refusal>>()?;
    Ok(Bound::new(arguments, DataType { logical: L::STRING, nullable: any_nullable(args) }, |args, context| {
        let parts = args.iter().map(|arg| arg.cells::<StringArray>()).collect::<Result<Vec<_>>>()?;
        let Some((separator, parts)) = parts.split_first() else {
            return Err(Error::internal("CONCAT_WS without a separator"));
        };
        Rows::all(args, context).texts(|row, out| {
            let Some(separator) = separator.get(row) else { return Ok(false) };
            let mut between = "";
            for part in parts.iter().filter_map(|part| part.get(row)) {
                out.push(between);
                out.push(part);
                between = separator;
            }
            Ok(true)
        })
    }))
}
