//! Blocks of properties as bytes: parsing, iterating, writing (MOQT-18 §1.4.3).
//!
//! A block is checked once, by [`Properties::parse`]; after that its pairs are read in place,
//! without allocation. Whether the *meaning* of a property is legal is no matter of this module.

use bytes::{Bytes, BytesMut};

use super::varint::{Integers, TooLarge};
use crate::model::{Properties, PropertyEncoding, PropertyError, PropertyValue};

mod transcode;

/// Longest value of an odd type.
const VALUE_BYTES_MAX: u64 = 65_535;

/// Longest block of properties that is read from a stream. The drafts name no limit; a longer
/// block ends the stream before it is buffered.
pub const BLOCK_BYTES_MAX: u64 = 65_536;

impl PropertyEncoding {
    /// The form of integers in it.
    pub fn integers(self) -> Integers {
        match self {
            PropertyEncoding::Absolute | PropertyEncoding::Delta => Integers::Quic,
            PropertyEncoding::DeltaVi64Short => Integers::MoqWithoutSeven,
            PropertyEncoding::DeltaVi64 => Integers::Moq,
        }
    }

    /// Whether a type is written as the difference to the one before it, which makes types ascend.
    pub fn is_delta(self) -> bool {
        self != PropertyEncoding::Absolute
    }
}

impl Properties {
    /// Takes `raw` as a block in `encoding` after checking every pair.
    pub fn parse(encoding: PropertyEncoding, raw: Bytes) -> Result<Self, PropertyError> {
        let mut walk = Walk { encoding, raw: &raw, at: 0, kind: 0 };
        while walk.pair()?.is_some() {}
        Ok(Self::from_parsed(encoding, raw))
    }

    /// The pairs in the order they stand, without those inside immutable properties.
    pub fn entries(&self) -> Entries<'_> {
        let (encoding, raw) = (self.encoding(), self.raw());
        Entries { raw, walk: Walk { encoding, raw, at: 0, kind: 0 } }
    }

    /// The first value of `kind`; one inside immutable properties if there is none outside.
    pub fn get(&self, kind: u64) -> Option<PropertyValue> {
        use crate::model::property::kind::IMMUTABLE;
        let outside = self.entries().find(|&(found, _)| found == kind);
        let inside = || {
            self.entries().filter(|&(found, _)| found == IMMUTABLE).find_map(|(_, value)| {
                let PropertyValue::Bytes(bytes) = value else { return None };
                let inner = Properties::parse(self.encoding(), bytes).ok()?;
                inner.entries().find(|&(found, _)| found == kind)
            })
        };
        outside.or_else(inside).map(|(_, value)| value)
    }

    /// Writes a block. Delta encodings hold types in ascending order, so there pairs are sorted;
    /// pairs of one type keep their order. Immutable properties are taken as bytes that are in
    /// `encoding` already.
    pub fn from_entries(
        encoding: PropertyEncoding,
        entries: impl IntoIterator<Item = (u64, PropertyValue)>,
    ) -> Result<Self, PropertyError> {
        let mut entries: Vec<_> = entries.into_iter().collect();
        if encoding.is_delta() {
            entries.sort_by_key(|&(kind, _)| kind);
        }
        let mut out = BytesMut::new();
        let mut previous = 0;
        for (kind, value) in &entries {
            write_pair(encoding, previous, *kind, value, &mut out)?;
            previous = *kind;
        }
        Ok(Self::from_parsed(encoding, out.freeze()))
    }

    /// The pairs that `keep` wants. A block that keeps them all keeps its bytes.
    pub fn retain(&self, mut keep: impl FnMut(u64, &PropertyValue) -> bool) -> Self {
        let kept: Vec<_> = self.entries().filter(|(kind, value)| keep(*kind, value)).collect();
        if kept.len() == self.entries().count() {
            return self.clone();
        }
        Self::from_entries_lossy(self.encoding(), kept)
    }
}

/// Appends one pair; on error `out` may end in a part of it.
fn write_pair(
    encoding: PropertyEncoding,
    previous: u64,
    kind: u64,
    value: &PropertyValue,
    out: &mut BytesMut,
) -> Result<(), PropertyError> {
    let integers = encoding.integers();
    let unfit = |TooLarge(value)| PropertyError::DoesNotFit { kind, value };
    let written = if encoding.is_delta() { kind - previous } else { kind };
    if kind > integers.max() {
        return Err(PropertyError::DoesNotFit { kind, value: kind });
    }
    integers.put(written, out).map_err(unfit)?;
    match value {
        PropertyValue::Int(value) if kind.is_multiple_of(2) => {
            integers.put(*value, out).map_err(unfit)
        }
        PropertyValue::Bytes(bytes) if !kind.is_multiple_of(2) => {
            let length = bytes.len() as u64;
            if length > VALUE_BYTES_MAX {
                return Err(PropertyError::TooLong { kind, length });
            }
            integers.put(length, out).map_err(unfit)?;
            out.extend_from_slice(bytes);
            Ok(())
        }
        PropertyValue::Int(_) | PropertyValue::Bytes(_) => Err(PropertyError::WrongForm { kind }),
    }
}

/// Iterator over the pairs of a block. See [`Properties::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    raw: &'a Bytes,
    walk: Walk<'a>,
}

impl Iterator for Entries<'_> {
    type Item = (u64, PropertyValue);

    fn next(&mut self) -> Option<Self::Item> {
        // The block was parsed when it was made, so no pair of it is faulty.
        let (kind, value) = self.walk.pair().ok().flatten()?;
        let value = match value {
            Walked::Int(value) => PropertyValue::Int(value),
            Walked::Bytes { start, end } => PropertyValue::Bytes(self.raw.slice(start..end)),
        };
        Some((kind, value))
    }
}

/// Reads pair after pair in place.
#[derive(Clone, Debug)]
struct Walk<'a> {
    encoding: PropertyEncoding,
    raw: &'a [u8],
    at: usize,
    kind: u64,
}

enum Walked {
    Int(u64),
    Bytes { start: usize, end: usize },
}

impl Walk<'_> {
    /// The next pair, or `None` at the end of the block.
    fn pair(&mut self) -> Result<Option<(u64, Walked)>, PropertyError> {
        if self.at == self.raw.len() {
            return Ok(None);
        }
        let written = self.int()?;
        let kind = match self.encoding.is_delta() {
            true => self.kind.checked_add(written).ok_or(PropertyError::TypeOverflow)?,
            false => written,
        };
        // A type is one integer of the encoding, also where it is written as a sum.
        if kind > self.encoding.integers().max() {
            return Err(PropertyError::TypeOverflow);
        }
        self.kind = kind;
        // The parity of the resulting type counts, not of the difference.
        if kind.is_multiple_of(2) {
            return Ok(Some((kind, Walked::Int(self.int()?))));
        }
        let length = self.int()?;
        if length > VALUE_BYTES_MAX {
            return Err(PropertyError::TooLong { kind, length });
        }
        let start = self.at;
        let end = start + length as usize;
        if end > self.raw.len() {
            return Err(PropertyError::Truncated);
        }
        self.at = end;
        Ok(Some((kind, Walked::Bytes { start, end })))
    }

    fn int(&mut self) -> Result<u64, PropertyError> {
        let rest = self.raw.get(self.at..).unwrap_or_default();
        match self.encoding.integers().read(rest) {
            Ok(Some((value, size))) => {
                self.at += size;
                Ok(value)
            }
            Ok(None) | Err(_) => Err(PropertyError::Truncated),
        }
    }
}

#[cfg(test)]
mod tests;
