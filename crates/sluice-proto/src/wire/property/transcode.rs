//! The same properties in another encoding, and whether two blocks say the same.

use std::borrow::Cow;

use bytes::Bytes;

use super::{VALUE_BYTES_MAX, write_pair};
use crate::model::property::kind::{IMMUTABLE, MANDATORY};
use crate::model::{Properties, PropertyEncoding, PropertyValue};

type Pair = (u64, PropertyValue);

impl Properties {
    /// The block in `encoding`: itself, with the same bytes, if it is in that encoding already.
    ///
    /// Otherwise every pair is written anew, sorted where the encoding wants it. Immutable
    /// properties are a block of the origin's encoding, so their content is written anew as well;
    /// content that cannot be parsed could mean nothing to the receiver and is left out. So is
    /// what the encoding cannot say: integers and types beyond its range. So are ordinary types
    /// that lie in the range of mandatory track properties of newer drafts, which would make
    /// their receivers refuse the track.
    pub fn to_encoding(&self, encoding: PropertyEncoding) -> Properties {
        if self.encoding() == encoding {
            return self.clone();
        }
        let keep = |kind| encoding != PropertyEncoding::DeltaVi64 || !MANDATORY.contains(&kind);
        let pairs = self.entries().filter(|&(kind, _)| keep(kind)).filter_map(|(kind, value)| {
            let value = match value {
                PropertyValue::Bytes(inner) if kind == IMMUTABLE => PropertyValue::Bytes(
                    transcode_immutable(self.encoding(), encoding, inner, keep)?,
                ),
                other => other,
            };
            Some((kind, value))
        });
        Self::from_entries_lossy(encoding, pairs.collect())
    }

    /// Writes a block of those pairs that the encoding can say.
    pub(crate) fn from_entries_lossy(encoding: PropertyEncoding, mut pairs: Vec<Pair>) -> Self {
        if encoding.is_delta() {
            pairs.sort_by_key(|&(kind, _)| kind);
        }
        let mut out = bytes::BytesMut::new();
        let mut previous = 0;
        for (kind, value) in &pairs {
            let before = out.len();
            match write_pair(encoding, previous, *kind, value, &mut out) {
                Ok(()) => previous = *kind,
                Err(_) => out.truncate(before),
            }
        }
        Self::from_parsed(encoding, out.freeze())
    }

    /// Whether both blocks hold the same properties, however they are written. The order of
    /// different types does not matter, that of values of one type does.
    pub fn equivalent(&self, other: &Properties) -> bool {
        self == other || same_pairs(self, other, |_| true)
    }

    /// Whether both blocks hold the same immutable properties, however they are written.
    pub fn immutable_equivalent(&self, other: &Properties) -> bool {
        self == other || same_pairs(self, other, |kind| kind == IMMUTABLE)
    }
}

fn transcode_immutable(
    from: PropertyEncoding,
    to: PropertyEncoding,
    inner: Bytes,
    keep: impl Fn(u64) -> bool,
) -> Option<Bytes> {
    let inner = Properties::parse(from, inner).ok()?;
    if inner.entries().any(|(kind, _)| kind == IMMUTABLE) {
        return None;
    }
    let kept = inner.entries().filter(|&(kind, _)| keep(kind)).collect();
    let inner = Properties::from_entries_lossy(to, kept);
    (inner.raw().len() as u64 <= VALUE_BYTES_MAX).then(|| inner.raw().clone())
}

fn same_pairs(a: &Properties, b: &Properties, counts: impl Fn(u64) -> bool + Copy) -> bool {
    let sorted = |block: &Properties| {
        let mut pairs: Vec<Pair> = block.entries().filter(|&(kind, _)| counts(kind)).collect();
        pairs.sort_by_key(|&(kind, _)| kind);
        pairs
    };
    let (left, right) = (sorted(a), sorted(b));
    let same = |((kind, left), (other_kind, right)): (&Pair, &Pair)| {
        if kind != other_kind {
            return false;
        }
        let (left, right) = match (left, right) {
            (PropertyValue::Bytes(l), PropertyValue::Bytes(r)) if *kind == IMMUTABLE => {
                (plain(a.encoding(), l), plain(b.encoding(), r))
            }
            _ => (Cow::Borrowed(left), Cow::Borrowed(right)),
        };
        left == right
    };
    left.len() == right.len() && left.iter().zip(&right).all(same)
}

/// Immutable properties in one encoding, to compare them; as they are if they have no other form.
fn plain(encoding: PropertyEncoding, inner: &Bytes) -> Cow<'static, PropertyValue> {
    let inner = transcode_immutable(encoding, PropertyEncoding::DeltaVi64, inner.clone(), |_| true)
        .unwrap_or_else(|| inner.clone());
    Cow::Owned(PropertyValue::Bytes(inner))
}
