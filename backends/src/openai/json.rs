//! Reading JSON objects of which the known fields are wanted and the unknown ones are counted.
//!
//! `serde(deny_unknown_fields)` would turn every new field of a server into an outage, and the
//! default would drop it in silence. A type that implements [`Fields`] names what it knows; the rest
//! is skipped without being kept, and its number adds up in [`Object::stripped`].

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

/// A JSON object with known fields `T`.
#[derive(Debug, Default)]
pub(super) struct Object<T> {
    pub(super) known: T,
    /// Unknown fields right in this object; nested objects count their own.
    pub(super) stripped: u64,
}

/// What an object may hold.
pub(super) trait Fields: Default {
    /// Takes the value of `key`, or says that the key is unknown and leaves the value alone.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error>;
}

/// Whether a key was known.
pub(super) enum Known {
    Yes,
    No,
}

/// Reads a value into its slot; `null` counts as absent. The same field twice is an error, because
/// two readers would take two different ones.
pub(super) fn once<'de, T, A>(slot: &mut Option<T>, map: &mut A) -> Result<Known, A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    if slot.is_some() {
        return Err(A::Error::custom("the same field twice"));
    }
    *slot = map.next_value()?;
    Ok(Known::Yes)
}

/// Skips a field that is known and not needed.
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Known, A::Error> {
    map.next_value::<IgnoredAny>()?;
    Ok(Known::Yes)
}

impl<'de, T: Fields> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<T>, A::Error> {
        let mut object = Object {
            known: T::default(),
            stripped: 0,
        };
        while let Some(Key(key)) = map.next_key()? {
            match object.known.take(&key, &mut map)? {
                Known::Yes => {}
                Known::No => {
                    // `null` says nothing, so nothing is lost with it.
                    let something = map.next_value::<Option<IgnoredAny>>()?.is_some();
                    object.stripped += u64::from(something);
                }
            }
        }
        Ok(object)
    }
}

/// A key, borrowed from the input unless it is escaped there.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}
