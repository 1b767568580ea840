//! Customers, products, prices, accounts, errors and events.

use serde_json::json;

use crate::support::{KEY, OTHER_KEY, START, id, ids, start};

#[tokio::test]
async fn an_update_tells_what_changed_and_what_it_was() {
    let sandbox = start().await;
    let customer = sandbox
        .customer("email=a@example.com&metadata[a]=1&metadata[b]=2")
        .await;
    let path = format!("/v1/customers/{customer}");
    let answer = sandbox
        .post_keyed(
            &path,
            "email=b@example.com&metadata[b]=&metadata[c]=3&address[city]=Lyon",
            "k1",
        )
        .await;
    let request_id = answer.header("request-id").to_owned();
    let now = answer.ok();
    assert_eq!(now["metadata"], json!({"a": "1", "c": "3"}));
    let events = sandbox.events().await;
    assert_eq!(
        sandbox.event_types(0).await,
        ["customer.created", "customer.updated"]
    );
    let event = &events[1].1;
    assert_eq!(event["data"]["object"], now);
    assert_eq!(
        event["data"]["previous_attributes"],
        json!({"email": "a@example.com", "metadata": {"b": "2", "c": null}, "address": null})
    );
    assert_eq!(
        event["request"],
        json!({"id": request_id, "idempotency_key": "k1"})
    );
    assert_eq!(
        (&event["livemode"], &event["created"]),
        (&json!(false), &json!(START))
    );
    assert_eq!(event["api_version"], memberd_sandbox::API_VERSION);
    // The same again changes nothing, so nothing is told.
    sandbox.post(&path, "email=b@example.com").await.ok();
    assert_eq!(sandbox.events().await.len(), 2);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_deleted_customer_is_a_stub_and_its_subscriptions_end_first() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("").await;
    let subscription = id(&sandbox.subscribe(&customer, &price, "").await);
    let skip = sandbox.events().await.len();
    let path = format!("/v1/customers/{customer}");
    let stub = json!({"id": customer, "object": "customer", "deleted": true});
    assert_eq!(sandbox.delete(&path).await.ok(), stub);
    assert_eq!(sandbox.get(&path).await.ok(), stub);
    assert_eq!(
        sandbox.event_types(skip).await,
        ["customer.subscription.deleted", "customer.deleted"]
    );
    let subscription = sandbox
        .get(&format!("/v1/subscriptions/{subscription}"))
        .await
        .ok();
    assert_eq!(
        (&subscription["status"], &subscription["ended_at"]),
        (&json!("canceled"), &json!(START))
    );
    assert_eq!(
        sandbox.post(&path, "name=x").await.error(),
        (404, "resource_missing", "id")
    );
    assert_eq!(
        sandbox.delete(&path).await.error(),
        (404, "resource_missing", "id")
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn products_and_prices_live_by_their_rules() {
    let sandbox = start().await;
    let form = "name=Paper&marketing_features[0][name]=Print&metadata[memberd_default]=true\
        &default_price_data[currency]=EUR&default_price_data[unit_amount]=900\
        &default_price_data[recurring][interval]=year";
    let product = sandbox.post("/v1/products", form).await.ok();
    assert_eq!(product["marketing_features"], json!([{"name": "Print"}]));
    let price = sandbox
        .get(&format!(
            "/v1/prices/{}",
            product["default_price"].as_str().unwrap()
        ))
        .await
        .ok();
    assert_eq!(
        (&price["currency"], &price["recurring"]["interval"]),
        (&json!("eur"), &json!("year"))
    );
    let path = format!("/v1/products/{}", id(&product));
    assert_eq!(sandbox.delete(&path).await.status, 400);
    sandbox.advance(60).await;
    let archived = sandbox.post(&path, "active=false").await.ok();
    assert_eq!(archived["updated"], json!(START + 60));
    assert_eq!(
        ids(&sandbox.get("/v1/products?active=true").await.ok()),
        Vec::<String>::new()
    );
    let empty = id(&sandbox.post("/v1/products", "name=Empty").await.ok());
    sandbox.delete(&format!("/v1/products/{empty}")).await.ok();
    assert_eq!(
        sandbox.get(&format!("/v1/products/{empty}")).await.error(),
        (404, "resource_missing", "id")
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn errors_have_stripes_shape_and_status() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("").await;
    let mail = format!("/v1/customers/{customer}");
    for (path, form, expected) in [
        ("/v1/customers/cus_no", "", (404, "resource_missing", "id")),
        (&mail, "email=nonsense", (400, "email_invalid", "email")),
        (
            "/v1/products",
            "description=x",
            (400, "parameter_missing", "name"),
        ),
        (
            "/v1/prices",
            "product=prod_no&currency=usd",
            (400, "resource_missing", "product"),
        ),
        (
            "/v1/customers",
            "nmae=x",
            (400, "parameter_unknown", "nmae"),
        ),
        (
            "/v1/customers",
            "metadata[a][b]=x",
            (400, "", "metadata[a]"),
        ),
        (
            "/v1/subscriptions",
            "items[0][price]=p",
            (400, "parameter_missing", "customer"),
        ),
        (
            "/v1/subscriptions",
            &format!("customer={customer}"),
            (400, "parameter_missing", "items"),
        ),
        (
            "/v1/subscriptions",
            &format!("customer={customer}&items[0][price]=price_no"),
            (400, "resource_missing", "items[0][price]"),
        ),
        (
            "/v1/subscriptions",
            &format!("customer={customer}&items[0][price]={price}&items[0][colour]=red"),
            (400, "parameter_unknown", "items[0][colour]"),
        ),
        ("/v1/nothing", "", (404, "", "")),
    ] {
        let answer = sandbox.post(path, form).await;
        assert_eq!(answer.error(), expected, "{path} {form}");
        assert_eq!(answer.json["error"]["type"], "invalid_request_error");
        assert!(answer.header("request-id").starts_with("req_"));
    }
    let wrong_key = sandbox
        .try_send(sandbox.request("GET", "/v1/customers", "sk_wrong", ""))
        .await
        .unwrap();
    assert_eq!(wrong_key.error(), (401, "", ""));
    sandbox.stop().await;
}

#[tokio::test]
async fn errors_say_what_stripes_say() {
    let sandbox = start().await;
    let customer = sandbox.customer("metadata[sandbox_card]=fails").await;
    let price = sandbox.price(500, "month").await;
    let subscription =
        format!("customer={customer}&items[0][price]={price}&payment_behavior=error_if_incomplete");
    for (path, form, message) in [
        ("/v1/customers/cus_no", "", "No such customer: 'cus_no'"),
        (
            "/v1/customers",
            "nmae=x",
            "Received unknown parameter: nmae",
        ),
        ("/v1/products", "", "Missing required param: name."),
        (
            "/v1/nothing",
            "",
            "Unrecognized request URL (POST: /v1/nothing).",
        ),
    ] {
        let error = sandbox.post(path, form).await.json["error"].clone();
        assert_eq!(error["message"], message);
        assert_eq!(error.get("decline_code"), None);
    }
    let declined = sandbox.post("/v1/subscriptions", &subscription).await;
    assert_eq!(declined.json["error"]["type"], "card_error");
    assert_eq!(declined.json["error"]["decline_code"], "generic_decline");
    sandbox.stop().await;
}

#[tokio::test]
async fn every_answer_carries_stripes_clock_and_version() {
    let sandbox = start().await;
    sandbox.advance(3_600).await;
    let answer = sandbox.get("/v1/account").await;
    assert_eq!(answer.header("date"), "Thu, 01 Oct 2026 01:00:00 GMT");
    assert_eq!(
        answer.header("stripe-version"),
        memberd_sandbox::API_VERSION
    );
    assert_eq!(answer.ok()["id"], "acct_1SandboxFirst0001");
    assert_eq!(
        sandbox.get("/v1/customers/cus_no").await.header("date"),
        "Thu, 01 Oct 2026 01:00:00 GMT"
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let sandbox = start().await;
    let customer = sandbox.customer("email=a@example.com").await;
    let other = |path: &str| sandbox.request("GET", path, OTHER_KEY, "");
    let seen = sandbox
        .try_send(other(&format!("/v1/customers/{customer}")))
        .await
        .unwrap();
    assert_eq!(seen.error(), (404, "resource_missing", "id"));
    for path in ["/v1/customers", "/v1/events"] {
        let list = sandbox.try_send(other(path)).await.unwrap().ok();
        assert_eq!(ids(&list), Vec::<String>::new(), "{path}");
    }
    let foreign = sandbox
        .try_send(
            sandbox
                .request("GET", "/v1/account", KEY, "")
                .header("stripe-account", "acct_x"),
        )
        .await
        .unwrap();
    assert_eq!(foreign.status, 403);
    sandbox.stop().await;
}

#[tokio::test]
async fn ids_are_expanded_where_asked() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("name=Ada").await;
    sandbox.subscribe(&customer, &price, "").await;
    let list = sandbox
        .get("/v1/subscriptions?expand[]=data.customer&expand[]=data.latest_invoice.customer")
        .await
        .ok();
    assert_eq!(list["data"][0]["customer"]["name"], "Ada");
    assert_eq!(
        list["data"][0]["latest_invoice"]["customer"]["id"],
        json!(customer)
    );
    let codes = "/v1/promotion_codes?code=HELLO25&expand[]=data.promotion.coupon";
    sandbox
        .post_json("/stripe/world", &json!({"members": 1}))
        .await
        .ok();
    let code = sandbox.get(codes).await.ok()["data"][0].clone();
    assert_eq!(code["promotion"]["coupon"]["percent_off"], 25);
    let wrong = sandbox.get("/v1/subscriptions?expand[]=data.owner").await;
    assert_eq!(wrong.error(), (400, "", "expand"));
    sandbox.stop().await;
}
