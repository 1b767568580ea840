//! Reading the URL of an endpoint.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use super::addresses::Addresses;

/// What URLs may be.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) addresses: Addresses,
    /// Whether only TLS will do.
    pub(super) https_only: bool,
}

/// A URL that may be asked for, as far as it alone can tell.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) url: Url,
    /// The host, where it is a name: what it resolves to is asked of the table too.
    pub(super) name: Option<String>,
    /// Whether the port is another than its scheme's. Then the address must be of a network that the operator named.
    pub(super) own_port: bool,
}

impl Rules {
    /// Reads the URL; the error says in words what is wrong with it.
    ///
    /// The parser turns every form of an IPv4 address (decimal, octal, hex, with fewer parts) into four numbers, so that
    /// the table sees what would be connected to.
    pub(super) fn read(&self, text: &str) -> Result<Target, String> {
        let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
        match url.scheme() {
            "https" => {}
            "http" if !self.https_only => {}
            "http" => {
                return Err(
                    "it must begin with https://, unless webhooks_out.https_only = false"
                        .to_owned(),
                );
            }
            _ => return Err("it must begin with https://".to_owned()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it must hold no user and no password: events are signed".to_owned());
        }
        if url.fragment().is_some() {
            return Err("it must hold no fragment (#): that is never sent".to_owned());
        }
        let own_port = url.port().is_some();
        let name = self.host(&url, own_port)?;
        Ok(Target {
            url,
            name,
            own_port,
        })
    }

    /// Checks the host; answers it where it is a name.
    fn host(&self, url: &Url, own_port: bool) -> Result<Option<String>, String> {
        let host = url.host_str().unwrap_or_default();
        if let Some(address) = literal(host) {
            return if own_port && !self.addresses.is_named(address) {
                Err(port_refused())
            } else if self.addresses.permit(address) {
                Ok(None)
            } else {
                Err(refused(&format!("{address} is")))
            };
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty() {
            return Err("it names no host".to_owned());
        }
        let is_local = name == "localhost" || name.ends_with(".localhost");
        let loopback = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Ipv6Addr::LOCALHOST.into(),
        ];
        if is_local
            && !loopback
                .into_iter()
                .any(|address| self.addresses.permit(address))
        {
            return Err(refused(&format!("{name} is")));
        }
        if own_port && !self.addresses.names_any() {
            return Err(port_refused());
        }
        Ok(Some(name))
    }
}

/// The address that a URL's host is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// Why an address is refused.
pub(super) fn refused(what: &str) -> String {
    format!(
        "{what} no public address: webhooks_out.allow_subnets names the networks that may be sent to all the same"
    )
}

fn port_refused() -> String {
    "it must use the port of its scheme, except in the networks of webhooks_out.allow_subnets"
        .to_owned()
}
