//! The click event count under kills.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_examples::clicks::{ClickEventStatistics, EVENTS_PER_WINDOW, PAGES};
use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{kafka, temp_folder, wait_until};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn under_kills_every_window_says_a_thousand() {
    let (input, output) = (kafka().topic("clicks_in", 2), kafka().topic("clicks_out", 1));
    let folder = temp_folder();
    let windows = 12;
    let count = (windows + 1) * EVENTS_PER_WINDOW * PAGES.len() as u64;
    let generator = Riverrun::builder_at(env!("CARGO_BIN_EXE_click_event_generator"))
        .args([
            "--bootstrap.servers",
            &kafka().bootstrap(),
            "--topic",
            &input,
            "--unlimited",
            "--count",
            &count.to_string(),
        ])
        .start();
    let job = || {
        Riverrun::builder_at(env!("CARGO_BIN_EXE_click_event_count"))
            .args(["--bootstrap.servers", &kafka().bootstrap(), "--input-topic", &input, "--output-topic", &output])
            .args(["--checkpointing", "--event-time", "--resume", "--checkpoint-dir"])
            .arg(folder.path())
            .start()
    };
    let told = || {
        let mut told: BTreeMap<(i64, String), Vec<u64>> = BTreeMap::new();
        for record in kafka().read_all(&output) {
            let page: ClickEventStatistics = serde_json::from_str(&record.text()).unwrap();
            told.entry((page.window_start, page.page)).or_default().push(page.count);
        }
        told
    };
    for kills in 1..=3 {
        let mut running = job();
        wait_until(LIMIT, "some windows are told", || {
            assert!(running.is_running(), "{:#?}", running.stderr());
            told().len() >= kills * 12
        });
        running.kill9();
    }
    let mut last = job();
    let all = usize::try_from(windows).unwrap() * PAGES.len();
    wait_until(LIMIT, "all windows are told", || {
        assert!(last.is_running(), "{:#?}", last.stderr());
        told().len() >= all
    });
    last.kill9();
    assert_eq!(generator.wait(LIMIT).code(), Some(0));
    for (window, counts) in told() {
        assert!(counts.iter().all(|count| *count == EVENTS_PER_WINDOW), "{window:?}: {counts:?}");
    }
}
