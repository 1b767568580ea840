//! Tokens that are good, and every way in which one is not.

mod fetched;
mod refused;
mod sign;

use std::{collections::BTreeMap, time::Duration};

use jsonwebtoken::Algorithm;
use memberd_jobs::{
    access::{Scope, Scopes},
    kernel::Timestamp,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{IssuerOptions, Issuers, Refusal, Role, Set, Source, Token};
use sign::Pair;

const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "memberd";
const NOW: i64 = 1_800_000_000;

fn roles() -> BTreeMap<String, Role> {
    let role = |scopes: &[Scope], needs_creator| Role {
        scopes: scopes.iter().copied().collect(),
        needs_creator,
    };
    let all = [
        ("content_creator", role(&[Scope::MembersRead], true)),
        (
            "marketing",
            role(&[Scope::MembersRead, Scope::CampaignsWrite], false),
        ),
        ("system_admin", role(&[Scope::JobsRead], false)),
    ];
    all.map(|(name, role)| (name.to_owned(), role)).into()
}

fn options(source: Source, algorithms: &[Algorithm]) -> IssuerOptions {
    IssuerOptions {
        id: "login".to_owned(),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        organization: "default".to_owned(),
        algorithms: algorithms.to_vec(),
        source,
        age_max: Duration::from_hours(1),
        roles_claim: "roles".to_owned(),
        creator_claim: "creator_id".to_owned(),
    }
}

/// An issuer with the public keys of these pairs.
fn issuers(pairs: &[&Pair]) -> Issuers {
    let set = Set::parse(&sign::set(pairs)).unwrap();
    let algorithms = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256];
    Issuers::new([options(Source::Set(set), &algorithms)], roles()).unwrap()
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "jane@example.com", "iat": NOW, "exp": NOW + 600,
            "roles": ["marketing"] })
}

/// The claims with these in their place; null takes one away.
fn but(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    claims
}

async fn check(issuers: &Issuers, token: &str) -> Result<Token, Refusal> {
    let now = Timestamp::from_seconds(NOW);
    issuers.check(token, now, Instant::now()).await
}

#[tokio::test]
async fn tokens_of_each_algorithm_say_who_calls_and_what_she_may_do() {
    let (ed, ec, rsa) = (Pair::ed("a"), Pair::ec("b"), Pair::rsa("c"));
    let issuers = issuers(&[&ed, &ec, &rsa]);
    for pair in [&ed, &ec, &rsa] {
        let token = check(&issuers, &pair.token(&claims())).await.unwrap();
        assert_eq!(token.organization, "default");
        assert_eq!(
            token.scopes,
            [Scope::MembersRead, Scope::CampaignsWrite]
                .into_iter()
                .collect()
        );
        assert_eq!(token.creator, None);
        // printf '%s\n%s' ISSUER SUBJECT | sha256sum | cut -c1-32
        assert_eq!(token.caller, "jwt:b9818fa3fc243c32401d60257cb8e35c");
    }
    let secret = "a secret of more than 32 bytes, as is demanded";
    let shared = options(Source::Secret(secret.into()), &[Algorithm::HS256]);
    let issuers = Issuers::new([shared], roles()).unwrap();
    let token = Pair::hmac(secret.as_bytes()).token(&claims());
    assert_eq!(
        check(&issuers, &token).await.unwrap().organization,
        "default"
    );
}

#[tokio::test]
async fn roles_add_up_and_unknown_ones_give_nothing() {
    let pair = Pair::ed("a");
    let issuers = issuers(&[&pair]);
    for (said, scopes) in [
        (
            json!(["marketing", "system_admin", "root", 7]),
            "jobs:read members:read campaigns:write",
        ),
        (json!("system_admin  root"), "jobs:read"),
    ] {
        let token = check(&issuers, &pair.token(&but(&json!({ "roles": said }))))
            .await
            .unwrap();
        assert_eq!(token.scopes, Scopes::parse(scopes).unwrap(), "{said}");
    }
    for said in [
        json!(["root"]),
        json!([]),
        json!({}),
        json!(7),
        json!(null),
        json!(""),
    ] {
        let token = pair.token(&but(&json!({ "roles": said })));
        assert_eq!(check(&issuers, &token).await, Err(Refusal::Role), "{said}");
    }
}

#[tokio::test]
async fn a_token_is_narrowed_by_its_creator_and_some_roles_demand_one() {
    let pair = Pair::ed("a");
    let issuers = issuers(&[&pair]);
    for (role, creator, narrowed) in [
        ("marketing", json!("creator_xyz"), Ok(Some("creator_xyz"))),
        (
            "content_creator",
            json!("creator_xyz"),
            Ok(Some("creator_xyz")),
        ),
        ("content_creator", json!(null), Err(Refusal::Creator)),
        (
            "content_creator marketing",
            json!(null),
            Err(Refusal::Creator),
        ),
        // What is no name must not widen the token to everybody.
        ("marketing", json!(7), Err(Refusal::Creator)),
        ("marketing", json!("\0"), Err(Refusal::Creator)),
        ("marketing", json!(""), Err(Refusal::Creator)),
        ("marketing", json!(["creator_xyz"]), Err(Refusal::Creator)),
    ] {
        let claims = but(&json!({ "roles": role, "creator_id": creator }));
        let token = check(&issuers, &pair.token(&claims)).await;
        let said = token.as_ref().map(|token| token.creator.as_deref());
        assert_eq!(said.map_err(|why| *why), narrowed, "{role} {creator}");
    }
}

#[tokio::test]
async fn a_creator_is_read_or_the_token_refused_wherever_the_claim_is() {
    let pair = Pair::ed("a");
    for (claim, said, narrowed) in [
        ("sub", json!({ "sub": "ann" }), Ok(Some("ann"))),
        ("iss", json!({}), Ok(Some(ISSUER))),
        ("exp", json!({}), Err(Refusal::Creator)),
        ("nbf", json!({ "nbf": NOW }), Err(Refusal::Creator)),
        ("aud", json!({ "aud": [AUDIENCE] }), Err(Refusal::Creator)),
        (
            "app.creator",
            json!({ "app": { "creator": "ann" } }),
            Ok(Some("ann")),
        ),
        // Nothing is said of a creator.
        ("app.creator", json!({}), Ok(None)),
        ("app.creator", json!({ "app": {} }), Ok(None)),
        (
            "app.creator",
            json!({ "app": { "creator": null } }),
            Ok(None),
        ),
        // Something is, and cannot be read.
        ("app.creator", json!({ "app": "x" }), Err(Refusal::Creator)),
        ("app.creator", json!({ "app": [] }), Err(Refusal::Creator)),
        (
            "app.creator",
            json!({ "app": false }),
            Err(Refusal::Creator),
        ),
        (
            "app.creator.id",
            json!({ "app": { "creator": "ann" } }),
            Err(Refusal::Creator),
        ),
    ] {
        let source = Source::Set(Set::parse(&sign::set(&[&pair])).unwrap());
        let issuer = IssuerOptions {
            creator_claim: claim.to_owned(),
            ..options(source, &[Algorithm::EdDSA])
        };
        let issuers = Issuers::new([issuer], roles()).unwrap();
        let token = check(&issuers, &pair.token(&but(&said))).await;
        let creator = token.as_ref().map(|token| token.creator.as_deref());
        assert_eq!(creator.map_err(|why| *why), narrowed, "{claim} {said}");
    }
}

#[tokio::test]
async fn claims_may_lie_deeper_and_each_audience_has_its_own_organization() {
    let pair = Pair::ed("a");
    let source = || Source::Set(Set::parse(&sign::set(&[&pair])).unwrap());
    let first = IssuerOptions {
        roles_claim: "realm_access.roles".to_owned(),
        creator_claim: "https://example.com/creator".to_owned(),
        ..options(source(), &[Algorithm::EdDSA])
    };
    let second = IssuerOptions {
        audience: "other".to_owned(),
        organization: "other".to_owned(),
        ..options(source(), &[Algorithm::EdDSA])
    };
    let issuers = Issuers::new([first, second], roles()).unwrap();
    let claims = but(
        &json!({ "aud": ["x", AUDIENCE], "realm_access": { "roles": ["marketing"] },
                              "https://example.com/creator": "ann" }),
    );
    let token = check(&issuers, &pair.token(&claims)).await.unwrap();
    assert_eq!(
        (token.organization.as_str(), token.creator.as_deref()),
        ("default", Some("ann"))
    );
    let token = check(&issuers, &pair.token(&but(&json!({ "aud": "other" }))))
        .await
        .unwrap();
    assert_eq!(
        (token.organization.as_str(), token.creator),
        ("other", None)
    );
}
