//! Error codes: those of HTTP/3 that we use, and the mapping of the application's 32-bit codes.

use quinn_proto::VarInt;

/// RFC 9114 §8.1, RFC 9204 §6 and draft-ietf-webtrans-http3 §4 on streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum HttpCode {
    NoError = 0x100,
    StreamCreation = 0x103,
    ClosedCriticalStream = 0x104,
    FrameUnexpected = 0x105,
    Frame = 0x106,
    ExcessiveLoad = 0x107,
    Id = 0x108,
    Settings = 0x109,
    MissingSettings = 0x10a,
    RequestRejected = 0x10b,
    RequestIncomplete = 0x10d,
    QpackDecompression = 0x200,
    BufferedStreamRejected = 0x3994_bd84,
    SessionGone = 0x170d_7b68,
}

impl From<HttpCode> for VarInt {
    fn from(code: HttpCode) -> VarInt {
        VarInt::from_u32(code as u64 as u32)
    }
}

/// The first code of the range that the application's codes are mapped to.
const FIRST: u64 = 0x52e4_a40f_a8db;
/// The last one, for code 0xffff_ffff.
const LAST: u64 = 0x52e5_ac98_3162;
/// Every 31st code point, from this one on, is reserved for grease (RFC 9114 §8.1).
const GREASE_FIRST: u64 = 0x21;
const GREASE_STEP: u64 = 0x1f;

/// The code on the wire for a code of the application. Codes past 32 bits become the largest.
pub(crate) fn to_http(code: u64) -> VarInt {
    let code = code.min(u64::from(u32::MAX));
    VarInt::from_u64(FIRST + code + code / (GREASE_STEP - 1)).unwrap_or(VarInt::MAX)
}

/// The application's code behind one on the wire; `None` outside the range and for a reserved
/// point in it.
pub(crate) fn from_http(code: VarInt) -> Option<u64> {
    let code = code.into_inner();
    if !(FIRST..=LAST).contains(&code) || (code - GREASE_FIRST).is_multiple_of(GREASE_STEP) {
        return None;
    }
    let shifted = code - FIRST;
    Some(shifted - shifted / GREASE_STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_mapping() {
        for code in (0..200).chain([0xffff, 0xffff_fffe, 0xffff_ffff]) {
            assert_eq!(from_http(to_http(code)), Some(code));
        }
        assert_eq!(to_http(0).into_inner(), FIRST);
        assert_eq!(to_http(u64::from(u32::MAX)).into_inner(), LAST);
        assert_eq!(to_http(u64::MAX).into_inner(), LAST);
    }

    #[test]
    fn reserved_points_and_other_codes_are_rejected() {
        let mut reserved = 0;
        for point in FIRST..FIRST + 310 {
            let code = VarInt::from_u64(point).unwrap();
            match from_http(code) {
                Some(known) => assert_eq!(to_http(known), code),
                None => reserved += 1,
            }
        }
        assert_eq!(reserved, 10);
        for other in [0, HttpCode::NoError as u64, FIRST - 1, LAST + 1] {
            assert_eq!(from_http(VarInt::from_u64(other).unwrap()), None);
        }
    }
}
