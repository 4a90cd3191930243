//! Header sections (RFC 9204) with the static table and Huffman strings; no dynamic table, which
//! we do not offer.

use super::huffman;
use super::settings::HEADER_SECTION_BYTES_MAX;
use super::static_table::STATIC_TABLE;

/// RFC 9114 §4.2.2: what a field costs besides its name and value.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// Why a header section cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeaderFault {
    /// It is no valid encoding, or uses the dynamic table that it must not use. RFC 9204 §2.2:
    /// ends the connection.
    Malformed,
    /// Decoded it exceeds 16 KiB. Costs the request.
    TooLarge,
}

/// Fields in the order in which they came, names in lower case as they have to be.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct HeaderSection {
    fields: Vec<(String, String)>,
}

impl HeaderSection {
    /// Adds a field.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_string(), value.to_string()));
    }

    /// The first value of a field.
    pub(crate) fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// All lines of a field as one list, RFC 9110 §5.3. `None` if there are none.
    pub(crate) fn joined(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> = self.values(name).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Decodes the value of a HEADERS frame. Values that are no UTF-8 are replaced in part.
    pub(crate) fn decode(input: &[u8]) -> Result<HeaderSection, HeaderFault> {
        let mut input = Input { bytes: input };
        let mut budget = Budget(HEADER_SECTION_BYTES_MAX);
        let required_inserts = input.integer(8)?;
        input.integer(7)?;
        if required_inserts != 0 {
            return Err(HeaderFault::Malformed);
        }
        let mut fields = Vec::new();
        while let Some(first) = input.bytes.first().copied() {
            budget.charge(FIELD_OVERHEAD_BYTES)?;
            // RFC 9204 §4.5: the leading bits tell the representation.
            let field = match first {
                0b1100_0000..=0b1111_1111 => {
                    let (name, value) = static_entry(input.integer(6)?)?;
                    budget.charge(name.len() + value.len())?;
                    (name.to_string(), value.to_string())
                }
                0b0101_0000..=0b0101_1111 | 0b0111_0000..=0b0111_1111 => {
                    let (name, _) = static_entry(input.integer(4)?)?;
                    budget.charge(name.len())?;
                    (name.to_string(), input.string(7, &mut budget)?)
                }
                0b0010_0000..=0b0011_1111 => {
                    let name = input.string(3, &mut budget)?;
                    (name, input.string(7, &mut budget)?)
                }
                _ => return Err(HeaderFault::Malformed),
            };
            fields.push(field);
        }
        Ok(HeaderSection { fields })
    }

    /// The value of a HEADERS frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0, 0];
        for (name, value) in &self.fields {
            let same_name = |(known, _): &(&str, &str)| known == name;
            if let Some(index) =
                STATIC_TABLE.iter().position(|entry| *entry == (name.as_str(), value.as_str()))
            {
                encode_integer(0b1100_0000, 6, index, &mut out);
                continue;
            }
            if let Some(index) = STATIC_TABLE.iter().position(same_name) {
                encode_integer(0b0101_0000, 4, index, &mut out);
            } else {
                encode_integer(0b0010_0000, 3, name.len(), &mut out);
                out.extend_from_slice(name.as_bytes());
            }
            encode_integer(0, 7, value.len(), &mut out);
            out.extend_from_slice(value.as_bytes());
        }
        out
    }
}

struct Budget(usize);

impl Budget {
    fn charge(&mut self, bytes: usize) -> Result<(), HeaderFault> {
        self.0 = self.0.checked_sub(bytes).ok_or(HeaderFault::TooLarge)?;
        Ok(())
    }
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, HeaderFault> {
        let (first, rest) = self.bytes.split_first().ok_or(HeaderFault::Malformed)?;
        self.bytes = rest;
        Ok(*first)
    }

    /// RFC 7541 §5.1: an integer that begins in the low `bits` of a byte.
    fn integer(&mut self, bits: u32) -> Result<usize, HeaderFault> {
        // Longer ones than any length or index we accept are malformed for us.
        const SHIFT_MAX: u32 = 28;
        let mask = (1usize << bits) - 1;
        let mut value = usize::from(self.byte()?) & mask;
        if value < mask {
            return Ok(value);
        }
        for shift in (0..=SHIFT_MAX).step_by(7) {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(HeaderFault::Malformed)
    }

    /// RFC 9204 §4.1.2: a string whose length begins in the low `bits` of a byte, with the
    /// Huffman flag above them.
    fn string(&mut self, bits: u32, budget: &mut Budget) -> Result<String, HeaderFault> {
        let first = *self.bytes.first().ok_or(HeaderFault::Malformed)?;
        let is_huffman = first >> bits & 1 == 1;
        let length = self.integer(bits)?;
        if self.bytes.len() < length {
            return Err(HeaderFault::Malformed);
        }
        let (raw, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        let string = if is_huffman {
            // No code is shorter than five bits, so this also bounds what is decoded in vain.
            let decoded = huffman::decode(raw, length * 8 / 5).ok_or(HeaderFault::Malformed)?;
            String::from_utf8_lossy(&decoded).into_owned()
        } else {
            String::from_utf8_lossy(raw).into_owned()
        };
        // A byte that is no UTF-8 is replaced by three.
        budget.charge(string.len())?;
        Ok(string)
    }
}

fn static_entry(index: usize) -> Result<(&'static str, &'static str), HeaderFault> {
    STATIC_TABLE.get(index).copied().ok_or(HeaderFault::Malformed)
}

fn encode_integer(flags: u8, bits: u32, value: usize, out: &mut Vec<u8>) {
    let mask = (1usize << bits) - 1;
    if value < mask {
        return out.push(flags | value as u8);
    }
    out.push(flags | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_survives_the_trip() {
        let mut section = HeaderSection::default();
        section.push(":method", "CONNECT");
        section.push(":protocol", "webtransport");
        section.push(":path", "/moq");
        section.push("origin", &"o".repeat(300));
        section.push("wt-available-protocols", "\"a\"");
        section.push("wt-available-protocols", "\"b\"");
        let decoded = HeaderSection::decode(&section.encode()).unwrap();
        assert_eq!(decoded, section);
        assert_eq!(decoded.first(":path"), Some("/moq"));
        let joined = decoded.joined("wt-available-protocols");
        assert_eq!(joined.as_deref(), Some("\"a\", \"b\""));
        assert_eq!(decoded.joined("absent"), None);
    }

    #[test]
    fn huffman_strings_and_static_fields_decode() {
        // RFC 7541 C.4.1's host name, here as the value of static name 0.
        let mut input = vec![0, 0, 0b1100_0000 | 25, 0b0101_0000, 0x8c];
        input.extend_from_slice(&[
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ]);
        let section = HeaderSection::decode(&input).unwrap();
        assert_eq!(section.first(":status"), Some("200"));
        assert_eq!(section.first(":authority"), Some("www.example.com"));
    }

    #[test]
    fn dynamic_references_and_truncation_are_malformed() {
        for input in [
            &[][..],
            &[0],
            &[1, 0],
            &[0, 0, 0x80],
            &[0, 0, 0x40],
            &[0, 0, 0x10],
            &[0, 0, 0x00],
            &[0, 0, 0xff, 0x40],
            &[0, 0, 0x50],
            &[0, 0, 0x50, 0x05, b'a'],
            &[0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            let decoded = HeaderSection::decode(input);
            assert_eq!(decoded, Err(HeaderFault::Malformed), "{input:x?}");
        }
    }

    #[test]
    fn a_section_is_measured_decoded() {
        // Two bytes each for one of the longest fields of the static table.
        let many_indexed = [&[0, 0][..], &[0xff, 85 - 63].repeat(1000)].concat();
        assert_eq!(HeaderSection::decode(&many_indexed), Err(HeaderFault::TooLarge));
        let mut section = HeaderSection::default();
        section.push("x", &"y".repeat(HEADER_SECTION_BYTES_MAX - 33));
        assert!(HeaderSection::decode(&section.encode()).is_ok());
        section.push("", "");
        assert_eq!(HeaderSection::decode(&section.encode()), Err(HeaderFault::TooLarge));
        // Static name 0 with 6,000 bytes that are no UTF-8.
        let mut replaced = vec![0, 0, 0b0101_0000];
        encode_integer(0, 7, 6_000, &mut replaced);
        replaced.resize(replaced.len() + 6_000, 0xFF);
        assert_eq!(HeaderSection::decode(&replaced), Err(HeaderFault::TooLarge));
    }
}
