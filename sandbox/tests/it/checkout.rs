//! Checkout pages, what is sold on them, and what is given back.

use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::{
    billing_support::events_add_up_to_the_truth,
    support::{DAY, START, Sandbox, id, ids, start},
};

const PAGES: &str = "/v1/checkout/sessions";

/// The form of a page that sells a price.
fn form(mode: &str, price: &str, rest: &str) -> String {
    format!(
        "mode={mode}&line_items[0][price]={price}&line_items[0][quantity]=2\
         &success_url=https://example.com/in?s={{CHECKOUT_SESSION_ID}}{rest}"
    )
}

pub(crate) async fn open(sandbox: &Sandbox, mode: &str, price: &str, rest: &str) -> Value {
    sandbox.post(PAGES, &form(mode, price, rest)).await.ok()
}

pub(crate) async fn visit(sandbox: &Sandbox, session: &Value, more: Value) -> Value {
    let mut body = json!({"session": session["id"]});
    let fields = body.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    sandbox.post_json("/stripe/checkout", &body).await.ok()
}

/// A price for once.
pub(crate) async fn once(sandbox: &Sandbox) -> String {
    let product = id(&sandbox.post("/v1/products", "name=Mug").await.ok());
    let form = format!("product={product}&currency=usd&unit_amount=700");
    id(&sandbox.post("/v1/prices", &form).await.ok())
}

/// What a browser sees: the status, where it is sent, and the page.
async fn browse(sandbox: &Sandbox, method: &str, path: &str, form: &str) -> (u16, String, String) {
    let browser = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none());
    let request = browser
        .build()
        .unwrap()
        .request(method.parse().unwrap(), format!("{}{path}", sandbox.base))
        .body(form.to_owned());
    let answer = request.send().await.unwrap();
    let to = answer.headers().get("location");
    let to = to.map_or("", |to| to.to_str().unwrap()).to_owned();
    (answer.status().as_u16(), to, answer.text().await.unwrap())
}

#[tokio::test]
async fn a_paid_page_makes_a_subscription() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox
        .customer("email=ada@example.com&metadata[sandbox_card]=missing")
        .await;
    let more = format!(
        "&customer={customer}&client_reference_id=mem_1&metadata[a]=b\
         &subscription_data[metadata][from]=page&cancel_url=https://example.com/out"
    );
    let session = open(&sandbox, "subscription", &price, &more).await;
    assert_eq!(
        [
            &session["status"],
            &session["payment_status"],
            &session["subscription"]
        ],
        [&json!("open"), &json!("unpaid"), &json!(null)]
    );
    assert_eq!(session["amount_total"], json!(1_000));
    assert_eq!(session["expires_at"], json!(START + 86_400));
    let skip = sandbox.events().await.len();
    let declined = visit(&sandbox, &session, json!({"card": "fails"})).await;
    assert_eq!(
        (&declined["outcome"], &declined["session"]),
        (&json!("declined"), &session)
    );
    assert_eq!(sandbox.events().await.len(), skip);

    let paid = visit(&sandbox, &session, json!({})).await;
    assert_eq!(paid["outcome"], "paid");
    let now = sandbox.get(&format!("{PAGES}/{}", id(&session))).await.ok();
    assert_eq!(paid["session"], now);
    assert_eq!(
        [&now["status"], &now["payment_status"], &now["url"]],
        [&json!("complete"), &json!("paid"), &json!(null)]
    );
    assert_eq!(now["customer_details"]["email"], "ada@example.com");
    let path = format!(
        "/v1/subscriptions/{}",
        now["subscription"].as_str().unwrap()
    );
    let made = sandbox.get(&path).await.ok();
    assert_eq!(
        [&made["status"], &made["customer"], &made["latest_invoice"]],
        [&json!("active"), &json!(customer), &now["invoice"]]
    );
    assert_eq!(made["items"]["data"][0]["quantity"], json!(2));
    assert_eq!(made["metadata"], json!({"from": "page"}));
    assert!(made["default_payment_method"].is_string());
    let told = sandbox.event_types(skip).await;
    assert_eq!(told.last().unwrap(), "checkout.session.completed");
    assert!(told.contains(&"invoice.paid".to_owned()), "{told:?}");
    let twice = json!({"session": session["id"]});
    assert_eq!(
        sandbox.post_json("/stripe/checkout", &twice).await.status,
        400
    );
    let filtered = sandbox
        .get(&format!("{PAGES}?subscription={}", id(&made)))
        .await
        .ok();
    assert_eq!(ids(&filtered), [id(&session)]);
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn guests_buy_for_once_and_become_customers() {
    let sandbox = start().await;
    let price = once(&sandbox).await;
    let session = open(&sandbox, "payment", &price, "").await;
    let typed = json!({"email": "guest@example.com", "name": "Guest"});
    let paid = visit(&sandbox, &session, typed).await["session"].clone();
    let customer = paid["customer"].as_str().unwrap();
    let owner = sandbox.get(&format!("/v1/customers/{customer}")).await.ok();
    assert_eq!(
        (&owner["email"], &owner["name"]),
        (&json!("guest@example.com"), &json!("Guest"))
    );
    let intent = paid["payment_intent"].as_str().unwrap().to_owned();
    let charges = sandbox
        .get(&format!("/v1/charges?payment_intent={intent}"))
        .await
        .ok();
    let charge = charges["data"][0].clone();
    assert_eq!(
        (&charge["amount"], &charge["customer"]),
        (&json!(1_400), &owner["id"])
    );
    let items = sandbox
        .get(&format!("{PAGES}/{}/line_items", id(&session)))
        .await
        .ok();
    assert_eq!(items["data"][0]["price"]["id"], json!(price));
    let path = format!("{PAGES}/{}?expand[]=line_items", id(&session));
    assert_eq!(sandbox.get(&path).await.ok()["line_items"], items);

    sandbox.stop().await;
}

#[tokio::test]
async fn pages_close_by_themselves_or_when_told() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let soon = format!("&expires_at={}", START + 1_800);
    let short = open(&sandbox, "subscription", &price, &soon).await;
    let long = open(
        &sandbox,
        "subscription",
        &price,
        "&subscription_data[trial_period_days]=7",
    )
    .await;
    assert_eq!(long["amount_total"], json!(0));
    sandbox.advance(1_800).await;
    let closed = sandbox.get(&format!("{PAGES}/{}", id(&short))).await.ok();
    assert_eq!(
        (&closed["status"], &closed["url"]),
        (&json!("expired"), &json!(null))
    );
    let told = sandbox
        .get("/v1/events?type=checkout.session.expired")
        .await
        .ok();
    assert_eq!(told["data"][0]["data"]["object"], closed);
    let visit = json!({"session": short["id"]});
    assert_eq!(
        sandbox.post_json("/stripe/checkout", &visit).await.status,
        400
    );
    let expire = format!("{PAGES}/{}/expire", id(&long));
    assert_eq!(sandbox.post(&expire, "").await.ok()["status"], "expired");
    assert_eq!(sandbox.post(&expire, "").await.status, 400);
    sandbox.advance(DAY).await;
    let told = sandbox
        .get("/v1/events?type=checkout.session.expired")
        .await
        .ok();
    assert_eq!(ids(&told).len(), 2, "each page closes once");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_page_of_a_trial_is_paid_with_nothing() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let more = "&customer_email=a@example.com&subscription_data[trial_period_days]=7";
    let session = open(&sandbox, "subscription", &price, more).await;
    let paid = visit(&sandbox, &session, json!({})).await["session"].clone();
    assert_eq!(paid["payment_status"], "no_payment_required");
    let path = format!(
        "/v1/subscriptions/{}?expand[]=customer",
        paid["subscription"].as_str().unwrap()
    );
    let made = sandbox.get(&path).await.ok();
    assert_eq!(
        (&made["status"], &made["customer"]["email"]),
        (&json!("trialing"), &json!("a@example.com"))
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn browsers_are_shown_the_page_and_sent_on() {
    let sandbox = start().await;
    let product = id(&sandbox
        .post("/v1/products", "name=A <b>bold</b> mug")
        .await
        .ok());
    let form = format!("product={product}&currency=jpy&unit_amount=700");
    let price = id(&sandbox.post("/v1/prices", &form).await.ok());
    let session = open(
        &sandbox,
        "payment",
        &price,
        "&cancel_url=https://example.com/out",
    )
    .await;
    let path = session["url"]
        .as_str()
        .unwrap()
        .strip_prefix(&sandbox.base)
        .unwrap()
        .to_owned();
    let (_, _, text) = browse(&sandbox, "GET", &path, "").await;
    assert!(
        text.contains("1400 JPY") && text.contains("A &lt;b&gt;bold"),
        "{text}"
    );
    let (status, to, _) = browse(&sandbox, "POST", &path, "button=leave").await;
    assert_eq!((status, to.as_str()), (303, "https://example.com/out"));
    let (status, _, text) = browse(
        &sandbox,
        "POST",
        &path,
        "email=a%40example.com&button=decline",
    )
    .await;
    assert!(
        status == 200 && text.contains("declined"),
        "{status} {text}"
    );
    let (status, to, _) = browse(&sandbox, "POST", &path, "email=a%40example.com&button=pay").await;
    assert_eq!(
        (status, to),
        (303, format!("https://example.com/in?s={}", id(&session)))
    );
    let (status, _, text) = browse(&sandbox, "GET", &path, "").await;
    assert!(status == 400 && text.contains("closed"), "{status} {text}");
    assert_eq!(browse(&sandbox, "GET", "/checkout/cs_no", "").await.0, 404);
    sandbox.stop().await;
}

#[tokio::test]
async fn wrong_pages_are_refused() {
    let sandbox = start().await;
    let month = sandbox.price(500, "month").await;
    let mug = once(&sandbox).await;
    let customer = sandbox.customer("").await;
    for (form, code, param) in [
        (form("payment", &month, ""), "", "line_items[0][price]"),
        (form("subscription", &mug, ""), "", "line_items[0][price]"),
        (form("setup", &mug, ""), "", "mode"),
        (
            form("payment", "price_no", ""),
            "resource_missing",
            "line_items[0][price]",
        ),
        (
            form("payment", &mug, "&customer=cus_no"),
            "resource_missing",
            "customer",
        ),
        (
            form(
                "payment",
                &mug,
                &format!("&customer={customer}&customer_email=a@b.c"),
            ),
            "",
            "customer_email",
        ),
        (
            form("payment", &mug, &format!("&expires_at={}", START + 60)),
            "",
            "expires_at",
        ),
        (
            form("payment", &mug, &format!("&expires_at={}", START + 90_000)),
            "",
            "expires_at",
        ),
        (
            form("payment", &mug, "&subscription_data[description]=x"),
            "",
            "subscription_data",
        ),
        (
            form("payment", &mug, "&discounts[0][coupon]=x"),
            "parameter_unknown",
            "discounts",
        ),
        (
            "mode=payment&success_url=https://a.b".to_owned(),
            "parameter_missing",
            "line_items",
        ),
        (
            "mode=payment".to_owned(),
            "parameter_missing",
            "success_url",
        ),
    ] {
        let answer = sandbox.post(PAGES, &form).await;
        assert_eq!(answer.error(), (400, code, param), "{form}");
    }
    assert_eq!(ids(&sandbox.get(PAGES).await.ok()), Vec::<String>::new());
    sandbox.stop().await;
}
