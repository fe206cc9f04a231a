//! The table of guarantees in the book says what the connectors say.
#![cfg(all(feature = "http", feature = "jdbc", feature = "kafka", feature = "rocketmq"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use riverrun_connect::{Commits, Connector, Polled, Sink, Source, SourceReader, Split, TableContext, TaskContext};
use riverrun_data::{Batch, ChangelogMode, DataType, LogicalType, RowField, RowKind};

const PAGE: &str = include_str!("../../../docs/exactly-once.md");
const GUARANTEE: &str = "sink.delivery-guarantee";
const ROWS: usize = 20_000;
const LIMIT: Duration = Duration::from_secs(60);

/// A row of the page's table.
#[derive(Debug)]
struct Line {
    side: String,
    connector: String,
    with: String,
    without: String,
    with_checkpoints: String,
}

impl Line {
    /// The value of the option in the column `with`.
    fn guarantee(&self) -> Option<&str> {
        self.with.split_once(&format!("'{GUARANTEE}' = '"))?.1.split('\'').next()
    }

    fn has_key(&self) -> bool {
        self.with.contains("`PRIMARY KEY`")
    }

    fn connector(&self) -> &'static Connector {
        riverrun_bundle::connectors().get(&self.connector).unwrap()
    }

    /// The sinks that the line is about: one for each kind of system.
    fn sinks(&self) -> Vec<Box<dyn Sink>> {
        let open = self.connector().sink.unwrap();
        let opened = |options| open(&self.table(options)).unwrap_or_else(|error| panic!("{self:?}: {error}"));
        let broker = [("topic", "t"), ("properties.bootstrap.servers", "h:9092")];
        let with = |more: &[(&'static str, &'static str)]| vec![broker.iter().chain(more).copied().collect()];
        let options: Vec<Vec<(&str, &str)>> = match self.connector.as_str() {
            "jdbc" => ["jdbc:mysql://h/d", "jdbc:mariadb://h/d", "jdbc:postgresql://h/d", "jdbc:sqlite:/d"]
                .map(|url| vec![("url", url), ("table-name", "t")])
                .into(),
            "kafka" => with(&[("format", "json")]),
            "upsert-kafka" => with(&[("key.format", "json"), ("value.format", "json")]),
            "filesystem" => vec![vec![("path", "/not/there"), ("format", "csv")]],
            "http" => vec![vec![("url", "http://h/"), ("format", "json")]],
            "rocketmq" => vec![vec![("topic", "t"), ("nameServerAddress", "h:9876"), ("producerGroup", "p")]],
            _ => vec![Vec::new()],
        };
        options.into_iter().map(opened).collect()
    }

    fn table<'a>(&'a self, mut options: Vec<(&'a str, &'a str)>) -> TableContext {
        options.extend(self.guarantee().map(|guarantee| (GUARANTEE, guarantee)));
        if self.guarantee() == Some("exactly-once") && self.connector.ends_with("kafka") {
            options.push(("sink.transactional-id-prefix", "p"));
        }
        table(&self.connector, self.has_key(), &options)
    }
}

/// A table `t (id BIGINT, name STRING)`.
fn table(connector: &str, has_key: bool, options: &[(&str, &str)]) -> TableContext {
    let column = |name: &str, data_type| RowField { name: name.into(), data_type };
    TableContext {
        name: "t".into(),
        columns: vec![
            column("id", DataType::not_null(LogicalType::BigInt)),
            column("name", DataType::nullable(LogicalType::STRING)),
        ],
        metadata: Vec::new(),
        primary_key: if has_key { vec![0] } else { Vec::new() },
        options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        connector: connector.into(),
    }
}

fn lines(side: &str) -> Vec<Line> {
    let begin = format!("| {side} |");
    let line = |row: &str| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [side, connector, with, without, with_checkpoints, _by] = cells[..] else { panic!("{row}") };
        let [side, with, without, with_checkpoints] = [side, with, without, with_checkpoints].map(str::to_owned);
        Line { side, connector: connector.trim_matches('`').to_owned(), with, without, with_checkpoints }
    };
    PAGE.lines().filter(|row| row.starts_with(&begin)).map(line).collect()
}

#[test]
fn every_connector_is_in_the_table_with_each_guarantee_that_it_offers() {
    let mut expected = BTreeSet::new();
    for connector in riverrun_bundle::connectors().iter() {
        let of = |side: &str, guarantee: Option<&str>| {
            (side.to_owned(), connector.name.to_owned(), guarantee.map(str::to_owned))
        };
        expected.extend(connector.source.map(|_| of("source", None)));
        if connector.sink.is_some() {
            let option = (connector.options)().into_iter().find(|spec| spec.key == GUARANTEE);
            let guarantees = option.map_or(&[][..], |spec| spec.values);
            expected.insert(of("sink", None));
            expected.extend(guarantees.iter().map(|guarantee| of("sink", Some(guarantee))));
        }
    }
    let all = lines("source").into_iter().chain(lines("sink"));
    let shown = all.map(|line| (line.side.clone(), line.connector.clone(), line.guarantee().map(str::to_owned)));
    assert_eq!(shown.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn rows_are_committed_exactly_where_the_table_says_exactly_once() {
    for line in lines("sink") {
        let commits = match (line.without.as_str(), line.with_checkpoints.as_str()) {
            ("refused", "exactly once") => Commits::Always,
            ("at least once", "exactly once") => Commits::WithCheckpoints,
            ("at least once" | "effectively once" | "nothing is kept", with) if with != "exactly once" => {
                Commits::Never
            }
            _ => panic!("words that mean nothing: {line:?}"),
        };
        for sink in line.sinks() {
            assert_eq!(sink.commits(), commits, "{line:?}");
        }
    }
}

#[test]
fn effectively_once_is_what_writes_by_key() {
    for line in lines("sink").into_iter().filter(|line| line.without != "nothing is kept") {
        let by_key = line.without == "effectively once";
        for sink in line.sinks() {
            let mode = sink.changelog_mode(ChangelogMode::ALL);
            let upserts = mode.contains(RowKind::Delete) && !mode.contains(RowKind::UpdateBefore);
            assert_eq!(upserts, line.has_key(), "{line:?}");
            assert_eq!(by_key, upserts && sink.commits() == Commits::Never, "{line:?}");
        }
    }
}

#[test]
fn words_follow_from_the_guarantee_that_is_asked_for() {
    for line in lines("sink") {
        let without = line.without.as_str();
        let expected: &[&str] = match line.guarantee() {
            Some("exactly-once") => &["exactly once"],
            Some("at-least-once") => &[without],
            Some("none") => &["none"],
            _ => &[without, "exactly once"],
        };
        assert!(expected.contains(&line.with_checkpoints.as_str()), "{line:?}");
    }
}

#[test]
fn sources_that_are_exactly_once_read_on_where_another_reader_stopped() {
    let folder = riverrun_testkit::temp_folder();
    let file = folder.path().join("rows.csv").display().to_string();
    std::fs::write(&file, (0..ROWS).map(|n| format!("{n},row {n}\n")).collect::<String>()).unwrap();
    let last = (ROWS - 1).to_string();
    let made = [
        ("rows-per-second", "1000000000"),
        ("fields.id.kind", "sequence"),
        ("fields.id.start", "0"),
        ("fields.id.end", &last),
    ];
    for (name, options) in [("datagen", &made[..]), ("filesystem", &[("path", &file), ("format", "csv")])] {
        let line = lines("source").into_iter().find(|line| line.connector == name).unwrap();
        assert_eq!(line.with_checkpoints, "exactly once");
        reads_on(&*line.connector().source.unwrap()(&table(name, false, options)).unwrap());
    }
}

/// Reads some rows, then the rest with another reader, and the rest again with a third: all rows come, and the same ones.
fn reads_on(source: &dyn Source) {
    let context = TaskContext { parallelism: 1, ..TaskContext::default() };
    let begin = source.enumerator(&context).unwrap().discover().unwrap().splits;
    let reader = |position: &[Split]| {
        let mut reader = source.reader(&context).unwrap();
        reader.add_splits(position.to_vec()).unwrap();
        reader
    };
    let mut first = reader(&begin);
    let begun = read(&mut *first, ROWS / 4);
    let position = first.splits();
    let (second, third) = (read(&mut *reader(&position), usize::MAX), read(&mut *reader(&position), usize::MAX));
    assert!(!begun.is_empty() && !second.is_empty() && second == third);
    assert_eq!(begun.len() + second.len(), ROWS);
    assert_eq!(begun.iter().chain(&second).collect::<BTreeSet<_>>().len(), ROWS);
}

/// The rows as text, until there are so many or the split has ended.
fn read(reader: &mut dyn SourceReader, most: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let deadline = Instant::now() + LIMIT;
    while rows.len() < most {
        assert!(Instant::now() < deadline, "{} rows, and no end", rows.len());
        match reader.poll(Duration::from_millis(100)).unwrap() {
            Polled::Rows { batch, .. } => rows.extend(texts(&batch)),
            Polled::Finished(_) => break,
            Polled::Nothing => {}
        }
    }
    rows
}

fn texts(batch: &Batch) -> impl Iterator<Item = String> {
    (0..batch.num_rows()).map(|row| format!("{:?}", batch.slice(row, 1).rows().columns()))
}
