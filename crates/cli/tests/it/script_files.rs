//! Every SQL script of the repository that people are meant to run is right.

use std::path::{Path, PathBuf};

use crate::kit::{LIMIT, riverrun, root};

/// What databases run, not this program.
const OF_DATABASES: &str = "schema.sql";

fn scripts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "sql")
            && !path.to_string_lossy().ends_with(OF_DATABASES)
        {
            found.push(path);
        }
    }
}

#[test]
fn the_scripts_of_the_examples_are_right() {
    let mut found = Vec::new();
    scripts(&root().join("examples"), &mut found);
    assert!(found.len() >= 4, "{found:?}");
    for script in found {
        // A script without tables runs behind the one that declares them.
        let declares = std::fs::read_to_string(&script).unwrap().contains("CREATE TABLE");
        let tables = script.with_file_name("tables.sql");
        let files = if declares { vec![&script] } else { vec![&tables, &script] };
        let files = files.into_iter().map(|file| file.to_string_lossy().into_owned());
        let finished = riverrun(["check".to_owned()].into_iter().chain(files)).run(LIMIT);
        assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    }
}
