//! Tokens that are not taken.

use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    NOW, Pair, but, check, claims, issuers, options, roles,
    sign::{set, text},
};
use crate::jwt::{Issuers, Refusal, Set, Source, TOKEN_BYTES_MAX};

#[tokio::test]
async fn claims_that_are_missing_or_of_another_type_are_refused() {
    let pair = Pair::ed("a");
    let issuers = issuers(&[&pair]);
    for name in ["iss", "aud", "sub", "iat", "exp"] {
        for value in [json!(null), json!({}), json!(true), json!([7])] {
            let token = pair.token(&but(&json!({ (name): value })));
            assert_eq!(
                check(&issuers, &token).await,
                Err(Refusal::Malformed),
                "{name} {value}"
            );
        }
    }
    for (name, value) in [
        ("exp", json!("1900000000")),
        ("nbf", json!("0")),
        ("iat", json!("0")),
        ("exp", json!(1.5e30)),
    ] {
        let token = pair.token(&but(&json!({ (name): value })));
        assert_eq!(
            check(&issuers, &token).await,
            Err(Refusal::Malformed),
            "{name} {value}"
        );
    }
}

#[tokio::test]
async fn a_token_holds_for_its_time_with_a_minute_between_the_clocks() {
    let pair = Pair::ed("a");
    let issuers = issuers(&[&pair]);
    for (changes, refusal) in [
        (json!({ "exp": NOW - 59 , "iat": NOW - 600 }), None),
        (
            json!({ "exp": NOW - 60 , "iat": NOW - 600 }),
            Some(Refusal::Expired),
        ),
        (json!({ "exp": 0, "iat": 0 }), Some(Refusal::Expired)),
        (json!({ "nbf": NOW + 60 }), None),
        (json!({ "nbf": NOW + 61 }), Some(Refusal::NotYet)),
        (json!({ "iat": NOW + 60 }), None),
        (json!({ "iat": NOW + 61 }), Some(Refusal::NotYet)),
        (json!({ "exp": NOW + 3_600 }), None),
        (json!({ "exp": NOW + 3_601 }), Some(Refusal::TooLong)),
        (
            json!({ "exp": i64::MAX, "iat": i64::MIN }),
            Some(Refusal::TooLong),
        ),
    ] {
        let token = check(&issuers, &pair.token(&but(&changes))).await;
        assert_eq!(token.err(), refusal, "{changes}");
    }
}

#[tokio::test]
async fn tokens_of_others_and_for_others_are_refused() {
    let pair = Pair::ed("a");
    let issuers = issuers(&[&pair]);
    for changes in [
        json!({ "iss": "https://login.example.com/" }),
        json!({ "aud": "another" }),
        json!({ "aud": ["another"] }),
        json!({ "aud": [] }),
    ] {
        let token = pair.token(&but(&changes));
        assert_eq!(
            check(&issuers, &token).await,
            Err(Refusal::Issuer),
            "{changes}"
        );
    }
}

#[tokio::test]
async fn only_the_issuers_key_with_its_own_algorithm_signs() {
    let (ed, ec, rsa, other) = (
        Pair::ed("ed"),
        Pair::ec("ec"),
        Pair::rsa("rsa"),
        Pair::ed("ed"),
    );
    let all = [&ed, &ec, &rsa];
    let issuers = issuers(&all);
    let with = |pair: &Pair, name: &str, value: Value| {
        let mut header = pair.header();
        header[name] = value;
        pair.token_with(&header, &claims())
    };
    let mut without_id = ed.header();
    without_id.as_object_mut().unwrap().remove("kid");
    let mut refused = vec![
        // Somebody else's key under the id of ours, also when the header brings it along.
        other.token(&claims()),
        with(&other, "jwk", other.jwk()),
        with(&other, "jku", json!("https://attacker.example.com/keys")),
        // An id that is not there, and that of a key of another kind.
        with(&ed, "kid", json!("nobody")),
        with(&ed, "kid", json!("rsa")),
    ];
    // A public key is no secret for HMAC, and none of another algorithm.
    for pair in all {
        for algorithm in [
            "HS256", "HS512", "RS512", "PS256", "ES384", "RS256", "ES256", "EdDSA",
        ] {
            let forged = Pair::hmac(&pair.public());
            let mut header = pair.header();
            header["alg"] = json!(algorithm);
            refused.push(forged.token_with(&header, &claims()));
        }
    }
    for token in &refused {
        assert_eq!(
            check(&issuers, token).await,
            Err(Refusal::Signature),
            "{token}"
        );
    }
    // One key of its kind needs no id.
    assert!(
        check(&issuers, &ed.token_with(&without_id, &claims()))
            .await
            .is_ok()
    );
    let two = super::issuers(&[&ed, &Pair::ed("second")]);
    let token = ed.token_with(&without_id, &claims());
    assert_eq!(check(&two, &token).await, Err(Refusal::Signature));
}

/// Also where somebody has allowed both kinds for one set of keys, which the configuration refuses.
#[tokio::test]
async fn a_public_key_never_becomes_a_secret() {
    let (ed, rsa) = (Pair::ed("ed"), Pair::rsa("rsa"));
    let keys = Set::parse(&set(&[&ed, &rsa])).unwrap();
    let both = options(
        Source::Set(keys),
        &[Algorithm::HS256, Algorithm::RS256, Algorithm::EdDSA],
    );
    let issuers = Issuers::new([both], roles()).unwrap();
    for pair in [&ed, &rsa] {
        let mut header = pair.header();
        header["alg"] = json!("HS256");
        let token = Pair::hmac(&pair.public()).token_with(&header, &claims());
        assert_eq!(check(&issuers, &token).await, Err(Refusal::Signature));
    }
    let shared = options(
        Source::Secret("0123456789abcdef0123456789abcdef".into()),
        &[Algorithm::HS256, Algorithm::RS256],
    );
    let issuers = Issuers::new([shared], roles()).unwrap();
    assert_eq!(
        check(&issuers, &rsa.token(&claims())).await,
        Err(Refusal::Signature)
    );
}

#[tokio::test]
async fn what_is_not_signed_cut_or_changed_is_refused() {
    let pair = Pair::ed("a");
    let issuers = issuers(&[&pair]);
    let good = pair.token(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let none = text(json!({ "alg": "none" }).to_string());
    let mine = text(but(&json!({ "roles": ["system_admin"] })).to_string());
    let crit = json!({ "alg": "EdDSA", "kid": "a", "crit": ["b64"], "b64": false });
    let long = but(&json!({ "filler": "x".repeat(TOKEN_BYTES_MAX) }));
    for (token, refusal) in [
        (format!("{none}.{}.", parts[1]), Refusal::Malformed),
        (
            format!("{none}.{}.{}", parts[1], parts[2]),
            Refusal::Malformed,
        ),
        (format!("{}.{}.", parts[0], parts[1]), Refusal::Signature),
        (
            format!("{}.{mine}.{}", parts[0], parts[2]),
            Refusal::Signature,
        ),
        (
            format!("{}.{}.{}", parts[0], parts[1], &parts[2][4..]),
            Refusal::Signature,
        ),
        (format!("{}.{}", parts[0], parts[1]), Refusal::Malformed),
        (format!("{good}.x"), Refusal::Malformed),
        ("..".to_owned(), Refusal::Malformed),
        (pair.token_with(&crit, &claims()), Refusal::Malformed),
        (pair.token(&long), Refusal::Malformed),
        (
            pair.token_with(&pair.header(), &json!([1])),
            Refusal::Malformed,
        ),
    ] {
        assert_eq!(check(&issuers, &token).await, Err(refusal), "{token}");
    }
    assert!(check(&issuers, &good).await.is_ok());
}

#[test]
fn a_set_has_keys_for_signatures_of_kinds_that_are_known() {
    let (ed, ec, rsa) = (Pair::ed("a"), Pair::ec("b"), Pair::rsa("c"));
    let with = |name: &str, value: Value| {
        let mut key = ed.jwk();
        key[name] = value;
        key
    };
    for odd in [
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "s" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
        with("use", json!("enc")),
        with("alg", json!("Ed448")),
        with("x", json!("!")),
        json!(7),
    ] {
        let alone = json!({ "keys": [odd] }).to_string();
        assert!(Set::parse(&alone).is_err(), "{odd}");
        let beside = json!({ "keys": [odd, ec.jwk(), rsa.jwk()] }).to_string();
        assert!(Set::parse(&beside).is_ok(), "{odd}");
    }
    for wrong in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}"] {
        assert!(Set::parse(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_check(texts in proptest::collection::vec("\\PC{0,40}", 1..5), raw in "\\PC{0,80}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let pair = Pair::ed("a");
        let issuers = issuers(&[&pair]);
        let parts: Vec<String> = texts.iter().map(text).collect();
        for token in [raw, texts.join("."), parts.join(".")] {
            prop_assert!(runtime.block_on(check(&issuers, &token)).is_err());
        }
    }
}
