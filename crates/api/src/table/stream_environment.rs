//! Tables of data streams, and data streams of tables.

use std::ops::Deref;
use std::rc::Rc;

use riverrun_base::{Error, Result};
use riverrun_connect::Connectors;
use riverrun_data::{Batch, ChangelogMode, DataType, LogicalType, Records, RowField, RowKind};
use riverrun_runtime::{Operator, OperatorContext};
use riverrun_sql::{Relation, StreamColumn, StreamInput, TableColumnSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bridge::{
    ChangelogToRows, ROWTIME, RecordsToRows, RowsToChangelog, RowsToRecords, conformed, event_time_column,
};
use super::environment::{Streams, stream_of};
use super::rows::{Row, columns_of};
use super::schema::Schema;
use super::{Table, TableEnvironment};
use crate::stream::Settings;
use crate::{DataStream, Record, StreamExecutionEnvironment};

/// A [`TableEnvironment`] for programs that have data streams too: both run as one job.
///
/// ```
/// use riverrun::prelude::*;
/// use riverrun::table::{StreamTableEnvironment, col};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Order {
///     item: String,
///     price: i64,
/// }
///
/// let env = StreamExecutionEnvironment::new();
/// let tables = StreamTableEnvironment::create(&env);
/// let orders = env.from_collection(vec![
///     Order { item: "tea".into(), price: 3 },
///     Order { item: "cup".into(), price: 7 },
/// ]);
/// let dear = tables.from_data_stream(orders)?.filter(col("price").gt(5));
/// let dear: DataStream<Order> = tables.to_data_stream(&dear)?;
/// assert_eq!(dear.execute_and_collect("dear")?, [Order { item: "cup".into(), price: 7 }]);
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Clone)]
pub struct StreamTableEnvironment(TableEnvironment);

impl Deref for StreamTableEnvironment {
    type Target = TableEnvironment;

    fn deref(&self) -> &TableEnvironment {
        &self.0
    }
}

impl StreamTableEnvironment {
    /// Tables beside the streams of an environment, whose configuration they share, with the connectors of this build.
    pub fn create(env: &StreamExecutionEnvironment) -> Self {
        Self::with_connectors(env, riverrun_bundle::connectors())
    }

    /// As [`Self::create`], with these connectors.
    pub fn with_connectors(env: &StreamExecutionEnvironment, connectors: Connectors) -> Self {
        let mut tables = TableEnvironment::with_connectors(connectors);
        tables.streams = Some(Streams::of(env));
        Self(tables)
    }

    fn streams(&self) -> Result<&Streams> {
        self.0.streams.as_ref().ok_or_else(|| Error::internal("a stream environment without streams"))
    }

    /// The records of a stream as a table. The fields of a struct become columns of their names; those of a tuple `f0`, `f1` and so on, and any other
    /// value is the column `f0`. i64 is BIGINT, `Option` takes NULL, `Vec` is ARRAY, a struct inside is ROW.
    ///
    /// # Errors
    /// The type of the records is no type of a row.
    pub fn from_data_stream<T: Record + Serialize + DeserializeOwned>(&self, stream: DataStream<T>) -> Result<Table> {
        self.from_data_stream_with(stream, Schema::new())
    }

    /// As [`Self::from_data_stream`], with a schema: which fields become columns and in which types, computed columns, event time, key.
    ///
    /// Without a watermark in the schema, no column is event time. `rowtime` as metadata is the event time of the records, and
    /// `SOURCE_WATERMARK()` keeps the watermarks of the stream:
    ///
    /// ```
    /// # use riverrun::prelude::*;
    /// # use riverrun::table::{Schema, StreamTableEnvironment};
    /// # let env = StreamExecutionEnvironment::new();
    /// # let tables = StreamTableEnvironment::create(&env);
    /// # let clicks = env.from_collection(vec![("home".to_owned(), 7i64)]);
    /// let schema = Schema::new().column_by_metadata("at", "TIMESTAMP_LTZ(3)");
    /// # assert!(tables.from_data_stream_with(clicks.clone(), schema).is_err(), "the key is the column's name");
    /// let schema = Schema::new()
    ///     .column_by_metadata("rowtime", "TIMESTAMP_LTZ(3)")
    ///     .watermark("rowtime", "SOURCE_WATERMARK()");
    /// let table = tables.from_data_stream_with(clicks, schema)?;
    /// # Ok::<(), riverrun::Error>(())
    /// ```
    ///
    /// # Errors
    /// The type of the records is no type of a row, or the schema does not fit it.
    pub fn from_data_stream_with<T: Record + Serialize + DeserializeOwned>(
        &self,
        stream: DataStream<T>,
        schema: Schema,
    ) -> Result<Table> {
        let columns = columns_of::<T>()?;
        self.relation(stream, columns, ChangelogMode::INSERT_ONLY, &schema, |_| {
            Ok(Box::new(RecordsToRows::<T>::new()?))
        })
    }

    /// Gives a stream a name by which SQL finds its rows, as [`Self::from_data_stream`] makes them.
    ///
    /// # Errors
    /// As [`Self::from_data_stream`], or the name is taken.
    pub fn create_temporary_view_of<T: Record + Serialize + DeserializeOwned>(
        &self,
        path: &str,
        stream: DataStream<T>,
    ) -> Result<()> {
        let table = self.from_data_stream(stream)?;
        self.create_temporary_view(path, &table)
    }

    /// A stream of changes as a table: its rows insert, update and delete. The schema names every column, because rows do not tell types.
    /// `mode` says which kinds of rows come; with [`ChangelogMode::UPSERT`] the schema needs a primary key.
    ///
    /// # Errors
    /// The schema has no columns, or a wrong one.
    pub fn from_changelog_stream(&self, stream: DataStream<Row>, schema: Schema, mode: ChangelogMode) -> Result<Table> {
        let mut columns = Vec::new();
        for (name, column) in &schema.0.columns {
            if let TableColumnSpec::Physical(data_type) = column {
                columns.push(RowField { name: name.clone(), data_type: riverrun_sql::data_type(data_type)? });
            }
        }
        if columns.is_empty() {
            return Err(Error::user("from_changelog_stream() needs a schema with the columns of the rows")
                .hint("write Schema::new().column(\"name\", \"STRING\")"));
        }
        let of_rows = columns.clone();
        self.relation(stream, columns, mode, &schema, move |_| Ok(Box::new(RowsToChangelog::new(&of_rows)?)))
    }

    fn relation<T: Record>(
        &self,
        stream: DataStream<T>,
        columns: Vec<RowField>,
        mode: ChangelogMode,
        schema: &Schema,
        factory: impl Fn(&OperatorContext) -> Result<Box<dyn Operator<Records<T>, Batch>>> + Send + Sync + 'static,
    ) -> Result<Table> {
        let streams = self.streams()?;
        if !streams.env.blueprint.is_same(&stream.env.blueprint) {
            return Err(Error::user("the stream is of another environment than the tables"));
        }
        let token = Rc::new(());
        let (alive, origins) = (Rc::clone(&token), stream.origins);
        let node = streams.env.blueprint.add(Settings::named("DataStreamToTable"), move |graph, settings, made| {
            let _ends_here = alive;
            let input = made.union(graph, &origins)?;
            Ok(graph.operator(&input, settings, factory))
        });
        let event_time = DataType::nullable(LogicalType::TimestampLtz(3));
        let columns = columns
            .into_iter()
            .map(|column| StreamColumn { name: column.name, data_type: column.data_type, is_metadata: false })
            .chain([StreamColumn { name: ROWTIME.to_owned(), data_type: event_time, is_metadata: true }])
            .collect();
        let id = streams.add(node, &token);
        let input = StreamInput { id, name: format!("stream {id}"), columns, mode };
        let relation = self.session().stream(input, &schema.0)?;
        Ok(Table::of(&self.0, Ok(relation)))
    }

    /// The rows of a table as records: a struct takes the columns of its fields' names, a tuple all columns in order, any other type the only
    /// column. A column that is event time is also the event time of the records, and the watermarks go on.
    ///
    /// # Errors
    /// The table's first mistake, its columns do not fit the type, or it updates its rows ([`Self::to_changelog_stream`] takes these).
    pub fn to_data_stream<T: Record + DeserializeOwned>(&self, table: &Table) -> Result<DataStream<T>> {
        let relation = table.planned()?;
        let session = self.configured()?;
        let mode = session.changes_of(relation)?;
        if !mode.is_insert_only() {
            let what = if mode.contains(RowKind::UpdateAfter) { "update" } else { "delete" };
            return Err(Error::user(format!("to_data_stream() doesn't support consuming {what} changes"))
                .hint(format!("the table's changes are {mode}; take them by to_changelog_stream()")));
        }
        let (relation, has_time) = conformed::<T>(&session, relation.clone())?;
        self.attached(relation, move |_| Ok(Box::new(RowsToRecords::<T>::new(has_time)?)))
    }

    /// The changes of a table: each row says what it does ([`Row::kind`]).
    ///
    /// # Errors
    /// The table's first mistake, or it cannot be carried out.
    pub fn to_changelog_stream(&self, table: &Table) -> Result<DataStream<Row>> {
        let relation = table.planned()?.clone();
        let columns = relation.columns();
        let time = event_time_column(&columns).map(|column| column.name.clone());
        let has_time = time.is_some();
        let relation = match time {
            None => relation,
            Some(time) => {
                let all = super::all();
                let again = super::col(time).as_("$rowtime");
                Table::of(&self.0, Ok(relation)).select([all, again]).planned()?.clone()
            }
        };
        self.attached(relation, move |_| Ok(Box::new(ChangelogToRows { has_time })))
    }

    /// Makes a query part of the program.
    fn attached<T: Record>(
        &self,
        relation: Relation,
        factory: impl Fn(&OperatorContext) -> Result<Box<dyn Operator<Batch, Records<T>>>> + Send + Sync + 'static,
    ) -> Result<DataStream<T>> {
        let (streams, session) = (self.streams()?, self.configured()?);
        // What cannot be carried out is refused here, and not when the job starts.
        session.changes_of(&relation)?;
        let (nodes, name) = (streams.nodes(&relation.streams())?, streams.name());
        let table = streams.env.blueprint.add(Settings::named(name.clone()), move |graph, _, made| {
            session.attach(&relation, &name, graph, &|_, id| stream_of(made, &nodes, id))
        });
        let node = streams.env.blueprint.add(Settings::named("TableToDataStream"), move |graph, settings, made| {
            let rows = made.stream::<Batch>(table)?;
            Ok(graph.operator(&rows, settings, factory))
        });
        Ok(DataStream::of(streams.env.clone(), node))
    }
}
