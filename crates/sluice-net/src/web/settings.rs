//! HTTP/3 SETTINGS, with every generation of WebTransport's.
//!
//! Browsers and libraries of different years each know one way of saying that they do
//! WebTransport. We say all of them and understand any single one.

use super::element::encode_element;
use super::varint::{PartialVarint, encode_varint};

/// Frame type of SETTINGS.
pub(crate) const FRAME_SETTINGS: u64 = 0x04;
/// Largest header section that we decode, names and values and 32 bytes a field (RFC 9114
/// §4.2.2), and largest one that we accept encoded.
pub(crate) const HEADER_SECTION_BYTES_MAX: usize = 16 * 1024;

const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;
const H3_DATAGRAM: u64 = 0x33;
const H3_DATAGRAM_DRAFT_04: u64 = 0xffd277;
const ENABLE_WEBTRANSPORT_DRAFT_02: u64 = 0x2b60_3742;
const MAX_SESSIONS_DRAFT_02: u64 = 0x2b60_3743;
const MAX_SESSIONS_DRAFT_07: u64 = 0xc671_706a;
const MAX_SESSIONS_DRAFT_13: u64 = 0x14e9_cd29;
const ENABLE_WEBTRANSPORT_DRAFT_15: u64 = 0x2c7c_f000;

/// Any of them with a value above zero means WebTransport.
pub(crate) const WEBTRANSPORT_GENERATIONS: [u64; 5] = [
    ENABLE_WEBTRANSPORT_DRAFT_02,
    MAX_SESSIONS_DRAFT_02,
    MAX_SESSIONS_DRAFT_07,
    MAX_SESSIONS_DRAFT_13,
    ENABLE_WEBTRANSPORT_DRAFT_15,
];

/// What a peer's SETTINGS say that matters here.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct PeerSettings {
    /// Some generation of WebTransport is enabled.
    pub(crate) webtransport: bool,
}

/// A SETTINGS frame that breaks RFC 9114 §7.2.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SettingsFault {
    /// The frame ends inside a setting.
    Truncated,
    /// A setting of HTTP/2 that HTTP/3 forbids.
    Forbidden(u64),
}

/// Reads the value of a SETTINGS frame as it arrives; what is not known is dropped at once.
#[derive(Default, Debug)]
pub(crate) struct SettingsReader {
    name: Option<u64>,
    partial: PartialVarint,
    settings: PeerSettings,
}

impl SettingsReader {
    /// The next bytes of the frame's value.
    pub(crate) fn feed(&mut self, mut input: &[u8]) -> Result<(), SettingsFault> {
        while !input.is_empty() {
            let (piece, rest) = input.split_at(self.partial.missing().min(input.len()));
            input = rest;
            let Some(number) = self.partial.feed(piece) else {
                continue;
            };
            match self.name.take() {
                None => self.name = Some(number),
                Some(name) => self.apply(name, number)?,
            }
        }
        Ok(())
    }

    /// The frame has ended.
    pub(crate) fn finish(self) -> Result<PeerSettings, SettingsFault> {
        if self.name.is_some() || !self.partial.is_empty() {
            return Err(SettingsFault::Truncated);
        }
        Ok(self.settings)
    }

    fn apply(&mut self, name: u64, value: u64) -> Result<(), SettingsFault> {
        match name {
            0x02..=0x05 => return Err(SettingsFault::Forbidden(name)),
            name if WEBTRANSPORT_GENERATIONS.contains(&name) => {
                self.settings.webtransport |= value > 0;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Our SETTINGS frame: one session, offered in every generation. No dynamic header table.
pub(crate) fn encode_settings() -> Vec<u8> {
    let mut value = Vec::new();
    let others = [
        (MAX_FIELD_SECTION_SIZE, HEADER_SECTION_BYTES_MAX as u64),
        (ENABLE_CONNECT_PROTOCOL, 1),
        (H3_DATAGRAM, 1),
        (H3_DATAGRAM_DRAFT_04, 1),
    ];
    let generations = WEBTRANSPORT_GENERATIONS.map(|name| (name, 1));
    for (name, number) in others.into_iter().chain(generations) {
        encode_varint(name, &mut value);
        encode_varint(number, &mut value);
    }
    let mut frame = Vec::new();
    encode_element(FRAME_SETTINGS, &value, &mut frame);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(u64, u64)]) -> Result<PeerSettings, SettingsFault> {
        let mut bytes = Vec::new();
        for (name, value) in settings {
            encode_varint(*name, &mut bytes);
            encode_varint(*value, &mut bytes);
        }
        let mut reader = SettingsReader::default();
        for byte in bytes {
            reader.feed(&[byte])?;
        }
        reader.finish()
    }

    #[test]
    fn each_generation_alone_means_webtransport() {
        for name in WEBTRANSPORT_GENERATIONS {
            assert!(read(&[(name, 1)]).unwrap().webtransport, "{name:#x}");
            assert!(!read(&[(name, 0)]).unwrap().webtransport, "{name:#x}");
        }
    }

    #[test]
    fn unknown_settings_mean_nothing() {
        let settings = read(&[(0x21, 9), (0x01, 65_536), (0x3fff_ffff_ffff, 1)]).unwrap();
        assert_eq!(settings, PeerSettings::default());
    }

    #[test]
    fn broken_settings_are_faults() {
        assert_eq!(read(&[(0x04, 1)]), Err(SettingsFault::Forbidden(4)));
        let mut reader = SettingsReader::default();
        reader.feed(&[0x08]).unwrap();
        assert_eq!(reader.finish(), Err(SettingsFault::Truncated));
    }
}
