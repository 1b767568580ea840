//! `GET /v1/engagement`

use std::collections::BTreeMap;

use axum::extract::State;
use chrono::NaiveDate;
use memberd_jobs::{
    creators,
    engagement::{
        analytics::{Analytics, Contributor, OfKind, Period, Window, analytics, period},
        definition::zone,
        local_day,
    },
    kernel::scoring::Level,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{
    Answer, ApiState, Caller, Closed, Code, Json, LevelWord, Problem, Query, Word, rounded,
};

type PeriodWord = Word<Period>;

impl Closed for Period {
    const NAME: &'static str = "Period";
    const ABOUT: &'static str = "A period of the calendar; weeks begin on Monday.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Question {
    /// The period; a month unless said.
    #[param(inline)]
    period: Option<PeriodWord>,
    /// Members of this creator, by her id or external id, in her time zone. Without it all of the organization's, or of the creator
    /// to whom the key is narrowed.
    #[param(example = "crt_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    creator_id: Option<String>,
    /// A day of the period; today unless said.
    #[param(value_type = Option<String>, format = Date, example = "2026-01-15")]
    date: Option<NaiveDate>,
}

/// How an audience did in a period. docs/analytics.md defines each figure.
#[derive(Serialize, ToSchema)]
pub struct EngagementAnalytics {
    /// The period.
    period: PeriodWord,
    /// The creator; null: the whole organization.
    #[schema(example = "crt_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    creator_id: Option<String>,
    /// Where the days begin and end.
    #[schema(example = "Europe/Vienna")]
    time_zone: String,
    /// Its first day.
    #[schema(value_type = String, format = Date, example = "2026-01-01")]
    from: String,
    /// Its last day, or today while it is not over.
    #[schema(value_type = String, format = Date, example = "2026-01-24")]
    to: String,
    /// The period before, as far as it has as many days.
    previous: Days,
    /// How many members there are, and how that changed.
    overview: Overview,
    /// What they did.
    engagement: Did,
    /// The members by their level now.
    distribution: Distribution,
    /// Against the period before.
    trends: Trends,
    /// Who was there.
    community: Community,
}

/// Days of the calendar, the last one included.
#[derive(Serialize, ToSchema)]
struct Days {
    /// The first one.
    #[schema(value_type = String, format = Date, example = "2025-12-01")]
    from: String,
    /// The last one.
    #[schema(value_type = String, format = Date, example = "2025-12-24")]
    to: String,
}

/// How many members there are, and how that changed.
#[derive(Serialize, ToSchema)]
struct Overview {
    /// Living members who had joined by the end of the period.
    #[schema(minimum = 0, example = 11_450)]
    total_members: i64,
    /// Those of them with an interaction in the period.
    #[schema(minimum = 0, example = 8_200)]
    active_members: i64,
    /// Those who joined in the period.
    #[schema(minimum = 0, example = 580)]
    new_members: i64,
    /// Those whose last paid subscription ended in the period.
    #[schema(minimum = 0, example = 120)]
    churned_members: i64,
    /// New members less churned ones.
    #[schema(example = 460)]
    net_growth: i64,
    /// Net growth over the members without it; null where there were none.
    #[schema(example = 0.0419)]
    growth_rate: Option<f64>,
}

/// What members did.
#[derive(Serialize, ToSchema)]
struct Did {
    /// The mean of the scores that all members have now; null without members.
    #[schema(minimum = 0, maximum = 100, example = 65)]
    avg_engagement_score: Option<f64>,
    /// Interactions of the period: the sum of `by_kind`.
    #[schema(minimum = 0, example = 125_000)]
    interactions_total: i64,
    /// The same by kind.
    #[schema(example = json!({"comment": 15_000, "content_view": 85_000, "persona_chat": 16_500, "share": 8_500}))]
    by_kind: BTreeMap<String, i64>,
    /// What happened in kinds that do not count as interactions.
    #[schema(example = json!({}))]
    other_kinds: BTreeMap<String, i64>,
}

/// Members by level. The counts add up to `total_members`, the interactions to `interactions_total`.
#[derive(Serialize, ToSchema)]
struct Distribution {
    superfans: Segment,
    engaged: Segment,
    casual: Segment,
    inactive: Segment,
}

/// Members of one level.
#[derive(Serialize, ToSchema)]
struct Segment {
    /// How many.
    #[schema(minimum = 0, example = 1_150)]
    count: i64,
    /// Their share in all members, 0 to 1.
    #[schema(minimum = 0, maximum = 1, example = 0.1004)]
    percent: f64,
    /// Their interactions in the period.
    #[schema(minimum = 0, example = 51_750)]
    interactions: i64,
    /// The same for each of them; 0 where there are none.
    #[schema(minimum = 0, example = 45)]
    avg_interactions: f64,
}

/// Against the period before.
#[derive(Serialize, ToSchema)]
struct Trends {
    /// Change of the interactions for each member: 0.08 is 8 % more; null where there was nothing to compare with.
    #[schema(example = 0.08)]
    engagement_trend: Option<f64>,
    /// The share of those who were active in the period before that was active again; null where nobody was.
    #[schema(minimum = 0, maximum = 1, example = 0.92)]
    retention_rate: Option<f64>,
    /// Minutes that an interaction of a kind that lasts took; null where no durations were told.
    #[schema(minimum = 0, example = 12.5)]
    avg_session_duration_minutes: Option<f64>,
}

/// Who was there.
#[derive(Serialize, ToSchema)]
struct Community {
    /// Members with an interaction today, or on the last day of the period where that is over.
    #[schema(minimum = 0, example = 2_450)]
    active_today: i64,
    /// The ten with the most interactions in the period, the most first.
    top_contributors: Vec<TopContributor>,
}

/// A member who contributed much. Her name is her own affair: `GET /v1/members/{id}` tells it who may see it.
#[derive(Serialize, ToSchema)]
struct TopContributor {
    /// The member.
    #[schema(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: String,
    /// Her interactions in the period.
    #[schema(minimum = 1, example = 450)]
    contributions: i64,
    /// Her level now.
    badge: LevelWord,
}

impl From<Contributor> for TopContributor {
    fn from(of: Contributor) -> Self {
        Self {
            member_id: of.member_id,
            contributions: of.interactions,
            badge: Word(of.level),
        }
    }
}

fn by_kind(kinds: &BTreeMap<String, OfKind>) -> BTreeMap<String, i64> {
    let n = |(name, kind): (&String, &OfKind)| (name.clone(), kind.n);
    kinds.iter().map(n).collect()
}

impl EngagementAnalytics {
    /// The figures as the API tells them.
    pub fn of(
        period: Period,
        creator_id: Option<String>,
        time_zone: String,
        of: Analytics,
    ) -> Self {
        let day = |day| period::date(day).to_string();
        let Window { now, before } = of.window;
        Self {
            period: Word(period),
            creator_id,
            time_zone,
            from: day(now.from),
            to: day(now.to),
            previous: Days {
                from: day(before.from),
                to: day(before.to),
            },
            overview: Overview {
                total_members: of.members,
                active_members: of.active,
                new_members: of.new,
                churned_members: of.churned,
                net_growth: of.net_growth(),
                growth_rate: of.growth_rate().map(rounded),
            },
            engagement: Did {
                avg_engagement_score: of.average_score().map(rounded),
                interactions_total: of.interactions(),
                by_kind: by_kind(&of.kinds),
                other_kinds: by_kind(&of.others),
            },
            distribution: Distribution::of(&of),
            trends: Trends {
                engagement_trend: of.trend().map(rounded),
                retention_rate: of.retention_rate().map(rounded),
                avg_session_duration_minutes: of.session_minutes().map(rounded),
            },
            community: Community {
                active_today: of.active_today,
                top_contributors: of.top.into_iter().map(TopContributor::from).collect(),
            },
        }
    }
}

impl Distribution {
    fn of(all: &Analytics) -> Self {
        let segment = |level: Level| {
            let of = all.level(level);
            Segment {
                count: of.members,
                percent: rounded(all.share(&of)),
                interactions: of.interactions,
                avg_interactions: rounded(of.average()),
            }
        };
        Self {
            superfans: segment(Level::Superfan),
            engaged: segment(Level::Engaged),
            casual: segment(Level::Casual),
            inactive: segment(Level::Inactive),
        }
    }
}

fn wrong(parameter: &str, detail: &str) -> Problem {
    Problem::field(Code::InvalidFilter, format!("?{parameter}"), detail)
}

/// Show engagement analytics
///
/// How the members of the organization or of one creator did in a period of the calendar: how many there are, what they did,
/// their levels, and the change against the period before. All figures are of one moment, so their sums fit.
#[utoipa::path(get, path = "/v1/engagement", tag = "engagement", operation_id = "show_engagement", params(Question),
    responses((status = 200, description = "The figures.", body = EngagementAnalytics)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Query(question): Query<Question>,
) -> Answer<Json<EngagementAnalytics>> {
    let (env, organization) = (&state.env, &caller.organization);
    let creator = match &question.creator_id {
        None => caller.creator.clone(),
        Some(word) => {
            let found = creators::find(&env.db, organization, word).await?;
            let own = found.filter(|creator| caller.sees(Some(&creator.id)));
            let unknown = || {
                let detail = "there is no such creator: give the id or the external id of one";
                wrong("creator_id", detail)
            };
            Some(own.ok_or_else(unknown)?.id)
        }
    };
    let zone = zone(env, organization, creator.as_deref()).await?;
    let today = period::date(local_day(zone, env.now()));
    let period = question.period.map_or_else(Period::default, |word| word.0);
    let date = question.date.unwrap_or(today);
    let window = Window::of(period, date, today).ok_or_else(|| {
        let detail = format!("{date} is not from 1970-01-02 to {today}, which is today in {zone}");
        wrong("date", &detail)
    })?;
    let figures = analytics(env, organization, creator.as_deref(), zone, window).await?;
    Ok(Json(EngagementAnalytics::of(
        period,
        creator,
        zone.name().to_owned(),
        figures,
    )))
}
