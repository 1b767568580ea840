//! Ports for daemons that may die and come back.

use std::{
    net::{TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the range from which the system takes the ports of clients, so that none sits on a dead daemon's port.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A TCP port that belongs to one test. The UDP port of the same number marks it as taken, also while nobody listens.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _mark: UdpSocket,
}

impl Port {
    /// One that is free.
    pub(crate) fn reserve() -> Self {
        // Another start for each process, so that they seldom meet.
        let process = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let offset = (u32::from(process) * 97 + u32::from(step)) % u32::from(COUNT);
            let number = FIRST + u16::try_from(offset).unwrap();
            let mark = UdpSocket::bind(("127.0.0.1", number));
            let free = TcpListener::bind(("127.0.0.1", number)).is_ok();
            if let Ok(mark) = mark.as_ref().map(UdpSocket::try_clone)
                && free
            {
                return Self {
                    number,
                    _mark: mark.unwrap(),
                };
            }
        }
        panic!("no free port from {FIRST} on");
    }
}
