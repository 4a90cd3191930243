//! The bytes of draft 18 as the scripted clients write and read them, apart from the relay's own
//! codec on purpose.

use std::collections::BTreeMap;

use web_transport_quinn::RecvStream;

/// An integer: as many leading ones as bytes follow.
pub fn int(value: u64) -> Vec<u8> {
    let bits = u64::BITS - value.leading_zeros();
    let length = (1..=8).find(|length| bits <= 7 * length).unwrap_or(9);
    if length == 9 {
        return [&[0xff], &value.to_be_bytes()[..]].concat();
    }
    let mut bytes = value.to_be_bytes()[8 - length as usize..].to_vec();
    bytes[0] |= (0xff00_u16 >> (length - 1)) as u8;
    bytes
}

/// Bytes with their length.
pub fn text(value: &str) -> Vec<u8> {
    [int(value.len() as u64), value.as_bytes().to_vec()].concat()
}

/// A namespace.
pub fn namespace(fields: &[&str]) -> Vec<u8> {
    let mut bytes = int(fields.len() as u64);
    fields.iter().for_each(|field| bytes.extend(text(field)));
    bytes
}

/// A control message.
pub fn message(kind: u64, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&int(kind)[..], &(body.len() as u16).to_be_bytes(), &body].concat()
}

/// What is left of a message's body.
pub struct Body<'a>(pub &'a [u8]);

impl Body<'_> {
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("a byte more");
        self.0 = rest;
        *first
    }

    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let (piece, rest) = self.0.split_at(count);
        self.0 = rest;
        piece.to_vec()
    }

    pub fn int(&mut self) -> u64 {
        let first = self.byte();
        let follow = first.leading_ones() as usize;
        let mut value = [0; 8];
        if follow < 7 {
            value[7 - follow] = first & (0x7f >> follow);
        }
        let rest = self.take(follow);
        value[8 - follow..].copy_from_slice(&rest);
        u64::from_be_bytes(value)
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let length = self.int();
        self.take(length as usize)
    }

    pub fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).expect("text")
    }

    pub fn namespace(&mut self) -> Vec<String> {
        (0..self.int()).map(|_| self.text()).collect()
    }

    /// Parameters as the pages read them: of a type that is not in their table they cannot know
    /// the length, so the whole message is lost to them.
    pub fn parameters(&mut self) -> Parameters {
        let mut parameters = BTreeMap::new();
        let mut kind = 0;
        for _ in 0..self.int() {
            kind += self.int();
            let value = match kind {
                0x02 | 0x04 | 0x06 | 0x08 | 0x0a | 0x32 => Value::Number(self.int()),
                0x10 | 0x20 | 0x22 => Value::Number(self.byte().into()),
                0x03 | 0x21 => Value::Bytes(self.bytes()),
                0x09 => Value::Location(self.int(), self.int()),
                0x34 => {
                    self.namespace();
                    Value::Bytes(Vec::new())
                }
                other => panic!("parameter {other:#x} makes the page throw"),
            };
            parameters.insert(kind, value);
        }
        Parameters(parameters)
    }
}

/// Parameters of a message by type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameters(pub BTreeMap<u64, Value>);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Number(u64),
    Bytes(Vec<u8>),
    Location(u64, u64),
}

impl Parameters {
    /// FORWARD; absent means 1, as the pages read it.
    pub fn forward(&self) -> u64 {
        match self.0.get(&0x10) {
            Some(Value::Number(forward)) => *forward,
            _ => 1,
        }
    }

    /// LARGEST_OBJECT.
    pub fn largest(&self) -> Option<(u64, u64)> {
        match self.0.get(&0x09) {
            Some(Value::Location(group, object)) => Some((*group, *object)),
            _ => None,
        }
    }
}

/// A message that the relay sent to a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    Setup,
    Goaway,
    RequestUpdate { id: u64, parameters: Parameters },
    Subscribe { id: u64, namespace: Vec<String>, name: String, parameters: Parameters },
    SubscribeOk { alias: u64, parameters: Parameters, properties: Vec<u8> },
    RequestError { code: u64, retry: u64 },
    RequestOk { parameters: Parameters, properties: Vec<u8> },
    Namespace { suffix: Vec<String> },
    NamespaceDone { suffix: Vec<String> },
    PublishDone { status: u64, streams: u64 },
    Publish { namespace: Vec<String>, name: String },
    PublishNamespace,
    SubscribeNamespace,
    TrackStatus,
    Fetch,
}

impl Said {
    /// Decodes a message, and checks that its body ends with its fields.
    pub fn decode(kind: u64, body: &[u8]) -> Said {
        let mut body = Body(body);
        let said = match kind {
            0x2f00 => return Said::Setup,
            0x10 => return Said::Goaway,
            0x02 => Said::RequestUpdate { id: body.int(), parameters: body.parameters() },
            0x03 => Said::Subscribe {
                id: body.int(),
                namespace: body.namespace(),
                name: body.text(),
                parameters: body.parameters(),
            },
            0x04 => Said::SubscribeOk {
                alias: body.int(),
                parameters: body.parameters(),
                properties: body.take(body.0.len()),
            },
            0x05 => {
                let error = Said::RequestError { code: body.int(), retry: body.int() };
                body.text();
                error
            }
            0x07 => Said::RequestOk {
                parameters: body.parameters(),
                properties: body.take(body.0.len()),
            },
            0x08 => Said::Namespace { suffix: body.namespace() },
            0x0e => Said::NamespaceDone { suffix: body.namespace() },
            0x0b => {
                let done = Said::PublishDone { status: body.int(), streams: body.int() };
                body.text();
                done
            }
            0x1d => {
                body.int();
                return Said::Publish { namespace: body.namespace(), name: body.text() };
            }
            0x06 => return Said::PublishNamespace,
            0x50 => return Said::SubscribeNamespace,
            0x0d => return Said::TrackStatus,
            0x16 => return Said::Fetch,
            other => panic!("message {other:#x} is unknown to the pages"),
        };
        assert!(body.0.is_empty(), "{said:?} has {} bytes too many", body.0.len());
        said
    }
}

/// An integer from a stream; `None` at its end.
pub async fn read_int(stream: &mut RecvStream) -> Option<u64> {
    let mut first = [0];
    stream.read(&mut first).await.expect("the stream is not reset")?;
    let mut bytes = first.to_vec();
    bytes.extend(read_bytes(stream, first[0].leading_ones() as usize).await);
    Some(Body(&bytes).int())
}

/// So many bytes from a stream.
pub async fn read_bytes(stream: &mut RecvStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.expect("all of it arrives");
    bytes
}

/// The next message of a stream; `None` at its end.
pub async fn read_message(stream: &mut RecvStream) -> Option<Said> {
    let kind = read_int(stream).await?;
    let length = read_bytes(stream, 2).await;
    let body = read_bytes(stream, u16::from_be_bytes([length[0], length[1]]).into()).await;
    Some(Said::decode(kind, &body))
}

#[test]
fn integers_are_written_as_the_draft_prints_them() {
    for (value, bytes) in [
        (37, "25"),
        (128, "8080"),
        (300, "812c"),
        (15_293, "bbbd"),
        (226_442_877, "ed7f3e7d"),
        (2_893_212_287_960, "faa1a0e403d8"),
        (151_288_809_941_952, "fc8998abc66bc0"),
        (70_423_237_261_249_041, "fefa318fa8e3ca11"),
        (u64::MAX, "ffffffffffffffffff"),
    ] {
        let hex: String = int(value).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, bytes);
        assert_eq!(Body(&int(value)).int(), value);
    }
}
