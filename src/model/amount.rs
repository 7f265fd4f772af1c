//! Amounts of memory and processor time, as Docker and Dokku write them.

/// A text that is no amount.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AmountError {
    /// It is no amount of memory.
    #[error("{0} is not an amount of memory: write for example 512m or 1g")]
    Memory(String),
    /// It is no amount of processor time.
    #[error("{0} is not an amount of processor time: write the number of cores, for example 0.5 or 2")]
    Cpus(String),
    /// It is no whole number.
    #[error("{0} is not a whole number")]
    Number(String),
}

/// Reads an amount of memory: a number, with up to three decimal places, and a unit of 1024: b, k, m, g or t.
///
/// `plain` is how many bytes a number without a unit counts: 1 in Docker's own flags, 2^20 in Dokku's.
pub fn bytes(text: &str, plain: u64) -> Result<u64, AmountError> {
    let wrong = || AmountError::Memory(text.to_owned());
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match lower.get(digits.len()..).unwrap_or_default() {
        "" => plain,
        "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    let thousandths = decimal(digits, 3).ok_or_else(wrong)?;
    let bytes = u128::from(thousandths) * u128::from(unit) / 1000;
    // The engine counts in signed 64-bit numbers.
    i64::try_from(bytes).ok().and_then(|bytes| u64::try_from(bytes).ok()).ok_or_else(wrong)
}

/// Reads a number of cores into billionths of a core.
pub fn nano_cpus(text: &str) -> Result<u64, AmountError> {
    decimal(text, 9).ok_or_else(|| AmountError::Cpus(text.to_owned()))
}

/// Reads a whole number.
pub fn number(text: &str) -> Result<u64, AmountError> {
    decimal(text, 0).ok_or_else(|| AmountError::Number(text.to_owned()))
}

/// A decimal number times ten to the power of `places`; `None` for a sign, an exponent, or more places than that.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    if fraction.len() > places || (places == 0 && text.contains('.')) {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_with_and_without_a_unit() {
        for (text, expected) in [
            ("512m", 512 << 20),
            ("1g", 1 << 30),
            ("1.5G", 3 << 29),
            ("100", 100),
            ("64KiB", 64 << 10),
            ("7b", 7),
        ] {
            assert_eq!(bytes(text, 1), Ok(expected), "{text}");
        }
        assert_eq!(bytes("100", 1 << 20), Ok(100 << 20));
        for text in ["", "m", "-1", "1 g", "1e3", "0x10", "1.2345m", "1gg", "9999999999t", ".", "1.m2", "½"]
        {
            assert!(bytes(text, 1).is_err(), "{text}");
        }
    }

    #[test]
    fn cores_are_read_exactly() {
        assert_eq!(nano_cpus("0.5"), Ok(500_000_000));
        assert_eq!(nano_cpus("2"), Ok(2_000_000_000));
        assert_eq!(nano_cpus(".000000001"), Ok(1));
        for text in ["", "-1", "1,5", "0.0000000001", "99999999999999999999", "half"] {
            assert!(nano_cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_whole() {
        assert_eq!(number("100"), Ok(100));
        assert!(number("1.0").is_err() && number("+1").is_err() && number("").is_err());
    }
}
