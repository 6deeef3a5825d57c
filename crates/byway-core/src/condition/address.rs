//! The client's address, after trusted proxies; a value is an address or a network such as `10.0.0.0/8`.

use std::net::IpAddr;

use super::{Depends, SubjectRow};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "address",
    takes_name: false,
    help: "The client's address: an address or a network, as in `10.0.0.0/8`; the answer is not stored.",
    depends: Depends::OnClient,
    values: |request, _, visit| visit(request.address.to_canonical().to_string().as_bytes()),
    equals: |value, wanted| {
        let value = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        matches!((value, network(wanted)), (Some(address), Some(network)) if contains(network, address))
    },
    check: |text| match network(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!("`{text}` is neither an address nor a network such as `10.0.0.0/8`")),
    },
};

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(longest), |bits| bits.parse().ok().filter(|&bits| bits <= longest))?;
    Some((address, bits))
}

fn contains((network, bits): (IpAddr, u8), address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, address: &str| (ROW.equals)(address.as_bytes(), network);
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && holds("::1", "::1"));
        assert!((ROW.check)("10.0.0.0/33").is_err() && (ROW.check)("10.0.0").is_err());
    }
}
