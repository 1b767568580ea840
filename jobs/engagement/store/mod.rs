//! All SQL of the family.

pub mod audiences;
pub mod count;
pub mod intake;
pub mod scores;
pub mod shards;
pub mod versions;

/// The numbers as a JSON array, which both databases take for a list.
fn list(numbers: impl IntoIterator<Item = i64>) -> String {
    numbers.into_iter().collect::<serde_json::Value>().to_string()
}
