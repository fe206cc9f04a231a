//! One part file: hidden while it grows, renamed when it is complete and on disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use riverrun_base::Result;

use crate::path::failed;

/// So many bytes are written at once.
const BUFFER: usize = 1 << 20;

/// A part file that grows. Dropped before it is complete, it is removed.
pub(super) struct Part {
    file: File,
    hidden: PathBuf,
    name: PathBuf,
    buffer: Vec<u8>,
    written: u64,
    complete: bool,
    /// When it was begun.
    pub begun: Instant,
    /// When it got its last row.
    pub touched: Instant,
}

impl Part {
    /// Begins a file that will have this name in `folder`, and until then a hidden one, as in Flink.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn begin(folder: &Path, name: &str, now: Instant) -> Result<Self> {
        let hidden = folder.join(format!(".{name}.inprogress.{}", uuid()));
        let file = File::create_new(&hidden).map_err(|error| failed("cannot make the file", &hidden, error))?;
        let name = folder.join(name);
        let buffer = Vec::new();
        Ok(Self { file, hidden, name, buffer, written: 0, complete: false, begun: now, touched: now })
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Appends a message and a line end.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub(super) fn append(&mut self, message: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(message);
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.file.write_all(&self.buffer).map_err(|error| failed("cannot write the file", &self.hidden, error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Brings it to disk, then gives it its name there.
    ///
    /// # Errors
    /// The disk is full, or fails; the file is then removed.
    pub(super) fn complete(mut self) -> Result<()> {
        self.write()?;
        self.file.sync_all().map_err(|error| failed("cannot write the file to disk", &self.hidden, error))?;
        fs::rename(&self.hidden, &self.name).map_err(|error| failed("cannot rename to", &self.name, error))?;
        self.complete = true;
        sync_folder(self.name.parent().unwrap_or(Path::new("/")))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.complete {
            // Nobody counts on it; a file that stays is hidden and hurts nobody.
            let _ = fs::remove_file(&self.hidden);
        }
    }
}

/// Brings the names in a folder to disk.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failed("cannot write the folder to disk", folder, error))
}

/// A random UUID (RFC 9562, version 4).
pub(super) fn uuid() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
