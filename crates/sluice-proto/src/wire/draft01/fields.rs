//! Reading fields of bytes that may not be all there yet, and writing them.

use bytes::{BufMut, Bytes, BytesMut};

use super::{NamedKind, NamedViolation};
use crate::wire::varint::Integers;
use crate::wire::{Field, Inexpressible};

/// Longest name, reason or authorization: what the deployed relay takes.
pub(super) const TEXT_BYTES_MAX: u64 = 1024;

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Incomplete,
    Broken(NamedViolation),
}

impl From<NamedViolation> for Stop {
    fn from(violation: NamedViolation) -> Self {
        Stop::Broken(violation)
    }
}

pub(super) type Reading<T> = Result<T, Stop>;

/// Turns a reading into what callers see.
pub(super) fn settle<T>(reading: Reading<T>) -> Result<Option<T>, NamedViolation> {
    match reading {
        Ok(read) => Ok(Some(read)),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Broken(violation)) => Err(violation),
    }
}

/// A position in bytes that belong to the caller.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn read(&self) -> usize {
        self.at
    }

    pub(super) fn int(&mut self) -> Reading<u64> {
        // Every first byte begins an integer of RFC 9000.
        match Integers::Quic.read(&self.bytes[self.at..]) {
            Ok(Some((value, size))) => {
                self.at += size;
                Ok(value)
            }
            _ => Err(Stop::Incomplete),
        }
    }

    fn take(&mut self, length: u64) -> Reading<&'a [u8]> {
        let left = self.bytes.len() - self.at;
        let length = usize::try_from(length).ok().filter(|length| *length <= left);
        let Some(length) = length else { return Err(Stop::Incomplete) };
        let taken = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(taken)
    }

    /// Bytes with their length, in memory of their own.
    pub(super) fn text(&mut self, message: NamedKind, field: Field) -> Reading<Bytes> {
        let bytes = self.int()?;
        if bytes > TEXT_BYTES_MAX {
            return Err(NamedViolation::TextTooLong { message, field, bytes }.into());
        }
        self.take(bytes).map(Bytes::copy_from_slice)
    }

    /// Bytes with their length, for people.
    pub(super) fn reason(&mut self, message: NamedKind, field: Field) -> Reading<String> {
        Ok(String::from_utf8_lossy(&self.text(message, field)?).into_owned())
    }
}

/// Appends an integer in its shortest form.
pub(super) fn put_int(value: u64, out: &mut BytesMut) -> Result<(), Inexpressible> {
    Integers::Quic.put(value, out).map_err(|error| Inexpressible::TooLarge(error.0))
}

/// Appends bytes with their length.
pub(super) fn put_text(bytes: &[u8], out: &mut BytesMut) -> Result<(), Inexpressible> {
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(Inexpressible::TooLong(bytes.len()));
    }
    put_int(bytes.len() as u64, out)?;
    out.put_slice(bytes);
    Ok(())
}
