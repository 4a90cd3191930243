//! Fetch streams as a publisher writes them, by `moqtap-codec`.

use anyhow::{Result, bail, ensure};
use moqtap_codec::dispatch::AnyFetchHeader;
use moqtap_codec::varint::VarInt;
use moqtap_codec::version::DraftVersion;
use moqtap_codec::{
    draft14, draft15, draft16, draft17, draft18, draft19, draft20, draft21, draft22,
};

use super::content::PRIORITY;
use super::control::number;
use super::object::{Object, encode_properties};

/// Every field is written: subgroup, object id, group, priority, properties.
const ALL_FIELDS: u64 = 0x03 | 0x04 | 0x08 | 0x10 | 0x20;

/// A whole fetch stream with its header; groups ascend.
pub fn encode(draft: DraftVersion, request: u64, objects: &[Object]) -> Result<Vec<u8>> {
    let request = VarInt::from_u64(request)?;
    let mut bytes = Vec::new();
    macro_rules! header {
        ($variant:ident, $module:ident) => {
            AnyFetchHeader::$variant($module::data_stream::FetchHeader { request_id: request })
        };
    }
    let header = match draft {
        DraftVersion::Draft14 => header!(Draft14, draft14),
        DraftVersion::Draft15 => header!(Draft15, draft15),
        DraftVersion::Draft16 => header!(Draft16, draft16),
        DraftVersion::Draft17 => header!(Draft17, draft17),
        DraftVersion::Draft18 => header!(Draft18, draft18),
        DraftVersion::Draft19 => header!(Draft19, draft19),
        DraftVersion::Draft20 => header!(Draft20, draft20),
        DraftVersion::Draft21 => header!(Draft21, draft21),
        DraftVersion::Draft22 => header!(Draft22, draft22),
        other => bail!("{other:?} has no line here yet"),
    };
    header.encode_stream(&mut bytes);
    match draft {
        DraftVersion::Draft14 => encode_14(objects, &mut bytes)?,
        DraftVersion::Draft15 => encode_15(objects, &mut bytes)?,
        DraftVersion::Draft16 => encode_16(objects, &mut bytes)?,
        DraftVersion::Draft17 => encode_17(objects, &mut bytes)?,
        DraftVersion::Draft18 => encode_18(objects, &mut bytes)?,
        DraftVersion::Draft19 => encode_19(objects, &mut bytes)?,
        DraftVersion::Draft20 => encode_20(objects, &mut bytes)?,
        DraftVersion::Draft21 => encode_21(objects, &mut bytes)?,
        _ => encode_22(objects, &mut bytes)?,
    }
    Ok(bytes)
}

fn encode_14(objects: &[Object], bytes: &mut Vec<u8>) -> Result<()> {
    for object in objects {
        let fetched = draft14::data_stream::FetchObject {
            group_id: VarInt::from_u64(object.group)?,
            // Draft 14 gives a datagram's object its own id as its subgroup.
            subgroup_id: VarInt::from_u64(object.subgroup.unwrap_or(object.id))?,
            object_id: VarInt::from_u64(object.id)?,
            publisher_priority: PRIORITY,
            extension_headers: encode_properties(DraftVersion::Draft14, &object.properties)?,
            status: if object.payload.is_empty() {
                draft14::types::ObjectStatus::from_u64(object.status)
            } else {
                None
            },
            payload: object.payload.clone(),
        };
        fetched.encode_checked(bytes)?;
    }
    Ok(())
}

fn encode_15(objects: &[Object], bytes: &mut Vec<u8>) -> Result<()> {
    use draft15::data_stream::{FetchObjectHeader, FetchObjectWriter};
    let mut writer = FetchObjectWriter::new();
    for object in objects {
        let header = FetchObjectHeader {
            serialization_flags: ALL_FIELDS as u8,
            group_id: VarInt::from_u64(object.group)?,
            // As in draft 14.
            subgroup_id: VarInt::from_u64(object.subgroup.unwrap_or(object.id))?,
            object_id: VarInt::from_u64(object.id)?,
            publisher_priority: PRIORITY,
            extension_headers: encode_properties(DraftVersion::Draft15, &object.properties)?,
            payload_length: VarInt::from_usize(object.payload.len()),
            object_status: if object.payload.is_empty() {
                draft15::types::ObjectStatus::from_u64(object.status)
            } else {
                None
            },
        };
        writer.write_object_header(&header, bytes)?;
        bytes.extend_from_slice(&object.payload);
    }
    Ok(())
}

macro_rules! with_absolute_ids {
    ($name:ident, $module:ident, $draft:expr, $properties:ident, $block:expr) => {
        fn $name(objects: &[Object], bytes: &mut Vec<u8>) -> Result<()> {
            use $module::data_stream::FetchObjectHeader;
            for object in objects {
                ensure!(object.status == 0, "this draft has no status in a fetch");
                let header = FetchObjectHeader {
                    serialization_flags: number(match object.subgroup {
                        Some(_) => ALL_FIELDS,
                        None => ALL_FIELDS & !0x03 | 0x40,
                    }),
                    group_id: Some(number(object.group)),
                    subgroup_id: object.subgroup.map(number),
                    object_id: Some(number(object.id)),
                    publisher_priority: Some(PRIORITY),
                    $properties: $block(encode_properties($draft, &object.properties)?),
                    payload_length: VarInt::from_usize(object.payload.len()),
                };
                header.encode(bytes)?;
                bytes.extend_from_slice(&object.payload);
            }
            Ok(())
        }
    };
}

with_absolute_ids!(encode_16, draft16, DraftVersion::Draft16, extensions, Some);
with_absolute_ids!(encode_17, draft17, DraftVersion::Draft17, properties, |block| block);

macro_rules! with_deltas {
    ($name:ident, $module:ident, $draft:expr, $flags:expr, $properties:expr) => {
        fn $name(objects: &[Object], bytes: &mut Vec<u8>) -> Result<()> {
            use $module::data_stream::{
                FetchObject, FetchObjectHeader, FetchObjectWriter, GroupOrder,
            };
            let mut writer = FetchObjectWriter::new(GroupOrder::Ascending);
            for object in objects {
                ensure!(object.status == 0, "this draft has no status in a fetch");
                let flags = match object.subgroup {
                    Some(_) => ALL_FIELDS,
                    None => ALL_FIELDS & !0x03 | 0x40,
                };
                let frame = FetchObject {
                    header: FetchObjectHeader {
                        serialization_flags: $flags(flags),
                        // The writer works out both deltas.
                        group_id_delta: Some(VarInt::from_usize(0)),
                        subgroup_id: object.subgroup.map(VarInt::from_u64).transpose()?,
                        object_id_delta: Some(VarInt::from_usize(0)),
                        publisher_priority: Some(PRIORITY),
                        properties: $properties(encode_properties($draft, &object.properties)?),
                        payload_length: VarInt::from_usize(object.payload.len()),
                    },
                    group_id: object.group,
                    subgroup_id: object.subgroup,
                    object_id: object.id,
                    publisher_priority: Some(PRIORITY),
                };
                writer.write_object_header(&frame, bytes)?;
                bytes.extend_from_slice(&object.payload);
            }
            Ok(())
        }
    };
}

with_deltas!(encode_18, draft18, DraftVersion::Draft18, |flags: u64| flags, |bytes| bytes);
with_deltas!(encode_19, draft19, DraftVersion::Draft19, VarInt::from_u64_moqt, Some);
with_deltas!(encode_20, draft20, DraftVersion::Draft20, VarInt::from_u64_moqt, Some);
with_deltas!(encode_21, draft21, DraftVersion::Draft21, VarInt::from_u64_moqt, Some);
with_deltas!(encode_22, draft22, DraftVersion::Draft22, VarInt::from_u64_moqt, Some);
