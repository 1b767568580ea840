//! Addresses that nothing is sent to: whoever may make an endpoint must not reach our own network through us.
//!
//! Source of the table: IANA's special-purpose registries for IPv4 and IPv6, <https://www.iana.org/assignments/iana-ipv4-special-registry>
//! and <https://www.iana.org/assignments/iana-ipv6-special-registry>; and what embeds an IPv4 address, which would be a way round it.

use std::{net::IpAddr, sync::LazyLock};

use ipnet::IpNet;

/// Networks that are not somebody's server on the internet.
const REFUSED: [&str; 31] = [
    // "this network"
    "0.0.0.0/8",
    // private
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    // shared by a provider's customers
    "100.64.0.0/10",
    // loopback
    "127.0.0.0/8",
    // link-local; clouds tell their machines' secrets at 169.254.169.254
    "169.254.0.0/16",
    // protocol assignments
    "192.0.0.0/24",
    // documentation
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    // 6to4 relays
    "192.88.99.0/24",
    // benchmarks
    "198.18.0.0/15",
    // multicast
    "224.0.0.0/4",
    // reserved, with the broadcast address
    "240.0.0.0/4",
    // unspecified, loopback, and IPv4 addresses in their old form
    "::/96",
    // translated IPv4
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    // discard
    "100::/64",
    "100:0:0:1::/64",
    // protocol assignments, with Teredo, which holds IPv4 addresses
    "2001::/23",
    // documentation
    "2001:db8::/32",
    "3fff::/20",
    // 6to4, which holds IPv4 addresses
    "2002::/16",
    // AS112
    "2620:4f:8000::/48",
    // segment routing
    "5f00::/16",
    // unique local
    "fc00::/7",
    // link-local, and what was site-local once
    "fe80::/10",
    "fec0::/10",
    // multicast
    "ff00::/8",
];

static NETWORKS: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    REFUSED
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect()
});

/// Which addresses are sent to.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Networks that the operator allows although the table refuses them.
    pub allowed: Vec<IpNet>,
}

impl Addresses {
    /// Whether the operator named its network.
    pub fn is_named(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Whether it may be sent to.
    pub fn permit(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        self.is_named(plain) || !NETWORKS.iter().any(|network| network.contains(&plain))
    }

    /// Whether any address may be sent to that the table refuses.
    pub const fn names_any(&self) -> bool {
        !self.allowed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_network() {
        assert_eq!(NETWORKS.len(), REFUSED.len());
    }

    /// The first and the last address of each network, and their neighbours outside where those are somebody's.
    #[test]
    fn networks_are_refused_from_end_to_end() {
        let none = Addresses::default();
        for network in NETWORKS.iter() {
            assert!(
                !none.permit(network.network()) && !none.permit(network.broadcast()),
                "{network}"
            );
        }
        for outside in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "8.8.8.8",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2003::1",
            "2a00::1",
        ] {
            assert!(none.permit(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn mapped_addresses_are_what_they_map() {
        let none = Addresses::default();
        for mapped in ["::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:a9fe:a9fe"] {
            assert!(!none.permit(mapped.parse().unwrap()), "{mapped}");
        }
        assert!(none.permit("::ffff:8.8.8.8".parse().unwrap()));
    }

    #[test]
    fn the_operator_may_name_networks() {
        let some = Addresses {
            allowed: vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()],
        };
        for (address, permitted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.0", false),
            ("fd12::1", true),
            ("fc00::1", false),
        ] {
            assert_eq!(
                some.permit(address.parse().unwrap()),
                permitted,
                "{address}"
            );
        }
    }
}
