//! `cargo xtask servers`: real servers that stay while a person works.

use riverrun_testkit::{Error, HBaseServer, HdfsServer, KafkaServer, MariaDb, Postgres, RocketMqServer, Run, S3Server};

use crate::Outcome;

/// A server that can be asked for by name.
struct Kind {
    name: &'static str,
    start: fn(&Run) -> Result<(), Error>,
    /// Where it runs, if it does.
    tell: fn(&Run) -> Option<String>,
}

/// Those before `STARTED_UNASKED` start where no name is given.
const KINDS: [Kind; 7] = [
    Kind {
        name: "kafka",
        start: |run| KafkaServer::shared(run).map(drop),
        tell: |run| Some(KafkaServer::running(run)?.bootstrap()),
    },
    Kind {
        name: "mariadb",
        start: |run| MariaDb::shared(run).map(drop),
        tell: |run| {
            let mariadb = MariaDb::running(run)?;
            Some(format!("{}  user {}, password {}", mariadb.url(), mariadb.user(), mariadb.password()))
        },
    },
    Kind {
        name: "postgres",
        start: |run| Postgres::shared(run).map(drop),
        tell: |run| {
            let postgres = Postgres::running(run)?;
            Some(format!("{}  user {}, password {}", postgres.url(), postgres.user(), postgres.password()))
        },
    },
    Kind {
        name: "rocketmq",
        start: |run| RocketMqServer::shared(run).map(drop),
        tell: |run| Some(format!("name server {}", RocketMqServer::running(run)?.name_server())),
    },
    Kind {
        name: "hbase",
        start: |run| HBaseServer::shared(run).map(drop),
        tell: |run| Some(format!("ZooKeeper {}", HBaseServer::running(run)?.quorum())),
    },
    Kind {
        name: "hdfs",
        start: |run| HdfsServer::shared(run).map(drop),
        tell: |run| Some(HdfsServer::running(run)?.url()),
    },
    Kind {
        name: "s3",
        start: |run| S3Server::shared(run).map(drop),
        tell: |run| {
            let s3 = S3Server::running(run)?;
            Some(format!("{}  bucket {}", s3.endpoint(), s3.bucket()))
        },
    },
];

const STARTED_UNASKED: usize = 3;

pub(crate) fn run(words: &[&str]) -> Outcome {
    match words {
        ["up", names @ ..] => up(names),
        ["status"] => status(),
        ["down"] => down(),
        ["install"] => riverrun_testkit::install::everything().map_err(|error| error.to_string()),
        _ => Err("cargo xtask servers up [name...] | status | down | install".to_owned()),
    }
}

fn up(names: &[&str]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| KINDS.iter().all(|kind| kind.name != **name)) {
        return Err(format!("there is no server `{unknown}`; there are {}", KINDS.map(|kind| kind.name).join(", ")));
    }
    let run = Run::standing().map_err(|error| error.to_string())?;
    for (place, kind) in KINDS.iter().enumerate() {
        let is_wanted = if names.is_empty() { place < STARTED_UNASKED } else { names.contains(&kind.name) };
        if is_wanted {
            (kind.start)(&run).map_err(|error| error.to_string())?;
        }
    }
    show(&run);
    Ok(())
}

fn status() -> Outcome {
    match Run::find_standing() {
        Some(run) => show(&run),
        None => println!("no servers; `cargo xtask servers up` starts them"),
    }
    Ok(())
}

fn down() -> Outcome {
    Run::find_standing().map_or(Ok(()), |run| run.end().map_err(|error| error.to_string()))
}

fn show(run: &Run) {
    for kind in KINDS {
        if let Some(place) = (kind.tell)(run) {
            println!("{:<9} {place}", kind.name);
        }
    }
    println!("for tests: export RIVERRUN_SERVERS={}", run.folder().display());
}
