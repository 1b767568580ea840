//! The fields of a member that people write. Their bounds are those of the core.

use std::collections::{BTreeMap, BTreeSet};

use memberd_jobs::members::{
    EMAIL_CHARS_MAX, Key, Meta,
    details::{
        EXTERNAL_ID_CHARS_MAX, KEYS_MAX, META_KEY_CHARS_MAX, META_KEYS_MAX, META_NUMBER_MAX,
        META_VALUE_CHARS_MAX, NAME_CHARS_MAX, PHONE_CHARS_MAX, PROVIDER_CHARS_MAX, TAG_CHARS_MAX,
        TAGS_MAX, check_meta,
    },
    normalize_email,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, RefOr, Schema, SchemaFormat, Type,
        schema::AdditionalProperties,
    },
};

use crate::api::{Text, words::NO_NUL};

/// Her display name.
pub(super) type Name = Text<NAME_CHARS_MAX>;
/// Her telephone number.
pub(super) type Phone = Text<PHONE_CHARS_MAX>;
/// A word by which people find her.
type Tag = Text<TAG_CHARS_MAX>;

/// Her id in another system.
type ExternalId = Text<EXTERNAL_ID_CHARS_MAX>;

/// An address.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Email(pub(super) String);

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if normalize_email(&text).is_none() {
            let why = format!(
                "an address of at most {EMAIL_CHARS_MAX} characters is expected, such as jane@example.com"
            );
            return Err(D::Error::custom(why));
        }
        Ok(Self(text.trim().to_owned()))
    }
}

impl PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
            .max_length(Some(EMAIL_CHARS_MAX))
            .into()
    }
}

impl ToSchema for Email {}

/// Words by which people find her.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tags(pub(super) BTreeSet<String>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tags: Vec<Tag> = Vec::deserialize(deserializer)?;
        at_most(tags.len(), TAGS_MAX, "tags")?;
        Ok(Self(tags.into_iter().map(|tag| tag.0).collect()))
    }
}

impl PartialSchema for Tags {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Tag::schema())
            .max_items(Some(TAGS_MAX))
            .into()
    }
}

impl ToSchema for Tags {}

/// How another system calls a member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignKey {
    key: Provider,
    value: ExternalId,
}

/// The name of another system.
struct Provider(String);

impl<'de> Deserialize<'de> for Provider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let provider = String::deserialize(deserializer)?;
        let key = Key {
            provider,
            external_id: "x".to_owned(),
        };
        if !key.fits() {
            let why = format!(
                "1 to {PROVIDER_CHARS_MAX} lower case letters, digits, `_` or `-` are expected"
            );
            return Err(D::Error::custom(why));
        }
        Ok(Self(key.provider))
    }
}

impl PartialSchema for Provider {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[a-z0-9_-]+$"))
            .min_length(Some(1))
            .max_length(Some(PROVIDER_CHARS_MAX))
            .into()
    }
}

/// How other systems call her.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ForeignKeys(pub(super) BTreeSet<Key>);

impl<'de> Deserialize<'de> for ForeignKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys: Vec<ForeignKey> = Vec::deserialize(deserializer)?;
        at_most(keys.len(), KEYS_MAX, "foreign keys")?;
        let key = |key: ForeignKey| Key {
            provider: key.key.0,
            external_id: key.value.0,
        };
        Ok(Self(keys.into_iter().map(key).collect()))
    }
}

impl PartialSchema for ForeignKeys {
    fn schema() -> RefOr<Schema> {
        let key = ObjectBuilder::new()
            .property("key", Provider::schema())
            .property("value", ExternalId::schema())
            .required("key")
            .required("value")
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
        ArrayBuilder::new()
            .items(key)
            .max_items(Some(KEYS_MAX))
            .into()
    }
}

impl ToSchema for ForeignKeys {}

/// Free keys and values.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MetaBody(pub(super) Meta);

impl<'de> Deserialize<'de> for MetaBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let meta = Meta::deserialize(deserializer)?;
        check_meta(&meta).map_err(|invalid| D::Error::custom(invalid.why))?;
        Ok(Self(meta))
    }
}

impl PartialSchema for MetaBody {
    fn schema() -> RefOr<Schema> {
        meta_schema(false)
    }
}

impl ToSchema for MetaBody {}

/// Free keys and values to be merged; null takes a key away.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MetaMerge(pub(super) BTreeMap<String, Option<Value>>);

impl<'de> Deserialize<'de> for MetaMerge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Meta::deserialize(deserializer)?;
        let changes: BTreeMap<_, _> = all
            .into_iter()
            .map(|(key, value)| (key, Some(value).filter(|value| !value.is_null())))
            .collect();
        let set = changes
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        check_meta(&set.collect()).map_err(|invalid| D::Error::custom(invalid.why))?;
        Ok(Self(changes))
    }
}

impl PartialSchema for MetaMerge {
    fn schema() -> RefOr<Schema> {
        meta_schema(true)
    }
}

impl ToSchema for MetaMerge {}

fn meta_schema(removes: bool) -> RefOr<Schema> {
    let one = |kind: Type| ObjectBuilder::new().schema_type(kind);
    let text = |max| {
        one(Type::String)
            .max_length(Some(max))
            .pattern(Some(NO_NUL))
    };
    let mut value = OneOfBuilder::new()
        .item(text(META_VALUE_CHARS_MAX))
        .item(
            one(Type::Number)
                .minimum(Some(-META_NUMBER_MAX))
                .maximum(Some(META_NUMBER_MAX)),
        )
        .item(one(Type::Boolean));
    if removes {
        value = value.item(one(Type::Null));
    }
    let key = text(META_KEY_CHARS_MAX).min_length(Some(1));
    let mut object = one(Type::Object)
        .property_names(Some(key.build()))
        .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(value.into()))));
    if !removes {
        object = object.max_properties(Some(META_KEYS_MAX));
    }
    object.into()
}

fn at_most<E: serde::de::Error>(count: usize, max: usize, what: &str) -> Result<(), E> {
    if count <= max {
        return Ok(());
    }
    Err(E::custom(format!("at most {max} {what} are allowed")))
}
