//! The jars of RocketMQ, the settings of its servers, and their command lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Context, Result};
use crate::install::{cached, program_of};
use crate::system::run;

const VERSION: &str = "5.3.3";

pub(super) const NAME_SERVER: &str = "org.apache.rocketmq.namesrv.NamesrvStartup";
pub(super) const BROKER: &str = "org.apache.rocketmq.broker.BrokerStartup";

const MAVEN_LIMIT: Duration = Duration::from_secs(20 * 60);

/// How long a program of a test's own may run.
const CLIENT_LIMIT: Duration = Duration::from_secs(300);

/// Who may do everything where requests must be signed, and the secret.
pub(super) const ADMIN: (&str, &str) = ("admin", "admin-secret");

/// An installed RocketMQ.
pub(super) struct Program {
    folder: PathBuf,
    java: PathBuf,
}

/// The servers and Apache's Java client, fetched if they are not there: 80 MB, a minute.
pub(super) fn installed() -> Result<Program> {
    let java = program_of("java", &["openjdk-17-jre-headless"])?;
    let folder = cached(&format!("rocketmq-{VERSION}"), |folder| {
        Program { folder: folder.to_owned(), java: java.clone() }.fetch()
    })?;
    Ok(Program { folder, java })
}

impl Program {
    fn fetch(&self) -> Result<()> {
        let maven = program_of("mvn", &["maven", "openjdk-17-jdk-headless"])?;
        let pom = self.folder.join("pom.xml");
        fs::write(&pom, include_str!("pom.xml")).doing(|| format!("write {}", pom.display()))?;
        let mut command = Command::new(maven);
        command
            // -U: Maven remembers for a day that a download failed
            .args(["-q", "-B", "-U", "dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-Drocketmq.version={VERSION}"))
            .arg(format!("-DoutputDirectory={}", self.folder.join("lib").display()))
            .arg("-f")
            .arg(&pom);
        run(&mut command, MAVEN_LIMIT, &self.folder.join("install.log"))
    }

    /// The command line of the server that lives in `folder`.
    pub(super) fn command(&self, folder: &Path, class: &str, tls: bool) -> Vec<String> {
        let heap = if class == BROKER { "-Xmx256m" } else { "-Xmx128m" };
        // a certificate that the server makes for itself costs three seconds of its start
        let mode = if tls { "permissive" } else { "disabled" };
        let mut words = vec![self.java.display().to_string()];
        words.extend(
            [
                heap,
                "-Xss512k",
                // a short life on few cores: no compiler for the long run, no threads for the collector
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
            ]
            .map(str::to_owned),
        );
        words.push(format!("-Dtls.server.mode={mode}"));
        // where it puts its logs
        words.push(format!("-Duser.home={}", folder.display()));
        words.extend([class.to_owned(), "-c".to_owned(), folder.join("conf.properties").display().to_string()]);
        words
    }

    /// Every jar.
    pub(super) fn class_path(&self) -> Result<String> {
        let lib = self.folder.join("lib");
        let mut jars = Vec::new();
        for entry in fs::read_dir(&lib).doing(|| format!("read {}", lib.display()))? {
            jars.push(entry.doing(|| format!("read {}", lib.display()))?.path().display().to_string());
        }
        jars.sort();
        Ok(jars.join(":"))
    }

    /// Runs a Java program of one file with Apache's client on its class path; what it printed. Words of the JVM's own
    /// stand before the file.
    pub(super) fn client(&self, folder: &Path, source: &str, jvm: &[&str], words: &[&str]) -> Result<String> {
        // the compiler is in the JDK only
        program_of("javac", &["openjdk-17-jdk-headless"])?;
        let (file, output) = (folder.join("Client.java"), folder.join("output"));
        fs::write(&file, source).doing(|| format!("write {}", file.display()))?;
        let mut command = Command::new(&self.java);
        command
            .args(jvm)
            .arg(format!("-Duser.home={}", folder.display()))
            // its log goes to a file below user.home, and what logs itself about that to nowhere
            .arg("-Drocketmq.client.logUseSlf4j=false")
            .arg(&file)
            .args(words)
            .env("CLASSPATH", self.class_path()?);
        run(&mut command, CLIENT_LIMIT, &output)?;
        let text = fs::read_to_string(&output).doing(|| format!("read {}", output.display()))?;
        let said = |line: &&str| !line.is_empty() && !line.contains("|-INFO in") && !line.contains("|-WARN in");
        Ok(text.lines().filter(said).fold(String::new(), |text, line| text + line + "\n"))
    }
}

pub(super) fn name_server_settings(port: u16) -> String {
    format!("listenPort={port}\nbindAddress=127.0.0.1\n")
}

/// The settings of the broker of this letter that lives in `folder`.
pub(super) fn broker_settings(
    folder: &Path,
    letter: char,
    ports: (u16, u16),
    acl: bool,
    more: &[(String, String)],
) -> String {
    let (name_server, port) = ports;
    let mut text = format!(
        "{}brokerName=broker-{letter}\nnamesrvAddr=127.0.0.1:{name_server}\nlistenPort={port}\nstorePathRootDir={}\n",
        include_str!("broker.properties"),
        folder.join("store").display()
    );
    if acl {
        text.push_str(&access_control());
    }
    for (key, value) in more {
        text.push_str(&format!("{key}={value}\n"));
    }
    text
}

/// Signed requests only, from users who may; `ADMIN` may everything.
fn access_control() -> String {
    let (user, secret) = ADMIN;
    let authentication = "org.apache.rocketmq.auth.authentication.provider";
    let authorization = "org.apache.rocketmq.auth.authorization.provider";
    format!(
        "authenticationEnabled=true\n\
        authenticationProvider={authentication}.DefaultAuthenticationProvider\n\
        authenticationMetadataProvider={authentication}.LocalAuthenticationMetadataProvider\n\
        initAuthenticationUser={{\"username\":\"{user}\",\"password\":\"{secret}\"}}\n\
        innerClientAuthenticationCredentials={{\"accessKey\":\"{user}\",\"secretKey\":\"{secret}\"}}\n\
        authorizationEnabled=true\n\
        authorizationProvider={authorization}.DefaultAuthorizationProvider\n\
        authorizationMetadataProvider={authorization}.LocalAuthorizationMetadataProvider\n"
    )
}
