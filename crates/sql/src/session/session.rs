//! The session: catalog, settings, and one statement after another.

use std::collections::BTreeMap;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_connect::Connectors;
use riverrun_data::Batch;
use riverrun_runtime::{JobConfiguration, JobGraph, Stream};
use sqlparser::ast::{Ident, ObjectName, Query};

use super::job::{InsertJob, QueryJob, result_channel};
use super::relation::explained;
use super::result::{Column, ResultTable, boolean_column, string_column};
use super::settings::{self, NotNullEnforcer, Settings};
use super::statement::{Script, Step};
use super::tableau::COLUMN_WIDTH;
use crate::catalog::{
    Catalog, ColumnDescription, Object, Table, View, declare_table, describe, local_name, show_create,
};
use crate::operators::Environment;
use crate::parser::{CreateView, Hints, Insert, StatementKind, error_at, parse_script};
use crate::plan::{Planner, Rel, plan_insert};
use crate::stream::{Builder, Node, NodeKind, SinkTarget, Translator, Uids, check_sink, insert_name, no_externals};

/// Tables, views and settings, as a script's statements make them. Cloning copies them: the copy goes its own way.
#[derive(Clone)]
pub struct Session {
    pub(super) connectors: Connectors,
    pub(super) catalog: Catalog,
    /// What SET has set.
    pub(super) values: BTreeMap<String, String>,
}

/// What a statement came to.
pub enum Outcome {
    /// It is done; a warning where the user should know something.
    Done {
        /// What to tell the user.
        warning: Option<String>,
    },
    /// An answer.
    Table(ResultTable),
    /// A job to start.
    Insert(Box<InsertJob>),
    /// A query to start.
    Query(Box<QueryJob>),
}

impl Session {
    /// A session without tables, with the default settings.
    pub fn new(connectors: Connectors) -> Self {
        Self { connectors, catalog: Catalog::default(), values: BTreeMap::new() }
    }

    /// Sets a configuration key; returns what the user should know about it.
    ///
    /// # Errors
    /// There is no such key, or the value is wrong.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Option<String>> {
        let warning = settings::check(key, value)?;
        for other in settings::spellings(key) {
            self.values.remove(other);
        }
        self.values.insert(key.to_owned(), value.to_owned());
        Ok(warning)
    }

    /// Reads a script.
    ///
    /// # Errors
    /// The first statement that cannot be read, with its place.
    pub fn parse(&self, text: &str) -> Result<Script> {
        let (statements, hints) = parse_script(text)?;
        let hints = Arc::new(hints);
        Ok(Script {
            steps: statements.into_iter().map(|statement| Step { statement, hints: Arc::clone(&hints) }).collect(),
        })
    }

    /// Plans every statement of a script on a copy of the session, and runs nothing.
    ///
    /// # Errors
    /// The first statement that is wrong, with its place.
    pub fn check(&self, script: &Script) -> Result<()> {
        let mut copy = self.clone();
        for step in &script.steps {
            copy.execute(step)?;
        }
        Ok(())
    }

    /// Carries a statement out. A job is planned and checked; the caller starts it. Nothing connects to a system here.
    ///
    /// # Errors
    /// What is wrong with the statement, with its place.
    pub fn execute(&mut self, step: &Step) -> Result<Outcome> {
        let result = self.carry_out(&step.statement.kind, &step.hints);
        result.map_err(|error| match step.position() {
            Some(position) => error.at(position),
            None => error,
        })
    }

    /// The plan of a query, an INSERT or a statement set, as EXPLAIN shows it; `None` for other statements. Nothing is carried out.
    ///
    /// # Errors
    /// What is wrong with the statement, with its place.
    pub fn explain_step(&self, step: &Step) -> Result<Option<String>> {
        if !matches!(
            step.statement.kind,
            StatementKind::Query(_) | StatementKind::Insert(_) | StatementKind::StatementSet(_)
        ) {
            return Ok(None);
        }
        let table = self.explain(&step.statement.kind, &step.hints).map_err(|error| match step.position() {
            Some(position) => error.at(position),
            None => error,
        })?;
        Ok(table.rows.into_iter().flatten().flatten().next())
    }

    /// How wide a client draws a column of text at most (`sql-client.display.max-column-width`).
    ///
    /// # Errors
    /// A setting has a wrong value.
    pub fn column_width(&self) -> Result<usize> {
        Ok(self.settings()?.0.column_width.and_then(|width| usize::try_from(width).ok()).unwrap_or(COLUMN_WIDTH))
    }

    fn carry_out(&mut self, statement: &StatementKind, hints: &Hints) -> Result<Outcome> {
        let done = Ok(Outcome::Done { warning: None });
        match statement {
            StatementKind::CreateTable(create) => {
                let (table, warning) = declare_table(&self.catalog, create)?;
                self.catalog.add(&create.name, Object::Table(Arc::new(table)), create.if_not_exists)?;
                Ok(Outcome::Done { warning })
            }
            StatementKind::CreateView(create) => {
                self.create_view(create, hints)?;
                done
            }
            StatementKind::Drop(drop) => {
                self.catalog.drop(drop.kind, &drop.name, drop.if_exists)?;
                done
            }
            StatementKind::Set(key, value) => Ok(Outcome::Done { warning: self.set(key, value)? }),
            StatementKind::Reset(key) => {
                match key {
                    None => self.values.clear(),
                    Some(key) => {
                        self.values.remove(key);
                    }
                }
                done
            }
            StatementKind::ShowSettings => Ok(Outcome::Table(self.show_settings())),
            StatementKind::ShowName(column, name) => {
                Ok(Outcome::Table(ResultTable::texts(column, [(*name).to_owned()])))
            }
            StatementKind::ShowFunctions => {
                let mut names: Vec<String> = crate::functions::names()
                    .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains(' '))
                    .map(str::to_lowercase)
                    .collect();
                names.sort_unstable();
                names.dedup();
                Ok(Outcome::Table(ResultTable::texts("function name", names)))
            }
            StatementKind::Show(kind, pattern) => {
                let column = match kind {
                    crate::parser::ObjectKind::Table => "table name",
                    crate::parser::ObjectKind::View => "view name",
                };
                let matches = |name: &&str| pattern.as_ref().is_none_or(|pattern| pattern.matches(name));
                Ok(Outcome::Table(ResultTable::texts(
                    column,
                    self.catalog.names(*kind).into_iter().filter(matches).map(str::to_owned),
                )))
            }
            StatementKind::ShowCreate(name) => {
                Ok(Outcome::Table(ResultTable::texts("result", [self.show_create(name)?])))
            }
            StatementKind::Describe(name) => self.describe(name, hints).map(Outcome::Table),
            StatementKind::Explain(statement) => self.explain(statement, hints).map(Outcome::Table),
            StatementKind::Query(query) => self.query(query, hints),
            StatementKind::Insert(insert) => self.inserts(std::slice::from_ref(&**insert), hints),
            StatementKind::StatementSet(inserts) => self.inserts(inserts, hints),
        }
    }

    pub(super) fn settings(&self) -> Result<(Settings, JobConfiguration)> {
        settings::read(&self.values)
    }

    pub(super) fn environment(&self, settings: &Settings) -> Result<Environment> {
        Ok(Environment { zone: settings.zone()? })
    }

    fn create_view(&mut self, create: &CreateView, hints: &Hints) -> Result<()> {
        let rel = Planner::new(&self.catalog, hints).query(&create.query)?;
        if !create.columns.is_empty() && create.columns.len() != rel.fields.len() {
            let span =
                create.columns.first().map_or_else(sqlparser::tokenizer::Span::empty, |column: &Ident| column.span);
            return Err(error_at(
                span,
                format!("the view names {} columns, and its query has {}", create.columns.len(), rel.fields.len()),
            ));
        }
        let name = local_name(&create.name)?.value.clone();
        let view = View {
            name,
            columns: create.columns.clone(),
            comment: create.comment.clone(),
            query: create.query.clone(),
        };
        self.catalog.add(&create.name, Object::View(Arc::new(view)), create.if_not_exists)
    }

    fn show_settings(&self) -> ResultTable {
        let mut all = settings::defaults();
        all.extend(self.values.clone());
        let shown = |key: &str, value: String| if settings::is_secret(key) { "******".to_owned() } else { value };
        let rows = all.into_iter().map(|(key, value)| vec![Some(key.clone()), Some(shown(&key, value))]).collect();
        ResultTable { columns: vec![string_column("key"), string_column("value")], rows }
    }

    fn show_create(&self, name: &ObjectName) -> Result<String> {
        match self.catalog.get(name)? {
            Object::Table(table) => Ok(show_create(&table)),
            Object::View(view) => Ok(view.show_create()),
            Object::Relation(_) => Err(Error::user(format!(
                "SHOW CREATE VIEW is not supported for '{name}': it was made by a program, not by a query"
            ))),
        }
    }

    fn describe(&self, name: &ObjectName, hints: &Hints) -> Result<ResultTable> {
        let columns = match self.catalog.get(name)? {
            Object::Table(table) => describe(&table),
            Object::View(_) | Object::Relation(_) => {
                let rel = Planner::new(&self.catalog, hints).relation(name)?;
                rel.fields
                    .iter()
                    .map(|field| ColumnDescription {
                        name: field.name.clone(),
                        data_type: field.data_type.logical.to_string(),
                        nullable: field.data_type.nullable,
                        ..ColumnDescription::default()
                    })
                    .collect()
            }
        };
        let with_comments = columns.iter().any(|column| column.comment.is_some());
        let mut table = ResultTable {
            columns: vec![
                string_column("name"),
                string_column("type"),
                boolean_column("null"),
                string_column("key"),
                string_column("extras"),
                string_column("watermark"),
            ],
            rows: Vec::with_capacity(columns.len()),
        };
        if with_comments {
            table.columns.push(string_column("comment"));
        }
        for column in columns {
            let nullable = if column.nullable { "TRUE" } else { "FALSE" };
            let mut row = vec![
                Some(column.name),
                Some(column.data_type),
                Some(nullable.to_owned()),
                column.key,
                column.extras,
                column.watermark,
            ];
            if with_comments {
                row.push(column.comment);
            }
            table.rows.push(row);
        }
        Ok(table)
    }

    pub(super) fn builder<'s>(&'s self, environment: &Environment) -> Builder<'s> {
        Builder { connectors: &self.connectors, constants: environment.context(1, None) }
    }

    fn explain(&self, statement: &StatementKind, hints: &Hints) -> Result<ResultTable> {
        let environment = self.environment(&self.settings()?.0)?;
        let plans = match statement {
            StatementKind::Query(query) => {
                let mut plan = self.query_plan(query, hints, &environment)?.1;
                plan.without_update_before();
                vec![plan]
            }
            StatementKind::Insert(insert) => vec![self.insert_plan(insert, hints, &environment)?.0],
            StatementKind::StatementSet(inserts) => inserts
                .iter()
                .map(|insert| Ok(self.insert_plan(insert, hints, &environment)?.0))
                .collect::<Result<_>>()?,
            _ => return Err(Error::user("EXPLAIN needs a query, an INSERT or a statement set")),
        };
        Ok(ResultTable::texts("result", [explained(&plans.iter().collect::<Vec<_>>())]))
    }

    fn query_plan(&self, query: &Query, hints: &Hints, environment: &Environment) -> Result<(Rel, Node)> {
        let rel = Planner::new(&self.catalog, hints).query(query)?;
        let node = self.builder(environment).build(&rel)?;
        Ok((rel, node))
    }

    /// The plan of an INSERT with its sink on top, and the table.
    pub(super) fn insert_plan(
        &self,
        insert: &Insert,
        hints: &Hints,
        environment: &Environment,
    ) -> Result<(Node, Arc<Table>)> {
        let (table, rel) = plan_insert(&mut Planner::new(&self.catalog, hints), insert)?;
        let hint = insert
            .target
            .0
            .last()
            .and_then(|part| part.as_ident())
            .and_then(|ident| hints.behind(ident))
            .cloned()
            .unwrap_or_default();
        let target = SinkTarget { table: Arc::clone(&table), hint };
        Ok((self.sink_plan(&rel, target, environment)?, table))
    }

    /// The plan of a query whose columns fit a table, with the table's sink on top.
    pub(super) fn sink_plan(&self, rel: &Rel, target: SinkTarget, environment: &Environment) -> Result<Node> {
        let mut query = self.builder(environment).build(rel)?;
        let (_, wanted) = check_sink(&self.connectors, &target, &query)?;
        if !wanted.contains(riverrun_data::RowKind::UpdateBefore) {
            query.without_update_before();
        }
        let (fields, mode) = (query.fields.clone(), query.mode);
        Ok(Node { kind: NodeKind::Sink(target), fields, mode, upsert_key: None, inputs: vec![query] })
    }

    fn query(&self, query: &Query, hints: &Hints) -> Result<Outcome> {
        let rel = Planner::new(&self.catalog, hints).query(query)?;
        Ok(Outcome::Query(Box::new(self.query_of(&rel)?)))
    }

    /// The job of a query whose result is shown.
    pub(super) fn query_of(&self, rel: &Rel) -> Result<QueryJob> {
        let (settings, job) = self.settings()?;
        let environment = self.environment(&settings)?;
        let node = self.builder(&environment).build(rel)?;
        let mut graph = JobGraph::new(job.name().unwrap_or("collect"), settings.job(job.pipeline()));
        let (sink, rows) = result_channel();
        self.translator(&mut graph, &settings, environment, &no_externals).result(&node, Box::new(sink))?;
        Ok(QueryJob { columns: columns_of(rel), updating: !node.mode.is_insert_only(), graph, rows, environment })
    }

    fn inserts(&self, inserts: &[Insert], hints: &Hints) -> Result<Outcome> {
        let environment = self.environment(&self.settings()?.0)?;
        let plans =
            inserts.iter().map(|insert| self.insert_plan(insert, hints, &environment)).collect::<Result<Vec<_>>>()?;
        Ok(Outcome::Insert(Box::new(self.insert_of(&plans)?)))
    }

    /// The job of plans that write into tables.
    pub(super) fn insert_of(&self, plans: &[(Node, Arc<Table>)]) -> Result<InsertJob> {
        let (settings, job) = self.settings()?;
        let environment = self.environment(&settings)?;
        let tables: Vec<Arc<Table>> = plans.iter().map(|(_, table)| Arc::clone(table)).collect();
        let name = job.name().map_or_else(|| insert_name(&tables), str::to_owned);
        let mut graph = JobGraph::new(name.clone(), settings.job(job.settings()));
        self.add_sinks(plans, &mut self.translator(&mut graph, &settings, environment, &no_externals))?;
        Ok(InsertJob { name, waits: settings.dml_sync, graph })
    }

    /// Adds plans with their sinks to a graph.
    pub(super) fn add_sinks(&self, plans: &[(Node, Arc<Table>)], translator: &mut Translator<'_>) -> Result<()> {
        for (plan, _) in plans {
            let (NodeKind::Sink(target), [query]) = (&plan.kind, plan.inputs.as_slice()) else {
                return Err(Error::internal("an INSERT without a sink"));
            };
            let (sink, _) = check_sink(&self.connectors, target, query)?;
            translator.sink(plan, target, sink)?;
        }
        Ok(())
    }

    pub(super) fn translator<'t>(
        &'t self,
        graph: &'t mut JobGraph,
        settings: &Settings,
        environment: Environment,
        externals: &'t dyn Fn(&mut JobGraph, usize) -> Result<Stream<Batch>>,
    ) -> Translator<'t> {
        Translator {
            graph,
            connectors: &self.connectors,
            environment,
            externals,
            uids: Uids::default(),
            idle_timeout: Some(settings.idle_timeout).filter(|timeout| !timeout.is_zero()),
            row_by_row: !settings.mini_batch,
            drops_null: settings.not_null_enforcer == NotNullEnforcer::Drop,
        }
    }
}

/// The columns of a relation, as its rows show them.
pub(super) fn columns_of(rel: &Rel) -> Vec<Column> {
    rel.fields.iter().map(|field| Column { name: field.name.clone(), data_type: field.data_type.clone() }).collect()
}
