//! Scopes: what a key may do.

use std::{collections::BTreeSet, fmt};

/// The permission to use one group of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See jobs, queues, schedules and nodes.
    JobsRead,
    /// Enqueue, retry and cancel jobs.
    JobsWrite,
    /// Pause, resume and tune queues.
    QueuesWrite,
    /// Run, pause and resume schedules.
    SchedulesWrite,
    /// See members and their access.
    MembersRead,
    /// Change members and tiers.
    MembersWrite,
    /// Delete members for good.
    MembersErase,
    /// Give access that nobody paid for.
    AccessGrant,
    /// See subscriptions, invoices and what they are made of.
    InvoicesRead,
    /// Cancel, pause and resume subscriptions.
    SubscriptionsWrite,
    /// See how the mirror of Stripe is doing.
    SyncRead,
    /// Start backfills and replay events.
    SyncWrite,
    /// See revenue.
    RevenueRead,
    /// See payouts and the ledger.
    PayoutsRead,
    /// Prepare and run payouts.
    PayoutsWrite,
    /// Approve payouts.
    PayoutsApprove,
    /// Take and refund tips.
    TipsWrite,
    /// Report interactions.
    EventsWrite,
    /// See engagement.
    EngagementRead,
    /// Write campaigns.
    CampaignsWrite,
    /// Start campaigns.
    CampaignsSend,
    /// Send single mails.
    EmailSend,
    /// Change who gets no mail.
    SuppressionsWrite,
    /// Change where webhooks are sent.
    WebhooksWrite,
    /// See, make and revoke keys.
    KeysWrite,
    /// See who did what.
    AuditRead,
}

impl Scope {
    /// All scopes, in the order of the documentation.
    pub const ALL: [Self; 26] = [
        Self::JobsRead,
        Self::JobsWrite,
        Self::QueuesWrite,
        Self::SchedulesWrite,
        Self::MembersRead,
        Self::MembersWrite,
        Self::MembersErase,
        Self::AccessGrant,
        Self::InvoicesRead,
        Self::SubscriptionsWrite,
        Self::SyncRead,
        Self::SyncWrite,
        Self::RevenueRead,
        Self::PayoutsRead,
        Self::PayoutsWrite,
        Self::PayoutsApprove,
        Self::TipsWrite,
        Self::EventsWrite,
        Self::EngagementRead,
        Self::CampaignsWrite,
        Self::CampaignsSend,
        Self::EmailSend,
        Self::SuppressionsWrite,
        Self::WebhooksWrite,
        Self::KeysWrite,
        Self::AuditRead,
    ];

    /// The word in tables, commands and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::QueuesWrite => "queues:write",
            Self::SchedulesWrite => "schedules:write",
            Self::MembersRead => "members:read",
            Self::MembersWrite => "members:write",
            Self::MembersErase => "members:erase",
            Self::AccessGrant => "access:grant",
            Self::InvoicesRead => "invoices:read",
            Self::SubscriptionsWrite => "subscriptions:write",
            Self::SyncRead => "sync:read",
            Self::SyncWrite => "sync:write",
            Self::RevenueRead => "revenue:read",
            Self::PayoutsRead => "payouts:read",
            Self::PayoutsWrite => "payouts:write",
            Self::PayoutsApprove => "payouts:approve",
            Self::TipsWrite => "tips:write",
            Self::EventsWrite => "events:write",
            Self::EngagementRead => "engagement:read",
            Self::CampaignsWrite => "campaigns:write",
            Self::CampaignsSend => "campaigns:send",
            Self::EmailSend => "email:send",
            Self::SuppressionsWrite => "suppressions:write",
            Self::WebhooksWrite => "webhooks:write",
            Self::KeysWrite => "keys:write",
            Self::AuditRead => "audit:read",
        }
    }

    /// Whether it moves money or access, deletes for good, mails many, or makes keys. Source: seed 002, lines 9 to 16.
    pub const fn is_high_trust(self) -> bool {
        matches!(
            self,
            Self::MembersErase
                | Self::AccessGrant
                | Self::SubscriptionsWrite
                | Self::PayoutsWrite
                | Self::PayoutsApprove
                | Self::TipsWrite
                | Self::CampaignsSend
                | Self::KeysWrite
        )
    }

    /// Whether it only shows.
    pub fn reads(self) -> bool {
        self.as_str().ends_with(":read")
    }

    /// Reads a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope: scopes look like jobs:read")]
pub struct UnknownScope(pub String);

/// The scopes of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Every scope there is.
    pub fn all() -> Self {
        Self(Scope::ALL.into_iter().collect())
    }

    /// Reads words separated by spaces or commas.
    ///
    /// # Errors
    /// When one of them is no scope.
    pub fn parse(words: &str) -> Result<Self, UnknownScope> {
        split(words)
            .map(|word| Scope::parse(word).ok_or_else(|| UnknownScope(word.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Reads what is stored. A scope that a newer memberd wrote grants nothing here.
    pub fn stored(words: &str) -> Self {
        Self(split(words).filter_map(Scope::parse).collect())
    }

    /// Whether `scope` is among them.
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// The first scope that `other` lacks.
    pub fn beyond(&self, other: &Self) -> Option<Scope> {
        self.0.difference(&other.0).next().copied()
    }

    /// What speaks against giving all of them to one key: a leak of a key that publishes every day should not move money.
    pub fn warning(&self) -> Option<String> {
        let changes: Vec<_> = self.iter().filter(|scope| !scope.reads()).collect();
        let high: Vec<_> = changes.iter().filter(|scope| scope.is_high_trust()).map(|scope| scope.as_str()).collect();
        let mixed = changes.len() > 1 && !high.is_empty();
        mixed.then(|| {
            format!(
                "it has {}, which should stand alone: give each such scope to a key of its own, apart from what runs every day",
                high.join(", ")
            )
        })
    }

    /// The scopes, in the order of the documentation.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// The words, separated by spaces: the form that is stored.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

fn split(words: &str) -> impl Iterator<Item = &str> {
    words.split([' ', ',']).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_listed_once_and_reads_back() {
        let words: BTreeSet<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        assert_eq!(words.len(), Scope::ALL.len());
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(
            Scopes::parse(&Scopes::all().to_string()),
            Ok(Scopes::all())
        );
    }

    #[test]
    fn an_unknown_scope_is_refused_from_people_and_grants_nothing_when_stored() {
        assert_eq!(
            Scopes::parse("jobs:read,jobs:reed"),
            Err(UnknownScope("jobs:reed".to_owned()))
        );
        let stored = Scopes::stored("jobs:read moon:write");
        assert_eq!(stored, Scopes::from_iter([Scope::JobsRead]));
    }

    #[test]
    fn high_trust_scopes_that_do_not_stand_alone_are_warned_of() {
        let warning = |scopes: &[Scope]| scopes.iter().copied().collect::<Scopes>().warning();
        assert_eq!(warning(&[Scope::AccessGrant, Scope::MembersRead]), None);
        assert_eq!(warning(&[Scope::MembersWrite, Scope::EventsWrite]), None);
        let mixed = warning(&[Scope::AccessGrant, Scope::SubscriptionsWrite, Scope::MembersWrite]).unwrap();
        assert!(mixed.starts_with("it has access:grant, subscriptions:write, which"), "{mixed}");
        assert!(warning(&[Scope::AccessGrant, Scope::CampaignsWrite]).is_some());
    }

    #[test]
    fn beyond_names_what_the_other_lacks() {
        let (few, all) = (Scopes::from_iter([Scope::JobsRead]), Scopes::all());
        assert_eq!(few.beyond(&all), None);
        assert_eq!(all.beyond(&few), Some(Scope::JobsWrite));
    }
}
