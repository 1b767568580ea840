//! The API keys of a demo.

use std::fmt::Write as _;

use memberd_jobs::{
    access::{NewKey, Scope, Scopes, create_key},
    kernel::Env,
};

use super::setup::{DEFAULT, OTHER};

/// The key that may do everything, as often as it likes.
const ADMIN: &str = "K_ADMIN";

/// A key with its secret.
#[derive(Clone, Debug)]
pub(super) struct DemoKey {
    /// The shell variable.
    pub(super) variable: &'static str,
    /// The key itself.
    pub(super) text: String,
}

/// The keys of a demo, in the order of the documentation.
#[derive(Clone, Debug)]
pub(super) struct Keys(Vec<DemoKey>);

impl Keys {
    /// Makes them.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn make(env: &Env) -> anyhow::Result<Self> {
        let mut tx = env.db.begin().await?;
        let mut keys = Vec::new();
        for (variable, organization, scopes) in wanted() {
            let new = NewKey {
                organization,
                name: &format!("demo: {variable}"),
                scopes: &scopes,
                expires_at: None,
                live: false,
                unlimited: variable == ADMIN,
                creator: None,
            };
            let (_, key) = create_key(&mut tx, env, &new).await?;
            keys.push(DemoKey {
                variable,
                text: key.reveal(),
            });
        }
        tx.commit().await?;
        Ok(Self(keys))
    }

    /// The text of one of them; empty for a variable that is none.
    pub(super) fn text(&self, variable: &str) -> &str {
        let found = self.0.iter().find(|key| key.variable == variable);
        found.map_or("", |key| &key.text)
    }

    /// Assignments for a shell.
    pub(super) fn shell(&self) -> String {
        let mut text = String::new();
        for key in &self.0 {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{}='{}'", key.variable, key.text);
        }
        text
    }
}

/// Variable, organization and scopes.
fn wanted() -> Vec<(&'static str, &'static str, Scopes)> {
    let of = |scopes: &[Scope]| scopes.iter().copied().collect::<Scopes>();
    let read: Scopes = Scope::ALL
        .into_iter()
        .filter(|scope| scope.reads())
        .collect();
    vec![
        (ADMIN, DEFAULT, Scopes::all()),
        ("K_READ", DEFAULT, read),
        (
            "K_MEMBERS",
            DEFAULT,
            of(&[Scope::MembersRead, Scope::MembersWrite]),
        ),
        (
            "K_GRANT",
            DEFAULT,
            of(&[Scope::MembersRead, Scope::AccessGrant]),
        ),
        (
            "K_SUBS",
            DEFAULT,
            of(&[Scope::InvoicesRead, Scope::SubscriptionsWrite]),
        ),
        ("K_EMAIL", DEFAULT, of(&[Scope::EmailSend])),
        (
            "K_CAMPAIGN",
            DEFAULT,
            of(&[Scope::CampaignsWrite, Scope::CampaignsSend]),
        ),
        ("K_OTHERORG", OTHER, Scopes::all()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_for_reading_reads_everything_and_changes_nothing() {
        let (_, _, scopes) = wanted().into_iter().find(|key| key.0 == "K_READ").unwrap();
        assert!(scopes.has(Scope::JobsRead) && scopes.has(Scope::MembersRead));
        assert!(scopes.iter().all(Scope::reads));
    }

    #[test]
    fn a_shell_can_read_the_keys() {
        let key = |variable, text: &str| DemoKey {
            variable,
            text: text.to_owned(),
        };
        let keys = Keys(vec![
            key("K_ADMIN", "mbd_test_1"),
            key("K_READ", "mbd_test_2"),
        ]);
        assert_eq!(keys.shell(), "K_ADMIN='mbd_test_1'\nK_READ='mbd_test_2'\n");
        assert_eq!(
            (keys.text("K_READ"), keys.text("K_NONE")),
            ("mbd_test_2", "")
        );
    }
}
