//! QUIC's variable-length integers (RFC 9000 §16), also as they arrive byte by byte.

use bytes::{BufMut, Bytes};

/// The longest encoding.
pub(crate) const VARINT_BYTES_MAX: usize = 8;

/// Appends `value`, which fits 62 bits, in its shortest form.
pub(crate) fn encode_varint(value: u64, out: &mut impl BufMut) {
    debug_assert!(value < 1 << 62);
    match value {
        0..=0x3f => out.put_u8(value as u8),
        0x40..=0x3fff => out.put_u16(1 << 14 | value as u16),
        0x4000..=0x3fff_ffff => out.put_u32(2 << 30 | value as u32),
        _ => out.put_u64(3 << 62 | value),
    }
}

/// Bytes that [`encode_varint`] takes for `value`.
pub(crate) fn varint_bytes(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Takes a varint from the front of `input`, if it is all there.
pub(crate) fn take_varint(input: &mut Bytes) -> Option<u64> {
    let mut partial = PartialVarint::default();
    while !input.is_empty() {
        let piece = input.split_to(partial.missing().min(input.len()));
        if let Some(value) = partial.feed(&piece) {
            return Some(value);
        }
    }
    None
}

/// A varint of which some bytes have arrived.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct PartialVarint {
    bytes: [u8; VARINT_BYTES_MAX],
    filled: usize,
}

impl PartialVarint {
    /// Bytes that it certainly needs yet; never zero.
    pub(crate) fn missing(&self) -> usize {
        match self.filled {
            0 => 1,
            filled => (1 << (self.bytes[0] >> 6)) - filled,
        }
    }

    /// Adds at most [`PartialVarint::missing`] bytes. Starts anew after the value.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Option<u64> {
        debug_assert!(input.len() <= self.missing());
        self.bytes[self.filled..self.filled + input.len()].copy_from_slice(input);
        self.filled += input.len();
        let total = 1 << (self.bytes[0] >> 6);
        if self.filled < total {
            return None;
        }
        let first = u64::from(self.bytes[0] & 0x3f);
        let value =
            self.bytes[1..total].iter().fold(first, |value, byte| value << 8 | u64::from(*byte));
        *self = PartialVarint::default();
        Some(value)
    }

    /// Whether no byte of it has arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9000 Appendix A.1, and the border values.
    const VALUES: [u64; 10] = [
        0,
        37,
        0x3f,
        0x40,
        15_293,
        0x3fff,
        0x4000,
        494_878_333,
        0x4000_0000,
        151_288_809_941_952_652,
    ];

    #[test]
    fn values_survive_arriving_byte_by_byte() {
        for value in VALUES {
            let mut encoded = Vec::new();
            encode_varint(value, &mut encoded);
            assert_eq!(encoded.len(), varint_bytes(value));
            let mut partial = PartialVarint::default();
            let (last, rest) = encoded.split_last().unwrap();
            for byte in rest {
                assert_eq!(partial.feed(&[*byte]), None);
                assert!(!partial.is_empty());
            }
            assert_eq!(partial.missing(), 1);
            assert_eq!(partial.feed(&[*last]), Some(value));
            assert!(partial.is_empty());
            assert_eq!(take_varint(&mut Bytes::from(encoded)), Some(value));
        }
    }
}
