//! `GET /v1/members/{id}/score`

use axum::extract::State;
use memberd_jobs::engagement::{
    analytics::period,
    score::{
        self as scores, Explanation,
        explain::{FactorPoints, Next, TopDay, Way},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{engagement::Engagement, model::found};
use crate::api::{Answer, ApiState, Caller, Json, LevelWord, Path, Query, Word, thousandths};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Question {
    /// Also what gives how many points, and what is missing to the next level.
    #[serde(default)]
    explain: bool,
}

/// A member's score.
#[derive(Serialize, ToSchema)]
pub(super) struct Score {
    /// The member.
    #[schema(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: String,
    #[serde(flatten)]
    engagement: Engagement,
    /// Why; present with `explain=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explain>,
}

/// Why a score is what it is.
#[derive(Serialize, ToSchema)]
struct Explain {
    /// Thousandths of a point: the sum of those of the factors. Rounded to whole points it is the score.
    #[schema(minimum = 0, maximum = 100_000, example = 95_214)]
    score_milli: i64,
    /// What each factor gives.
    factors: Vec<FactorShare>,
    /// The next level and the way there; null for superfans.
    next_level: Option<NextLevel>,
}

/// What a factor gives.
#[derive(Serialize, ToSchema)]
struct FactorShare {
    /// Its name.
    #[schema(example = "talk")]
    factor: String,
    /// Thousandths of a point that it gives.
    #[schema(minimum = 0, example = 17_857)]
    points_milli: i64,
    /// The same in points.
    #[schema(minimum = 0, example = 17.857)]
    points: f64,
    /// Points that it can give.
    #[schema(minimum = 0, maximum = 100, example = 25)]
    cap: i64,
    /// What all her interactions are worth now, as so many of one point each that are of today.
    #[schema(minimum = 0, example = 12.5)]
    effective: f64,
    /// The days that give most of it, the most first.
    top_days: Vec<StrongDay>,
}

/// A day that gives much.
#[derive(Serialize, ToSchema)]
struct StrongDay {
    /// The day, in the time zone of her creator.
    #[schema(value_type = String, format = Date, example = "2026-01-24")]
    day: String,
    /// Her interactions of that day, as far as they count.
    #[schema(minimum = 0, example = 10)]
    counted: i64,
    /// What they are worth now, as `effective` of the factor.
    #[schema(minimum = 0, example = 9.5)]
    effective: f64,
}

/// The next level.
#[derive(Serialize, ToSchema)]
struct NextLevel {
    /// The level.
    level: LevelWord,
    /// The score at which it begins.
    #[schema(minimum = 1, maximum = 100, example = 60)]
    score: i64,
    /// Thousandths of a point that are missing.
    #[schema(minimum = 0, example = 1_214)]
    missing_milli: i64,
    /// How many more interactions of one kind, today, lead there, the fewest first; null when none does alone, because the
    /// day's or the factor's cap comes before.
    more_today: Option<Vec<More>>,
    /// Whether it can be reached today, with several kinds together.
    reachable_today: bool,
}

/// So many more interactions of a kind.
#[derive(Serialize, ToSchema)]
struct More {
    /// The kind.
    #[schema(example = "comment")]
    kind: String,
    /// How many more.
    #[schema(minimum = 1, example = 3)]
    more: i64,
}

impl From<Explanation> for Explain {
    fn from(of: Explanation) -> Self {
        Self {
            score_milli: of.factors.iter().map(|factor| factor.points_milli).sum(),
            factors: of.factors.into_iter().map(FactorShare::from).collect(),
            next_level: of.next.map(NextLevel::from),
        }
    }
}

impl From<FactorPoints> for FactorShare {
    fn from(of: FactorPoints) -> Self {
        Self {
            factor: of.id,
            points_milli: of.points_milli,
            points: thousandths(of.points_milli),
            cap: of.cap,
            effective: thousandths(of.effective_milli),
            top_days: of.days.into_iter().map(StrongDay::from).collect(),
        }
    }
}

impl From<TopDay> for StrongDay {
    fn from(of: TopDay) -> Self {
        Self {
            day: period::date(of.day).to_string(),
            counted: of.counted,
            effective: thousandths(of.effective_milli),
        }
    }
}

impl From<Next> for NextLevel {
    fn from(of: Next) -> Self {
        let mut ways = of.ways;
        ways.sort_by_key(|way| way.more);
        let more: Vec<_> = ways.into_iter().map(More::from).collect();
        Self {
            level: Word(of.level),
            score: of.score,
            missing_milli: of.missing_milli,
            more_today: Some(more).filter(|ways| !ways.is_empty()),
            reachable_today: of.today,
        }
    }
}

impl From<Way> for More {
    fn from(of: Way) -> Self {
        Self {
            kind: of.kind,
            more: of.more,
        }
    }
}

/// Show a member's score
///
/// Her engagement score, level and rank, what she did, and with `explain=true` what gives how many points and what is missing
/// to the next level.
#[utoipa::path(get, path = "/v1/members/{id}/score", tag = "engagement", operation_id = "member_score",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"), Question),
    responses((status = 200, description = "Her score.", body = Score)))]
pub(super) async fn score(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(question): Query<Question>,
) -> Answer<Json<Score>> {
    let member = found(&state, &caller, &id).await?;
    let (creator, deleted) = (member.creator_id.as_deref(), member.deleted_at.is_some());
    let organization = &caller.organization;
    let of = scores::score(&state.env, organization, &member.id, creator, deleted).await?;
    Ok(Json(Score {
        member_id: member.id,
        engagement: Engagement::whole(&of),
        explain: question.explain.then(|| of.explanation.into()),
    }))
}
