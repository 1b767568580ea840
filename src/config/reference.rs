//! `memberd config reference`: `docs/configuration.md`, written from `default.toml`.

use super::key::Key;
use super::known::{Known, KnownKeys, Section};
use std::fmt::Write;

/// What stands above the tables.
const INTRODUCTION: &str = "\
# Configuration

<!-- Written by `memberd config reference` from config/default.toml; change that and run ./dev gen. -->

memberd reads TOML. The later layer wins: the built-in default, the file (`--config FILE`, otherwise
`memberd.toml` in the working directory, otherwise `/etc/memberd/memberd.toml`), the environment
(`MEMBERD_SERVER__LISTEN`: two underscores between levels; lists may be written `a,b`), flags
(`--set server.listen=127.0.0.1:7171`). Unknown keys are refused.

`memberd config check` lists every problem at once, with file and line. `memberd config show` prints
each value and where it comes from, and no secret. `config/schema.json` is the JSON Schema of the
file for editors.

Durations are written `250ms`, `30s`, `5m`, `12h` or `7d`; sizes `64KiB`, `1MiB`, `256KB` or a
number of bytes. Ranges include both ends. An empty text means \"not set\". Each secret can be given
by the key that ends in `_file` instead, as the path of a file that holds it; the line break at its
end does not count.
";

/// What is said about the tables that repeat `[stripe]`.
const REPEATED: &str = "\
`[organizations.<id>.stripe]` has the keys of `[stripe]`. What it leaves out is taken from
`[stripe]`, except `secret_key`, `webhook_secrets`, their files, `account` and `connected`, which belong
to one organization alone. The organization `default` uses `[stripe]` itself.
";

/// The reference as Markdown: every key, its default, type and meaning.
pub fn reference() -> String {
    let known = KnownKeys::embedded();
    let mut text = INTRODUCTION.to_owned();
    for section in &known.sections {
        section_text(&mut text, section, &known.keys);
    }
    text.push('\n');
    text.push_str(REPEATED);
    text
}

/// Writing to a String cannot fail, so the results are dropped.
fn section_text(text: &mut String, section: &Section, keys: &[Known]) {
    let heading = heading(&section.key);
    let _ = write!(text, "\n## {heading}\n\n{}\n\n", section.meaning);
    text.push_str("| key | default | type | meaning |\n|---|---|---|---|\n");
    for known in keys
        .iter()
        .filter(|known| known.key.parent() == section.key)
    {
        let default = match (known.optional, known.default.is_empty()) {
            (true, _) => "not set".to_owned(),
            (false, _) => format!("`{}`", known.default),
        };
        let meaning = known.meaning.replace('|', "\\|");
        let name = known.key.last();
        let _ = writeln!(
            text,
            "| `{name}` | {default} | {} | {meaning} |",
            known.kind_text
        );
    }
}

/// The line above the table in a file.
fn heading(key: &Key) -> String {
    let quoted = key
        .segments()
        .first()
        .is_some_and(|first| first == "schedules");
    let names: Vec<String> = key
        .segments()
        .iter()
        .enumerate()
        .map(|(at, name)| {
            if quoted && at > 0 {
                format!("\"{name}\"")
            } else {
                name.clone()
            }
        })
        .collect();
    format!("`[{}]`", names.join("."))
}
