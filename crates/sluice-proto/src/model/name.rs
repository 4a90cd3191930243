//! Track names. A name that exists is within the limits of MOQT-18 §2.4.1.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// Most fields of a namespace.
pub const NAMESPACE_FIELDS_MAX: usize = 32;
/// Most bytes of a namespace and a track name together, values only.
pub const FULL_NAME_BYTES_MAX: usize = 4096;

/// Why a name cannot exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// More than [`NAMESPACE_FIELDS_MAX`] fields.
    #[error("{0} namespace fields, at most 32 are allowed")]
    TooManyFields(u64),
    /// More than [`FULL_NAME_BYTES_MAX`] bytes.
    #[error("{0} bytes of names, at most 4096 are allowed")]
    TooLong(u64),
}

/// A track namespace, or a prefix of one: a tuple of byte strings. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TrackNamespace(Arc<[Bytes]>);

impl TrackNamespace {
    /// A namespace of these fields.
    pub fn new(fields: impl IntoIterator<Item = Bytes>) -> Result<Self, NameError> {
        let fields: Arc<[Bytes]> = fields.into_iter().collect();
        if fields.len() > NAMESPACE_FIELDS_MAX {
            return Err(NameError::TooManyFields(fields.len() as u64));
        }
        let total: usize = fields.iter().map(Bytes::len).sum();
        if total > FULL_NAME_BYTES_MAX {
            return Err(NameError::TooLong(total as u64));
        }
        Ok(Self(fields))
    }

    /// The namespace whose fields are the parts of `path` between slashes; empty parts are dropped.
    pub fn from_path(path: &str) -> Result<Self, NameError> {
        Self::new(
            path.split('/')
                .filter(|part| !part.is_empty())
                .map(|part| Bytes::copy_from_slice(part.as_bytes())),
        )
    }

    /// The fields in order.
    pub fn fields(&self) -> &[Bytes] {
        &self.0
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field: the prefix of everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all fields.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether `self` equals the first fields of `other`, field by field (MOQT-18 §9.5).
    pub fn is_prefix_of(&self, other: &TrackNamespace) -> bool {
        other.0.len() >= self.0.len() && other.0[..self.0.len()] == self.0[..]
    }

    /// What follows `prefix`, or `None` if `prefix` is not one of `self`.
    pub fn suffix(&self, prefix: &TrackNamespace) -> Option<TrackNamespace> {
        prefix.is_prefix_of(self).then(|| Self(self.0[prefix.0.len()..].into()))
    }

    /// `self` followed by `suffix`.
    pub fn join(&self, suffix: &TrackNamespace) -> Result<TrackNamespace, NameError> {
        Self::new(self.0.iter().chain(suffix.0.iter()).cloned())
    }
}

impl fmt::Display for TrackNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            write!(f, "{}", field.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for TrackNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({self})")
    }
}

/// The name of a track within its namespace; may be empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TrackName(Bytes);

impl TrackName {
    /// A name of these bytes.
    pub fn new(name: impl Into<Bytes>) -> Result<Self, NameError> {
        let name = name.into();
        if name.len() > FULL_NAME_BYTES_MAX {
            return Err(NameError::TooLong(name.len() as u64));
        }
        Ok(Self(name))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Display for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// A track's namespace and name: what identifies it within a scope. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FullTrackName {
    namespace: TrackNamespace,
    name: TrackName,
}

impl FullTrackName {
    /// Joins the two, if together they are within [`FULL_NAME_BYTES_MAX`].
    pub fn new(namespace: TrackNamespace, name: TrackName) -> Result<Self, NameError> {
        let total = namespace.bytes() + name.0.len();
        if total > FULL_NAME_BYTES_MAX {
            return Err(NameError::TooLong(total as u64));
        }
        Ok(Self { namespace, name })
    }

    /// The namespace.
    pub fn namespace(&self) -> &TrackNamespace {
        &self.namespace
    }

    /// The name within the namespace.
    pub fn name(&self) -> &TrackName {
        &self.name
    }
}

impl fmt::Display for FullTrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}--{}", self.namespace, self.name)
    }
}
