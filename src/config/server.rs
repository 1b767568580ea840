//! `[server]`: the HTTP server.

use super::reader::Reader;
use super::typed::{address, duration, integer, networks, size, url};
use ipnet::IpNet;
use reqwest::Url;
use std::net::SocketAddr;
use std::time::Duration;

/// The HTTP server: control API, webhooks, metrics.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The URL under which the outside world reaches this server.
    pub public_url: Option<Url>,
    /// Largest request body of the control API, in bytes.
    pub body_limit: usize,
    /// Largest body of a received webhook, in bytes.
    pub webhook_body_limit: usize,
    /// Longest time for one request, from its last header to its answer.
    pub request_timeout: Duration,
    /// Longest time that a client may take to send its headers.
    pub header_timeout: Duration,
    /// Most connections open at once.
    pub connections_max: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["server"]);
        let server = Self {
            listen: section.required("listen", address),
            public_url: section.optional("public_url", url),
            body_limit: section.required("body_limit", size),
            webhook_body_limit: section.required("webhook_body_limit", size),
            request_timeout: section.required("request_timeout", duration),
            header_timeout: section.required("header_timeout", duration),
            connections_max: section.required("connections_max", integer),
            trusted_proxies: section
                .optional("trusted_proxies", networks)
                .unwrap_or_default(),
        };
        if !server.listen.ip().is_loopback() {
            section.warn(
                "listen",
                "can be reached from other machines, in plain HTTP: put a proxy with TLS in front",
            );
        }
        server
    }
}
