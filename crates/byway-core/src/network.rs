//! Networks: an address and how many of its bits count, as conditions and lists of trusted proxies write them.

use std::fmt;
use std::net::IpAddr;

/// A network such as `10.0.0.0/8`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or an address.
    ///
    /// ```
    /// use byway_core::network::Network;
    /// let network = Network::parse("10.0.0.0/8").unwrap();
    /// assert!(network.contains([10, 255, 0, 1].into()) && !network.contains([11, 0, 0, 1].into()));
    /// assert!(Network::parse("10.0.0.0/33").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(longest), |bits| bits.parse().ok().filter(|&bits| bits <= longest))?;
        Some(Network { address, bits })
    }

    /// Whether an address lies in it. Addresses of the two families are never the same; map IPv4 in IPv6 beforehand
    /// ([`IpAddr::to_canonical`]).
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(network) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(network) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}
