//! Servers for the JVM: their jars from Maven Central, and what makes a JVM start fast.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Context, Result};
use crate::install::program_of;
use crate::system::run;

const MAVEN_LIMIT: Duration = Duration::from_secs(20 * 60);

/// The `java` of this machine.
pub(crate) fn java() -> Result<PathBuf> {
    program_of("java", &["openjdk-17-jre-headless"])
}

/// Fetches the jars that `pom` names into `lib` of a program's folder. The version stands in the pom as a property,
/// given here as `name=version`.
pub(crate) fn fetch_jars(folder: &Path, pom: &str, version: &str) -> Result<()> {
    let maven = program_of("mvn", &["maven", "openjdk-17-jdk-headless"])?;
    let file = folder.join("pom.xml");
    fs::write(&file, pom).doing(|| format!("write {}", file.display()))?;
    let mut command = Command::new(maven);
    command
        // -U: Maven remembers for a day that a download failed
        .args(["-q", "-B", "-U", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-D{version}"))
        .arg(format!("-DoutputDirectory={}", folder.join("lib").display()))
        .arg("-f")
        .arg(&file);
    run(&mut command, MAVEN_LIMIT, &folder.join("install.log"))
}

/// A class path: `settings` first, where there are some, then every jar of a program's folder in one order, since an
/// archive of classes is good for that order only.
pub(crate) fn class_path(folder: &Path, settings: Option<&Path>) -> Result<String> {
    let lib = folder.join("lib");
    let mut jars = Vec::new();
    for entry in fs::read_dir(&lib).doing(|| format!("read {}", lib.display()))? {
        jars.push(entry.doing(|| format!("read {}", lib.display()))?.path().display().to_string());
    }
    jars.sort();
    let settings = settings.map(|path| path.display().to_string());
    Ok(settings.into_iter().chain(jars).collect::<Vec<_>>().join(":"))
}

/// The options of a JVM with a heap of so many megabytes at most and a short life on few cores: no compiler for the
/// long run, no threads for the collector.
pub(crate) fn short_lived(megabytes: u32) -> Vec<String> {
    let heap = format!("-Xmx{megabytes}m");
    [&heap, "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"].map(str::to_owned).to_vec()
}
