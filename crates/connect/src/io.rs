//! The one tokio runtime on which all connectors do network I/O.

use std::sync::OnceLock;

use riverrun_base::{Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// A handle to the shared runtime, started at the first call. A task's thread enters it with `block_on`; what is spawned on it must end
/// when its owner is dropped.
///
/// # Errors
/// The operating system gives no threads.
pub fn io_runtime() -> Result<Handle> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let runtime = RUNTIME
        .get_or_init(|| Builder::new_multi_thread().worker_threads(2).thread_name("riverrun-io").enable_all().build());
    match runtime {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => Err(Error::external(format!("cannot start the I/O threads: {error}"))),
    }
}
