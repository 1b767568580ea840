//! The proof that the mirror equals the fake Stripe: object by object, byte for byte in what is kept of the raw JSON, field by field in
//! the columns, and the entitlements that follow from the subscriptions by a rule of the tests' own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use memberd_jobs::{
    args,
    kernel::{
        db::{Record, Sql},
        ports::ObjectType,
    },
    sync::model::kept,
};
use serde_json::Value;

use super::{
    World, id,
    world::{ACCOUNT, OTHER_ACCOUNT},
};

const KINDS: [&str; 13] = [
    "product",
    "price",
    "customer",
    "subscription",
    "invoice",
    "coupon",
    "promotion_code",
    "payment_method",
    "subscription_schedule",
    "invoice_payment",
    "charge",
    "refund",
    "checkout.session",
];
/// Differences shown; one cause usually has many.
const SHOWN: usize = 10;

const RAW: Sql = Sql::both(
    "SELECT id, raw FROM stripe_objects WHERE organization_id = $1 AND type = $2 AND NOT deleted ORDER BY id",
);
const PRODUCTS: Sql =
    Sql::both("SELECT id, name, active FROM products WHERE organization_id = $1 AND NOT deleted");
const PRICES: Sql = Sql::both(
    "SELECT id, product_id, currency, unit_amount, recurring_interval, active FROM prices
     WHERE organization_id = $1 AND NOT deleted",
);
const CUSTOMERS: Sql = Sql::both(
    "SELECT id, email, name, delinquent, member_id IS NOT NULL FROM customers
     WHERE organization_id = $1 AND NOT deleted",
);
const SUBSCRIPTIONS: Sql = Sql::both(
    "SELECT id, customer_id, status, cancel_at_period_end, pause_behavior, canceled_at, ended_at, latest_invoice_id
     FROM subscriptions WHERE organization_id = $1 AND NOT deleted",
);
const ITEMS: Sql = Sql::both(
    "SELECT i.id, i.subscription_id, i.price_id, i.product_id, i.quantity, i.currency, i.unit_amount
     FROM subscription_items AS i
     JOIN subscriptions AS s ON s.organization_id = i.organization_id AND s.id = i.subscription_id
     WHERE i.organization_id = $1 AND NOT s.deleted",
);
const INVOICES: Sql = Sql::both(
    "SELECT id, customer_id, status, currency, total, amount_due, amount_paid, amount_remaining FROM invoices
     WHERE organization_id = $1 AND NOT deleted",
);
const ENTITLEMENTS: Sql = Sql::both(
    "SELECT source_id, product_id, ended_at FROM entitlements
     WHERE organization_id = $1 AND source_kind = 'subscription'",
);

type Product = (String, String, bool);
type Price = (String, String, String, Option<i64>, Option<String>, bool);
type Customer = (String, Option<String>, Option<String>, bool, bool);
type Subscription = (
    String,
    String,
    String,
    bool,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
);
type Item = (
    String,
    String,
    String,
    String,
    i64,
    Option<String>,
    Option<i64>,
);
type Invoice = (
    String,
    Option<String>,
    Option<String>,
    String,
    i64,
    i64,
    i64,
    i64,
);
type Entitlement = (String, String, Option<i64>);

/// What is true at the fake Stripe: living objects by type.
type Truth = BTreeMap<&'static str, Vec<Value>>;

impl World {
    /// Everything that is alive in an account.
    pub(crate) async fn truth(&self, account: &str) -> Truth {
        let mut truth = Truth::new();
        for kind in KINDS {
            let mut objects = Vec::new();
            let mut after = String::new();
            loop {
                let path =
                    format!("/stripe/truth?account={account}&type={kind}&limit=10000{after}");
                let page = self.look(&path).await;
                let data = page["data"].as_array().unwrap();
                objects.extend(data.iter().filter(|it| it["deleted"] != true).cloned());
                let Some(next) = page["next"].as_str() else {
                    break;
                };
                after = format!("&after={next}");
            }
            truth.insert(kind, objects);
        }
        truth
    }

    /// What is not equal in an organization's mirror; empty when all is.
    pub(crate) async fn differences(&self, organization: &str, account: &str) -> Vec<String> {
        let truth = self.truth(account).await;
        let mut found = Vec::new();
        for kind in KINDS {
            let ours: Vec<(String, String)> = self.db.rows(RAW, args![organization, kind]).await;
            let parse = |raw: &str| serde_json::from_str::<Value>(raw).unwrap();
            let ours = ours
                .into_iter()
                .map(|(id, raw)| (id, parse(&raw).to_string()));
            let of = ObjectType::parse(kind).unwrap();
            let theirs = truth[kind]
                .iter()
                .map(|it| (id(it), kept(of, it).to_string()));
            compare(
                &format!("raw {kind}"),
                &ours.collect(),
                &theirs.collect(),
                &mut found,
            );
        }
        self.columns(organization, &truth, &mut found).await;
        found
    }

    async fn columns(&self, organization: &str, truth: &Truth, found: &mut Vec<String>) {
        let of = |kind: &str| truth[kind].iter();
        self.rows_of(
            PRODUCTS,
            organization,
            of("product").map(product).collect(),
            found,
        )
        .await;
        self.rows_of(
            PRICES,
            organization,
            of("price").map(price).collect(),
            found,
        )
        .await;
        self.rows_of(
            CUSTOMERS,
            organization,
            of("customer").map(customer).collect(),
            found,
        )
        .await;
        let subscriptions = of("subscription").map(subscription).collect();
        self.rows_of(SUBSCRIPTIONS, organization, subscriptions, found)
            .await;
        self.rows_of(
            ITEMS,
            organization,
            of("subscription").flat_map(items).collect(),
            found,
        )
        .await;
        self.rows_of(
            INVOICES,
            organization,
            of("invoice").map(invoice).collect(),
            found,
        )
        .await;
        let entitlements = of("subscription").flat_map(entitlements).collect();
        self.rows_of(ENTITLEMENTS, organization, entitlements, found)
            .await;
    }

    async fn rows_of<T: Record + Ord + Debug>(
        &self,
        sql: Sql,
        organization: &str,
        theirs: BTreeSet<T>,
        found: &mut Vec<String>,
    ) {
        let rows: Vec<T> = self.db.rows(sql, args![organization]).await;
        compare("row", &rows.into_iter().collect(), &theirs, found);
    }

    /// Panics unless the mirrors of both organizations equal their accounts.
    pub(crate) async fn assert_mirror_equals_truth(&self) {
        for (organization, account) in [("default", ACCOUNT), ("other", OTHER_ACCOUNT)] {
            let found = self.differences(organization, account).await;
            assert!(
                found.is_empty(),
                "{} differences in {organization}, such as {:#?}",
                found.len(),
                &found[..found.len().min(SHOWN)]
            );
        }
    }
}

/// Tells what only one side has. An object that differs is told twice.
fn compare<T: Ord + Debug>(
    what: &str,
    ours: &BTreeSet<T>,
    theirs: &BTreeSet<T>,
    found: &mut Vec<String>,
) {
    found.extend(
        ours.difference(theirs)
            .map(|it| format!("{what}: only ours {it:?}")),
    );
    found.extend(
        theirs
            .difference(ours)
            .map(|it| format!("{what}: only Stripe's {it:?}")),
    );
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn must(value: &Value) -> String {
    text(value).unwrap_or_else(|| panic!("no text: {value}"))
}

fn number(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

fn flag(value: &Value) -> bool {
    value
        .as_bool()
        .unwrap_or_else(|| panic!("no flag: {value}"))
}

/// Stripe's seconds as our milliseconds.
fn time(value: &Value) -> Option<i64> {
    value.as_i64().map(|seconds| seconds * 1_000)
}

fn product(it: &Value) -> Product {
    (id(it), must(&it["name"]), flag(&it["active"]))
}

fn price(it: &Value) -> Price {
    (
        id(it),
        must(&it["product"]),
        must(&it["currency"]),
        it["unit_amount"].as_i64(),
        text(&it["recurring"]["interval"]),
        flag(&it["active"]),
    )
}

/// Every customer has a member.
fn customer(it: &Value) -> Customer {
    let delinquent = it["delinquent"].as_bool().unwrap_or(false);
    (
        id(it),
        text(&it["email"]),
        text(&it["name"]),
        delinquent,
        true,
    )
}

fn subscription(it: &Value) -> Subscription {
    (
        id(it),
        must(&it["customer"]),
        must(&it["status"]),
        flag(&it["cancel_at_period_end"]),
        text(&it["pause_collection"]["behavior"]),
        time(&it["canceled_at"]),
        time(&it["ended_at"]),
        text(&it["latest_invoice"]),
    )
}

fn items(it: &Value) -> Vec<Item> {
    let subscription = id(it);
    let one = |item: &Value| {
        let price = &item["price"];
        (
            id(item),
            subscription.clone(),
            id(price),
            must(&price["product"]),
            number(&item["quantity"]),
            text(&price["currency"]),
            price["unit_amount"].as_i64(),
        )
    };
    it["items"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(one)
        .collect()
}

fn invoice(it: &Value) -> Invoice {
    (
        id(it),
        text(&it["customer"]),
        text(&it["status"]),
        must(&it["currency"]),
        number(&it["total"]),
        number(&it["amount_due"]),
        number(&it["amount_paid"]),
        number(&it["amount_remaining"]),
    )
}

/// Who pays has it without an end; who cancelled, until then; who paused, until the period began that is not paid.
/// Panics on a status that the scenarios of these tests do not make.
fn entitlements(it: &Value) -> BTreeSet<Entitlement> {
    let items = it["items"]["data"].as_array().unwrap();
    let period = |field: &str| items.iter().filter_map(|item| time(&item[field])).min();
    let started = time(&it["start_date"]).unwrap();
    let end = match must(&it["status"]).as_str() {
        "canceled" => time(&it["ended_at"]),
        "active" | "trialing" if it["pause_collection"].is_object() => {
            period("current_period_start")
        }
        "active" | "trialing" if it["cancel_at"].is_i64() => time(&it["cancel_at"]),
        "active" | "trialing" if flag(&it["cancel_at_period_end"]) => period("current_period_end"),
        "active" | "trialing" => None,
        "incomplete" | "incomplete_expired" => return BTreeSet::new(),
        status => panic!("teach the test what `{status}` gives"),
    };
    let end = end.map(|end| end.max(started));
    let row = |item: &Value| (id(it), must(&item["price"]["product"]), end);
    items.iter().map(row).collect()
}
