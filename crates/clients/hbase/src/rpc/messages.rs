//! The messages that are spoken, with the fields that are used; numbers and names are those of HBase's `.proto` files
//! (RPC, Client, HBase, Comparator, Master, ErrorHandling, ZooKeeper; package `hbase.pb`). Protobuf skips the fields it is not told of.
//!
//! Enumerations are plain numbers, which are the same on the wire; the few that matter are constants.

use bytes::Bytes;

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* ($($kind:tt)*) $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, prost::Message)]
            pub(crate) struct $name {
                $($(#[$field_doc])* #[prost($($kind)*)] pub(crate) $field: $type,)*
            }
        )*
    };
}

// RPC.proto
messages! {
    UserInformation { (string, required, tag = "1") effective_user: String, }
    VersionInfo {
        (string, required, tag = "1") version: String,
        (string, required, tag = "2") url: String,
        (string, required, tag = "3") revision: String,
        (string, required, tag = "4") user: String,
        (string, required, tag = "5") date: String,
        (string, required, tag = "6") src_checksum: String,
        (uint32, optional, tag = "7") version_major: Option<u32>,
        (uint32, optional, tag = "8") version_minor: Option<u32>,
    }
    ConnectionHeader {
        (message, optional, tag = "1") user_info: Option<UserInformation>,
        (string, optional, tag = "2") service_name: Option<String>,
        (string, optional, tag = "3") cell_block_codec_class: Option<String>,
        (message, optional, tag = "5") version_info: Option<VersionInfo>,
    }
    CellBlockMeta { (uint32, optional, tag = "1") length: Option<u32>, }
    RequestHeader {
        (uint32, optional, tag = "1") call_id: Option<u32>,
        (string, optional, tag = "3") method_name: Option<String>,
        (bool, optional, tag = "4") request_param: Option<bool>,
        (message, optional, tag = "5") cell_block_meta: Option<CellBlockMeta>,
        (uint32, optional, tag = "6") priority: Option<u32>,
        (uint32, optional, tag = "7") timeout: Option<u32>,
    }
    ResponseHeader {
        (uint32, optional, tag = "1") call_id: Option<u32>,
        (message, optional, tag = "2") exception: Option<ExceptionResponse>,
        (message, optional, tag = "3") cell_block_meta: Option<CellBlockMeta>,
    }
    ExceptionResponse {
        (string, optional, tag = "1") exception_class_name: Option<String>,
        /// As Java prints it: class and message, then the calls, one a line.
        (string, optional, tag = "2") stack_trace: Option<String>,
        (bool, optional, tag = "5") do_not_retry: Option<bool>,
    }
}

/// [`RegionSpecifier`]: by the region's full name, the only way that all services understand.
pub(crate) const REGION_NAME: i32 = 1;

// HBase.proto
messages! {
    TableName {
        (bytes = "bytes", required, tag = "1") namespace: Bytes,
        (bytes = "bytes", required, tag = "2") qualifier: Bytes,
    }
    ColumnFamilySchema { (bytes = "bytes", required, tag = "1") name: Bytes, }
    TableSchema {
        (message, optional, tag = "1") table_name: Option<TableName>,
        (message, repeated, tag = "3") column_families: Vec<ColumnFamilySchema>,
    }
    RegionInfo {
        (uint64, required, tag = "1") region_id: u64,
        (message, required, tag = "2") table_name: TableName,
        (bytes = "bytes", optional, tag = "3") start_key: Option<Bytes>,
        (bytes = "bytes", optional, tag = "4") end_key: Option<Bytes>,
        (bool, optional, tag = "5") offline: Option<bool>,
        (bool, optional, tag = "6") split: Option<bool>,
        (int32, optional, tag = "7") replica_id: Option<i32>,
    }
    RegionSpecifier {
        (int32, required, tag = "1") r#type: i32,
        (bytes = "bytes", required, tag = "2") value: Bytes,
    }
    ServerName {
        (string, required, tag = "1") host_name: String,
        (uint32, optional, tag = "2") port: Option<u32>,
    }
    NameBytesPair {
        (string, required, tag = "1") name: String,
        (bytes = "bytes", optional, tag = "2") value: Option<Bytes>,
    }
}

/// [`MutationProto`]
pub(crate) const PUT: i32 = 2;
pub(crate) const DELETE: i32 = 3;
/// [`Condition`]
pub(crate) const EQUAL: i32 = 2;

// Client.proto, Comparator.proto, Cell.proto
messages! {
    Cell {
        (bytes = "bytes", optional, tag = "1") row: Option<Bytes>,
        (bytes = "bytes", optional, tag = "2") family: Option<Bytes>,
        (bytes = "bytes", optional, tag = "3") qualifier: Option<Bytes>,
        (uint64, optional, tag = "4") timestamp: Option<u64>,
        (bytes = "bytes", optional, tag = "6") value: Option<Bytes>,
    }
    /// `Result`: its cells are in it, or so many of them lie beside the message.
    RowResult {
        (message, repeated, tag = "1") cell: Vec<Cell>,
        (int32, optional, tag = "2") associated_cell_count: Option<i32>,
        (bool, optional, tag = "5") partial: Option<bool>,
    }
    Get { (bytes = "bytes", required, tag = "1") row: Bytes, }
    GetRequest {
        (message, required, tag = "1") region: RegionSpecifier,
        (message, required, tag = "2") get: Get,
    }
    GetResponse { (message, optional, tag = "1") result: Option<RowResult>, }
    MutationProto {
        (bytes = "bytes", optional, tag = "1") row: Option<Bytes>,
        (int32, optional, tag = "2") mutate_type: Option<i32>,
        (int32, optional, tag = "8") associated_cell_count: Option<i32>,
    }
    ByteArrayComparable { (bytes = "bytes", optional, tag = "1") value: Option<Bytes>, }
    BinaryComparator { (message, required, tag = "1") comparable: ByteArrayComparable, }
    Comparator {
        (string, required, tag = "1") name: String,
        (bytes = "bytes", optional, tag = "2") serialized_comparator: Option<Bytes>,
    }
    Condition {
        (bytes = "bytes", required, tag = "1") row: Bytes,
        (bytes = "bytes", optional, tag = "2") family: Option<Bytes>,
        (bytes = "bytes", optional, tag = "3") qualifier: Option<Bytes>,
        (int32, optional, tag = "4") compare_type: Option<i32>,
        (message, optional, tag = "5") comparator: Option<Comparator>,
    }
    MutateRequest {
        (message, required, tag = "1") region: RegionSpecifier,
        (message, required, tag = "2") mutation: MutationProto,
        (message, optional, tag = "3") condition: Option<Condition>,
    }
    MutateResponse { (bool, optional, tag = "2") processed: Option<bool>, }
    Column { (bytes = "bytes", required, tag = "1") family: Bytes, }
    Scan {
        (message, repeated, tag = "1") column: Vec<Column>,
        (bytes = "bytes", optional, tag = "3") start_row: Option<Bytes>,
        (bytes = "bytes", optional, tag = "4") stop_row: Option<Bytes>,
        (uint64, optional, tag = "10") max_result_size: Option<u64>,
        (bool, optional, tag = "15") reversed: Option<bool>,
        (bool, optional, tag = "24") need_cursor_result: Option<bool>,
    }
    Cursor { (bytes = "bytes", optional, tag = "1") row: Option<Bytes>, }
    ScanRequest {
        (message, optional, tag = "1") region: Option<RegionSpecifier>,
        (message, optional, tag = "2") scan: Option<Scan>,
        (uint64, optional, tag = "3") scanner_id: Option<u64>,
        (uint32, optional, tag = "4") number_of_rows: Option<u32>,
        (bool, optional, tag = "5") close_scanner: Option<bool>,
        (uint64, optional, tag = "6") next_call_seq: Option<u64>,
        (bool, optional, tag = "7") client_handles_partials: Option<bool>,
        (bool, optional, tag = "8") client_handles_heartbeats: Option<bool>,
        (uint32, optional, tag = "11") limit_of_rows: Option<u32>,
    }
    ScanResponse {
        (uint32, repeated, packed = "false", tag = "1") cells_per_result: Vec<u32>,
        (uint64, optional, tag = "2") scanner_id: Option<u64>,
        (bool, optional, tag = "3") more_results: Option<bool>,
        (message, repeated, tag = "5") results: Vec<RowResult>,
        (bool, repeated, packed = "false", tag = "7") partial_flag_per_result: Vec<bool>,
        (bool, optional, tag = "8") more_results_in_region: Option<bool>,
        /// How far a search went that has found nothing yet.
        (message, optional, tag = "12") cursor: Option<Cursor>,
    }
    Action {
        (uint32, optional, tag = "1") index: Option<u32>,
        (message, optional, tag = "2") mutation: Option<MutationProto>,
    }
    RegionAction {
        (message, required, tag = "1") region: RegionSpecifier,
        (message, repeated, tag = "3") action: Vec<Action>,
    }
    MultiRequest { (message, repeated, tag = "1") region_action: Vec<RegionAction>, }
    ResultOrException {
        (uint32, optional, tag = "1") index: Option<u32>,
        (message, optional, tag = "3") exception: Option<NameBytesPair>,
    }
    RegionActionResult {
        (message, repeated, tag = "1") result_or_exception: Vec<ResultOrException>,
        /// Of all its actions.
        (message, optional, tag = "2") exception: Option<NameBytesPair>,
    }
    MultiResponse { (message, repeated, tag = "1") region_action_result: Vec<RegionActionResult>, }
}

/// [`GetProcedureResultResponse`]
pub(crate) const RUNNING: i32 = 1;
pub(crate) const FINISHED: i32 = 2;

// Master.proto, ErrorHandling.proto
messages! {
    CreateTableRequest {
        (message, required, tag = "1") table_schema: TableSchema,
        (bytes = "bytes", repeated, tag = "2") split_keys: Vec<Bytes>,
        (uint64, optional, tag = "3") nonce_group: Option<u64>,
        (uint64, optional, tag = "4") nonce: Option<u64>,
    }
    SplitTableRegionRequest {
        (message, required, tag = "1") region_info: RegionInfo,
        (bytes = "bytes", optional, tag = "2") split_row: Option<Bytes>,
        (uint64, optional, tag = "3") nonce_group: Option<u64>,
        (uint64, optional, tag = "4") nonce: Option<u64>,
    }
    /// `CreateTableResponse` and `SplitTableRegionResponse`, which are alike.
    ProcedureStarted { (uint64, optional, tag = "1") proc_id: Option<u64>, }
    GetProcedureResultRequest { (uint64, required, tag = "1") proc_id: u64, }
    GetProcedureResultResponse {
        (int32, required, tag = "1") state: i32,
        (message, optional, tag = "5") exception: Option<ForeignExceptionMessage>,
    }
    ForeignExceptionMessage { (message, optional, tag = "2") generic_exception: Option<GenericExceptionMessage>, }
    GenericExceptionMessage {
        (string, optional, tag = "1") class_name: Option<String>,
        (string, optional, tag = "2") message: Option<String>,
    }
    GetTableDescriptorsRequest { (message, repeated, tag = "1") table_names: Vec<TableName>, }
    GetTableDescriptorsResponse { (message, repeated, tag = "1") table_schema: Vec<TableSchema>, }
}

// ZooKeeper.proto
messages! {
    /// `MetaRegionServer` and `Master`, as far as they are alike.
    ServerNode { (message, required, tag = "1") server: ServerName, }
}

impl RegionSpecifier {
    pub(crate) fn named(name: &Bytes) -> Self {
        Self { r#type: REGION_NAME, value: name.clone() }
    }
}
