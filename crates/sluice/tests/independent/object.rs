//! An object as a peer writes or reads it, without a draft.

use anyhow::{Result, ensure};
use moqtap_codec::object_properties::{PropertyRules, PropertyValue, parse_object_properties};
use moqtap_codec::varint::VarInt;
use moqtap_codec::version::DraftVersion;

/// Status codes that mark an end or an absence.
pub const DOES_NOT_EXIST: u64 = 1;
/// Nothing of the group is at or after this id.
pub const END_OF_GROUP: u64 = 3;
/// Nothing of the track is at or after this location.
pub const END_OF_TRACK: u64 = 4;

/// A property's value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Value {
    /// Of an even type.
    Number(u64),
    /// Of an odd type.
    Bytes(Vec<u8>),
}

/// Types and values in the order of the wire.
pub type Properties = Vec<(u64, Value)>;

/// One object, or one mark.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Group.
    pub group: u64,
    /// Object id.
    pub id: u64,
    /// Subgroup; `None` for a datagram.
    pub subgroup: Option<u64>,
    /// Status, 0 for a normal object.
    pub status: u64,
    /// Properties.
    pub properties: Properties,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Object {
    /// A normal object with properties.
    pub fn new(group: u64, subgroup: Option<u64>, id: u64, properties: Properties) -> Object {
        let payload = format!("{group}/{subgroup:?}/{id}").into_bytes();
        Object { group, id, subgroup, status: 0, properties, payload }
    }

    /// A mark.
    pub fn mark(group: u64, subgroup: Option<u64>, id: u64, status: u64) -> Object {
        Object { group, id, subgroup, status, properties: Vec::new(), payload: Vec::new() }
    }

    /// The same with another payload.
    pub fn with_payload(mut self, payload: Vec<u8>) -> Object {
        self.payload = payload;
        self
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/", self.group)?;
        match self.subgroup {
            Some(subgroup) => write!(formatter, "s{subgroup}/")?,
            None => formatter.write_str("datagram/")?,
        }
        write!(formatter, "{}", self.id)?;
        if self.status != 0 {
            write!(formatter, " status {}", self.status)?;
        }
        if !self.properties.is_empty() {
            write!(formatter, " {:x?}", self.properties)?;
        }
        match self.payload.len() {
            0..=40 => write!(formatter, " {:?}", String::from_utf8_lossy(&self.payload)),
            long => write!(formatter, " {long} bytes"),
        }
    }
}

/// A property block in a draft's encoding.
pub fn encode_properties(draft: DraftVersion, properties: &Properties) -> Result<Vec<u8>> {
    let rules = PropertyRules::for_draft(draft).expect("every draft here has properties");
    let (mut block, mut previous) = (Vec::new(), 0);
    for (kind, value) in properties {
        ensure!(kind % 2 == u64::from(matches!(value, Value::Bytes(_))), "{kind:#x} is of parity");
        let written = if rules.delta_types { kind - previous } else { *kind };
        previous = *kind;
        draft.encode_varint(VarInt::from_u64_moqt(written), &mut block);
        match value {
            Value::Number(number) => {
                draft.encode_varint(VarInt::from_u64_moqt(*number), &mut block);
            }
            Value::Bytes(bytes) => {
                draft.encode_varint(VarInt::from_usize(bytes.len()), &mut block);
                block.extend_from_slice(bytes);
            }
        }
    }
    Ok(block)
}

/// A property block as it was received.
pub fn decode_properties(draft: DraftVersion, block: &[u8]) -> Result<Properties> {
    let parsed = parse_object_properties(draft, block)?;
    let value = |value| match value {
        PropertyValue::Varint(number) => Value::Number(number),
        PropertyValue::Bytes(bytes) | PropertyValue::Immutable { bytes, .. } => {
            Value::Bytes(bytes.to_vec())
        }
    };
    Ok(parsed.into_iter().map(|property| (property.property_type, value(property.value))).collect())
}

/// Whether a type is one of a mandatory track property, from draft 18 on.
pub fn is_mandatory(kind: u64) -> bool {
    (0x4000..0x8000).contains(&kind)
}
