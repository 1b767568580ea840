//! `memberd engagement calibrate`: constants that fit one's own members.

use std::fmt::Write as _;

use memberd_jobs::{
    engagement::calibrate::{Calibration, Shares, calibrate},
    kernel::{Env, scoring::Level},
};
use serde_json::{Value, json};

use super::super::{Failure, Outcome, print};
use crate::cli::Global;

/// What `calibrate` takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Args {
    /// Percent of the living members that should be superfans
    #[arg(long, default_value_t = 8, value_name = "PERCENT", value_parser = clap::value_parser!(i64).range(0..=100))]
    superfan: i64,
    /// Percent that should be engaged
    #[arg(long, default_value_t = 25, value_name = "PERCENT", value_parser = clap::value_parser!(i64).range(0..=100))]
    engaged: i64,
    /// Percent that should be casual; the rest is inactive
    #[arg(long, default_value_t = 43, value_name = "PERCENT", value_parser = clap::value_parser!(i64).range(0..=100))]
    casual: i64,
}

/// Prints what to put into the configuration; changes nothing.
pub(super) async fn run(env: &Env, global: &Global, organization: &str, args: Args) -> Outcome {
    let Args {
        superfan,
        engaged,
        casual,
    } = args;
    let sum = superfan + engaged + casual;
    if sum > 100 {
        let text = format!("the shares add up to {sum} percent: give 100 at the most");
        return Err(Failure::new(Failure::USAGE, text));
    }
    let wanted = Shares {
        superfan,
        engaged,
        casual,
    };
    let found = calibrate(env, organization, wanted).await?.ok_or_else(|| {
        let text = format!(
            "nothing was counted for organization `{organization}` yet: tell interactions first"
        );
        Failure::new(Failure::FAILED, text)
    })?;
    let toml = toml(&found);
    if global.json {
        print(&as_json(&found, &toml).to_string())
    } else {
        print(&format!("{}{toml}", comment(&found)))
    }
}

/// The constants, as the configuration has them.
fn toml(of: &Calibration) -> String {
    let levels = of.levels;
    let mut text = format!(
        "[engagement.levels]\nsuperfan = {}\nengaged = {}\ncasual = {}\n",
        levels.superfan, levels.engaged, levels.casual
    );
    for factor in of.factors.iter().filter(|factor| factor.active > 0) {
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            "\n[engagement.factors.{}]\nhalf_at = {}\n",
            factor.id, factor.half_at
        );
    }
    text
}

/// What would follow, as a comment of the configuration.
fn comment(of: &Calibration) -> String {
    let reached = Level::ALL.into_iter().zip(of.reached).rev();
    let reached: Vec<_> = reached
        .map(|(level, members)| format!("{members} {level}"))
        .collect();
    let mut text = format!(
        "# With this, by their scores of today, of {} members: {}.\n",
        of.members,
        reached.join(", ")
    );
    for factor in &of.factors {
        let _ = writeln!(
            text,
            "# {}: half_at is {}, the median of {} who do anything is {}.",
            factor.id, factor.before, factor.active, factor.half_at
        );
    }
    text
}

fn as_json(of: &Calibration, toml: &str) -> Value {
    let factors = of.factors.iter();
    let factors: Vec<_> = factors
        .map(|factor| {
            json!({ "factor": factor.id, "half_at_before": factor.before, "half_at": factor.half_at,
                    "active": factor.active })
        })
        .collect();
    let [inactive, casual, engaged, superfans] = of.reached;
    let levels = of.levels;
    json!({ "members": of.members, "factors": factors,
            "levels": { "superfan": levels.superfan, "engaged": levels.engaged, "casual": levels.casual },
            "reached": { "superfans": superfans, "engaged": engaged, "casual": casual, "inactive": inactive },
            "toml": toml })
}

#[cfg(test)]
mod tests {
    use memberd_jobs::{engagement::calibrate::OfFactor, kernel::scoring::Levels};
    use tempfile::TempDir;

    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn what_is_proposed_can_be_deployed_as_it_is_printed() {
        let of = Calibration {
            factors: vec![
                OfFactor {
                    id: "views".to_owned(),
                    before: 20,
                    half_at: 33,
                    active: 7,
                },
                OfFactor {
                    id: "talk".to_owned(),
                    before: 5,
                    half_at: 5,
                    active: 0,
                },
            ],
            levels: Levels {
                superfan: 71,
                engaged: 30,
                casual: 9,
                keep_percent: 85,
            },
            members: 10,
            reached: [3, 4, 2, 1],
        };
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("memberd.toml");
        std::fs::write(&file, format!("{}{}", comment(&of), toml(&of))).unwrap();
        let sources = Sources {
            file: Some(file),
            ..Sources::default()
        };
        let scoring = load(&sources).unwrap().config.engagement.scoring;
        assert_eq!(scoring.levels, of.levels);
        let half_at = |id: &str| scoring.factors[scoring.factor(id).unwrap()].half_at;
        assert_eq!((half_at("views"), half_at("talk")), (33, 5));
        assert!(comment(&of).contains("1 superfan, 2 engaged, 4 casual, 3 inactive"));
    }
}
