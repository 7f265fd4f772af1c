//! How long things may take.

use crate::requests::catalogue::{Setting, put};
use crate::requests::values::{duration, show_duration};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "connect-timeout",
        about: "time for a connection to an instance; over it: 504, H19",
        example: "2s",
        apply: |draft, text| put(&mut draft.policy.timeouts.connect, duration(text)),
        show: |draft| show_duration(draft.policy.timeouts.connect),
    },
    Setting {
        key: "first-byte-timeout",
        about: "time until the app begins to answer; over it: 504, H12",
        example: "30s",
        apply: |draft, text| put(&mut draft.policy.timeouts.first_byte, duration(text)),
        show: |draft| show_duration(draft.policy.timeouts.first_byte),
    },
    Setting {
        key: "body-timeout",
        about: "time between two bytes of a request's body; over it: 408, H28",
        example: "1m",
        apply: |draft, text| put(&mut draft.policy.timeouts.body, duration(text)),
        show: |draft| show_duration(draft.policy.timeouts.body),
    },
    Setting {
        key: "idle-timeout",
        about: "time between two bytes of an answer; over it the answer is cut, H15",
        example: "1h",
        apply: |draft, text| put(&mut draft.policy.timeouts.idle, duration(text)),
        show: |draft| show_duration(draft.policy.timeouts.idle),
    },
    Setting {
        key: "websocket-idle-timeout",
        about: "time between two bytes of a WebSocket, in either direction",
        example: "1d",
        apply: |draft, text| put(&mut draft.policy.timeouts.tunnel_idle, duration(text)),
        show: |draft| show_duration(draft.policy.timeouts.tunnel_idle),
    },
    Setting {
        key: "keep-alive",
        about: "time for which an idle connection to an instance is kept; has to be shorter than the app server's own",
        example: "55s",
        apply: |draft, text| put(&mut draft.policy.timeouts.upstream_idle, duration(text)),
        show: |draft| show_duration(draft.policy.timeouts.upstream_idle),
    },
];
