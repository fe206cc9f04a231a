//! The click event count of Flink's operations playground: who clicked on what, counted for each page in windows of 15 seconds.

use std::time::Duration;

use riverrun::prelude::*;
use riverrun::window::{
    ProcessWindowFunction, TimeWindow, TumblingEventTimeWindows, TumblingProcessingTimeWindows, WindowContext,
};
use serde::{Deserialize, Serialize};

/// The pages of the shop.
pub const PAGES: [&str; 6] = ["/help", "/index", "/shop", "/jobs", "/about", "/news"];
/// How long a window is.
pub const WINDOW_SIZE: Duration = Duration::from_secs(15);
/// How often each page is clicked in a window: what every window must say.
pub const EVENTS_PER_WINDOW: u64 = 1_000;

/// A click on a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickEvent {
    /// When, as `01-01-1970 00:00:00:000`, UTC.
    #[serde(with = "playground_time")]
    pub timestamp: i64,
    /// The page.
    pub page: String,
}

/// The clicks on a page in a window.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClickEventStatistics {
    /// When the window begins.
    #[serde(with = "playground_time")]
    pub window_start: i64,
    /// When it ends, exclusive.
    #[serde(with = "playground_time")]
    pub window_end: i64,
    /// The page.
    pub page: String,
    /// How many.
    pub count: u64,
}

/// The click with this number, of all that the generator makes: the pages in turn, so that each has its thousand in 15 seconds.
pub fn click(number: u64) -> ClickEvent {
    let pages = PAGES.len() as u64;
    let step = u64::try_from(WINDOW_SIZE.as_millis()).unwrap_or(u64::MAX) / EVENTS_PER_WINDOW;
    let page = PAGES.iter().cycle().nth(usize::try_from(number % pages).unwrap_or(0)).copied().unwrap_or_default();
    ClickEvent { timestamp: i64::try_from(number / pages * step).unwrap_or(i64::MAX), page: page.to_owned() }
}

/// What a program was asked to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountOptions {
    /// Windows of the time of the clicks, and not of the time of day.
    pub event_time: bool,
    /// A map that sleeps 100 ms for each click in even minutes.
    pub backpressure: bool,
}

/// Counts clicks.
pub fn click_event_count(clicks: DataStream<ClickEvent>, options: CountOptions) -> DataStream<ClickEventStatistics> {
    let clicks = if options.backpressure {
        clicks.map(backpressure).name("Backpressure").uid("backpressure").disable_chaining()
    } else {
        clicks
    };
    let keyed = clicks.key_by(|click| click.page.clone());
    let statistics = if options.event_time {
        let window = keyed.window(TumblingEventTimeWindows::of(WINDOW_SIZE));
        window.aggregate_with(CountingAggregator, ClickEventStatisticsCollector)
    } else {
        let window = keyed.window(TumblingProcessingTimeWindows::of(WINDOW_SIZE));
        window.aggregate_with(CountingAggregator, ClickEventStatisticsCollector)
    };
    statistics.name("ClickEvent Counter").uid("click-event-counter")
}

fn backpressure(click: ClickEvent) -> ClickEvent {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    if (now.as_secs() / 60).is_multiple_of(2) {
        std::thread::sleep(Duration::from_millis(100));
    }
    click
}

/// Counts.
#[derive(Clone)]
struct CountingAggregator;

impl AggregateFunction for CountingAggregator {
    type In = ClickEvent;
    type Accumulator = u64;
    type Out = u64;

    fn create_accumulator(&self) -> u64 {
        0
    }

    fn add(&self, _: &ClickEvent, count: &mut u64) {
        *count += 1;
    }

    fn get_result(&self, count: &u64) -> u64 {
        *count
    }

    fn merge(&self, a: u64, b: u64) -> u64 {
        a + b
    }
}

/// Says which page and window a count is of.
#[derive(Clone)]
struct ClickEventStatisticsCollector;

impl ProcessWindowFunction<u64, ClickEventStatistics, String, TimeWindow> for ClickEventStatisticsCollector {
    fn process(
        &mut self,
        page: &String,
        context: &mut WindowContext<'_, TimeWindow>,
        counts: &[u64],
        out: &mut Collector<'_, ClickEventStatistics>,
    ) -> FnResult {
        let (window_start, window_end) = (context.window().start(), context.window().end());
        for count in counts {
            out.collect(ClickEventStatistics { window_start, window_end, page: page.clone(), count: *count });
        }
        Ok(())
    }
}

/// Times as the playground writes them: `dd-MM-yyyy HH:mm:ss:SSS`, UTC.
mod playground_time {
    use chrono::{DateTime, NaiveDateTime};
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(millis: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        let time = DateTime::from_timestamp_millis(*millis).ok_or_else(|| S::Error::custom("a time out of range"))?;
        serializer.collect_str(&time.format("%d-%m-%Y %H:%M:%S:%3f"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (seconds, millis) = text.rsplit_once(':').ok_or_else(|| D::Error::custom("milliseconds are missing"))?;
        let time = NaiveDateTime::parse_from_str(seconds, "%d-%m-%Y %H:%M:%S").map_err(D::Error::custom)?;
        let millis: i64 = millis.parse().map_err(D::Error::custom)?;
        Ok(time.and_utc().timestamp_millis() + millis)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_click_is_written_as_the_playground_does() {
        let click = click(6 * 67 + 2);
        let json = serde_json::to_string(&click).unwrap();
        assert_eq!(json, r#"{"timestamp":"01-01-1970 00:00:01:005","page":"/shop"}"#);
        assert_eq!(serde_json::from_str::<ClickEvent>(&json).unwrap(), click);
    }

    #[test]
    fn every_page_has_a_thousand_clicks_in_every_window() {
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(2);
        let windows = 3;
        let source =
            riverrun::sources::GeneratorSource::new(click).count(windows * EVENTS_PER_WINDOW * PAGES.len() as u64);
        let strategy = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_millis(200))
            .with_timestamp_assigner(|click: &ClickEvent, _| click.timestamp);
        let clicks = env.from_source(source, strategy, "clicks");
        let options = CountOptions { event_time: true, backpressure: false };
        let counted = click_event_count(clicks, options).execute_and_collect("Click Event Count").unwrap();
        assert_eq!(counted.len() as u64, windows * PAGES.len() as u64);
        assert!(counted.iter().all(|page| page.count == EVENTS_PER_WINDOW), "{counted:?}");
    }
}
