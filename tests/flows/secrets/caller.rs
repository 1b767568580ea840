//! Who drives the daemon, and remembers what must not be found.

use memberd_sandbox::signature;
use reqwest::Method;
use serde_json::{Value, json};

use super::mistakes::{BROKEN, MISTAKES, WITH_A_KEY};
use crate::support::{
    Answer, Daemon, Receiver, World, id,
    token::{claims, token},
    until,
    webhook::{self, SECRET, seconds_now, send},
};

/// A key that nobody has.
const GUESS: &str = "mbd_test_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_AAAAAA";

pub(super) struct Caller<'a> {
    daemon: &'a Daemon,
    world: &'a World,
    /// The texts of all refusals.
    pub(super) refusals: Vec<String>,
    /// What should have been refused.
    pub(super) accepted: Vec<String>,
    /// Secrets that were answered.
    pub(super) secrets: Vec<String>,
}

impl<'a> Caller<'a> {
    pub(super) const fn new(daemon: &'a Daemon, world: &'a World) -> Self {
        Self {
            daemon,
            world,
            refusals: Vec::new(),
            accepted: Vec::new(),
            secrets: Vec::new(),
        }
    }

    async fn ask(&mut self, method: Method, path: &str, body: &str, key: &str) -> Answer {
        let request = self.daemon.http.request(method, self.daemon.url(path));
        let request = request
            .bearer_auth(key)
            .header("content-type", "application/json")
            .body(body.to_owned());
        let answer = Answer::to(request).await.unwrap();
        if answer.status >= 400 {
            self.refusals.push(answer.json.to_string());
        }
        answer
    }

    async fn send(&mut self, method: Method, path: &str, body: &Value) -> Answer {
        self.ask(method, path, &body.to_string(), &self.world.key)
            .await
    }

    async fn refuses(&mut self, method: &str, path: &str, body: &str) {
        let parsed = method.parse().unwrap();
        let answer = self.ask(parsed, path, body, &self.world.key).await;
        let place = format!("{method} {path} {body}: {}", answer.json);
        if !(400..500).contains(&answer.status) {
            self.accepted.push(place);
        }
    }

    /// A secret that is made with a key for repetitions, and asked for once more.
    async fn made(&mut self, path: &str, body: &Value, once: &str) -> (String, String) {
        let write = async || self.daemon.write(Method::POST, path, body, once).await.ok();
        let made = write().await;
        assert_eq!(id(&write().await), id(&made));
        let secret = made["secret"].as_str().unwrap().to_owned();
        self.secrets.push(secret.clone());
        (id(&made), secret)
    }

    /// Members come, change and go.
    pub(super) async fn people(&mut self) {
        let zuse = json!({"email": "zuse@people.test", "name": "Zuse, Konrad", "phone": "+49666777888",
            "tags": ["vip-noether"], "meta": {"friend": "hopper@people.test"},
            "foreign_keys": [{"key": "crm", "value": "curie@people.test"}, {"key": "tel", "value": "+49555444333"},
                {"key": "forum", "value": "Germain, Sophie"}]});
        let made = self
            .daemon
            .write(Method::POST, "/v1/members", &zuse, "k-1")
            .await;
        let path = format!("/v1/members/{}", id(&made.ok()));
        let new = json!({"name": "Zuse, Konrad", "email": "noether@people.test"});
        self.send(Method::PATCH, &path, &new).await.ok();
        self.daemon
            .get("/v1/members?email=noether@people.test")
            .await;
        self.daemon
            .get("/v1/members/ext:crm:curie@people.test")
            .await;
        let turing = self.world.subscriber("turing@people.test").await;
        self.world.settled().await;
        let grant = json!({"product_id": turing.product, "note": "Turing says bye"});
        let grants = format!("{path}/grants");
        self.send(Method::POST, &grants, &grant).await.ok();
        let cancel = format!("/v1/subscriptions/{}/cancel", turing.subscription);
        let bye = json!({"comment": "Turing says bye"});
        self.send(Method::POST, &cancel, &bye).await.ok();
        self.send(Method::DELETE, &path, &json!({})).await.ok();
        self.daemon.post(&format!("{path}/restore")).await;
        self.world.settled().await;
    }

    /// Requests about people that are refused.
    pub(super) async fn mistakes(&mut self) {
        for (method, path, body) in MISTAKES {
            self.refuses(method, path, body).await;
        }
        for body in BROKEN {
            self.refuses("POST", "/v1/members", body).await;
        }
    }

    /// Keys are made, rotated, revoked, mistaken and guessed.
    pub(super) async fn keys(&mut self) {
        let body = json!({"name": "ours", "scopes": ["members:read"]});
        let (of_key, key) = self.made("/v1/keys", &body, "k-2").await;
        let rotate = format!("/v1/keys/{of_key}/rotate");
        let (_, new) = self.made(&rotate, &json!({}), "k-3").await;
        self.ask(Method::GET, "/v1/members", "", &new).await.ok();
        let forbidden = self.ask(Method::GET, "/v1/keys", "", &new).await;
        assert_eq!(forbidden.status, 403);
        for (method, path) in WITH_A_KEY {
            self.refuses(method, &path.replace("KEY", &key), "{}").await;
        }
        let revoke = format!("/v1/keys/{of_key}");
        self.send(Method::DELETE, &revoke, &json!({})).await.ok();
        let mistyped = format!("{}x", &new[..new.len() - 1]);
        for wrong in [&key, &mistyped, &new[..50], GUESS] {
            self.is_nobodys(wrong).await;
        }
        let request = self.daemon.http.get(self.daemon.url("/v1/info"));
        let answer = Answer::to(request.header("authorization", &new))
            .await
            .unwrap();
        assert_eq!(answer.status, 401);
        self.refusals.push(answer.json.to_string());
    }

    /// What is shown in the place of a key lets nobody in.
    async fn is_nobodys(&mut self, shown: &str) {
        let answer = self.ask(Method::GET, "/v1/info", "", shown).await;
        assert_eq!(answer.status, 401, "{shown}");
    }

    /// Tokens work, are refused, and stand where they do not belong.
    pub(super) async fn tokens(&mut self) {
        let germain = json!({"name": "Sophie", "external_id": "germain"});
        self.send(Method::POST, "/v1/creators", &germain).await.ok();
        let said = claims("germain@people.test", "germain");
        let with = |claim: &str, value: Value| {
            let mut other = said.clone();
            other["jti"] = json!(format!("of {claim}"));
            other["email"] = json!("lamarr@people.test");
            other[claim] = value;
            token(&other)
        };
        let good = with("name", json!("Germain, Sophie"));
        self.ask(Method::GET, "/v1/members", "", &good).await.ok();
        let hers = json!({"email": "lamarr@people.test"}).to_string();
        self.ask(Method::POST, "/v1/members", &hers, &good)
            .await
            .ok();
        let forbidden = self.ask(Method::GET, "/v1/queues", "", &good).await;
        assert_eq!(forbidden.status, 403);
        let elsewhere = with("aud", json!("germain@people.test"));
        let over = with("exp", json!(seconds_now() - 300));
        let unknown = with("creator_id", json!("germain@people.test"));
        let nobody = with("sub", json!({"name": "Germain, Sophie"}));
        let (message, signature) = good.rsplit_once('.').unwrap();
        let cut = &good[..good.len() - 4];
        let of_another = format!("{message}.{}", unknown.rsplit_once('.').unwrap().1);
        for refused in [
            &elsewhere,
            &over,
            &unknown,
            &nobody,
            cut,
            message,
            signature,
            &of_another,
        ] {
            self.is_nobodys(refused).await;
        }
        for (method, path) in WITH_A_KEY {
            self.refuses(method, &path.replace("KEY", &good), "{}")
                .await;
            self.refuses(method, &path.replace("KEY", message), "{}")
                .await;
        }
        self.secrets
            .extend([good, elsewhere, over, unknown, nobody]);
    }

    /// Endpoints with secrets hear something, and webhooks come that are not what they seem.
    pub(super) async fn webhooks(&mut self, receiver: &Receiver) {
        let body = json!({"url": receiver.url("/hooks")});
        let (endpoint, _) = self.made("/v1/webhook-endpoints", &body, "k-4").await;
        let path = format!("/v1/webhook-endpoints/{endpoint}");
        let rotate = format!("{path}/rotate-secret");
        let (_, secret) = self.made(&rotate, &json!({}), "k-5").await;
        self.daemon.post(&format!("{path}/test")).await;
        until("a webhook", async || receiver.heard().pop()).await;
        let wrong = format!("/v1/webhook-endpoints/{secret}");
        self.refuses("GET", &wrong, "").await;
        let old = signature::header(SECRET, seconds_now() - 3_600, b"zuse@people.test");
        let person = r#"{"id": "zuse@people.test"}"#;
        for (signature, body) in [
            (webhook::sign(b"another body"), person),
            (SECRET.to_owned(), person),
            (old, "zuse@people.test"),
            (webhook::sign(b"zuse@people.test"), "zuse@people.test"),
            (webhook::sign(person.as_bytes()), person),
        ] {
            let answer = send(self.daemon, "/webhooks/stripe", &signature, body).await;
            assert_eq!(answer.status, 400, "{body}: {}", answer.json);
            self.refusals.push(answer.json.to_string());
        }
    }
}
