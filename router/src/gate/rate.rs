//! How many requests a client address may send in a while, and have under way at a time.

use std::time::Duration;

use hyper::header::{self, HeaderName, HeaderValue};

use crate::address_counts::{AddressCounts, AddressPlace};
use crate::address_key::AddressKey;
use crate::fault::Fault;
use crate::gate::Arriving;
use crate::policy::access::Rate;
use crate::rate_table::{Empty, RateTable};
use crate::refusal::Refusal;

/// Addresses whose buckets an app remembers: a mebibyte of them.
const ADDRESSES: usize = 1 << 16;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

pub(super) fn check(arriving: Arriving<'_>) -> Result<Option<AddressPlace>, Refusal> {
    let (access, memory) = (&arriving.route.policy.access, &arriving.route.memory);
    if access.rate.is_none() && access.max_concurrent.is_none() {
        return Ok(None);
    }
    let key = AddressKey::from(arriving.origin.address);
    if let Some(rate) = access.rate {
        let buckets = memory.rates.get_or_init(|| RateTable::new(ADDRESSES));
        buckets.take(key, rate).map_err(|empty| refusal(rate, empty))?;
    }
    let Some(most) = access.max_concurrent else { return Ok(None) };
    AddressCounts::enter(&memory.under_way, key, most).map(Some).ok_or(Fault::TooManyAtOnce.into())
}

/// 429 (RFC 6585, section 4), with the headers that clients read in practice
/// (draft-ietf-httpapi-ratelimit-headers-06).
pub(super) fn refusal(rate: Rate, empty: Empty) -> Refusal {
    let headers = vec![
        (header::RETRY_AFTER, seconds(empty.next)),
        (LIMIT, HeaderValue::from(rate.burst.get())),
        (REMAINING, HeaderValue::from(0)),
        (RESET, seconds(empty.full)),
    ];
    Refusal::with_headers(Fault::RateLimited, headers)
}

/// Whole seconds, rounded up: whoever comes back a moment too early is refused again.
fn seconds(duration: Duration) -> HeaderValue {
    HeaderValue::from(duration.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX))
}
