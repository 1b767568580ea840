//! `memberd init`: from nothing to a configuration, a database and the first key.

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use memberd_jobs::{
    access::{Scopes, activity::Call},
    kernel::Env,
};
use serde_json::json;

use super::{Failure, Outcome, activity::logged, keys, output, runtime};
use crate::{
    cli::Global,
    config::{self, DEFAULT_ORGANIZATION, Migrate},
    runtime::wiring,
};

/// Bytes of the key that the secrets of webhook endpoints are made from.
const KEY_BYTES: usize = 32;

/// The file when none is named.
const FILE: &str = "memberd.toml";

/// What `init` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write the configuration [default: that of --config, then memberd.toml]
    file: Option<PathBuf>,
    /// Database to use: sqlite:FILE or postgres://…
    #[arg(long, value_name = "URL", default_value = "sqlite:memberd.db")]
    database: String,
    /// Do nothing when the file is there already, instead of failing
    #[arg(long)]
    if_missing: bool,
}

/// Writes a configuration, brings the database to this binary's schema and prints the first key once.
///
/// # Errors
/// A file that is there already, or a database that cannot be opened.
pub fn run(args: &Args, global: &Global) -> Outcome {
    let file = args.file.as_ref().or(global.config.as_ref());
    let file = file.map_or(Path::new(FILE), PathBuf::as_path);
    if file.exists() {
        if args.if_missing {
            return output::one(
                global,
                "nothing to do: it is there already",
                &json!({ "created": false }),
            );
        }
        let text = format!(
            "{} is there already: remove it, or name another file",
            file.display()
        );
        return Err(Failure::new(Failure::USAGE, text));
    }
    // The file is written last: what stands in it has been tried.
    let mut global = global.clone();
    global.config = None;
    global
        .set
        .push(("database.url".to_owned(), args.database.clone()));
    let loaded = config::load(&global.sources_without_files())?;
    runtime()?.block_on(async {
        let env = wiring::env_or_new(&loaded.config).await?;
        wiring::prepare(&env, Migrate::Auto).await?;
        let key = random_key(&env);
        write(file, &args.database, &key)?;
        let first = keys::Wish {
            organization: DEFAULT_ORGANIZATION,
            name: "first key",
            expires_in: None,
            unlimited: true,
            creator: None,
        };
        let make = async |call: &mut Call| {
            let (row, key) = keys::make(&env, &first, &Scopes::all()).await?;
            call.made_id = Some(row.id.clone());
            let json = json!({ "created": true, "file": file, "id": row.id, "key": key });
            output::one(&global, &summary(file, &key), &json)
        };
        logged(&env, DEFAULT_ORGANIZATION, "init", None, make).await
    })
}

/// What the secrets of webhook endpoints are made from.
fn random_key(env: &Env) -> String {
    let mut bytes = [0; KEY_BYTES];
    env.chance.fill(&mut bytes);
    hex::encode(bytes)
}

fn write(file: &Path, database: &str, key: &str) -> Outcome {
    let text = format!(
        "# memberd's configuration. `memberd config reference` explains every key; what is not here has its default.\n\n\
         [database]\nurl = {}\n\n\
         [stripe]\n\
         # A restricted key that may read customers, products, prices, subscriptions, invoices and events.\n\
         # secret_key_file = \"/etc/memberd/stripe_secret_key\"\n\
         # The signing secrets (whsec_…) of your webhook endpoint, one a line.\n\
         # webhook_secrets_file = \"/etc/memberd/stripe_webhook_secrets\"\n\n\
         [webhooks_out]\n\
         # The secrets of your webhook endpoints are made from this: keep it as long as the database.\n\
         keys = [\"{key}\"]\n",
        toml_edit::Value::from(database)
    );
    // Only its owner may read it: the URL can hold a password, and the key is one.
    let mut opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| Failure::new(Failure::FAILED, format!("{}: {error}", file.display())))?;
    Ok(opened.write_all(text.as_bytes())?)
}

fn summary(file: &Path, key: &str) -> String {
    format!(
        "wrote {file}, prepared the database\n\n\
         the first key, with every scope; it is not shown again:\n\n  {key}\n\n\
         next:\n  \
         1. put your Stripe key and webhook secret into {file}, then `memberd config check`\n  \
         2. memberd serve --config {file}\n  \
         3. memberd sync backfill --config {file}",
        file = file.display(),
    )
}
