//! From the streaming plan to the runtime's graph.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use riverrun_base::{Error, Result};
use riverrun_connect::{Commits, Connectors, Sink};
use riverrun_data::{Batch, DataType, RowField, arrow_schema};
use riverrun_runtime::{Exchange, JobGraph, NodeSettings, OperatorContext, Stream};
use riverrun_state::key_groups;

use super::lineage::{description, gathered, last_rows};
use super::node::{Node, NodeKind, SinkTarget};
use super::normalize::is_by_key;
use super::source::{ValuesSource, metadata_types};
use super::uid::Uids;
use crate::catalog::{Table, TableColumn, TableColumnKind};
use crate::eval::Evaluator;
use crate::expr::{CastMode, Expr, ExprKind, cast};
use crate::operators::{
    AssignWindows, Calc, ChangelogNormalize, Environment, GroupAggregate, Groups, Limit, RowAtATime, SessionAggregate,
    SinkGuard, Sort, SourceCalc, StateOf, Unnest, WallClock, WatermarkAssigner, WindowAggregate, columns, key_types,
};
use crate::plan::{self, AggregateCall, Field, GroupWindow, Scan, WindowKind, batch_schema};

/// The counter of rows that came after their window had closed, as Flink names it.
const LATE_RECORDS: &str = "numLateRecordsDropped";

/// What answers no stream: no program is around the query.
///
/// # Errors
/// Always.
pub(crate) fn no_externals(_: &mut JobGraph, _: usize) -> Result<Stream<Batch>> {
    Err(Error::internal("a stream of a program in a job without it"))
}

/// Puts plans into a job's graph.
pub(crate) struct Translator<'a> {
    pub(crate) graph: &'a mut JobGraph,
    pub(crate) connectors: &'a Connectors,
    pub(crate) environment: Environment,
    /// The streams that the program brings, by their ids.
    pub(crate) externals: &'a dyn Fn(&mut JobGraph, usize) -> Result<Stream<Batch>>,
    /// What the state of operators is stored under.
    pub(crate) uids: Uids,
    /// `table.exec.source.idle-timeout`.
    pub(crate) idle_timeout: Option<Duration>,
    /// Whether a group changes with every row, and not once for a batch.
    pub(crate) row_by_row: bool,
    /// Whether rows with NULL in a NOT NULL column are dropped instead of failing the job.
    pub(crate) drops_null: bool,
}

impl Translator<'_> {
    /// Adds a plan below a sink.
    ///
    /// # Errors
    /// The plan cannot be carried out.
    pub(crate) fn stream(&mut self, node: &Node) -> Result<Stream<Batch>> {
        let environment = self.environment;
        let schema = batch_schema(&node.fields);
        match &node.kind {
            NodeKind::Source(scan) => self.source(scan, schema),
            NodeKind::External(external) => (self.externals)(self.graph, external.id),
            NodeKind::Values(rows) => self.values(rows, schema),
            NodeKind::Calc { condition, exprs } => {
                let reads_watermark = condition.iter().chain(exprs.iter().flatten()).any(Calc::reads_watermark);
                let uid = self.uids.node(if reads_watermark { "Calc(CURRENT_WATERMARK)" } else { "Calc" });
                let input = self.input(node)?;
                let (condition, exprs) = (condition.clone(), exprs.clone());
                Ok(self.graph.operator(&input, NodeSettings::named("Calc").uid(uid), move |_: &OperatorContext| {
                    let projection = exprs.as_deref().map(|exprs| (exprs, schema.clone()));
                    Ok(Box::new(Calc::new(condition.as_ref(), projection, environment)?))
                }))
            }
            NodeKind::Exchange { keys } => {
                let input = self.input(node)?;
                Ok(self.exchange(&input, keys.clone()))
            }
            NodeKind::ChangelogNormalize { keys, update_before } => {
                let (uid, input) = self.input_below("ChangelogNormalize", node)?;
                let state = last_rows(first_input(node)?, keys);
                let (keys, update_before) = (keys.clone(), *update_before);
                let (settings, row_by_row) = (self.grouped("ChangelogNormalize", &keys).uid(uid), self.row_by_row);
                Ok(self.graph.operator(&input, settings, move |context: &OperatorContext| {
                    let state = StateOf::new(context, &state);
                    let normalize = ChangelogNormalize::new(keys.clone(), update_before, schema.clone(), state)?;
                    Ok(if row_by_row { Box::new(RowAtATime(normalize)) } else { Box::new(normalize) })
                }))
            }
            NodeKind::Watermark { column, strategy } => {
                let uid = self.uids.node("WatermarkAssigner");
                let input = self.input(node)?;
                let (column, strategy, idle_timeout) = (*column, strategy.clone(), self.idle_timeout);
                Ok(self.graph.operator(
                    &input,
                    NodeSettings::named("WatermarkAssigner").uid(uid),
                    move |context: &OperatorContext| {
                        Ok(Box::new(WatermarkAssigner::new(&strategy, column, idle_timeout, environment, context)?))
                    },
                ))
            }
            NodeKind::AssignWindows(window) => {
                let uid = self.uids.node("WindowTableFunction");
                let input = self.input(node)?;
                let (window, zone) = (window.clone(), WallClock::of(&window.time_type.logical, environment.zone));
                Ok(self.graph.operator(
                    &input,
                    NodeSettings::named("WindowTableFunction").uid(uid),
                    move |_: &OperatorContext| Ok(Box::new(AssignWindows::new(window.clone(), zone, schema.clone()))),
                ))
            }
            NodeKind::Unnest(unnest) => {
                let uid = self.uids.node("Correlate");
                let input = self.input(node)?;
                let unnest = unnest.clone();
                Ok(self.graph.operator(
                    &input,
                    NodeSettings::named("Correlate").uid(uid),
                    move |_: &OperatorContext| Ok(Box::new(Unnest::new(unnest.clone(), schema.clone()))),
                ))
            }
            NodeKind::GroupAggregate { keys, aggregates, update_before } => {
                let (uid, input) = self.input_below("GroupAggregate", node)?;
                let state = description(first_input(node)?, keys, aggregates, None);
                let (fields, retracts) = self.input_shape(node)?;
                let (keys, aggregates, update_before) = (keys.clone(), aggregates.clone(), *update_before);
                let (settings, row_by_row) = (self.grouped("GroupAggregate", &keys).uid(uid), self.row_by_row);
                Ok(self.graph.operator(&input, settings, move |context: &OperatorContext| {
                    let groups = Groups::new(&key_types(&fields, &keys), &aggregates, retracts)?;
                    let state = StateOf::new(context, &state);
                    let aggregate = GroupAggregate::new(keys.clone(), groups, update_before, schema.clone(), state);
                    Ok(if row_by_row { Box::new(RowAtATime(aggregate)) } else { Box::new(aggregate) })
                }))
            }
            NodeKind::WindowAggregate { keys, aggregates, window } => {
                self.window_aggregate(node, keys, aggregates, window, schema)
            }
            NodeKind::SessionAggregate { keys, aggregates, window } => {
                self.session_aggregate(node, keys, aggregates, window, schema)
            }
            NodeKind::Union => {
                let inputs = node.inputs.iter().map(|input| self.stream(input)).collect::<Result<Vec<_>>>()?;
                Ok(self.graph.union(inputs))
            }
            NodeKind::Sort(sort) => self.sort(node, sort),
            NodeKind::Sink(_) => Err(Error::internal("a sink below an operator")),
        }
    }

    fn input(&mut self, node: &Node) -> Result<Stream<Batch>> {
        self.stream(first_input(node)?)
    }

    /// The input of an operator with state, and the operator's uid.
    fn input_below(&mut self, name: &str, node: &Node) -> Result<(String, Stream<Batch>)> {
        let uid = self.uids.enter(name);
        let input = self.input(node)?;
        self.uids.leave();
        Ok((uid, input))
    }

    fn input_shape(&self, node: &Node) -> Result<(Vec<Field>, bool)> {
        let input = first_input(node)?;
        Ok((input.fields.clone(), !input.mode.is_insert_only()))
    }

    /// An operator with keys has the job's parallelism; without keys all its rows are in one subtask.
    fn grouped(&self, name: &str, keys: &[usize]) -> NodeSettings {
        let parallelism = if keys.is_empty() { 1 } else { self.graph.settings().parallelism };
        NodeSettings::named(name).parallelism(parallelism)
    }

    fn exchange(&mut self, input: &Stream<Batch>, keys: Vec<usize>) -> Stream<Batch> {
        if keys.is_empty() {
            return self.graph.exchange(input, Exchange::Global);
        }
        let max_parallelism = u32::try_from(self.graph.settings().max_parallelism).unwrap_or(u32::MAX);
        let partitioner = move |batch: &Batch, groups: &mut Vec<u32>| {
            key_groups(&columns(batch.rows(), &keys), batch.num_rows(), max_parallelism, groups)
        };
        self.graph.exchange(input, Exchange::hash(partitioner))
    }

    fn source(&mut self, scan: &Scan, schema: SchemaRef) -> Result<Stream<Batch>> {
        let connector = scan.table.connector(self.connectors, &scan.hint)?;
        let context = scan.table.context(&scan.hint)?;
        let source = super::source::open(self.connectors, &scan.table, &scan.hint)?;
        // The connector delivers metadata in its own types.
        let physical = context.columns.len();
        let delivered = metadata_types(connector, &context)?;
        let exprs: Vec<Expr> =
            scan.exprs.iter().map(|expr| with_metadata_types(expr.clone(), physical, &delivered)).collect();
        let rowtime = scan.table.watermark.as_ref().map(|watermark| watermark.column);
        let (watermark, environment) = (scan.watermark.clone().zip(rowtime), self.environment);
        let is_computed = |column: &TableColumn| matches!(column.kind, TableColumnKind::Computed { .. });
        let computed: Vec<bool> =
            scan.table.columns.iter().map(|column| is_by_key(source.changelog_mode()) && is_computed(column)).collect();
        let name = format!("Source: {}", scan.table.name);
        let uid = self.uids.source(&name);
        let settings = NodeSettings::named(name).uid(uid);
        Ok(self.graph.source(settings, source, self.idle_timeout, move |_: &OperatorContext| {
            let watermark = watermark.as_ref().map(|(strategy, column)| (strategy, *column));
            let calc = SourceCalc::new(&exprs, schema.clone(), watermark, environment)?;
            Ok(Box::new(calc.deleting_by_key(&exprs, &computed)?))
        }))
    }

    fn values(&mut self, rows: &[Vec<Expr>], schema: SchemaRef) -> Result<Stream<Batch>> {
        let context = self.environment.context(1, None);
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let nothing =
            RecordBatch::try_new_with_options(arrow_schema(&[]), Vec::new(), &options).map_err(values_error)?;
        let mut batches = Vec::with_capacity(rows.len());
        for row in rows {
            let columns = row
                .iter()
                .map(|value| Evaluator::new(value)?.eval_column(&nothing, &context))
                .collect::<Result<Vec<_>>>()?;
            batches.push(RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(values_error)?);
        }
        let all = compute::concat_batches(&schema, &batches).map_err(values_error)?;
        let source = Box::new(ValuesSource(all));
        let settings = NodeSettings::named("Source: Values").uid(self.uids.source("Source: Values"));
        Ok(self.graph.source(settings, source, None, |_: &OperatorContext| Ok(Box::new(()))))
    }

    fn sort(&mut self, node: &Node, sort: &plan::Sort) -> Result<Stream<Batch>> {
        let (uid, input) = self.input_below(sort.name(), node)?;
        let below = first_input(node)?;
        let (schema, retracts) = (batch_schema(&below.fields), !below.mode.is_insert_only());
        let settings = self.grouped(sort.name(), &[]).uid(uid);
        let sort = sort.clone();
        if sort.keys.is_empty() && !retracts {
            return Ok(self.graph.operator(&input, settings, move |_: &OperatorContext| {
                Ok(Box::new(Limit::new(sort.offset, sort.fetch)))
            }));
        }
        if let Some(source) = self.graph.unbounded_source(&input) {
            return Err(never_ends(&sort, source));
        }
        let state = gathered(below, &sort);
        Ok(self.graph.operator(&input, settings, move |context: &OperatorContext| {
            Ok(Box::new(Sort::new(&sort, schema.clone(), retracts, StateOf::new(context, &state))?))
        }))
    }

    fn window_aggregate(
        &mut self,
        node: &Node,
        keys: &[usize],
        aggregates: &[AggregateCall],
        window: &GroupWindow,
        schema: SchemaRef,
    ) -> Result<Stream<Batch>> {
        let (uid, input) = self.input_below("WindowAggregate", node)?;
        let state = description(first_input(node)?, keys, aggregates, Some(window));
        let (fields, retracts) = self.input_shape(node)?;
        let plain: Vec<usize> =
            keys.iter().zip(&window.columns).filter(|(_, column)| column.is_none()).map(|(key, _)| *key).collect();
        let zone = WallClock::of(&window.window.time_type.logical, self.environment.zone);
        let settings = self.grouped("WindowAggregate", &plain).uid(uid);
        let (keys, aggregates, window) = (keys.to_vec(), aggregates.to_vec(), window.clone());
        Ok(self.graph.operator(&input, settings, move |context: &OperatorContext| {
            let types = key_types(&fields, &plain);
            let late = context.counters.counter(LATE_RECORDS);
            Ok(Box::new(WindowAggregate::new(
                window.clone(),
                &keys,
                types,
                aggregates.clone(),
                retracts,
                zone,
                schema.clone(),
                late,
                StateOf::new(context, &state),
            )))
        }))
    }

    fn session_aggregate(
        &mut self,
        node: &Node,
        keys: &[usize],
        aggregates: &[AggregateCall],
        window: &GroupWindow,
        schema: SchemaRef,
    ) -> Result<Stream<Batch>> {
        let (uid, input) = self.input_below("GroupWindowAggregate", node)?;
        let state = description(first_input(node)?, keys, aggregates, Some(window));
        let (fields, retracts) = self.input_shape(node)?;
        let WindowKind::Session { gap } = window.window.kind else {
            return Err(Error::internal("a session of another window"));
        };
        let keyed: Vec<_> = keys.iter().copied().zip(window.columns.iter().copied()).collect();
        let plain: Vec<usize> = keyed.iter().filter(|(_, column)| column.is_none()).map(|(key, _)| *key).collect();
        let zone = WallClock::of(&window.window.time_type.logical, self.environment.zone);
        let settings = self.grouped("GroupWindowAggregate", &plain).uid(uid);
        let (aggregates, window) = (aggregates.to_vec(), window.window.clone());
        Ok(self.graph.operator(&input, settings, move |context: &OperatorContext| {
            let late = context.counters.counter(LATE_RECORDS);
            Ok(Box::new(SessionAggregate::new(
                window.clone(),
                gap,
                &fields,
                keyed.clone(),
                &aggregates,
                retracts,
                zone,
                schema.clone(),
                late,
                StateOf::new(context, &state),
            )?))
        }))
    }

    /// Adds an INSERT: the query's stream, the guard of NOT NULL, and the sink.
    ///
    /// # Errors
    /// The plan cannot be carried out.
    pub(crate) fn sink(&mut self, node: &Node, target: &SinkTarget, sink: Box<dyn Sink>) -> Result<()> {
        let query = node.inputs.first().ok_or_else(|| Error::internal("a sink without input"))?;
        let uid = self.uids.sink(&target.table.name);
        let mut stream = self.stream(query)?;
        let context = target.table.context(&target.hint)?;
        let connector = target.table.connector(self.connectors, &target.hint)?;
        let taken: Vec<DataType> = metadata_types(connector, &context)?;
        let metadata = context.metadata.iter().zip(taken).filter(|(column, _)| !column.is_virtual);
        let columns: Vec<RowField> = context
            .columns
            .iter()
            .cloned()
            .chain(metadata.map(|(column, taken)| RowField {
                name: column.name.clone(),
                data_type: DataType { nullable: true, ..taken },
            }))
            .collect();
        if columns.iter().zip(&query.fields).any(|(wanted, field)| wanted.data_type.logical != field.data_type.logical)
        {
            let exprs: Vec<Expr> = query
                .fields
                .iter()
                .enumerate()
                .zip(&columns)
                .map(|((n, field), wanted)| {
                    cast(Expr::column(n, field.data_type.clone()), &wanted.data_type, CastMode::Strict)
                })
                .collect();
            let fields: Vec<RowField> = columns
                .iter()
                .map(|column| RowField {
                    data_type: DataType { nullable: true, ..column.data_type.clone() },
                    ..column.clone()
                })
                .collect();
            let (schema, environment) = (arrow_schema(&fields), self.environment);
            let settings = NodeSettings::named("Calc").uid(self.uids.node("Calc"));
            stream = self.graph.operator(&stream, settings, move |_: &OperatorContext| {
                Ok(Box::new(Calc::new(None, Some((&exprs, schema.clone())), environment)?))
            });
        }
        let not_null: Vec<usize> =
            columns.iter().enumerate().filter(|(_, column)| !column.data_type.nullable).map(|(n, _)| n).collect();
        let (name, schema, drops) = (target.table.name.clone(), arrow_schema(&columns), self.drops_null);
        let settings = NodeSettings::named("ConstraintEnforcer").uid(self.uids.node("ConstraintEnforcer"));
        let guarded = self.graph.operator(&stream, settings, move |_: &OperatorContext| {
            Ok(Box::new(SinkGuard::new(name.clone(), not_null.clone(), drops, schema.clone())))
        });
        // Writers that have the same key in open transactions would wait for each other's locks for ever.
        let commits = sink.commits() != Commits::Never && self.graph.parallelism_of(&guarded) > 1;
        let is_spread = sink.parallelism().map_or(commits, |wanted| wanted > 1);
        let by_key = is_spread && !context.primary_key.is_empty();
        let guarded = if by_key { self.exchange(&guarded, context.primary_key.clone()) } else { guarded };
        self.graph.sink(&guarded, NodeSettings::named(format!("Sink: {}", target.table.name)).uid(uid), sink);
        Ok(())
    }

    /// Adds a query whose rows a program takes. `name` is what the state of its operators is stored under.
    ///
    /// # Errors
    /// The plan cannot be carried out.
    pub(crate) fn attached(&mut self, node: &Node, name: &str) -> Result<Stream<Batch>> {
        self.uids.sink(name);
        self.stream(node)
    }

    /// Adds a query whose rows go to one place.
    ///
    /// # Errors
    /// The plan cannot be carried out.
    pub(crate) fn result(&mut self, node: &Node, sink: Box<dyn Sink>) -> Result<()> {
        let uid = self.uids.sink("Collect");
        let stream = self.stream(node)?;
        self.graph.sink(&stream, NodeSettings::named("Sink: Collect").uid(uid).parallelism(1), sink);
        Ok(())
    }
}

/// Why rows cannot be sorted that never end.
fn never_ends(sort: &plan::Sort, source: &str) -> Error {
    let source = source.trim_start_matches("Source: ");
    let (what, missing) = match sort.keys.is_empty() {
        false => ("ORDER BY", "sorting an endless stream by its time attribute and Top-N are not there yet"),
        true => ("LIMIT of a result that is updated", "limiting one that never ends is not there yet"),
    };
    let error = Error::user(format!("{what} answers when all rows have come, and '{source}' never ends")).hint(format!(
        "make it end by an option of its connector (Kafka: 'scan.bounded.mode', datagen: 'number-of-rows'), or sort what the job has \
         written; {missing}"
    ));
    match sort.position {
        Some(position) => error.at(position),
        None => error,
    }
}

fn first_input(node: &Node) -> Result<&Node> {
    node.inputs.first().ok_or_else(|| Error::internal("an operator without input"))
}

/// The expression with casts where it reads metadata columns, which stand behind the physical ones.
fn with_metadata_types(expr: Expr, physical: usize, delivered: &[DataType]) -> Expr {
    match expr.kind {
        ExprKind::Column(index) => match index.checked_sub(physical).and_then(|n| delivered.get(n)) {
            Some(own) if own.logical != expr.data_type.logical => {
                cast(Expr::column(index, own.clone()), &expr.data_type, CastMode::Strict)
            }
            _ => expr,
        },
        _ => expr.map_children(&mut |child| with_metadata_types(child, physical, delivered)),
    }
}

fn values_error(error: arrow::error::ArrowError) -> Error {
    Error::internal("the rows of VALUES do not fit their schema").caused_by(error)
}

/// The name of a job that writes into tables.
pub(crate) fn insert_name(tables: &[Arc<Table>]) -> String {
    let names: Vec<String> =
        tables.iter().map(|table| format!("default_catalog.default_database.{}", table.name)).collect();
    format!("insert-into_{}", names.join(","))
}
