//! Frames of the remoting protocol.
//!
//! `u32 length of the rest | u8 form of the header, u24 its length | header | body`. Requests are written with the
//! binary header (form 1, `RocketMQSerializable`): `i16 code | u8 language | i16 version | i32 opaque | i32 flag |
//! u32 remark length, remark | u32 length of fields, fields`. Servers answer in JSON (form 0) by default; both are read.
//! `opaque` joins an answer to its request; of `flag`, bit 0 marks an answer and bit 1 a request that wants none.

use bytes::{Buf, Bytes, BytesMut};
use riverrun_base::{Error, Result};
use serde::Deserialize;

use crate::fields::{Fields, FieldsBuilder, Text};

const JSON: u8 = 0;
const BINARY: u8 = 1;

const ANSWER: i32 = 1;
const ONE_WAY: i32 = 2;

/// "OTHER": known to servers of every age.
const LANGUAGE: u8 = 7;

/// As Apache's client 4.9.4 has it, from which on servers answer in strict JSON.
const VERSION: i16 = 401;

/// Where the header's `opaque` stands in a frame that [`request`] made.
const OPAQUE_AT: usize = 8 + 2 + 1 + 2;

/// What came from a server.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) code: i16,
    pub(crate) opaque: i32,
    flag: i32,
    pub(crate) remark: Option<String>,
    pub(crate) fields: Fields,
    pub(crate) body: Bytes,
}

impl Frame {
    pub(crate) fn is_answer(&self) -> bool {
        self.flag & ANSWER != 0
    }

    pub(crate) fn is_one_way(&self) -> bool {
        self.flag & ONE_WAY != 0
    }

    pub(crate) fn remark(&self) -> &str {
        self.remark.as_deref().unwrap_or_default()
    }
}

/// A request that wants an answer, its `opaque` still to be set.
pub(crate) fn request(code: i16, fields: &[u8], body: &[u8]) -> Vec<u8> {
    encode(code, 0, 0, "", fields, body)
}

/// A request that wants no answer.
pub(crate) fn one_way(code: i16, fields: &[u8], body: &[u8]) -> Vec<u8> {
    encode(code, 0, ONE_WAY, "", fields, body)
}

/// The answer to a server's request that is not understood.
pub(crate) fn refusal(to: &Frame) -> Vec<u8> {
    let remark = format!("request type {} not supported", to.code);
    encode(crate::codes::REQUEST_CODE_NOT_SUPPORTED, to.opaque, ANSWER, &remark, &[], &[])
}

pub(crate) fn set_opaque(frame: &mut [u8], opaque: i32) {
    if let Some(place) = frame.get_mut(OPAQUE_AT..OPAQUE_AT + 4) {
        place.copy_from_slice(&opaque.to_be_bytes());
    }
}

fn encode(code: i16, opaque: i32, flag: i32, remark: &str, fields: &[u8], body: &[u8]) -> Vec<u8> {
    let header = 2 + 1 + 2 + 4 + 4 + 4 + remark.len() + 4 + fields.len();
    let mut frame = Vec::with_capacity(8 + header + body.len());
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    frame.extend_from_slice(&length(4 + header + body.len()).to_be_bytes());
    frame.extend_from_slice(&(u32::from(BINARY) << 24 | length(header)).to_be_bytes());
    frame.extend_from_slice(&code.to_be_bytes());
    frame.push(LANGUAGE);
    frame.extend_from_slice(&VERSION.to_be_bytes());
    frame.extend_from_slice(&opaque.to_be_bytes());
    frame.extend_from_slice(&flag.to_be_bytes());
    for part in [remark.as_bytes(), fields] {
        frame.extend_from_slice(&length(part.len()).to_be_bytes());
        frame.extend_from_slice(part);
    }
    frame.extend_from_slice(body);
    frame
}

/// How many bytes a request of these parts takes at most.
pub(crate) const HEADER_BYTES_MAX: usize = 0xff_ffff;

/// Takes the first frame off the buffer, if it is there in full. Body and binary fields share the buffer's memory.
///
/// # Errors
/// What is there is no frame, or one of more than `most` bytes.
pub(crate) fn decode(buffer: &mut BytesMut, most: usize) -> Result<Option<Frame>> {
    let Some(length) = frame_length(buffer, most)? else { return Ok(None) };
    if buffer.len() < length {
        buffer.reserve(length - buffer.len());
        return Ok(None);
    }
    let mut frame = buffer.split_to(length).freeze();
    frame.advance(4);
    let form = frame.try_get_u8().map_err(|_| malformed("it is too short"))?;
    let header =
        usize::try_from(frame.try_get_uint(3).map_err(|_| malformed("it is too short"))?).unwrap_or(usize::MAX);
    if header > frame.len() {
        return Err(malformed("its header is longer than the frame"));
    }
    let header = frame.split_to(header);
    match form {
        JSON => json_header(&header, frame).map(Some),
        BINARY => binary_header(header, frame).map(Some).ok_or_else(|| malformed("its header is cut off")),
        _ => Err(malformed("its header has an unknown form")),
    }
}

fn frame_length(buffer: &BytesMut, most: usize) -> Result<Option<usize>> {
    let Some(length) = buffer.first_chunk() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > most || length < 4 {
        return Err(malformed(&format!("its length is said to be {length} bytes, and {most} is the limit")));
    }
    Ok(Some(length + 4))
}

#[derive(Deserialize)]
struct JsonHeader<'a> {
    code: i32,
    #[serde(default)]
    flag: i32,
    opaque: i32,
    #[serde(borrow, default)]
    remark: Option<Text<'a>>,
    #[serde(rename = "extFields", default)]
    fields: FieldsBuilder,
}

fn json_header(header: &[u8], body: Bytes) -> Result<Frame> {
    let header: JsonHeader<'_> =
        serde_json::from_slice(header).map_err(|error| malformed("its header is no JSON").caused_by(error))?;
    Ok(Frame {
        code: i16::try_from(header.code).unwrap_or(i16::MAX),
        opaque: header.opaque,
        flag: header.flag,
        remark: header.remark.map(|text| text.0.into_owned()),
        fields: header.fields.finish(),
        body,
    })
}

fn binary_header(mut header: Bytes, body: Bytes) -> Option<Frame> {
    let code = header.try_get_i16().ok()?;
    // language and version of the server
    header.try_get_u8().ok()?;
    header.try_get_i16().ok()?;
    let opaque = header.try_get_i32().ok()?;
    let flag = header.try_get_i32().ok()?;
    let mut part = || {
        let length = usize::try_from(header.try_get_u32().ok()?).ok()?;
        (length <= header.len()).then(|| header.split_to(length))
    };
    let remark = part()?;
    let fields = Fields::new(part()?);
    let remark = (!remark.is_empty()).then(|| String::from_utf8_lossy(&remark).into_owned());
    Some(Frame { code, opaque, flag, remark, fields, body })
}

fn malformed(why: &str) -> Error {
    Error::external(format!("what came is no frame of RocketMQ: {why}"))
        .hint("is this the address of a RocketMQ server, and does it want TLS?")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_framed_as_rocketmq_has_it() {
        let fields = FieldsBuilder::default().text("t", "ab");
        let mut frame = request(105, fields.as_bytes(), b"xyz");
        set_opaque(&mut frame, 9);
        let header = [0, 105, 7, 1, 145, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        let fields = [0, 1, b't', 0, 0, 0, 2, b'a', b'b'];
        let expected = [&[0, 0, 0, 37, 1, 0, 0, 30][..], &header, &fields, b"xyz"].concat();
        assert_eq!(frame, expected);
    }

    #[test]
    fn a_json_header_is_read_with_its_fields() {
        let json = br#"{"code":17,"extFields":{"a":"1"},"flag":1,"language":"JAVA","opaque":5,"remark":"no \"topic\"","serializeTypeCurrentRPC":"JSON","version":477}"#;
        let length = u32::try_from(json.len()).unwrap();
        let mut buffer = BytesMut::new();
        buffer.extend_from_slice(&(length + 6).to_be_bytes());
        buffer.extend_from_slice(&length.to_be_bytes());
        buffer.extend_from_slice(json);
        buffer.extend_from_slice(b"!!");
        let frame = decode(&mut buffer, 1000).unwrap().unwrap();
        assert!(frame.is_answer() && !frame.is_one_way());
        assert_eq!((frame.code, frame.opaque, frame.remark()), (17, 5, "no \"topic\""));
        assert_eq!((frame.fields.get("a"), &frame.body[..]), (Some("1"), &b"!!"[..]));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let error = |bytes: &[u8]| decode(&mut BytesMut::from(bytes), 1000).unwrap_err().to_string();
        assert!(error(b"HTTP/1.1 400 Bad Request\r\n").contains("1213486160 bytes, and 1000 is the limit"));
        assert!(error(&[0, 0, 0, 5, 0, 0, 0, 9, 0]).contains("longer than the frame"));
        assert!(error(&[0, 0, 0, 5, 3, 0, 0, 1, 0]).contains("unknown form"));
        assert!(error(&[0, 0, 0, 5, 1, 0, 0, 1, 0]).contains("cut off"));
        assert!(error(&[0, 0, 0, 5, 0, 0, 0, 1, b'{']).contains("no JSON"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            code in any::<i16>(), opaque in any::<i32>(), remark in ".{0,20}", value in ".{0,99}",
            body in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..20usize,
        ) {
            let fields = FieldsBuilder::default().text("key", &value).number("n", opaque);
            let bytes = encode(code, opaque, ANSWER, &remark, fields.as_bytes(), &body);
            let mut buffer = BytesMut::from(&bytes[..bytes.len() - cut]);
            if cut > 0 {
                prop_assert!(decode(&mut buffer, 10_000).unwrap().is_none());
                buffer.extend_from_slice(&bytes[bytes.len() - cut..]);
            }
            buffer.extend_from_slice(b"next");
            let frame = decode(&mut buffer, 10_000).unwrap().unwrap();
            prop_assert_eq!((frame.code, frame.opaque, frame.remark()), (code, opaque, remark.as_str()));
            prop_assert_eq!(frame.fields.get("key"), Some(value.as_str()));
            prop_assert_eq!(frame.fields.number("n"), Some(i64::from(opaque)));
            prop_assert_eq!(&frame.body[..], &body[..]);
            prop_assert_eq!(&buffer[..], &b"next"[..]);
        }

        #[test]
        fn whatever_comes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut buffer = BytesMut::from(&[&[0, 0, 0, 40][..], &bytes].concat()[..]);
            let _ = decode(&mut buffer, 1000);
        }
    }
}
