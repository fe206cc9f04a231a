//! A table: a query that is not run yet.

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

use riverrun_base::{Error, Result};
use riverrun_sql::ast::{SelectItem, WildcardAdditionalOptions};
use riverrun_sql::{Relation, RelationColumn, Session};

use super::expression::{Expression, Kind, Windows, ident, lower, lower_order, name_of};
use super::group_window::GroupWindow;
use super::{StatementSet, TableEnvironment, TableResult};

/// A table: what a query reads, or answers. It is only a plan; a method answers another plan, and nothing runs before [`execute`](Self::execute),
/// [`execute_insert`](Self::execute_insert) or the stream that it becomes.
///
/// A method that is called wrongly (an unknown column, types that do not fit) does not panic: the first mistake is the error of what
/// would run the table.
///
/// ```
/// use riverrun::table::{TableEnvironment, col, lit, row};
///
/// let env = TableEnvironment::create();
/// let orders = env.from_values(["item", "price"], [
///     row([lit("tea"), lit(3)]),
///     row([lit("cup"), lit(7)]),
///     row([lit("tea"), lit(4)]),
/// ])?;
/// let totals = orders.group_by([col("item")]).select([col("item"), col("price").sum().as_("total")]);
/// let rows = totals.filter(col("total").gt(5)).execute()?.collect()?;
/// assert_eq!(rows.len(), 2);
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a table runs nothing before it is executed"]
pub struct Table {
    pub(super) env: TableEnvironment,
    state: State,
}

#[derive(Clone)]
enum State {
    Planned(Box<Relation>),
    /// The first mistake, until it has been told.
    Wrong(Rc<RefCell<Option<Error>>>),
}

impl Table {
    pub(super) fn of(env: &TableEnvironment, planned: Result<Relation>) -> Self {
        let state = match planned {
            Ok(relation) => State::Planned(Box::new(relation)),
            Err(error) => State::Wrong(Rc::new(RefCell::new(Some(error)))),
        };
        Self { env: env.clone(), state }
    }

    /// The plan.
    ///
    /// # Errors
    /// The first mistake.
    pub(super) fn planned(&self) -> Result<&Relation> {
        match &self.state {
            State::Planned(relation) => Ok(relation),
            State::Wrong(error) => Err(error
                .borrow_mut()
                .take()
                .unwrap_or_else(|| Error::user("the table has a mistake, which was told before"))),
        }
    }

    /// The next plan. `what` is the call, for errors.
    fn step(self, what: impl Fn() -> String, plan: impl FnOnce(&Session, Relation) -> Result<Relation>) -> Self {
        let State::Planned(relation) = self.state else { return self };
        let planned = plan(&self.env.session(), *relation).map_err(|error| error.with("in", what()));
        Self::of(&self.env, planned)
    }

    fn refused(self, what: &str, hint: &str) -> Self {
        let (what, hint) = (what.to_owned(), hint.to_owned());
        self.step(String::new, |_, _| Err(Error::not_supported(what).hint(hint)))
    }

    /// The columns.
    ///
    /// # Errors
    /// The table's first mistake.
    pub fn columns(&self) -> Result<Vec<RelationColumn>> {
        self.planned().map(Relation::columns)
    }

    /// Prints names and types of the columns.
    ///
    /// # Errors
    /// The table's first mistake.
    pub fn print_schema(&self) -> Result<()> {
        let columns: Vec<String> =
            self.columns()?.iter().map(|column| format!("  `{}` {}", column.name, column.data_type)).collect();
        println!("(\n{}\n)", columns.join(",\n"));
        Ok(())
    }

    /// Computes columns: SELECT. With aggregates all rows are one group.
    pub fn select(self, columns: impl IntoIterator<Item = Expression>) -> Self {
        let columns: Vec<Expression> = columns.into_iter().collect();
        let what = || call("select", &columns);
        self.step(what, |session, relation| session.select(relation, items(&columns, None)?, Vec::new()))
    }

    /// The rows for which a condition is true: WHERE.
    pub fn filter(self, condition: Expression) -> Self {
        let what = || format!("filter({condition})");
        self.step(what, |session, relation| session.filter(relation, &lower(&condition, None)?))
    }

    /// As [`Self::filter`].
    pub fn where_(self, condition: Expression) -> Self {
        self.filter(condition)
    }

    /// Groups by keys: GROUP BY.
    pub fn group_by(self, keys: impl IntoIterator<Item = Expression>) -> GroupedTable {
        GroupedTable { table: self, window: None, keys: keys.into_iter().collect() }
    }

    /// Puts rows into windows, by which they are then grouped.
    pub fn window(self, window: GroupWindow) -> WindowedTable {
        WindowedTable { table: self, window }
    }

    /// The different rows: SELECT DISTINCT.
    pub fn distinct(self) -> Self {
        self.step(|| "distinct()".to_owned(), |session, relation| Ok(session.distinct(relation)))
    }

    /// The rows of both: UNION ALL.
    pub fn union_all(self, other: &Table) -> Self {
        match other.planned() {
            Err(error) => self.step(|| "union_all(...)".to_owned(), |_, _| Err(error)),
            Ok(other) => {
                let other = other.clone();
                self.step(|| "union_all(...)".to_owned(), |session, first| session.union_all(first, other))
            }
        }
    }

    /// The different rows of both: UNION.
    pub fn union(self, other: &Table) -> Self {
        self.union_all(other).distinct()
    }

    /// Gives the columns other names, the first the first.
    pub fn as_<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.step(|| format!("as_({})", names.join(", ")), |session, relation| session.named(relation, &names))
    }

    /// Adds columns behind those there are.
    pub fn add_columns(self, columns: impl IntoIterator<Item = Expression>) -> Self {
        let columns: Vec<Expression> = columns.into_iter().collect();
        let what = || call("add_columns", &columns);
        self.step(what, |session, relation| {
            let mut all = vec![super::expression::all()];
            all.extend(columns.iter().cloned());
            for column in &columns {
                let name = name_of(column).0.map(str::to_owned).unwrap_or_default();
                if relation.columns().iter().any(|known| known.name == name) {
                    return Err(Error::user(format!("there is a column '{name}'")).hint("use add_or_replace_columns"));
                }
            }
            session.select(relation, items(&all, None)?, Vec::new())
        })
    }

    /// Adds columns, in place of those of the same name.
    pub fn add_or_replace_columns(self, columns: impl IntoIterator<Item = Expression>) -> Self {
        let columns: Vec<Expression> = columns.into_iter().collect();
        let what = || call("add_or_replace_columns", &columns);
        self.step(what, |session, relation| {
            let mut all: Vec<Expression> =
                relation.columns().into_iter().map(|column| super::expression::col(column.name)).collect();
            for column in &columns {
                let name = name_of(column).0;
                match all
                    .iter_mut()
                    .find(|known| matches!(&known.0, Kind::Column(known) if Some(known.as_str()) == name))
                {
                    Some(known) => *known = column.clone(),
                    None => all.push(column.clone()),
                }
            }
            session.select(relation, items(&all, None)?, Vec::new())
        })
    }

    /// Gives columns other names: `rename_columns([("a", "b")])`.
    pub fn rename_columns<'n>(self, names: impl IntoIterator<Item = (&'n str, &'n str)>) -> Self {
        let renamed: Vec<(&str, &str)> = names.into_iter().collect();
        self.step(
            || "rename_columns(...)".to_owned(),
            |session, relation| {
                let columns = relation.columns();
                let known = |name: &str| columns.iter().any(|column| column.name == name);
                if let Some((unknown, _)) = renamed.iter().find(|(from, _)| !known(from)) {
                    return Err(unknown_column(unknown, &columns));
                }
                let name = |column: &RelationColumn| {
                    let new = renamed.iter().find(|(from, _)| *from == column.name);
                    new.map_or_else(|| column.name.clone(), |(_, to)| (*to).to_owned())
                };
                let names: Vec<String> = columns.iter().map(name).collect();
                session.named(relation, &names)
            },
        )
    }

    /// Leaves columns out.
    pub fn drop_columns<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.step(
            || format!("drop_columns({})", names.join(", ")),
            |session, relation| {
                let columns = relation.columns();
                if let Some(unknown) = names.iter().find(|name| columns.iter().all(|column| column.name != **name)) {
                    return Err(unknown_column(unknown, &columns));
                }
                let kept = columns.into_iter().filter(|column| !names.contains(&column.name));
                let kept: Vec<Expression> = kept.map(|column| super::expression::col(column.name)).collect();
                session.select(relation, items(&kept, None)?, Vec::new())
            },
        )
    }

    /// Calls a table function for each row, whose rows are put behind the row; a row for which it answers none is left out. `names` are those of the
    /// function's columns; without any they have the function's.
    pub fn join_lateral<N: Into<String>>(self, function: Expression, names: impl IntoIterator<Item = N>) -> Self {
        self.lateral("join_lateral", &function, names.into_iter().map(Into::into).collect(), false)
    }

    /// As [`Self::join_lateral`]; a row for which the function answers none stays, with NULLs.
    pub fn left_outer_join_lateral<N: Into<String>>(
        self,
        function: Expression,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        self.lateral("left_outer_join_lateral", &function, names.into_iter().map(Into::into).collect(), true)
    }

    fn lateral(self, method: &str, function: &Expression, names: Vec<String>, outer: bool) -> Self {
        let what = || format!("{method}({function})");
        self.step(what, |session, relation| session.lateral(relation, &lower(function, None)?, &names, outer))
    }

    /// Not supported yet, as in SQL: the table is refused when it is run.
    pub fn join(self, _: &Table, _: Expression) -> Self {
        self.refused(
            "join() of two tables",
            "join streams with DataStream::interval_join, or a table function with join_lateral",
        )
    }

    /// Not supported yet, as in SQL: the table is refused when it is run.
    pub fn left_outer_join(self, _: &Table, _: Expression) -> Self {
        self.refused("left_outer_join() of two tables", "a table function is joined by left_outer_join_lateral")
    }

    /// Sorts the rows: ORDER BY. Each expression is a column or computed of some; [`asc()`](Expression::asc) is the direction of one that says
    /// none. NULL is the least value.
    ///
    /// The rows come out when all have come, so the table's sources must end; one that does not is refused when the table is run.
    ///
    /// ```
    /// use riverrun::table::{TableEnvironment, col, lit, row};
    ///
    /// let env = TableEnvironment::create();
    /// let prices = env.from_values(["item", "price"], [
    ///     row([lit("tea"), lit(3)]),
    ///     row([lit("cup"), lit(7)]),
    ///     row([lit("pot"), lit(7)]),
    /// ])?;
    /// let dearest = prices.order_by([col("price").desc(), col("item")]).fetch(2).execute()?.collect()?;
    /// assert_eq!(dearest.iter().map(ToString::to_string).collect::<Vec<_>>(), ["+I[cup, 7]", "+I[pot, 7]"]);
    /// # Ok::<(), riverrun::Error>(())
    /// ```
    pub fn order_by(self, order: impl IntoIterator<Item = Expression>) -> Self {
        let order: Vec<Expression> = order.into_iter().collect();
        let what = || call("order_by", &order);
        self.step(what, |session, relation| {
            if order.is_empty() {
                return Err(Error::user("order_by() needs something to sort by"));
            }
            let lowered = order.iter().map(lower_order).collect::<Result<Vec<_>>>()?;
            session.order_by(relation, &lowered)
        })
    }

    /// Leaves the first rows out: OFFSET.
    pub fn offset(self, rows: u64) -> Self {
        self.step(|| format!("offset({rows})"), |session, relation| Ok(session.cut(relation, rows, None)))
    }

    /// So many rows at most: FETCH. Behind [`order_by`](Self::order_by) no more rows than these, and those of an [`offset`](Self::offset), are kept.
    ///
    /// Without `order_by`, rows that are only inserted come as they are, the first ones; of a table that updates its rows they come in the
    /// end, and its sources must end.
    pub fn fetch(self, rows: u64) -> Self {
        self.step(|| format!("fetch({rows})"), |session, relation| Ok(session.cut(relation, 0, Some(rows))))
    }

    /// As [`Self::fetch`].
    pub fn limit(self, rows: u64) -> Self {
        self.fetch(rows)
    }

    /// The plan as text, with the changelog mode of every operator.
    ///
    /// # Errors
    /// The table's first mistake.
    pub fn explain(&self) -> Result<String> {
        self.env.session().explain_relation(self.planned()?)
    }

    /// Runs the query, for its rows.
    ///
    /// A table that reads data streams runs in the job of their environment, with everything that was built there since the last job.
    ///
    /// # Errors
    /// The table's first mistake, or the job cannot be started.
    pub fn execute(&self) -> Result<TableResult> {
        self.env.run_query(self.planned()?)
    }

    /// Runs the query, and writes its rows into a table. As [`Self::execute`], it takes data streams that it reads along.
    ///
    /// # Errors
    /// The table's first mistake, or the rows do not fit the table.
    pub fn execute_insert(&self, path: &str) -> Result<TableResult> {
        self.insert_into(path)?.execute()
    }

    /// What will write the rows into a table.
    ///
    /// # Errors
    /// The table's first mistake, or the rows do not fit the table.
    pub fn insert_into(&self, path: &str) -> Result<StatementSet> {
        self.env.create_statement_set().add_insert(path, self)
    }
}

/// A table whose rows are grouped.
#[must_use = "call select() for its rows"]
pub struct GroupedTable {
    table: Table,
    window: Option<GroupWindow>,
    keys: Vec<Expression>,
}

impl GroupedTable {
    /// A row for each group: keys, aggregates, and of a window its `start()` and `end()`.
    pub fn select(self, columns: impl IntoIterator<Item = Expression>) -> Table {
        let Self { table, window, keys } = self;
        let columns: Vec<Expression> = columns.into_iter().collect();
        let what = || format!("{}.{}", call("group_by", &keys), call("select", &columns));
        table.step(what, |session, relation| {
            if keys.is_empty() {
                return Err(Error::user("group_by() needs a key")
                    .hint("without group_by(), select() takes all rows as one group"));
            }
            let window = match &window {
                None => None,
                Some(window) => {
                    let is_window = |key: &Expression| matches!(&key.0, Kind::Column(name) if name == window.alias());
                    if !keys.iter().any(is_window) {
                        return Err(Error::user(format!(
                            "the window '{}' is not among the keys of group_by()",
                            window.alias()
                        ))
                        .hint(format!("add col(\"{}\")", window.alias())));
                    }
                    Some(window.lowered()?)
                }
            };
            let grouped = keys.iter().map(|key| lower(key, window.as_ref())).collect::<Result<Vec<_>>>()?;
            session.select(relation, items(&columns, window.as_ref())?, grouped)
        })
    }
}

/// A table whose rows are in windows.
#[must_use = "call group_by() with the window"]
pub struct WindowedTable {
    table: Table,
    window: GroupWindow,
}

impl WindowedTable {
    /// Groups by keys, of which one is the window.
    pub fn group_by(self, keys: impl IntoIterator<Item = Expression>) -> GroupedTable {
        GroupedTable { table: self.table, window: Some(self.window), keys: keys.into_iter().collect() }
    }
}

/// The select list in the planner's form.
fn items(columns: &[Expression], window: Option<&Windows>) -> Result<Vec<SelectItem>> {
    if columns.is_empty() {
        return Err(Error::user("select() needs a column"));
    }
    let item = |column: &Expression| {
        let (name, expression) = name_of(column);
        if matches!(expression.0, Kind::All) && name.is_none() {
            return Ok(SelectItem::Wildcard(WildcardAdditionalOptions::default()));
        }
        let expr = lower(expression, window).map_err(|error| error.with("expression", expression))?;
        Ok(match name {
            Some(name) => SelectItem::ExprWithAlias { expr, alias: ident(name) },
            None => SelectItem::UnnamedExpr(expr),
        })
    };
    columns.iter().map(item).collect()
}

fn unknown_column(name: &str, columns: &[RelationColumn]) -> Error {
    let error = Error::user(format!("Column '{name}' not found"));
    match riverrun_base::nearest(name, columns.iter().map(|column| column.name.as_str())) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => error,
    }
}

fn call(method: &str, arguments: &[impl Display]) -> String {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    format!("{method}({})", arguments.join(", "))
}
