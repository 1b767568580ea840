//! Invented people. Addresses are at domains that are reserved for examples (RFC 2606).

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

const FIRST: [&str; 40] = [
    "Ada", "Amina", "Anton", "Bao", "Birgit", "Carlos", "Chiara", "Dalia", "Diego", "Elif",
    "Emeka", "Eva", "Farid", "Greta", "Hana", "Henrik", "Ines", "Ivo", "Jana", "Jonas", "Kofi",
    "Lea", "Liang", "Lukas", "Maja", "Marco", "Mei", "Nadia", "Noor", "Olga", "Pavel", "Priya",
    "Quentin", "Rosa", "Samir", "Sofia", "Tariq", "Ulla", "Viktor", "Yuki",
];
const LAST: [&str; 40] = [
    "Abara", "Almeida", "Andersen", "Bakker", "Bianchi", "Castillo", "Costa", "Danjuma", "Dubois",
    "Eriksen", "Fischer", "Fontaine", "Garcia", "Haddad", "Horvat", "Ito", "Jansen", "Kaya",
    "Keller", "Kowalski", "Lindgren", "Lopez", "Marek", "Moreau", "Nakamura", "Novak", "O'Brien",
    "Okafor", "Petrov", "Quist", "Ricci", "Rossi", "Sato", "Schmidt", "Silva", "Tanaka", "Ueda",
    "Vargas", "Weber", "Zhang",
];
/// City, country, locale, first digits of the postal code.
const PLACES: [(&str, &str, &str, &str); 10] = [
    ("Berlin", "DE", "de", "10"),
    ("Lyon", "FR", "fr", "69"),
    ("Porto", "PT", "pt", "40"),
    ("Portland", "US", "en", "97"),
    ("Osaka", "JP", "ja", "53"),
    ("Gdansk", "PL", "pl", "80"),
    ("Bologna", "IT", "it", "40"),
    ("Toronto", "CA", "en", "M5"),
    ("Utrecht", "NL", "nl", "35"),
    ("Sevilla", "ES", "es", "41"),
];
const STREETS: [&str; 6] = [
    "Mill Lane",
    "Station Road",
    "Garden Street",
    "Long Row",
    "Hill Way",
    "Quay",
];
const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];

/// Somebody who does not exist.
#[derive(Debug)]
pub(crate) struct Person {
    /// First and last name.
    pub(crate) name: String,
    /// Unique by its number.
    pub(crate) email: String,
    /// House number and street.
    pub(crate) street: String,
    /// Town.
    pub(crate) city: &'static str,
    /// ISO 3166, two letters.
    pub(crate) country: &'static str,
    /// ISO 639, two letters.
    pub(crate) locale: &'static str,
    /// Of the town.
    pub(crate) postal_code: String,
}

/// Invents a person; `number` makes the address unique.
pub(crate) fn person(rng: &mut StdRng, number: usize) -> Person {
    let pick =
        |rng: &mut StdRng, list: &'static [&'static str]| list.choose(rng).copied().unwrap_or("");
    let (first, last) = (pick(rng, &FIRST), pick(rng, &LAST));
    let (city, country, locale, area) = PLACES.choose(rng).copied().unwrap_or(PLACES[0]);
    let local: String = format!("{first}.{last}").to_lowercase().replace('\'', "");
    Person {
        name: format!("{first} {last}"),
        email: format!("{local}.{number}@{}", pick(rng, &DOMAINS)),
        street: format!("{} {}", rng.random_range(1..200_u32), pick(rng, &STREETS)),
        city,
        country,
        locale,
        postal_code: format!("{area}{:03}", rng.random_range(0..1_000_u32)),
    }
}
