//! Checks of an instance, as app.json's `healthchecks` describes them (Dokku's schema).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// Until a new instance has passed it; a deploy waits for that.
    Startup,
    /// For as long as it runs: requests go to it only while it passes.
    Readiness,
    /// For as long as it runs: it is restarted when it fails.
    Liveness,
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckTest {
    /// A GET request that is answered with 200 to 399.
    Http(HttpTest),
    /// A command in the container that ends with status 0.
    Command(Vec<String>),
    /// That it has been up without a restart for so many seconds.
    Uptime(u32),
    /// That it listens on its port on the container's own address.
    Listening,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpTest {
    /// Path and query, with a leading slash.
    pub path: String,
    /// The port; without one, the web port.
    pub port: Option<u16>,
    /// Whether it is asked over TLS, whatever its certificate.
    pub tls: bool,
    /// Header fields beside `Host` and `X-Forwarded-Proto`, or in their place.
    pub headers: Vec<(String, String)>,
    /// What the body has to contain.
    pub content: Option<String>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What it is called in messages.
    pub name: Option<String>,
    /// When it is made.
    pub kind: CheckKind,
    /// What it looks at.
    pub test: CheckTest,
    /// How often it may fail in a row, at least once.
    pub attempts: u32,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// The pause between attempts, and between checks while an instance runs.
    pub wait: Duration,
    /// How long nothing is asked after the start.
    pub initial_delay: Duration,
    /// Whether a failure is only told.
    pub warn: bool,
}

impl HealthCheck {
    /// A check with Dokku's defaults: 3 attempts of 5 s each, 5 s apart.
    pub fn new(kind: CheckKind, test: CheckTest) -> Self {
        Self {
            name: None,
            kind,
            test,
            attempts: 3,
            timeout: Duration::from_secs(5),
            wait: Duration::from_secs(5),
            initial_delay: Duration::ZERO,
            warn: false,
        }
    }
}

/// The longest that all attempts of a check may take together. A deploy that waits longer is no deploy.
const LONGEST: Duration = Duration::from_secs(3600);

/// Why a check can never be passed, or never in time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImpossibleCheck {
    /// It is never made.
    #[error("`attempts` is 0: write 1 or more")]
    NoAttempts,
    /// Nothing can answer that fast.
    #[error("`timeout` is 0: write the seconds that one attempt may take")]
    NoTime,
    /// The path is none.
    #[error("`path` is {0:?}: it begins with a slash and has no spaces, for example /health")]
    Path(String),
    /// There is no port 0.
    #[error("`port` is 0: write 1 to 65535, or leave it out for the port in $PORT")]
    Port,
    /// A header field cannot be sent.
    #[error(
        "the header {0:?} cannot be sent: a name is letters, digits and hyphens, a value one line of ASCII"
    )]
    Header(String),
    /// There is nothing to run.
    #[error("`command` is empty: write the program and its arguments, for example [\"/bin/check\", \"db\"]")]
    NoCommand,
    /// Nobody waits that long.
    #[error("it may take {} s, more than an hour: lower `attempts`, `timeout`, `wait`, `initialDelay` or `uptime`", .0.as_secs())]
    TooLong(Duration),
}

impl HealthCheck {
    /// The time that all attempts take at most.
    pub fn longest(&self) -> Duration {
        let attempts = self.attempts.max(1);
        let times = |duration: Duration, count: u32| duration.checked_mul(count).unwrap_or(Duration::MAX);
        let trying = match self.test {
            CheckTest::Uptime(seconds) => Duration::from_secs(seconds.into()),
            _ => times(self.timeout, attempts).saturating_add(times(self.wait, attempts - 1)),
        };
        self.initial_delay.saturating_add(trying)
    }

    /// Whether a deploy waits for it. It waits for readiness too: an instance that is not ready gets no requests.
    pub fn is_for_start(&self) -> bool {
        matches!(self.kind, CheckKind::Startup | CheckKind::Readiness)
    }

    /// Refuses a check that nothing can pass.
    pub fn validate(&self) -> Result<(), ImpossibleCheck> {
        if self.attempts == 0 {
            return Err(ImpossibleCheck::NoAttempts);
        }
        if self.timeout.is_zero() {
            return Err(ImpossibleCheck::NoTime);
        }
        match &self.test {
            CheckTest::Http(test) => test.validate()?,
            CheckTest::Command(words) if words.first().is_none_or(String::is_empty) => {
                return Err(ImpossibleCheck::NoCommand);
            }
            CheckTest::Command(_) | CheckTest::Uptime(_) | CheckTest::Listening => {}
        }
        let longest = self.longest();
        if longest > LONGEST { Err(ImpossibleCheck::TooLong(longest)) } else { Ok(()) }
    }
}

impl HttpTest {
    /// A GET of a path of the app, as everybody would ask for it.
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned(), port: None, tls: false, headers: Vec::new(), content: None }
    }

    fn validate(&self) -> Result<(), ImpossibleCheck> {
        if !is_path(&self.path) {
            return Err(ImpossibleCheck::Path(self.path.clone()));
        }
        if self.port == Some(0) {
            return Err(ImpossibleCheck::Port);
        }
        match self.headers.iter().find(|(name, value)| !is_header(name, value)) {
            Some((name, _)) => Err(ImpossibleCheck::Header(name.clone())),
            None => Ok(()),
        }
    }
}

/// What stands in a template is filled in later, and may have spaces around it.
fn is_path(path: &str) -> bool {
    let fixed: String = path
        .split("{{")
        .enumerate()
        .filter_map(|(index, part)| match index {
            0 => Some(part),
            _ => part.split_once("}}").map(|(_, rest)| rest),
        })
        .collect();
    fixed.starts_with('/') && fixed.bytes().all(|b| b.is_ascii_graphic())
}

/// As RFC 9110, section 5.1 and 5.5, has them.
fn is_header(name: &str, value: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let printable = |b: u8| b == b'\t' || b == b' ' || b.is_ascii_graphic();
    !name.is_empty() && name.bytes().all(token) && value.bytes().all(printable)
}

/// As Dokku prints it: `type='http' path='/' attempts=3 timeout=5 wait=5`.
impl fmt::Display for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            CheckTest::Http(test) => write!(f, "type='http' path='{}'", test.path)?,
            CheckTest::Command(words) => write!(f, "type='command' command='{}'", words.join(" "))?,
            CheckTest::Listening => f.write_str("type='listening'")?,
            CheckTest::Uptime(seconds) => return write!(f, "type='uptime' uptime={seconds}"),
        }
        let seconds = |duration: Duration| duration.as_secs_f64();
        write!(f, " attempts={} timeout={} wait={}", self.attempts, seconds(self.timeout), seconds(self.wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(test: HttpTest) -> HealthCheck {
        HealthCheck::new(CheckKind::Startup, CheckTest::Http(test))
    }

    #[test]
    fn a_check_that_nothing_can_pass_is_refused() {
        let good = http(HttpTest::new("/health?deep=1"));
        assert_eq!(good.validate(), Ok(()));
        assert_eq!(http(HttpTest::new("/{{ var \"X\" }}/a")).validate(), Ok(()));
        for path in ["", "health", "/a b", "/\n", "/ä", "{{ var \"X\" }}"] {
            let refused = http(HttpTest::new(path)).validate();
            assert_eq!(refused, Err(ImpossibleCheck::Path(path.to_owned())), "{path}");
        }
        let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for headers in [header("", "x"), header("a b", "x"), header("a", "x\r\ny"), header("a:", "x")] {
            let check = http(HttpTest { headers, ..HttpTest::new("/") });
            assert!(matches!(check.validate(), Err(ImpossibleCheck::Header(_))), "{check:?}");
        }
        let zero = http(HttpTest { port: Some(0), ..HttpTest::new("/") });
        assert_eq!(zero.validate(), Err(ImpossibleCheck::Port));
        assert_eq!(HealthCheck { attempts: 0, ..good.clone() }.validate(), Err(ImpossibleCheck::NoAttempts));
        assert_eq!(
            HealthCheck { timeout: Duration::ZERO, ..good.clone() }.validate(),
            Err(ImpossibleCheck::NoTime)
        );
        let command = HealthCheck::new(CheckKind::Startup, CheckTest::Command(Vec::new()));
        assert_eq!(command.validate(), Err(ImpossibleCheck::NoCommand));
    }

    #[test]
    fn a_check_that_takes_longer_than_anybody_waits_is_refused() {
        let good = http(HttpTest::new("/"));
        let seconds = Duration::from_secs;
        assert_eq!(good.longest(), seconds(25));
        let patient = HealthCheck { attempts: u32::MAX, wait: Duration::MAX, ..good.clone() };
        assert!(matches!(patient.validate(), Err(ImpossibleCheck::TooLong(_))));
        let long = HealthCheck { attempts: 400, ..good };
        assert_eq!(long.validate(), Err(ImpossibleCheck::TooLong(seconds(3995))));
        let uptime = HealthCheck::new(CheckKind::Startup, CheckTest::Uptime(3601));
        assert!(matches!(uptime.validate(), Err(ImpossibleCheck::TooLong(_))));
    }
}
