//! Pairs of keys, and tokens that are signed with them.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use serde_json::{Value, json};

/// A key for these tests and nothing else: ring makes none of this kind.
const RSA_KEY: &str = include_str!("rsa_key.txt");

enum Secret {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
    Hmac(hmac::Key),
}

pub(super) struct Pair {
    id: String,
    secret: Secret,
}

pub(super) fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Pair {
    pub(super) fn ed(id: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self {
            id: id.to_owned(),
            secret: Secret::Ed(pair),
        }
    }

    pub(super) fn ec(id: &str) -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
        Self {
            id: id.to_owned(),
            secret: Secret::Ec(pair),
        }
    }

    pub(super) fn rsa(id: &str) -> Self {
        let der = STANDARD
            .decode(RSA_KEY.split_whitespace().collect::<String>())
            .unwrap();
        let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
        Self {
            id: id.to_owned(),
            secret: Secret::Rsa(Box::new(pair)),
        }
    }

    pub(super) fn hmac(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self {
            id: "hmac".to_owned(),
            secret: Secret::Hmac(key),
        }
    }

    const fn algorithm(&self) -> &'static str {
        match self.secret {
            Secret::Ed(_) => "EdDSA",
            Secret::Ec(_) => "ES256",
            Secret::Rsa(_) => "RS256",
            Secret::Hmac(_) => "HS256",
        }
    }

    /// The public key as a set has it.
    pub(super) fn jwk(&self) -> Value {
        match &self.secret {
            Secret::Ed(pair) => {
                json!({ "kid": self.id, "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key()) })
            }
            Secret::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kid": self.id, "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
            Secret::Rsa(pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({ "kid": self.id, "kty": "RSA", "n": text(n), "e": text(e), "alg": "RS256", "use": "sig" })
            }
            Secret::Hmac(_) => panic!("a secret has no public key"),
        }
    }

    /// The bytes of the public key, as somebody would use them who takes them for a secret.
    pub(super) fn public(&self) -> Vec<u8> {
        match &self.secret {
            Secret::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Rsa(pair) => pair.public().as_ref().to_vec(),
            Secret::Hmac(_) => panic!("a secret has no public key"),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Secret::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Secret::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
        }
    }

    pub(super) fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": self.algorithm(), "kid": self.id })
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    pub(super) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        format!("{message}.{}", text(self.sign(message.as_bytes())))
    }
}

/// The set of these public keys.
pub(super) fn set(pairs: &[&Pair]) -> String {
    let keys: Vec<Value> = pairs.iter().map(|pair| pair.jwk()).collect();
    json!({ "keys": keys }).to_string()
}
