//! How requests are spread over instances, and what is written about them.

use slipway_router::policy::log::LogFormat;

use crate::requests::catalogue::{Setting, put};
use crate::requests::values::{
    ValueError, boolean, count, duration, optional_count, show_duration, show_option,
};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "max-in-flight",
        about: "requests that one instance has under way at most; more wait",
        example: "50",
        apply: |draft, text| put(&mut draft.policy.balance.max_in_flight, optional_count(text)),
        show: |draft| show_option(draft.policy.balance.max_in_flight),
    },
    Setting {
        key: "queue-size",
        about: "requests that wait for an instance at most; over it: 503, H11",
        example: "100",
        apply: |draft, text| put(&mut draft.policy.balance.queue, count(text)),
        show: |draft| draft.policy.balance.queue.to_string(),
    },
    Setting {
        key: "queue-timeout",
        about: "how long one of them waits",
        example: "10s",
        apply: |draft, text| put(&mut draft.policy.balance.queue_time, duration(text)),
        show: |draft| show_duration(draft.policy.balance.queue_time),
    },
    Setting {
        key: "eject-after",
        about: "failures in a row after which an instance gets no requests for a while",
        example: "3",
        apply: |draft, text| put(&mut draft.policy.balance.eject_after, optional_count(text)),
        show: |draft| show_option(draft.policy.balance.eject_after),
    },
    Setting {
        key: "sticky",
        about: "keeps a client with its instance, by a cookie",
        example: "true",
        apply: |draft, text| put(&mut draft.policy.balance.sticky, boolean(text)),
        show: |draft| draft.policy.balance.sticky.to_string(),
    },
    Setting {
        key: "retries",
        about: "sends a request again where that is safe",
        example: "false",
        apply: |draft, text| put(&mut draft.policy.balance.retries, boolean(text)),
        show: |draft| draft.policy.balance.retries.to_string(),
    },
    Setting {
        key: "access-log",
        about: "a line for each request in the app's log: `logfmt` (Heroku's), `json`, `combined` or `off`",
        example: "json",
        apply: |draft, text| put(&mut draft.policy.log, log_format(text)),
        show: |draft| draft.policy.log.as_str().to_owned(),
    },
];

fn log_format(text: &str) -> Result<LogFormat, ValueError> {
    let known = [LogFormat::Logfmt, LogFormat::Json, LogFormat::Combined, LogFormat::Off];
    let found = known.into_iter().find(|format| format.as_str() == text);
    found.ok_or_else(|| ValueError::new(text, "a form of access log: write logfmt, json, combined or off"))
}
