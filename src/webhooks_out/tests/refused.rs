//! Hosts and URLs that are refused when an endpoint is made, and again when it is sent to.

use memberd_jobs::kernel::ports::{Receivers as _, SendError};

use super::{attempt, sender, sender_with};

/// Every form in which an address that is nobody's server can be written.
const HOSTS: [&str; 44] = [
    // four numbers
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "192.88.99.1",
    "192.0.0.8",
    "198.18.0.1",
    "240.0.0.1",
    // decimal, octal, hex, fewer parts, mixed
    "2130706433",
    "0x7f000001",
    "017700000001",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "0x7f.1",
    "0xa9fea9fe",
    "2852039166",
    "0",
    // with a dot at the end, other digits and percent signs
    "127.0.0.1.",
    "2130706433.",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "127。0。0。1",
    // IPv6
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fd00::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[64:ff9b::7f00:1]",
    // IPv4 within IPv6
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[2002:7f00:1::]",
];

#[tokio::test]
async fn no_form_of_a_private_address_is_taken_or_sent_to() {
    let (sender, _) = sender(&[]);
    for host in HOSTS {
        let url = format!("http://{host}/hook");
        let refused = sender.check(&url).await.unwrap_err();
        assert!(refused.contains("no public address"), "{host}: {refused}");
        assert_eq!(
            attempt(&sender, &url).await.status,
            Err(SendError::NotAllowed),
            "{host}"
        );
    }
}

#[tokio::test]
async fn names_of_this_machine_are_refused_and_so_are_names_that_mean_refused_addresses() {
    let (sender, names) = sender(&[]);
    for host in ["localhost", "LOCALHOST", "localhost.", "api.localhost"] {
        let url = format!("http://{host}/hook");
        assert!(
            sender
                .check(&url)
                .await
                .unwrap_err()
                .contains("no public address"),
            "{host}"
        );
        assert_eq!(
            attempt(&sender, &url).await.status,
            Err(SendError::NotAllowed),
            "{host}"
        );
    }
    for (address, public) in [
        ("127.0.0.1", false),
        ("::1", false),
        ("::ffff:10.0.0.1", false),
        ("169.254.169.254", false),
        ("8.8.8.8", true),
    ] {
        names.set("receiver.example", &[address]);
        assert_eq!(
            sender.check("http://receiver.example/hook").await.is_ok(),
            public,
            "{address}"
        );
        if !public {
            let answer = attempt(&sender, "http://receiver.example/hook").await;
            assert_eq!(answer.status, Err(SendError::NotAllowed), "{address}");
        }
    }
    // What cannot be resolved now may be later; then it is looked at.
    assert!(
        sender
            .check("http://not-there-yet.example/hook")
            .await
            .is_ok()
    );
    assert_eq!(
        attempt(&sender, "http://not-there-yet.example/hook")
            .await
            .status,
        Err(SendError::Unreachable)
    );
}

#[tokio::test]
async fn a_name_that_means_something_else_later_is_refused_then() {
    let (sender, names) = sender(&[]);
    names.set("rebinds.example", &["8.8.8.8"]);
    let url = "http://rebinds.example/hook";
    assert_eq!(sender.check(url).await.unwrap(), url);
    names.set("rebinds.example", &["127.0.0.1", "::1", "169.254.169.254"]);
    assert_eq!(
        attempt(&sender, url).await.status,
        Err(SendError::NotAllowed)
    );
}

#[tokio::test]
async fn urls_hold_scheme_host_and_path_and_nothing_that_opens_doors() {
    let (strict, _) = sender_with(&[], true);
    let (plain, _) = sender(&[]);
    for (url, word) in [
        ("receiver.example/hook", "no URL"),
        ("ftp://receiver.example/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("http://receiver.example/", "https_only"),
        ("https://user@receiver.example/", "no user"),
        ("https://:word@receiver.example/", "no user"),
        ("https://receiver.example/#part", "fragment"),
        ("https://receiver.example:8443/", "port"),
        ("https://receiver.example:22/", "port"),
        ("https://8.8.8.8:8443/", "port"),
        ("https://./", "no host"),
        ("https:///", "no URL"),
    ] {
        let refused = strict.check(url).await.unwrap_err();
        assert!(refused.contains(word), "{url}: {refused}");
        assert_eq!(
            attempt(&strict, url).await.status,
            Err(SendError::NotAllowed),
            "{url}"
        );
    }
    for url in [
        "https://receiver.example/hook?key=1",
        "https://receiver.example:443/a/b",
        "https://8.8.8.8/",
    ] {
        assert!(strict.check(url).await.is_ok(), "{url}");
    }
    assert_eq!(
        plain.check("HTTP://Receiver.Example:80").await.unwrap(),
        "http://receiver.example/"
    );
}

#[tokio::test]
async fn the_operator_may_name_networks_and_only_there_other_ports() {
    let (sender, names) = sender(&["10.1.0.0/16", "127.0.0.0/8"]);
    names.set("inside.example", &["10.1.2.3"]);
    names.set("public.example", &["8.8.8.8"]);
    for (url, taken) in [
        ("http://10.1.2.3/", true),
        ("http://10.1.2.3:8080/", true),
        ("http://10.2.0.0/", false),
        ("http://localhost:9000/", true),
        ("http://inside.example:8080/", true),
        ("http://public.example/", true),
        ("http://public.example:8080/", false),
        ("http://8.8.8.8:8080/", false),
        ("http://169.254.169.254/", false),
    ] {
        assert_eq!(sender.check(url).await.is_ok(), taken, "{url}");
    }
}
