//! Queries that a program puts together step by step, and streams that it brings or takes.
//!
//! A [`Relation`] is planned as the same query in SQL would be, by the same planner; a step that is wrong is refused when it is made. What
//! reads or writes tables only runs as a job of its own; what reads a program's streams is attached to the program's graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_data::{Batch, ChangelogMode, DataType};
use riverrun_runtime::{JobGraph, Stream};
use sqlparser::ast::{Expr as Ast, Ident, ObjectName, OrderByExpr, SelectItem};

use super::job::{InsertJob, QueryJob, QueryRows, result_channel};
use super::session::{Session, columns_of};
use super::statement::Step;
use super::table_spec::stream_relation;
use crate::catalog::{Object, Table, declare_table};
use crate::functions::UserFunction;
use crate::parser::{Hints, Insert, ObjectKind, StatementKind, parse_script};
use crate::plan::{External, Field, Planner, Rel, RelKind, TimeAttribute, fitted};
use crate::stream::{Node, NodeKind, ResultSink, SinkTarget, explain};

pub use super::table_spec::{TableColumnSpec, TableSpec};

/// A query that has been planned: its columns are known, nothing runs yet.
#[derive(Clone, Debug)]
pub struct Relation(pub(super) Rel);

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationColumn {
    /// The name.
    pub name: String,
    /// The type.
    pub data_type: DataType,
    /// Whether windows can be built on it.
    pub time: Option<TimeAttribute>,
}

/// A stream of a program, as a query reads it.
#[derive(Clone, Debug)]
pub struct StreamInput {
    /// By which the program knows it.
    pub id: usize,
    /// For plans.
    pub name: String,
    /// The columns of its batches.
    pub columns: Vec<StreamColumn>,
    /// The kinds of its rows.
    pub mode: ChangelogMode,
}

/// A column of a program's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamColumn {
    /// The name, or the key of metadata.
    pub name: String,
    /// The type.
    pub data_type: DataType,
    /// Whether it is no part of the records, and becomes a column only where the schema names it (`METADATA FROM`).
    pub is_metadata: bool,
}

/// What answers a program's streams by their ids.
pub type ExternalStreams<'a> = &'a dyn Fn(&mut JobGraph, usize) -> Result<Stream<Batch>>;

/// What a statement is to a program.
pub enum Planned {
    /// A query.
    Query(Box<Relation>),
    /// INSERT, or a statement set.
    Insertions(Vec<Insertion>),
    /// Anything else.
    Other,
}

/// Takes the rows of a query that is attached to a program's graph.
pub struct ResultSender(ResultSink);

/// A relation, and the table that it is written into.
pub struct Insertion {
    plan: Node,
    table: Arc<Table>,
}

impl Relation {
    /// Its columns.
    pub fn columns(&self) -> Vec<RelationColumn> {
        let column = |field: &Field| RelationColumn {
            name: field.name.clone(),
            data_type: field.data_type.clone(),
            time: field.time,
        };
        self.0.fields.iter().map(column).collect()
    }

    /// The program's streams that it reads. With any it cannot run without the program's job.
    pub fn streams(&self) -> Vec<usize> {
        let mut found = Vec::new();
        streams_of(&self.0, &mut found);
        found
    }
}

impl Insertion {
    /// The name of the table.
    pub fn table(&self) -> &str {
        &self.table.name
    }

    /// The program's streams that it reads.
    pub fn streams(&self) -> Vec<usize> {
        let mut found = Vec::new();
        streams_of_plan(&self.plan, &mut found);
        found
    }
}

fn streams_of(rel: &Rel, found: &mut Vec<usize>) {
    match &rel.kind {
        RelKind::External(External { id, .. }) => found.push(*id),
        RelKind::Scan(_) | RelKind::Values(_) => {}
        RelKind::Project { input, .. }
        | RelKind::Filter { input, .. }
        | RelKind::AssignWindows { input, .. }
        | RelKind::Aggregate { input, .. }
        | RelKind::Watermark { input, .. }
        | RelKind::Unnest { input, .. }
        | RelKind::Sort { input, .. } => streams_of(input, found),
        RelKind::Union { inputs } => inputs.iter().for_each(|input| streams_of(input, found)),
    }
}

fn streams_of_plan(node: &Node, found: &mut Vec<usize>) {
    if let NodeKind::External(External { id, .. }) = &node.kind {
        found.push(*id);
    }
    node.inputs.iter().for_each(|input| streams_of_plan(input, found));
}

/// Whether SQL converts values of one type to another without being told.
pub fn converts_implicitly(from: &DataType, to: &DataType) -> bool {
    from.logical == to.logical || crate::types::implicit_cast_allowed(&from.logical, &to.logical)
}

/// A path in the planner's form.
fn name_of(path: &str) -> Result<ObjectName> {
    let parts: Vec<Ident> = crate::parser::parse_path(path)?;
    Ok(ObjectName::from(parts))
}

impl Session {
    /// The connectors that tables can name.
    pub fn connectors(&self) -> &riverrun_connect::Connectors {
        &self.connectors
    }

    /// The configuration that was set.
    pub fn configuration(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// The names of tables and views; of views alone, if `only_views`.
    pub fn table_names(&self, only_views: bool) -> Vec<String> {
        let kind = if only_views { ObjectKind::View } else { ObjectKind::Table };
        self.catalog.names(kind).into_iter().map(str::to_owned).collect()
    }

    /// The table or view of a path: `t`, or with catalog and database, each part in backticks where it is no plain name.
    ///
    /// # Errors
    /// There is none; the error names the nearest.
    pub fn table(&self, path: &str) -> Result<Relation> {
        let hints = Hints::default();
        Planner::new(&self.catalog, &hints).relation(&name_of(path)?).map(Relation)
    }

    /// A query in SQL.
    ///
    /// # Errors
    /// What is wrong with it, with its place; or the text is no query.
    pub fn query_relation(&self, text: &str) -> Result<Relation> {
        let (statements, hints) = parse_script(text)?;
        let [statement] = statements.as_slice() else {
            return Err(Error::user(format!("one query is expected, not {} statements", statements.len())));
        };
        let StatementKind::Query(query) = &statement.kind else {
            return Err(
                Error::user("a query is expected: SELECT, VALUES or WITH").hint("execute_sql takes every statement")
            );
        };
        Planner::new(&self.catalog, &hints).query(query).map(Relation)
    }

    /// SELECT, with GROUP BY where there are keys or aggregates.
    ///
    /// # Errors
    /// An unknown name, types that do not fit, an expression that is not grouped.
    pub fn select(&self, input: Relation, projection: Vec<SelectItem>, group_by: Vec<Ast>) -> Result<Relation> {
        let hints = Hints::default();
        Planner::new(&self.catalog, &hints).select_over(input.0, projection, group_by).map(Relation)
    }

    /// WHERE.
    ///
    /// # Errors
    /// An unknown name, or the predicate is not BOOLEAN.
    pub fn filter(&self, input: Relation, predicate: &Ast) -> Result<Relation> {
        let hints = Hints::default();
        Planner::new(&self.catalog, &hints).filter_over(input.0, predicate).map(Relation)
    }

    /// UNION ALL.
    ///
    /// # Errors
    /// The numbers or the types of the columns differ.
    pub fn union_all(&self, first: Relation, second: Relation) -> Result<Relation> {
        let hints = Hints::default();
        Planner::new(&self.catalog, &hints).union_over(first.0, second.0).map(Relation)
    }

    /// SELECT DISTINCT.
    pub fn distinct(&self, input: Relation) -> Relation {
        let hints = Hints::default();
        Relation(Planner::new(&self.catalog, &hints).distinct_over(input.0))
    }

    /// ORDER BY. The input must end.
    ///
    /// # Errors
    /// An unknown name, or a type that has no order.
    pub fn order_by(&self, input: Relation, order: &[OrderByExpr]) -> Result<Relation> {
        let hints = Hints::default();
        Planner::new(&self.catalog, &hints).order_over(input.0, order).map(Relation)
    }

    /// OFFSET and FETCH: the rows behind the first `offset`, `fetch` of them at most.
    pub fn cut(&self, input: Relation, offset: u64, fetch: Option<u64>) -> Relation {
        let hints = Hints::default();
        Relation(Planner::new(&self.catalog, &hints).cut_over(input.0, offset, fetch))
    }

    /// The rows of a table function called for each row, behind the row's own columns: `CROSS JOIN LATERAL TABLE(f(x)) AS t(a, b)`; with `outer`
    /// a row for which the function answers none stays, with NULLs. Without names the columns have the function's.
    ///
    /// # Errors
    /// The call is of no table function, or the numbers of columns and names differ.
    pub fn lateral(&self, input: Relation, call: &Ast, names: &[String], outer: bool) -> Result<Relation> {
        let hints = Hints::default();
        Planner::new(&self.catalog, &hints).lateral_over(input.0, call, names, outer).map(Relation)
    }

    /// Adds a function, in place of one of the same name. Queries that were planned before keep the former one.
    pub fn create_function(&mut self, name: &str, function: UserFunction) {
        self.catalog.functions.insert(name, function);
    }

    /// Removes a function that was added; answers whether there was one.
    pub fn drop_function(&mut self, name: &str) -> bool {
        self.catalog.functions.remove(name)
    }

    /// The rows of a VALUES clause.
    ///
    /// # Errors
    /// The rows differ in their number of columns, or in types that have nothing in common.
    pub fn values(&self, rows: Vec<Vec<Ast>>) -> Result<Relation> {
        let hints = Hints::default();
        Planner::new(&self.catalog, &hints).values_of(rows).map(Relation)
    }

    /// The same rows, with other names for the columns; those behind the last name keep theirs.
    ///
    /// # Errors
    /// There are fewer columns, or two of one name.
    pub fn named(&self, mut input: Relation, names: &[String]) -> Result<Relation> {
        let fields = &mut input.0.fields;
        if names.len() > fields.len() {
            return Err(Error::user(format!("{} names are given for {} columns", names.len(), fields.len())));
        }
        for (field, name) in fields.iter_mut().zip(names) {
            field.name.clone_from(name);
        }
        for (n, field) in fields.iter().enumerate() {
            if fields[..n].iter().any(|other| other.name == field.name) {
                return Err(Error::user(format!("two columns have the name '{}'", field.name)));
            }
        }
        Ok(input)
    }

    /// Gives a relation a name by which queries find it.
    ///
    /// # Errors
    /// The name is taken.
    pub fn create_temporary_view(&mut self, path: &str, relation: Relation) -> Result<()> {
        let name = name_of(path)?;
        let mut rel = relation.0;
        rel.fields.iter_mut().for_each(|field| field.qualifier = None);
        self.catalog.add(&name, Object::Relation(Arc::new(rel)), false)
    }

    /// Declares a table; answers what the user should know about it.
    ///
    /// # Errors
    /// The name is taken, or the declaration is wrong.
    pub fn create_table(&mut self, path: &str, spec: &TableSpec) -> Result<Option<String>> {
        let name = name_of(path)?;
        let (table, warning) = declare_table(&self.catalog, &spec.statement(name.clone())?)?;
        self.catalog.add(&name, Object::Table(Arc::new(table)), false)?;
        Ok(warning)
    }

    /// Forgets a table, or a view if `view`; answers whether there was one.
    ///
    /// # Errors
    /// The path is no name.
    pub fn drop_object(&mut self, path: &str, view: bool) -> Result<bool> {
        let kind = if view { ObjectKind::View } else { ObjectKind::Table };
        Ok(self.catalog.drop(kind, &name_of(path)?, false).is_ok())
    }

    /// A program's stream as a relation with the columns and the event time that a schema tells.
    ///
    /// # Errors
    /// The schema does not fit the stream.
    pub fn stream(&self, input: StreamInput, schema: &TableSpec) -> Result<Relation> {
        stream_relation(&self.catalog, input, schema).map(Relation)
    }

    /// The query whose result is shown.
    ///
    /// # Errors
    /// The plan cannot be carried out; a program's streams cannot be read so.
    pub fn query_job(&self, relation: &Relation) -> Result<QueryJob> {
        self.query_of(&relation.0)
    }

    /// A relation that is written into a table. `columns` are those that it fills; all where empty.
    ///
    /// # Errors
    /// There is no such table, the columns do not fit, or its connector does not take the changes.
    pub fn insertion(&self, relation: &Relation, path: &str, columns: &[String]) -> Result<Insertion> {
        let environment = self.environment(&self.settings()?.0)?;
        let name = name_of(path)?;
        let Object::Table(table) = self.catalog.get(&name)? else {
            return Err(Error::user(format!("'{path}' is a view, and a view takes no rows")));
        };
        let columns: Vec<Ident> = columns.iter().map(|column| Ident::with_quote('`', column.clone())).collect();
        let rel = fitted(&table, relation.0.clone(), &name, &columns)?;
        let target = SinkTarget { table: Arc::clone(&table), hint: BTreeMap::new() };
        Ok(Insertion { plan: self.sink_plan(&rel, target, &environment)?, table })
    }

    /// What a statement is to a program: a query, insertions, or anything else, which [`Session::execute`] carries out.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn plan(&self, step: &Step) -> Result<Planned> {
        let planned = match &step.statement.kind {
            StatementKind::Query(query) => {
                Planner::new(&self.catalog, &step.hints).query(query).map(|rel| Planned::Query(Box::new(Relation(rel))))
            }
            StatementKind::Insert(insert) => self.planned_insertions(std::slice::from_ref(&**insert), &step.hints),
            StatementKind::StatementSet(inserts) => self.planned_insertions(inserts, &step.hints),
            _ => Ok(Planned::Other),
        };
        planned.map_err(|error| match step.position() {
            Some(position) => error.at(position),
            None => error,
        })
    }

    fn planned_insertions(&self, inserts: &[Insert], hints: &Hints) -> Result<Planned> {
        let environment = self.environment(&self.settings()?.0)?;
        let planned = inserts.iter().map(|insert| {
            let (plan, table) = self.insert_plan(insert, hints, &environment)?;
            Ok(Insertion { plan, table })
        });
        planned.collect::<Result<_>>().map(Planned::Insertions)
    }

    /// The two ends through which the rows of a query go that is attached to a program's graph.
    ///
    /// # Errors
    /// A setting has a wrong value.
    pub fn results(&self, relation: &Relation) -> Result<(ResultSender, QueryRows)> {
        let environment = self.environment(&self.settings()?.0)?;
        let (sink, rows) = result_channel();
        Ok((ResultSender(sink), QueryRows::new(columns_of(&relation.0), rows, &environment)))
    }

    /// As [`Self::attach`], with the rows sent to [`Self::results`].
    ///
    /// # Errors
    /// The plan cannot be carried out.
    pub fn attach_result(
        &self,
        relation: &Relation,
        sender: ResultSender,
        graph: &mut JobGraph,
        streams: ExternalStreams<'_>,
    ) -> Result<()> {
        let (settings, _) = self.settings()?;
        let environment = self.environment(&settings)?;
        let node = self.builder(&environment).build(&relation.0)?;
        self.translator(graph, &settings, environment, streams).result(&node, Box::new(sender.0))
    }

    /// An INSERT in SQL, for a statement set.
    ///
    /// # Errors
    /// What is wrong with it, with its place; or the text is no INSERT.
    pub fn insertion_of(&self, text: &str) -> Result<Insertion> {
        let environment = self.environment(&self.settings()?.0)?;
        let (statements, hints) = parse_script(text)?;
        match statements.as_slice() {
            [statement] => match &statement.kind {
                StatementKind::Insert(insert) => {
                    let (plan, table) = self.insert_plan(insert, &hints, &environment)?;
                    Ok(Insertion { plan, table })
                }
                _ => Err(Error::user("an INSERT is expected")),
            },
            _ => Err(Error::user(format!("one INSERT is expected, not {} statements", statements.len()))),
        }
    }

    /// The job of insertions, which run together. A table that several read is read once for each.
    ///
    /// # Errors
    /// There is none, or the plans cannot be carried out.
    pub fn insert_job(&self, insertions: Vec<Insertion>) -> Result<InsertJob> {
        if insertions.is_empty() {
            return Err(Error::user("a statement set needs at least one INSERT"));
        }
        self.insert_of(&plans(insertions))
    }

    /// Adds insertions to a program's graph.
    ///
    /// # Errors
    /// The plans cannot be carried out.
    pub fn attach_insertions(
        &self,
        insertions: Vec<Insertion>,
        graph: &mut JobGraph,
        streams: ExternalStreams<'_>,
    ) -> Result<()> {
        let (settings, _) = self.settings()?;
        let environment = self.environment(&settings)?;
        self.add_sinks(&plans(insertions), &mut self.translator(graph, &settings, environment, streams))
    }

    /// Adds a query to a program's graph, and answers its rows, which have the relation's columns. `name` is what the state of its operators
    /// is stored under, unique in the program. With `only_insertions` a query that updates its result is refused.
    ///
    /// # Errors
    /// The plan cannot be carried out.
    pub fn attach(
        &self,
        relation: &Relation,
        name: &str,
        graph: &mut JobGraph,
        streams: ExternalStreams<'_>,
    ) -> Result<Stream<Batch>> {
        let (settings, _) = self.settings()?;
        let environment = self.environment(&settings)?;
        let node = self.builder(&environment).build(&relation.0)?;
        self.translator(graph, &settings, environment, streams).attached(&node, name)
    }

    /// The kinds of a relation's rows.
    ///
    /// # Errors
    /// The relation cannot be carried out.
    pub fn changes_of(&self, relation: &Relation) -> Result<ChangelogMode> {
        let environment = self.environment(&self.settings()?.0)?;
        Ok(self.builder(&environment).build(&relation.0)?.mode)
    }

    /// The plan of a relation, as EXPLAIN shows it.
    ///
    /// # Errors
    /// The relation cannot be carried out.
    pub fn explain_relation(&self, relation: &Relation) -> Result<String> {
        let environment = self.environment(&self.settings()?.0)?;
        let mut plan = self.builder(&environment).build(&relation.0)?;
        plan.without_update_before();
        Ok(explained(&[&plan]))
    }

    /// The plans of insertions, as EXPLAIN shows them.
    pub fn explain_insertions(&self, insertions: &[Insertion]) -> String {
        explained(&insertions.iter().map(|insertion| &insertion.plan).collect::<Vec<_>>())
    }
}

fn plans(insertions: Vec<Insertion>) -> Vec<(Node, Arc<Table>)> {
    insertions.into_iter().map(|insertion| (insertion.plan, insertion.table)).collect()
}

/// Plans in EXPLAIN's form.
pub(super) fn explained(plans: &[&Node]) -> String {
    let text: String = plans.iter().map(|plan| explain(plan)).collect::<Vec<_>>().join("\n");
    format!("== Optimized Physical Plan ==\n{text}")
}
