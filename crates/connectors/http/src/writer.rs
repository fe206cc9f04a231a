//! The writer: rows to requests, and what a checkpoint asks of it.

use std::time::{Duration, Instant};

use riverrun_base::Result;
use riverrun_connect::{Committable, Flush, SinkWriter};
use riverrun_data::Batch;
use riverrun_protocol::CheckpointId;

use crate::encode::RowEncoder;
use crate::request::Stored;
use crate::shell::Shell;

/// How often the writer looks whether the job is to fail while no rows come.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// Delivers rows.
pub(crate) struct HttpWriter {
    encoder: RowEncoder,
    shell: Shell,
    looked: Instant,
}

impl HttpWriter {
    pub(crate) fn new(encoder: RowEncoder, shell: Shell) -> Self {
        Self { encoder, shell, looked: Instant::now() }
    }
}

impl SinkWriter for HttpWriter {
    fn write(&mut self, batch: Batch) -> Result<()> {
        self.shell.take(self.encoder.encode(&batch)?)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.looked + LOOK)
    }

    fn tick(&mut self) -> Result<()> {
        self.looked = Instant::now();
        self.shell.check()
    }

    /// At a barrier nothing waits: what is not done goes into the checkpoint.
    fn flush(&mut self, reason: Flush) -> Result<()> {
        match reason {
            Flush::Barrier => self.shell.check(),
            Flush::End => self.shell.finish(),
        }
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        self.shell.barrier(checkpoint)?;
        Ok(Vec::new())
    }

    fn snapshot(&mut self) -> Result<Vec<Vec<u8>>> {
        Ok(self.shell.snapshot()?.iter().map(Stored::encode).collect())
    }

    fn restore(&mut self, entries: Vec<Vec<u8>>) -> Result<()> {
        let records = entries.iter().map(|entry| Stored::decode(entry)).collect::<Result<Vec<_>>>()?;
        self.shell.restore(records);
        Ok(())
    }
}
