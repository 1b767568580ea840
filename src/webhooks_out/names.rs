//! From names to addresses that may be sent to.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::Addresses;

/// The addresses of a name, later.
pub(super) type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Where addresses of names come from.
pub trait Names: fmt::Debug + Send + Sync {
    /// The addresses of a host.
    fn look_up(&self, host: &str) -> Lookup;
}

/// The machine's own way.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, host: &str) -> Lookup {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Every address of the name is one that nothing is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name has no address that may be sent to")]
pub(super) struct NoneAllowed;

/// A resolver that hides the addresses which nothing is sent to. The HTTP client asks it for each new connection, except
/// for hosts that are addresses.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    pub(super) names: Arc<dyn Names>,
    pub(super) addresses: Addresses,
    /// Whether only networks count that the operator named.
    pub(super) named_only: bool,
}

impl Guarded {
    /// Those of the addresses that may be sent to.
    pub(super) fn permitted(&self, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, NoneAllowed> {
        let permit = |address: &IpAddr| {
            if self.named_only {
                self.addresses.is_named(*address)
            } else {
                self.addresses.permit(*address)
            }
        };
        let permitted: Vec<_> = found.into_iter().filter(permit).collect();
        if permitted.is_empty() {
            Err(NoneAllowed)
        } else {
            Ok(permitted)
        }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guarded = self.clone();
        Box::pin(async move {
            let found = guarded.names.look_up(name.as_str()).await?;
            let permitted = guarded.permitted(found)?;
            // The client puts in the port of the URL.
            let addresses: Addrs = Box::new(
                permitted
                    .into_iter()
                    .map(|address| SocketAddr::new(address, 0)),
            );
            Ok(addresses)
        })
    }
}
