//! Reading from bytes that may not be all there yet, and writing all or nothing.

use bytes::{BufMut, Bytes, BytesMut};

use super::{DataViolation, HEAD_BYTES_MAX};
use crate::wire::property::BLOCK_BYTES_MAX;
use crate::wire::varint::{Integers, ReadError, TooLarge};
use crate::wire::{Inexpressible, Violation};

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Incomplete,
    Broken(DataViolation),
}

impl From<DataViolation> for Stop {
    fn from(violation: DataViolation) -> Self {
        Stop::Broken(violation)
    }
}

/// Result of reading something that may not be all there yet.
pub(super) type Reading<T> = Result<T, Stop>;

/// Turns a reading into what callers see.
pub(super) fn settle<T>(reading: Reading<T>) -> Result<Option<T>, Violation> {
    match reading {
        Ok(read) => Ok(Some(read)),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Broken(violation)) => Err(violation.into()),
    }
}

/// A position in bytes that belong to the caller.
pub(super) struct Cursor<'a> {
    integers: Integers,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(integers: Integers, bytes: &'a [u8]) -> Self {
        Self { integers, bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn read(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn int(&mut self) -> Reading<u64> {
        match self.integers.read(&self.bytes[self.at..]) {
            Ok(Some((value, size))) => {
                self.at += size;
                Ok(value)
            }
            Ok(None) | Err(ReadError::Truncated) => Err(Stop::Incomplete),
            Err(ReadError::InvalidInteger(byte)) => {
                Err(DataViolation::InvalidInteger { byte }.into())
            }
        }
    }

    pub(super) fn peek(&self) -> Reading<u8> {
        self.bytes.get(self.at).copied().ok_or(Stop::Incomplete)
    }

    pub(super) fn byte(&mut self) -> Reading<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// A length and that many bytes, as a part of `source`, which this cursor reads.
    pub(super) fn block(&mut self, source: &Bytes) -> Reading<Bytes> {
        let length = self.int()?;
        if length > BLOCK_BYTES_MAX {
            return Err(DataViolation::PropertiesTooLong { bytes: length }.into());
        }
        let length = length as usize;
        if length > self.remaining() {
            return Err(Stop::Incomplete);
        }
        debug_assert!(self.at + length <= HEAD_BYTES_MAX);
        let block = source.slice(self.at..self.at + length);
        self.at += length;
        Ok(block)
    }
}

/// Writes the fields of one record.
pub(super) struct Writer<'a> {
    integers: Integers,
    out: &'a mut BytesMut,
}

impl Writer<'_> {
    pub(super) fn int(&mut self, value: u64) -> Result<(), Inexpressible> {
        let too_large = |TooLarge(value)| Inexpressible::TooLarge(value);
        self.integers.put(value, self.out).map_err(too_large)
    }

    pub(super) fn byte(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    pub(super) fn block(&mut self, bytes: &[u8]) -> Result<(), Inexpressible> {
        self.int(bytes.len() as u64)?;
        self.out.put_slice(bytes);
        Ok(())
    }
}

/// Runs `write`; if it fails, `out` is as it was before.
pub(super) fn all_or_nothing(
    integers: Integers,
    out: &mut BytesMut,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), Inexpressible>,
) -> Result<(), Inexpressible> {
    let before = out.len();
    let written = write(&mut Writer { integers, out });
    if written.is_err() {
        out.truncate(before);
    }
    written
}
