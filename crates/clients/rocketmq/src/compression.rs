//! Compressed bodies. Bit 0 of a message's flags says that there is compression, bits 8 to 10 which: none of them
//! (as before RocketMQ 5) and 3 zlib, 1 LZ4 frames, 2 Zstandard.

use std::io::{Read, Write as _};

use bytes::Bytes;
use riverrun_base::{Error, Result};

use crate::message::COMPRESSED;

/// How bodies are compressed that are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// zlib, which every version of RocketMQ reads.
    #[default]
    Zlib,
    /// LZ4 frames; for readers from RocketMQ 5.0 on.
    Lz4,
    /// Zstandard; for readers from RocketMQ 5.0 on.
    Zstd,
}

const KIND_MASK: i32 = 7 << 8;
const LZ4: i32 = 1 << 8;
const ZSTD: i32 = 2 << 8;
const ZLIB: i32 = 3 << 8;

/// Java's `compressLevel`.
const LEVEL: u32 = 5;

/// The body compressed, and the flags that say so; none where it does not become smaller.
pub(crate) fn compress(kind: Compression, body: &[u8]) -> Result<Option<(Bytes, i32)>> {
    let failed = |error: std::io::Error| Error::internal("a body cannot be compressed").caused_by(error);
    let (bytes, flags) = match kind {
        Compression::None => return Ok(None),
        Compression::Zlib => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(LEVEL));
            writer.write_all(body).map_err(failed)?;
            (writer.finish().map_err(failed)?, ZLIB)
        }
        Compression::Lz4 => {
            let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
            writer.write_all(body).map_err(failed)?;
            (writer.finish().map_err(|error| failed(error.into()))?, LZ4)
        }
        Compression::Zstd => (zstd::encode_all(body, LEVEL.cast_signed()).map_err(failed)?, ZSTD),
    };
    Ok((bytes.len() < body.len()).then(|| (bytes.into(), flags | COMPRESSED)))
}

/// The body as it was sent. `most` bounds what a small body may become.
///
/// # Errors
/// It is not what its flags say, or becomes larger than `most` bytes.
pub(crate) fn decompress(flags: i32, body: &[u8], most: usize) -> Result<Bytes> {
    match flags & KIND_MASK {
        0 | ZLIB => read(flate2::read::ZlibDecoder::new(body), "zlib", most),
        LZ4 => read(lz4_flex::frame::FrameDecoder::new(body), "LZ4", most),
        ZSTD => {
            let reader = zstd::Decoder::new(body)
                .map_err(|error| Error::data("a body is no Zstandard, as its flags say").caused_by(error))?;
            read(reader, "Zstandard", most)
        }
        kind => Err(Error::data(format!("a body has the unknown compression {}", kind >> 8))),
    }
}

fn read(reader: impl Read, kind: &str, most: usize) -> Result<Bytes> {
    let mut body = Vec::new();
    // one more than allowed, to tell the limit from the end
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(limit)
        .read_to_end(&mut body)
        .map_err(|error| Error::data(format!("a body is no {kind}, as its flags say")).caused_by(error))?;
    if body.len() > most {
        return Err(Error::data(format!("a compressed body is larger than {most} bytes")));
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Compression; 3] = [Compression::Zlib, Compression::Lz4, Compression::Zstd];

    #[test]
    fn a_body_that_does_not_become_smaller_stays_as_it_is() {
        for kind in KINDS {
            assert!(compress(kind, b"abc").unwrap().is_none());
        }
        assert!(compress(Compression::None, &[0; 100_000]).unwrap().is_none());
    }

    #[test]
    fn a_body_that_becomes_too_large_is_refused() {
        for kind in KINDS {
            let (bytes, flags) = compress(kind, &[0; 100_000]).unwrap().unwrap();
            assert_eq!(decompress(flags, &bytes, 100_000).unwrap().len(), 100_000);
            let error = decompress(flags, &bytes, 99_999).unwrap_err();
            assert_eq!(error.to_string(), "a compressed body is larger than 99999 bytes");
        }
    }

    #[test]
    fn a_body_that_is_not_what_its_flags_say_is_refused() {
        for flags in [COMPRESSED, COMPRESSED | LZ4, COMPRESSED | ZSTD, COMPRESSED | ZLIB, COMPRESSED | 5 << 8] {
            assert_eq!(decompress(flags, b"plain text", 100).unwrap_err().kind(), riverrun_base::Kind::Data);
        }
    }

    #[test]
    fn without_the_kind_it_is_zlib() {
        let (bytes, _) = compress(Compression::Zlib, &[7; 1000]).unwrap().unwrap();
        assert_eq!(decompress(COMPRESSED, &bytes, 1000).unwrap(), vec![7; 1000]);
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(words in proptest::collection::vec("[ab]{1,9}", 20..400), kind in 0..3usize) {
            let body = words.concat();
            if let Some((bytes, flags)) = compress(KINDS[kind], body.as_bytes()).unwrap() {
                prop_assert!(bytes.len() < body.len());
                prop_assert_eq!(decompress(flags, &bytes, body.len()).unwrap(), body);
            }
        }
    }
}
