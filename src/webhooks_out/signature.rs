//! Signatures of Standard Webhooks: who sent this event, and when.
//!
//! `webhook-signature` holds one `v1,<base64>` for each secret, with blanks between: the HMAC-SHA256 of
//! `<webhook-id>.<webhook-timestamp>.<body>`. A secret is `whsec_` and base64 of 24 to 64 bytes.
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use memberd_jobs::kernel::Timestamp;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

/// The header with the event's id.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in Unix seconds.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";

/// How far the time of a webhook may be from now.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// How a secret begins.
const PREFIX: &str = "whsec_";

/// Bytes that a secret may have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Why a webhook is not taken for real.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The secret is of another form.
    #[error("the secret must be whsec_ and base64 of 24 to 64 bytes")]
    Secret,
    /// The time is no number.
    #[error("{TIMESTAMP} must be Unix seconds")]
    Timestamp,
    /// None of the signatures was made with this secret over this body.
    #[error("no v1 signature fits this secret, id, time and body")]
    NoMatch,
    /// The signature is right, but was made at another time.
    #[error(
        "the signature is right, but was made {0:?} away from now: {TOLERANCE:?} are tolerated"
    )]
    Expired(Duration),
}

/// A signing secret. It is printed by [`Secret::reveal`] alone.
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret([REDACTED])")
    }
}

impl Secret {
    /// A secret of these bytes.
    pub(super) const fn of(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads a secret as receivers know it.
    ///
    /// # Errors
    /// [`SignatureError::Secret`].
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let bytes = STANDARD.decode(text.trim().strip_prefix(PREFIX).unwrap_or(text.trim()));
        let bytes = bytes
            .ok()
            .filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
        bytes.map(Self).ok_or(SignatureError::Secret)
    }

    /// The secret as receivers know it.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The signature of one attempt.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        format!(
            "v1,{}",
            STANDARD.encode(self.mac(id, &at.seconds().to_string(), body))
        )
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return Vec::new();
        };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }

    /// Checks a webhook as its receiver should, and answers when it was signed.
    ///
    /// # Errors
    /// See [`SignatureError`]. A wrong time is reported only for a signature that is right.
    pub fn verify(
        &self,
        headers: &Headers<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Timestamp, SignatureError> {
        let seconds = headers
            .timestamp
            .parse()
            .map_err(|_| SignatureError::Timestamp)?;
        let at = Timestamp::from_seconds(seconds);
        let expected = self.mac(headers.id, headers.timestamp, body);
        let mut matches = Choice::from(0);
        for given in headers
            .signature
            .split_whitespace()
            .filter_map(|one| one.strip_prefix("v1,"))
        {
            let given = STANDARD.decode(given).unwrap_or_default();
            matches |= expected.ct_eq(&given);
        }
        if !bool::from(matches) {
            return Err(SignatureError::NoMatch);
        }
        let away = Duration::from_secs(now.seconds().abs_diff(at.seconds()));
        if away > TOLERANCE {
            Err(SignatureError::Expired(away))
        } else {
            Ok(at)
        }
    }
}

/// What came with a webhook.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`
    pub timestamp: &'a str,
    /// `webhook-signature`
    pub signature: &'a str,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example that the reference libraries of Standard Webhooks are tested with; made anew with Python's hmac.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: Timestamp = Timestamp(1_614_265_330_000);
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn headers(signature: &str) -> Headers<'_> {
        Headers {
            id: MESSAGE,
            timestamp: "1614265330",
            signature,
        }
    }

    #[test]
    fn the_published_example_is_signed_and_verified() {
        let secret = Secret::parse(SECRET).unwrap();
        assert_eq!(secret.sign(MESSAGE, AT, BODY), SIGNED);
        assert_eq!(secret.reveal(), SECRET);
        for signature in [
            SIGNED.to_owned(),
            format!("v1,AAAA {SIGNED}"),
            format!("v1a,x {SIGNED} v2,y"),
        ] {
            assert_eq!(
                secret.verify(&headers(&signature), BODY, AT),
                Ok(AT),
                "{signature}"
            );
        }
    }

    #[test]
    fn another_secret_body_id_or_scheme_is_refused() {
        let secret = Secret::parse(SECRET).unwrap();
        let other = Secret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert_eq!(
            other.verify(&headers(SIGNED), BODY, AT),
            Err(SignatureError::NoMatch)
        );
        assert_eq!(
            secret.verify(&headers(SIGNED), b"{}", AT),
            Err(SignatureError::NoMatch)
        );
        let strange = Headers {
            id: "msg_2",
            ..headers(SIGNED)
        };
        assert_eq!(
            secret.verify(&strange, BODY, AT),
            Err(SignatureError::NoMatch)
        );
        for signature in [
            "",
            "v1,",
            "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ] {
            assert_eq!(
                secret.verify(&headers(signature), BODY, AT),
                Err(SignatureError::NoMatch),
                "{signature}"
            );
        }
        let timeless = Headers {
            timestamp: "now",
            ..headers(SIGNED)
        };
        assert_eq!(
            secret.verify(&timeless, BODY, AT),
            Err(SignatureError::Timestamp)
        );
    }

    #[test]
    fn the_tolerance_reaches_both_ways_and_is_asked_last() {
        let secret = Secret::parse(SECRET).unwrap();
        let away = TOLERANCE + Duration::from_secs(1);
        for (now, taken) in [
            (AT.plus(TOLERANCE), true),
            (AT.minus(TOLERANCE), true),
            (AT.plus(away), false),
            (AT.minus(away), false),
        ] {
            let expected = if taken {
                Ok(AT)
            } else {
                Err(SignatureError::Expired(away))
            };
            assert_eq!(secret.verify(&headers(SIGNED), BODY, now), expected);
            assert_eq!(
                secret.verify(&headers("v1,AAAA"), BODY, now),
                Err(SignatureError::NoMatch)
            );
        }
    }

    #[test]
    fn secrets_have_from_24_to_64_bytes() {
        for (bytes, taken) in [(23, false), (24, true), (32, true), (64, true), (65, false)] {
            let text = format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
            assert_eq!(Secret::parse(&text).is_ok(), taken, "{bytes}");
        }
        assert!(Secret::parse("whsec_not base64!").is_err());
        assert!(!format!("{:?}", Secret::parse(SECRET)).contains("Mf"));
    }

    proptest! {
        #[test]
        fn what_is_signed_is_verified_and_nothing_else_is(
            key in proptest::collection::vec(any::<u8>(), 24..64), id in "[a-z_0-9.]{1,30}", body in ".{0,100}", place in 0_usize..43,
        ) {
            let secret = Secret::of(key);
            let signature = secret.sign(&id, AT, body.as_bytes());
            let taken = Headers { id: &id, ..headers(&signature) };
            prop_assert_eq!(secret.verify(&taken, body.as_bytes(), AT), Ok(AT));
            // Another letter anywhere but in the last, which holds bits that do not count.
            let mut changed = signature.clone().into_bytes();
            let at = 3 + place % 42;
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let refused = Headers { signature: &changed, ..taken };
            prop_assert_eq!(secret.verify(&refused, body.as_bytes(), AT), Err(SignatureError::NoMatch));
        }
    }
}
