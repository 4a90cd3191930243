//! The Huffman code of header strings, RFC 7541 Appendix B. Decoding only: what we send is short.
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols,
//! and shorter ones come first. So the lengths alone define it.

/// Bits of the code of each byte. The code that ends a string, 30 ones, never occurs inside.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const LENGTH_MAX: usize = 30;

/// For each length: the first code, how many there are, and where their symbols begin.
struct Codes {
    first: [u32; LENGTH_MAX + 1],
    count: [u32; LENGTH_MAX + 1],
    start: [usize; LENGTH_MAX + 1],
    symbols: [u8; 256],
}

const CODES: Codes = Codes::new();

impl Codes {
    const fn new() -> Codes {
        let mut codes = Codes {
            first: [0; LENGTH_MAX + 1],
            count: [0; LENGTH_MAX + 1],
            start: [0; LENGTH_MAX + 1],
            symbols: [0; 256],
        };
        let mut next_code = 0;
        let mut placed = 0;
        let mut length = 1;
        while length <= LENGTH_MAX {
            next_code <<= 1;
            codes.first[length] = next_code;
            codes.start[length] = placed;
            let mut symbol = 0;
            while symbol < 256 {
                if LENGTHS[symbol] as usize == length {
                    codes.symbols[placed] = symbol as u8;
                    codes.count[length] += 1;
                    next_code += 1;
                    placed += 1;
                }
                symbol += 1;
            }
            length += 1;
        }
        codes
    }
}

/// Decodes `input`, at most `bytes_max` bytes. `None` for an invalid code, wrong padding or
/// more output than allowed.
pub(crate) fn decode(input: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut code = 0u32;
    let mut length = 0;
    for byte in input {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let offset = code.wrapping_sub(CODES.first[length]);
            if offset < CODES.count[length] {
                if out.len() == bytes_max {
                    return None;
                }
                out.push(CODES.symbols[CODES.start[length] + offset as usize]);
                (code, length) = (0, 0);
            } else if length == LENGTH_MAX {
                return None;
            }
        }
    }
    // RFC 7541 §5.2: the rest of the last byte is filled with ones, at most seven.
    let padding_is_ones = code == (1 << length) - 1;
    (length < 8 && padding_is_ones).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 Appendix C.4 and C.6.
    const VECTORS: [(&[u8], &str); 4] = [
        (
            &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
            "www.example.com",
        ),
        (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
        (&[0x64, 0x02], "302"),
        (&[0xae, 0xc3, 0x77, 0x1a, 0x4b], "private"),
    ];

    #[test]
    fn the_vectors_of_the_standard_decode() {
        for (input, output) in VECTORS {
            assert_eq!(decode(input, 100).as_deref(), Some(output.as_bytes()));
        }
    }

    #[test]
    fn output_has_a_limit() {
        assert!(decode(VECTORS[0].0, 15).is_some());
        assert!(decode(VECTORS[0].0, 14).is_none());
    }

    #[test]
    fn wrong_padding_is_refused() {
        assert!(decode(&[0x64, 0x02, 0x00], 100).is_none());
        assert!(decode(&[0x64, 0x02, 0xff], 100).is_none());
        assert!(decode(&[0xff; 4], 100).is_none());
    }
}
