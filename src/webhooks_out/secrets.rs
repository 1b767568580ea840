//! Secrets of endpoints, made when they are needed: from a key of the configuration, which is in no table, and a salt,
//! which is in no configuration. See `docs/decisions/0019-webhook-secrets-are-made-not-kept.md`.

use hmac::{Hmac, KeyInit as _, Mac as _};
use memberd_jobs::kernel::ports::SigningSecret;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::signature::Secret;

/// Characters of a key's id: enough to tell a handful of keys apart.
const ID_CHARS: usize = 12;

/// The keys of the configuration; new secrets are made from the first.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<(String, SecretString)>);

impl Keys {
    /// These keys, the present one first.
    pub fn new(keys: &[SecretString]) -> Self {
        let with_id = |key: &SecretString| (id(key.expose_secret()), key.clone());
        Self(keys.iter().map(with_id).collect())
    }

    /// The id of the key that new secrets are made from.
    pub(super) fn first(&self) -> Option<&str> {
        self.0.first().map(|(id, _)| id.as_str())
    }

    /// The secret; `None` without its key.
    pub(super) fn secret(&self, made_from: &SigningSecret) -> Option<Secret> {
        let (_, key) = self.0.iter().find(|(id, _)| *id == made_from.key_id)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok()?;
        for part in [
            "memberd webhook secret",
            &made_from.endpoint_id,
            &made_from.salt,
        ] {
            mac.update(part.as_bytes());
            mac.update(b"\0");
        }
        Some(Secret::of(mac.finalize().into_bytes().to_vec()))
    }
}

/// Tells keys apart, and nothing about them.
fn id(key: &str) -> String {
    let hash = Sha256::new()
        .chain_update("memberd webhook key\0")
        .chain_update(key)
        .finalize();
    let mut id = hex::encode(hash);
    id.truncate(ID_CHARS);
    id
}

#[cfg(test)]
mod tests {
    use memberd_jobs::kernel::Timestamp;

    use super::*;

    fn made_from(endpoint: &str, salt: &str, key_id: &str) -> SigningSecret {
        SigningSecret {
            id: "whs_1".to_owned(),
            endpoint_id: endpoint.to_owned(),
            salt: salt.to_owned(),
            key_id: key_id.to_owned(),
            created_at: Timestamp(0),
            expires_at: None,
        }
    }

    #[test]
    fn each_endpoint_salt_and_key_has_a_secret_of_its_own_for_ever() {
        let keys = Keys::new(&[
            "0123456789abcdef0123456789abcdef".into(),
            "another key, just as long as the first".into(),
        ]);
        let reveal = |endpoint: &str, salt: &str, key: usize| {
            keys.secret(&made_from(endpoint, salt, &keys.0[key].0))
                .unwrap()
                .reveal()
        };
        // Made with Python's hmac. If it changes, every receiver stops believing us.
        assert_eq!(
            reveal("whe_1", "abcd", 0),
            "whsec_GXRlbyV5Co0mZWERqIeXJcwVMbOMIs77qzHgPoczHOI="
        );
        let all = [
            reveal("whe_1", "abcd", 0),
            reveal("whe_2", "abcd", 0),
            reveal("whe_1", "abce", 0),
            reveal("whe_1", "abcd", 1),
            reveal("whe_1a", "bcd", 0),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(Secret::parse(&all[0]).is_ok());
    }

    #[test]
    fn without_its_key_there_is_no_secret() {
        let keys = Keys::new(&["0123456789abcdef0123456789abcdef".into()]);
        assert_eq!(keys.first(), Some("91f10da9393c"));
        assert!(
            keys.secret(&made_from("whe_1", "abcd", "another"))
                .is_none()
        );
        assert_eq!(Keys::default().first(), None);
    }
}
