//! The projections are functions of the raw objects, on both databases.

use serde_json::{Value, json};

use super::{customer, old_event as event, invoice, objects, price, product, receive, registry, subscription};
use crate::{
    both,
    kernel::{
        db::Sql,
        outbox::{NewJob, enqueue_alone},
    },
    sync::{BackfillObjects, reproject, store::cursors},
    testing::{Engine, TestDb},
};

/// What is rebuilt, and what must come out of it again.
const TABLES: [&str; 16] = [
    "customers", "products", "prices", "subscriptions", "subscription_items", "invoices", "coupons", "promotion_codes",
    "payment_methods", "subscription_schedules", "invoice_payments", "charges", "refunds", "checkout_sessions",
    "stripe_accounts", "tiers",
];

/// A text for a statement, for ever: tests end soon.
fn sql(text: String) -> Sql {
    Sql::both(Box::leak(text.into_boxed_str()))
}

/// Every column of every row of a table, in the order of its key.
async fn rows(db: &TestDb, table: &str) -> Vec<String> {
    let columns: Vec<(String,)> = match db.engine() {
        Engine::Sqlite => db.rows(sql(format!("SELECT name FROM pragma_table_info('{table}') ORDER BY name")), &[]).await,
        Engine::Postgres => {
            let text = format!(
                "SELECT CAST(column_name AS TEXT) FROM information_schema.columns
                 WHERE table_name = '{table}' AND table_schema = ANY (current_schemas(false)) ORDER BY column_name"
            );
            db.rows(sql(text), &[]).await
        }
    };
    let shown = columns.iter().filter(|(name,)| name != "updated_at").map(|(name,)| format!(
        "'{name}=' || coalesce(CAST({name} AS TEXT), '-')"
    ));
    let text = format!("SELECT {} FROM {table} ORDER BY 1", shown.collect::<Vec<_>>().join(" || ' ' || "));
    db.rows::<(String,)>(sql(text), &[]).await.into_iter().map(|row| row.0).collect()
}

async fn all(db: &TestDb) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for table in TABLES.into_iter().chain(["members", "entitlements"]) {
        let found = rows(db, table).await;
        assert!(!found.is_empty() || table == "stripe_accounts", "{table} is empty: fill it");
        all.push(found);
    }
    all
}

/// A world by events and by a walk: two members, one of whom cancels, and one of each object.
async fn fill(db: &TestDb) {
    let mut jane = customer("cus_1");
    jane["invoice_settings"] = json!({ "default_payment_method": "pm_1" });
    let mut others = objects::others();
    others.push(objects::payment_method("pm_1", "cus_1"));
    let told: [Value; 8] = [
        product("prod_a", false), product("prod_free", true), price("price_1", "prod_a", 999), jane, customer("cus_2"),
        subscription("sub_1", "cus_1", "prod_a", "active"), subscription("sub_2", "cus_2", "prod_a", "canceled"),
        invoice("in_1", "cus_1", "sub_1", "paid"),
    ];
    for object in told.iter().chain(&others) {
        db.stripe.put(object);
    }
    for (number, object) in told.iter().enumerate() {
        receive(db, &event(&format!("evt_{number}"), "any.change", object)).await;
        db.drain(&registry()).await;
        db.advance(std::time::Duration::from_secs(1));
    }
    enqueue_alone(&db.env, NewJob::of("default", &BackfillObjects::default()).unwrap()).await.unwrap();
    db.drain(&registry()).await;
}

async fn execute(db: &TestDb, text: &str) {
    let mut tx = db.db.begin().await.unwrap();
    tx.execute(sql(text.to_owned()), &[]).await.unwrap();
    tx.commit().await.unwrap();
}

/// Everything that the raw objects say is made wrong: rows lost, rows too many, columns changed.
async fn mutilate(db: &TestDb) {
    for text in [
        "DELETE FROM subscriptions", "DELETE FROM subscription_items", "DELETE FROM invoices", "DELETE FROM prices",
        "DELETE FROM payment_methods", "DELETE FROM coupons", "DELETE FROM charges", "DELETE FROM refunds",
        "UPDATE customers SET email = 'wrong', name = 'wrong', currency = 'xxx', balance = 7, payment_method_id = NULL",
        "UPDATE products SET name = 'wrong', active = FALSE", "UPDATE tiers SET name = 'wrong'",
        "UPDATE promotion_codes SET code = 'WRONG', coupon_id = NULL", "UPDATE subscription_schedules SET phases = '[]'",
        "UPDATE invoice_payments SET invoice_id = 'in_wrong'", "UPDATE checkout_sessions SET status = 'wrong', created_at = 1",
        "INSERT INTO refunds (organization_id, id, currency, amount, deleted, created_at)
         VALUES ('default', 're_invented', 'usd', 1, FALSE, 1)",
    ] {
        execute(db, text).await;
    }
}

both! {
    async fn mutilated_projections_come_out_as_events_had_built_them(db: TestDb) {
        fill(&db).await;
        let built = all(&db).await;
        let told = db.count("events").await;
        mutilate(&db).await;
        assert_ne!(all_or_empty(&db).await, built);
        let mut steps = Vec::new();
        let done = reproject(&db.env, "default", |progress| steps.push(progress.clone())).await.unwrap();
        let rebuilt = all(&db).await;
        for (table, (rebuilt, built)) in TABLES.iter().chain(&["members", "entitlements"]).zip(rebuilt.iter().zip(&built)) {
            assert_eq!(rebuilt, built, "{table}");
        }
        let last = steps.last().unwrap();
        assert_eq!((last.step, last.done, last.of), ("members", done, done));
        assert_eq!(db.count("events").await, told, "nobody joined, churned or was upgraded meanwhile");
        // Once more changes nothing, and asks Stripe for nothing that is known.
        db.drain(&registry()).await;
        db.stripe.forget_calls();
        reproject(&db.env, "default", |_| ()).await.unwrap();
        assert_eq!(all(&db).await, built);
        db.drain(&registry()).await;
        assert_eq!(db.stripe.calls(), []);
    }

    async fn an_interrupted_run_goes_on_where_it_was(db: TestDb) {
        fill(&db).await;
        let built = all(&db).await;
        mutilate(&db).await;
        // The process dies after some steps: the run is dropped at its next wait, and its checkpoint is what is left.
        let (told, mut news) = tokio::sync::mpsc::unbounded_channel();
        {
            let run = reproject(&db.env, "default", |progress| told.send(progress.step).unwrap());
            tokio::pin!(run);
            loop {
                tokio::select! {
                    biased;
                    step = news.recv() => if step == Some("customer") { break },
                    _ = &mut run => panic!("it ended before it was stopped"),
                }
            }
        }
        let cursor = cursors::get(&db.env.db, "default", "reproject").await.unwrap().unwrap();
        assert_eq!(cursor.state, "running");
        let mut steps = Vec::new();
        let done = reproject(&db.env, "default", |progress| steps.push(progress.step)).await.unwrap();
        assert!(!steps.contains(&"product"), "{steps:?}");
        assert!(done > cursor.objects);
        assert_eq!(all(&db).await, built);
    }

    async fn what_stripe_has_deleted_stays_deleted(db: TestDb) {
        fill(&db).await;
        db.stripe.remove(crate::kernel::ports::ObjectType::Subscription, "sub_1");
        receive(&db, &event("evt_gone", "customer.subscription.deleted",
            &subscription("sub_1", "cus_1", "prod_a", "canceled"))).await;
        db.drain(&registry()).await;
        let built = all(&db).await;
        execute(&db, "UPDATE subscriptions SET deleted = FALSE").await;
        reproject(&db.env, "default", |_| ()).await.unwrap();
        assert_eq!(all(&db).await, built);
    }
}

async fn all_or_empty(db: &TestDb) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for table in TABLES.into_iter().chain(["members", "entitlements"]) {
        all.push(rows(db, table).await);
    }
    all
}
