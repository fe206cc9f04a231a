//! The options of `filesystem`, named and defaulted as in Flink.

use std::time::Duration;

use riverrun_base::{Error, MemorySize, Result};

riverrun_base::option_enum! {
    /// What a source tells the planner about its files.
    pub enum Statistics {
        /// All that can be known without reading the files.
        "ALL" => All,
        /// Nothing.
        "NONE" => None,
    }
}

riverrun_base::options! {
    /// Options of the `filesystem` connector.
    pub struct FilesystemOptions {
        /// Where the files lie: a local path, or a URI with the scheme 'file'. A source reads a file, every file below a folder, or what a
        /// pattern with '*', '**', '?' and '[...]' names; hidden files, whose names begin with '.' or '_', are left out. A sink writes into the folder.
        "path" => path: String,
        /// The format of the files: 'csv', 'json' or 'raw'.
        "format" => format: String,
        /// How often a source looks for new files. Without it, the files that are there at the start are read and the source ends.
        "source.monitor-interval" => monitor_interval: Option<Duration>,
        /// A regular expression that the absolute path of a file must match as a whole to be read.
        "source.path.regex-pattern" => regex_pattern: Option<String>,
        /// What the planner is told about the files. It needs nothing yet, so that this changes nothing.
        "source.report-statistics" => report_statistics: Statistics = "ALL",
        /// A part file that is larger is closed before the next row.
        "sink.rolling-policy.file-size" => file_size: MemorySize = "128 mb",
        /// A part file is closed so long after it was begun.
        "sink.rolling-policy.rollover-interval" => rollover_interval: Duration = "30 min",
        /// A part file is closed so long after its last row.
        "sink.rolling-policy.inactivity-interval" => inactivity_interval: Duration = "30 min",
        /// How often the two intervals are looked at.
        "sink.rolling-policy.check-interval" => check_interval: Duration = "1 min",
        /// The number of writers; that of the query without it.
        "sink.parallelism" => sink_parallelism: Option<usize>,
        /// Whether small part files are merged. This is not supported yet: only 'false' is accepted.
        "auto-compaction" => auto_compaction: bool = "false",
    }
}

impl FilesystemOptions {
    /// Refuses values that no source or sink can work with.
    pub(crate) fn check(&self) -> Result<()> {
        let positive = |key, interval: Option<Duration>| match interval {
            Some(Duration::ZERO) => Err(Error::user(format!("'{key}' must be greater than 0"))),
            _ => Ok(()),
        };
        positive("source.monitor-interval", self.monitor_interval)?;
        positive("sink.rolling-policy.check-interval", Some(self.check_interval))?;
        if self.sink_parallelism == Some(0) {
            return Err(Error::user("'sink.parallelism' must be at least 1"));
        }
        if self.auto_compaction {
            return Err(Error::not_supported("'auto-compaction' = 'true'"));
        }
        Ok(())
    }
}

/// Whether an option is Flink's and not supported yet.
pub(crate) fn is_later(key: &str) -> bool {
    const LATER: [&str; 4] = ["partition.", "sink.partition-commit.", "sink.shuffle-by-partition.", "compaction."];
    LATER.iter().any(|prefix| key.starts_with(prefix))
}
