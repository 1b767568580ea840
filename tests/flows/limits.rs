//! The limits of the configuration, on a real daemon.

use memberd_jobs::access::{NewKey, Scopes, create_key};

use crate::support::{Answer, Daemon, Node, World, on_both};

async fn key(world: &World) -> String {
    let env = &world.db.env;
    let scopes = Scopes::all();
    let new = NewKey {
        organization: "default",
        name: "limited",
        scopes: &scopes,
        expires_at: None,
        live: false,
        unlimited: false,
        creator: None,
    };
    let mut tx = env.db.begin().await.unwrap();
    let (_, key) = create_key(&mut tx, env, &new).await.unwrap();
    tx.commit().await.unwrap();
    key.reveal()
}

async fn from(daemon: &Daemon, address: &str, key: &str) -> u16 {
    let request = daemon.http.get(daemon.url("/v1/info")).bearer_auth(key);
    let request = request.header("x-forwarded-for", address);
    Answer::to(request).await.unwrap().status
}

async fn policy(daemon: &Daemon, method: reqwest::Method, key: &str) -> String {
    let request = daemon.http.request(method, daemon.url("/v1/jobs"));
    let answer = Answer::to(request.bearer_auth(key)).await.unwrap();
    answer.headers["ratelimit-policy"]
        .to_str()
        .unwrap()
        .to_owned()
}

on_both! {
    async fn the_limits_of_the_configuration_hold(world: World) {
        let node = Node::default()
            .set("limits.reads_per_minute", "2")
            .set("limits.unauthorized_per_minute", "2")
            .set("server.trusted_proxies", "127.0.0.1");
        let daemon = world.daemon_with(node).await;
        let (one, two) = (key(&world).await, key(&world).await);
        for expected in [200, 200, 429] {
            assert_eq!(from(&daemon, "192.0.2.7", &one).await, expected);
        }
        for expected in [401, 401, 429] {
            assert_eq!(from(&daemon, "192.0.2.1", "mbd_test_nonsense").await, expected);
        }
        assert_eq!(from(&daemon, "192.0.2.1", &two).await, 429, "it has not worked before");
        assert_eq!(from(&daemon, "192.0.2.2", &two).await, 200);
        assert_eq!(from(&daemon, "192.0.2.1", &two).await, 200, "by now it has worked");
    }
    async fn each_limit_of_the_configuration_is_told(world: World) {
        let node = Node::default()
            .set("limits.reads_per_minute", "2")
            .set("limits.writes_per_minute", "1")
            .set("limits.requests_per_minute", "3");
        let daemon = world.daemon_with(node).await;
        let key = key(&world).await;
        let reads = policy(&daemon, reqwest::Method::GET, &key).await;
        assert_eq!(reads, r#""reads";q=2;w=60, "requests";q=3;w=60"#);
        let writes = policy(&daemon, reqwest::Method::POST, &key).await;
        assert_eq!(writes, r#""writes";q=1;w=60, "requests";q=3;w=60"#);
    }
}
