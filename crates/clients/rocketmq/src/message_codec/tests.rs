use proptest::prelude::*;
use riverrun_base::Kind;

use super::*;
use crate::compression::{Compression, compress};
use crate::properties;

/// A message as a broker stores it.
#[derive(Clone, Debug)]
struct Stored {
    v2: bool,
    queue: i32,
    offset: i64,
    flags: i32,
    born_host: SocketAddr,
    store_host: SocketAddr,
    body: Vec<u8>,
    topic: String,
    properties: Vec<u8>,
}

impl Stored {
    fn encode(&self) -> Vec<u8> {
        let mut record = Vec::new();
        record.extend(if self.v2 { MAGIC_V2 } else { MAGIC }.to_be_bytes());
        record.extend(12_345_u32.to_be_bytes());
        record.extend(self.queue.to_be_bytes());
        record.extend(7_i32.to_be_bytes());
        record.extend(self.offset.to_be_bytes());
        record.extend((self.offset * 100).to_be_bytes());
        record.extend(self.flags.to_be_bytes());
        record.extend(1_000_i64.to_be_bytes());
        host_bytes(self.born_host, &mut record);
        record.extend(2_000_i64.to_be_bytes());
        host_bytes(self.store_host, &mut record);
        record.extend(3_i32.to_be_bytes());
        record.extend(44_i64.to_be_bytes());
        record.extend(u32::try_from(self.body.len()).unwrap().to_be_bytes());
        record.extend(&self.body);
        let topic = u16::try_from(self.topic.len()).unwrap().to_be_bytes();
        record.extend(if self.v2 { &topic[..] } else { &topic[1..] });
        record.extend(self.topic.bytes());
        record.extend(u16::try_from(self.properties.len()).unwrap().to_be_bytes());
        record.extend(&self.properties);
        let size = u32::try_from(record.len() + 4).unwrap().to_be_bytes();
        [&size[..], &record].concat()
    }
}

fn host_bytes(host: SocketAddr, into: &mut Vec<u8>) {
    match host.ip() {
        IpAddr::V4(ip) => into.extend(ip.octets()),
        IpAddr::V6(ip) => into.extend(ip.octets()),
    }
    into.extend(u32::from(host.port()).to_be_bytes());
}

fn plain() -> Stored {
    Stored {
        v2: false,
        queue: 2,
        offset: 5,
        flags: 0,
        born_host: "10.1.2.3:456".parse().unwrap(),
        store_host: "127.0.0.1:10911".parse().unwrap(),
        body: b"body".to_vec(),
        topic: "topic".to_owned(),
        properties: b"TAGS\x01a\x02".to_vec(),
    }
}

fn decode(bytes: Vec<u8>) -> Result<Vec<ReceivedMessage>> {
    decode_stored(bytes.into(), 1 << 20)
}

#[test]
fn a_message_that_is_cut_off_anywhere_is_refused() {
    let bytes = plain().encode();
    for cut in 1..bytes.len() - 4 {
        // the size agrees with what is there, the rest does not
        let mut short = bytes[..bytes.len() - cut].to_vec();
        short[..4].copy_from_slice(&u32::try_from(bytes.len() - cut).unwrap().to_be_bytes());
        let error = decode(short).unwrap_err();
        assert_eq!(error.kind(), Kind::External);
    }
    let mut other = bytes.clone();
    other[4] ^= 1;
    assert!(decode(other).unwrap_err().to_string().contains("magic number"));
    assert!(decode(bytes[..9].to_vec()).unwrap_err().to_string().contains("size"));
    assert!(decode(vec![0, 0, 0, 0, 0]).is_err());
}

#[test]
fn properties_that_are_no_utf8_are_read_as_java_does() {
    let stored = Stored { properties: b"TAGS\x01a\xff\x02x\x01y\x02".to_vec(), ..plain() };
    let message = decode(stored.encode()).unwrap().remove(0);
    assert_eq!((message.topic(), message.tags(), message.property("x")), ("topic", Some("a\u{fffd}"), Some("y")));
}

#[test]
fn a_batch_kept_as_one_message_is_handed_out_as_its_messages() {
    let mut batch = BytesMut::new();
    encode_in_batch(&mut batch, 1, b"first", "TAGS\u{1}a\u{2}");
    encode_in_batch(&mut batch, 2, b"", "");
    encode_in_batch(&mut batch, 3, b"third", "TAGS\u{1}c\u{2}");
    for compression in [Compression::None, Compression::Zstd] {
        let body = vec![batch.to_vec(); 30].concat();
        let (body, flags) = compress(compression, &body).unwrap().map_or((body.clone(), 0), |(b, f)| (b.to_vec(), f));
        let stored = Stored { body, flags: flags | INNER_BATCH | NEED_UNWRAP, ..plain() };
        let messages = decode([stored.encode(), Stored { offset: 95, ..plain() }.encode()].concat()).unwrap();
        assert_eq!(messages.len(), 91);
        assert_eq!(messages.iter().map(|m| m.queue_offset).collect::<Vec<_>>(), (5..96).collect::<Vec<_>>());
        let found = |n: usize| (messages[n].flag, messages[n].tags(), &messages[n].body()[..], messages[n].topic());
        assert_eq!(found(0), (1, Some("a"), &b"first"[..], "topic"));
        assert_eq!(found(1), (2, None, &b""[..], "topic"));
        assert_eq!(found(2), (3, Some("c"), &b"third"[..], "topic"));
    }
}

fn hosts() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

prop_compose! {
    fn stored_messages()(
        v2 in any::<bool>(), queue in any::<i32>(), offset in 0..1_000_000_i64, born_host in hosts(), store_host in hosts(),
        body in "[ab]{0,300}", kind in 0..4usize, topic in "[a-z]{1,127}", long in "[a-z]{200}",
        texts in proptest::collection::vec(("[A-Za-zé]{1,9}", "[^\u{1}\u{2}]{1,30}"), 0..5),
    ) -> (Stored, String, Vec<(String, String)>) {
        let kinds = [Compression::None, Compression::Zlib, Compression::Lz4, Compression::Zstd];
        let (packed, mut flags) = compress(kinds[kind], body.as_bytes()).unwrap()
            .map_or((body.clone().into_bytes(), 0), |(packed, flags)| (packed.to_vec(), flags));
        if born_host.is_ipv6() { flags |= BORN_HOST_V6; }
        if store_host.is_ipv6() { flags |= STORE_HOST_V6; }
        let mut text = String::new();
        for (name, value) in &texts {
            properties::push(&mut text, name, value);
        }
        let topic = if v2 { topic + &long } else { topic };
        let stored = Stored { v2, queue, offset, flags, born_host, store_host, body: packed, topic, properties: text.into() };
        (stored, body, texts)
    }
}

proptest! {
    #[test]
    fn what_is_stored_is_read(messages in proptest::collection::vec(stored_messages(), 0..5)) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(stored, ..)| stored.encode()).collect();
        let read = decode(bytes).unwrap();
        prop_assert_eq!(read.len(), messages.len());
        for (read, (stored, body, texts)) in read.iter().zip(&messages) {
            prop_assert_eq!((read.queue_id, read.queue_offset, read.flag), (stored.queue, stored.offset, 7));
            prop_assert_eq!((read.born_timestamp, read.store_timestamp), (1_000, 2_000));
            prop_assert_eq!((read.born_host, read.store_host), (stored.born_host, stored.store_host));
            prop_assert_eq!((read.reconsume_times, read.prepared_transaction_offset), (3, 44));
            prop_assert_eq!(read.commit_log_offset, stored.offset * 100);
            prop_assert_eq!((read.topic(), &read.body()[..]), (stored.topic.as_str(), body.as_bytes()));
            let found: Vec<_> = read.properties().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            prop_assert_eq!(&found, texts);
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), flags in any::<i32>()) {
        let _ = decode(bytes.clone());
        let _ = decode(Stored { flags, body: bytes, ..plain() }.encode());
    }
}
