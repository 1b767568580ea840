//! `memberd webhooks`: checking a signature, and asking an endpoint.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use memberd_jobs::{
    access::activity::Call,
    kernel::{Clock as _, Env, SystemClock},
    webhooks_out::try_out,
};
use serde_json::json;

use super::{Failure, Outcome, activity::logged, open, output, runtime};
use crate::{
    cli::Global,
    webhooks_out::signature::{Headers, Secret, SignatureError},
};

/// What `webhooks` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Tell whether a body, its headers and a secret fit together; exits 0 or 4
    Verify(Verify),
    /// Send a signed test event to an endpoint at once, and print its answer
    Test {
        /// `whe_…`
        id: String,
        /// Whose endpoint
        #[arg(long, default_value = "default", value_name = "ID")]
        organization: String,
    },
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// The endpoint's secret (`whsec_…`)
    #[arg(
        long,
        required_unless_present = "secret_file",
        conflicts_with = "secret_file"
    )]
    secret: Option<String>,
    /// File that holds the secret, so that it is not in the shell's history
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The header `webhook-id`
    #[arg(long)]
    id: String,
    /// The header `webhook-timestamp`
    #[arg(long)]
    timestamp: String,
    /// The header `webhook-signature`
    #[arg(long)]
    signature: String,
    /// File that holds the body, byte for byte [default: standard input]
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Take signatures of any time
    #[arg(long)]
    any_time: bool,
}

/// Checks signatures and asks endpoints.
///
/// # Errors
/// A signature that does not fit (4), an endpoint that does not take its test, or a database that fails.
pub fn run(args: &Args, global: &Global) -> Outcome {
    match &args.action {
        Action::Verify(wanted) => verify(wanted, global),
        Action::Test { id, organization } => runtime()?.block_on(async {
            let env = open(global).await?;
            let test = async |_: &mut Call| test(&env, global, organization, id).await;
            logged(&env, organization, "webhooks test", Some(id), test).await
        }),
    }
}

fn verify(wanted: &Verify, global: &Global) -> Outcome {
    let text = match (&wanted.secret, &wanted.secret_file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(file)) => String::from_utf8_lossy(&read(file)?).into_owned(),
        (None, None) => String::new(),
    };
    let usage = |error: SignatureError| Failure::new(Failure::USAGE, error.to_string());
    let secret = Secret::parse(&text).map_err(usage)?;
    let mut body = Vec::new();
    match &wanted.body {
        Some(file) => body = read(file)?,
        None => {
            std::io::stdin().read_to_end(&mut body)?;
        }
    }
    let Verify {
        id,
        timestamp,
        signature,
        ..
    } = wanted;
    let checked = secret.verify(
        &Headers {
            id,
            timestamp,
            signature,
        },
        &body,
        SystemClock.now(),
    );
    match checked {
        Ok(_) => {}
        Err(SignatureError::Expired(_)) if wanted.any_time => {}
        Err(why) => return Err(Failure::new(Failure::FOUND, why.to_string())),
    }
    output::one(global, "the signature is right", &json!({ "valid": true }))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file)
        .map_err(|error| Failure::new(Failure::USAGE, format!("{}: {error}", file.display())))
}

async fn test(env: &Env, global: &Global, organization: &str, id: &str) -> Outcome {
    let answer = try_out(env, organization, id).await?;
    let answer = answer.map_err(|why| Failure::new(Failure::FAILED, why.to_string()))?;
    let milliseconds = u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX);
    let said = match answer.status {
        Ok(status) => format!("it answered {status} after {milliseconds} ms"),
        Err(error) => format!("no answer: {} after {milliseconds} ms", error.as_str()),
    };
    if !answer.is_success() {
        return Err(Failure::new(Failure::FAILED, said));
    }
    output::one(
        global,
        &said,
        &json!({ "status": answer.status.ok(), "milliseconds": milliseconds }),
    )
}
