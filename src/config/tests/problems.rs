//! What is refused, and with which words.

use super::Given;

#[test]
fn all_problems_are_listed_at_once_with_their_places() {
    let given = Given::file(
        "[server]\nlisten = \"localhost\"\nlistne = \"127.0.0.1:1\"\n\n[node]\nlease = \"1s\"\n\
         \x20 roles = [\"api\", \"cook\"]\n",
    )
    .environment("MEMBERD_DATABASE__MAX_CONECTIONS", "8")
    .environment("MEMBERD_SHUTDOWN__TIMEOUT", "30")
    .flag("stripe.rate_share", "0");
    assert_eq!(
        given.lines(),
        [
            "memberd.toml:2:10: server.listen = \"localhost\" is not an address; \
         write IP:PORT such as 127.0.0.1:7171 or [::]:7171",
            "memberd.toml:3:1: server.listne is not a known key; did you mean server.listen?",
            "memberd.toml:6:9: node.lease = \"1s\" is out of range; write 5s to 10m",
            "memberd.toml:7:11: node.roles = [\"api\", \"cook\"] is not known; \
         write one of api, worker, scheduler",
            "environment MEMBERD_DATABASE__MAX_CONECTIONS: database.max_conections is not a known \
         key; did you mean MEMBERD_DATABASE__MAX_CONNECTIONS?",
            "environment MEMBERD_SHUTDOWN__TIMEOUT: shutdown.timeout = \"30\" is not a duration; \
         write a whole number and ms, s, m, h or d, 1s to 10m",
            "flag --set stripe.rate_share: stripe.rate_share = 0 is out of range; write 1 to 100",
        ]
    );
    let text = given.refused().to_string();
    assert!(
        text.starts_with("the configuration has 7 problems:\n  "),
        "{text}"
    );
}

#[test]
fn a_syntax_error_names_the_line_and_hides_it() {
    let given = Given::file("[stripe]\n# ü\nsecret_key = sk_test_hush\n");
    let lines = given.lines();
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("memberd.toml:3:14: is not TOML: "),
        "{}",
        lines[0]
    );
    assert!(!lines[0].contains("hush"), "{}", lines[0]);
}

#[test]
fn a_syntax_error_hides_no_problem_of_other_layers() {
    let given = Given::file("[server\n").environment("MEMBERD_LOG__FORMAT", "xml");
    assert_eq!(given.lines().len(), 2);
}

#[test]
fn a_key_set_twice_is_refused() {
    let given = Given::file("[log]\nfilter = \"info\"\nfilter = \"warn\"\n");
    assert!(given.lines()[0].starts_with("memberd.toml:3:1: is not TOML: duplicate key"));
}

#[test]
fn a_named_file_must_exist_and_be_small() {
    let mut given = Given::nothing();
    given.sources.file = Some(given.folder.path().join("absent.toml"));
    assert_eq!(
        given.lines(),
        ["absent.toml:1:1: the file does not exist; create it with `memberd init`"]
    );
    let long = "#".repeat(1 << 20) + "\n";
    assert!(Given::file(&long).lines()[0].contains("longer than 1048576 bytes"));
}

#[test]
fn tables_and_values_are_told_apart() {
    let given = Given::file("server = 5\n[log.filter]\nlevel = \"info\"\n[serer]\nlisten = 1\n")
        .environment("MEMBERD_SERVER", "x")
        .flag("", "x");
    assert_eq!(
        given.lines(),
        [
            "memberd.toml:1:1: server is a table, not a value; write its keys below a line [server]",
            "memberd.toml:2:1: log.filter is a table, not a text; write a text in quotes",
            "memberd.toml:4:2: serer is not a known table; did you mean server?",
            "environment MEMBERD_SERVER: server is a table, not a value; set one of its keys",
            "flag --set : \"\" is not a key; write a dotted key such as server.listen",
        ]
    );
}

#[test]
fn an_empty_value_is_no_default() {
    let given = Given::file("[node]\nroles = []\n").environment("MEMBERD_SERVER__LISTEN", "");
    assert_eq!(
        given.lines(),
        [
            "memberd.toml:2:9: node.roles = [] is empty; set it, or remove it for its default",
            "environment MEMBERD_SERVER__LISTEN: server.listen = \"\" is empty; \
         set it, or remove it for its default",
        ]
    );
}

#[test]
fn names_of_schedules_and_organizations_are_checked_once() {
    let given = Given::file(
        "[schedules.reconcile]\ncron = \"0 3 * * *\"\nenabled = true\n\
         [organizations.Acme]\nname = \"A\"\ncurrency = \"eur\"\n",
    );
    let lines = given.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("memberd.toml:1:12: schedules.reconcile is not the name"));
    assert!(lines[1].starts_with("memberd.toml:4:16: organizations.Acme is not an organization"));
}

#[test]
fn the_default_organization_uses_the_top_level_table() {
    let given = Given::file("[organizations.default.stripe]\nlivemode = true\n");
    let lines = given.lines();
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].ends_with("write it as stripe.livemode"),
        "{}",
        lines[0]
    );
}

#[test]
fn an_inherited_mistake_is_reported_once() {
    let given = Given::file("[stripe]\ntimeout = \"1h\"\n[organizations.a]\n[organizations.b]\n");
    assert_eq!(
        given.lines(),
        ["memberd.toml:2:11: stripe.timeout = \"1h\" is out of range; write 1s to 2m"]
    );
}

#[test]
fn two_organizations_never_share_an_account() {
    let given = Given::nothing()
        .flag("organizations.a.stripe.account", "acct_1")
        .flag("stripe.account", "acct_1");
    assert_eq!(
        given.lines(),
        [
            "flag --set stripe.account: stripe.account = \"acct_1\" is also the account of the \
         organization a; give each organization its own account"
        ]
    );
}

#[test]
fn the_two_modes_of_an_account_are_two_organizations() {
    let given = Given::nothing()
        .flag("stripe.account", "acct_1")
        .flag("organizations.live.stripe.account", "acct_1")
        .flag("organizations.live.stripe.livemode", "true");
    assert_eq!(given.load().config.organizations.len(), 2);
}

#[test]
fn a_connected_account_is_named_and_of_the_mode_of_its_platforms_key() {
    let given = Given::nothing()
        .flag("stripe.secret_key", "sk_test_a")
        .flag("organizations.a.stripe.connected", "true")
        .flag("organizations.b.stripe.connected", "true")
        .flag("organizations.b.stripe.account", "acct_1")
        .flag("organizations.b.stripe.livemode", "true");
    assert_eq!(
        given.lines(),
        [
            "flag --set organizations.a.stripe.connected: organizations.a.stripe.connected = true needs the account \
             that is connected; name the connected account in account, or set connected = false",
            "flag --set organizations.b.stripe.livemode: organizations.b.stripe.livemode = true is not the mode of \
             the platform's key, stripe.secret_key; give it the same livemode, or a secret_key of its own"
        ]
    );
}

#[test]
fn values_that_only_the_code_can_check() {
    for (key, value, want) in [
        (
            "database.url",
            "mysql://h/d",
            "names neither SQLite nor PostgreSQL",
        ),
        ("log.filter", "memberd=loud", "is not a filter"),
        ("node.id", "a b", "is not the name of a node"),
        ("stripe.account", "cus_1", "is not the id of an account"),
        ("stripe.api_base", "stripe.com", "is not a URL"),
        (
            "schedules.a.b.cron",
            "0 9 * * 1",
            "gives a day of the week as a number",
        ),
        (
            "schedules.a.b.timezone",
            "Europe/Pariss",
            "did you mean Europe/Paris?",
        ),
        ("organizations.acme.currency", "USD", "is not a currency"),
    ] {
        let lines = Given::nothing().flag(key, value).lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(want), "{}", lines[0]);
    }
}

#[test]
fn what_deserves_a_look_is_a_warning() {
    let warnings = Given::nothing()
        .flag("server.listen", "0.0.0.0:7171")
        .load()
        .warnings;
    let begins: Vec<&str> = warnings
        .iter()
        .filter_map(|warning| warning.split(' ').next())
        .collect();
    assert_eq!(
        begins,
        [
            "server.listen",
            "stripe.secret_key",
            "stripe.webhook_secrets"
        ]
    );
    let quiet = Given::nothing()
        .flag("stripe.secret_key", "rk_test_a")
        .flag("stripe.webhook_secrets", "whsec_a");
    assert_eq!(quiet.load().warnings, Vec::<String>::new());
}

#[test]
fn a_policy_of_access_that_contradicts_itself_is_refused() {
    let given = Given::file(
        "[entitlements]\npast_due_grace = \"0s\"\n[entitlements.policy]\nactive = \"none\"\n\
         unpaid = \"full\"\nincomplete_expired = \"full\"\npast_du = \"none\"\n",
    );
    assert_eq!(
        given.lines(),
        [
            "memberd.toml:4:10: entitlements.policy.active = \"none\" is not known; write one of full, \
             until_period_end",
            "memberd.toml:5:10: entitlements.policy.unpaid = \"full\" gives more than past_due = \"grace\", \
             which comes before it; write \"grace\" or less, or raise past_due",
            "memberd.toml:6:22: entitlements.policy.incomplete_expired = \"full\" gives more than incomplete = \
             \"none\", which comes before it; write \"none\" or less, or raise incomplete",
            "memberd.toml:7:1: entitlements.policy.past_du is not a known key; did you mean \
             entitlements.policy.past_due?",
        ]
    );
    let generous = "[entitlements.policy]\nincomplete = \"full\"\n";
    let warnings = Given::file(generous).load().warnings;
    assert_eq!(
        warnings[0],
        "entitlements.policy.incomplete gives access that nobody pays for, without an end"
    );
}
