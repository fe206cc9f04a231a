//! The jars of HBase, and its settings for one process on one machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Ports;
use crate::error::{Context, Result};
use crate::install::{cached, program_of};
use crate::system::run;

/// Built for Hadoop 3; the plain 2.6.x are built for Hadoop 2.
const VERSION: &str = "2.6.4-hadoop3";

const MASTER: &str = "org.apache.hadoop.hbase.master.HMaster";

const MAVEN_LIMIT: Duration = Duration::from_secs(20 * 60);

/// An installed HBase.
pub(super) struct Program {
    folder: PathBuf,
    java: PathBuf,
}

/// The server, fetched if it is not there: 64 MB, a minute.
pub(super) fn installed() -> Result<Program> {
    let java = program_of("java", &["openjdk-17-jre-headless"])?;
    let folder = cached(&format!("hbase-{VERSION}"), fetch)?;
    Ok(Program { folder, java })
}

fn fetch(folder: &Path) -> Result<()> {
    let maven = program_of("mvn", &["maven", "openjdk-17-jdk-headless"])?;
    let pom = folder.join("pom.xml");
    write(&pom, include_str!("pom.xml"))?;
    let mut command = Command::new(maven);
    command
        // -U: Maven remembers for a day that a download failed
        .args(["-q", "-B", "-U", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-Dhbase.version={VERSION}"))
        .arg(format!("-DoutputDirectory={}", folder.join("lib").display()))
        .arg("-f")
        .arg(&pom);
    run(&mut command, MAVEN_LIMIT, &folder.join("install.log"))
}

impl Program {
    /// The command line of a server that lives in `folder`.
    pub(super) fn command(&self, folder: &Path) -> Vec<String> {
        let mut words = vec![self.java.display().to_string()];
        words.extend(
            [
                "-Xmx256m",
                "-Xss512k",
                // a short life on few cores: no compiler for the long run, no threads for the collector
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                "--add-opens",
                "java.base/java.nio=ALL-UNNAMED",
            ]
            .map(str::to_owned),
        );
        words.extend([format!("-Driverrun.folder={}", folder.display()), MASTER.to_owned(), "start".to_owned()]);
        words
    }

    /// Settings first, then every jar.
    pub(super) fn class_path(&self, conf: &Path) -> Result<String> {
        let lib = self.folder.join("lib");
        let mut jars = vec![conf.display().to_string()];
        for entry in fs::read_dir(&lib).doing(|| format!("read {}", lib.display()))? {
            jars.push(entry.doing(|| format!("read {}", lib.display()))?.path().display().to_string());
        }
        jars[1..].sort();
        Ok(jars.join(":"))
    }
}

/// Writes the settings of a server that will live in `folder`.
pub(super) fn configure(folder: &Path, ports: Ports) -> Result<()> {
    let conf = folder.join("conf");
    fs::create_dir_all(&conf).doing(|| format!("make {}", conf.display()))?;
    let within = |name: &str| folder.join(name).display().to_string();
    let [local, host] = ["127.0.0.1", "localhost"].map(str::to_owned);
    let settings = [
        ("hbase.rootdir", format!("file://{}", within("data"))),
        ("hbase.tmp.dir", within("tmp")),
        ("hbase.cluster.distributed", "false".to_owned()),
        ("hbase.zookeeper.property.dataDir", within("zookeeper")),
        ("hbase.zookeeper.property.clientPort", ports.zookeeper.to_string()),
        ("hbase.zookeeper.quorum", local.clone()),
        ("fs.file.impl", "org.apache.hadoop.fs.RawLocalFileSystem".to_owned()),
        ("hbase.wal.provider", "filesystem".to_owned()),
        ("hbase.unsafe.stream.capability.enforce", "false".to_owned()),
        ("hbase.master.hostname", host.clone()),
        ("hbase.regionserver.hostname", host),
        ("hbase.master.ipc.address", local.clone()),
        ("hbase.regionserver.ipc.address", local),
        ("hbase.master.port", ports.master.to_string()),
        ("hbase.regionserver.port", ports.region_server.to_string()),
        ("hbase.master.info.port", "-1".to_owned()),
        ("hbase.regionserver.info.port", "-1".to_owned()),
        ("hbase.regionserver.handler.count", "5".to_owned()),
        // nobody else joins: without these a start takes three times as long
        ("hbase.regionserver.msginterval", "500".to_owned()),
        ("hbase.master.wait.on.regionservers.timeout", "500".to_owned()),
        ("hbase.master.wait.on.regionservers.interval", "100".to_owned()),
        ("zookeeper.recovery.retry", "1".to_owned()),
        ("zookeeper.recovery.retry.intervalmill", "100".to_owned()),
    ];
    let mut text = "<configuration>\n".to_owned();
    for (name, value) in settings {
        text.push_str(&format!("<property><name>{name}</name><value>{value}</value></property>\n"));
    }
    text.push_str("</configuration>\n");
    write(&conf.join("hbase-site.xml"), &text)?;
    write(&conf.join("log4j.properties"), include_str!("log4j.properties"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing(|| format!("write {}", path.display()))
}
