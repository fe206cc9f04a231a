//! `riverrun options`, and the reference page made from it.

use crate::kit::{root, stdout_of};

#[test]
fn the_reference_page_is_up_to_date() {
    let page = std::fs::read_to_string(root().join("docs/options.md")).unwrap_or_default();
    let now = stdout_of(&["options", "--markdown"]);
    let stale = page.lines().zip(now.lines()).find(|(page, now)| page != now);
    assert!(
        page == now,
        "docs/options.md is stale, first at {stale:?}: write it with `riverrun options --markdown > docs/options.md`"
    );
}

#[test]
fn every_option_is_listed_with_type_default_and_text() {
    let overview = stdout_of(&["options"]);
    for name in [
        "kafka",
        "upsert-kafka",
        "jdbc",
        "filesystem",
        "datagen",
        "print",
        "blackhole",
        "csv",
        "json",
        "raw",
        "settings",
    ] {
        assert!(overview.contains(&format!("  {name} ")), "{name} is not in {overview}");
        let text = stdout_of(&["options", name]);
        assert!(text.lines().all(|line| line.chars().count() <= 160), "{text}");
        // A key is followed by its description.
        for (line, next) in
            text.lines().zip(text.lines().skip(1)).filter(|(line, _)| line.starts_with('\'') && line.contains("'  "))
        {
            assert!(next.starts_with("    ") && next.len() > 10, "{name}: {line} has no description");
        }
    }
    assert!(stdout_of(&["options", "kafka"]).contains("'properties.bootstrap.servers'  String, required\n"));
    assert!(stdout_of(&["options", "csv"]).contains("'csv.field-delimiter'  String, default ','\n"));
    assert!(stdout_of(&["options", "settings"]).contains("'parallelism.default'  Integer, default '1'\n"));
    assert!(stdout_of(&["options", "filesystem"]).contains("'file.path'  STRING NOT NULL, VIRTUAL\n"));
}
