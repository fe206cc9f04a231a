//! One part file: hidden while it grows and until it is published.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use riverrun_base::Result;

use crate::path::failed;

/// So many bytes are written at once.
const BUFFER: usize = 1 << 20;

/// A part file that grows. Dropped, it is removed.
pub(super) struct Part {
    file: File,
    names: Names,
    buffer: Vec<u8>,
    written: u64,
    /// When it was begun.
    pub begun: Instant,
    /// When it got its last row.
    pub touched: Instant,
}

/// A part file whose content is on disk, hidden still. Dropped, it is removed.
pub(super) struct ClosedPart {
    names: Names,
    length: u64,
}

/// The two names of a part. Unless it has its own name, or was handed over, its hidden file is removed.
struct Names {
    hidden: PathBuf,
    name: PathBuf,
    is_ours: bool,
}

impl Drop for Names {
    fn drop(&mut self) {
        if self.is_ours {
            // Nobody counts on it; a file that stays is hidden and hurts nobody.
            let _ = fs::remove_file(&self.hidden);
        }
    }
}

impl Part {
    /// Begins a file that will have this name in `folder`, and until then the hidden one.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn begin(folder: &Path, name: &str, hidden: &str, now: Instant) -> Result<Self> {
        let hidden = folder.join(hidden);
        let file = File::create_new(&hidden).map_err(|error| failed("cannot make the file", &hidden, error))?;
        let names = Names { hidden, name: folder.join(name), is_ours: true };
        Ok(Self { file, names, buffer: Vec::new(), written: 0, begun: now, touched: now })
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
        self.file
            .write_all(&self.buffer)
            .map_err(|error| failed("cannot write the file", &self.names.hidden, error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Brings it to disk and closes it. Its names are on disk when the folder is.
    ///
    /// # Errors
    /// The disk is full, or fails; the file is then removed.
    pub(super) fn close(mut self) -> Result<ClosedPart> {
        self.write()?;
        let synced = self.file.sync_all();
        synced.map_err(|error| failed("cannot write the file to disk", &self.names.hidden, error))?;
        Ok(ClosedPart { names: self.names, length: self.written })
    }
}

impl ClosedPart {
    /// The hidden file, the name that it is to have, and its length.
    pub(super) fn parts(&self) -> (&Path, &Path, u64) {
        (&self.names.hidden, &self.names.name, self.length)
    }

    /// Leaves it to a checkpoint.
    pub(super) fn hand_over(mut self) {
        self.names.is_ours = false;
    }

    /// Gives it its name, on disk.
    ///
    /// # Errors
    /// It cannot be renamed, and is then removed; or the disk fails.
    pub(super) fn publish(mut self) -> Result<()> {
        let Names { hidden, name, .. } = &self.names;
        fs::rename(hidden, name).map_err(|error| failed("cannot rename to", name, error))?;
        self.names.is_ours = false;
        sync_folder(self.names.name.parent().unwrap_or(Path::new("/")))
    }
}

/// Brings the names in a folder to disk.
///
/// # Errors
/// The folder is gone, or the disk fails.
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
