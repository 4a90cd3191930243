//! One object of the catalog track: a complete catalog or a change to the one before.

use serde_json::Value;

use super::{CATALOG_BYTES_MAX, Catalog, CatalogError, Delta};

/// What an object of the catalog track holds.
#[derive(Debug, Clone, PartialEq)]
pub enum CatalogMessage {
    /// Everything; replaces what was known.
    Full(Catalog),
    /// A change, see [`Catalog::apply`].
    Delta(Delta),
}

impl CatalogMessage {
    /// Reads an object's payload.
    ///
    /// # Errors
    /// It is too large, is no JSON, is of an unknown version, or is a delta of no known form.
    pub fn decode(payload: &[u8]) -> Result<Self, CatalogError> {
        if payload.len() > CATALOG_BYTES_MAX {
            let bytes = payload.len();
            return Err(CatalogError::TooLarge { bytes, max: CATALOG_BYTES_MAX });
        }
        let root: Value = serde_json::from_slice(payload)?;
        match &root {
            Value::Array(_) => Delta::decode(root).map(Self::Delta),
            Value::Object(fields) => match fields.get("deltaUpdate") {
                Some(Value::Array(_) | Value::Bool(true)) => Delta::decode(root).map(Self::Delta),
                _ => Ok(Self::Full(serde_json::from_value::<Catalog>(root)?.check()?)),
            },
            _ => Err(CatalogError::Root),
        }
    }
}
