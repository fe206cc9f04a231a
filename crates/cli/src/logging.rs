//! Logs and news on standard error.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::news::{News, is_news};
use crate::screen::Screen;

/// The variable with filters, such as `warn,riverrun_kafka=debug`.
const VARIABLE: &str = "RIVERRUN_LOG";

/// Starts logging; called once. What jobs tell their user is printed whatever the filters are, and is no log line too.
pub(crate) fn start(verbosity: u8, screen: &Screen) {
    let filter = std::env::var(VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = filter.unwrap_or_else(|| {
        match verbosity {
            // The program's own lines on how jobs go.
            0 => "warn,riverrun::jobs=info",
            1 => "info",
            _ => "debug",
        }
        .to_owned()
    });
    let (filter, complaint) = match EnvFilter::try_new(&filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("warn"), Some(error)),
    };
    let logs = tracing_subscriber::fmt::layer()
        .with_ansi(screen.has_colors())
        .with_writer(screen.clone())
        .with_filter(filter.and(filter_fn(|metadata| !is_news(metadata))));
    let news = News(screen.clone()).with_filter(filter_fn(is_news).with_max_level_hint(LevelFilter::INFO));
    if tracing_subscriber::registry().with(logs).with(news).try_init().is_ok()
        && let Some(complaint) = complaint
    {
        tracing::warn!("{VARIABLE} cannot be read: {complaint}");
    }
}
