//! `[webhooks_out]`: events sent to the servers of others.

use super::problem::Fault;
use super::reader::{Reader, Section};
use super::typed::{boolean, duration, networks};
use ipnet::IpNet;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::time::Duration;

/// Characters that a key has at least: as many as 32 random bytes have in base64, rounded down.
const KEY_CHARS_MIN: usize = 32;

/// Keys at once: the present one, and those whose secrets are being replaced.
const KEYS_MAX: usize = 8;

/// How events are sent.
#[derive(Debug, Clone)]
pub struct WebhooksOut {
    /// What the secrets of endpoints are made from, the present key first; without one no endpoint can be made.
    pub keys: Vec<SecretString>,
    /// Networks that may be sent to although they are private.
    pub allow_subnets: Vec<IpNet>,
    /// Whether events are sent over TLS only.
    pub https_only: bool,
    /// How long an attempt may take.
    pub timeout: Duration,
}

impl WebhooksOut {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["webhooks_out"]);
        Self {
            keys: read_keys(&mut section),
            allow_subnets: section
                .optional("allow_subnets", networks)
                .unwrap_or_default(),
            https_only: section.required("https_only", boolean),
            timeout: section.required("timeout", duration),
        }
    }
}

/// Inline they are a list; in their file they are one a line.
fn read_keys(section: &mut Section<'_, '_>) -> Vec<SecretString> {
    let (keys, twin) = section.secrets("keys");
    let distinct: BTreeSet<_> = keys.iter().collect();
    let fault = if keys.iter().any(|key| key.chars().count() < KEY_CHARS_MIN) {
        let fix = format!(
            "use at least {KEY_CHARS_MIN} random characters, such as those of `openssl rand -base64 32`"
        );
        Some(Fault::new("holds a key that can be guessed", fix))
    } else if keys.len() > KEYS_MAX {
        Some(Fault::new(
            "holds too many keys",
            format!("keep at most {KEYS_MAX}"),
        ))
    } else if distinct.len() < keys.len() {
        Some(Fault::new("holds the same key twice", "remove one of them"))
    } else {
        None
    };
    if let Some(fault) = fault {
        section.problem(&twin.name(), fault);
    }
    keys.into_iter().map(SecretString::from).collect()
}
