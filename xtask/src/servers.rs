//! `cargo xtask servers`: real servers that stay while a person works.

use riverrun_testkit::{KafkaServer, MariaDb, Postgres, Run};

use crate::Outcome;

const NAMES: [&str; 3] = ["kafka", "mariadb", "postgres"];

pub(crate) fn run(words: &[&str]) -> Outcome {
    match words {
        ["up", names @ ..] => up(names),
        ["status"] => status(),
        ["down"] => down(),
        ["install"] => riverrun_testkit::install::everything().map_err(|error| error.to_string()),
        _ => Err("cargo xtask servers up [kafka] [mariadb] [postgres] | status | down | install".to_owned()),
    }
}

fn up(names: &[&str]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| !NAMES.contains(name)) {
        return Err(format!("there is no server `{unknown}`; there are {}", NAMES.join(", ")));
    }
    let names = if names.is_empty() { &NAMES } else { names };
    let run = Run::standing().map_err(|error| error.to_string())?;
    for name in names {
        match *name {
            "kafka" => KafkaServer::shared(&run).map(drop),
            "mariadb" => MariaDb::shared(&run).map(drop),
            _ => Postgres::shared(&run).map(drop),
        }
        .map_err(|error| error.to_string())?;
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
    if let Some(kafka) = KafkaServer::running(run) {
        println!("kafka     {}", kafka.bootstrap());
    }
    if let Some(mariadb) = MariaDb::running(run) {
        println!("mariadb   {}  user {}, password {}", mariadb.url(), mariadb.user(), mariadb.password());
    }
    if let Some(postgres) = Postgres::running(run) {
        println!("postgres  {}  user {}, password {}", postgres.url(), postgres.user(), postgres.password());
    }
    println!("for tests: export RIVERRUN_SERVERS={}", run.folder().display());
}
