//! The jars of RocketMQ, the settings of its servers, and their command lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Context, Result};
use crate::install::{cached, program_of};
use crate::java::{class_path, fetch_jars, java, short_lived};
use crate::system::run;

const VERSION: &str = "5.3.3";

pub(super) const NAME_SERVER: &str = "org.apache.rocketmq.namesrv.NamesrvStartup";
pub(super) const BROKER: &str = "org.apache.rocketmq.broker.BrokerStartup";

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
    let java = java()?;
    let folder = cached(&format!("rocketmq-{VERSION}"), |folder| {
        fetch_jars(folder, include_str!("pom.xml"), &format!("rocketmq.version={VERSION}"))
    })?;
    Ok(Program { folder, java })
}

impl Program {
    /// The command line of the server that lives in `folder`.
    pub(super) fn command(&self, folder: &Path, class: &str, tls: bool) -> Vec<String> {
        let heap = if class == BROKER { 256 } else { 128 };
        // a certificate that the server makes for itself costs three seconds of its start
        let mode = if tls { "permissive" } else { "disabled" };
        let mut words = vec![self.java.display().to_string()];
        words.extend(short_lived(heap));
        words.push(format!("-Dtls.server.mode={mode}"));
        if folder.join("tls.properties").exists() {
            words.push(format!("-Dtls.config.file={}", folder.join("tls.properties").display()));
        }
        // where it puts its logs
        words.push(format!("-Duser.home={}", folder.display()));
        words.extend([class.to_owned(), "-c".to_owned(), folder.join("conf.properties").display().to_string()]);
        words
    }

    /// Every jar.
    pub(super) fn class_path(&self) -> Result<String> {
        class_path(&self.folder, None)
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

/// What makes a server show this certificate, and not one of its own making.
pub(super) fn tls_settings(certificate: &Path, key: &Path) -> String {
    format!(
        "tls.test.mode.enable=false\ntls.server.need.client.auth=none\ntls.server.authClient=false\n\
        tls.server.certPath={}\ntls.server.keyPath={}\n",
        certificate.display(),
        key.display()
    )
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
