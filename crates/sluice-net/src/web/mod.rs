//! WebTransport over HTTP/3 (draft-ietf-webtrans-http3), without HTTP: one session on one
//! connection, server or client.
//!
//! [`WebTransport`] is the machine. What arrives on the wire before MOQT sees it is read by
//! `incoming`; the codecs below it are pure and hold no more than a header or a bounded text,
//! whatever length a peer announces.

mod capsule;
mod element;
mod field_list;
mod header_section;
mod huffman;
mod incoming;
mod outgoing;
mod request;
mod session;
mod settings;
mod static_table;
mod varint;

pub(crate) mod codes;
pub(crate) use request::Connect;
pub(crate) use session::{Ending, Outcome, Role, WebTransport, Wire};

/// Entry points for fuzzing: every decoder of this layer, as pure functions.
pub mod fuzzing {
    use bytes::Bytes;

    use super::capsule::CapsuleReader;
    use super::element::ElementReader;
    use super::field_list;
    use super::header_section::HeaderSection;
    use super::settings::SettingsReader;
    use super::varint;

    /// A SETTINGS frame's value, fed in two pieces cut at `cut`. True if it is well formed.
    pub fn settings(value: &[u8], cut: usize) -> bool {
        let (first, second) = value.split_at(cut.min(value.len()));
        let mut reader = SettingsReader::default();
        reader.feed(first).is_ok() && reader.feed(second).is_ok() && reader.finish().is_ok()
    }

    /// A stream of frames. The number of parts it has.
    pub fn frames(mut stream: Bytes) -> usize {
        let mut reader = ElementReader::default();
        let mut parts = 0;
        while !stream.is_empty() {
            let piece = stream.split_to(reader.wanted().min(stream.len()));
            parts += usize::from(reader.feed(piece).is_some());
        }
        parts
    }

    /// A stream of capsules, fed in pieces of `piece` bytes. The number that mean something.
    pub fn capsules(stream: &[u8], piece: usize) -> usize {
        let mut reader = CapsuleReader::default();
        let mut known = 0;
        for piece in stream.chunks(piece.max(1)) {
            reader.feed(Bytes::copy_from_slice(piece), |_| known += 1);
        }
        known
    }

    /// A header section. The bytes of its encoding by us, if it is well formed.
    pub fn header_section(encoded: &[u8]) -> Option<Vec<u8>> {
        let section = HeaderSection::decode(encoded).ok()?;
        Some(section.encode())
    }

    /// A header field that is a list of strings.
    pub fn string_list(field: &str) -> Option<Vec<String>> {
        field_list::decode_strings(field)
    }

    /// The quarter stream id in front of an HTTP datagram, and what is left.
    pub fn datagram_prefix(mut datagram: Bytes) -> Option<(u64, Bytes)> {
        let id = varint::take_varint(&mut datagram)?;
        Some((id, datagram))
    }
}
