//! Why the router answers a request itself: one code, one status, one sentence each.
//!
//! The H-codes are Heroku's, with Heroku's meaning; the statuses are not always Heroku's, which answers 503 to
//! nearly everything: a gateway's own failures are 502 and 504 here (RFC 9110, sections 15.6.3 and 15.6.5).

use hyper::StatusCode;

/// A reason for which no answer of an app reaches the client, or not the whole of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No app has this host, or the app is not served on this port.
    UnknownHost,
    /// The connection's certificate is not one for this host.
    Misdirected,
    /// The app has no running web process.
    NoInstance,
    /// The app was never deployed.
    NeverDeployed,
    /// The app has no instance to send to yet, and none came in time.
    Starting,
    /// The app has no instance to send to yet, and as many requests wait for one as may.
    TooManyWaiting,
    /// All instances have as many requests as they may, and as many requests wait as may.
    QueueFull,
    /// No instance had room for the request in time.
    QueueTimeout,
    /// The app's processes exit.
    Crashed,
    /// The request breaks a rule of HTTP; the text says which.
    BadRequest(&'static str),
    /// The method is not served.
    MethodNotAllowed,
    /// The transfer coding is not served.
    UnknownTransferCoding,
    /// The request expects something that is not served.
    ExpectationFailed,
    /// The client's address is not one that may.
    AddressDenied,
    /// The client did not say who it is, or is nobody who may.
    Unauthorized,
    /// The client sent more requests than it may in a while.
    RateLimited,
    /// The client has as many requests under way as it may.
    TooManyAtOnce,
    /// The request's body is larger than it may be.
    BodyTooLarge,
    /// The app is in maintenance.
    Maintenance,
    /// The target is too long.
    TargetTooLong,
    /// The line or the headers are too large. Answered by hyper; here for the log.
    HeadTooLarge,
    /// The instance refused the connection, or cannot be reached.
    Refused,
    /// The instance did not accept the connection in time.
    ConnectTimeout,
    /// The instance closed the connection without an answer.
    ClosedWithoutResponse,
    /// The instance's answer is not HTTP.
    BadResponse,
    /// The instance did not begin to answer in time.
    FirstByteTimeout,
    /// The instance closed the connection in the middle of its answer.
    Interrupted,
    /// The instance stopped in the middle of its answer.
    IdleTimeout,
    /// The client went away.
    ClientGone,
    /// The client stopped in the middle of its request.
    ClientStalled,
    /// The router itself failed.
    Internal,
}

impl Fault {
    /// The code, as it stands in `X-Router-Error` and in the access log.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown-host",
            Self::Misdirected => "misdirected",
            Self::AddressDenied => "address-denied",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate-limited",
            Self::TooManyAtOnce => "too-many-at-once",
            Self::BodyTooLarge => "body-too-large",
            Self::Crashed => "H10",
            Self::TooManyWaiting | Self::QueueFull => "H11",
            Self::QueueTimeout => "queue-timeout",
            Self::FirstByteTimeout => "H12",
            Self::ClosedWithoutResponse => "H13",
            Self::NoInstance => "H14",
            Self::IdleTimeout => "H15",
            Self::BadResponse => "H17",
            Self::Interrupted => "H18",
            Self::ConnectTimeout => "H19",
            Self::Starting => "H20",
            Self::Refused => "H21",
            Self::MethodNotAllowed => "H25",
            Self::BadRequest(_)
            | Self::UnknownTransferCoding
            | Self::ExpectationFailed
            | Self::TargetTooLong
            | Self::HeadTooLarge => "H26",
            Self::ClientGone => "H27",
            Self::ClientStalled => "H28",
            Self::Maintenance => "H80",
            Self::NeverDeployed => "H81",
            Self::Internal => "H99",
        }
    }

    /// The status of the answer, or the one that is logged where none can be sent.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::UnknownHost => StatusCode::NOT_FOUND,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::AddressDenied => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::RateLimited | Self::TooManyAtOnce => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoInstance
            | Self::NeverDeployed
            | Self::Maintenance
            | Self::Starting
            | Self::TooManyWaiting
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::Crashed => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownTransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Refused | Self::ClosedWithoutResponse | Self::BadResponse | Self::Interrupted => {
                StatusCode::BAD_GATEWAY
            }
            Self::ConnectTimeout | Self::FirstByteTimeout | Self::IdleTimeout => StatusCode::GATEWAY_TIMEOUT,
            // nginx's and Heroku's number; it is logged and never sent.
            Self::ClientGone => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened, as a sentence without a full stop.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::UnknownHost => "No app answers on this host",
            Self::Misdirected => "The host is not covered by the connection's certificate",
            Self::NoInstance => "No web process is running",
            Self::NeverDeployed => "Nothing was deployed to this app yet",
            Self::Starting => "The app is starting",
            Self::TooManyWaiting => "The app is starting, and too many requests wait for it",
            Self::QueueFull => "The app is busy, and too many requests wait for it",
            Self::QueueTimeout => "The app was busy for as long as a request may wait",
            Self::Crashed => "The app crashed",
            Self::BadRequest(reason) => reason,
            Self::MethodNotAllowed => "The method is not allowed",
            Self::UnknownTransferCoding => "The transfer coding is not supported",
            Self::ExpectationFailed => "The expectation cannot be met",
            Self::AddressDenied => "Requests from this address are not allowed",
            Self::Unauthorized => "A name and a password are needed",
            Self::RateLimited => "Too many requests came from this address",
            Self::TooManyAtOnce => "Too many requests of this address are under way",
            Self::BodyTooLarge => "The request's body is too large",
            Self::Maintenance => "The app is in maintenance and will be back soon",
            Self::TargetTooLong => "The request's target is too long",
            Self::HeadTooLarge => "The request's headers are too large",
            Self::Refused => "The app does not accept connections",
            Self::ConnectTimeout => "The app did not accept the connection in time",
            Self::ClosedWithoutResponse => "The app closed the connection without an answer",
            Self::BadResponse => "The app's answer is not valid HTTP",
            Self::FirstByteTimeout => "The app did not answer in time",
            Self::Interrupted => "The app closed the connection in the middle of its answer",
            Self::IdleTimeout => "The app stopped in the middle of its answer",
            Self::ClientGone => "The client closed the connection",
            Self::ClientStalled => "The client stopped in the middle of its request",
            Self::Internal => "The router failed",
        }
    }

    /// Seconds after which trying again makes sense.
    pub(crate) fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::Starting | Self::TooManyWaiting | Self::QueueFull | Self::QueueTimeout => Some("2"),
            Self::TooManyAtOnce => Some("1"),
            Self::Crashed => Some("10"),
            Self::NoInstance | Self::NeverDeployed => Some("30"),
            _ => None,
        }
    }

    /// Whether it says something about the instance that the request was sent to, and nothing good.
    pub(crate) fn is_of_instance(self) -> bool {
        matches!(self, Self::ClosedWithoutResponse | Self::BadResponse | Self::FirstByteTimeout)
    }

    /// Whether the connection may serve another request after this one.
    ///
    /// After a request that broke the rules nobody can say where the next one begins.
    pub(crate) fn keeps_connection(self) -> bool {
        !matches!(
            self,
            Self::BadRequest(_)
                | Self::MethodNotAllowed
                | Self::UnknownTransferCoding
                | Self::ExpectationFailed
                | Self::BodyTooLarge
                | Self::ClientStalled
                | Self::Internal
        )
    }
}
