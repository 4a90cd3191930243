//! The bytes of draft 01 as the scripted client writes and reads them, apart from the relay's own
//! codec on purpose.

/// An integer of RFC 9000 in its shortest form.
pub fn int(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (0x4000 | value as u16).to_be_bytes().to_vec(),
        0x4000..0x4000_0000 => (0x8000_0000 | value as u32).to_be_bytes().to_vec(),
        _ => (0xc000_0000_0000_0000 | value).to_be_bytes().to_vec(),
    }
}

/// Bytes with their length.
pub fn text(value: &str) -> Vec<u8> {
    [int(value.len() as u64), value.as_bytes().to_vec()].concat()
}

/// The one parameter AUTHORIZATION INFO, or none.
fn authorization(value: Option<&str>) -> Vec<u8> {
    value.map_or(int(0), |value| [int(1), int(2), text(value)].concat())
}

pub const PUBLISHER: u64 = 1;
pub const SUBSCRIBER: u64 = 2;
pub const BOTH: u64 = 3;

/// CLIENT_SETUP with one version and ROLE.
pub fn client_setup(version: u64, role: u64) -> Vec<u8> {
    [int(0x40), int(1), int(version), int(1), int(0), int(1), int(role)].concat()
}

pub fn announce(namespace: &str, secret: Option<&str>) -> Vec<u8> {
    [int(0x06), text(namespace), authorization(secret)].concat()
}

pub fn unannounce(namespace: &str) -> Vec<u8> {
    [int(0x09), text(namespace)].concat()
}

/// SUBSCRIBE from the next group on, as the player sends it.
pub fn subscribe(namespace: &str, name: &str, secret: Option<&str>) -> Vec<u8> {
    subscribe_at(namespace, name, &[3, 0, 1, 0, 0, 0], secret)
}

/// SUBSCRIBE with these locations.
pub fn subscribe_at(namespace: &str, name: &str, at: &[u8], secret: Option<&str>) -> Vec<u8> {
    [&int(0x03)[..], &text(namespace), &text(name), at, &authorization(secret)].concat()
}

/// Everything from the beginning of the current group on.
pub const CURRENT: &[u8] = &[2, 0, 1, 0, 0, 0];

/// Everything from the next object on.
pub const FROM_NOW: &[u8] = &[2, 0, 3, 0, 0, 0];

pub fn subscribe_ok(namespace: &str, name: &str, track_id: u64) -> Vec<u8> {
    [int(0x04), text(namespace), text(name), int(track_id), int(0)].concat()
}

pub fn subscribe_error(namespace: &str, name: &str, code: u64, reason: &str) -> Vec<u8> {
    [int(0x05), text(namespace), text(name), int(code), text(reason)].concat()
}

pub fn unsubscribe(namespace: &str, name: &str) -> Vec<u8> {
    [int(0x0a), text(namespace), text(name)].concat()
}

pub fn subscribe_fin(namespace: &str, name: &str, group: u64, object: u64) -> Vec<u8> {
    [int(0x0b), text(namespace), text(name), int(group), int(object)].concat()
}

/// The head of an object without a length.
pub fn object(track_id: u64, group: u64, object: u64, order: u64) -> Vec<u8> {
    [int(0x00), int(track_id), int(group), int(object), int(order)].concat()
}

/// What is left of some bytes; reads end with `None` where they end.
pub struct Body<'a>(pub &'a [u8]);

impl Body<'_> {
    pub fn int(&mut self) -> Option<u64> {
        let first = *self.0.first()?;
        let size = 1 << (first >> 6);
        let bytes = self.0.get(..size)?;
        let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        self.0 = &self.0[size..];
        Some(value & (u64::MAX >> (64 - (8 * size - 2))))
    }

    pub fn text(&mut self) -> Option<String> {
        let length = self.int()? as usize;
        let text = self.0.get(..length)?;
        self.0 = &self.0[length..];
        Some(String::from_utf8(text.to_vec()).expect("text"))
    }
}

/// A message that the relay sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    ServerSetup { version: u64, role: u64 },
    AnnounceOk { namespace: String },
    AnnounceError { namespace: String, code: u64 },
    Subscribe { namespace: String, name: String, secret: Option<String> },
    SubscribeOk { namespace: String, name: String, track_id: u64 },
    SubscribeError { namespace: String, name: String, code: u64, reason: String },
    SubscribeFin { name: String, last: (u64, u64) },
    SubscribeRst { name: String, code: u64 },
    Goaway,
}

impl Said {
    /// The next message and what follows it; `None` if it is not complete.
    pub fn read(bytes: &[u8]) -> Option<(Said, &[u8])> {
        let mut body = Body(bytes);
        let said = match body.int()? {
            0x41 => {
                let version = body.int()?;
                assert_eq!((body.int()?, body.int()?, body.int()?), (1, 0, 1), "one ROLE");
                Said::ServerSetup { version, role: body.int()? }
            }
            0x07 => Said::AnnounceOk { namespace: body.text()? },
            0x08 => {
                let error = Said::AnnounceError { namespace: body.text()?, code: body.int()? };
                body.text()?;
                error
            }
            0x03 => {
                let (namespace, name) = (body.text()?, body.text()?);
                let next_group = [body.int()?, body.int()?, body.int()?, body.int()?];
                assert_eq!(next_group, [3, 0, 1, 0], "deployed publishers know no other start");
                assert_eq!((body.int()?, body.int()?), (0, 0), "no end");
                let secret = match body.int()? {
                    0 => None,
                    _ => {
                        assert_eq!(body.int()?, 2, "an authorization");
                        let secret = body.text()?;
                        assert!(!secret.is_empty(), "pages throw on an empty one");
                        Some(secret)
                    }
                };
                Said::Subscribe { namespace, name, secret }
            }
            0x04 => {
                let (namespace, name) = (body.text()?, body.text()?);
                let track_id = body.int()?;
                body.int()?;
                Said::SubscribeOk { namespace, name, track_id }
            }
            0x05 => Said::SubscribeError {
                namespace: body.text()?,
                name: body.text()?,
                code: body.int()?,
                reason: body.text()?,
            },
            0x0b => {
                body.text()?;
                Said::SubscribeFin { name: body.text()?, last: (body.int()?, body.int()?) }
            }
            0x0c => {
                body.text()?;
                let (name, code) = (body.text()?, body.int()?);
                body.text()?;
                body.int()?;
                body.int()?;
                Said::SubscribeRst { name, code }
            }
            0x10 => {
                body.text()?;
                Said::Goaway
            }
            other => panic!("message {other:#x} is unknown to deployed programs"),
        };
        Some((said, body.0))
    }
}

#[test]
fn integers_are_written_in_their_shortest_form() {
    for (value, bytes) in [
        (0, "00"),
        (63, "3f"),
        (64, "4040"),
        (16_383, "7fff"),
        (16_384, "80004000"),
        (0xff00_0001, "c0000000ff000001"),
        ((1 << 52) + 4, "c010000000000004"),
    ] {
        let hex: String = int(value).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, bytes);
        assert_eq!(Body(&int(value)).int(), Some(value));
    }
}
