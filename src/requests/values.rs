//! Values as people write them: times, sizes, numbers, lists of networks.

use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use crate::model::amount;

/// The longest time that can be set: a week.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// A value that cannot be. The text says what could.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value} is not {wanted}")]
pub struct ValueError {
    value: String,
    wanted: &'static str,
}

impl ValueError {
    /// Says that a value is not what is wanted: `a size: write for example 20m`.
    pub fn new(value: &str, wanted: &'static str) -> Self {
        Self { value: value.to_owned(), wanted }
    }
}

/// Reads `true` or `false`, and nginx's `on` and `off`.
pub fn boolean(text: &str) -> Result<bool, ValueError> {
    match text {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => Err(ValueError::new(text, "true or false")),
    }
}

/// Reads a time: a number with `ms`, `s`, `m`, `h` or `d` behind it; without any, seconds.
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    let wrong = || ValueError::new(text, "a time from 1ms to 7d: write for example 500ms, 30s, 5m or 1h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let milliseconds = match text.get(digits.len()..).unwrap_or_default() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let time = number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)?;
    if time.is_zero() || time > LONGEST { Err(wrong()) } else { Ok(time) }
}

/// Writes a time as it is read, in its largest whole unit.
pub fn show_duration(time: Duration) -> String {
    let milliseconds = time.as_millis();
    if milliseconds == 0 {
        return "0".to_owned();
    }
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let whole = units.into_iter().find(|(unit, _)| milliseconds.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "ms"));
    format!("{}{name}", milliseconds / unit)
}

/// Reads a size in bytes: a number with `k`, `m` or `g` behind it.
pub fn size(text: &str) -> Result<u64, ValueError> {
    let wrong = || ValueError::new(text, "a size: write for example 64k, 20m or 2g");
    amount::bytes(text, 1).ok().filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// Reads a size, or `none` (nginx: `0`).
pub fn optional_size(text: &str) -> Result<Option<u64>, ValueError> {
    if matches!(text, "none" | "0") {
        return Ok(None);
    }
    let wrong = |_| ValueError::new(text, "a size: write for example 20m or 2g, or none");
    size(text).map(Some).map_err(wrong)
}

/// Writes a size as it is read.
pub fn show_size(bytes: u64) -> String {
    let units = [(1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")];
    match units.into_iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Reads a number from 1 on, or `none`.
pub fn optional_count(text: &str) -> Result<Option<NonZeroU32>, ValueError> {
    if text == "none" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| ValueError::new(text, "a number from 1 on, or none"))
}

/// Reads a number of things that there may be none of.
pub fn count(text: &str) -> Result<usize, ValueError> {
    let number = text.parse().ok().filter(|number| *number <= 1_000_000);
    number.ok_or_else(|| ValueError::new(text, "a number from 0 to 1000000"))
}

/// Writes what may be unset.
pub fn show_option(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// Reads networks and addresses with commas or spaces between: `10.0.0.0/8, 2001:db8::1`.
pub fn networks(text: &str) -> Result<Vec<IpNet>, ValueError> {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    words.map(network).collect()
}

/// Reads a network, or an address, which is one by itself.
pub fn network(word: &str) -> Result<IpNet, ValueError> {
    let network =
        word.parse::<IpNet>().or_else(|_| word.parse().map(|address: std::net::IpAddr| address.into()));
    let wanted = "an address or a network: write for example 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32";
    network.map(|network| of_its_family(network.trunc())).map_err(|_| ValueError::new(word, wanted))
}

/// IPv4 in the form that IPv6 has for it (RFC 4291, section 2.5.5.2) as itself, as clients are compared with it.
fn of_its_family(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    let four = six.prefix_len().checked_sub(96).zip(six.addr().to_ipv4_mapped());
    let four = four.and_then(|(length, address)| Ipv4Net::new(address, length).ok());
    four.map_or(network, IpNet::V4)
}

/// Writes networks as they are read.
pub fn show_networks(networks: &[IpNet]) -> String {
    networks.iter().map(show_network).collect::<Vec<_>>().join(" ")
}

fn show_network(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_they_are_shown() {
        for (text, shown) in
            [("30s", "30s"), ("60", "1m"), ("90s", "90s"), ("3600s", "1h"), ("250ms", "250ms"), ("7d", "7d")]
        {
            assert_eq!(show_duration(duration(text).unwrap()), shown, "{text}");
        }
        for wrong in ["", "s", "0", "-1s", "1.5s", "8d", "1w", "5 m", "99999999999999999999s", "∞"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_read_as_they_are_shown() {
        for (text, shown) in [("20m", "20m"), ("1024k", "1m"), ("1000", "1000"), ("2G", "2g")] {
            assert_eq!(show_size(size(text).unwrap()), shown, "{text}");
        }
        assert_eq!(optional_size("none"), Ok(None));
        assert_eq!(optional_size("0"), Ok(None));
        for wrong in ["", "m", "-1m", "twenty", "1x"] {
            assert!(optional_size(wrong).is_err(), "{wrong}");
        }
        assert!(size("0").is_err());
    }

    #[test]
    fn networks_may_be_addresses_and_lose_what_is_not_theirs() {
        let shown = |text| networks(text).map(|networks| show_networks(&networks));
        assert_eq!(
            shown("10.1.2.3/8, 203.0.113.7 2001:db8::1"),
            Ok("10.0.0.0/8 203.0.113.7 2001:db8::1".to_owned())
        );
        assert_eq!(
            shown("::ffff:10.0.0.1 ::ffff:10.0.0.0/104 ::/0"),
            Ok("10.0.0.1 10.0.0.0/8 ::/0".to_owned())
        );
        assert_eq!(
            shown("10.0.0.0/33").unwrap_err().to_string(),
            "10.0.0.0/33 is not an address or a network: write for example 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32"
        );
        assert!(networks("example.com").is_err());
    }
}
