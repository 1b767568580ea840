//! `[engagement]`: what interactions there are, and how they are scored.

use super::key::Key;
use super::problem::Fault;
use super::reader::Reader;
use super::typed::{boolean, integer, text};
use memberd_jobs::{
    engagement::overflowing,
    kernel::scoring::{
        FACTORS_MAX, Factor, InteractionKind, KINDS_MAX, Levels, POINTS_MAX, Scoring,
    },
};

/// How what members do is counted and scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engagement {
    /// The definition of the score.
    pub scoring: Scoring,
    /// How many days after its own an interaction is taken.
    pub late_days: i64,
}

impl Engagement {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let late_days = reader
            .section(&["engagement"])
            .required("late_days", integer);
        let factors: Vec<Factor> = named(reader, "factors")
            .into_iter()
            .map(|id| factor(reader, id))
            .collect();
        let kinds = named(reader, "kinds")
            .into_iter()
            .map(|id| kind(reader, id, &factors))
            .collect();
        let scoring = Scoring {
            kinds,
            factors,
            levels: levels(reader),
        };
        check_numbers(reader, &scoring);
        check_caps(reader, &scoring.factors);
        if let Some(at) = overflowing(&scoring) {
            let what = "lets the sums of its factor grow beyond what is counted exactly";
            let fix = "lower it, or the points or daily caps of its kinds";
            let id = &scoring.factors[at].id;
            reader
                .section(&["engagement", "factors", id])
                .problem("half_life_days", Fault::new(what, fix));
        }
        Self { scoring, late_days }
    }
}

fn named(reader: &Reader<'_>, table: &str) -> Vec<String> {
    reader.names_in(&Key::new(["engagement", table]))
}

fn factor(reader: &mut Reader<'_>, id: String) -> Factor {
    let mut section = reader.section(&["engagement", "factors", &id]);
    Factor {
        cap: section.required("cap", integer),
        half_at: section.required("half_at", integer),
        half_life: section.required("half_life_days", integer),
        id,
    }
}

fn kind(reader: &mut Reader<'_>, id: String, factors: &[Factor]) -> InteractionKind {
    let mut section = reader.section(&["engagement", "kinds", &id]);
    let known: Vec<&str> = factors.iter().map(|known| known.id.as_str()).collect();
    let fix = format!("write one of {}, or add its table", known.join(", "));
    let factor = section.optional("factor", |value, kind| {
        let factor = text(value, kind)?;
        let fault = || Fault::new("is not the name of a factor", fix.clone());
        known
            .contains(&factor.as_str())
            .then_some(factor)
            .ok_or_else(fault)
    });
    if factor.is_none() && !section.is_given("factor") {
        section.problem("factor", Fault::new("is not set", fix));
    }
    InteractionKind {
        factor: factor.unwrap_or_default(),
        points: section.required("points", integer),
        daily_cap: section.required("daily_cap", integer),
        counts_as_interaction: section.required("counts_as_interaction", boolean),
        timed: section.required("timed", boolean),
        id,
    }
}

fn levels(reader: &mut Reader<'_>) -> Levels {
    let mut section = reader.section(&["engagement", "levels"]);
    let levels = Levels {
        superfan: section.required("superfan", integer),
        engaged: section.required("engaged", integer),
        casual: section.required("casual", integer),
        keep_percent: section.required("keep_percent", integer),
    };
    for (name, score, lower_name, lower) in [
        ("engaged", levels.engaged, "casual", levels.casual),
        ("superfan", levels.superfan, "engaged", levels.engaged),
    ] {
        if score <= lower {
            let what = format!("is not above {lower_name} = {lower}");
            let fix = format!("write {} or more, or lower {lower_name}", lower + 1);
            section.problem(name, Fault::new(what, fix));
        }
    }
    levels
}

fn check_numbers(reader: &mut Reader<'_>, scoring: &Scoring) {
    let factors = scoring.factors.iter().map(|it| ("factors", &it.id, "cap"));
    let kinds = scoring.kinds.iter().map(|it| ("kinds", &it.id, "factor"));
    for (table, id, key) in factors
        .skip(FACTORS_MAX)
        .chain(kinds.skip(KINDS_MAX))
        .collect::<Vec<_>>()
    {
        let most = if table == "factors" {
            FACTORS_MAX
        } else {
            KINDS_MAX
        };
        let what = format!("is of one more than the {most} {table} that there may be");
        let fix = format!("remove tables [engagement.{table}.<id>] until {most} are left");
        reader
            .section(&["engagement", table, id])
            .problem(key, Fault::new(what, fix));
    }
}

/// Of the caps that do not add up, the first that was set is told.
fn check_caps(reader: &mut Reader<'_>, factors: &[Factor]) {
    let sum: i64 = factors.iter().map(|factor| factor.cap).sum();
    if sum == POINTS_MAX {
        return;
    }
    let given = factors.iter().find(|factor| {
        let section = reader.section(&["engagement", "factors", &factor.id]);
        section.is_given("cap")
    });
    if let Some(factor) = given.or(factors.first()) {
        let all: Vec<String> = factors
            .iter()
            .map(|it| format!("{} {}", it.id, it.cap))
            .collect();
        let what = format!(
            "makes the caps of all factors add up to {sum}: {}",
            all.join(", ")
        );
        let fix = format!("change caps until they add up to {POINTS_MAX}");
        reader
            .section(&["engagement", "factors", &factor.id])
            .problem("cap", Fault::new(what, fix));
    }
}
