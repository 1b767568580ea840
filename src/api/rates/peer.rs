//! From where a request comes.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// What proxies write the addresses into that a request came through, the nearest last.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Who holds the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The proxies whose word is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(pub Vec<IpNet>);

impl Proxies {
    /// From where a request comes: the other end of the connection, or the last address that one of our proxies names
    /// and that is none of our proxies. What stands before it could have been written by anybody.
    pub(crate) fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.has(peer) {
            return peer;
        }
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        let words = lines
            .iter()
            .rev()
            .map(|line| line.to_str().unwrap_or_default())
            .flat_map(|line| line.rsplit(','));
        let mut nearest = peer;
        for word in words {
            let word = word.trim();
            let with_port = || word.parse::<SocketAddr>().map(|address| address.ip());
            let Ok(address) = word.parse().or_else(|_| with_port()) else {
                return nearest;
            };
            nearest = address;
            if !self.has(address) {
                break;
            }
        }
        nearest
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|network| network.contains(&address.to_canonical()))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_our_proxies_are_believed() {
        let proxies = Proxies(vec![
            "10.0.0.0/8".parse().unwrap(),
            "127.0.0.1/32".parse().unwrap(),
        ]);
        for (peer, lines, origin) in [
            ("192.0.2.1", vec!["198.51.100.7"], "192.0.2.1"),
            ("127.0.0.1", vec![], "127.0.0.1"),
            ("127.0.0.1", vec!["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.1.1.1", vec!["198.51.100.7"], "198.51.100.7"),
            (
                "127.0.0.1",
                vec!["203.0.113.9, 198.51.100.7, 10.2.2.2"],
                "198.51.100.7",
            ),
            (
                "127.0.0.1",
                vec!["203.0.113.9", "198.51.100.7"],
                "198.51.100.7",
            ),
            ("127.0.0.1", vec!["10.3.3.3"], "10.3.3.3"),
            ("127.0.0.1", vec!["nonsense, 10.3.3.3"], "10.3.3.3"),
            ("127.0.0.1", vec!["nonsense"], "127.0.0.1"),
            ("127.0.0.1", vec!["203.0.113.9", "\u{e9}"], "127.0.0.1"),
            ("127.0.0.1", vec!["198.51.100.7:4711"], "198.51.100.7"),
            ("127.0.0.1", vec!["[2001:db8::7]:4711"], "2001:db8::7"),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(
                    FORWARDED_FOR,
                    HeaderValue::from_bytes(line.as_bytes()).unwrap(),
                );
            }
            let found = proxies.origin(peer.parse().unwrap(), &headers);
            assert_eq!(found, origin.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}
