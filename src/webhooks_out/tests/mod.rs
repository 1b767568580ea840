//! Where events are sent and where they are not, against a server of this process.

mod network;
mod refused;

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use memberd_jobs::kernel::{
    Timestamp,
    ports::{Answer, Message, Receivers as _, SigningSecret},
};

use super::{Addresses, Keys, Names, Options, Sender, names::Lookup};

/// The key that test secrets are made from.
const KEY: &str = "0123456789abcdef0123456789abcdef";
const AT: Timestamp = Timestamp(1_768_473_000_000);

/// Names that mean what a test says, and may mean something else later.
#[derive(Debug, Default)]
struct FakeNames(Mutex<BTreeMap<String, Vec<IpAddr>>>);

impl FakeNames {
    fn set(&self, host: &str, addresses: &[&str]) {
        let addresses = addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        self.0.lock().unwrap().insert(host.to_owned(), addresses);
    }
}

impl Names for FakeNames {
    fn look_up(&self, host: &str) -> Lookup {
        let found = self.0.lock().unwrap().get(host).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such host")) })
    }
}

/// A sender over plain HTTP, to these networks beside the public ones, with names that the test decides.
fn sender(allowed: &[&str]) -> (Sender, Arc<FakeNames>) {
    sender_with(allowed, false)
}

fn sender_with(allowed: &[&str], https_only: bool) -> (Sender, Arc<FakeNames>) {
    let names = Arc::new(FakeNames::default());
    let options = Options {
        keys: Keys::new(&[KEY.into()]),
        addresses: Addresses {
            allowed: allowed.iter().map(|text| text.parse().unwrap()).collect(),
        },
        https_only,
        timeout: Duration::from_secs(5),
        names: Arc::clone(&names) as _,
    };
    (Sender::new(options).unwrap(), names)
}

/// A secret of an endpoint.
fn made_from(salt: &str) -> SigningSecret {
    SigningSecret {
        id: "whs_1".to_owned(),
        endpoint_id: "whe_1".to_owned(),
        salt: salt.to_owned(),
        key_id: Keys::new(&[KEY.into()]).first().unwrap().to_owned(),
        created_at: AT,
        expires_at: None,
    }
}

async fn attempt(sender: &Sender, url: &str) -> Answer {
    let secrets = [made_from("a"), made_from("b")];
    let message = Message {
        url,
        id: "evt_1",
        at: AT,
        body: r#"{"id":"evt_1"}"#,
        secrets: &secrets,
    };
    sender.send(&message).await
}
