//! The quick start does what it says: its blocks are run.
//!
//! A block of `csv` is the file named before it. A block of `sql` with a block of `text` behind it is run behind those without one, and prints that text.

use riverrun_testkit::temp_folder;

use crate::kit::{LIMIT, riverrun, root, without_times};

#[test]
fn every_block_of_the_quick_start_prints_what_stands_behind_it() {
    let page = std::fs::read_to_string(root().join("docs/quick-start.md")).unwrap();
    let folder = temp_folder();
    let mut definitions = String::new();
    let mut statements = None;
    let mut ran = 0;
    let parts: Vec<&str> = page.split("```").collect();
    for pair in parts.chunks(2) {
        let [before, block] = pair else { break };
        let (language, text) = block.split_once('\n').unwrap();
        match language {
            "csv" => std::fs::write(folder.path().join(before.rsplit('`').nth(1).unwrap()), text).unwrap(),
            "sql" => {
                definitions += statements.take().unwrap_or_default();
                statements = Some(text);
            }
            "text" => {
                std::fs::write(folder.path().join("orders.sql"), &definitions).unwrap();
                let finished = riverrun(["run", "orders.sql", "-e", statements.take().unwrap()])
                    .current_dir(folder.path())
                    .run(LIMIT);
                let printed = if finished.code() == Some(0) { &finished.stdout } else { &finished.stderr };
                assert_eq!(without_times(printed), without_times(text));
                ran += 1;
            }
            _ => {}
        }
    }
    assert!(ran >= 5, "{ran} blocks were run");
}
