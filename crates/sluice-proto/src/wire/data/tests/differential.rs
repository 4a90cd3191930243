//! Ours against an independent codec, both ways: what we write it reads as meant, and it writes
//! the same bytes, which we read.

use moqtap_codec::varint::VarInt;
use moqtap_codec::{
    draft14, draft15, draft16, draft17, draft18, draft19, draft20, draft21, draft22,
};
use proptest::prelude::*;

use super::round_trip::{
    FetchStream, MAX_62, SubgroupStream, any_datagram, any_fetch, any_subgroup,
};
use super::*;

/// The other codec writes no integer beyond this as an object id.
const MAX: u64 = MAX_62 - 1;

fn int(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap()
}

fn status_code(status: ObjectStatus) -> u64 {
    match status {
        ObjectStatus::Normal => 0,
        ObjectStatus::DoesNotExist => 1,
        ObjectStatus::EndOfGroup => 3,
        ObjectStatus::EndOfTrack => 4,
    }
}

/// The number of the subgroup, 0 if the first object gives it.
fn subgroup_number(field: SubgroupIdField) -> u64 {
    match field {
        SubgroupIdField::Id(id) => id.0,
        SubgroupIdField::FirstObject => 0,
    }
}

/// Checks one subgroup stream in a draft whose head is a type with bits.
macro_rules! check_subgroup {
    ($draft:ident, $stream:expr, $bytes:expr) => {{
        let (stream, bytes): (&SubgroupStream, &Bytes) = ($stream, $bytes);
        let mut rest = bytes.clone();
        let head = $draft::data_stream::SubgroupHeader::decode(&mut rest).unwrap();
        assert_eq!(head.track_alias, int(stream.head.alias.0));
        assert_eq!(head.group_id, int(stream.head.group.0));
        assert_eq!(head.subgroup_id, int(subgroup_number(stream.head.subgroup)));
        assert_eq!(head.publisher_priority, stream.head.priority.map(|p| p.0));
        let mut again = Vec::new();
        head.encode_checked(&mut again).unwrap();
        let mut reader = $draft::data_stream::SubgroupObjectReader::new(&head);
        let mut writer = $draft::data_stream::SubgroupObjectReader::new(&head);
        for (object, payload) in &stream.objects {
            let read = reader.read_object(&mut rest).unwrap();
            assert_eq!(read.object_id, int(object.object.0));
            assert_eq!(&read.extension_headers, object.properties.raw());
            assert_eq!(read.status().as_u64(), status_code(object.status));
            assert_eq!(&read.payload, payload);
            writer.write_object(&read, &mut again).unwrap();
        }
        assert!(rest.is_empty());
        assert_eq!(&again, bytes);
    }};
}

fn check_subgroup_14(stream: &SubgroupStream, bytes: &Bytes) {
    use draft14::data_stream::{SubgroupHeader, SubgroupObjectReader};
    let mut rest = bytes.clone();
    let head = SubgroupHeader::decode(&mut rest).unwrap();
    assert_eq!(head.track_alias, int(stream.head.alias.0));
    assert_eq!(head.group_id, int(stream.head.group.0));
    assert_eq!(Some(head.publisher_priority), stream.head.priority.map(|p| p.0));
    assert_eq!(head.stream_type.extensions_present(), stream.head.properties);
    assert_eq!(head.stream_type.contains_end_of_group(), stream.head.end_of_group);
    let mut again = Vec::new();
    head.encode_checked(&mut again).unwrap();
    let mut reader = SubgroupObjectReader::new(&head);
    let mut writer = SubgroupObjectReader::new(&head);
    for (object, payload) in &stream.objects {
        let read = reader.read_object(&mut rest).unwrap();
        assert_eq!(read.object_id, int(object.object.0));
        assert_eq!(&read.extension_headers, object.properties.raw());
        assert_eq!(read.status().as_u64(), status_code(object.status));
        assert_eq!(&read.payload, payload);
        writer.write_object(&read, &mut again).unwrap();
    }
    assert!(rest.is_empty());
    assert_eq!(&again, bytes);
}

/// What the other codec read of one item of a fetch.
struct Read<'a> {
    location: (u64, u64),
    subgroup: Option<u64>,
    priority: Option<u8>,
    properties: &'a [u8],
    payload_bytes: u64,
    is_mark: bool,
}

fn check_item(item: &FetchItem, read: &Read<'_>) {
    match item {
        FetchItem::Object(object) => {
            assert_eq!(Location::new(read.location.0, read.location.1), object.location);
            let subgroup = match object.delivery {
                Delivery::Subgroup(id) | Delivery::Unknown(id) => Some(id.0),
                Delivery::Datagram => None,
            };
            assert_eq!(read.subgroup, subgroup);
            assert_eq!(read.priority, Some(object.priority.0));
            assert_eq!(read.properties, object.properties.raw());
            assert_eq!(read.payload_bytes, object.payload_bytes);
            assert!(!read.is_mark);
        }
        FetchItem::EndOfRange(location, _) => {
            assert_eq!(Location::new(read.location.0, read.location.1), *location);
            assert!(read.is_mark);
        }
    }
}

fn check_fetch_14(stream: &FetchStream, bytes: &Bytes) {
    use draft14::data_stream::{FetchHeader, FetchObject};
    let mut rest = bytes.clone();
    let mut again = Vec::new();
    FetchHeader::decode(&mut rest).unwrap().encode(&mut again);
    for (item, payload) in &stream.items {
        let read = FetchObject::decode(&mut rest).unwrap();
        check_item(
            item,
            &Read {
                location: (read.group_id.into_inner(), read.object_id.into_inner()),
                subgroup: Some(read.subgroup_id.into_inner()),
                priority: Some(read.publisher_priority),
                properties: &read.extension_headers,
                payload_bytes: read.payload.len() as u64,
                is_mark: false,
            },
        );
        assert_eq!(&read.payload, payload);
        read.encode_checked(&mut again).unwrap();
    }
    assert!(rest.is_empty());
    assert_eq!(&again, bytes);
}

fn check_fetch_16(stream: &FetchStream, bytes: &Bytes) {
    use draft16::data_stream::{FetchHeader, FetchObjectHeader, FetchObjectReader};
    let mut rest = bytes.clone();
    let mut again = Vec::new();
    FetchHeader::decode(&mut rest).unwrap().encode(&mut again);
    let mut reader = FetchObjectReader::new();
    for (item, payload) in &stream.items {
        let head = FetchObjectHeader::decode(&mut rest).unwrap();
        head.encode(&mut again).unwrap();
        let at = reader.resolve(&head).unwrap();
        check_item(
            item,
            &Read {
                location: (at.group_id, at.object_id),
                subgroup: at.subgroup_id,
                priority: at.publisher_priority,
                properties: head.extensions.as_deref().unwrap_or_default(),
                payload_bytes: head.payload_length.into_inner(),
                is_mark: at.end_of_range.is_some(),
            },
        );
        assert_eq!(rest.split_to(payload.len()), payload);
        again.extend_from_slice(payload);
    }
    assert!(rest.is_empty());
    assert_eq!(&again, bytes);
}

fn check_fetch_15(stream: &FetchStream, bytes: &Bytes) {
    use draft15::data_stream::{FetchHeader, FetchObjectReader};
    let mut rest = bytes.clone();
    let mut again = Vec::new();
    FetchHeader::decode(&mut rest).unwrap().encode(&mut again);
    let (mut reader, mut writer) = (FetchObjectReader::new(), FetchObjectReader::new());
    for (item, payload) in &stream.items {
        let read = reader.read_object_header(&mut rest).unwrap();
        check_item(
            item,
            &Read {
                location: (read.group_id.into_inner(), read.object_id.into_inner()),
                subgroup: Some(read.subgroup_id.into_inner()),
                priority: Some(read.publisher_priority),
                properties: &read.extension_headers,
                payload_bytes: read.payload_length.into_inner(),
                is_mark: false,
            },
        );
        if let FetchItem::Object(object) = item {
            assert_eq!(read.status().as_u64(), status_code(object.status));
        }
        writer.write_object_header(&read, &mut again).unwrap();
        assert_eq!(rest.split_to(payload.len()), payload);
        again.extend_from_slice(payload);
    }
    assert!(rest.is_empty());
    assert_eq!(&again, bytes);
}

/// Checks one fetch stream in a draft whose fetched objects have no status. Where ids are
/// differences, the other codec has to know the order of groups.
macro_rules! check_fetch {
    ($draft:ident, $stream:expr, $bytes:expr, |$head:ident| $properties:expr) => {{
        let order = match $stream.order {
            GroupOrder::Ascending => $draft::data_stream::GroupOrder::Ascending,
            GroupOrder::Descending => $draft::data_stream::GroupOrder::Descending,
        };
        check_fetch!($draft, (order), $stream, $bytes, |$head| $properties)
    }};
    (
        $draft:ident, ($($order:ident)?), $stream:expr, $bytes:expr, |$head:ident| $properties:expr
    ) => {{
        use $draft::data_stream as theirs;
        let (stream, bytes): (&FetchStream, &Bytes) = ($stream, $bytes);
        let mut rest = bytes.clone();
        let mut again = Vec::new();
        theirs::FetchHeader::decode(&mut rest).unwrap().encode(&mut again);
        let mut reader = theirs::FetchObjectReader::new($($order)?);
        let mut writer = theirs::FetchObjectWriter::new($($order)?);
        for (item, payload) in &stream.items {
            let read = reader.read_object_header(&mut rest).unwrap();
            let $head = &read.header;
            check_item(
                item,
                &Read {
                    location: (read.group_id, read.object_id),
                    subgroup: read.subgroup_id,
                    priority: read.publisher_priority,
                    properties: $properties,
                    payload_bytes: read.header.payload_length.into_inner(),
                    is_mark: read.header.end_of_range().is_some(),
                },
            );
            writer.write_object_header(&read, &mut again).unwrap();
            assert_eq!(rest.split_to(payload.len()), payload);
            again.extend_from_slice(payload);
        }
        assert!(rest.is_empty());
        assert_eq!(&again, bytes);
    }};
}

fn check_datagram_14(head: &DatagramHead, payload: &Bytes, bytes: &Bytes) {
    let mut rest = bytes.clone();
    let read = draft14::data_stream::DatagramObject::decode(&mut rest).unwrap();
    assert_eq!(read.track_alias, int(head.alias.0));
    assert_eq!(read.group_id, int(head.location.group.0));
    assert_eq!(read.object_id, int(head.location.object.0));
    assert_eq!(Some(read.publisher_priority), head.priority.map(|p| p.0));
    assert_eq!(&read.extension_headers, head.properties.raw());
    assert_eq!(read.datagram_type.end_of_group(), head.end_of_group);
    assert_eq!(read.status.map_or(0, |status| status.as_u64()), status_code(head.status));
    assert_eq!(&read.payload, payload);
    let mut again = Vec::new();
    read.encode_checked(&mut again).unwrap();
    assert_eq!(&again, bytes);
}

/// Checks one datagram in a draft whose type is a set of bits.
macro_rules! check_datagram {
    ($draft:ident, $properties:ident, $head:expr, $payload:expr, $bytes:expr) => {{
        let (head, payload, bytes): (&DatagramHead, &Bytes, &Bytes) = ($head, $payload, $bytes);
        let mut rest = bytes.clone();
        let read = $draft::data_stream::DatagramHeader::decode(&mut rest).unwrap();
        assert_eq!(read.track_alias, int(head.alias.0));
        assert_eq!(read.group_id, int(head.location.group.0));
        assert_eq!(read.object_id, int(head.location.object.0));
        assert_eq!(read.publisher_priority, head.priority.map(|p| p.0));
        assert_eq!(&read.$properties, head.properties.raw());
        assert_eq!(read.is_end_of_group(), head.end_of_group);
        let status = read.object_status.map_or(0, |status| status.as_u64());
        assert_eq!(status, status_code(head.status));
        assert_eq!(&rest, payload);
        let mut again = Vec::new();
        read.encode_checked(&mut again).unwrap();
        again.extend_from_slice(&rest);
        assert_eq!(&again, bytes);
    }};
}

/// Marks in the one form that the other codec knows in each draft.
fn in_their_form(draft: u8, mut stream: FetchStream) -> FetchStream {
    let marks = dialect(draft).data.fetch.marks;
    let ids = marks.map_or(IdForm::Absolute, |marks| marks.reading.ids);
    stream.reading = MarkReading { ids, length: true };
    let mut group = None;
    stream.items.retain(|(item, _)| {
        let (location, is_mark) = match item {
            FetchItem::Object(object) => (object.location, false),
            FetchItem::EndOfRange(location, _) => (*location, true),
        };
        let in_group = group == Some(location.group);
        let kept = !(is_mark && in_group && ids == IdForm::Delta);
        if kept {
            group = Some(location.group);
        }
        kept
    });
    stream
}

proptest! {
    #[test]
    fn subgroup_streams_are_the_same_to_an_independent_codec(
        (draft, stream) in any_spoken()
            .prop_flat_map(|draft| (Just(draft), any_subgroup(draft, MAX))),
    ) {
        let bytes = stream.write(dialect(draft));
        match draft {
            14 => check_subgroup_14(&stream, &bytes),
            15 => check_subgroup!(draft15, &stream, &bytes),
            16 => check_subgroup!(draft16, &stream, &bytes),
            17 => check_subgroup!(draft17, &stream, &bytes),
            18 => check_subgroup!(draft18, &stream, &bytes),
            19 => check_subgroup!(draft19, &stream, &bytes),
            20 => check_subgroup!(draft20, &stream, &bytes),
            21 => check_subgroup!(draft21, &stream, &bytes),
            _ => check_subgroup!(draft22, &stream, &bytes),
        }
    }

    #[test]
    fn fetch_streams_are_the_same_to_an_independent_codec(
        (draft, stream) in any_spoken()
            .prop_flat_map(|draft| (Just(draft), any_fetch(draft, MAX))),
    ) {
        let stream = in_their_form(draft, stream);
        let bytes = stream.write(dialect(draft));
        match draft {
            14 => check_fetch_14(&stream, &bytes),
            15 => check_fetch_15(&stream, &bytes),
            16 => check_fetch_16(&stream, &bytes),
            17 => check_fetch!(draft17, (), &stream, &bytes, |head| &head.properties),
            18 => check_fetch!(draft18, &stream, &bytes, |head| &head.properties),
            19 => check_fetch!(draft19, &stream, &bytes, |head| {
                head.properties.as_deref().unwrap_or_default()
            }),
            20 => check_fetch!(draft20, &stream, &bytes, |head| {
                head.properties.as_deref().unwrap_or_default()
            }),
            21 => check_fetch!(draft21, &stream, &bytes, |head| {
                head.properties.as_deref().unwrap_or_default()
            }),
            _ => check_fetch!(draft22, &stream, &bytes, |head| {
                head.properties.as_deref().unwrap_or_default()
            }),
        }
    }

    #[test]
    fn datagrams_are_the_same_to_an_independent_codec(
        (draft, (head, payload)) in any_spoken()
            .prop_flat_map(|draft| (Just(draft), any_datagram(draft, MAX))),
    ) {
        let mut bytes = BytesMut::new();
        dialect(draft).encode_datagram(&head, &mut bytes).unwrap();
        bytes.extend_from_slice(&payload);
        let bytes = bytes.freeze();
        match draft {
            14 => check_datagram_14(&head, &payload, &bytes),
            15 => check_datagram!(draft15, extension_headers, &head, &payload, &bytes),
            16 => check_datagram!(draft16, extension_headers, &head, &payload, &bytes),
            17 => check_datagram!(draft17, properties, &head, &payload, &bytes),
            18 => check_datagram!(draft18, properties, &head, &payload, &bytes),
            19 => check_datagram!(draft19, properties, &head, &payload, &bytes),
            20 => check_datagram!(draft20, properties, &head, &payload, &bytes),
            21 => check_datagram!(draft21, properties, &head, &payload, &bytes),
            _ => check_datagram!(draft22, properties, &head, &payload, &bytes),
        }
    }
}

fn any_spoken() -> impl Strategy<Value = u8> {
    14..23_u8
}
