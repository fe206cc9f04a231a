//! Where reading starts and ends, and what is read.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_rocketmq_client::{Filter, check_topic};

use crate::options::{BoundedMode, Lost, Reset, StartupMode, TableOptions};
use crate::time;

/// A queue as a user names it: broker and number.
pub(crate) type QueueName = (String, i32);

/// What a source reads.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) filter: Filter,
    /// Where queues are read from that no checkpoint knows.
    pub(crate) start: Start,
    pub(crate) stop: Stop,
    /// How often to look for queues; `None` for once.
    pub(crate) discovery: Option<Duration>,
    pub(crate) lost: Lost,
    pub(crate) pull_batch: u32,
    pub(crate) pull_suspend: Duration,
    pub(crate) commit_on_checkpoint: bool,
    pub(crate) persist_interval: Duration,
}

/// Where a source starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the first message that is there.
    Earliest,
    /// At the end.
    Latest,
    /// At the first message that was stored at this time or later, in milliseconds since 1970.
    Timestamp(i64),
    /// Where the group has committed, or as the reset says.
    Group(Reset),
    /// At these offsets; other queues where the group has committed, or as the reset says.
    Offsets(BTreeMap<QueueName, i64>, Reset),
    /// Every queue at the same offset.
    Offset(i64),
}

/// Where a source ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nowhere.
    Never,
    /// Where the queues end when the job starts.
    Latest,
    /// Before the first message that was stored at this time or later, in milliseconds since 1970.
    Timestamp(i64),
}

impl Scan {
    /// What a table's options say.
    ///
    /// # Errors
    /// The user's mistakes.
    pub(crate) fn of_table(options: &TableOptions) -> Result<Self> {
        let group = options.consumer_group.clone().filter(|group| !group.is_empty()).ok_or_else(|| {
            Error::user("missing required option 'consumerGroup', which is needed to read")
                .hint("add 'consumerGroup' = '...'")
        })?;
        check_topic(&options.topic).map_err(|error| error.with("option", "topic"))?;
        let stop = stop(options)?;
        let start = start(options)?;
        if let (Start::Timestamp(start), Stop::Timestamp(stop)) = (&start, stop)
            && *start > stop
        {
            return Err(Error::user("reading would end before it starts").with("option", "endTime"));
        }
        Ok(Self {
            topic: options.topic.clone(),
            group,
            filter: filter(options.tag.as_deref(), options.sql.as_deref())?,
            start,
            stop,
            discovery: Some(Duration::from_millis(options.discovery_interval))
                .filter(|interval| !interval.is_zero() && stop == Stop::Never),
            lost: options.lost,
            pull_batch: options.pull_batch,
            pull_suspend: Duration::from_millis(options.pull_suspend),
            commit_on_checkpoint: options.commit_on_checkpoint,
            persist_interval: Duration::from_millis(options.persist_interval),
        })
    }
}

/// The filter that tags or an expression make.
///
/// # Errors
/// Both are given.
pub(crate) fn filter(tag: Option<&str>, sql: Option<&str>) -> Result<Filter> {
    let tags = tag.map_or(Filter::All, Filter::tags);
    match sql.map(str::trim).filter(|sql| !sql.is_empty()) {
        None => Ok(tags),
        Some(sql) if tags == Filter::All => Ok(Filter::Sql(sql.to_owned())),
        Some(_) => Err(Error::user("messages are filtered by tag or by an expression, not both")
            .hint("remove 'tag' or 'sql'; an expression can compare TAGS too: TAGS = 'a'")),
    }
}

fn start(options: &TableOptions) -> Result<Start> {
    let offset = options.start_offset.filter(|offset| *offset >= 0);
    let at_ms = options.start_time_ms.filter(|millis| *millis >= 0);
    let at = options.start_time.as_deref().filter(|text| !text.trim().is_empty());
    let at = at.map(|text| time::parse(text, &options.time_zone, "startTime")).transpose()?;
    let time = at_ms.or(at);
    let Some(mode) = options.startup_mode else {
        return match (offset, time, &options.specific_offsets) {
            (Some(offset), None, None) => Ok(Start::Offset(offset)),
            (None, Some(time), None) => Ok(Start::Timestamp(time)),
            (None, None, Some(text)) => Ok(Start::Offsets(parse_offsets(text)?, options.reset)),
            (None, None, None) => Ok(Start::Group(options.reset)),
            _ => Err(Error::user("several options say where reading starts")
                .hint("keep one of 'startMessageOffset', 'startTimeMs', 'startTime' and 'specificOffsets'")),
        };
    };
    let needs = |what: &str| Error::user(format!("'scanStartupMode' = '{mode}' needs {what}"));
    let excess = |option: &str| {
        Error::user(format!("'{option}' does not go with 'scanStartupMode' = '{mode}'")).hint("remove one of them")
    };
    match (mode, offset, time) {
        (StartupMode::Specific, ..) => {}
        (_, Some(_), _) => return Err(excess("startMessageOffset")),
        (StartupMode::Timestamp, ..) => {}
        (_, _, Some(_)) if at_ms.is_some() => return Err(excess("startTimeMs")),
        (_, _, Some(_)) => return Err(excess("startTime")),
        _ => {}
    }
    if mode != StartupMode::Specific && options.specific_offsets.is_some() {
        return Err(excess("specificOffsets"));
    }
    match mode {
        StartupMode::Earliest => Ok(Start::Earliest),
        StartupMode::Latest => Ok(Start::Latest),
        StartupMode::Group => Ok(Start::Group(options.reset)),
        StartupMode::Timestamp => {
            time.map(Start::Timestamp).ok_or_else(|| needs("a time").hint("add 'startTimeMs' or 'startTime'"))
        }
        StartupMode::Specific => match (&options.specific_offsets, offset) {
            (Some(text), _) => Ok(Start::Offsets(parse_offsets(text)?, options.reset)),
            (None, Some(offset)) => Ok(Start::Offset(offset)),
            (None, None) => Err(needs("offsets").hint("add 'specificOffsets', or 'startMessageOffset' for all queues")),
        },
    }
}

fn stop(options: &TableOptions) -> Result<Stop> {
    let end = options.end_time.as_deref().filter(|text| !text.trim().is_empty());
    match (options.bounded_mode, end) {
        (BoundedMode::Unbounded, None) => Ok(Stop::Never),
        (BoundedMode::Unbounded, Some(text)) => Ok(Stop::Timestamp(time::parse(text, &options.time_zone, "endTime")?)),
        (BoundedMode::Latest, None) => Ok(Stop::Latest),
        (BoundedMode::Latest, Some(_)) => {
            Err(Error::user("'endTime' does not go with 'scan.bounded.mode'").hint("remove one of them"))
        }
    }
}

/// Reads `broker:broker-a,queue:0,offset:42;...`.
fn parse_offsets(text: &str) -> Result<BTreeMap<QueueName, i64>> {
    let bad = |why: String| {
        Error::user(format!("'{text}' does not give offsets: {why}"))
            .with("option", "specificOffsets")
            .hint("write 'broker:broker-a,queue:0,offset:42;broker:broker-b,queue:3,offset:7'")
    };
    let mut offsets = BTreeMap::new();
    for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (mut broker, mut queue, mut offset) = (None, None, None);
        for part in entry.split(',').map(str::trim) {
            match part.split_once(':').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("broker", value)) if !value.is_empty() => broker = Some(value.to_owned()),
                Some(("queue", value)) => queue = value.parse::<i32>().ok().filter(|number| *number >= 0),
                Some(("offset", value)) => offset = value.parse::<i64>().ok().filter(|number| *number >= 0),
                _ => return Err(bad(format!("'{part}' is none of broker:, queue: and offset:"))),
            }
        }
        match (broker, queue, offset) {
            (Some(broker), Some(queue), Some(offset)) => {
                if offsets.insert((broker, queue), offset).is_some() {
                    return Err(bad(format!("the queue of '{entry}' comes twice")));
                }
            }
            _ => return Err(bad(format!("'{entry}' does not hold a broker, the number of a queue and an offset"))),
        }
    }
    if offsets.is_empty() { Err(bad("it is empty".into())) } else { Ok(offsets) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use riverrun_base::options::OptionReader;

    use super::*;

    fn scan(options: &[(&str, &str)]) -> Result<Scan> {
        let given = [("topic", "t"), ("nameServerAddress", "h:1"), ("consumerGroup", "g")];
        let all = given.iter().chain(options).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut reader = OptionReader::new("connector 'rocketmq'", all);
        let options: TableOptions = reader.read()?;
        reader.finish()?;
        Scan::of_table(&options)
    }

    fn refused(options: &[(&str, &str)]) -> String {
        scan(options).unwrap_err().to_string()
    }

    #[test]
    fn every_way_to_start_is_understood_under_its_names() {
        let start = |options: &[(&str, &str)]| scan(options).unwrap().start;
        assert_eq!(start(&[]), Start::Group(Reset::Latest));
        assert_eq!(start(&[("offsetResetStrategy", "EARLIEST")]), Start::Group(Reset::Earliest));
        assert_eq!(start(&[("scanStartupMode", "earliest")]), Start::Earliest);
        assert_eq!(start(&[("rocketmq.source.startup.scan.mode", "LATEST")]), Start::Latest);
        assert_eq!(start(&[("startTimeMs", "5")]), Start::Timestamp(5));
        assert_eq!(start(&[("scanStartupMode", "timestamp"), ("offsetFromTimestamp", "5")]), Start::Timestamp(5));
        let zoned = [("startTime", "2024-01-01 08:00:00"), ("timeZone", "Asia/Shanghai")];
        assert_eq!(start(&zoned), Start::Timestamp(1_704_067_200_000));
        assert_eq!(start(&[("startMessageOffset", "7"), ("startTimeMs", "-1")]), Start::Offset(7));
        let offsets = BTreeMap::from([(("broker-a".to_owned(), 0), 42), (("b".to_owned(), 3), 7)]);
        let text = "broker:broker-a,queue:0,offset:42; broker:b, queue:3, offset:7;";
        assert_eq!(start(&[("specificOffsets", text)]), Start::Offsets(offsets, Reset::Latest));
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_the_remedy() {
        for (options, part) in [
            (&[("startMessageOffset", "7"), ("startTimeMs", "5")][..], "several options"),
            (&[("scanStartupMode", "latest"), ("startTimeMs", "5")], "'startTimeMs' does not go"),
            (&[("scanStartupMode", "timestamp")], "needs a time"),
            (&[("scanStartupMode", "specific-offsets")], "needs offsets"),
            (&[("specificOffsets", "queue:0,offset:1")], "does not hold a broker"),
            (&[("specificOffsets", "broker:a,queue:0,offset:1;broker:a,queue:0,offset:2")], "comes twice"),
            (&[("tag", "a"), ("sql", "x > 1")], "not both"),
            (&[("consumerGroup", "")], "'consumerGroup'"),
            (&[("topic", "a b")], "no name for a topic"),
            (&[("startTimeMs", "5000"), ("endTime", "4000")], "end before it starts"),
            (&[("endTime", "4000"), ("scan.bounded.mode", "latest-offset")], "does not go"),
            (&[("consumerGruop", "x")], "did you mean 'consumerGroup'?"),
        ] {
            let error = refused(options);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_bounded_source_does_not_look_for_queues() {
        assert_eq!(scan(&[]).unwrap().discovery, Some(Duration::from_secs(30)));
        assert_eq!(scan(&[("partitionDiscoveryIntervalMs", "0")]).unwrap().discovery, None);
        let bounded = scan(&[("scan.bounded.mode", "latest-offset")]).unwrap();
        assert_eq!((bounded.stop, bounded.discovery), (Stop::Latest, None));
        let timed = scan(&[("endTime", "1970-01-01 00:00:04")]).unwrap();
        assert_eq!((timed.stop, timed.discovery), (Stop::Timestamp(4000), None));
    }

    #[test]
    fn filters_are_tags_or_an_expression() {
        let filter = |options: &[(&str, &str)]| scan(options).unwrap().filter;
        assert_eq!(filter(&[]), Filter::All);
        assert_eq!(filter(&[("tag", "*"), ("sql", " x > 1 ")]), Filter::Sql("x > 1".to_owned()));
        assert_eq!(filter(&[("consumer.tag", "a || b")]), Filter::tags("a||b"));
    }
}
