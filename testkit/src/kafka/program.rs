//! The broker's jars, and what makes it start fast: an archive of its classes, and a data folder formatted before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::Ports;
use crate::error::{Context, Error, Result};
use crate::install::{cached, copy_folder};
use crate::java::{class_path, fetch_jars, java, short_lived};
use crate::keeper::Run;
use crate::system::{Process, run, tail};
use crate::wait::poll;

/// A release of Kafka.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KafkaVersion {
    /// The last of the third generation.
    V3_9,
    /// What tests run against: 4.3.1 loses transaction markers when it is killed (KAFKA-20734), and this kit is there to kill brokers.
    #[default]
    V4_2,
}

impl KafkaVersion {
    fn number(self) -> &'static str {
        match self {
            Self::V3_9 => "3.9.2",
            Self::V4_2 => "4.2.0",
        }
    }
}

/// Sixteen bytes in Kafka's base 64; every broker may have the same, since none ever meets another.
const CLUSTER_ID: &str = "cml2ZXJydW4tdGVzdHM";

/// An installed broker.
pub(super) struct Program {
    version: KafkaVersion,
    folder: PathBuf,
    java: PathBuf,
}

/// The broker, fetched if it is not there: 54 MB, half a minute.
pub(super) fn installed(version: KafkaVersion) -> Result<Program> {
    let java = java()?;
    let folder = cached(&format!("kafka-{}", version.number()), |folder| {
        let program = Program { version, folder: folder.to_owned(), java: java.clone() };
        program.fetch()?;
        program.format()?;
        program.archive_classes()
    })?;
    Ok(Program { version, folder, java })
}

impl Program {
    fn fetch(&self) -> Result<()> {
        write(&self.folder.join("log4j2.properties"), include_str!("log4j2.properties"))?;
        write(&self.folder.join("log4j.properties"), include_str!("log4j.properties"))?;
        let version = format!("kafka.version={}", self.version.number());
        fetch_jars(&self.folder, include_str!("pom.xml"), &version)
    }

    /// Formats a data folder once; a broker begins with a copy, and saves a JVM's start.
    fn format(&self) -> Result<()> {
        let folder = self.folder.join("formatted");
        make(&folder)?;
        let properties = folder.join("broker.properties");
        write(&properties, &settings(&folder, Ports::free()?, &[]))?;
        let mut command = self.java(&folder, None)?;
        command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]).arg(&properties);
        run(&mut command, Duration::from_secs(120), &self.log())
    }

    /// Starts and stops a broker that records its classes: later starts take 2 s instead of 3.
    fn archive_classes(&self) -> Result<()> {
        let folder = self.folder.join("recording");
        make(&folder)?;
        write(&folder.join("broker.properties"), &settings(&folder, Ports::free()?, &[]))?;
        self.copy_formatted(&folder)?;
        let new = self.folder.join("classes.new");
        let mut command = self.java(&folder, Some(format!("-XX:ArchiveClassesAtExit={}", new.display())))?;
        let mut broker = command
            .arg("kafka.Kafka")
            .arg(folder.join("broker.properties"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .doing(|| "start java".to_owned())?;
        let _guard = Run::own()?.guard(broker.id())?;
        let log = folder.join("server.log");
        let started = poll(Duration::from_secs(120), || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains("Kafka Server started")).then_some(())
        });
        if let Some(process) = Process::find(broker.id()) {
            process.signal(if started.is_some() { Signal::TERM } else { Signal::KILL });
        }
        let ended = poll(Duration::from_secs(120), || broker.try_wait().ok().flatten());
        if ended.is_none() {
            broker.kill().and_then(|()| broker.wait()).doing(|| "end java".to_owned())?;
        }
        if started.is_none() || !new.exists() {
            let words = tail(&log);
            let version = self.version.number();
            return Err(Error::new(format!("Kafka {version} did not start and stop, {}:\n{words}", log.display())));
        }
        fs::rename(&new, self.folder.join("classes.jsa")).doing(|| format!("keep {}", new.display()))?;
        fs::remove_dir_all(&folder).doing(|| format!("remove {}", folder.display()))
    }

    /// Puts formatted data into a broker's folder.
    pub(super) fn copy_formatted(&self, broker: &Path) -> Result<()> {
        copy_folder(&self.folder.join("formatted").join("data"), &broker.join("data"), &broker.join("out.log"))
    }

    /// The command line of the broker that lives in `broker`.
    pub(super) fn command(&self, broker: &Path) -> Vec<String> {
        let archive = format!("-XX:SharedArchiveFile={}", self.folder.join("classes.jsa").display());
        let mut words = vec![self.java.display().to_string()];
        words.extend(self.options(broker));
        // where another JVM made the archive, this one starts without, in a second more
        words.extend([archive, "kafka.Kafka".to_owned()]);
        words.push(broker.join("broker.properties").display().to_string());
        words
    }

    fn java(&self, broker: &Path, option: Option<String>) -> Result<Command> {
        let mut command = Command::new(&self.java);
        command.args(self.options(broker)).args(option).env("CLASSPATH", self.class_path()?);
        Ok(command)
    }

    fn options(&self, broker: &Path) -> Vec<String> {
        let mut options = short_lived(512);
        options.extend([
            format!("-Dkafka.logs.dir={}", broker.display()),
            format!("-Dlog4j2.configurationFile={}", self.folder.join("log4j2.properties").display()),
            // 3.9 brings the successor of log4j 1 with it
            format!("-Dlog4j.configuration=file:{}", self.folder.join("log4j.properties").display()),
        ]);
        options
    }

    /// Every jar.
    pub(super) fn class_path(&self) -> Result<String> {
        class_path(&self.folder, None)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("install.log")
    }
}

/// The settings of the broker that lives in `broker`.
pub(super) fn settings(broker: &Path, ports: Ports, more: &[(String, String)]) -> String {
    let Ports { broker: port, controller } = ports;
    let mut text = format!(
        "{}\
        controller.quorum.voters=1@127.0.0.1:{controller}\n\
        listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
        advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
        log.dirs={}\n",
        include_str!("broker.properties"),
        broker.join("data").display()
    );
    for (key, value) in more {
        text.push_str(&format!("{key}={value}\n"));
    }
    text
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing(|| format!("write {}", path.display()))
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))
}
