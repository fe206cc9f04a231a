//! The disk of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use riverrun_testkit::temp_folder;

use crate::jobs::{names, stores};
use crate::log::log_suite;
use crate::storage::storage_suite;

#[test]
fn a_disk_is_a_storage() {
    let folder = temp_folder();
    let url = format!("file://{}/not/there/yet", folder.path().display());
    storage_suite(&*stores().open(&url).unwrap());
}

#[test]
fn a_disk_keeps_a_log() {
    let folder = temp_folder();
    log_suite(&stores(), &folder.path().display().to_string());
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_the_remedy() {
    let folder = temp_folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = stores().open_checked(&format!("{}/checkpoints", file.display())).unwrap_err().to_string();
    let begins = format!("cannot create file://{}/checkpoints/.check-", file.display());
    assert!(error.starts_with(&begins) && error.to_lowercase().contains("not a directory"), "{error}");
    assert!(error.contains("checkpoints in: file://") && error.contains("execution.checkpointing.dir"), "{error}");
}

/// The kernel's own folder refuses to root what a closed folder refuses to others.
#[test]
fn a_folder_that_is_closed_is_named_with_the_remedy() {
    let folder = temp_folder();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let root = fs::write(closed.join("probe"), "").is_ok();
    let closed = if root { "/sys/kernel".to_owned() } else { closed.display().to_string() };
    let error = stores().open_checked(&format!("{closed}/checkpoints")).unwrap_err().to_string();
    assert!(error.contains(&format!("file://{closed}/checkpoints")), "{error}");
    assert!(error.contains("let the user that Riverrun runs as write there"), "{error}");
}

#[test]
fn a_check_leaves_the_folder_as_it_was() {
    let folder = temp_folder();
    stores().open_checked(&folder.path().display().to_string()).unwrap();
    assert_eq!(names(folder.path()), [""; 0]);
}
