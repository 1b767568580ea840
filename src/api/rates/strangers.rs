//! Who comes with keys that do not work.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::log::Log;

/// Addresses remembered at once; those beyond share one count.
const ADDRESSES_MAX: usize = 10_000;

/// The bits of an IPv6 address that one household has: whoever has one address has 2^64.
const IPV6_HOUSEHOLD: u128 = !((1 << 64) - 1);

/// Failed attempts of the last minute by address.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<HashMap<IpAddr, Log>>);

impl Strangers {
    /// How long the address must wait after `limit` failures within a minute; zero when it need not.
    pub(crate) fn wait(&self, address: IpAddr, limit: u32, now: Instant) -> Duration {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = place(&logs, household(address));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        logs.get_mut(&address)
            .map_or(Duration::ZERO, |log| log.wait(limit, now))
    }

    /// Writes down that a key from this address did not work; no more often than `limit`, which is enough to refuse it.
    pub(crate) fn note(&self, address: IpAddr, limit: u32, now: Instant) {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logs.len() >= ADDRESSES_MAX {
            logs.retain(|_, log| log.len(now) > 0);
        }
        let address = place(&logs, household(address));
        let log = logs.entry(address).or_default();
        if log.len(now) < usize::try_from(limit).unwrap_or(usize::MAX) {
            log.note(now);
        }
    }
}

/// Where an address is counted: by itself, unless there are too many.
fn place(logs: &HashMap<IpAddr, Log>, address: IpAddr) -> IpAddr {
    let room = logs.len() < ADDRESSES_MAX || logs.contains_key(&address);
    if room {
        address
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }
}

fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_HOUSEHOLD).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_waits_after_too_many_failures_and_others_do_not() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let wait = |from: &str| strangers.wait(address(from), 3, now);
        for _ in 0..3 {
            assert_eq!(wait("192.0.2.1"), Duration::ZERO);
            strangers.note(address("192.0.2.1"), 3, now);
            strangers.note(address("2001:db8:1:2::5"), 3, now);
        }
        strangers.note(address("192.0.2.1"), 3, now + Duration::from_secs(30));
        assert_eq!(
            wait("192.0.2.1"),
            Duration::from_mins(1),
            "one too many changes nothing"
        );
        assert_eq!(wait("::ffff:192.0.2.1"), Duration::from_mins(1));
        assert_eq!(
            wait("2001:db8:1:2:ffff::9"),
            Duration::from_mins(1),
            "the same household"
        );
        assert_eq!(wait("2001:db8:1:3::5"), Duration::ZERO);
        assert_eq!(wait("192.0.2.2"), Duration::ZERO);
        assert_eq!(
            strangers.wait(address("192.0.2.1"), 3, now + Duration::from_mins(1)),
            Duration::ZERO
        );
    }

    #[test]
    fn a_flood_of_addresses_is_bounded() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        for n in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 50 {
            strangers.note(IpAddr::V4(n.into()), 50, now);
        }
        assert_eq!(strangers.0.lock().unwrap().len(), ADDRESSES_MAX + 1);
        assert_eq!(
            strangers.wait(address("203.0.113.1"), 50, now),
            Duration::from_mins(1),
            "beyond, all are one"
        );
        assert_eq!(strangers.wait(address("0.0.0.7"), 50, now), Duration::ZERO);
    }
}
