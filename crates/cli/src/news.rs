//! What the runtime tells of a job's life, as lines for its user: what the job goes on from, that it failed and restarts, where its last checkpoint is.
//!
//! The runtime tells it as events of `riverrun_runtime::job` that name their job. Everything else it logs is for logs.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::failure::render_told;
use crate::screen::Screen;

/// The module of the runtime whose events are news.
const MODULE: &str = "riverrun_runtime::job";

/// Writes news to the screen.
pub(crate) struct News(pub(crate) Screen);

/// Whether an event is told to the user, whatever the logs are filtered by.
pub(crate) fn is_news(metadata: &Metadata<'_>) -> bool {
    metadata.is_event()
        && metadata.target().starts_with(MODULE)
        && [Level::INFO, Level::WARN].contains(metadata.level())
        && metadata.fields().field("job").is_some()
}

impl<S: Subscriber> Layer<S> for News {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let is_warning = *event.metadata().level() == Level::WARN;
        self.0.print(&render_told(&line.text(), is_warning, self.0.has_colors()));
    }
}

/// The parts of an event.
#[derive(Default)]
struct Line {
    job: String,
    message: String,
    details: String,
}

impl Line {
    /// `job: message (key: value, ...)`, in one line.
    fn text(&self) -> String {
        let job = self.job.replace("default_catalog.default_database.", "");
        let details = if self.details.is_empty() { String::new() } else { format!(" ({})", self.details) };
        format!("{job}: {}{details}", self.message).replace('\n', " ")
    }

    fn add(&mut self, field: &Field, value: &dyn fmt::Display) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "job" => write!(self.job, "{value}"),
            "message" => write!(self.message, "{value}"),
            name => {
                let separator = if self.details.is_empty() { "" } else { ", " };
                write!(self.details, "{separator}{name}: {value}")
            }
        };
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Keeps the lines that [`News`] would print.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            if is_news(event.metadata()) {
                let mut line = Line::default();
                event.record(&mut line);
                self.0.lock().unwrap().push(line.text());
            }
        }
    }

    #[test]
    fn only_what_the_runtime_says_of_a_job_is_news_and_it_is_one_line() {
        let kept = Kept::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(kept.clone()), || {
            let job = "insert-into_default_catalog.default_database.t";
            tracing::info!(target: "riverrun_runtime::job::checkpoints", job, checkpoint = "file:///c/chk-3", "goes on");
            tracing::warn!(target: "riverrun_runtime::job::master", job, error = %"no\nbroker", "failed; restart {}", 2);
            tracing::debug!(target: "riverrun_runtime::job::master", job, "detail");
            tracing::info!(target: "riverrun_runtime::job::master", "of no job");
            tracing::warn!(target: "riverrun_kafka", job, "elsewhere");
        });
        assert_eq!(
            *kept.0.lock().unwrap(),
            [
                "insert-into_t: goes on (checkpoint: file:///c/chk-3)",
                "insert-into_t: failed; restart 2 (error: no broker)"
            ]
        );
    }
}
