//! The jars of Hadoop, the settings of two nodes on one machine, and a name node's folder formatted before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Ports;
use crate::error::{Context, Result};
use crate::install::{cached, copy_folder};
use crate::java::{class_path, fetch_jars, java, short_lived};
use crate::system::run;

const VERSION: &str = "3.4.3";

pub(super) const NAME_NODE: &str = "org.apache.hadoop.hdfs.server.namenode.NameNode";
pub(super) const DATA_NODE: &str = "org.apache.hadoop.hdfs.server.datanode.DataNode";

/// An installed Hadoop.
pub(super) struct Program {
    folder: PathBuf,
    java: PathBuf,
}

/// The servers, fetched if they are not there: 65 MB, a minute.
pub(super) fn installed() -> Result<Program> {
    let java = java()?;
    let folder = cached(&format!("hdfs-{VERSION}"), |folder| {
        let program = Program { folder: folder.to_owned(), java: java.clone() };
        fetch_jars(folder, include_str!("pom.xml"), &format!("hadoop.version={VERSION}"))?;
        program.format()
    })?;
    Ok(Program { folder, java })
}

impl Program {
    /// Formats a name node's folder once; a name node begins with a copy, and saves a JVM's start.
    fn format(&self) -> Result<()> {
        let folder = self.folder.join("formatting");
        configure(&folder, &self.folder, Ports::free()?)?;
        let mut words = self.command(&folder, NAME_NODE).into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .args(["-format", "-nonInteractive"])
            .env("CLASSPATH", self.class_path(&folder.join("conf"))?);
        run(&mut command, Duration::from_secs(120), &self.log())?;
        let formatted = self.folder.join("formatted");
        fs::rename(folder.join("name"), &formatted).doing(|| format!("keep {}", formatted.display()))?;
        fs::remove_dir_all(&folder).doing(|| format!("remove {}", folder.display()))
    }

    /// Fills the folders of two new nodes.
    pub(super) fn prepare(&self, name_node: &Path, data_node: &Path, ports: Ports) -> Result<()> {
        configure(name_node, data_node, ports)?;
        copy_folder(&self.folder.join("formatted"), &name_node.join("name"), &name_node.join("out.log"))
    }

    /// The command line of the node that lives in `folder`.
    pub(super) fn command(&self, folder: &Path, class: &str) -> Vec<String> {
        let mut words = vec![self.java.display().to_string()];
        words.extend(short_lived(256));
        words.extend([format!("-Driverrun.folder={}", folder.display()), class.to_owned()]);
        words
    }

    /// Settings first, then every jar.
    pub(super) fn class_path(&self, conf: &Path) -> Result<String> {
        class_path(&self.folder, Some(conf))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("install.log")
    }
}

/// The settings of both nodes, in the folder of the name node.
fn configure(name_node: &Path, data_node: &Path, ports: Ports) -> Result<()> {
    let conf = name_node.join("conf");
    // what the servers' web pages would be in, which the jars do not bring: empty will do
    for folder in ["webapps/hdfs", "webapps/datanode"] {
        let folder = conf.join(folder);
        fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
    }
    let Ports { name_node: rpc, name_node_http, data_node: data, data_node_http, data_node_ipc } = ports;
    let at = |port: u16| format!("127.0.0.1:{port}");
    let settings = [
        ("fs.defaultFS", format!("hdfs://{}", at(rpc))),
        ("hadoop.tmp.dir", data_node.join("tmp").display().to_string()),
        ("dfs.namenode.name.dir", format!("file://{}", name_node.join("name").display())),
        ("dfs.datanode.data.dir", format!("file://{}", data_node.join("data").display())),
        ("dfs.namenode.rpc-address", at(rpc)),
        ("dfs.namenode.http-address", at(name_node_http)),
        ("dfs.datanode.address", at(data)),
        ("dfs.datanode.http.address", at(data_node_http)),
        ("dfs.datanode.ipc.address", at(data_node_ipc)),
        ("dfs.datanode.hostname", "127.0.0.1".to_owned()),
        ("dfs.replication", "1".to_owned()),
        ("dfs.permissions.enabled", "false".to_owned()),
        ("dfs.namenode.safemode.extension", "0".to_owned()),
        // a name node that is back is told of its data node at once
        ("dfs.heartbeat.interval", "1".to_owned()),
    ];
    let mut text = "<configuration>\n".to_owned();
    for (name, value) in settings {
        text.push_str(&format!("<property><name>{name}</name><value>{value}</value></property>\n"));
    }
    text.push_str("</configuration>\n");
    // hdfs-default.xml is read after core-site.xml, and would win
    write(&conf.join("core-site.xml"), &text)?;
    write(&conf.join("hdfs-site.xml"), &text)?;
    write(&conf.join("log4j.properties"), include_str!("log4j.properties"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing(|| format!("write {}", path.display()))
}
