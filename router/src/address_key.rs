//! What limits on clients count by.

use std::net::IpAddr;

/// An IPv4 address, or the first 64 bits of one of IPv6: a household gets at least so many, so that counting whole
/// addresses would count nobody (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AddressKey(u64);

impl AddressKey {
    /// A number that neighbours do not share the last bits of.
    pub(crate) fn spread(self) -> usize {
        // The multiplier is 2 to the 64th over the golden ratio (Knuth, volume 3, section 6.4).
        usize::from((self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
    }
}

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            // The networks of IPv6 that begin with 32 zeros are nobody's, so the two kinds never meet.
            IpAddr::V4(address) => Self(u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> AddressKey {
        AddressKey::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn ipv4_counts_by_address_and_ipv6_by_network() {
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
    }
}
