//! The steps of a query one by one, for programs that put it together themselves. Each is what the clause of its name does in a query.

use riverrun_base::Result;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{Expr as Ast, FunctionArg, FunctionArgExpr, GroupByExpr, Select, SelectFlavor, SelectItem};
use sqlparser::tokenizer::Span;

use super::query::{Planner, filter, union_all};
use super::rel::Rel;
use super::unnest::UnnestCall;
use crate::expr::Binder;

impl Planner<'_> {
    /// SELECT, with GROUP BY where there are keys or aggregates.
    ///
    /// # Errors
    /// A name that is unknown, types that do not fit, an expression that is not grouped.
    pub(crate) fn select_over(&mut self, input: Rel, projection: Vec<SelectItem>, group_by: Vec<Ast>) -> Result<Rel> {
        Ok(self.selected(&select(projection, group_by), &[], input)?.rel)
    }

    /// WHERE.
    ///
    /// # Errors
    /// As [`Self::select_over`], or the predicate is not BOOLEAN.
    pub(crate) fn filter_over(&mut self, input: Rel, predicate: &Ast) -> Result<Rel> {
        let predicate =
            Binder::new(&input.fields).knowing(&self.catalog.functions).bind_condition(predicate, "WHERE")?;
        Ok(filter(input, predicate))
    }

    /// UNION ALL.
    ///
    /// # Errors
    /// The numbers or the types of the columns differ.
    pub(crate) fn union_over(&mut self, first: Rel, second: Rel) -> Result<Rel> {
        union_all(first, second, Span::empty())
    }

    /// VALUES.
    ///
    /// # Errors
    /// The rows differ in their number of columns, or in types that have nothing in common.
    pub(crate) fn values_of(&mut self, rows: Vec<Vec<Ast>>) -> Result<Rel> {
        self.values_at(rows.iter().map(Vec::as_slice), Span::empty())
    }

    /// CROSS JOIN LATERAL TABLE(call) AS t(names); LEFT JOIN with `outer`.
    ///
    /// # Errors
    /// The call is of no table function, or the numbers of columns and names differ.
    pub(crate) fn lateral_over(&mut self, input: Rel, call: &Ast, names: &[String], outer: bool) -> Result<Rel> {
        let args = [FunctionArg::Unnamed(FunctionArgExpr::Expr(call.clone()))];
        UnnestCall::lateral(&args, &self.catalog.functions).renamed(input, outer, names)
    }

    /// SELECT DISTINCT.
    pub(crate) fn distinct_over(&mut self, input: Rel) -> Rel {
        super::aggregate::distinct(input)
    }
}

/// A SELECT without FROM: what it selects from is given where it is planned.
fn select(projection: Vec<SelectItem>, group_by: Vec<Ast>) -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from: Vec::new(),
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(group_by, Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}
