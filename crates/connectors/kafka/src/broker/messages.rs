//! The requests that are spoken here, each in one version, which every broker from 3.0 on knows
//! (<https://kafka.apache.org/protocol#protocol_messages>).

use super::wire::{Malformed, Reader, Writer};

/// A request in one version, and how its answer is read.
pub(super) trait Request {
    /// The number of the API.
    const KEY: i16;
    /// The version that is spoken.
    const VERSION: i16;
    /// Whether headers have tagged fields (KIP-482).
    const FLEXIBLE: bool = true;
    /// What it is called in errors.
    const NAME: &'static str;
    /// What comes back.
    type Answer;

    /// The body.
    fn write(&self, out: &mut Writer);

    /// Reads the body of an answer; what follows the fields that matter is left.
    fn read(answer: &mut Reader<'_>) -> Result<Self::Answer, Malformed>;
}

/// Which versions of which requests a broker speaks.
pub(super) struct ApiVersions;

impl Request for ApiVersions {
    const KEY: i16 = 18;
    const VERSION: i16 = 3;
    const NAME: &'static str = "ApiVersions";
    /// The code, and for each API its number, first and last version.
    type Answer = (i16, Vec<(i16, i16, i16)>);

    fn write(&self, out: &mut Writer) {
        out.text("riverrun").text(env!("CARGO_PKG_VERSION")).no_tags();
    }

    fn read(answer: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let code = answer.i16()?;
        // A broker that does not know the version answers in the first one, which holds nothing that is needed.
        if code != 0 {
            return Ok((code, Vec::new()));
        }
        Ok((code, answer.structures(|api| Ok((api.i16()?, api.i16()?, api.i16()?)))?))
    }
}

/// Names the way of a login.
pub(super) struct SaslHandshake<'a>(pub(super) &'a str);

impl Request for SaslHandshake<'_> {
    const KEY: i16 = 17;
    const VERSION: i16 = 1;
    const FLEXIBLE: bool = false;
    const NAME: &'static str = "SaslHandshake";
    type Answer = i16;

    fn write(&self, out: &mut Writer) {
        out.old_text(self.0);
    }

    fn read(answer: &mut Reader<'_>) -> Result<i16, Malformed> {
        answer.i16()
    }
}

/// Logs in.
pub(super) struct SaslAuthenticate<'a>(pub(super) &'a [u8]);

impl Request for SaslAuthenticate<'_> {
    const KEY: i16 = 36;
    const VERSION: i16 = 2;
    const NAME: &'static str = "SaslAuthenticate";
    type Answer = (i16, Option<String>);

    fn write(&self, out: &mut Writer) {
        out.bytes(self.0).no_tags();
    }

    fn read(answer: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        Ok((answer.i16()?, answer.text()?))
    }
}

/// Asks for the brokers of the cluster, and for no topic.
pub(super) struct Brokers;

impl Request for Brokers {
    const KEY: i16 = 3;
    const VERSION: i16 = 9;
    const NAME: &'static str = "Metadata";
    /// Id, and where it listens.
    type Answer = Vec<(i32, String)>;

    fn write(&self, out: &mut Writer) {
        out.empty_list().bool(false).bool(false).bool(false).no_tags();
    }

    fn read(answer: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        answer.i32()?;
        answer.structures(|broker| {
            let (id, host, port) = (broker.i32()?, broker.text()?.ok_or(Malformed)?, broker.i32()?);
            broker.text()?;
            Ok((id, address(&host, port)))
        })
    }
}

/// Asks who coordinates a transactional id.
pub(super) struct FindCoordinator<'a>(pub(super) &'a str);

impl Request for FindCoordinator<'_> {
    const KEY: i16 = 10;
    const VERSION: i16 = 3;
    const NAME: &'static str = "FindCoordinator";
    /// The code, and where the coordinator listens.
    type Answer = (i16, String);

    fn write(&self, out: &mut Writer) {
        out.text(self.0).i8(1).no_tags();
    }

    fn read(answer: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        answer.i32()?;
        let code = answer.i16()?;
        answer.text()?;
        answer.i32()?;
        let host = answer.text()?.unwrap_or_default();
        Ok((code, address(&host, answer.i32()?)))
    }
}

/// Takes an id over: whoever has it is fenced, an open transaction is aborted.
pub(super) struct InitProducerId<'a> {
    pub(super) id: &'a str,
    pub(super) timeout_ms: i32,
}

impl Request for InitProducerId<'_> {
    const KEY: i16 = 22;
    const VERSION: i16 = 4;
    const NAME: &'static str = "InitProducerId";
    type Answer = i16;

    fn write(&self, out: &mut Writer) {
        out.text(self.id).i32(self.timeout_ms).i64(-1).i16(-1).no_tags();
    }

    fn read(answer: &mut Reader<'_>) -> Result<i16, Malformed> {
        answer.i32()?;
        answer.i16()
    }
}

/// Commits. Version 3 keeps the producer's epoch, so that it can be repeated; 5 and later raise it (KIP-890), and a repetition could not be
/// told from a stranger's call.
pub(super) struct Commit<'a> {
    pub(super) id: &'a str,
    pub(super) producer: i64,
    pub(super) epoch: i16,
}

impl Request for Commit<'_> {
    const KEY: i16 = 26;
    const VERSION: i16 = 3;
    const NAME: &'static str = "EndTxn";
    type Answer = i16;

    fn write(&self, out: &mut Writer) {
        out.text(self.id).i64(self.producer).i16(self.epoch).bool(true).no_tags();
    }

    fn read(answer: &mut Reader<'_>) -> Result<i16, Malformed> {
        answer.i32()?;
        answer.i16()
    }
}

/// What a coordinator knows of an id (KIP-664).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// The state's name, as in KIP-664: `Ongoing`, `CompleteCommit`.
    pub(crate) state: String,
    /// When the transaction's first row came, in milliseconds since 1970; -1 outside a transaction.
    pub(crate) start_ms: i64,
    /// The producer's id.
    pub(crate) producer: i64,
    /// The producer's epoch.
    pub(crate) epoch: i16,
    /// How many partitions the open transaction has rows in.
    pub(crate) partitions: usize,
}

/// Asks what is known of ids, all of one coordinator.
pub(super) struct DescribeTransactions<'a>(pub(super) &'a [&'a str]);

impl Request for DescribeTransactions<'_> {
    const KEY: i16 = 65;
    const VERSION: i16 = 0;
    const NAME: &'static str = "DescribeTransactions";
    /// For each id the code, and what is known.
    type Answer = Vec<(String, i16, Described)>;

    fn write(&self, out: &mut Writer) {
        out.texts(self.0.iter().copied()).no_tags();
    }

    fn read(answer: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        answer.i32()?;
        answer.structures(|transaction| {
            let code = transaction.i16()?;
            let id = transaction.text()?.ok_or(Malformed)?;
            let state = transaction.text()?.unwrap_or_default();
            transaction.i32()?;
            let start_ms = transaction.i64()?;
            let (producer, epoch) = (transaction.i64()?, transaction.i16()?);
            let topics = transaction.structures(|topic| {
                topic.text()?;
                Ok(topic.list(Reader::i32)?.len())
            })?;
            Ok((id, code, Described { state, start_ms, producer, epoch, partitions: topics.iter().sum() }))
        })
    }
}

/// Asks one broker for the ids that it coordinates and that are in one of these states (KIP-664).
pub(super) struct ListTransactions<'a>(pub(super) &'a [&'a str]);

impl Request for ListTransactions<'_> {
    const KEY: i16 = 66;
    const VERSION: i16 = 0;
    const NAME: &'static str = "ListTransactions";
    /// The code, and ids with their states.
    type Answer = (i16, Vec<(String, String)>);

    fn write(&self, out: &mut Writer) {
        out.texts(self.0.iter().copied()).empty_list().no_tags();
    }

    fn read(answer: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        answer.i32()?;
        let code = answer.i16()?;
        answer.list(Reader::text)?;
        let transactions = answer.structures(|transaction| {
            let id = transaction.text()?.ok_or(Malformed)?;
            transaction.i64()?;
            Ok((id, transaction.text()?.unwrap_or_default()))
        })?;
        Ok((code, transactions))
    }
}

/// Asks for one setting of a broker.
pub(super) struct BrokerSetting<'a> {
    pub(super) broker: i32,
    pub(super) name: &'a str,
}

impl Request for BrokerSetting<'_> {
    const KEY: i16 = 32;
    const VERSION: i16 = 4;
    const NAME: &'static str = "DescribeConfigs";
    /// The code, and the value.
    type Answer = (i16, Option<String>);

    fn write(&self, out: &mut Writer) {
        out.count(1).i8(4).text(&self.broker.to_string());
        out.texts([self.name].into_iter()).no_tags();
        out.bool(false).bool(false).no_tags();
    }

    fn read(answer: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        answer.i32()?;
        let results = answer.structures(|result| {
            let code = result.i16()?;
            result.text()?;
            result.i8()?;
            result.text()?;
            let values = result.structures(|setting| {
                setting.text()?;
                let value = setting.text()?;
                setting.bool()?;
                setting.i8()?;
                setting.bool()?;
                setting.structures(|synonym| {
                    synonym.text()?;
                    synonym.text()?;
                    synonym.i8()
                })?;
                setting.i8()?;
                setting.text()?;
                Ok(value)
            })?;
            Ok((code, values.into_iter().next().flatten()))
        })?;
        results.into_iter().next().ok_or(Malformed)
    }
}

fn address(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
