//! Who may send requests, and how many. Names and passwords are `auth:add`'s, not settings.

use std::num::NonZeroU32;

use slipway_router::policy::access::Rate;

use crate::requests::catalogue::{Setting, put};
use crate::requests::values::{ValueError, networks, optional_count, show_networks, show_option};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "allow",
        about: "only these addresses and networks get the app; others: 403",
        example: "203.0.113.7 10.0.0.0/8",
        apply: |draft, text| put(&mut draft.policy.access.allow, some_networks(text)),
        show: |draft| show_networks(&draft.policy.access.allow),
    },
    Setting {
        key: "deny",
        about: "these do not, even where `allow` has them: 403",
        example: "198.51.100.0/24",
        apply: |draft, text| put(&mut draft.policy.access.deny, some_networks(text)),
        show: |draft| show_networks(&draft.policy.access.deny),
    },
    Setting {
        key: "rate-limit",
        about: "requests of one address in a second (`10/s`), a minute (`100/m`) or an hour; over it: 429",
        example: "100/m",
        apply: |draft, text| put(&mut draft.policy.access.rate, rate(text)),
        show: |draft| show_option(draft.policy.access.rate.map(show_rate)),
    },
    Setting {
        key: "rate-burst",
        about: "how many of them may come at once; a minute's number if unset",
        example: "20",
        apply: |draft, text| put(&mut draft.rate_burst, optional_count(text)),
        show: |draft| show_option(draft.rate_burst),
    },
    Setting {
        key: "max-concurrent-per-address",
        about: "requests of one address under way at a time; over it: 429",
        example: "20",
        apply: |draft, text| put(&mut draft.policy.access.max_concurrent, optional_count(text)),
        show: |draft| show_option(draft.policy.access.max_concurrent),
    },
];

/// A list of none would be taken for one that lets everybody in, or nobody.
fn some_networks(text: &str) -> Result<Vec<ipnet::IpNet>, ValueError> {
    let networks = networks(text)?;
    let wanted = "a list of addresses and networks: write for example 203.0.113.7 10.0.0.0/8";
    if networks.is_empty() { Err(ValueError::new(text, wanted)) } else { Ok(networks) }
}

fn rate(text: &str) -> Result<Option<Rate>, ValueError> {
    if text == "none" {
        return Ok(None);
    }
    let wrong = || ValueError::new(text, "a rate: write for example 10/s, 100/m, 500/h or none");
    let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
    let number: NonZeroU32 = number.parse().map_err(|_| wrong())?;
    // So many at once: the number itself, of an hour's what comes in a minute.
    let (an_hour, burst) = match unit {
        "s" => (3600, number),
        "m" => (60, number),
        "h" => (1, NonZeroU32::new(number.get() / 60).unwrap_or(NonZeroU32::MIN)),
        _ => return Err(wrong()),
    };
    let per_hour = number.get().checked_mul(an_hour).and_then(NonZeroU32::new).ok_or_else(wrong)?;
    Ok(Some(Rate { per_hour, burst }))
}

fn show_rate(rate: Rate) -> String {
    let (per_hour, burst) = (rate.per_hour.get(), rate.burst.get());
    if per_hour == burst.saturating_mul(3600) {
        format!("{burst}/s")
    } else if per_hour.is_multiple_of(60) {
        format!("{}/m", per_hour / 60)
    } else {
        format!("{per_hour}/h")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_s_burst_is_its_number() {
        let of = |text| rate(text).unwrap().map(|rate| (rate.per_hour.get(), rate.burst.get()));
        assert_eq!(of("10/s"), Some((36_000, 10)));
        assert_eq!(of("100/m"), Some((6000, 100)));
        assert_eq!(of("600/h"), Some((600, 10)));
        assert_eq!(of("100/h"), Some((100, 1)));
        assert_eq!(of("10/h"), Some((10, 1)));
        assert_eq!(of("none"), None);
        for wrong in ["10", "0/s", "/s", "10/", "10/d", "0/h", "-1/s", "4294967295/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        for text in ["10/s", "100/m", "100/h", "10/h"] {
            assert_eq!(show_rate(rate(text).unwrap().unwrap()), text);
        }
    }
}
