//! The options of `print` and `blackhole`, named and defaulted as in Flink.

riverrun_base::options! {
    /// Options of the `print` connector.
    pub struct PrintOptions {
        /// Stands before every row, with '> ' behind it.
        "print-identifier" => print_identifier: Option<String>,
        /// Whether rows go to standard error rather than to standard output.
        "standard-error" => standard_error: bool = "false",
        /// The number of writers; that of the query without it.
        "sink.parallelism" => sink_parallelism: Option<usize>,
    }
}

riverrun_base::options! {
    /// Options of the `blackhole` connector: none.
    pub struct BlackholeOptions {}
}
