//! Members and tiers over HTTP.

use axum::{body::Body, http::Method};
use memberd_jobs::{
    access::Scope,
    kernel::{Registry, outbox::NewJob},
    sync::FetchObject,
};
use serde_json::{Value, json};

use super::{
    mirror::fill,
    support::{App, request},
};

fn emails(page: &Value) -> Vec<&str> {
    let rows = page["data"].as_array().unwrap();
    rows.iter()
        .map(|row| row["email"].as_str().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn members_are_found_by_every_filter() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    for (query, expected) in [
        ("", vec!["cus_2@example.com", "cus_1@example.com"]),
        ("email=CUS_1@example.com", vec!["cus_1@example.com"]),
        ("email=nobody@example.com", vec![]),
        (
            "foreign_key[key]=stripe&foreign_key[value]=cus_2",
            vec!["cus_2@example.com"],
        ),
        ("status=active", vec!["cus_1@example.com"]),
        ("tier=prod_a", vec!["cus_1@example.com"]),
        ("tier=prod_free", vec!["cus_2@example.com"]),
        ("joined_after=2030-01-01T00:00:00Z", vec![]),
        ("include_deleted=true&limit=1", vec!["cus_2@example.com"]),
    ] {
        let path = format!("/v1/members?{query}").replace('[', "%5B");
        let answer = app.get(&key, &path.replace(']', "%5D")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        assert_eq!(emails(&answer.json()), expected, "{query}");
    }
    for (query, pointer) in [
        ("email=nonsense", "?email"),
        ("foreign_key%5Bkey%5D=stripe", "?foreign_key[value]"),
        ("foreign_key%5Bvalue%5D=cus_1", "?foreign_key[key]"),
        ("include=entitlements,wishes", "?include"),
        ("include_deleted=yes", "?include_deleted"),
        ("status=happy", "?status"),
    ] {
        let answer = app.get(&key, &format!("/v1/members?{query}")).await;
        assert_eq!(answer.code(), "invalid_filter", "{query}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{query}");
    }
}

#[tokio::test]
async fn a_member_is_shown_by_either_id_with_what_belongs_to_her() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let shown = app.get(&key, "/v1/members/ext:stripe:cus_1").await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    let shown = shown.json();
    assert_eq!(shown["tier_id"], "prod_a");
    assert_eq!(
        shown["foreign_keys"],
        json!([{"key": "stripe", "value": "cus_1"}])
    );
    assert_eq!(shown["entitlements"][0]["active"], true);
    let id = shown["id"].as_str().unwrap();
    assert_eq!(
        app.get(&key, &format!("/v1/members/{id}")).await.json(),
        shown
    );
    let listed = app.get(&key, "/v1/members").await.json();
    assert!(listed["data"][1]["entitlements"].is_null());
    assert_eq!(listed["data"][0]["tier_id"], "prod_free");
    let listed = app.get(&key, "/v1/members?include=entitlements").await;
    assert_eq!(
        listed.json()["data"][1]["entitlements"],
        shown["entitlements"]
    );
    let other = app.key("other", &Scope::ALL).await;
    for word in ["ext:stripe:cus_1", "ext:stripe:cus_9", "mem_none", id] {
        for rest in ["", "/access", "/sync"] {
            let answer = app.get(&other, &format!("/v1/members/{word}{rest}")).await;
            assert_eq!(answer.code(), "member_not_found", "{word}{rest}");
        }
    }
    assert!(emails(&app.get(&other, "/v1/members").await.json()).is_empty());
}

#[tokio::test]
async fn access_answers_with_reasons_and_the_age_of_what_is_known() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let ask = async |member: &str, query: &str| {
        let path = format!("/v1/members/ext:stripe:{member}/access{query}");
        app.get(&key, &path).await.json()
    };
    let yes = ask("cus_1", "?product=prod_a").await;
    assert_eq!(yes["allowed"], true);
    assert_eq!(yes["reasons"], json!(["entitled"]));
    assert_eq!(yes["entitlements"][0]["product_id"], "prod_a");
    assert!(yes["synced_age_seconds"].as_f64().unwrap() >= 1.0);
    let no = ask("cus_1", "?product=prod_x").await;
    assert_eq!(
        (&no["allowed"], &no["reasons"]),
        (&json!(false), &json!(["other_product"]))
    );
    assert_eq!(yes["sync_state"], "in_sync");
    assert_eq!(yes["last_event"]["type"], "any.change");
    assert_eq!(yes["pending_events"], 0);
    assert!(yes["next_change_at"].is_null());
    assert_eq!(ask("cus_1", "").await["allowed"], true);
    assert_eq!(ask("cus_2", "").await["allowed"], false);
    let sync = app
        .get(&key, "/v1/members/ext:stripe:cus_1/sync")
        .await
        .json();
    assert_eq!(sync["state"], "in_sync");
    assert_eq!(sync["link_conflicts"], json!([]));
    assert_eq!(sync["customers"][0]["id"], "cus_1");
}

#[tokio::test]
async fn a_tier_can_be_edited_within_bounds() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let tiers = app.get(&key, "/v1/tiers?limit=1").await.json();
    assert_eq!(tiers["data"][0]["id"], "prod_free");
    assert_eq!(tiers["data"][0]["is_default"], true);
    let cursor = tiers["next_cursor"].as_str().unwrap();
    let rest = app.get(&key, &format!("/v1/tiers?cursor={cursor}")).await;
    assert_eq!(rest.json()["data"][0]["benefits"], json!(["Early access"]));

    let patch = async |id: &str, body: Value| {
        let path = format!("/v1/tiers/{id}");
        app.write(Method::PATCH, &key, &path, &body).await
    };
    let body = json!({"is_default": true, "benefits": ["Mail", "Chat"]});
    let edited = patch("prod_a", body).await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    assert_eq!(edited.json()["benefits"], json!(["Mail", "Chat"]));
    let listed = app.get(&key, "/v1/tiers").await.json();
    assert_eq!(listed["data"][0]["is_default"], false);
    let too_many: Vec<_> = (0..51).map(|n| n.to_string()).collect();
    for wrong in [
        json!({"benefits": [""]}),
        json!({"benefits": too_many}),
        json!({"names": "x"}),
    ] {
        assert_eq!(patch("prod_a", wrong).await.status, 400);
    }
    assert_eq!(patch("prod_none", json!({})).await.status, 404);
}

#[tokio::test]
async fn access_is_granted_once_shown_and_taken_back() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app
        .key("default", &[Scope::AccessGrant, Scope::MembersRead])
        .await;
    let path = "/v1/members/ext:stripe:cus_2/grants";
    let body = json!({"product_id": "prod_a", "kind": "gift", "external_reference": "order-1", "note": "thanks"});
    let first = app.post(&key, path, &body).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let grant = first.json();
    assert_eq!(
        (&grant["active"], &grant["until"]),
        (&json!(true), &Value::Null)
    );
    let again = app.post(&key, path, &body).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, grant.clone()));
    let other = json!({"product_id": "prod_free", "external_reference": "order-1"});
    let refused = app.post(&key, path, &other).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (422, "idempotency_key_reused".to_owned())
    );
    let access = app
        .get(&key, "/v1/members/ext:stripe:cus_2/access?product=prod_a")
        .await
        .json();
    assert_eq!(
        (&access["allowed"], &access["reasons"]),
        (&json!(true), &json!(["gift"]))
    );
    let listed = app.get(&key, path).await.json();
    assert_eq!(listed["data"], json!([grant]));
    let held = async || {
        let member = app.get(&key, "/v1/members/ext:stripe:cus_2").await.json();
        member["entitlements"].as_array().unwrap().len()
    };
    assert_eq!(held().await, 1);

    let id = grant["id"].as_str().unwrap();
    let revoked = app
        .write(Method::DELETE, &key, &format!("{path}/{id}"), &json!({}))
        .await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    assert_eq!(revoked.json()["active"], false);
    let access = app
        .get(&key, "/v1/members/ext:stripe:cus_2/access?product=prod_a")
        .await
        .json();
    assert_eq!(access["reasons"], json!(["grant_revoked"]));
    assert_eq!(
        held().await,
        0,
        "only what she may use now is shown with her"
    );
    let hers = format!("/v1/members/ext:stripe:cus_1/grants/{id}");
    let missing = app.write(Method::DELETE, &key, &hers, &json!({})).await;
    assert_eq!(missing.code(), "not_found");
}

#[tokio::test]
async fn a_subscription_that_is_over_may_go_on_here() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let shown = async || {
        let answer = app.get(&key, "/v1/subscriptions/sub_1").await.json();
        (answer["status"].clone(), answer["extended"].clone())
    };
    assert_eq!(shown().await, (json!("active"), Value::Null));
    let over = json!({"id": "sub_1", "object": "subscription", "created": 1_760_000_100, "customer": "cus_1",
        "status": "canceled", "start_date": 1_760_000_100, "ended_at": 1_760_000_300,
        "items": {"data": [{"id": "si_1", "price": {"id": "price_1", "product": "prod_a", "currency": "usd"}}]}});
    app.db.stripe.put(&over);
    let fetch = FetchObject {
        object_type: "subscription".to_owned(),
        id: "sub_1".to_owned(),
        run: None,
    };
    app.db.enqueue(NewJob::of("default", &fetch).unwrap()).await;
    app.db.drain(&Registry::of(memberd_jobs::FAMILIES)).await;
    let path = "/v1/members/ext:stripe:cus_1/grants";
    let body = json!({"product_id": "prod_a", "kind": "extension", "subscription_id": "sub_1",
        "until": "2099-01-01T00:00:00Z"});
    let grant = app.post(&key, path, &body).await.json();
    let extended =
        json!({"grant_id": grant["id"], "product_id": "prod_a", "until": "2099-01-01T00:00:00Z"});
    assert_eq!(shown().await, (json!("canceled"), extended));
    let access = "/v1/members/ext:stripe:cus_1/access?product=prod_a";
    assert_eq!(
        app.get(&key, access).await.json()["reasons"],
        json!(["extended"])
    );
    let revoke = format!("{path}/{}", grant["id"].as_str().unwrap());
    app.write(Method::DELETE, &key, &revoke, &json!({})).await;
    assert_eq!(shown().await, (json!("canceled"), Value::Null));
    assert_eq!(
        app.get(&key, access).await.json()["reasons"],
        json!(["canceled", "grant_revoked"])
    );
}

#[tokio::test]
async fn the_same_key_gives_one_grant() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.key("default", &[Scope::AccessGrant]).await;
    let give = async |body: Value| {
        let path = "/v1/members/ext:stripe:cus_2/grants";
        let request = request(Method::POST, path, &key)
            .header("content-type", "application/json")
            .header("idempotency-key", "once");
        app.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    };
    let first = give(json!({"product_id": "prod_a"})).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let again = give(json!({"product_id": "prod_a"})).await;
    assert_eq!((again.status, again.text), (first.status, first.text));
    assert_eq!(app.db.count("grants").await, 1);
    let other = give(json!({"product_id": "prod_free"})).await;
    assert_eq!(other.code(), "idempotency_key_reused");
}

#[tokio::test]
async fn a_grant_that_makes_no_sense_is_refused_with_its_field() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    for (body, status, code, pointer) in [
        (
            json!({"product_id": "prod_typo"}),
            422,
            "invalid_tier",
            "#/product_id",
        ),
        (
            json!({"product_id": "prod_a", "until": "2001-01-01T00:00:00Z"}),
            422,
            "invalid_request",
            "#/until",
        ),
        (
            json!({"product_id": "prod_a", "kind": "extension"}),
            422,
            "invalid_request",
            "#/subscription_id",
        ),
        (
            json!({"product_id": "prod_a", "kind": "bribe"}),
            400,
            "invalid_request",
            "#/kind",
        ),
        (
            json!({"product_id": "prod_a", "untill": null}),
            400,
            "unknown_field",
            "#/untill",
        ),
        (
            json!({"product_id": "prod_a", "external_reference": ""}),
            400,
            "invalid_request",
            "#/external_reference",
        ),
    ] {
        let answer = app
            .post(&key, "/v1/members/ext:stripe:cus_1/grants", &body)
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{body}"
        );
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let nobody = app
        .post(
            &key,
            "/v1/members/mem_none/grants",
            &json!({"product_id": "prod_a"}),
        )
        .await;
    assert_eq!(nobody.code(), "member_not_found");
}

#[tokio::test]
async fn what_people_should_look_at_is_listed() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    for path in ["/v1/sync/conflicts", "/v1/sync/flags?kind=foreign_product"] {
        let answer = app.get(&key, path).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["data"]),
            (200, &json!([])),
            "{path}"
        );
    }
    assert_eq!(app.get(&key, "/v1/sync").await.json()["link_conflicts"], 0);
    assert_eq!(app.get(&key, "/v1/sync/flags").await.status, 400);
    assert_eq!(
        app.get(&key, "/v1/sync/flags?kind=odd").await.code(),
        "invalid_filter"
    );
}
