//! One attempt of one check against one instance, and what is wrong where it fails.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use nix::sys::signal::Signal;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::exec::ExecSpec;
use crate::docker::facts::RunState;
use crate::formats::checks::expand;
use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;
use crate::model::health_check::{CheckTest, HealthCheck, HttpTest};
use crate::run::http_probe::{NoAnswer, Question, ask, contains};

/// How long one connection attempt may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How much of a body or of a command's output is shown.
const SHOWN: usize = 500;
/// Statuses that a check takes for success.
const GOOD: std::ops::RangeInclusive<u16> = 200..=399;

/// What a check is made against: one running instance.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The engine.
    pub engine: Engine,
    /// The instance's container.
    pub container: ContainerId,
    /// Where it answers.
    pub address: Ipv4Addr,
    /// The port that it was told to listen on.
    pub port: u16,
    /// The app's first host name.
    pub host: String,
    /// Whether the app is reached over HTTPS.
    pub https: bool,
    /// What `{{ var "NAME" }}` stands for.
    pub config: ConfigVars,
}

/// Why an attempt failed.
#[derive(Debug)]
pub enum Failure {
    /// A request was not answered.
    NoAnswer(NoAnswer),
    /// A request was answered with another status.
    Status(u16, Excerpt),
    /// The body has not what it should have.
    Content(String, Excerpt),
    /// The command ended with another status than 0.
    Command(i64, Excerpt),
    /// The command did not end in time.
    Unending(Duration),
    /// It was started anew in the meantime, or has ended.
    NotUp(u32),
    /// There is no process in which a command could be run.
    NotRunning(String),
}

impl Failure {
    /// Whether nobody could be asked yet, because nothing listens.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::NoAnswer(NoAnswer::NotListening(_)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(reason) => reason.fmt(f),
            Self::Status(status, body) => write!(f, "the answer had status {status}{body}"),
            Self::Content(wanted, body) => write!(f, "the answer has no {wanted:?} in it{body}"),
            Self::Command(code, output) => write!(f, "the command ended with status {code}{output}"),
            Self::Unending(limit) => write!(f, "the command did not end within {} s", limit.as_secs_f64()),
            Self::NotUp(seconds) => write!(f, "it did not stay up for {seconds} s"),
            Self::NotRunning(reason) => write!(f, "the instance does not run ({reason})"),
        }
    }
}

/// The printable start of what an app said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    /// Of bytes of any kind.
    pub fn new(bytes: &[u8]) -> Self {
        let start = bytes.get(..bytes.len().min(SHOWN)).unwrap_or_default();
        let text = String::from_utf8_lossy(start);
        let text: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        let dots = if bytes.len() > SHOWN { " …" } else { "" };
        Self(format!("{}{dots}", text.trim()))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str(", and nothing else") } else { write!(f, ":\n{}", self.0) }
    }
}

/// Makes one attempt. An engine that fails is no failure of the instance's.
pub async fn attempt(subject: &Subject, check: &HealthCheck) -> Result<Result<(), Failure>, EngineError> {
    match &check.test {
        CheckTest::Http(test) => Ok(http(subject, test, check.timeout).await),
        CheckTest::Listening if listens(subject.address, subject.port).await => Ok(Ok(())),
        CheckTest::Listening => Ok(Err(Failure::NoAnswer(NoAnswer::NotListening(subject.port)))),
        CheckTest::Command(words) => command(subject, words, check.timeout).await,
        CheckTest::Uptime(seconds) => uptime(subject, *seconds).await,
    }
}

/// Whether something takes connections there.
pub async fn listens(address: Ipv4Addr, port: u16) -> bool {
    let target = SocketAddr::new(IpAddr::V4(address), port);
    matches!(timeout(CONNECT, TcpStream::connect(target)).await, Ok(Ok(_)))
}

/// The scheme that the router would tell the app.
pub fn forwarded_proto(subject: &Subject) -> &'static str {
    if subject.https { "https" } else { "http" }
}

async fn http(subject: &Subject, test: &HttpTest, limit: Duration) -> Result<(), Failure> {
    let fill = |text: &str| {
        expand(text, |name| {
            let found = subject.config.iter().find(|(key, _)| key.as_str() == name);
            found.map(|(_, value)| value.expose().to_owned())
        })
    };
    let headers: Vec<(String, String)> =
        test.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect();
    let content = test.content.as_deref().map(fill);
    let question = Question {
        address: SocketAddr::new(IpAddr::V4(subject.address), test.port.unwrap_or(subject.port)),
        tls: test.tls,
        path: &fill(&test.path),
        host: &subject.host,
        forwarded_proto: forwarded_proto(subject),
        headers: &headers,
        content: content.as_deref(),
    };
    let answer = ask(&question, limit).await.map_err(Failure::NoAnswer)?;
    if !GOOD.contains(&answer.status) {
        return Err(Failure::Status(answer.status, Excerpt::new(&answer.body)));
    }
    match content {
        Some(wanted) if !contains(&answer.body, &wanted) => {
            // As it is written, since what is filled in may be a secret.
            let wanted = test.content.clone().unwrap_or_default();
            Err(Failure::Content(wanted, Excerpt::new(&answer.body)))
        }
        _ => Ok(()),
    }
}

async fn command(
    subject: &Subject,
    words: &[String],
    limit: Duration,
) -> Result<Result<(), Failure>, EngineError> {
    let spec =
        ExecSpec { command: words.to_vec(), environment: ConfigVars::new(), terminal: false, stdin: false };
    let (exec, mut attached) = match subject.engine.exec(&subject.container, &spec).await {
        Err(EngineError::Conflict(reason) | EngineError::NotFound(reason)) => {
            return Ok(Err(Failure::NotRunning(reason)));
        }
        begun => begun?,
    };
    let mut printed = Vec::new();
    let reading = async {
        while let Some(chunk) = attached.output.next().await {
            let bytes = chunk?.bytes;
            if printed.len() <= SHOWN {
                printed.extend_from_slice(&bytes);
            }
        }
        Ok::<(), EngineError>(())
    };
    match timeout(limit, reading).await {
        Ok(read) => read?,
        Err(_) => {
            // Or it would go on, one more at every attempt.
            subject.engine.kill_exec(&exec, Signal::SIGKILL).await?;
            return Ok(Err(Failure::Unending(limit)));
        }
    }
    match subject.engine.exec_exit_code(&exec).await? {
        0 => Ok(Ok(())),
        code => Ok(Err(Failure::Command(code, Excerpt::new(&printed)))),
    }
}

/// Waits until it has been up so long; the one test that is no question.
async fn uptime(subject: &Subject, seconds: u32) -> Result<Result<(), Failure>, EngineError> {
    let before = subject.engine.inspect(subject.container.as_str()).await?;
    let up = before.up_for().unwrap_or(Duration::ZERO);
    sleep(Duration::from_secs(seconds.into()).saturating_sub(up)).await;
    let now = subject.engine.inspect(subject.container.as_str()).await?;
    let same = now.started_at == before.started_at && now.restart_count == before.restart_count;
    if now.state == RunState::Running && same { Ok(Ok(())) } else { Ok(Err(Failure::NotUp(seconds))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_printable_start_of_a_body_is_shown() {
        assert_eq!(
            Excerpt::new(b"<h1>\x1b[31mno\xff\r\n\nend\n").to_string(),
            ":\n<h1> [31mno\u{fffd} \n\nend"
        );
        let long = Excerpt::new(&vec![b'x'; 10_000]).to_string();
        assert!(long.ends_with("x …") && long.chars().count() < SHOWN + 10, "{long}");
        assert_eq!(Excerpt::new(b" \n").to_string(), ", and nothing else");
    }
}
