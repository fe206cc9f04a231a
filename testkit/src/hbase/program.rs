//! The jars of HBase, and its settings for one process on one machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::Ports;
use crate::error::{Context, Result};
use crate::install::cached;
use crate::java::{class_path, fetch_jars, java, short_lived};

/// Built for Hadoop 3; the plain 2.6.x are built for Hadoop 2.
const VERSION: &str = "2.6.4-hadoop3";

const MASTER: &str = "org.apache.hadoop.hbase.master.HMaster";

/// An installed HBase.
pub(super) struct Program {
    folder: PathBuf,
    java: PathBuf,
}

/// The server, fetched if it is not there: 64 MB, a minute.
pub(super) fn installed() -> Result<Program> {
    let java = java()?;
    let folder = cached(&format!("hbase-{VERSION}"), |folder| {
        fetch_jars(folder, include_str!("pom.xml"), &format!("hbase.version={VERSION}"))
    })?;
    Ok(Program { folder, java })
}

impl Program {
    /// The command line of a server that lives in `folder`.
    pub(super) fn command(&self, folder: &Path) -> Vec<String> {
        let mut words = vec![self.java.display().to_string()];
        words.extend(short_lived(256));
        words.extend(["--add-opens", "java.base/java.nio=ALL-UNNAMED"].map(str::to_owned));
        words.extend([format!("-Driverrun.folder={}", folder.display()), MASTER.to_owned(), "start".to_owned()]);
        words
    }

    /// Settings first, then every jar.
    pub(super) fn class_path(&self, conf: &Path) -> Result<String> {
        class_path(&self.folder, Some(conf))
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
