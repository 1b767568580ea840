//! What the configuration says about engagement: which interactions there are, what they are worth, and from which score
//! on a member has which level.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most factors a score is made of.
pub const FACTORS_MAX: usize = 8;
/// Most kinds of interactions.
pub const KINDS_MAX: usize = 64;
/// The caps of all factors together: the highest score.
pub const POINTS_MAX: i64 = 100;
/// Thousandths of a point in a point.
pub const MILLI: i64 = 1_000;
/// What the weight of the landmark's own day is; another day's weight is this times a power of two, rounded.
pub const UNIT: i64 = 1 << 16;
/// Halvings after which a weight of [`UNIT`] is rounded to nothing.
pub const HALVINGS_TO_NOTHING: i64 = 17;
/// How many days after its own an interaction is taken, where the configuration says nothing.
pub const LATE_DAYS_DEFAULT: i64 = 400;
/// Days after the landmark for which there are weights, at the most. See [`Scoring::days_ahead`].
const DAYS_AHEAD_MAX: i64 = 180;
/// Half-lives after the landmark for which there are weights, at the most: a weight stays below 2^24.
const HALVINGS_AHEAD_MAX: i64 = 8;

/// How engaged a member is, the more the later.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Below every threshold.
    #[default]
    Inactive,
    /// From `casual` on.
    Casual,
    /// From `engaged` on.
    Engaged,
    /// From `superfan` on.
    Superfan,
}

impl Level {
    /// All levels, the least engaged first: a level's place here is its number in the tables.
    pub const ALL: [Self; 4] = [Self::Inactive, Self::Casual, Self::Engaged, Self::Superfan];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Casual => "casual",
            Self::Engaged => "engaged",
            Self::Superfan => "superfan",
        }
    }

    /// The number in the tables.
    pub const fn number(self) -> i64 {
        match self {
            Self::Inactive => 0,
            Self::Casual => 1,
            Self::Engaged => 2,
            Self::Superfan => 3,
        }
    }

    /// The level with this number.
    pub fn of(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Level {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == word)
            .ok_or(())
    }
}

/// A part of the score: kinds that count together, up to a cap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factor {
    /// Its name.
    pub id: String,
    /// Points it can give, 0 to 100; those of all factors add up to 100.
    pub cap: i64,
    /// Worth of recent interactions that gives half of the cap, from 1.
    pub half_at: i64,
    /// Days after which an interaction is worth half, 3 to 365.
    pub half_life: i64,
}

/// A kind of interactions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InteractionKind {
    /// Its name.
    pub id: String,
    /// The factor it counts in.
    pub factor: String,
    /// What one is worth on its day, from 0. With 0 it is counted and gives no points.
    pub points: i64,
    /// How many of a member's in one day are worth something, from 1.
    pub daily_cap: i64,
    /// Whether it is one of the "interactions" of a member and of the analytics.
    pub counts_as_interaction: bool,
    /// Whether it lasts: its seconds are those of a session.
    pub timed: bool,
}

/// From which score on a member has a level, 1 to 100, and where she loses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// [`Level::Superfan`]
    pub superfan: i64,
    /// [`Level::Engaged`]
    pub engaged: i64,
    /// [`Level::Casual`]
    pub casual: i64,
    /// Percent of its threshold below which a level is lost, 1 to 100; less than 100, so that nobody flaps.
    pub keep_percent: i64,
}

impl Levels {
    /// The level after a day, from the level before it and the day's score in thousandths of a point: up at a threshold,
    /// down only below [`Levels::keep_percent`] of it.
    pub fn step(&self, before: Level, score_milli: i64) -> Level {
        let (reached, kept) = self.bounds(score_milli);
        before.max(reached).min(kept)
    }

    /// The lowest and the highest level that a member with this score can have, whatever she had before. Where they are one,
    /// the level follows from the score alone.
    pub fn bounds(&self, score_milli: i64) -> (Level, Level) {
        let highest = |of: &dyn Fn(i64) -> bool| {
            [
                (Level::Superfan, self.superfan),
                (Level::Engaged, self.engaged),
                (Level::Casual, self.casual),
            ]
            .into_iter()
            .find(|(_, threshold)| of(*threshold))
            .map_or(Level::Inactive, |(level, _)| level)
        };
        (
            highest(&|threshold| score_milli >= threshold * MILLI),
            highest(&|threshold| score_milli * 100 >= threshold * MILLI * self.keep_percent),
        )
    }
}

/// The definition of the score. Its defaults are those of `config/default.toml`; a test there compares them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scoring {
    /// The parts of the score, at most [`FACTORS_MAX`].
    pub factors: Vec<Factor>,
    /// The kinds of interactions, at most [`KINDS_MAX`].
    pub kinds: Vec<InteractionKind>,
    /// The levels.
    pub levels: Levels,
}

impl Default for Scoring {
    fn default() -> Self {
        let factor = |id: &str, cap, half_at, half_life| Factor {
            id: id.to_owned(),
            cap,
            half_at,
            half_life,
        };
        let kind = |id: &str, factor: &str, daily_cap, timed| InteractionKind {
            id: id.to_owned(),
            factor: factor.to_owned(),
            points: 1,
            daily_cap,
            counts_as_interaction: true,
            timed,
        };
        Self {
            factors: vec![
                factor("conversations", 20, 5, 14),
                factor("sharing", 15, 3, 30),
                factor("talk", 25, 5, 30),
                factor("views", 40, 20, 30),
            ],
            kinds: vec![
                kind("comment", "talk", 10, false),
                kind("content_view", "views", 20, false),
                kind("persona_chat", "conversations", 10, true),
                kind("share", "sharing", 10, false),
            ],
            levels: Levels {
                superfan: 60,
                engaged: 25,
                casual: 5,
                keep_percent: 85,
            },
        }
    }
}

impl Scoring {
    /// Days after the landmark for which there are weights: until then a new landmark must have been set.
    pub fn days_ahead(&self) -> i64 {
        let shortest = self.factors.iter().map(|factor| factor.half_life).min();
        (HALVINGS_AHEAD_MAX * shortest.unwrap_or(DAYS_AHEAD_MAX)).min(DAYS_AHEAD_MAX)
    }

    /// Days before the landmark for which there are weights: before them every weight is nothing.
    pub fn days_back(&self) -> i64 {
        let longest = self.factors.iter().map(|factor| factor.half_life).max();
        HALVINGS_TO_NOTHING * longest.unwrap_or(0)
    }

    /// The place of a factor among [`Scoring::factors`].
    pub fn factor(&self, id: &str) -> Option<usize> {
        self.factors.iter().position(|factor| factor.id == id)
    }
}
