//! Frames: a call and its answer, each with its length before it.
//!
//! ```text
//! call:    u32 length · RequestHeader, delimited · message, delimited · cells
//! answer:  u32 length · ResponseHeader, delimited · message, delimited, if there is no exception · cells
//! ```
//!
//! A connection begins with six bytes and a [`ConnectionHeader`], which are not answered.

use bytes::Bytes;
use prost::Message;

use super::Service;
use super::cells::Malformed;
use super::messages::{
    CellBlockMeta, ConnectionHeader, ExceptionResponse, RequestHeader, ResponseHeader, UserInformation, VersionInfo,
};

/// `HBas`, version 0, and 80 for no login.
const PREAMBLE: &[u8] = b"HBas\0\x50";

const CODEC: &str = "org.apache.hadoop.hbase.codec.KeyValueCodec";

/// The version of the client whose ways these are: it decides in what form servers answer.
const VERSION: (u32, u32) = (2, 6);

/// What is asked.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// The message, encoded.
    pub(crate) message: Vec<u8>,
    pub(crate) cells: Vec<u8>,
    /// Before others in the server's queues, as its own tables are.
    pub(crate) is_urgent: bool,
}

/// What came: an answer, or an exception in its place.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Whose. Servers use the highest number for what is no answer to a call.
    pub(crate) call_id: u32,
    pub(crate) exception: Option<ExceptionResponse>,
    /// The message, still encoded.
    pub(crate) message: Bytes,
    pub(crate) cells: Bytes,
}

/// The number under which a server tells what concerns the connection: -1.
pub(crate) const NO_CALL: u32 = u32::MAX;

impl Call {
    pub(crate) fn new(method: &'static str, message: &impl Message) -> Self {
        Self { method, message: message.encode_to_vec(), cells: Vec::new(), is_urgent: false }
    }

    /// All of its frame but the cells, which follow.
    pub(crate) fn head(&self, call_id: u32, timeout_ms: u32) -> Vec<u8> {
        let cells = (!self.cells.is_empty()).then(|| CellBlockMeta { length: u32::try_from(self.cells.len()).ok() });
        let header = RequestHeader {
            call_id: Some(call_id),
            method_name: Some(self.method.to_owned()),
            request_param: Some(true),
            cell_block_meta: cells,
            priority: self.is_urgent.then_some(200),
            timeout: Some(timeout_ms),
        };
        let mut head = vec![0; 4];
        // a Vec takes whatever is put into it: the only error there is cannot come
        let _ = header.encode_length_delimited(&mut head);
        let _ = prost::encode_length_delimiter(self.message.len(), &mut head);
        head.extend_from_slice(&self.message);
        set_length(&mut head, self.cells.len());
        head
    }
}

/// How a connection begins.
pub(crate) fn opening(service: Service, user: &str) -> Vec<u8> {
    let (major, minor) = VERSION;
    let version_info = VersionInfo {
        version: format!("{major}.{minor}.0"),
        user: user.to_owned(),
        version_major: Some(major),
        version_minor: Some(minor),
        ..VersionInfo::default()
    };
    let header = ConnectionHeader {
        user_info: Some(UserInformation { effective_user: user.to_owned() }),
        service_name: Some(service.name().to_owned()),
        cell_block_codec_class: Some(CODEC.to_owned()),
        version_info: Some(version_info),
    };
    let mut frame = vec![0; 4];
    let _ = header.encode(&mut frame);
    set_length(&mut frame, 0);
    [PREAMBLE, &frame].concat()
}

/// Writes into the first four bytes how many follow, with `more` that are not in it.
fn set_length(frame: &mut [u8], more: usize) {
    let length = u32::try_from(frame.len() - 4 + more).unwrap_or(u32::MAX);
    if let Some(start) = frame.first_chunk_mut::<4>() {
        *start = length.to_be_bytes();
    }
}

impl Answer {
    /// Reads a frame, without its length.
    pub(crate) fn decode(mut frame: Bytes) -> Result<Self, Malformed> {
        let header = ResponseHeader::decode_length_delimited(&mut frame).map_err(|_| Malformed)?;
        let call_id = header.call_id.ok_or(Malformed)?;
        if header.exception.is_some() {
            return Ok(Self { call_id, exception: header.exception, ..Self::default() });
        }
        let length = prost::decode_length_delimiter(&mut frame).map_err(|_| Malformed)?;
        if length > frame.len() {
            return Err(Malformed);
        }
        let message = frame.split_to(length);
        let cells = header.cell_block_meta.and_then(|meta| meta.length).unwrap_or(0);
        if usize::try_from(cells) != Ok(frame.len()) {
            return Err(Malformed);
        }
        Ok(Self { call_id, exception: None, message, cells: frame })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::rpc::messages::{GetProcedureResultRequest, MutateResponse};

    /// What a server sends, from its parts.
    fn answer(header: &ResponseHeader, message: &impl Message, cells: &[u8]) -> Bytes {
        [header.encode_length_delimited_to_vec(), message.encode_length_delimited_to_vec(), cells.to_vec()]
            .concat()
            .into()
    }

    #[test]
    fn a_call_is_framed_as_hbase_has_it() {
        let mut call = Call::new("getProcedureResult", &GetProcedureResultRequest { proc_id: 5 });
        call.cells = vec![7; 3];
        let expected = [
            &[0, 0, 0, 37][..],
            &[30, 0x08, 9, 0x1a, 18],
            b"getProcedureResult",
            &[0x20, 1, 0x2a, 2, 0x08, 3, 0x38, 100],
            &[2, 0x08, 5],
        ];
        assert_eq!(call.head(9, 100), expected.concat());
    }

    #[test]
    fn a_connection_begins_with_its_magic_and_a_header_with_its_length() {
        let opening = opening(Service::Client, "me");
        assert_eq!(opening[..6], *b"HBas\0P");
        assert_eq!(u32::from_be_bytes(opening[6..10].try_into().unwrap()) as usize, opening.len() - 10);
        let header = ConnectionHeader::decode(&opening[10..]).unwrap();
        assert_eq!(header.service_name.as_deref(), Some("ClientService"));
        assert_eq!(header.user_info.unwrap().effective_user, "me");
    }

    #[test]
    fn an_exception_has_no_message_behind_it() {
        let exception = ExceptionResponse { exception_class_name: Some("X".into()), ..Default::default() };
        let header =
            ResponseHeader { call_id: Some(NO_CALL), exception: Some(exception.clone()), ..Default::default() };
        let read = Answer::decode(header.encode_length_delimited_to_vec().into()).unwrap();
        assert_eq!((read.call_id, read.exception), (NO_CALL, Some(exception)));
    }

    proptest! {
        #[test]
        fn an_answer_is_read_as_it_was_sent(call_id in any::<u32>(), processed in any::<bool>(), cells in vec(any::<u8>(), 0..300)) {
            let meta = (!cells.is_empty()).then(|| CellBlockMeta { length: u32::try_from(cells.len()).ok() });
            let header = ResponseHeader { call_id: Some(call_id), exception: None, cell_block_meta: meta };
            let message = MutateResponse { processed: Some(processed) };
            let read = Answer::decode(answer(&header, &message, &cells)).unwrap();
            prop_assert_eq!(read.call_id, call_id);
            prop_assert_eq!(MutateResponse::decode(read.message).unwrap(), message);
            prop_assert_eq!(read.cells, cells);
        }

        #[test]
        fn an_answer_that_is_cut_short_is_refused(cells in vec(any::<u8>(), 1..50), cut in 1usize..40) {
            let meta = CellBlockMeta { length: u32::try_from(cells.len()).ok() };
            let header = ResponseHeader { call_id: Some(1), exception: None, cell_block_meta: Some(meta) };
            let mut frame = answer(&header, &MutateResponse { processed: Some(true) }, &cells);
            frame.truncate(frame.len().saturating_sub(cut));
            prop_assert!(Answer::decode(frame).is_err());
        }

        #[test]
        fn whatever_comes_is_read_or_refused(bytes in vec(any::<u8>(), 0..60)) {
            let _ = Answer::decode(bytes.into());
        }
    }
}
