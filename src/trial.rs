//! `slipway buildpacks:test DIR`: a buildpack against its fixtures, by the same code that builds apps.
//!
//! A program of its own beside the server: it talks to the engine under a name that nobody else has, and takes away
//! what it made, but for the stack images, which builds share. It knows no database and no app.

mod attempt;
mod check;
mod fixture;
mod report;
mod workshop;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::docker::error::EngineError;
use crate::trial::fixture::{Fixture, FixtureError};
use crate::trial::report::Report;
use crate::trial::workshop::Workshop;

/// Runs a buildpack against its fixtures, in containers of this host, and compares with what they expect
#[derive(Debug, Parser)]
#[command(name = "slipway buildpacks:test")]
struct Arguments {
    /// The buildpack's directory; its fixtures are test/*/ below it
    directory: PathBuf,
    /// Only this fixture; may be given several times
    #[arg(long, value_name = "FIXTURE")]
    only: Vec<String>,
    /// Skip the fixtures that need the network (network = true in expect.toml)
    #[arg(long)]
    offline: bool,
    /// Show all output as it comes
    #[arg(long, short)]
    verbose: bool,
    /// Lines, or one line of JSON at the end
    #[arg(long, value_enum, default_value_t)]
    format: report::Format,
}

/// Why nothing was tested.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// No buildpack.
    #[error(
        "{0} is no buildpack: it has no bin/compile\nName the directory of one: slipway buildpacks:test DIR"
    )]
    NoBuildpack(PathBuf),
    /// A name that cannot be one of an image.
    #[error(
        "{0} cannot be tested under its name\nCall the directory by lowercase letters, digits and dashes"
    )]
    Name(PathBuf),
    /// Nothing to compare with.
    #[error(
        "there are no fixtures in {}\nMake one: test/NAME/app/ with a source, and test/NAME/expect.toml", .0.display()
    )]
    NoFixtures(PathBuf),
    /// One that was asked for is not there.
    #[error("there is no fixture {wanted}\nThere are: {}", known.join(", "))]
    NoSuchFixture {
        /// As it was written.
        wanted: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// A fixture that makes no sense.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// A source that cannot be taken.
    #[error("{} cannot be built from: {error}\nA fixture's source is app/ beside its expect.toml, with a file at least", place.display())]
    Source {
        /// Where it is.
        place: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// The engine does not do it.
    #[error("the Docker engine cannot do it: {0}\nSee that it runs, and that you may use it: docker version")]
    Engine(#[from] EngineError),
    /// This process cannot.
    #[error("this cannot be begun: {0}\nSee that there is room for temporary files")]
    Io(#[from] io::Error),
}

/// Does what the words behind the command say.
pub fn main(words: Vec<OsString>) -> ExitCode {
    let name = OsString::from(Arguments::command().get_name().to_owned());
    let arguments = match Arguments::try_parse_from(std::iter::once(name).chain(words)) {
        Ok(arguments) => arguments,
        Err(error) => return tell(&error.to_string(), error.use_stderr()),
    };
    let runtime = Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(TrialError::from).and_then(|runtime| runtime.block_on(run(&arguments)));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => tell(&marked(&error.to_string()), true),
    }
}

fn marked(text: &str) -> String {
    text.lines().map(|line| format!(" !     {line}\n")).collect()
}

fn tell(text: &str, is_error: bool) -> ExitCode {
    let written = if is_error {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    if is_error || written.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Whether all went as expected.
async fn run(arguments: &Arguments) -> Result<bool, TrialError> {
    let directory = std::path::absolute(&arguments.directory)?;
    if !directory.join("bin/compile").is_file() {
        return Err(TrialError::NoBuildpack(arguments.directory.clone()));
    }
    let fixtures = chosen(Fixture::all_of(&directory)?, &directory, &arguments.only)?;
    let socket = env::var_os("SLIPWAY_DOCKER").map(PathBuf::from);
    let cancel = CancellationToken::new();
    let ending = end_on_signal(cancel.clone())?;
    let workshop = Workshop::open(&directory, socket, cancel.clone()).await?;
    let mut report = Report::new(arguments.format, arguments.verbose);
    for fixture in &fixtures {
        if cancel.is_cancelled() {
            break;
        }
        if arguments.offline && fixture.expectation.network {
            report.skip(&fixture.name);
            continue;
        }
        report.begin(&fixture.name);
        let found = workshop.try_out(fixture, arguments.verbose).await;
        report.end(&fixture.name, found);
    }
    let closed = workshop.close().await;
    ending.abort();
    let passed = report.close(cancel.is_cancelled())?;
    closed?;
    Ok(passed)
}

fn chosen(fixtures: Vec<Fixture>, directory: &Path, only: &[String]) -> Result<Vec<Fixture>, TrialError> {
    if fixtures.is_empty() {
        return Err(TrialError::NoFixtures(directory.join("test")));
    }
    let known: Vec<String> = fixtures.iter().map(|fixture| fixture.name.clone()).collect();
    if let Some(wanted) = only.iter().find(|wanted| !known.contains(wanted)) {
        return Err(TrialError::NoSuchFixture { wanted: wanted.clone(), known });
    }
    let is_wanted = |fixture: &Fixture| only.is_empty() || only.contains(&fixture.name);
    Ok(fixtures.into_iter().filter(is_wanted).collect())
}

/// Ctrl-C and SIGTERM end what runs, and all is tidied up.
fn end_on_signal(cancel: CancellationToken) -> io::Result<tokio::task::JoinHandle<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancel.cancel();
    }))
}
