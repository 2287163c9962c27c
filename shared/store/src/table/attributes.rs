//! Typed reading and writing of attributes. A missing or mistyped attribute is
//! [`StoreError::Corrupt`], never a default.

use crate::table::error::StoreError;
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use mealticket_domain::Timestamp;
use std::{collections::HashMap, str::FromStr};

/// An item or a map: attributes by their names.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Reads one item. `kind` names the item in errors.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    item: &'a Item,
    kind: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(item: &'a Item, kind: &'static str) -> Self {
        Reader { item, kind }
    }

    /// The error that this attribute is missing or unsound.
    pub(crate) fn corrupt(&self, attribute: &'static str) -> StoreError {
        StoreError::Corrupt { item: self.kind, attribute }
    }

    /// Whether the attribute is there, of whatever kind.
    pub(crate) fn has(&self, attribute: &'static str) -> bool {
        self.item.contains_key(attribute)
    }

    /// The attribute when it is there, read by `read`. An absent one is `None`; a mistyped one
    /// is an error all the same.
    pub(crate) fn optional<T>(
        &self,
        attribute: &'static str,
        read: impl Fn(&Self, &'static str) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if self.has(attribute) { read(self, attribute).map(Some) } else { Ok(None) }
    }

    pub(crate) fn str(&self, attribute: &'static str) -> Result<&'a str, StoreError> {
        let value = self.item.get(attribute).and_then(|value| value.as_s().ok());
        value.map(String::as_str).ok_or_else(|| self.corrupt(attribute))
    }

    /// A text, parsed. Enums are read this way, by the names that their `as_str` writes.
    pub(crate) fn parsed<T: FromStr>(&self, attribute: &'static str) -> Result<T, StoreError> {
        self.str(attribute)?.parse().map_err(|_| self.corrupt(attribute))
    }

    /// A number that fits `T`. One that does not fit is corrupt, not cut off.
    pub(crate) fn number<T: FromStr>(&self, attribute: &'static str) -> Result<T, StoreError> {
        let text = self.item.get(attribute).and_then(|value| value.as_n().ok());
        text.and_then(|n| n.parse().ok()).ok_or_else(|| self.corrupt(attribute))
    }

    /// Unix seconds between the years 2000 and 2100.
    pub(crate) fn instant(&self, attribute: &'static str) -> Result<Timestamp, StoreError> {
        Timestamp::from_unix_seconds(self.number(attribute)?).ok_or_else(|| self.corrupt(attribute))
    }

    pub(crate) fn bytes(&self, attribute: &'static str) -> Result<&'a [u8], StoreError> {
        let value = self.item.get(attribute).and_then(|value| value.as_b().ok());
        value.map(AsRef::as_ref).ok_or_else(|| self.corrupt(attribute))
    }

    /// Exactly `N` bytes.
    pub(crate) fn array<const N: usize>(&self, attribute: &'static str) -> Result<[u8; N], StoreError> {
        self.bytes(attribute)?.try_into().map_err(|_| self.corrupt(attribute))
    }

    pub(crate) fn flag(&self, attribute: &'static str) -> Result<bool, StoreError> {
        let value = self.item.get(attribute).and_then(|value| value.as_bool().ok());
        value.copied().ok_or_else(|| self.corrupt(attribute))
    }

    /// The maps of a list. One element of another kind makes the whole list corrupt.
    pub(crate) fn maps(&self, attribute: &'static str) -> Result<Vec<&'a Item>, StoreError> {
        let list =
            self.item.get(attribute).and_then(|value| value.as_l().ok()).ok_or_else(|| self.corrupt(attribute))?;
        list.iter().map(|value| value.as_m().map_err(|_| self.corrupt(attribute))).collect()
    }

    /// The texts of a list. One element of another kind makes the whole list corrupt.
    pub(crate) fn texts(&self, attribute: &'static str) -> Result<Vec<String>, StoreError> {
        let list =
            self.item.get(attribute).and_then(|value| value.as_l().ok()).ok_or_else(|| self.corrupt(attribute))?;
        list.iter().map(|value| value.as_s().cloned().map_err(|_| self.corrupt(attribute))).collect()
    }

    pub(crate) fn map(&self, attribute: &'static str) -> Result<&'a Item, StoreError> {
        self.item.get(attribute).and_then(|value| value.as_m().ok()).ok_or_else(|| self.corrupt(attribute))
    }
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Unix seconds, as a number.
pub(crate) fn instant(at: Timestamp) -> AttributeValue {
    number(at.unix_seconds())
}

pub(crate) fn binary(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// A set of one or more values. Equal values are written once: DynamoDB refuses a set with duplicates.
pub(crate) fn binary_set(values: &[&[u8]]) -> AttributeValue {
    let mut distinct = values.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    AttributeValue::Bs(distinct.into_iter().map(Blob::new).collect())
}

/// An item of these attributes. Absent ones (`None`) are left out.
pub(crate) fn item<const N: usize>(attributes: [(&str, Option<AttributeValue>); N]) -> Item {
    attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
