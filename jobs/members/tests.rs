//! Addresses and links.

use proptest::prelude::*;

use super::*;

#[test]
fn addresses_are_the_same_whatever_their_case() {
    assert_eq!(normalize_email(" Jane.Smith+Tag@Example.COM "), Some("jane.smith+tag@example.com".to_owned()));
    for bad in ["", "jane", "@example.com", "jane@", "a@b@c", "ja ne@example.com"] {
        assert_eq!(normalize_email(bad), None, "{bad}");
    }
    assert_eq!(normalize_email(&format!("{}@example.com", "a".repeat(250))), None);
}

#[test]
fn an_unverified_address_never_links() {
    let sources = LinkSources { by_email: Some(("mem_1".to_owned(), false)), ..LinkSources::default() };
    assert_eq!(link(&sources), Link::Create { email_taken: true });
    let sources = LinkSources { by_email: Some(("mem_1".to_owned(), true)), ..LinkSources::default() };
    assert_eq!(link(&sources), Link::Email("mem_1".to_owned()));
}

#[test]
fn metadata_wins_over_foreign_key_over_address() {
    let mut sources = LinkSources {
        by_metadata: Some("mem_1".to_owned()),
        by_foreign_key: Some("mem_2".to_owned()),
        by_email: Some(("mem_3".to_owned(), true)),
    };
    assert_eq!(link(&sources), Link::Metadata("mem_1".to_owned()));
    sources.by_metadata = None;
    assert_eq!(link(&sources), Link::ForeignKey("mem_2".to_owned()));
}

proptest! {
    #[test]
    fn normalizing_twice_is_normalizing_once(address in "\\PC{0,20}@?\\PC{0,20}") {
        if let Some(once) = normalize_email(&address) {
            prop_assert_eq!(normalize_email(&once), Some(once));
        }
    }
}
