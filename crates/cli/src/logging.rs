//! Logs on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::screen::Screen;

/// The variable with filters, such as `warn,riverrun_kafka=debug`.
const VARIABLE: &str = "RIVERRUN_LOG";

/// Starts logging; called once.
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
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(screen.has_colors())
        .with_writer(screen.clone())
        .finish();
    if logs.try_init().is_ok()
        && let Some(complaint) = complaint
    {
        tracing::warn!("{VARIABLE} cannot be read: {complaint}");
    }
}
