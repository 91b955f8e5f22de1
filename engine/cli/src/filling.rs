//! A table on its way into the store: patience while the store does not answer, a line that says how far it is, and an
//! interrupt after which the same command goes on.

use crate::exit::CliError;
use crate::patience::Patience;
use crate::words;
use crate::work::Interrupts;
use indicatif::{ProgressBar, ProgressStyle};
use reelmill_control::{Batch, BatchWish, Control, Filling, Pipeline, Step};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// How a batch was submitted.
pub enum Filled {
    /// Every row is in the store.
    Whole(Batch),
    /// Someone interrupted it.
    Interrupted,
}

/// Time between two lines where there is no terminal.
const LINE_PAUSE: Duration = Duration::from_secs(10);

/// Submits every row of a table, and says so on standard error.
pub async fn fill(control: &Control, pipeline: &Pipeline, wish: &BatchWish) -> Result<Filled, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let mut patience = Patience::default();
    let mut filling = loop {
        match control.fill(pipeline, wish).await {
            Ok(filling) => break filling,
            Err(error) => patience.after(error).await?,
        }
    };
    let mut shown = Shown::of(&filling);
    loop {
        let step = tokio::select! {
            step = filling.step() => step,
            () = interrupts.next() => {
                shown.bar.finish_and_clear();
                let Batch { id, rows, .. } = &filling.batch;
                eprintln!(
                    "batch {id}: {} of {} submitted; the same command goes on with the others",
                    filling.batch.done(),
                    words::count(*rows, "row")
                );
                return Ok(Filled::Interrupted);
            }
        };
        match step {
            Ok(Step::Done) => break,
            Ok(step) => {
                patience = Patience::default();
                shown.show(&filling, step);
            }
            Err(error) => patience.after(error).await?,
        }
    }
    shown.bar.finish_and_clear();
    let Batch { id, rows, submitted, before } = &filling.batch;
    eprintln!("batch {id}: {}, {submitted} new, {before} there before", words::count(*rows, "row"));
    Ok(Filled::Whole(filling.batch.clone()))
}

/// What was said of how far it is.
struct Shown {
    bar: ProgressBar,
    waits: bool,
    said: Instant,
}

impl Shown {
    fn of(filling: &Filling<'_>) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(filling.batch.rows)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} rows submitted {msg}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self { bar, waits: false, said: Instant::now() }
    }

    fn show(&mut self, filling: &Filling<'_>, step: Step) {
        let waits = step == Step::Waits;
        let begins_to_wait = waits && !self.waits;
        self.waits = waits;
        let message = if waits {
            format!("({} of them wait to be begun; no more until then)", filling.waiting())
        } else {
            String::new()
        };
        self.bar.set_position(filling.batch.done());
        if !self.bar.is_hidden() {
            self.bar.set_message(message);
        } else if begins_to_wait || self.said.elapsed() >= LINE_PAUSE {
            self.said = Instant::now();
            let Batch { id, rows, .. } = &filling.batch;
            let line = format!("batch {id}: {} of {rows} rows submitted {message}", filling.batch.done());
            eprintln!("{}", line.trim_end());
        }
    }
}
