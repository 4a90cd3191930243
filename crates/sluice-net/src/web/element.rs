//! Type, length, value: the shape of HTTP/3 frames (RFC 9114 §7.1) and of capsules (RFC 9297
//! §3.2), read as they stream. A value passes through; nothing is held but its header.

use bytes::{BufMut, Bytes};

use super::varint::{PartialVarint, encode_varint};

/// What the next bytes meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// An element begins. With `length` 0 it has ended too.
    Header { kind: u64, length: u64 },
    /// A piece of its value; `last` if it ends with it.
    Payload { bytes: Bytes, last: bool },
}

/// Reads a sequence of elements.
#[derive(Debug)]
pub(crate) enum ElementReader {
    Kind(PartialVarint),
    Length { kind: u64, length: PartialVarint },
    Payload { remaining: u64 },
}

impl Default for ElementReader {
    fn default() -> ElementReader {
        ElementReader::Kind(PartialVarint::default())
    }
}

impl ElementReader {
    /// The most bytes that the next [`ElementReader::feed`] takes.
    pub(crate) fn wanted(&self) -> usize {
        match self {
            ElementReader::Kind(kind) => kind.missing(),
            ElementReader::Length { length, .. } => length.missing(),
            ElementReader::Payload { remaining } => {
                usize::try_from(*remaining).unwrap_or(usize::MAX)
            }
        }
    }

    /// Takes up to [`ElementReader::wanted`] bytes.
    pub(crate) fn feed(&mut self, input: Bytes) -> Option<Part> {
        debug_assert!(input.len() <= self.wanted());
        match self {
            ElementReader::Kind(partial) => {
                let kind = partial.feed(&input)?;
                *self = ElementReader::Length { kind, length: PartialVarint::default() };
                None
            }
            ElementReader::Length { kind, length } => {
                let (kind, length) = (*kind, length.feed(&input)?);
                *self = match length {
                    0 => ElementReader::default(),
                    remaining => ElementReader::Payload { remaining },
                };
                Some(Part::Header { kind, length })
            }
            ElementReader::Payload { remaining } => {
                *remaining -= input.len() as u64;
                let last = *remaining == 0;
                if last {
                    *self = ElementReader::default();
                }
                Some(Part::Payload { bytes: input, last })
            }
        }
    }
}

/// Appends an element.
pub(crate) fn encode_element(kind: u64, value: &[u8], out: &mut impl BufMut) {
    encode_varint(kind, out);
    encode_varint(value.len() as u64, out);
    out.put_slice(value);
}
