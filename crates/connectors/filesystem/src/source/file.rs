//! A file to read: from an offset, decompressed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use riverrun_base::{Error, Result};

use crate::path::failed;

/// How a file is compressed, told by its name as in Flink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Deflate,
}

impl Compression {
    /// The compression of a file.
    ///
    /// # Errors
    /// One that is not supported yet.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "bz2" | "xz" | "zst" => {
                let error = Error::not_supported(format!("reading files compressed as '.{extension}'"));
                Err(error.with("path", path.display()).hint("'.gz' and '.deflate' are read"))
            }
            _ => Ok(Self::None),
        }
    }
}

/// What metadata columns tell about a file.
#[derive(Clone, Debug)]
pub(super) struct FileInfo {
    /// Its absolute path.
    pub path: String,
    /// Its size in bytes, as it lies on disk.
    pub size: i64,
    /// When it was changed last, in milliseconds since the epoch.
    pub modified: i64,
}

impl FileInfo {
    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Opens a file at an offset of its decompressed bytes.
///
/// # Errors
/// It cannot be read, or is shorter.
pub(super) fn open(path: &str, offset: u64) -> Result<(Box<dyn Read + Send>, FileInfo)> {
    let at = Path::new(path);
    let cannot = |error| failed("cannot read the file", at, error);
    let shorter = || {
        Error::external(format!("the file ends before offset {offset}, where reading was to go on"))
            .with("path", path)
            .hint("was it replaced since the checkpoint?")
    };
    let mut file = File::open(at).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let info = FileInfo {
        path: path.to_owned(),
        size: i64::try_from(metadata.len()).unwrap_or(i64::MAX),
        modified: i64::try_from(modified.as_millis()).unwrap_or(i64::MAX),
    };
    let mut bytes: Box<dyn Read + Send> = match Compression::of(at)? {
        Compression::None => {
            if metadata.len() < offset {
                return Err(shorter());
            }
            file.seek(SeekFrom::Start(offset)).map_err(cannot)?;
            return Ok((Box::new(file), info));
        }
        Compression::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(64 << 10, file))),
        Compression::Deflate => Box::new(ZlibDecoder::new(io::BufReader::with_capacity(64 << 10, file))),
    };
    if io::copy(&mut bytes.by_ref().take(offset), &mut io::sink()).map_err(cannot)? < offset {
        return Err(shorter());
    }
    Ok((bytes, info))
}

/// The number of the line at an offset, from 1. It reads the file up to there, so it is for errors.
pub(super) fn line(path: &str, offset: u64) -> Result<u64> {
    let (bytes, _) = open(path, 0)?;
    let mut bytes = bytes.take(offset);
    let (mut line, mut chunk) = (1, vec![0; 64 << 10]);
    loop {
        let read = bytes.read(&mut chunk).map_err(|error| failed("cannot read the file", Path::new(path), error))?;
        if read == 0 {
            return Ok(line);
        }
        line += memchr::memchr_iter(b'\n', &chunk[..read]).count() as u64;
    }
}
