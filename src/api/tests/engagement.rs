//! Scores, segments, timelines and analytics over HTTP.

use memberd_jobs::{
    access::Scope,
    args, both,
    kernel::{db::Sql, scoring::Scoring},
    testing::engaged::{Did, Engaged, Somebody, days_ago},
};
use serde_json::{Value, json};

use super::support::App;

const INTERACTION: Sql = Sql::both(
    "INSERT INTO interactions (organization_id, source, external_id, member_id, kind, day, audience_no, occurred_at, seconds,
        details, received_at, removed_at)
     SELECT organization_id, 'app', $2, member_id, 3, 20468, audience_no, $3, 720, '{\"title\": \"a talk\"}', $3, $4
     FROM engagement_members WHERE member_id = $1",
);

/// So many of a kind each day for some days.
fn daily(kind: usize, n: i64, days: i64) -> Vec<Did> {
    let did = |ago| Did {
        ago,
        kind,
        n,
        seconds: 60 * n,
    };
    (0..days).map(did).collect()
}

/// A superfan and a casual member of two creators, one who is inactive, and one who is deleted.
async fn fill(app: &App) {
    let world = Engaged::begin(&app.db, Scoring::default()).await;
    let fan = [
        daily(0, 9, 30),
        daily(1, 20, 30),
        daily(2, 3, 30),
        daily(3, 2, 30),
    ];
    let of = |id: &str, creator: &str, did: Vec<Did>| Somebody {
        creator: Some(creator.to_owned()),
        ..Somebody::new(id, &did)
    };
    world.put(&of("mem_fan", "crt_a", fan.concat())).await;
    world.put(&of("mem_casual", "crt_b", daily(1, 1, 10))).await;
    let nobody = Somebody {
        joined_at: days_ago(3),
        ..Somebody::new("mem_nobody", &[])
    };
    world.put(&nobody).await;
    let gone = Somebody {
        deleted: true,
        ..of("mem_gone", "crt_a", fan.concat())
    };
    world.put(&gone).await;
}

fn ids(page: &Value) -> Vec<&str> {
    let rows = page["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

both! {
    async fn a_score_says_what_it_is_made_of_and_what_is_missing(db: TestDb) {
        let app = App::on(db).await;
        fill(&app).await;
        let key = app.key("default", &[Scope::EngagementRead]).await;
        let short = app.get(&key, "/v1/members/mem_casual/score").await.json();
        assert_eq!(short["explain"], Value::Null);
        let score = app.get(&key, "/v1/members/mem_casual/score?explain=true").await.json();
        assert_eq!(score["level"], "casual");
        assert_eq!(score["rank"], 1);
        assert_eq!(score["interactions_total"], 10);
        assert_eq!(score["by_kind"], json!({"comment": 0, "content_view": 10, "persona_chat": 0, "share": 0}));
        assert_eq!((&score["last_active_day"], &score["as_of"]), (&json!("2026-01-15"), &json!("2026-01-15")));
        let explain = &score["explain"];
        let factors = explain["factors"].as_array().unwrap();
        let milli: i64 = factors.iter().map(|factor| factor["points_milli"].as_i64().unwrap()).sum();
        assert_eq!(explain["score_milli"], milli);
        assert_eq!(score["score"], (milli + 500) / 1_000);
        let next = &explain["next_level"];
        assert_eq!((&next["level"], &next["score"]), (&json!("engaged"), &json!(25)));
        assert_eq!(next["missing_milli"], 25_000 - milli);
        assert_eq!(next["more_today"][0]["kind"], "comment");
        let fan = app.get(&key, "/v1/members/mem_fan/score?explain=true").await.json();
        assert_eq!((&fan["level"], &fan["explain"]["next_level"]), (&json!("superfan"), &Value::Null));
        // She who is deleted did as much, and counts nowhere.
        assert_eq!(fan["rank"], 1);
        assert!(app.get(&key, "/v1/members/mem_gone/score").await.json().get("rank").is_none());
        assert_eq!(app.get(&key, "/v1/members/mem_unknown/score").await.code(), "member_not_found");
        assert_eq!(app.get(&key, "/v1/members/mem_fan/score?explain=why").await.code(), "invalid_filter");
    }

    async fn members_are_listed_with_their_engagement_and_counted_by_level(db: TestDb) {
        let app = App::on(db).await;
        fill(&app).await;
        let key = app.admin().await;
        let page = app.get(&key, "/v1/members?include=engagement&count=true").await.json();
        assert_eq!(ids(&page), ["mem_nobody", "mem_fan", "mem_casual"]);
        assert_eq!(page["total"], 3);
        assert_eq!(page["segments"], json!({"superfans": 1, "engaged": 0, "casual": 1, "inactive": 1}));
        assert_eq!(page["data"][0]["engagement"],
            json!({"level": "inactive", "score": 0, "interactions_30d": 0, "last_interaction_at": null}));
        assert_eq!(page["data"][1]["engagement"]["interactions_30d"], 34 * 30);
        let bare = app.get(&key, "/v1/members").await.json();
        assert!(bare.get("total").is_none() && bare["data"][0].get("engagement").is_none(), "{bare}");
        for (filter, expected) in [
            ("engagement_level=superfan", vec!["mem_fan"]),
            ("engagement_level=inactive", vec!["mem_nobody"]),
            ("engagement_level=inactive&include_deleted=true", vec!["mem_nobody"]),
            ("engagement_level=superfan&creator_id=crt_b", vec![]),
            ("inactive_days_min=1", vec!["mem_nobody"]),
            ("inactive_days_min=4", vec![]),
        ] {
            let page = app.get(&key, &format!("/v1/members?count=true&{filter}")).await.json();
            assert_eq!(ids(&page), expected, "{filter}");
            assert_eq!(page["total"], expected.len(), "{filter}");
        }
        let shown = app.get(&key, "/v1/members/mem_fan?include=engagement").await.json();
        let score = app.get(&key, "/v1/members/mem_fan/score").await.json();
        for (field, value) in shown["engagement"].as_object().unwrap() {
            assert_eq!(&score[field], value, "{field}");
        }
        for (query, pointer) in [("engagement_level=fan", "?engagement_level"), ("inactive_days_min=-1", "?inactive_days_min")] {
            let refused = app.get(&key, &format!("/v1/members?{query}")).await;
            assert_eq!(refused.code(), "invalid_filter");
            assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
        }
    }

    async fn a_timeline_shows_what_a_member_did_newest_first(db: TestDb) {
        let app = App::on(db).await;
        fill(&app).await;
        let key = app.key("default", &[Scope::EngagementRead]).await;
        for (id, ago, removed) in [("1", 2, None), ("2", 0, None), ("3", 0, None), ("4", 1, Some(days_ago(0)))] {
            app.db.execute(INTERACTION, args!["mem_fan", id, days_ago(ago), removed]).await;
        }
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/members/mem_fan/timeline?limit=1{cursor}");
            let page = app.get(&key, &path).await.json();
            seen.push(page["data"][0]["external_id"].as_str().unwrap().to_owned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, ["3", "2", "1"]);
        let page = app.get(&key, "/v1/members/mem_fan/timeline").await.json();
        assert_eq!(page["data"][2], json!({"type": "persona_chat", "occurred_at": "2026-01-13T10:30:00Z", "day": "2026-01-15",
            "duration_seconds": 720, "source": "app", "external_id": "1", "details": {"title": "a talk"}}));
        let empty = app.get(&key, "/v1/members/mem_casual/timeline").await.json();
        assert_eq!(empty, json!({"data": [], "next_cursor": null}));
    }

    async fn analytics_of_a_period_add_up_for_the_organization_and_each_creator(db: TestDb) {
        let app = App::on(db).await;
        fill(&app).await;
        let key = app.key("default", &[Scope::EngagementRead]).await;
        let all = app.get(&key, "/v1/engagement?period=month").await.json();
        assert_eq!((&all["from"], &all["to"]), (&json!("2026-01-01"), &json!("2026-01-15")));
        assert_eq!(all["previous"], json!({"from": "2025-12-01", "to": "2025-12-15"}));
        assert_eq!(all["overview"], json!({"total_members": 3, "active_members": 2, "new_members": 1, "churned_members": 0,
            "net_growth": 1, "growth_rate": 0.5}));
        assert_eq!(all["engagement"]["interactions_total"], 34 * 15 + 10);
        assert_eq!(all["engagement"]["by_kind"], json!({"comment": 135, "content_view": 310, "persona_chat": 45, "share": 30}));
        assert_eq!(all["distribution"]["superfans"],
            json!({"count": 1, "percent": 0.3333, "interactions": 510, "avg_interactions": 510.0}));
        assert_eq!(all["trends"]["avg_session_duration_minutes"], 1.0);
        assert_eq!(all["community"]["top_contributors"][0],
            json!({"member_id": "mem_fan", "contributions": 510, "badge": "superfan"}));
        let of_b = app.get(&key, "/v1/engagement?period=week&creator_id=crt_b&date=2026-01-11").await.json();
        assert_eq!((&of_b["from"], &of_b["to"]), (&json!("2026-01-05"), &json!("2026-01-11")));
        assert_eq!(of_b["engagement"]["interactions_total"], 6);
        for (query, pointer) in [
            ("period=quarter", "?period"), ("date=2026-01-16", "?date"), ("date=soon", "?date"),
            ("date=1969-12-31", "?date"), ("creator_id=crt_none", "?creator_id"),
        ] {
            let refused = app.get(&key, &format!("/v1/engagement?{query}")).await;
            assert_eq!(refused.code(), "invalid_filter", "{query}");
            assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{query}");
        }
    }
}

#[tokio::test]
async fn a_narrowed_key_sees_the_figures_of_its_creator_alone() {
    let app = App::new().await;
    fill(&app).await;
    let key = super::creators::narrowed(&app, "crt_b").await;
    let own = app.get(&key, "/v1/engagement").await.json();
    assert_eq!(
        (&own["creator_id"], &own["overview"]["total_members"]),
        (&json!("crt_b"), &json!(1))
    );
    let other = app.get(&key, "/v1/engagement?creator_id=crt_a").await;
    assert_eq!(other.json()["errors"][0]["pointer"], "?creator_id");
    let page = app.get(&key, "/v1/members?count=true").await.json();
    assert_eq!(page["total"], 1);
    for path in ["score", "timeline"] {
        let of_other = app.get(&key, &format!("/v1/members/mem_fan/{path}")).await;
        assert_eq!(of_other.code(), "member_not_found");
    }
}
