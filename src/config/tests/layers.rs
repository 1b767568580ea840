//! Which layer wins, and how each is read.

use super::Given;
use crate::config::key::Key;
use crate::config::known::{DEFAULT_TOML, KnownKeys};
use crate::config::{CatchUp, Migrate, Role, load};
use memberd_jobs::kernel::{
    policy::AccessPolicy,
    scoring::{LATE_DAYS_DEFAULT, Scoring},
};
use secrecy::ExposeSecret as _;
use std::time::Duration;

#[test]
fn defaults_alone_are_a_configuration() {
    let config = Given::nothing().load().config;
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7171");
    assert_eq!(config.server.public_url, None);
    assert_eq!(config.server.body_limit, 256 * 1024);
    assert_eq!(config.database.migrate, Migrate::Check);
    assert_eq!(config.node.lease, Duration::from_secs(30));
    assert_eq!(config.node.renewal(), Duration::from_secs(10));
    assert_eq!(config.node.roles.len(), 3);
    assert_eq!(config.queues["stripe"].concurrency, 32);
    let names: Vec<&str> = config.queues.keys().map(String::as_str).collect();
    let lanes = [
        "default",
        "deletion",
        "email",
        "engagement",
        "money",
        "stripe",
        "webhooks",
    ];
    assert_eq!(names, lanes);
    assert!(config.schedules.is_empty());
    assert_eq!(config.entitlements.policy, AccessPolicy::default());
    assert_eq!(config.engagement.scoring, Scoring::default());
    assert_eq!(config.engagement.late_days, LATE_DAYS_DEFAULT);
    let organization = &config.organizations["default"];
    assert_eq!(organization.name, "default");
    assert_eq!(organization.currency, "usd");
    assert!(organization.stripe.secret_key.is_none());
}

#[test]
fn a_copy_of_the_embedded_text_changes_nothing() {
    let copied = Given::file(DEFAULT_TOML).load().config;
    assert_eq!(
        format!("{copied:?}"),
        format!("{:?}", Given::nothing().load().config)
    );
}

#[test]
fn each_layer_wins_over_the_former() {
    let given = Given::file("[server]\nconnections_max = 1\n");
    assert_eq!(given.load().config.server.connections_max, 1);
    let given = given.environment("MEMBERD_SERVER__CONNECTIONS_MAX", "2");
    assert_eq!(given.load().config.server.connections_max, 2);
    let given = given
        .flag("server.connections_max", "3")
        .flag("server.connections_max", "4");
    assert_eq!(given.load().config.server.connections_max, 4);
}

#[test]
fn the_first_file_found_is_read() {
    let mut given = Given::nothing();
    let first = given.beside("first.toml", "[log]\nfilter = \"warn\"\n");
    let second = given.beside("second.toml", "[log]\nfilter = \"debug\"\n");
    given.sources.search = vec![
        given.folder.path().join("missing.toml"),
        first.clone(),
        second,
    ];
    let loaded = given.load();
    assert_eq!(loaded.config.log.filter, "warn");
    assert_eq!(loaded.file, Some(first));
}

#[test]
fn texts_of_the_environment_need_no_quotes() {
    let config = Given::nothing()
        .environment("MEMBERD_SERVER__LISTEN", "[::1]:80")
        .environment("MEMBERD_NODE__ID", "17")
        .environment("MEMBERD_NODE__ROLES", "api, worker")
        .environment("MEMBERD_LOG__FILTER", "\"info,memberd=debug\"")
        .environment("MEMBERD_SERVER__BODY_LIMIT", "2048")
        .environment("MEMBERD_STRIPE__LIVEMODE", "true")
        .environment(
            "MEMBERD_STRIPE__WEBHOOK_SECRETS",
            "[\"whsec_a\", \"whsec_b\"]",
        )
        .environment("HOME", "/root")
        .load()
        .config;
    assert_eq!(config.server.listen.to_string(), "[::1]:80");
    assert_eq!(config.node.id.as_deref(), Some("17"));
    assert_eq!(
        config.node.roles.into_iter().collect::<Vec<_>>(),
        [Role::Api, Role::Worker]
    );
    assert_eq!(config.log.filter, "info,memberd=debug");
    assert_eq!(config.server.body_limit, 2048);
    let stripe = &config.organizations["default"].stripe;
    assert!(stripe.livemode);
    assert_eq!(stripe.webhook_secrets.len(), 2);
}

#[test]
fn variables_that_are_no_configuration_are_left_alone() {
    let given = Given::nothing()
        .environment("MEMBERD_TEST_POSTGRES", "postgres://localhost/x")
        .environment("MEMBERD_CONFIG", "a.toml")
        .environment("MEMBERD_PORT", "tcp://10.0.0.1:7171")
        .environment("MEMBERD_PORT_7171_TCP_ADDR", "10.0.0.1")
        .environment("MEMBERD_SERVICE_HOST", "10.0.0.1");
    assert!(load(&given.sources).is_ok());
}

#[test]
fn schedules_are_overridden_in_part() {
    let given = Given::file("[schedules.\"sync.reconcile\"]\ncron = \"30 3 * * *\"\n")
        .environment("MEMBERD_SCHEDULES__SYNC__RECONCILE__CATCH_UP", "none")
        .flag("schedules.money.close_month.enabled", "false");
    let schedules = given.load().config.schedules;
    let reconcile = &schedules["sync.reconcile"];
    assert_eq!(reconcile.cron.as_deref(), Some("0 30 3 * * *"));
    assert_eq!(reconcile.catch_up, Some(CatchUp::None));
    assert_eq!((reconcile.enabled, reconcile.timezone), (None, None));
    assert_eq!(schedules["money.close_month"].enabled, Some(false));
    assert!(
        given
            .load()
            .check_schedules(&["sync.reconcile", "money.close_month"])
            .is_ok()
    );
    let problems = given
        .load()
        .check_schedules(&["sync.reconciles", "money.close_month"]);
    let problem = problems.unwrap_err().list()[0].to_string();
    assert!(problem.ends_with(
        "schedules.\"sync.reconcile\" is not a schedule of memberd; did you mean sync.reconciles?"
    ));
}

#[test]
fn a_share_of_stripes_limit_is_left_to_others() {
    let rate = |text: &str| {
        let config = Given::file(text).load().config;
        config.organizations["default"].stripe.requests_per_second()
    };
    assert_eq!(rate(""), 10);
    assert_eq!(rate("[stripe]\nlivemode = true\n"), 40);
    assert_eq!(rate("[stripe]\nlivemode = true\nrate_share = 75\n"), 75);
    assert_eq!(rate("[stripe]\nrate_share = 1\n"), 1);
    assert_eq!(rate("[stripe]\nrate_share = 1\nrate_limit = 300\n"), 300);
}

#[test]
fn another_organization_shares_everything_but_the_secrets_and_the_account() {
    let config = Given::file(
        "[stripe]\nsecret_key = \"sk_live_a\"\nwebhook_secrets = [\"whsec_a\"]\n\
         account = \"acct_a\"\nlivemode = true\nrate_limit = 7\ntimeout = \"3s\"\n\
         [organizations.default]\nname = \"First\"\n\
         [organizations.second]\ntime_zone = \"Asia/Tokyo\"\n\
         [organizations.second.stripe]\nrate_limit = 9\n\
         [organizations.third]\n",
    )
    .load()
    .config;
    let default = &config.organizations["default"];
    assert_eq!(
        (default.name.as_str(), default.stripe.rate_limit),
        ("First", 7)
    );
    let second = &config.organizations["second"];
    assert_eq!(second.time_zone, chrono_tz::Asia::Tokyo);
    assert_eq!(
        (second.stripe.rate_limit, second.stripe.livemode),
        (9, true)
    );
    assert_eq!(second.stripe.timeout, Duration::from_secs(3));
    assert_eq!(second.stripe.requests_per_second(), 9);
    assert!(second.stripe.secret_key.is_none());
    assert!(second.stripe.webhook_secrets.is_empty());
    assert_eq!(second.stripe.account, None);
    assert_eq!(config.organizations["third"].name, "third");
}

#[test]
fn a_connected_account_uses_the_platforms_key_unless_it_has_one() {
    let config = Given::file(
        "[stripe]\nsecret_key = \"sk_test_a\"\n\
         [organizations.joined.stripe]\naccount = \"acct_1\"\nconnected = true\n\
         [organizations.apart.stripe]\naccount = \"acct_2\"\nconnected = true\nsecret_key = \"sk_test_b\"\n\
         [organizations.own.stripe]\naccount = \"acct_3\"\n",
    )
    .load()
    .config;
    let key = |id: &str| {
        let key = config.organizations[id].stripe.secret_key.as_ref();
        key.map(|key| key.expose_secret().to_owned())
    };
    assert_eq!(key("joined").as_deref(), Some("sk_test_a"));
    assert_eq!(key("apart").as_deref(), Some("sk_test_b"));
    assert_eq!(key("own"), None);
}

#[test]
fn a_secrets_file_is_not_shared_either() {
    let given = Given::nothing();
    let file = given.beside("key", "sk_test_a\n");
    let given = given
        .flag("stripe.secret_key_file", &file.display().to_string())
        .flag("organizations.second.name", "Second");
    let organizations = given.load().config.organizations;
    assert!(organizations["default"].stripe.secret_key.is_some());
    assert!(organizations["second"].stripe.secret_key.is_none());
}

/// A key that no section reads would be a lie; a key with a wrong value must be refused.
#[test]
fn every_known_key_is_read_and_checked() {
    for known in &KnownKeys::embedded().keys {
        let names = known
            .key
            .segments()
            .iter()
            .map(|segment| match segment.as_str() {
                "<id>" => "acme",
                "<name>" => "sync.reconcile",
                other => other,
            });
        let key = Key::new(names).to_string();
        // No key takes a date.
        let problems = Given::file(&format!("{key} = 1979-05-27\n")).refused();
        // Others of its table may be wanted as well.
        let own = problems.list().iter().filter(|one| one.key == key);
        assert_eq!(own.count(), 1, "{problems}");
    }
}
