//! The signature of a webhook: who sent these bytes, and when.
//!
//! The header is `Stripe-Signature: t=<Unix seconds>,v1=<hex>,v1=<hex>`; a `v1` is the HMAC-SHA256 of
//! `<t>.<raw body>` under an endpoint's secret. While a secret is being rolled Stripe signs with the old and the new
//! one, and we hold both. Source: <https://docs.stripe.com/webhooks#verify-manually>.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use memberd_jobs::kernel::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// The name of the header.
pub const HEADER: &str = "stripe-signature";

/// The oldest, and the furthest future, signature that is accepted unless configured: Stripe's own default.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// Most `v1` entries of a header. Stripe sends one for each active secret, of which there are two at most.
const SIGNATURES_MAX: usize = 8;

/// Why a webhook is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no `Stripe-Signature` header.
    #[error("the header stripe-signature is missing")]
    Missing,
    /// The header is not of the form `t=…,v1=…`.
    #[error("the header stripe-signature is malformed: expected t=<seconds>,v1=<hex>")]
    Malformed,
    /// No signature was made with one of our secrets.
    #[error("no v1 signature matches: check that the endpoint's signing secret is configured")]
    NoMatch,
    /// The signature is right, but was made at another time: a replay, or a clock that is wrong.
    #[error("the signature was made {0:?} away from now: check this machine's clock")]
    Expired(Duration),
}

/// Checks a webhook's raw body and answers when it was signed.
///
/// Every signature is compared with every secret, in constant time, so that the time taken tells nothing.
///
/// # Errors
/// See [`SignatureError`]. A wrong time is reported only for a signature that matched.
pub fn verify(
    header: Option<&[u8]>,
    body: &[u8],
    secrets: &[SecretString],
    now: Timestamp,
    tolerance: Duration,
) -> Result<Timestamp, SignatureError> {
    let header = header.ok_or(SignatureError::Missing)?;
    let signed = parse(header).ok_or(SignatureError::Malformed)?;
    let mut matches = Choice::from(0);
    // An empty secret would be one that everybody knows.
    for secret in usable(secrets) {
        let Some(mac) = mac(secret, signed.time.as_bytes(), body) else {
            continue;
        };
        let expected = hex::encode(mac);
        for given in &signed.signatures {
            matches |= expected.as_bytes().ct_eq(given.as_bytes());
        }
    }
    if !bool::from(matches) {
        return Err(SignatureError::NoMatch);
    }
    // The header has whole seconds, so whole seconds are compared.
    let away = Duration::from_secs(now.seconds().abs_diff(signed.at.seconds()));
    if away > tolerance {
        return Err(SignatureError::Expired(away));
    }
    Ok(signed.at)
}

/// The secrets that can tell friend from foe.
pub fn usable(secrets: &[SecretString]) -> impl Iterator<Item = &SecretString> {
    secrets
        .iter()
        .filter(|secret| !secret.expose_secret().trim().is_empty())
}

/// The header's content.
struct Signed<'a> {
    /// The time as it stands there: the text is what was signed.
    time: &'a str,
    at: Timestamp,
    signatures: Vec<&'a str>,
}

fn parse(header: &[u8]) -> Option<Signed<'_>> {
    let header = str::from_utf8(header).ok()?;
    let mut time = None;
    let mut signatures = Vec::new();
    for entry in header.split(',') {
        let (scheme, value) = entry.split_once('=')?;
        let value = value.trim();
        match scheme.trim() {
            // Two times: which one was signed?
            "t" if time.is_some() => return None,
            "t" => time = Some(value),
            "v1" => signatures.push(value),
            _ => {}
        }
    }
    let time = time.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let at = Timestamp::from_seconds(time.parse().ok()?);
    (1..=SIGNATURES_MAX)
        .contains(&signatures.len())
        .then_some(Signed {
            time,
            at,
            signatures,
        })
}

/// `None` is for MACs that want keys of one length; HMAC takes every key.
fn mac(secret: &SecretString, time: &[u8], body: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(time);
    mac.update(b".");
    mac.update(body);
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &str = r#"{"id":"evt_1","object":"event"}"#;
    /// Made with Python's hmac module: `whsec_first`, 1768473000 and [`BODY`].
    const FIRST: &str = "ebc5e12a7a1640be20cb91bd5ece4b0457835782c6a31e5ca59113b3391a9de1";
    /// The same with `whsec_second`.
    const SECOND: &str = "fa4e916fe8fd1424c6330b304c19b60aa8585118a180fc6fcbee3ad34b8234b1";
    const AT: Timestamp = Timestamp(1_768_473_000_000);

    fn secrets(names: &[&str]) -> Vec<SecretString> {
        names.iter().map(|name| SecretString::from(*name)).collect()
    }

    fn check(header: &str, body: &str, names: &[&str]) -> Result<Timestamp, SignatureError> {
        verify(
            Some(header.as_bytes()),
            body.as_bytes(),
            &secrets(names),
            AT,
            TOLERANCE,
        )
    }

    #[test]
    fn signatures_made_elsewhere_are_accepted() {
        let zoe = "d8200709b4e3b87b5206781bd8328741f24fc032c90c94d95c790e5a3ccc674b";
        let empty = "02e6a1df2bab8d0bf0507fb5d28c874849a32155e10d9790f6b9ea93470a1907";
        for (body, signature) in [(BODY, FIRST), (r#"{"name":"Zoë"}"#, zoe), ("", empty)] {
            let header = format!("t=1768473000,v1={signature}");
            assert_eq!(check(&header, body, &["whsec_first"]), Ok(AT), "{body}");
        }
    }

    #[test]
    fn any_order_any_spaces_any_other_scheme() {
        for header in [
            format!("t=1768473000,v1={FIRST},v0=00"),
            format!("v1={FIRST},t=1768473000"),
            format!(" t = 1768473000 , v1 = {FIRST} "),
            format!("v2=later,t=1768473000,v1={SECOND},v1={FIRST}"),
            format!("t=1768473000,v1=nonsense,v1={FIRST}"),
        ] {
            assert_eq!(check(&header, BODY, &["whsec_first"]), Ok(AT), "{header}");
        }
    }

    #[test]
    fn every_signature_is_tried_with_every_secret() {
        let both = ["whsec_old", "whsec_second"];
        let header = format!("t=1768473000,v1={FIRST},v1={SECOND}");
        assert_eq!(check(&header, BODY, &both), Ok(AT));
        let other = check(&header, BODY, &["whsec_old", "whsec_older"]);
        assert_eq!(other, Err(SignatureError::NoMatch));
        assert_eq!(check(&header, BODY, &[]), Err(SignatureError::NoMatch));
    }

    #[test]
    fn an_empty_secret_opens_nothing() {
        let known = mac(&SecretString::from(""), b"1768473000", BODY.as_bytes()).unwrap();
        let header = format!("t=1768473000,v1={}", hex::encode(known));
        assert_eq!(check(&header, BODY, &[""]), Err(SignatureError::NoMatch));
    }

    #[test]
    fn a_malformed_header_is_told_from_a_missing_one() {
        let missing = verify(None, b"", &secrets(&["whsec_first"]), AT, TOLERANCE);
        assert_eq!(missing, Err(SignatureError::Missing));
        let many = format!("t=1768473000{}", format!(",v1={FIRST}").repeat(9));
        for header in [
            "",
            "t=1768473000",
            &format!("v1={FIRST}"),
            &format!("t=,v1={FIRST}"),
            &format!("t=-1768473000,v1={FIRST}"),
            &format!("t=99999999999999999999,v1={FIRST}"),
            &format!("t=1768473000,t=1768473000,v1={FIRST}"),
            &format!("1768473000,{FIRST}"),
            &many,
        ] {
            let answer = check(header, BODY, &["whsec_first"]);
            assert_eq!(answer, Err(SignatureError::Malformed), "{header}");
        }
        let answer = verify(Some(&[0xff, b'=']), b"", &[], AT, TOLERANCE);
        assert_eq!(answer, Err(SignatureError::Malformed));
    }

    #[test]
    fn the_tolerance_reaches_both_ways_and_is_asked_last() {
        let header = format!("t=1768473000,v1={FIRST}");
        let at = |now: Timestamp, names: &[&str]| {
            let names = secrets(names);
            verify(
                Some(header.as_bytes()),
                BODY.as_bytes(),
                &names,
                now,
                TOLERANCE,
            )
        };
        let second = Duration::from_secs(1);
        let ours = ["whsec_first"];
        assert_eq!(at(AT.plus(TOLERANCE), &ours), Ok(AT));
        assert_eq!(at(AT.minus(TOLERANCE), &ours), Ok(AT));
        let away = TOLERANCE + second;
        for now in [AT.plus(away), AT.minus(away)] {
            assert_eq!(at(now, &ours), Err(SignatureError::Expired(away)));
            assert_eq!(at(now, &["whsec_x"]), Err(SignatureError::NoMatch));
        }
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_refused(place in 0..10_000_usize, bit in 0..8_u32, part in 0..3_u8) {
            let mut parts = [b"1768473000".to_vec(), FIRST.as_bytes().to_vec(), BODY.as_bytes().to_vec()];
            let changed = &mut parts[usize::from(part)];
            let place = place % changed.len();
            changed[place] ^= 1 << bit;
            let header = [b"t=", &parts[0][..], b",v1=", &parts[1]].concat();
            let ours = secrets(&["whsec_first"]);
            // A tolerance without end, so that only the signature can refuse.
            let answer = verify(Some(&header), &parts[2], &ours, AT, Duration::MAX);
            prop_assert!(
                matches!(answer, Err(SignatureError::NoMatch | SignatureError::Malformed)),
                "{answer:?}"
            );
        }

        #[test]
        fn any_header_is_answered(header in proptest::collection::vec(any::<u8>(), 0..200)) {
            let answer = verify(Some(&header), b"{}", &secrets(&["whsec_first"]), AT, TOLERANCE);
            prop_assert!(answer.is_err());
        }
    }
}
