//! Arrays as sets: `ARRAY_DISTINCT`, `ARRAY_UNION`, `ARRAY_EXCEPT`, `ARRAY_INTERSECT`, and `ARRAY_CONCAT`.

use arrow::array::Array;
use riverrun_base::Result;
use riverrun_data::DataType;

use super::lists::{Chosen, Lists, array_of, element_of};
use crate::eval::{EvalContext, Rows, Value};
use crate::functions::comparison::{CellEquality, cell_equality};
use crate::functions::signature::{Choice, Refusal, any_nullable, arrow, count};
use crate::functions::{Argument, Bound, ScalarFunction};
use crate::types::common_type;

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["ARRAY_DISTINCT"],
        usage: "ARRAY_DISTINCT(array)",
        description: "The elements, each once.",
        choose: |args| of_arrays(args, 1..=1, Operation::Union),
    },
    ScalarFunction {
        names: &["ARRAY_UNION"],
        usage: "ARRAY_UNION(array, array)",
        description: "The elements of both arrays, each once.",
        choose: |args| of_arrays(args, 2..=2, Operation::Union),
    },
    ScalarFunction {
        names: &["ARRAY_EXCEPT"],
        usage: "ARRAY_EXCEPT(array, array)",
        description: "The elements of the first array that the second does not have, each once.",
        choose: |args| of_arrays(args, 2..=2, Operation::Except),
    },
    ScalarFunction {
        names: &["ARRAY_INTERSECT"],
        usage: "ARRAY_INTERSECT(array, array)",
        description: "The elements that both arrays have, each once.",
        choose: |args| of_arrays(args, 2..=2, Operation::Intersect),
    },
    ScalarFunction {
        names: &["ARRAY_CONCAT"],
        usage: "ARRAY_CONCAT(array, ...)",
        description: "The elements of all arrays, one behind the other.",
        choose: |args| of_arrays(args, 1..=usize::MAX, Operation::Concat),
    },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Except,
    Intersect,
    Concat,
}

fn of_arrays(args: &[Argument], allowed: std::ops::RangeInclusive<usize>, operation: Operation) -> Choice {
    count(args, allowed)?;
    let elements = args.iter().map(element_of).collect::<Result<Vec<_>, Refusal>>()?;
    let element = common_type(&elements).ok_or(Refusal::Types)?;
    // Of a difference or an intersection, the first array tells whether there can be NULLs.
    let nullable = if matches!(operation, Operation::Except | Operation::Intersect) {
        elements[0].nullable
    } else {
        element.nullable
    };
    let returns = DataType {
        logical: array_of(DataType { logical: element.logical.clone(), nullable }),
        nullable: any_nullable(args),
    };
    let list = arrow(&returns);
    let arguments = args.iter().map(|arg| arg.as_type(array_of(element.clone()))).collect();
    Ok(Bound::new(arguments, returns, move |args: &[Value], context: &EvalContext| {
        let lists = args.iter().map(Lists::new).collect::<Result<Vec<_>>>()?;
        let arrays: Vec<&dyn Array> = lists.iter().map(|list| -> &dyn Array { list.cells() }).collect();
        let equal = Equalities::new(&arrays)?;
        let rows = Rows::all(args, context);
        let mut chosen = Chosen::with_rows(rows.count());
        for row in 0..rows.count() {
            let ranges: Option<Vec<_>> = lists.iter().map(|list| list.get(row)).collect();
            let Some(ranges) = ranges else {
                chosen.push_null();
                continue;
            };
            let all = ranges.iter().enumerate().flat_map(|(n, range)| range.clone().map(move |cell| (n, cell)));
            if operation == Operation::Concat {
                chosen.push(all);
                continue;
            }
            let in_second =
                |place| ranges.get(1).is_some_and(|range| range.clone().any(|cell| equal.are(place, (1, cell))));
            let mut kept: Vec<(usize, usize)> = Vec::new();
            for place in all {
                let wanted = match operation {
                    Operation::Except => place.0 == 0 && !in_second(place),
                    Operation::Intersect => place.0 == 0 && in_second(place),
                    _ => true,
                };
                if wanted && !kept.iter().any(|other| equal.are(*other, place)) {
                    kept.push(place);
                }
            }
            chosen.push(kept);
        }
        Ok(rows.value(chosen.finish(&arrays, &list)?))
    }))
}

/// The equality of cells of one or two arrays.
struct Equalities<'a> {
    within: Vec<CellEquality<'a>>,
    across: Option<CellEquality<'a>>,
}

impl<'a> Equalities<'a> {
    fn new(arrays: &[&'a dyn Array]) -> Result<Self> {
        let within = arrays.iter().map(|array| cell_equality(*array, *array)).collect::<Result<_>>()?;
        let across = match arrays {
            [first, second, ..] => Some(cell_equality(*first, *second)?),
            _ => None,
        };
        Ok(Self { within, across })
    }

    fn are(&self, (m, a): (usize, usize), (n, b): (usize, usize)) -> bool {
        match (m, n) {
            _ if m == n => self.within.get(m).is_some_and(|equal| equal(a, b)),
            (0, _) => self.across.as_ref().is_some_and(|equal| equal(a, b)),
            _ => self.across.as_ref().is_some_and(|equal| equal(b, a)),
        }
    }
}
