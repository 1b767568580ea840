//! `config show` and `config check`.

use super::Given;
use crate::config::{check, show};
use proptest::prelude::*;

fn has_line(text: &str, want: &str) -> bool {
    text.lines().any(|line| line == want)
}

#[test]
fn every_value_has_its_origin() {
    let given = Given::file("[log]\nfilter = \"warn\"\n[organizations.acme]\nname = \"A\"\n")
        .environment("MEMBERD_NODE__LEASE", "1m")
        .environment("MEMBERD_STRIPE__SECRET_KEY", "sk_test_a")
        .environment("MEMBERD_DATABASE__URL", "postgres://u:p@h/d")
        .flag("node.roles", "api");
    let path = given.sources.file.as_ref().unwrap().display().to_string();
    let text = show(&given.load());
    for want in [
        "server.listen = \"127.0.0.1:7171\"  # default",
        &format!("log.filter = \"warn\"  # {path}:2:10"),
        "node.lease = \"1m\"  # environment MEMBERD_NODE__LEASE",
        "node.roles = [\"api\"]  # flag --set node.roles",
        "# stripe.secret_key = [set]  # environment MEMBERD_STRIPE__SECRET_KEY",
        "# stripe.webhook_secrets = [not set]  # default",
        "# database.url = \"postgres://u:***@h/d\"  # environment MEMBERD_DATABASE__URL",
        "# organizations.acme.stripe.secret_key = [not set]  # default",
        "organizations.default.currency = \"usd\"  # default",
    ] {
        assert!(has_line(&text, want), "no line {want} in\n{text}");
    }
}

#[test]
fn a_secret_from_a_file_is_set() {
    let given = Given::nothing();
    let path = given.beside("key", "sk_test_a").display().to_string();
    let text = show(&given.flag("stripe.secret_key_file", &path).load());
    let want = "# stripe.secret_key = [set]  # from stripe.secret_key_file, \
                flag --set stripe.secret_key_file";
    assert!(has_line(&text, want), "{text}");
}

#[test]
fn check_counts_the_layers_and_lists_the_warnings() {
    let given = Given::file("[log]\nfilter = \"warn\"\n[organizations.acme]\n")
        .environment("MEMBERD_NODE__LEASE", "1m")
        .flag("stripe.rate_limit", "5");
    let text = check(&given.load());
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with("the configuration is good; keys: 1 from /"),
        "{first}"
    );
    assert!(
        first.contains("1 from the environment, 1 from flags, "),
        "{first}"
    );
    assert!(
        first.ends_with("organizations: 2; schedules changed: 0"),
        "{first}"
    );
    assert!(
        text.contains("\nwarning: stripe.secret_key is not set"),
        "{text}"
    );
}

fn settings() -> impl Strategy<Value = Vec<(String, String)>> {
    let text = |key: &str, pattern: &str| {
        let key = key.to_owned();
        proptest::string::string_regex(pattern)
            .unwrap()
            .prop_map(move |value| (key.clone(), value))
            .boxed()
    };
    let any_text = any::<String>().prop_map(|value| {
        let key = "organizations.acme.name".to_owned();
        (key, toml_edit::Value::from(value).to_string())
    });
    let one = prop_oneof![
        text("server.listen", "127\\.0\\.0\\.[1-9]:[1-9][0-9]{1,3}"),
        text("server.public_url", "(https://[a-z]{1,9}\\.example/)?"),
        text("server.body_limit", "[1-9][0-9]{1,3}KiB|[2-9][0-9]{3}"),
        text("server.connections_max", "[1-9][0-9]{0,4}"),
        text("database.url", "(sqlite:|postgres://h/)[a-z]{1,9}"),
        text("database.migrate", "check|auto"),
        text("node.id", "[a-zA-Z0-9._-]{0,20}"),
        text("node.roles", "api|worker|scheduler,api"),
        text("node.lease", "[5-9]s|[1-9]m"),
        text("queues.money.concurrency", "[1-9][0-9]{0,2}"),
        text(
            "schedules.sync.reconcile.cron",
            "[0-5]?[0-9] 3 \\* \\* (MON-FRI|\\*)"
        ),
        text("schedules.sync.reconcile.enabled", "true|false"),
        text("stripe.livemode", "true|false"),
        text("stripe.rate_limit", "[1-9][0-9]{0,2}"),
        text("stripe.account", "(acct_[a-z0-9]{1,9})?"),
        text(
            "organizations.acme.time_zone",
            "UTC|Europe/Paris|Asia/Tokyo"
        ),
        text("organizations.acme.stripe.timeout", "[1-9][0-9]?s"),
        text("organizations.b-2.currency", "[a-z]{3}"),
        text("retention.jobs", "[1-9][0-9]{0,2}d"),
        any_text,
    ];
    prop::collection::vec(one, 0..24)
}

proptest! {
    #[test]
    fn what_is_shown_read_again_is_the_same(flags in settings()) {
        let mut given = Given::nothing();
        given.sources.flags = flags;
        let first = given.load();
        let text = show(&first);
        let second = Given::file(&text).load();
        prop_assert_eq!(format!("{:?}", first.config), format!("{:?}", second.config));
    }
}
