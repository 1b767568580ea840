//! Signatures of tokens, checked by ring, which does TLS here already. Each algorithm takes keys of its own kind only, so
//! that a public key never becomes the secret of an HMAC.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error, Verifier},
};
use ring::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};

/// What the crate calls.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| -> Result<Box<dyn JwtSigner>> {
        Err(ErrorKind::UnsupportedAlgorithm.into())
    },
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes the crate use it, once in a process.
pub(super) fn install() {
    // Fails when it was done before.
    let _installed = PROVIDER.install_default();
}

/// A key and how signatures are checked with it.
enum Check {
    Hmac(hmac::Key),
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Curve(&'static dyn VerificationAlgorithm, Vec<u8>),
}

struct Ring(Algorithm, Check);

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    use AlgorithmFamily::{Ec, Ed, Hmac, Rsa};
    use DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
    let check = match (algorithm, key.family(), key.kind()) {
        (Algorithm::HS256, Hmac, SecretOrDer(secret)) => {
            Check::Hmac(hmac::Key::new(hmac::HMAC_SHA256, secret))
        }
        (Algorithm::RS256, Rsa, RsaModulusExponent { n, e }) => Check::Rsa {
            n: n.clone(),
            e: e.clone(),
        },
        (Algorithm::ES256, Ec, SecretOrDer(point)) => {
            Check::Curve(&ECDSA_P256_SHA256_FIXED, point.clone())
        }
        (Algorithm::EdDSA, Ed, SecretOrDer(point)) => Check::Curve(&ED25519, point.clone()),
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(Ring(algorithm, check)))
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        match &self.1 {
            Check::Hmac(key) => hmac::verify(key, message, signature),
            Check::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Check::Curve(how, key) => UnparsedPublicKey::new(*how, key).verify(message, signature),
        }
        .map_err(|_| Error::new())
    }
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}
