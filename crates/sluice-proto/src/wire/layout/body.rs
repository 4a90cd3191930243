//! Reading and writing the fields of one message's body.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::model::message::{REASON_BYTES_MAX, URI_BYTES_MAX, clip_reason};
use crate::model::{GroupId, Location, ObjectId};
use crate::wire::varint::{ReadError, Reader};
use crate::wire::{Dialect, Field, Inexpressible, MessageKind, Violation};

/// Reads a body, or a part of one. Whatever is wrong names the message and the field.
pub(in crate::wire) struct Body<'d> {
    pub(in crate::wire) dialect: &'d Dialect,
    pub(in crate::wire) message: MessageKind,
    reader: Reader,
}

impl<'d> Body<'d> {
    pub(in crate::wire) fn new(dialect: &'d Dialect, message: MessageKind, bytes: Bytes) -> Self {
        Self { dialect, message, reader: Reader::new(dialect.integers, bytes) }
    }

    fn fault(&self, field: Field) -> impl FnOnce(ReadError) -> Violation + use<> {
        let message = self.message;
        move |error| match error {
            ReadError::Truncated => Violation::Truncated { message, field },
            ReadError::InvalidInteger(first) => {
                Violation::InvalidInteger { message: Some(message), field, first }
            }
        }
    }

    pub(in crate::wire) fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    pub(in crate::wire) fn int(&mut self, field: Field) -> Result<u64, Violation> {
        self.reader.int().map_err(self.fault(field))
    }

    pub(in crate::wire) fn byte(&mut self, field: Field) -> Result<u8, Violation> {
        self.reader.byte().map_err(self.fault(field))
    }

    /// Bytes after their length.
    pub(in crate::wire) fn prefixed(&mut self, field: Field) -> Result<Bytes, Violation> {
        let length = self.int(field)?;
        self.reader.take(length).map_err(self.fault(field))
    }

    /// The next `length` bytes as a body of their own.
    pub(in crate::wire) fn part(
        &mut self,
        field: Field,
        length: u64,
    ) -> Result<Body<'d>, Violation> {
        let reader = self.reader.sub(length).map_err(self.fault(field))?;
        Ok(Body { dialect: self.dialect, message: self.message, reader })
    }

    /// Everything that is left.
    pub(in crate::wire) fn rest(&mut self) -> Bytes {
        self.reader.rest()
    }

    /// Refuses what was not read.
    pub(in crate::wire) fn finish(self) -> Result<(), Violation> {
        match self.reader.remaining() {
            0 => Ok(()),
            bytes => Err(Violation::TrailingBytes { message: self.message, bytes }),
        }
    }

    pub(in crate::wire) fn invalid(&self, field: Field, value: u64) -> Violation {
        Violation::InvalidValue { message: self.message, field, value }
    }

    pub(in crate::wire) fn location(&mut self) -> Result<Location, Violation> {
        let group = GroupId(self.int(Field::Location)?);
        Ok(Location { group, object: ObjectId(self.int(Field::Location)?) })
    }

    fn text(&mut self, field: Field, bytes_max: usize) -> Result<String, Violation> {
        let bytes = self.int(field)?;
        if bytes > bytes_max as u64 {
            return Err(Violation::TextTooLong { message: self.message, field, bytes });
        }
        let text = self.reader.take(bytes).map_err(self.fault(field))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    pub(in crate::wire) fn reason(&mut self) -> Result<String, Violation> {
        self.text(Field::Reason, REASON_BYTES_MAX)
    }

    pub(in crate::wire) fn uri(&mut self, field: Field) -> Result<String, Violation> {
        self.text(field, URI_BYTES_MAX)
    }
}

/// Writes a body, or a part of one.
pub(in crate::wire) struct Writer<'d, 'o> {
    pub(in crate::wire) dialect: &'d Dialect,
    pub(in crate::wire) out: &'o mut BytesMut,
}

impl<'d> Writer<'d, '_> {
    pub(in crate::wire) fn int(&mut self, value: u64) -> Result<(), Inexpressible> {
        let put = self.dialect.integers.put(value, self.out);
        put.map_err(|too_large| Inexpressible::TooLarge(too_large.0))
    }

    pub(in crate::wire) fn byte(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    /// Bytes after their length.
    pub(in crate::wire) fn prefixed(&mut self, bytes: &[u8]) -> Result<(), Inexpressible> {
        self.int(bytes.len() as u64)?;
        self.out.put_slice(bytes);
        Ok(())
    }

    /// What `write` writes, after its length.
    pub(in crate::wire) fn part(
        &mut self,
        write: impl FnOnce(&mut Writer<'d, '_>) -> Result<(), Inexpressible>,
    ) -> Result<(), Inexpressible> {
        let mut part = BytesMut::new();
        write(&mut Writer { dialect: self.dialect, out: &mut part })?;
        self.prefixed(&part)
    }

    pub(in crate::wire) fn location(&mut self, location: Location) -> Result<(), Inexpressible> {
        self.int(location.group.0)?;
        self.int(location.object.0)
    }

    pub(in crate::wire) fn reason(&mut self, reason: &str) -> Result<(), Inexpressible> {
        self.prefixed(clip_reason(reason).as_bytes())
    }

    pub(in crate::wire) fn uri(&mut self, uri: &str) -> Result<(), Inexpressible> {
        if uri.len() > URI_BYTES_MAX {
            return Err(Inexpressible::TooLong(uri.len()));
        }
        self.prefixed(uri.as_bytes())
    }

    /// Milliseconds of a time, at most what the draft can write.
    pub(in crate::wire) fn milliseconds(&self, time: Duration) -> u64 {
        milliseconds(time).min(self.dialect.integers.max())
    }
}

/// Milliseconds of a time; a shorter one counts as one, since 0 often means "none".
pub(in crate::wire) fn milliseconds(time: Duration) -> u64 {
    match u64::try_from(time.as_millis()) {
        Ok(0) if !time.is_zero() => 1,
        Ok(milliseconds) => milliseconds,
        Err(_) => u64::MAX,
    }
}

/// A time of which 0 means "none".
pub(in crate::wire) fn nonzero(milliseconds: u64) -> Option<Duration> {
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}
