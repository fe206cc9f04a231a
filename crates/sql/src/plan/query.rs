//! Queries: WITH, SELECT, UNION ALL, VALUES.

use std::collections::HashMap;

use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{
    Distinct, Expr as Ast, Ident, ObjectName, OrderByExpr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, SetOperator, SetQuantifier, Spanned, Values,
};
use sqlparser::tokenizer::Span;

use super::order::{Selected, check_distinct, order_columns};
use super::rel::{Rel, RelKind};
use super::schema::{Field, TimeAttribute};
use crate::catalog::Catalog;
use crate::expr::{Binder, CastMode, Expr, ExprKind, cast, null_literal};
use crate::parser::{Hints, error_at};
use crate::types;

/// Plans queries against a catalog.
pub(crate) struct Planner<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) hints: &'a Hints,
    /// The queries of WITH that are visible, the innermost last. One is planned anew for each use.
    pub(super) named: HashMap<String, (Query, Vec<String>)>,
    /// How deep views and named queries are nested, so that a definition that refers to itself ends.
    pub(super) depth: usize,
}

/// A select item that has been bound, with the name its column gets.
pub(super) struct Output {
    pub(super) expr: Expr,
    pub(super) name: String,
}

impl<'a> Planner<'a> {
    /// A planner for one statement.
    pub(crate) fn new(catalog: &'a Catalog, hints: &'a Hints) -> Self {
        Self { catalog, hints, named: HashMap::new(), depth: 0 }
    }

    /// Plans a query.
    ///
    /// # Errors
    /// What is wrong with it, with the place in the script.
    pub(crate) fn query(&mut self, query: &Query) -> Result<Rel> {
        let outer = self.named.clone();
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(error_at(with.span(), "WITH RECURSIVE is not supported"));
            }
            for cte in &with.cte_tables {
                let columns = cte.alias.columns.iter().map(|column| column.name.value.clone()).collect();
                // A named query sees those before it: planning it here checks it even where nobody uses it.
                self.query(&cte.query)?;
                self.named.insert(cte.alias.name.value.clone(), ((*cte.query).clone(), columns));
            }
        }
        let rel = self.ordered(query);
        self.named = outer;
        rel
    }

    /// The relation that a table's or view's name means.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub(crate) fn relation(&mut self, name: &ObjectName) -> Result<Rel> {
        self.named_relation(name)
    }

    pub(super) fn body(&mut self, body: &SetExpr) -> Result<Rel> {
        match body {
            SetExpr::Select(select) => Ok(self.select(select, &[])?.rel),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => self.values(values),
            SetExpr::SetOperation { left, op, set_quantifier, right } => match (op, set_quantifier) {
                (SetOperator::Union, SetQuantifier::All) => self.union(left, right),
                (SetOperator::Union, _) => {
                    let union = self.union(left, right)?;
                    Ok(super::aggregate::distinct(union))
                }
                (op, _) => Err(error_at(right.span(), format!("{op} is not supported yet"))),
            },
            SetExpr::Table(_) => Err(Error::not_supported("TABLE t as a query").hint("write SELECT * FROM t")),
            _ => Err(Error::user("a query is expected here")),
        }
    }

    /// A SELECT, with what it is sorted by.
    pub(super) fn select(&mut self, select: &Select, order: &[OrderByExpr]) -> Result<Selected> {
        refuse_clauses(select)?;
        let mut input = self.from(&select.from)?;
        if let Some(condition) = &select.selection {
            if select.from.is_empty() {
                return Err(error_at(condition.span(), "WHERE needs FROM"));
            }
            let predicate =
                Binder::new(&input.fields).knowing(&self.catalog.functions).bind_condition(condition, "WHERE")?;
            input = filter(input, predicate);
        }
        let selected = self.selected(select, order, input)?;
        match &select.distinct {
            None | Some(Distinct::All) => Ok(selected),
            Some(Distinct::Distinct) => {
                check_distinct(&selected, select, order)?;
                Ok(Selected { rel: super::aggregate::distinct(selected.rel), ..selected })
            }
            Some(Distinct::On(_)) => Err(Error::user("DISTINCT ON is not part of Flink SQL")),
        }
    }

    /// The select list over what FROM and WHERE leave, and behind it what it is sorted by.
    pub(super) fn selected(&mut self, select: &Select, order: &[OrderByExpr], input: Rel) -> Result<Selected> {
        if self.is_grouped(select) { self.grouped(select, order, input) } else { self.plain(select, order, input) }
    }

    fn plain(&mut self, select: &Select, order: &[OrderByExpr], input: Rel) -> Result<Selected> {
        let mut outputs = Vec::with_capacity(select.projection.len());
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(ast) => {
                    let expr = Binder::new(&input.fields).knowing(&self.catalog.functions).bind(ast)?;
                    outputs.push(Output { name: column_name(ast, outputs.len()), expr });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    outputs.push(Output {
                        expr: Binder::new(&input.fields).knowing(&self.catalog.functions).bind(expr)?,
                        name: alias.value.clone(),
                    });
                }
                SelectItem::Wildcard(_) => outputs.extend(whole_columns(&input.fields)),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let qualifier = crate::catalog::local_name(name)?;
                    let found: Vec<usize> = (0..input.fields.len())
                        .filter(|n| input.fields[*n].qualifier.as_ref() == Some(&qualifier.value))
                        .collect();
                    if found.is_empty() {
                        outputs.extend(row_fields(&input.fields, qualifier)?);
                        continue;
                    }
                    outputs.extend(found.into_iter().map(|n| whole_column(&input.fields, n)));
                }
                other => return Err(error_at(other.span(), "this form of select item is not supported yet")),
            }
        }
        let width = outputs.len();
        let mut bind = |ast: &Ast| Binder::new(&input.fields).knowing(&self.catalog.functions).bind(ast);
        let order = order_columns(order, &select.projection, &mut outputs, &mut bind)?;
        Ok(Selected { rel: project(input, outputs)?, width, order })
    }

    fn values(&mut self, values: &Values) -> Result<Rel> {
        self.values_at(values.rows.iter().map(|row| row.as_slice()), values.span())
    }

    /// VALUES; `span` is where it stands.
    pub(super) fn values_at<'v>(&mut self, given: impl Iterator<Item = &'v [Ast]>, span: Span) -> Result<Rel> {
        let mut rows = Vec::new();
        for row in given {
            let bound = row
                .iter()
                .map(|value| Binder::new(&[]).knowing(&self.catalog.functions).bind(value))
                .collect::<Result<Vec<_>>>()?;
            if rows.first().is_some_and(|first: &Vec<Expr>| first.len() != bound.len()) {
                return Err(error_at(span, "the rows of VALUES differ in their number of columns"));
            }
            rows.push(bound);
        }
        let width = rows.first().map_or(0, Vec::len);
        let mut fields = Vec::with_capacity(width);
        for column in 0..width {
            let all: Vec<DataType> = rows.iter().map(|row| row[column].data_type.clone()).collect();
            let common = types::common_type(&all).ok_or_else(|| {
                error_at(
                    span,
                    format!("Values passed to VALUES operator must have compatible types: column {}", column + 1),
                )
            })?;
            if common.logical == LogicalType::Null {
                return Err(error_at(
                    span,
                    format!("column {} of VALUES holds only NULL, which leaves its type unknown", column + 1),
                )
                .hint("write CAST(NULL AS type)"));
            }
            fields.push(Field::new(format!("EXPR${column}"), common));
        }
        let rows = rows
            .into_iter()
            .map(|row| {
                row.into_iter()
                    .zip(&fields)
                    .map(|(value, field)| cast(value, &field.data_type, CastMode::Implicit))
                    .collect()
            })
            .collect();
        Ok(Rel { kind: RelKind::Values(rows), fields })
    }

    fn union(&mut self, left: &SetExpr, right: &SetExpr) -> Result<Rel> {
        let (first, second) = (self.body(left)?, self.body(right)?);
        union_all(first, second, right.span())
    }
}

/// UNION ALL of two relations; `span` is the second one's.
pub(super) fn union_all(first: Rel, second: Rel, span: Span) -> Result<Rel> {
    if first.fields.len() != second.fields.len() {
        return Err(error_at(
            span,
            format!("Column count mismatch in UNION ALL: {} and {}", first.fields.len(), second.fields.len()),
        ));
    }
    let mut fields = Vec::with_capacity(first.fields.len());
    for (n, (a, b)) in first.fields.iter().zip(&second.fields).enumerate() {
        let data_type = types::common_type(&[a.data_type.clone(), b.data_type.clone()]).ok_or_else(|| {
            error_at(
                span,
                format!("Type mismatch in column {} of UNION ALL: {} and {}", n + 1, a.data_type, b.data_type),
            )
            .hint("cast one of them")
        })?;
        let same_time = a.time.filter(|_| a.time == b.time && a.data_type.logical == b.data_type.logical);
        fields.push(Field { time: same_time, ..Field::new(a.name.clone(), data_type) });
    }
    let mut inputs = Vec::new();
    for rel in [first, second] {
        let rel = conform(rel, &fields);
        match rel.kind {
            RelKind::Union { inputs: inner } => inputs.extend(inner),
            _ => inputs.push(rel),
        }
    }
    Ok(Rel { kind: RelKind::Union { inputs }, fields })
}

fn refuse_clauses(select: &Select) -> Result<()> {
    let refused = [
        (select.qualify.is_some(), "QUALIFY"),
        (!select.named_window.is_empty(), "WINDOW"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.top.is_some(), "TOP"),
        (select.into.is_some(), "SELECT INTO"),
        (select.prewhere.is_some(), "PREWHERE"),
    ];
    match refused.iter().find(|(present, _)| *present) {
        Some((_, clause)) => Err(error_at(select.select_token.0.span, format!("{clause} is not supported yet"))),
        None => Ok(()),
    }
}

/// The name of a column without alias: its own where it is a column, else `EXPR$n`.
pub(super) fn column_name(ast: &Ast, index: usize) -> String {
    match ast {
        Ast::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("UNKNOWN") => {
            format!("EXPR${index}")
        }
        Ast::Identifier(ident) => ident.value.clone(),
        Ast::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
        Ast::Nested(inner) => column_name(inner, index),
        _ => format!("EXPR${index}"),
    }
}

/// The fields of a column of type ROW, as `column.*` means them.
fn row_fields(fields: &[Field], column: &Ident) -> Result<Vec<Output>> {
    let bound = Binder::new(fields).bind(&Ast::Identifier(column.clone()));
    let Ok(Expr { data_type: DataType { logical: LogicalType::Row(row), .. }, .. }) = bound else {
        return Err(error_at(column.span, format!("Table '{}' not found", column.value)));
    };
    row.iter()
        .map(|field| {
            let path = vec![column.clone(), Ident::with_quote('`', field.name.clone())];
            Ok(Output { expr: Binder::new(fields).bind(&Ast::CompoundIdentifier(path))?, name: field.name.clone() })
        })
        .collect()
}

/// All columns as they are.
pub(super) fn whole_columns(fields: &[Field]) -> Vec<Output> {
    (0..fields.len()).map(|n| whole_column(fields, n)).collect()
}

fn whole_column(fields: &[Field], index: usize) -> Output {
    Output { expr: Expr::column(index, fields[index].data_type.clone()), name: fields[index].name.clone() }
}

/// A projection. Columns that are passed on keep their meaning: time attribute, window column.
pub(super) fn project(input: Rel, outputs: Vec<Output>) -> Result<Rel> {
    let mut fields: Vec<Field> = Vec::with_capacity(outputs.len());
    for output in &outputs {
        if output.expr.data_type.logical == LogicalType::Null {
            let error = Error::user("the type of NULL is not known here").hint("write CAST(NULL AS type)");
            return Err(match output.expr.position {
                Some(position) => error.at(position),
                None => error,
            });
        }
        let mut field = Field::new(unique_name(&output.name, &fields), output.expr.data_type.clone());
        match &output.expr.kind {
            ExprKind::Column(index) => {
                field.time = input.fields[*index].time;
                field.window = input.fields[*index].window.clone();
            }
            ExprKind::Call(call) if call.name == "PROCTIME" => field.time = Some(TimeAttribute::Proctime),
            _ => {}
        }
        fields.push(field);
    }
    Ok(Rel {
        kind: RelKind::Project {
            input: Box::new(input),
            exprs: outputs.into_iter().map(|output| output.expr).collect(),
        },
        fields,
    })
}

/// A name that no field has yet: `a`, `a0`, `a1`, as Calcite does.
fn unique_name(name: &str, taken: &[Field]) -> String {
    let free = |candidate: &str| taken.iter().all(|field| field.name != candidate);
    if free(name) {
        return name.to_owned();
    }
    let mut number = 0;
    loop {
        let candidate = format!("{name}{number}");
        if free(&candidate) {
            return candidate;
        }
        number += 1;
    }
}

pub(super) fn filter(input: Rel, predicate: Expr) -> Rel {
    let fields = input.fields.clone();
    Rel { kind: RelKind::Filter { input: Box::new(input), predicate }, fields }
}

/// Casts a relation's columns to the types of `fields`; itself where they fit.
fn conform(rel: Rel, fields: &[Field]) -> Rel {
    if rel.fields.iter().zip(fields).all(|(from, to)| from.data_type.logical == to.data_type.logical) {
        return rel;
    }
    let exprs = rel
        .fields
        .iter()
        .enumerate()
        .zip(fields)
        .map(|((n, from), to)| match from.data_type.logical {
            LogicalType::Null => cast(null_literal(), &to.data_type, CastMode::Implicit),
            _ => cast(Expr::column(n, from.data_type.clone()), &to.data_type, CastMode::Implicit),
        })
        .collect();
    Rel { kind: RelKind::Project { input: Box::new(rel), exprs }, fields: fields.to_vec() }
}
