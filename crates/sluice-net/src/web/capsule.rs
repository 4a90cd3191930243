//! Capsules of the session's stream (RFC 9297 §3, draft-ietf-webtrans-http3 §5 and §6).

use bytes::{BufMut, Bytes};

use super::element::{ElementReader, Part, encode_element};
use crate::connection::{REASON_BYTES_MAX, cut_reason};

const CLOSE_SESSION: u64 = 0x2843;
const DRAIN_SESSION: u64 = 0x78ae;
const CLOSE_CODE_BYTES: usize = 4;

/// What the peer says about the session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Capsule {
    /// It is over.
    Close { code: u64, reason: String },
    /// It should be wound down.
    Drain,
}

/// Reads capsules as they arrive. Unknown ones are skipped whatever their length; a close
/// reason longer than allowed is cut.
#[derive(Default, Debug)]
pub(crate) struct CapsuleReader {
    elements: ElementReader,
    /// The value of a CLOSE, as far as it has arrived and counts.
    close: Option<Vec<u8>>,
}

impl CapsuleReader {
    /// The next bytes; every capsule that ends in them goes to `emit`.
    pub(crate) fn feed(&mut self, mut input: Bytes, mut emit: impl FnMut(Capsule)) {
        while !input.is_empty() {
            let piece = input.split_to(self.elements.wanted().min(input.len()));
            let part = self.elements.feed(piece);
            if let Some(capsule) = part.and_then(|part| self.apply(part)) {
                emit(capsule);
            }
        }
    }

    fn apply(&mut self, part: Part) -> Option<Capsule> {
        match part {
            Part::Header { kind, length } => {
                self.close = (kind == CLOSE_SESSION).then(Vec::new);
                match kind {
                    CLOSE_SESSION if length == 0 => self.finish_close(),
                    DRAIN_SESSION => Some(Capsule::Drain),
                    _ => None,
                }
            }
            Part::Payload { bytes, last } => {
                let value = self.close.as_mut()?;
                let room = CLOSE_CODE_BYTES + REASON_BYTES_MAX - value.len();
                value.extend_from_slice(&bytes[..bytes.len().min(room)]);
                if last { self.finish_close() } else { None }
            }
        }
    }

    fn finish_close(&mut self) -> Option<Capsule> {
        let value = self.close.take()?;
        // A close without room for its code still closes.
        let (code, reason) =
            value.split_first_chunk::<CLOSE_CODE_BYTES>().unwrap_or((&[0; CLOSE_CODE_BYTES], &[]));
        Some(Capsule::Close {
            code: u64::from(u32::from_be_bytes(*code)),
            reason: cut_reason(reason),
        })
    }
}

/// Appends a capsule. Codes past 32 bits become the largest; the reason is within its limit.
pub(crate) fn encode_capsule(capsule: &Capsule, out: &mut impl BufMut) {
    match capsule {
        Capsule::Close { code, reason } => {
            debug_assert!(reason.len() <= REASON_BYTES_MAX);
            let code = u32::try_from(*code).unwrap_or(u32::MAX);
            let value = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
            encode_element(CLOSE_SESSION, &value, out);
        }
        Capsule::Drain => encode_element(DRAIN_SESSION, &[], out),
    }
}

#[cfg(test)]
mod tests {
    use super::super::varint::encode_varint;
    use super::*;

    fn read(bytes: &[u8], piece: usize) -> Vec<Capsule> {
        let mut reader = CapsuleReader::default();
        let mut capsules = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.feed(Bytes::copy_from_slice(piece), |capsule| {
                capsules.push(capsule);
            });
        }
        capsules
    }

    #[test]
    fn capsules_are_found_in_any_slicing_among_unknown_ones() {
        let close = Capsule::Close { code: 7, reason: "bye".into() };
        let mut bytes = Vec::new();
        encode_element(0x17, &[9; 300], &mut bytes);
        encode_capsule(&Capsule::Drain, &mut bytes);
        encode_element(0x18, &[], &mut bytes);
        encode_capsule(&close, &mut bytes);
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(read(&bytes, piece), [Capsule::Drain, close.clone()]);
        }
    }

    #[test]
    fn a_long_reason_is_cut_and_a_short_close_closes() {
        let mut bytes = Vec::new();
        encode_element(CLOSE_SESSION, &[b'x'; 70_000], &mut bytes);
        encode_element(CLOSE_SESSION, &[], &mut bytes);
        let [Capsule::Close { reason, .. }, Capsule::Close { code: 0, .. }] =
            &read(&bytes, 5000)[..]
        else {
            panic!();
        };
        assert_eq!(reason.len(), REASON_BYTES_MAX);
    }

    #[test]
    fn a_gigabyte_announced_holds_nothing() {
        for kind in [0x17, CLOSE_SESSION] {
            let mut bytes = Vec::new();
            encode_varint(kind, &mut bytes);
            encode_varint(1 << 30, &mut bytes);
            bytes.resize(100_000, b'x');
            let mut reader = CapsuleReader::default();
            reader.feed(Bytes::from(bytes), |capsule| panic!("{capsule:?}"));
            let held = reader.close.map_or(0, |value| value.len());
            assert!(held <= CLOSE_CODE_BYTES + REASON_BYTES_MAX);
        }
    }
}
