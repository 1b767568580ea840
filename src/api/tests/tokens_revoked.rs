//! Tokens that are revoked.

use std::{sync::Arc, time::Duration};

use memberd_jobs::{
    access::{self, Scope},
    both,
};
use serde_json::json;

use super::{
    support::App,
    tokens::{SECRET, issuers, token},
};
use crate::{api::router, jwt::Source};

both! {
    async fn revoked_tokens_stop_within_a_second_on_every_node_and_later_ones_work(db: TestDb) {
        let mut app = App::on(db).await;
        app.state.issuers = Arc::new(issuers(Source::Secret(SECRET.into())));
        app.rebuild(router(app.state.clone()));
        let admin = app.admin().await;
        let (jane, june) = ("jane@example.com", "june@example.com");
        let [hers, others] = [jane, june].map(|subject| token(&app, subject, "manager", None));
        let works = async |token: &str| match app.get(token, "/v1/members").await {
            answer if answer.status == 200 => true,
            answer => {
                assert_eq!((answer.status.as_u16(), answer.code()), (401, "unauthorized".to_owned()));
                assert!(answer.text.contains("revoked"), "{}", answer.text);
                false
            }
        };
        assert!(works(&hers).await);
        // By another node: this one has just looked.
        let caller = "jwt:b9818fa3fc243c32401d60257cb8e35c";
        let env = &app.state.env;
        let mut tx = env.db.begin().await.unwrap();
        access::revoke_tokens(&mut tx, "default", caller, env.now()).await.unwrap();
        tx.commit().await.unwrap();
        app.clock.advance(Duration::from_secs(1));
        assert!(!works(&hers).await && works(&others).await);
        // By this one at once, for the minute that clocks may be apart, and not for ever.
        let new = token(&app, jane, "manager", None);
        assert!(works(&new).await);
        let revoked = app.post(&admin, "/v1/tokens/revoke", &json!({"caller_id": caller})).await;
        assert_eq!((revoked.status.as_u16(), &revoked.json()["id"]), (200, &json!(caller)), "{}", revoked.text);
        assert!(!works(&new).await && !works(&token(&app, jane, "manager", None)).await);
        app.clock.advance(Duration::from_secs(61));
        assert!(works(&token(&app, jane, "manager", None)).await && !works(&new).await && works(&others).await);
        // Nobody else's organization is touched, and nobody revokes what is no caller.
        let theirs = app.key("other", &[Scope::KeysWrite]).await;
        app.post(&theirs, "/v1/tokens/revoke", &json!({"caller_id": caller})).await;
        app.clock.advance(Duration::from_secs(1));
        assert!(works(&token(&app, jane, "manager", None)).await);
        for wrong in ["jwt:1", "key_4fGh28Xq", "jwt:B9818fa3fc243c32401d60257cb8e35c"] {
            let refused = app.post(&admin, "/v1/tokens/revoke", &json!({"caller_id": wrong})).await;
            assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["pointer"]), (400, &json!("#/caller_id")));
        }
    }
}
