//! Variable-length integers, both forms, and the bounded [`Reader`] that everything is read with.
//!
//! The drafts up to 16 use the integers of RFC 9000 §16 (at most 2^62 - 1); later ones a form of
//! their own that counts leading one bits and reaches 2^64 - 1 (MOQT-18 §1.4.1). Sent integers are
//! minimal; received ones need not be.

use bytes::{Buf, BufMut, Bytes};

/// Which integers a draft uses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Integers {
    /// RFC 9000 §16: two bits of length, at most 2^62 - 1.
    Quic,
    /// Leading ones count the bytes that follow; the 7-byte form is forbidden.
    MoqWithoutSeven,
    /// Leading ones count the bytes that follow.
    Moq,
}

/// An integer too large for its encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} does not fit the draft's integers")]
pub struct TooLarge(pub u64);

/// Why a value could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes end inside it.
    #[error("the bytes end inside a field")]
    Truncated,
    /// An integer starts with a byte that the draft forbids.
    #[error("no integer starts with {0:#04x}")]
    InvalidInteger(u8),
}

impl Integers {
    /// The largest value that can be written.
    pub const fn max(self) -> u64 {
        match self {
            Integers::Quic => (1 << 62) - 1,
            Integers::MoqWithoutSeven | Integers::Moq => u64::MAX,
        }
    }

    /// Bytes of the shortest encoding, or `None` beyond [`Integers::max`].
    pub const fn size_bytes(self, value: u64) -> Option<usize> {
        let bits = 64 - value.leading_zeros() as usize;
        match self {
            Integers::Quic => match bits {
                0..=6 => Some(1),
                7..=14 => Some(2),
                15..=30 => Some(4),
                31..=62 => Some(8),
                _ => None,
            },
            Integers::MoqWithoutSeven | Integers::Moq => match bits {
                0..=7 => Some(1),
                57.. => Some(9),
                43..=49 if matches!(self, Integers::MoqWithoutSeven) => Some(8),
                bits => Some(bits.div_ceil(7)),
            },
        }
    }

    /// Appends the shortest encoding of `value`.
    pub fn put(self, value: u64, out: &mut impl BufMut) -> Result<(), TooLarge> {
        let size = self.size_bytes(value).ok_or(TooLarge(value))?;
        let marked = match (self, size) {
            (_, 9) => {
                out.put_u8(0xFF);
                value
            }
            (Integers::Quic, size) => value | (size.ilog2() as u64) << (8 * size - 2),
            // size - 1 ones and a zero above the value's 7 * size bits.
            (_, size) => value | ((1 << (size - 1)) - 1) << (7 * size + 1),
        };
        out.put_uint(marked, size.min(8));
        Ok(())
    }

    /// Reads one integer from the start of `buf`: the value and its length in bytes, or `None` if
    /// `buf` ends inside it.
    pub fn read(self, buf: &[u8]) -> Result<Option<(u64, usize)>, ReadError> {
        let Some(&first) = buf.first() else { return Ok(None) };
        let (size, mask) = match self {
            Integers::Quic => (1 << (first >> 6), 0x3F),
            Integers::MoqWithoutSeven if matches!(first, 0xFC | 0xFD) => {
                return Err(ReadError::InvalidInteger(first));
            }
            Integers::MoqWithoutSeven | Integers::Moq => {
                let ones = first.leading_ones();
                (ones as usize + 1, (0x7F_u16 >> ones) as u8)
            }
        };
        let Some(rest) = buf.get(1..size) else { return Ok(None) };
        let value = rest.iter().fold(u64::from(first & mask), |value, &byte| {
            // The first byte of the 9-byte form holds no value bits, so nothing is shifted out.
            value << 8 | u64::from(byte)
        });
        Ok(Some((value, size)))
    }
}

/// Reads fields from bytes that are known to be all there is.
#[derive(Clone, Debug)]
pub struct Reader {
    integers: Integers,
    bytes: Bytes,
}

impl Reader {
    /// A reader over all of `bytes`.
    pub fn new(integers: Integers, bytes: Bytes) -> Self {
        Self { integers, bytes }
    }

    /// The form of integers it reads.
    pub fn integers(&self) -> Integers {
        self.integers
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One variable-length integer.
    pub fn int(&mut self) -> Result<u64, ReadError> {
        let (value, size) = self.integers.read(&self.bytes)?.ok_or(ReadError::Truncated)?;
        self.bytes.advance(size);
        Ok(value)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, ReadError> {
        self.bytes.try_get_u8().map_err(|_| ReadError::Truncated)
    }

    /// The next `length` bytes, shared with the source.
    pub fn take(&mut self, length: u64) -> Result<Bytes, ReadError> {
        match usize::try_from(length) {
            Ok(length) if length <= self.bytes.len() => Ok(self.bytes.split_to(length)),
            _ => Err(ReadError::Truncated),
        }
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes)
    }

    /// A reader of the next `length` bytes alone.
    pub fn sub(&mut self, length: u64) -> Result<Reader, ReadError> {
        Ok(Reader { integers: self.integers, bytes: self.take(length)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    /// Value, MOQT form, form without seven bytes, RFC 9000 form.
    const VECTORS: &[(u64, &str, &str, &str)] = &[
        (0, "00", "00", "00"),
        (37, "25", "25", "25"),
        (63, "3F", "3F", "3F"),
        (64, "40", "40", "40 40"),
        (127, "7F", "7F", "40 7F"),
        (128, "80 80", "80 80", "40 80"),
        (300, "81 2C", "81 2C", "41 2C"),
        (0x2F00, "AF 00", "AF 00", "6F 00"),
        (15_293, "BB BD", "BB BD", "7B BD"),
        (16_383, "BF FF", "BF FF", "7F FF"),
        (16_384, "C0 40 00", "C0 40 00", "80 00 40 00"),
        (226_442_877, "ED 7F 3E 7D", "ED 7F 3E 7D", "8D 7F 3E 7D"),
        (2_893_212_287_960, "FA A1 A0 E4 03 D8", "FA A1 A0 E4 03 D8", "C0 00 02 A1 A0 E4 03 D8"),
        (
            151_288_809_941_952,
            "FC 89 98 AB C6 6B C0",
            "FE 00 89 98 AB C6 6B C0",
            "C0 00 89 98 AB C6 6B C0",
        ),
        (
            70_423_237_261_249_041,
            "FE FA 31 8F A8 E3 CA 11",
            "FE FA 31 8F A8 E3 CA 11",
            "C0 FA 31 8F A8 E3 CA 11",
        ),
        (
            (1 << 62) - 1,
            "FF 3F FF FF FF FF FF FF FF",
            "FF 3F FF FF FF FF FF FF FF",
            "FF FF FF FF FF FF FF FF",
        ),
        (u64::MAX, "FF FF FF FF FF FF FF FF FF", "FF FF FF FF FF FF FF FF FF", ""),
    ];

    #[test]
    fn integers_match_the_vectors_of_the_texts() {
        for &(value, moq, short, quic) in VECTORS {
            for (integers, text) in
                [(Integers::Moq, moq), (Integers::MoqWithoutSeven, short), (Integers::Quic, quic)]
            {
                let mut out = Vec::new();
                let bytes = hex(text);
                if bytes.is_empty() {
                    assert_eq!(integers.put(value, &mut out), Err(TooLarge(value)));
                    continue;
                }
                integers.put(value, &mut out).unwrap();
                assert_eq!(out, bytes, "{value} in {integers:?}");
                assert_eq!(integers.read(&bytes), Ok(Some((value, bytes.len()))));
                for cut in 0..bytes.len() {
                    assert_eq!(integers.read(&bytes[..cut]), Ok(None), "{value} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn longer_forms_than_needed_are_read() {
        for text in ["80 25", "C0 00 25", "FF 00 00 00 00 00 00 00 25"] {
            let bytes = hex(text);
            assert_eq!(Integers::Moq.read(&bytes), Ok(Some((37, bytes.len()))));
        }
        assert_eq!(Integers::Quic.read(&hex("40 25")), Ok(Some((37, 2))));
    }

    #[test]
    fn seven_byte_integers_are_refused_where_the_draft_forbids_them() {
        let bytes = hex("FC 89 98 AB C6 6B C0");
        let refused = Integers::MoqWithoutSeven.read(&bytes);
        assert_eq!(refused, Err(ReadError::InvalidInteger(0xFC)));
    }

    #[test]
    fn every_power_of_two_survives_and_is_minimal() {
        for shift in 0..64 {
            for value in [1 << shift, (1_u64 << shift) - 1, (1 << shift) + 1] {
                for integers in [Integers::Moq, Integers::MoqWithoutSeven, Integers::Quic] {
                    let mut out = Vec::new();
                    if integers.put(value, &mut out).is_ok() {
                        assert_eq!(integers.read(&out), Ok(Some((value, out.len()))));
                        assert_eq!(integers.size_bytes(value), Some(out.len()));
                    } else {
                        assert!(value > integers.max());
                    }
                }
            }
        }
    }

    #[test]
    fn a_reader_never_reads_past_its_bound() {
        let mut reader = Reader::new(Integers::Moq, Bytes::from_static(&[2, 7, 8, 9]));
        let length = reader.int().unwrap();
        let mut inner = reader.sub(length).unwrap();
        assert_eq!((inner.byte(), inner.byte()), (Ok(7), Ok(8)));
        assert_eq!(inner.byte(), Err(ReadError::Truncated));
        assert_eq!(reader.remaining(), 1);
        assert_eq!(reader.take(u64::MAX), Err(ReadError::Truncated));
        assert_eq!(reader.rest(), Bytes::from_static(&[9]));
        assert!(reader.is_empty());
    }
}
