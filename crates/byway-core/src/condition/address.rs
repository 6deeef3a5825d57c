//! The client's address, after trusted proxies; a value is an address or a network such as `10.0.0.0/8`.

use super::{Depends, SubjectRow};
use crate::network::Network;

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "address",
    takes_name: false,
    help: "The client's address: an address or a network, as in `10.0.0.0/8`; the answer is not stored.",
    depends: Depends::OnClient,
    values: |request, _, visit| visit(request.address.to_canonical().to_string().as_bytes()),
    equals: |value, wanted| {
        let value = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        matches!((value, Network::parse(wanted)), (Some(address), Some(network)) if network.contains(address))
    },
    check: |text| match Network::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!("`{text}` is neither an address nor a network such as `10.0.0.0/8`")),
    },
};

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
