//! Orders about tiers and plans.

use super::*;
use crate::{
    both,
    entitlements::store::{self as tiers, TierEdit},
    kernel::ports::StripeError,
    operations::{CatalogOrder, NewPlan, Placed, TierPrices},
};

async fn placed(db: &TestDb, wanted: CatalogOrder) -> Result<Placed, Refusal> {
    let mut tx = db.env.db.begin().await.unwrap();
    let placed = order(&mut tx, &db.env, ME, &Order::Catalog(wanted))
        .await
        .unwrap()?;
    tx.commit().await.unwrap();
    Ok(placed)
}

fn vip() -> CatalogOrder {
    CatalogOrder::CreateTier {
        name: "VIP".to_owned(),
        description: None,
        prices: TierPrices {
            currency: Some("usd".to_owned()),
            monthly: Some(2499),
            yearly: Some(24999),
        },
        own: TierEdit {
            benefits: Some(vec!["A call".to_owned()]),
            limit: Some(Some(100)),
            visible: Some(false),
            is_default: None,
        },
    }
}

fn product(id: &str, active: bool) -> Value {
    json!({ "id": id, "object": "product", "created": 1_760_000_000, "livemode": false, "active": active,
        "name": "VIP", "metadata": {} })
}

fn price(id: &str, product: &str, amount: i64, interval: &str) -> Value {
    json!({ "id": id, "object": "price", "created": 1_760_000_000, "livemode": false, "active": true,
        "currency": "usd", "product": product, "unit_amount": amount,
        "recurring": { "interval": interval, "interval_count": 1 } })
}

/// The next write answers this object, and it stays known.
fn answer(db: &TestDb, object: &Value) {
    db.stripe.answer_next(object);
    db.stripe.put(object);
}

async fn tier(db: &TestDb, id: &str) -> Option<tiers::TierRow> {
    tiers::tier(&db.env.db, "default", id).await.unwrap()
}

both! {
    async fn a_tier_is_made_step_by_step_under_an_id_of_ours(db: TestDb) {
        let made = placed(&db, vip()).await.unwrap();
        let id = made.object_id.unwrap();
        let row = tier(&db, &id).await.unwrap();
        assert_eq!((row.active, row.limit, row.visible), (false, Some(100), false));
        answer(&db, &product(&id, true));
        answer(&db, &price("price_m", &id, 2499, "month"));
        answer(&db, &price("price_y", &id, 24999, "year"));
        db.drain(&registry()).await;
        let sent = writes(&db);
        let paths: Vec<_> = sent.iter().map(|write| write.1.as_str()).collect();
        assert_eq!(paths, ["/products", "/prices", "/prices"]);
        assert!(sent[0].2.contains(&field("id", &id)));
        assert!(sent[1].2.contains(&field("unit_amount", "2499")));
        assert!(sent[2].2.contains(&field("recurring[interval]", "year")));
        let row = tier(&db, &id).await.unwrap();
        assert_eq!((row.active, row.limit, row.visible), (true, Some(100), false));
        assert_eq!(row.benefits, r#"["A call"]"#);
        for operation in &made.operations {
            assert_eq!(super::row(&db, operation).await.state, "succeeded");
        }
        assert_eq!(super::row(&db, &made.operations[1]).await.object_id.as_deref(), Some("price_m"));
        assert_eq!(db.count("prices WHERE active").await, 2);
    }

    async fn a_tier_whose_product_is_refused_leaves_nothing(db: TestDb) {
        let made = placed(&db, vip()).await.unwrap();
        db.stripe.fail_next(StripeError::Refused {
            status: 400, code: "no".to_owned(), message: String::new(), request_id: String::new(),
        });
        db.drain(&registry()).await;
        assert_eq!(writes(&db).len(), 1);
        for operation in &made.operations[1..] {
            let row = super::row(&db, operation).await;
            assert_eq!(row.error_code.as_deref(), Some("step_before_failed"));
        }
        assert!(tier(&db, &made.object_id.unwrap()).await.is_none());
    }

    async fn another_price_takes_the_place_of_the_old_one(db: TestDb) {
        mirror(&db, &product("prod_a", true)).await;
        mirror(&db, &price("price_old", "prod_a", 999, "month")).await;
        db.stripe.forget_calls();
        let change = |monthly| CatalogOrder::UpdateTier {
            id: "prod_a".to_owned(),
            name: None,
            description: None,
            prices: TierPrices { currency: None, monthly: Some(monthly), yearly: None },
            own: TierEdit::default(),
        };
        assert!(placed(&db, change(999)).await.unwrap().operations.is_empty(), "it costs that already");
        let made = placed(&db, change(1299)).await.unwrap();
        assert_eq!(made.operations.len(), 2);
        answer(&db, &price("price_new", "prod_a", 1299, "month"));
        answer(&db, &with(price("price_old", "prod_a", 999, "month"), &json!({ "active": false })));
        db.drain(&registry()).await;
        let sent = writes(&db);
        assert_eq!((sent[0].1.as_str(), sent[1].1.as_str()), ("/prices", "/prices/price_old"));
        assert!(sent[0].2.contains(&field("currency", "usd")));
        assert_eq!(sent[1].2[0], field("active", "false"));
        assert_eq!(db.count("prices WHERE active AND id = 'price_new'").await, 1);
        assert_eq!(db.count("prices WHERE active").await, 1);
    }

    async fn plans_are_made_changed_and_archived(db: TestDb) {
        mirror(&db, &product("prod_a", true)).await;
        mirror(&db, &price("price_old", "prod_a", 999, "month")).await;
        db.stripe.forget_calls();
        let plan = NewPlan {
            tier_id: "prod_a".to_owned(),
            currency: "usd".to_owned(),
            amount: 2999,
            interval: "month",
            interval_count: 3,
            nickname: Some("Quarterly".to_owned()),
        };
        placed(&db, CatalogOrder::CreatePlan(plan.clone())).await.unwrap();
        answer(&db, &price("price_q", "prod_a", 2999, "month"));
        let edit = |amount, nickname: Option<&str>| CatalogOrder::UpdatePlan {
            id: "price_old".to_owned(),
            nickname: nickname.map(str::to_owned),
            amount,
        };
        placed(&db, edit(None, Some("Monthly"))).await.unwrap();
        answer(&db, &price("price_old", "prod_a", 999, "month"));
        let raised = placed(&db, edit(Some(1099), None)).await.unwrap();
        assert_eq!(raised.operations.len(), 2);
        answer(&db, &price("price_raised", "prod_a", 1099, "month"));
        answer(&db, &with(price("price_old", "prod_a", 999, "month"), &json!({ "active": false })));
        db.drain(&registry()).await;
        assert_eq!(db.count("prices WHERE active").await, 2);
        let archive = CatalogOrder::ArchiveTier { id: "prod_a".to_owned() };
        placed(&db, archive).await.unwrap();
        answer(&db, &product("prod_a", false));
        db.drain(&registry()).await;
        assert!(!tier(&db, "prod_a").await.unwrap().active);
        for refused in [
            CatalogOrder::ArchivePlan { id: "price_x".to_owned() },
            CatalogOrder::ArchiveTier { id: "prod_x".to_owned() },
            CatalogOrder::CreatePlan(NewPlan { tier_id: "prod_x".to_owned(), ..plan }),
        ] {
            assert!(placed(&db, refused).await.is_err());
        }
    }
}
