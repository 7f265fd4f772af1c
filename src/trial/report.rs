//! What is told of a run: a line for each fixture, what differed, a summary.

use std::io::{self, Write};
use std::time::Instant;

use clap::ValueEnum;
use serde::Serialize;

use crate::trial::TrialError;

/// Lines of a failed build's output that are shown.
const SHOWN: usize = 40;

/// How it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    #[default]
    #[value(alias = "text")]
    Stdout,
    /// One JSON value in one line, and nothing else on standard output.
    Json,
}

/// What came of a fixture.
#[derive(Debug, Default)]
pub struct Found {
    /// What was not as expected.
    pub differences: Vec<String>,
    /// What the build printed.
    pub output: String,
}

/// Tells of fixtures as they end, and counts.
#[derive(Debug)]
pub struct Report {
    format: Format,
    verbose: bool,
    begun: Instant,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    fixture: String,
    result: &'static str,
    seconds: f64,
    differences: Vec<String>,
}

impl Report {
    /// Nothing to tell yet.
    pub fn new(format: Format, verbose: bool) -> Self {
        Self { format, verbose, begun: Instant::now(), rows: Vec::new() }
    }

    /// A fixture that is not tried: loudly, since nothing is known of it.
    pub fn skip(&mut self, fixture: &str) {
        self.progress(&format!(" !     SKIPPED: {fixture} needs the network\n"));
        self.add(fixture, "skipped", 0.0, Vec::new());
    }

    /// A fixture begins.
    pub fn begin(&mut self, fixture: &str) {
        self.begun = Instant::now();
        self.progress(&format!("-----> {fixture}\n"));
    }

    /// A fixture has ended.
    pub fn end(&mut self, fixture: &str, found: Result<Found, TrialError>) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let found = found.unwrap_or_else(|error| Found {
            differences: error.to_string().lines().map(str::to_owned).collect(),
            output: String::new(),
        });
        if found.differences.is_empty() {
            self.progress(&format!("       passed in {seconds:.1} s\n"));
            self.add(fixture, "passed", seconds, Vec::new());
            return;
        }
        if !self.verbose {
            self.show_end(&found.output);
        }
        let differences: String =
            found.differences.iter().map(|difference| format!(" !     {difference}\n")).collect();
        self.progress(&format!("{differences} !     {fixture} FAILED after {seconds:.1} s\n"));
        self.add(fixture, "failed", seconds, found.differences);
    }

    /// The summary; whether nothing failed.
    pub fn close(self, is_cut_short: bool) -> io::Result<bool> {
        let count = |result: &str| self.rows.iter().filter(|row| row.result == result).count();
        let (passed, failed, skipped) = (count("passed"), count("failed"), count("skipped"));
        let mut stdout = io::stdout();
        if self.format == Format::Json {
            let json = serde_json::to_string(&self.rows).map_err(io::Error::other)?;
            writeln!(stdout, "{json}")?;
        } else {
            let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} SKIPPED") };
            writeln!(stdout, "{passed} passed, {failed} failed{skipped}")?;
        }
        if is_cut_short {
            writeln!(io::stderr(), " !     It was interrupted: the rest was not tried")?;
        }
        Ok(failed == 0 && !is_cut_short)
    }

    fn show_end(&self, output: &str) {
        let lines: Vec<&str> = output.lines().collect();
        let left_out = lines.len().saturating_sub(SHOWN);
        let mut text = String::new();
        if left_out > 0 {
            text.push_str(&format!("       | ({left_out} lines before; --verbose shows them)\n"));
        }
        text.extend(lines.iter().skip(left_out).map(|line| format!("       | {line}\n")));
        self.progress(&text);
    }

    fn add(&mut self, fixture: &str, result: &'static str, seconds: f64, differences: Vec<String>) {
        self.rows.push(Row { fixture: fixture.to_owned(), result, seconds, differences });
    }

    /// Progress goes to standard error where standard output is for a program.
    fn progress(&self, text: &str) {
        let written = match self.format {
            Format::Stdout => io::stdout().write_all(text.as_bytes()),
            Format::Json => io::stderr().write_all(text.as_bytes()),
        };
        if let Err(error) = written {
            tracing::debug!(%error, "nobody reads the progress");
        }
    }
}
