//! The figures of a period, and what follows from them. Pure.

use std::collections::BTreeMap;

use super::{Window, store::Row};
use crate::kernel::scoring::Level;

const SECONDS_PER_MINUTE: f64 = 60.0;

/// How the members of a period are spread over a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfLevel {
    /// Members who have it now.
    pub members: i64,
    /// Their interactions in the period.
    pub interactions: i64,
}

impl OfLevel {
    /// Interactions of each; none where there is nobody.
    pub fn average(&self) -> f64 {
        ratio(self.interactions, self.members).unwrap_or(0.0)
    }
}

/// A member who contributed much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contributor {
    /// `mem_…`
    pub member_id: String,
    /// Her interactions in the period.
    pub interactions: i64,
    /// Her level now.
    pub level: Level,
    /// Orders members with as many.
    pub(super) member_no: i64,
}

/// What happened in one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfKind {
    /// Interactions in the period.
    pub n: i64,
    /// Interactions in the period before.
    pub before: i64,
    /// Seconds that those of the period lasted.
    pub seconds: i64,
}

/// The figures of a period. All of them are counts of the same rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analytics {
    /// The days.
    pub window: Window,
    /// Living members who had joined by the end of the period.
    pub members: i64,
    /// Those of them who had joined by the end of the period before.
    pub members_before: i64,
    /// Those with an interaction in the period.
    pub active: i64,
    /// Those with an interaction in the period before.
    pub active_before: i64,
    /// Those with interactions in both.
    pub active_both: i64,
    /// Those with an interaction on the last day of the period.
    pub active_today: i64,
    /// Those who joined in the period.
    pub new: i64,
    /// Those whose last paid subscription ended in the period.
    pub churned: i64,
    /// Sum of their scores now.
    pub score_sum: i64,
    /// The members by level, in the order of [`Level::ALL`].
    pub levels: [OfLevel; Level::ALL.len()],
    /// Kinds that count as interactions, by name; all that the configuration names are there.
    pub kinds: BTreeMap<String, OfKind>,
    /// The other kinds.
    pub others: BTreeMap<String, OfKind>,
    /// Seconds and number of the interactions of kinds that last.
    pub sessions: (i64, i64),
    /// Who contributed most, the most first.
    pub top: Vec<Contributor>,
}

/// What the kinds in the rows are.
pub(super) struct Named<'a> {
    /// Names by number.
    pub names: &'a BTreeMap<i64, String>,
    /// By name: whether it counts as an interaction, and whether it lasts. Of kinds that are not configured, nothing.
    pub known: BTreeMap<&'a str, (bool, bool)>,
}

impl Analytics {
    pub(super) fn of(window: Window, rows: Vec<Row>, named: &Named<'_>) -> Self {
        let mut all = Self::nothing(window, named);
        for row in rows {
            all.add(row, named);
        }
        all.top.sort_by_key(|one| (-one.interactions, one.member_no));
        all
    }

    /// A period in which nothing happened.
    #[cfg(test)]
    pub(super) fn nothing_in(window: Window) -> Self {
        Self::nothing(window, &Named { names: &BTreeMap::new(), known: BTreeMap::new() })
    }

    fn nothing(window: Window, named: &Named<'_>) -> Self {
        let of = |counts: bool| {
            let kinds = named.known.iter().filter(|(_, (it_counts, _))| *it_counts == counts);
            kinds.map(|(name, _)| ((*name).to_owned(), OfKind::default())).collect()
        };
        Self {
            window,
            members: 0,
            members_before: 0,
            active: 0,
            active_before: 0,
            active_both: 0,
            active_today: 0,
            new: 0,
            churned: 0,
            score_sum: 0,
            levels: Default::default(),
            kinds: of(true),
            others: of(false),
            sessions: (0, 0),
            top: Vec::new(),
        }
    }

    fn add(&mut self, row: Row, named: &Named<'_>) {
        let level = Level::of(row.place).unwrap_or_default();
        let of_level = usize::try_from(level.number()).ok().and_then(|at| self.levels.get_mut(at));
        match (row.figure.as_str(), of_level) {
            ("people", Some(of_level)) => {
                of_level.members += row.a;
                self.members += row.a;
                self.score_sum += row.b;
                self.new += row.c;
                self.members_before += row.d;
            }
            ("active", Some(of_level)) => {
                of_level.interactions += row.b;
                self.active += row.a;
                self.active_before += row.c;
                self.active_both += row.d;
                self.active_today += row.e;
            }
            ("kind", _) => self.add_kind(&row, named),
            ("churned", _) => self.churned += row.a,
            ("top", _) => self.top.push(Contributor {
                member_id: row.member_id.unwrap_or_default(),
                interactions: row.a,
                level,
                member_no: row.b,
            }),
            _ => {}
        }
    }

    fn add_kind(&mut self, row: &Row, named: &Named<'_>) {
        let Some(name) = named.names.get(&row.place) else { return };
        let (counts, timed) = named.known.get(name.as_str()).copied().unwrap_or_default();
        let of_kind = OfKind { n: row.a, before: row.b, seconds: row.c };
        if timed {
            self.sessions.0 += row.c;
            self.sessions.1 += row.a;
        }
        let kinds = if counts { &mut self.kinds } else { &mut self.others };
        kinds.insert(name.clone(), of_kind);
    }

    /// The members of a level.
    pub fn level(&self, level: Level) -> OfLevel {
        let at = usize::try_from(level.number()).ok();
        at.and_then(|at| self.levels.get(at)).copied().unwrap_or_default()
    }

    /// Members who joined, less those who churned.
    pub const fn net_growth(&self) -> i64 {
        self.new - self.churned
    }

    /// Net growth over the members at the beginning; `None` where there were none.
    pub fn growth_rate(&self) -> Option<f64> {
        ratio(self.net_growth(), self.members - self.net_growth())
    }

    /// All interactions: the sum over the kinds that count.
    pub fn interactions(&self) -> i64 {
        self.kinds.values().map(|kind| kind.n).sum()
    }

    /// The same of the period before.
    pub fn interactions_before(&self) -> i64 {
        self.kinds.values().map(|kind| kind.before).sum()
    }

    /// The mean of all members' scores; `None` without members.
    pub fn average_score(&self) -> Option<f64> {
        ratio(self.score_sum, self.members)
    }

    /// The share of a level in all members, 0 to 1; nothing of nobody is 0.
    pub fn share(&self, level: &OfLevel) -> f64 {
        ratio(level.members, self.members).unwrap_or(0.0)
    }

    /// Interactions per member against the period before: 0.08 is 8 % more. `None` where there was nothing to compare with.
    pub fn trend(&self) -> Option<f64> {
        let before = ratio(self.interactions_before(), self.members_before)?;
        let now = ratio(self.interactions(), self.members)?;
        (before > 0.0).then(|| now / before - 1.0)
    }

    /// The share of those who were active in the period before that is active in this one too; `None` where nobody was.
    pub fn retention_rate(&self) -> Option<f64> {
        ratio(self.active_both, self.active_before)
    }

    /// Minutes that an interaction of a kind that lasts took; `None` where no seconds were told.
    pub fn session_minutes(&self) -> Option<f64> {
        let (seconds, n) = self.sessions;
        ratio(seconds, n).filter(|_| seconds > 0).map(|seconds| seconds / SECONDS_PER_MINUTE)
    }
}

/// One count over another; `None` over nothing or less.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn ratio(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
