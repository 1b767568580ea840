//! The path of a configuration key, such as `server.listen`.

use std::fmt;

/// What every environment variable of the configuration begins with.
pub(super) const ENVIRONMENT_PREFIX: &str = "MEMBERD_";

/// What separates two levels in the name of an environment variable.
const ENVIRONMENT_SEPARATOR: &str = "__";

/// The segments of a key from the outermost table inwards. In the list of known keys a segment
/// such as `<id>` stands for any name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<String>);

impl Key {
    /// The key with these segments.
    pub(super) fn new<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self(segments.into_iter().map(Into::into).collect())
    }

    /// The root, which holds the sections.
    pub(super) fn root() -> Self {
        Self(Vec::new())
    }

    /// Reads a dotted key with TOML's quoting rules; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let keys = toml_edit::Key::parse(text).ok()?;
        Some(Self::new(keys.iter().map(toml_edit::Key::get)).with_schedule_joined())
    }

    /// The key that an environment variable's name stands for; `None` without the prefix.
    pub(super) fn from_environment(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(ENVIRONMENT_PREFIX)?.to_lowercase();
        Some(Self::new(rest.split(ENVIRONMENT_SEPARATOR)).with_schedule_joined())
    }

    /// The environment variable that sets this key.
    pub(super) fn environment_name(&self) -> String {
        let segments: Vec<String> = self
            .0
            .iter()
            .map(|segment| segment.replace('.', "__"))
            .collect();
        format!(
            "{ENVIRONMENT_PREFIX}{}",
            segments.join(ENVIRONMENT_SEPARATOR).to_uppercase()
        )
    }

    /// Joins the two halves of a schedule's name. The name has a dot, which a shell variable
    /// cannot have and which somebody who types a flag does not want to quote.
    pub(super) fn with_schedule_joined(mut self) -> Self {
        if self.0.len() == 4 && self.0.first().is_some_and(|first| first == "schedules") {
            let second = self.0.remove(2);
            if let Some(first) = self.0.get_mut(1) {
                first.push('.');
                first.push_str(&second);
            }
        }
        self
    }

    /// The key one level further in.
    pub(super) fn child(&self, segment: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment.to_owned());
        Self(segments)
    }

    /// The segments, outermost first.
    pub(super) fn segments(&self) -> &[String] {
        &self.0
    }

    /// The innermost segment; empty for the root.
    pub(super) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The table that holds this key.
    pub(super) fn parent(&self) -> Self {
        let mut segments = self.0.clone();
        segments.pop();
        Self(segments)
    }

    /// Whether a segment stands for any name.
    pub(super) fn is_template(&self) -> bool {
        self.0.iter().any(|segment| is_wildcard(segment))
    }

    /// Whether this is `template` with names in the place of its wildcards.
    pub(super) fn matches(&self, template: &Self) -> bool {
        self.0.len() == template.0.len() && self.is_begun_by(template)
    }

    /// Whether this is a table on the way to `template`.
    pub(super) fn leads_to(&self, template: &Self) -> bool {
        self.0.len() < template.0.len() && self.is_begun_by(template)
    }

    /// `self` as a template, with its wildcards replaced by the segments of `example`.
    pub(super) fn filled_from(&self, example: &Self) -> Self {
        let segments = self.0.iter().enumerate().map(|(at, segment)| {
            let name = example.0.get(at).filter(|_| is_wildcard(segment));
            name.unwrap_or(segment).clone()
        });
        Self(segments.collect())
    }

    fn is_begun_by(&self, template: &Self) -> bool {
        self.0
            .iter()
            .zip(&template.0)
            .all(|(name, want)| name == want || is_wildcard(want))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            if at > 0 {
                out.write_str(".")?;
            }
            if is_wildcard(segment) {
                out.write_str(segment)?;
            } else {
                out.write_str(&toml_edit::Key::new(segment.as_str()).display_repr())?;
            }
        }
        Ok(())
    }
}

/// Whether a segment of the list of known keys stands for any name.
pub(super) fn is_wildcard(segment: &str) -> bool {
    segment.starts_with('<') && segment.ends_with('>')
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn names_of_the_environment_and_back() {
        let key = Key::from_environment("MEMBERD_ORGANIZATIONS__ACME__STRIPE__SECRET_KEY").unwrap();
        assert_eq!(key.to_string(), "organizations.acme.stripe.secret_key");
        assert_eq!(
            key.environment_name(),
            "MEMBERD_ORGANIZATIONS__ACME__STRIPE__SECRET_KEY"
        );
        assert_eq!(Key::from_environment("PATH"), None);
    }

    #[test]
    fn the_dot_in_a_schedules_name_needs_no_quotes_outside_the_file() {
        let quoted = Key::new(["schedules", "sync.reconcile", "cron"]);
        assert_eq!(quoted.to_string(), "schedules.\"sync.reconcile\".cron");
        assert_eq!(
            Key::parse("schedules.sync.reconcile.cron"),
            Some(quoted.clone())
        );
        assert_eq!(
            Key::parse("schedules.\"sync.reconcile\".cron"),
            Some(quoted.clone())
        );
        assert_eq!(
            Key::from_environment("MEMBERD_SCHEDULES__SYNC__RECONCILE__CRON"),
            Some(quoted)
        );
    }

    #[test]
    fn templates_match_any_name() {
        let template = Key::new(["organizations", "<id>", "name"]);
        let key = Key::new(["organizations", "acme", "name"]);
        assert!(key.matches(&template));
        assert!(key.parent().leads_to(&template));
        assert!(!Key::new(["organizations", "acme", "nam"]).matches(&template));
        assert_eq!(template.filled_from(&key), key);
    }
}
