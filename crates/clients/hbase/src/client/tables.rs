//! Tables: what the master does, which takes a moment. It gives each task a number, by which it is asked until the task is finished.

use bytes::Bytes;
use riverrun_base::{Kind, Result};

use super::Client;
use crate::failure::{Failure, Stale};
use crate::rpc::exception;
use crate::rpc::frame::Call;
use crate::rpc::messages::{
    self, ColumnFamilySchema, CreateTableRequest, GetProcedureResultRequest, GetProcedureResultResponse,
    GetTableDescriptorsRequest, GetTableDescriptorsResponse, ProcedureStarted, SplitTableRegionRequest, TableSchema,
};
use crate::table::{NewTable, TableName};

/// A task of the master, over several attempts of ours.
struct Task {
    /// The same in every attempt, so that the master begins it once.
    nonce: u64,
    /// Its number, once it was begun.
    number: Option<u64>,
    /// Whether it was asked for.
    is_asked: bool,
}

/// How a task is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Finished,
    /// The master knows no such task: it is long finished, or was lost with a master that died.
    Unknown,
}

impl Client {
    /// Whether a table is there.
    ///
    /// # Errors
    /// The master did not answer in time.
    pub async fn table_exists(&self, table: &TableName) -> Result<bool> {
        let mut tries = self.tries("look a table up");
        loop {
            if let Some(families) = tries.attempt(self.families(table)).await? {
                return Ok(families.is_some());
            }
        }
    }

    /// Makes a table if it is not there, and waits until it can be used; whether it was made by this call.
    ///
    /// # Errors
    /// It is there without one of the families, or without any family; its namespace is not there; the master refuses, or did not answer in time.
    pub async fn create_table(&self, table: &NewTable) -> Result<bool> {
        table.check()?;
        let mut tries = self.tries("create a table");
        let mut task = Task::new();
        loop {
            let made = tries.attempt(self.create_once(table, &mut task)).await;
            if let Some(is_made) = made.map_err(|error| error.with("table", &table.name))? {
                return Ok(is_made);
            }
        }
    }

    /// Splits the region that holds a row, so that a new one begins with it; returns when that is done.
    ///
    /// # Errors
    /// A region begins there already, or was split just before; the master refuses, or did not answer in time.
    pub async fn split_region(&self, table: &TableName, row: impl AsRef<[u8]>) -> Result<()> {
        let mut tries = self.tries("split a region");
        let mut task = Task::new();
        loop {
            let split = tries.attempt(self.split_once(table, row.as_ref(), &mut task)).await;
            if split.map_err(|error| error.with("table", table))?.is_some() {
                return Ok(());
            }
        }
    }

    async fn create_once(&self, table: &NewTable, task: &mut Task) -> Result<bool, Failure> {
        if task.number.is_none() {
            if let Some(families) = self.families(&table.name).await? {
                return self.there_already(table, &families).await.map(|()| task.is_asked);
            }
            let request = CreateTableRequest {
                table_schema: schema(table),
                split_keys: table.split_keys.iter().map(|key| Bytes::copy_from_slice(key)).collect(),
                nonce_group: Some(task.nonce),
                nonce: Some(task.nonce),
            };
            task.is_asked = true;
            if let Err(failure) = self.begin(task, Call::new("CreateTable", &request)).await {
                return self.made_by_another(table, failure).await;
            }
        }
        match self.progress(task).await {
            Ok(Progress::Finished) => Ok(true),
            Ok(Progress::Unknown) => {
                Err(Failure::passing(Stale::Nothing, "the master has forgotten the table that it makes"))
            }
            Err(failure) => self.made_by_another(table, failure).await,
        }
    }

    /// A table that cannot be made because somebody else has made it meanwhile is there.
    async fn made_by_another(&self, table: &NewTable, failure: Failure) -> Result<bool, Failure> {
        if matches!(failure, Failure::Passing(_)) {
            return Err(failure);
        }
        match self.families(&table.name).await? {
            Some(families) => self.there_already(table, &families).await.map(|()| false),
            None => Err(failure),
        }
    }

    /// A table that somebody else has made: with the families that are wanted, and its regions where they can be reached, which may take a moment.
    async fn there_already(&self, table: &NewTable, families: &[Bytes]) -> Result<(), Failure> {
        if let Some(failure) = missing(table, families) {
            return Err(failure);
        }
        match self.0.locate(&table.name, b"").await {
            Err(Failure::Refused(_)) => Err(Failure::passing(Stale::Nothing, "somebody else is making the table")),
            located => located.map(drop),
        }
    }

    async fn split_once(&self, table: &TableName, row: &[u8], task: &mut Task) -> Result<(), Failure> {
        if task.number.is_none() {
            // what is known may have been split long ago
            let known = self.0.locate(table, row).await?;
            self.0.forget(table, &known);
            let region = self.0.locate(table, row).await?;
            if region.start() == row {
                if task.is_asked {
                    return Ok(());
                }
                return Err(Failure::refused(Kind::User, "a region begins with this row already"));
            }
            let request = SplitTableRegionRequest {
                region_info: region.info.clone(),
                split_row: Some(Bytes::copy_from_slice(row)),
                nonce_group: Some(task.nonce),
                nonce: Some(task.nonce),
            };
            task.is_asked = true;
            self.begin(task, Call::new("SplitRegion", &request)).await?;
        }
        match self.progress(task).await? {
            Progress::Finished => Ok(()),
            Progress::Unknown => Err(Failure::passing(Stale::Nothing, "the master has forgotten the split")),
        }
    }

    async fn begin(&self, task: &mut Task, call: Call) -> Result<(), Failure> {
        let started: ProcedureStarted = self.0.ask_master(call).await?;
        task.number = Some(started.proc_id.ok_or_else(|| Failure::malformed("the answer of the master"))?);
        Ok(())
    }

    /// How the task is, once it is no longer under way. An error of the task itself is final.
    async fn progress(&self, task: &mut Task) -> Result<Progress, Failure> {
        let Some(number) = task.number else { return Ok(Progress::Unknown) };
        let call = Call::new("getProcedureResult", &GetProcedureResultRequest { proc_id: number });
        let result: GetProcedureResultResponse = self.0.ask_master(call).await?;
        match result.state {
            messages::RUNNING => Err(Failure::passing(Stale::Nothing, "the master is still at work")),
            messages::FINISHED => match result.exception.and_then(|exception| exception.generic_exception) {
                None => Ok(Progress::Finished),
                Some(exception) => {
                    let class = exception.class_name.unwrap_or_default();
                    Err(exception::judge(&class, &exception.message.unwrap_or_default(), true))
                }
            },
            _ => {
                task.number = None;
                Ok(Progress::Unknown)
            }
        }
    }

    /// The families of a table; none if there is no such table.
    async fn families(&self, table: &TableName) -> Result<Option<Vec<Bytes>>, Failure> {
        let request = GetTableDescriptorsRequest { table_names: vec![name(table)] };
        let call = Call::new("GetTableDescriptors", &request);
        let answer: GetTableDescriptorsResponse = self.0.ask_master(call).await?;
        let names = |table: TableSchema| table.column_families.into_iter().map(|family| family.name).collect();
        Ok(answer.table_schema.into_iter().next().map(names))
    }
}

impl Task {
    fn new() -> Self {
        // 0 is none
        Self { nonce: fastrand::u64(1..), number: None, is_asked: false }
    }
}

fn name(table: &TableName) -> messages::TableName {
    messages::TableName {
        namespace: Bytes::copy_from_slice(table.namespace().as_bytes()),
        qualifier: Bytes::copy_from_slice(table.qualifier().as_bytes()),
    }
}

fn schema(table: &NewTable) -> TableSchema {
    let family = |name: &String| ColumnFamilySchema { name: Bytes::copy_from_slice(name.as_bytes()) };
    TableSchema { table_name: Some(name(&table.name)), column_families: table.families.iter().map(family).collect() }
}

/// What is wrong with a table that is there.
fn missing(table: &NewTable, families: &[Bytes]) -> Option<Failure> {
    let missing = table.families.iter().find(|family| !families.iter().any(|there| there == family.as_bytes()))?;
    let message = format!("the HBase table '{}' has no column family '{missing}'", table.name);
    Some(Failure::refused(Kind::User, message).hint("add it by `alter` in the HBase shell, or use another table"))
}
