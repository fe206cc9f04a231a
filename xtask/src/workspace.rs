//! The repository: where it is, what files and crates it has.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::running::{cargo, output};

/// The repository's folder.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        // cargo sets it for `cargo run` and `cargo test`; ours is beside the workspace's
        let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        PathBuf::from(xtask).parent().map(Path::to_owned).unwrap_or_default()
    });
    &ROOT
}

/// Every file that git knows or would take, relative to the root.
pub(crate) fn files() -> Result<Vec<PathBuf>, String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let list = output(git)?;
    // a file that was removed is still listed until that is committed
    let mut files: Vec<PathBuf> =
        list.split_terminator('\0').map(PathBuf::from).filter(|path| root().join(path).is_file()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// One of our packages, with what it asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder relative to the root.
    pub(crate) folder: PathBuf,
    pub(crate) dependencies: Vec<String>,
}

/// Our packages.
pub(crate) fn members() -> Result<Vec<Package>, String> {
    Ok(list(&metadata()?["packages"]).map(package).collect())
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    Ok(PathBuf::from(metadata()?["target_directory"].as_str().unwrap_or("target")))
}

fn metadata() -> Result<Value, String> {
    let text = output(cargo(&["metadata", "--format-version=1", "--no-deps"]))?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
}

fn package(value: &Value) -> Package {
    let manifest = value["manifest_path"].as_str().map(Path::new);
    let folder = manifest.and_then(|path| path.parent()?.strip_prefix(root()).ok()).map(Path::to_owned);
    Package {
        name: text(&value["name"]),
        folder: folder.unwrap_or_default(),
        dependencies: list(&value["dependencies"]).map(|dependency| text(&dependency["name"])).collect(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
