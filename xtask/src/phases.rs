//! Named phases, each with its time: what a long command prints, and how it ends.

use std::time::{Duration, Instant};

use crate::Outcome;

/// The phases until now.
#[derive(Default)]
pub(crate) struct Phases {
    done: Vec<(String, Duration, Outcome)>,
}

impl Phases {
    /// Runs a phase and notes how it ended. True when it ended well.
    pub(crate) fn run(&mut self, name: &str, phase: impl FnOnce() -> Outcome) -> bool {
        println!("==> {name}");
        let begin = Instant::now();
        let outcome = phase();
        let time = begin.elapsed();
        match &outcome {
            Ok(()) => println!("<== {name}: {:.1} s", time.as_secs_f64()),
            Err(message) => println!("<== {name}: FAILED after {:.1} s\n{message}", time.as_secs_f64()),
        }
        let good = outcome.is_ok();
        self.done.push((name.to_owned(), time, outcome));
        good
    }

    /// Prints every phase with its time. An error names those that failed.
    pub(crate) fn finish(self) -> Outcome {
        println!();
        for (name, time, outcome) in &self.done {
            println!("{:>8.1} s  {name}{}", time.as_secs_f64(), if outcome.is_ok() { "" } else { "  FAILED" });
        }
        let failed: Vec<String> =
            self.done.into_iter().filter(|(_, _, outcome)| outcome.is_err()).map(|(name, ..)| name).collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}
