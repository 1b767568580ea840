//! `memberd healthcheck`: for containers, which have no curl.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::{Client, redirect::Policy};

use super::{Failure, Outcome, print, runtime};
use crate::cli::Global;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What `healthcheck` takes: nothing of its own.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Asks the daemon at `server.listen` whether it is ready.
///
/// # Errors
/// When it is not, or does not answer (1).
pub fn run(_: &Args, global: &Global) -> Outcome {
    let listen = global.load()?.config.server.listen;
    let url = format!("http://{}/readyz", reachable(listen));
    runtime()?.block_on(async {
        let failed = |error: reqwest::Error| {
            Failure::new(Failure::FAILED, format!("{url} does not answer: {error}"))
        };
        // The client insists on a provider for TLS, of which it needs none here.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .no_proxy()
            .tls_certs_only([])
            .build()
            .map_err(failed)?;
        let answer = client.get(&url).send().await.map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        if status.is_success() {
            return print(&text);
        }
        Err(Failure::new(
            Failure::FAILED,
            format!("{url} answers {status}: {}", text.trim_end()),
        ))
    })
}

/// An address to connect to for one to listen on: "every address" is none.
const fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
