//! A list of named steps, run in order to the end, with one line each in the summary.
//!
//! **Invariant: a step that fails makes the run fail, and no step is left out silently.**

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// One step of a proof.
pub(crate) struct Step<'a> {
    name: String,
    run: Box<dyn Fn() -> Result<()> + 'a>,
}

/// Steps in the order in which they run.
#[derive(Default)]
pub(crate) struct Steps<'a>(Vec<Step<'a>>);

impl<'a> Steps<'a> {
    /// Appends a step.
    pub(crate) fn add(&mut self, name: impl Into<String>, run: impl Fn() -> Result<()> + 'a) {
        self.0.push(Step {
            name: name.into(),
            run: Box::new(run),
        });
    }

    /// Keeps the steps whose name contains `part`.
    pub(crate) fn keep(&mut self, part: &str) {
        self.0.retain(|step| step.name.contains(part));
    }

    /// Prints the steps.
    pub(crate) fn list(&self) {
        for step in &self.0 {
            println!("{}", step.name);
        }
    }

    /// Runs every step, then prints what passed, what failed and how long each took.
    ///
    /// # Errors
    /// When a step failed, or when there was none to run.
    pub(crate) fn run(self) -> Result<()> {
        let mut lines = Vec::new();
        let mut failed = 0;
        let total = self.0.len();
        for step in self.0 {
            println!("\n=== {}", step.name);
            let start = Instant::now();
            let outcome = (step.run)();
            if let Err(error) = &outcome {
                failed += 1;
                println!("{error:#}");
            }
            lines.push((step.name, outcome.is_ok(), start.elapsed()));
        }
        println!("\n=== summary");
        for (name, passed, took) in &lines {
            println!(
                "{} {name:<44} {}",
                if *passed { "ok  " } else { "FAIL" },
                seconds(*took)
            );
        }
        println!("{} passed, {failed} failed", total - failed);
        if total == 0 {
            bail!("no step has that name");
        }
        if failed > 0 {
            bail!("{failed} of {total} steps failed");
        }
        Ok(())
    }
}

fn seconds(took: Duration) -> String {
    format!("{:>7.1} s", took.as_secs_f64())
}
