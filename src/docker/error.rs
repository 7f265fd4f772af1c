//! What can go wrong between Slipway and the engine, told apart by what a caller can do about it.

use bollard::errors::Error as ClientError;

/// The cause of an [`EngineError`], kept for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The socket is missing, or nobody listens on it: the engine is down. Trying later may help.
    #[error("the Docker engine cannot be reached")]
    Unreachable(#[source] Cause),
    /// The container, image or network does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken, or the thing is in a state that does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// Anything else that the engine refused, in its own words.
    #[error("{message}")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// The engine's message.
        message: String,
    },
    /// No answer came in time.
    #[error("the Docker engine did not answer in time")]
    TimedOut,
    /// The connection broke off, or the answer was not what the API promises.
    #[error("the conversation with the Docker engine broke off")]
    Broken(#[source] Cause),
}

impl EngineError {
    /// Sorts an answer by its HTTP status.
    pub(super) fn from_status(status: u16, message: String) -> Self {
        match status {
            404 => Self::NotFound(message),
            409 => Self::Conflict(message),
            _ => Self::Refused { status, message },
        }
    }

    /// Whether the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

impl From<ClientError> for EngineError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::DockerResponseServerError { status_code, message } => {
                Self::from_status(status_code, message)
            }
            ClientError::DockerStreamError { error } => Self::Refused { status: 200, message: error },
            ClientError::SocketNotFoundError(_) => Self::Unreachable(Box::new(error)),
            ClientError::HyperLegacyError { ref err } if err.is_connect() => {
                Self::Unreachable(Box::new(error))
            }
            ClientError::RequestTimeoutError => Self::TimedOut,
            error => Self::Broken(Box::new(error)),
        }
    }
}

impl From<std::io::Error> for EngineError {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

impl From<hyper::Error> for EngineError {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}
