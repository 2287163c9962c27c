//! A partition and sort key. The prefixes are in the `keys.rs` of each table and nowhere else.

use crate::table::attributes::{Item, text};

/// A partition and sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Key { pk: pk.into(), sk: sk.into() }
    }

    /// The key's two attributes alone, for a call that names an item.
    pub(crate) fn attributes(self) -> Item {
        Item::from([("pk".to_owned(), text(self.pk)), ("sk".to_owned(), text(self.sk))])
    }

    /// The item of this key with these attributes.
    pub(crate) fn with(self, attributes: Item) -> Item {
        let mut item = self.attributes();
        item.extend(attributes);
        item
    }
}

/// Bytes in hexadecimal, two digits each, for keys.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
