//! Where a program with tables begins.

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use riverrun_base::{Error, Result};
use riverrun_connect::Connectors;
use riverrun_runtime::JobConfiguration;
use riverrun_sql::{Insertion, Outcome, Planned, Relation, Session};

use super::expression::{Expression, Kind, lower};
use super::functions::IntoUserFunction;
use super::schema::TableDescriptor;
use super::{StatementSet, Table, TableResult};
use crate::StreamExecutionEnvironment;
use crate::stream::{JobClient, NodeId, Settings};

/// Tables, views, functions and configuration: what SQL and the Table API see. Clones are the same environment.
///
/// ```
/// use riverrun::table::{TableEnvironment, col};
///
/// let env = TableEnvironment::create();
/// env.execute_sql("CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '5',
///     'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '5')")?;
/// let sum = env.from("numbers")?.select([col("n").sum().as_("total")]);
/// let rows = sum.execute()?.collect()?;
/// assert_eq!(rows.last().map(|row| row.get::<i64>(0)).transpose()?, Some(15));
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Clone)]
pub struct TableEnvironment {
    session: Rc<RefCell<Session>>,
    /// Of a [`StreamTableEnvironment`](super::StreamTableEnvironment).
    pub(super) streams: Option<Streams>,
}

/// The nodes of streams by their ids, each for as long as the program that it belongs to has not run.
type Inputs = HashMap<usize, (NodeId, Weak<()>)>;

/// The data streams that tables are made of.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) env: StreamExecutionEnvironment,
    inputs: Rc<RefCell<Inputs>>,
    next: Rc<Cell<usize>>,
    /// How many queries became part of the program, for their names.
    attached: Rc<Cell<usize>>,
}

impl Streams {
    pub(super) fn of(env: &StreamExecutionEnvironment) -> Self {
        Self { env: env.clone(), inputs: Rc::default(), next: Rc::default(), attached: Rc::default() }
    }

    /// Remembers the node of a stream; answers its id.
    pub(super) fn add(&self, node: NodeId, token: &Rc<()>) -> usize {
        let id = self.next.replace(self.next.get() + 1);
        self.inputs.borrow_mut().insert(id, (node, Rc::downgrade(token)));
        id
    }

    /// The next name for a query that becomes part of the program.
    pub(super) fn name(&self) -> String {
        self.attached.set(self.attached.get() + 1);
        format!("Table {}", self.attached.get())
    }

    /// The nodes of streams by their ids.
    ///
    /// # Errors
    /// The program that a stream belongs to has run.
    pub(super) fn nodes(&self, ids: &[usize]) -> Result<HashMap<usize, NodeId>> {
        let inputs = self.inputs.borrow();
        let node = |id: &usize| match inputs.get(id) {
            Some((node, token)) if token.strong_count() > 0 => Ok((*id, *node)),
            _ => Err(Error::user("the table reads a data stream of a program that has run")
                .hint("build stream and table again for the next job")),
        };
        ids.iter().map(node).collect()
    }
}

/// The stream of an id, among nodes that are made.
pub(super) fn stream_of(
    made: &crate::stream::Made,
    nodes: &HashMap<usize, NodeId>,
    id: usize,
) -> Result<riverrun_runtime::Stream<riverrun_data::Batch>> {
    let node = nodes.get(&id).ok_or_else(|| Error::internal("a stream that no node is of"))?;
    made.stream(*node)
}

impl TableEnvironment {
    /// An environment with the connectors of this build.
    pub fn create() -> Self {
        Self::with_connectors(riverrun_bundle::connectors())
    }

    /// An environment with these connectors.
    pub fn with_connectors(connectors: Connectors) -> Self {
        Self { session: Rc::new(RefCell::new(Session::new(connectors))), streams: None }
    }

    pub(super) fn session(&self) -> Ref<'_, Session> {
        self.session.borrow()
    }

    /// The session as a job sees it: with the stream environment's configuration, where none of its own.
    pub(super) fn configured(&self) -> Result<Session> {
        let mut session = self.session().clone();
        if let Some(streams) = &self.streams {
            for (key, value) in &*streams.env.configuration.borrow() {
                if !session.configuration().contains_key(key) {
                    session.set(key, value)?;
                }
            }
        }
        Ok(session)
    }

    /// Sets a configuration key of Flink's, as `table.local-time-zone` or `parallelism.default`.
    ///
    /// # Errors
    /// There is no such key, or the value is wrong.
    pub fn set(&self, key: &str, value: &str) -> Result<&Self> {
        self.session.borrow_mut().set(key, value)?;
        self.pass_on(key, value);
        Ok(self)
    }

    /// A key of the job is the stream environment's too.
    fn pass_on(&self, key: &str, value: &str) {
        let is_jobs = JobConfiguration::specs().any(|spec| spec.key == key || spec.older_keys.contains(&key));
        if let Some(streams) = self.streams.as_ref().filter(|_| is_jobs) {
            streams.env.configuration.borrow_mut().insert(key.to_owned(), value.to_owned());
        }
    }

    /// The value of a configuration key that was set.
    pub fn get(&self, key: &str) -> Option<String> {
        self.session().configuration().get(key).cloned()
    }

    /// Runs a statement of SQL: declares a table or view, starts an INSERT, a statement set or a query, answers SHOW, DESCRIBE, EXPLAIN.
    ///
    /// # Errors
    /// What is wrong with the statement, with its place; or there is more than one.
    pub fn execute_sql(&self, statement: &str) -> Result<TableResult> {
        let script = self.session().parse(statement)?;
        let [step] = script.steps.as_slice() else {
            return Err(Error::user(format!("execute_sql takes one statement, and these are {}", script.steps.len())));
        };
        let planned = self.session().plan(step)?;
        match planned {
            Planned::Query(relation) => self.run_query(&relation),
            Planned::Insertions(insertions) => self.run_insertions(insertions),
            Planned::Other => {
                let outcome = self.session.borrow_mut().execute(step)?;
                let values = self.session().configuration().clone();
                values.iter().for_each(|(key, value)| self.pass_on(key, value));
                match outcome {
                    Outcome::Done { warning } => Ok(TableResult::done(warning)),
                    Outcome::Table(table) => Ok(TableResult::answer(table)),
                    Outcome::Insert(job) => Ok(TableResult::job(job.name.clone(), JobClient::unwatched(job.start()?))),
                    Outcome::Query(job) => {
                        let (job, rows) = job.start()?;
                        Ok(TableResult::query(JobClient::unwatched(job), rows))
                    }
                }
            }
        }
    }

    /// A query of SQL as a table.
    ///
    /// # Errors
    /// What is wrong with the query, with its place.
    pub fn sql_query(&self, query: &str) -> Result<Table> {
        let relation = self.session().query_relation(query)?;
        Ok(Table::of(self, Ok(relation)))
    }

    /// A table or view that was created. The path may name catalog and database; a part that is no plain name stands in backticks.
    ///
    /// # Errors
    /// There is none of this name; the error names the nearest.
    pub fn from(&self, path: &str) -> Result<Table> {
        let relation = self.session().table(path)?;
        Ok(Table::of(self, Ok(relation)))
    }

    /// A table of constants; each row is one of [`row`](super::row), or a single value.
    ///
    /// # Errors
    /// The rows differ in their number of columns, or in types that have nothing in common.
    pub fn from_values<N: Into<String>>(
        &self,
        names: impl IntoIterator<Item = N>,
        rows: impl IntoIterator<Item = Expression>,
    ) -> Result<Table> {
        let values = |row: Expression| match row.0 {
            Kind::Row(values) => values.iter().map(|value| lower(value, None)).collect::<Result<Vec<_>>>(),
            _ => Ok(vec![lower(&row, None)?]),
        };
        let rows = rows.into_iter().map(values).collect::<Result<Vec<_>>>()?;
        if rows.is_empty() {
            return Err(Error::user("from_values() needs a row, because a table without rows has no types"));
        }
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let session = self.session();
        let relation = session.named(session.values(rows)?, &names)?;
        Ok(Table::of(self, Ok(relation)))
    }

    /// Gives a table a name by which SQL and [`from`](Self::from) find it.
    ///
    /// # Errors
    /// The table's first mistake, or the name is taken.
    pub fn create_temporary_view(&self, path: &str, table: &Table) -> Result<()> {
        let relation = table.planned()?.clone();
        self.session.borrow_mut().create_temporary_view(path, relation)
    }

    /// Declares a table with its connector.
    ///
    /// # Errors
    /// The name is taken, or the declaration is wrong.
    pub fn create_temporary_table(&self, path: &str, table: TableDescriptor) -> Result<()> {
        self.session.borrow_mut().create_table(path, &table.0).map(|_| ())
    }

    /// Forgets a table; answers whether there was one.
    ///
    /// # Errors
    /// The path is no name.
    pub fn drop_temporary_table(&self, path: &str) -> Result<bool> {
        self.session.borrow_mut().drop_object(path, false)
    }

    /// Forgets a view; answers whether there was one.
    ///
    /// # Errors
    /// The path is no name.
    pub fn drop_temporary_view(&self, path: &str) -> Result<bool> {
        self.session.borrow_mut().drop_object(path, true)
    }

    /// Gives a function a name by which SQL, and [`call`](super::call) find it, in any case. It comes before one of SQL of the same name, and in place of
    /// one that was created before.
    pub fn create_temporary_function(&self, name: &str, function: impl IntoUserFunction) {
        self.session.borrow_mut().create_function(name, function.into_user_function());
    }

    /// As [`Self::create_temporary_function`], under its older name.
    pub fn register_function(&self, name: &str, function: impl IntoUserFunction) {
        self.create_temporary_function(name, function);
    }

    /// Forgets a function that was created; answers whether there was one.
    pub fn drop_temporary_function(&self, name: &str) -> bool {
        self.session.borrow_mut().drop_function(name)
    }

    /// The names of tables and views, sorted.
    pub fn list_tables(&self) -> Vec<String> {
        self.session().table_names(false)
    }

    /// The names of views, sorted.
    pub fn list_views(&self) -> Vec<String> {
        self.session().table_names(true)
    }

    /// The plan of a query or an INSERT in SQL.
    ///
    /// # Errors
    /// What is wrong with the statement.
    pub fn explain_sql(&self, statement: &str) -> Result<String> {
        let session = self.session();
        let script = session.parse(statement)?;
        let [step] = script.steps.as_slice() else {
            return Err(Error::user(format!("explain_sql takes one statement, and these are {}", script.steps.len())));
        };
        session
            .explain_step(step)?
            .ok_or_else(|| Error::user("explain_sql takes a query, an INSERT or a statement set"))
    }

    /// Inserts that run as one job.
    pub fn create_statement_set(&self) -> StatementSet {
        StatementSet::of(self)
    }

    pub(super) fn run_query(&self, relation: &Relation) -> Result<TableResult> {
        let ids = relation.streams();
        if ids.is_empty() {
            let (job, rows) = self.configured()?.query_job(relation)?.start()?;
            return Ok(TableResult::query(JobClient::unwatched(job), rows));
        }
        let streams = self.program()?;
        let (session, relation) = (self.configured()?, relation.clone());
        let (sender, rows) = session.results(&relation)?;
        let nodes = streams.nodes(&ids)?;
        streams.env.blueprint.add(Settings::named("Sink: Collect"), move |graph, _, made| {
            session.attach_result(&relation, sender, graph, &|_, id| stream_of(made, &nodes, id))
        });
        Ok(TableResult::query(streams.env.execute_async("collect")?, rows))
    }

    pub(super) fn run_insertions(&self, insertions: Vec<Insertion>) -> Result<TableResult> {
        if insertions.iter().all(|insertion| insertion.streams().is_empty()) {
            let session = self.configured()?;
            let job = session.insert_job(insertions)?;
            return Ok(TableResult::job(job.name.clone(), JobClient::unwatched(job.start()?)));
        }
        let tables: Vec<String> = insertions.iter().map(|insertion| insertion.table().to_owned()).collect();
        let name = format!("insert-into_{}", tables.join(","));
        let streams = self.attach(insertions)?;
        Ok(TableResult::job(name.clone(), streams.env.execute_async(name)?))
    }

    /// Makes insertions part of the program.
    pub(super) fn attach(&self, insertions: Vec<Insertion>) -> Result<&Streams> {
        let ids: Vec<usize> = insertions.iter().flat_map(Insertion::streams).collect();
        let streams = self.program()?;
        let (session, nodes) = (self.configured()?, streams.nodes(&ids)?);
        streams.env.blueprint.add(Settings::named("Sink: Table"), move |graph, _, made| {
            session.attach_insertions(insertions, graph, &|_, id| stream_of(made, &nodes, id))
        });
        Ok(streams)
    }

    fn program(&self) -> Result<&Streams> {
        self.streams.as_ref().ok_or_else(|| {
            Error::user("this environment has no data streams").hint("make it by StreamTableEnvironment::create(&env)")
        })
    }
}
