//! What a member shows of her engagement.

use std::collections::BTreeMap;

use memberd_jobs::{
    engagement::{
        analytics::period,
        score::{Brief, Score},
    },
    kernel::Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{LevelWord, Word};

/// Where a member stands. `rank` and what follows it are not in lists.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct Engagement {
    /// Her level.
    level: LevelWord,
    /// Her score.
    #[schema(minimum = 0, maximum = 100, example = 95)]
    score: i64,
    /// Her interactions of the last 30 days.
    #[schema(minimum = 0, example = 45)]
    interactions_30d: i64,
    /// Her newest interaction; null: there was none.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-01-24T18:00:00Z")]
    last_interaction_at: Option<Timestamp>,
    /// Her place among the living members of her creator; left out for who never did anything or is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, example = 23)]
    rank: Option<i64>,
    /// All her interactions: the sum of `by_kind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, example = 640)]
    interactions_total: Option<i64>,
    /// Her interactions by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!({"comment": 85, "content_view": 380, "persona_chat": 120, "share": 55}))]
    by_kind: Option<BTreeMap<String, i64>>,
    /// The same of kinds that do not count as interactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!({}))]
    other_kinds: Option<BTreeMap<String, i64>>,
    /// The day of her newest interaction, in the time zone of her creator; left out where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date, example = "2026-01-24")]
    last_active_day: Option<String>,
    /// The day as of which all this is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date, example = "2026-01-24")]
    as_of: Option<String>,
}

impl Engagement {
    /// In short.
    pub(super) const fn of(brief: Brief) -> Self {
        Self {
            level: Word(brief.level),
            score: brief.score,
            interactions_30d: brief.interactions_30d,
            last_interaction_at: brief.last_at,
            rank: None,
            interactions_total: None,
            by_kind: None,
            other_kinds: None,
            last_active_day: None,
            as_of: None,
        }
    }

    /// With everything.
    pub(super) fn whole(score: &Score) -> Self {
        Self {
            rank: score.rank,
            interactions_total: Some(score.interactions()),
            by_kind: Some(score.kinds.clone()),
            other_kinds: Some(score.others.clone()),
            last_active_day: score.last_day.map(|day| period::date(day).to_string()),
            as_of: Some(period::date(score.as_of).to_string()),
            ..Self::of(score.brief)
        }
    }
}
