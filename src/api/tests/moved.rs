//! Members who go to another creator while a narrowed key writes them. On PostgreSQL only: on SQLite there is one
//! transaction at a time, and each write begins with one, that of its row in the activity log.

use axum::http::Method;
use memberd_jobs::{
    access::Scopes,
    both,
    kernel::db::{Sql, Tx},
    members::Edit,
    roster::{self, Whom},
    testing::TestDb,
};
use serde_json::json;

use super::{
    creators::{creator, may_be_narrowed, narrowed},
    organizations::{Ours, app, body, gentlest_first, send},
    support::{Answered, App},
};
use crate::api::{Caller, v1::is_still_hers};

/// Moves a member to a creator, or to none, within a transaction that is left to the caller.
async fn moving(app: &App, member: &str, creator: Option<&str>) -> Tx {
    let env = &app.state.env;
    let edit = Edit {
        creator: Some(creator.map(str::to_owned)),
        ..Edit::default()
    };
    let mut tx = env.db.begin().await.unwrap();
    let moved = roster::edit(&mut tx, env, "default", Whom::is(member), &edit).await;
    moved.unwrap().unwrap();
    tx
}

/// The answer to a write that has found its member before she was moved, and meets her afterwards.
async fn met_moved(
    app: &App,
    (key, method, path, body): (&str, &Method, &str, Option<&str>),
    (member, to): (&str, &str),
) -> Answered {
    let tx = moving(app, member, Some(to)).await;
    let mut asking = Box::pin(send(app, key, method, path, body));
    tokio::select! {
        early = &mut asking => panic!("{method} {path} waits for nobody: {}", early.text),
        () = app.db.until_one_waits() => {}
    }
    tx.commit().await.unwrap();
    asking.await
}

/// Everything that a write of these would leave.
async fn left(app: &App) -> Vec<(String,)> {
    let sql = Sql::both(
        "SELECT concat_ws(' ', id, email, meta, deleted_at) FROM members
         UNION ALL SELECT concat_ws(' ', id, revoked_at) FROM grants
         UNION ALL SELECT id FROM stripe_operations
         UNION ALL SELECT id FROM events
         ORDER BY 1",
    );
    app.db.rows(sql, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrowed_key_writes_nobody_who_was_moved_to_another_creator_meanwhile() {
    let app = app(TestDb::postgres().await).await;
    let admin = app.admin().await;
    let ours = Ours::make(&app, &admin).await;
    let (ann, jane) = (&ours.ids["creators"], &ours.ids["members"]);
    let anns = narrowed(&app, ann).await;
    let (bea, _) = creator(&app, "bea").await;
    let other = app.get(&admin, "/v1/members/ext:stripe:cus_2").await.json();
    let other = other["id"].as_str().unwrap();
    for member in [jane, other] {
        moving(&app, member, Some(ann))
            .await
            .commit()
            .await
            .unwrap();
    }
    let mut met = 0;
    for (method, template, operation) in gentlest_first() {
        let is_about_one = template.starts_with("/v1/members/{id}")
            || template.starts_with("/v1/subscriptions/{id}");
        if method == Method::GET || !is_about_one || !may_be_narrowed(&operation) {
            continue;
        }
        // She who subscribes already needs no page to pay on.
        let member = if template.ends_with("checkout") {
            other
        } else {
            jane
        };
        let path = ours.path(&template).replace(jane, member);
        let body = match method {
            Method::PATCH => Some(json!({ "creator_id": ann }).to_string()),
            _ => body(&operation),
        };
        let before = left(&app).await;
        let call = (anns.as_str(), &method, path.as_str(), body.as_deref());
        let answer = met_moved(&app, call, (member, &bea)).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        assert_eq!(left(&app).await, before, "{method} {path}");
        moving(&app, member, Some(ann))
            .await
            .commit()
            .await
            .unwrap();
        met += 1;
    }
    assert!(met >= 10, "only {met}");
}

both! {
    async fn who_may_write_a_member_is_asked_of_her_as_she_is(db: TestDb) {
        let app = App::on(db).await;
        let (ann, anns) = creator(&app, "ann").await;
        let (bea, _) = creator(&app, "bea").await;
        let made = app.post(&anns, "/v1/members", &json!({"email": "jane@example.com"})).await.json();
        let jane = made["id"].as_str().unwrap();
        let mut tx = moving(&app, jane, Some(&bea)).await;
        for (creator, may) in [(Some(&ann), false), (Some(&bea), true), (None, true)] {
            let caller = Caller {
                key_id: "key_1".to_owned(),
                organization: "default".to_owned(),
                scopes: Scopes::all(),
                unlimited: false,
                creator: creator.cloned(),
                ends_at: None,
            };
            assert_eq!(is_still_hers(&mut tx, &caller, jane).await.unwrap(), may, "{creator:?}");
        }
    }
}
