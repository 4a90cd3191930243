//! Whatever is written is read back the same, in one piece and in many.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::{
    FetchHead, FetchedObject, GroupId, ObjectHead, ObjectId, RangeMark, RequestId, SubgroupId,
    TrackAlias,
};

/// The largest id that both RFC 9000 and an independent codec can say.
pub(super) const MAX_62: u64 = (1 << 62) - 1;

fn any_draft() -> impl Strategy<Value = u8> {
    select(EVERY)
}

fn any_id(max: u64) -> BoxedStrategy<u64> {
    prop_oneof![0..4_u64, 0..300_u64, 0..=max].boxed()
}

fn any_properties(encoding: PropertyEncoding, max: u64) -> impl Strategy<Value = Properties> {
    let pair = prop_oneof![
        (select(vec![0x40, 0x42, 0x1000]), any_id(max))
            .prop_map(|(kind, value)| (kind, PropertyValue::Int(value))),
        (select(vec![0x0D, 0x41, 0x1001]), vec(any::<u8>(), 0..70))
            .prop_map(|(kind, bytes)| (kind, PropertyValue::Bytes(bytes.into()))),
        any_id(max).prop_map(move |value| {
            let pairs = [(0x44, PropertyValue::Int(value))];
            let inner = Properties::from_entries(encoding, pairs).unwrap();
            (0x0B, PropertyValue::Bytes(inner.raw().clone()))
        }),
    ];
    vec(pair, 0..3).prop_map(move |pairs| Properties::from_entries(encoding, pairs).unwrap())
}

/// Status and payload; one of them says something.
fn any_end(dialect: &'static Dialect) -> impl Strategy<Value = (ObjectStatus, Vec<u8>)> {
    let mut statuses = vec![ObjectStatus::Normal, ObjectStatus::EndOfGroup];
    statuses.push(ObjectStatus::EndOfTrack);
    if dialect.data.absence_status {
        statuses.push(ObjectStatus::DoesNotExist);
    }
    prop_oneof![
        select(statuses).prop_map(|status| (status, Vec::new())),
        vec(any::<u8>(), 0..100).prop_map(|payload| (ObjectStatus::Normal, payload)),
    ]
}

/// Properties where the status allows them.
fn allowed(dialect: &Dialect, properties: Properties, status: ObjectStatus) -> Properties {
    let none = match status {
        ObjectStatus::Normal => false,
        ObjectStatus::DoesNotExist => true,
        ObjectStatus::EndOfGroup | ObjectStatus::EndOfTrack => !dialect.data.end_properties,
    };
    if none { Properties::from_entries(dialect.properties, []).unwrap() } else { properties }
}

fn any_priority(dialect: &Dialect) -> BoxedStrategy<Option<Priority>> {
    match dialect.data.inherited_priority {
        true => option::of(any::<u8>().prop_map(Priority)).boxed(),
        false => any::<u8>().prop_map(|priority| Some(Priority(priority))).boxed(),
    }
}

/// A subgroup stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SubgroupStream {
    pub(super) head: SubgroupHead,
    pub(super) objects: Vec<(ObjectHead, Bytes)>,
}

impl SubgroupStream {
    pub(super) fn write(&self, dialect: &Dialect) -> Bytes {
        let mut out = BytesMut::new();
        dialect.encode_subgroup_head(&self.head, &mut out).unwrap();
        let mut previous = None;
        for (object, payload) in &self.objects {
            dialect.encode_object(&self.head, previous, object, &mut out).unwrap();
            out.extend_from_slice(payload);
            previous = Some(object.object);
        }
        out.freeze()
    }
}

pub(super) fn any_subgroup(draft: u8, max: u64) -> BoxedStrategy<SubgroupStream> {
    let dialect = dialect(draft);
    let subgroup = prop_oneof![
        Just(SubgroupIdField::FirstObject),
        any_id(max).prop_map(|id| SubgroupIdField::Id(SubgroupId(id))),
    ];
    let ids = (any_id(max), any_id(max), subgroup);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let head =
        (ids, any_priority(dialect), flags).prop_map(move |(ids, priority, flags)| SubgroupHead {
            alias: TrackAlias(ids.0),
            group: GroupId(ids.1),
            subgroup: ids.2,
            priority,
            properties: flags.0,
            end_of_group: flags.1,
            first_object: flags.2 && dialect.data.first_object,
        });
    let body = (any_properties(dialect.properties, max), any_end(dialect));
    let objects = btree_map(any_id(max), body, 0..5);
    (head, objects)
        .prop_map(move |(head, objects)| {
            let objects = objects.into_iter().map(|(id, (properties, (status, payload)))| {
                let object = ObjectHead {
                    object: ObjectId(id),
                    properties: match head.properties {
                        true => allowed(dialect, properties, status),
                        false => Properties::default(),
                    },
                    status,
                    payload_bytes: payload.len() as u64,
                };
                (object, Bytes::from(payload))
            });
            SubgroupStream { objects: objects.collect(), head }
        })
        .boxed()
}

/// A fetch stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FetchStream {
    pub(super) order: GroupOrder,
    pub(super) reading: MarkReading,
    pub(super) items: Vec<(FetchItem, Bytes)>,
}

impl FetchStream {
    pub(super) fn write(&self, dialect: &'static Dialect) -> Bytes {
        let mut out = BytesMut::new();
        dialect.encode_fetch_head(&FetchHead { request: RequestId(4) }, &mut out).unwrap();
        let mut encoder = FetchEncoder::new(dialect, self.order).with_reading(self.reading);
        for (item, payload) in &self.items {
            encoder.encode(item, &mut out).unwrap();
            out.extend_from_slice(payload);
        }
        out.freeze()
    }
}

pub(super) fn any_fetch(draft: u8, max: u64) -> BoxedStrategy<FetchStream> {
    let dialect = dialect(draft);
    let delivery = prop_oneof![
        Just(Delivery::Datagram),
        (0..3_u64).prop_map(|id| Delivery::Subgroup(SubgroupId(id))),
        any_id(max).prop_map(|id| Delivery::Subgroup(SubgroupId(id))),
    ];
    let marks = [RangeMark::NonExistent, RangeMark::Unknown, RangeMark::TimedOut];
    let item = (
        delivery,
        select(vec![0_u8, 7, 128]),
        any_properties(dialect.properties, max),
        any_end(dialect),
        option::weighted(0.2, select(marks.to_vec())),
    );
    let groups = btree_map(any_id(max), btree_set(any_id(max), 1..4), 0..4);
    let order = select(vec![GroupOrder::Ascending, GroupOrder::Descending]);
    let form = select(vec![IdForm::Absolute, IdForm::Delta]);
    (groups, vec(item, 12), order, form, any::<bool>())
        .prop_map(move |(groups, bodies, order, ids, length)| {
            let reading = MarkReading { ids, length };
            let items = locations(groups, order).into_iter().zip(bodies);
            let items = items.map(|(location, (delivery, priority, properties, end, mark))| {
                let (status, payload) = match dialect.data.fetch.status {
                    true => end,
                    false => (ObjectStatus::Normal, end.1),
                };
                let object = FetchedObject {
                    location,
                    delivery: told(dialect, delivery, location),
                    priority: Priority(priority),
                    properties: allowed(dialect, properties, status),
                    status,
                    payload_bytes: payload.len() as u64,
                };
                (mark, object, Bytes::from(payload))
            });
            let mut before: Option<Location> = None;
            let mut written = Vec::new();
            for (mark, object, payload) in items {
                let location = object.location;
                let in_group = before.is_some_and(|before| before.group == location.group);
                let mark = mark.filter(|mark| {
                    dialect
                        .data
                        .fetch
                        .marks
                        .is_some_and(|marks| marks.timed_out || *mark != RangeMark::TimedOut)
                        && !(in_group && ids == IdForm::Delta)
                });
                written.push(match mark {
                    Some(mark) => (FetchItem::EndOfRange(location, mark), Bytes::new()),
                    None => (FetchItem::Object(object), payload),
                });
                before = Some(location);
            }
            FetchStream { order, reading, items: written }
        })
        .boxed()
}

fn locations(groups: BTreeMap<u64, BTreeSet<u64>>, order: GroupOrder) -> Vec<Location> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    if order == GroupOrder::Descending {
        groups.reverse();
    }
    let in_group = |(group, objects): (u64, BTreeSet<u64>)| {
        objects.into_iter().map(move |object| Location::new(group, object))
    };
    groups.into_iter().flat_map(in_group).collect()
}

/// What a reader of the draft learns of a delivery.
fn told(dialect: &Dialect, delivery: Delivery, location: Location) -> Delivery {
    let as_subgroup = SubgroupId(location.object.0);
    match delivery {
        _ if dialect.data.fetch.form == FetchForm::FlagInteger => delivery,
        Delivery::Subgroup(id) if id != as_subgroup => delivery,
        _ => Delivery::Unknown(as_subgroup),
    }
}

pub(super) fn any_datagram(draft: u8, max: u64) -> BoxedStrategy<(DatagramHead, Bytes)> {
    let dialect = dialect(draft);
    let properties = any_properties(dialect.properties, max);
    let ids = (any_id(max), any_id(max), any_id(max));
    (ids, any_priority(dialect), properties, any_end(dialect), any::<bool>())
        .prop_map(move |(ids, priority, properties, (status, payload), end_of_group)| {
            let properties = allowed(dialect, properties, status);
            let head = DatagramHead {
                alias: TrackAlias(ids.0),
                location: Location::new(ids.1, ids.2),
                priority,
                properties: match properties.is_empty() {
                    true => Properties::default(),
                    false => properties,
                },
                status,
                end_of_group: end_of_group && status == ObjectStatus::Normal,
            };
            (head, Bytes::from(payload))
        })
        .boxed()
}

/// Reads a subgroup stream that comes in pieces.
fn read_subgroup(dialect: &'static Dialect, bytes: &Bytes, piece: usize) -> SubgroupStream {
    let mut kept = BytesMut::new();
    let mut decoder = None;
    let mut head = None;
    let mut objects = Vec::new();
    for chunk in bytes.chunks(piece) {
        kept.extend_from_slice(chunk);
        let mut rest = std::mem::take(&mut kept).freeze();
        if head.is_none() {
            let Some((read, size)) = dialect.decode_uni_head(&rest).unwrap() else {
                kept.extend_from_slice(&rest);
                continue;
            };
            let UniHead::Subgroup(read) = read else { panic!("{read:?}") };
            decoder = Some(SubgroupDecoder::new(dialect, &read));
            head = Some(read);
            rest = rest.slice(size..);
        }
        let decoder = decoder.as_mut().unwrap();
        while !rest.is_empty() {
            // A payload that is not complete is read again with its object.
            let before = decoder.clone();
            let Some((object, size)) = decoder.decode_object(&rest).unwrap() else { break };
            let end = size + object.payload_bytes as usize;
            if end > rest.len() {
                *decoder = before;
                break;
            }
            let payload = rest.slice(size..end);
            objects.push((object, payload));
            rest = rest.slice(end..);
        }
        kept.extend_from_slice(&rest);
    }
    assert!(kept.is_empty());
    SubgroupStream { head: head.unwrap(), objects }
}

proptest! {
    #[test]
    fn subgroup_streams_survive_in_pieces_of_any_size(
        (draft, stream) in any_draft().prop_flat_map(|draft| {
            (Just(draft), any_subgroup(draft, dialect(draft).integers.max()))
        }),
        piece in 1..40_usize,
    ) {
        let dialect = dialect(draft);
        let bytes = stream.write(dialect);
        let pieces = read_subgroup(dialect, &bytes, piece);
        let mut expected = stream;
        for (object, _) in &mut expected.objects {
            // Without room for them nothing tells the encoding of no properties.
            if !expected.head.properties {
                object.properties = Properties::default();
            }
        }
        prop_assert_eq!(pieces, expected);
        let seen = read_whole_and_cut(dialect, &bytes, ASCENDING);
        prop_assert_eq!(seen.fault, None);
    }

    #[test]
    fn fetch_streams_survive(
        (draft, stream) in any_draft().prop_flat_map(|draft| {
            (Just(draft), any_fetch(draft, dialect(draft).integers.max()))
        }),
    ) {
        let dialect = dialect(draft);
        let bytes = stream.write(dialect);
        let mut rest = bytes.slice(2..);
        let mut decoder = FetchDecoder::new(dialect, stream.order).with_reading(stream.reading);
        let mut items = Vec::new();
        while let Some((mut item, read)) = decoder.decode_item(&rest).unwrap() {
            rest = rest.slice(read..);
            let mut payload = Bytes::new();
            if let FetchItem::Object(object) = &mut item {
                payload = rest.split_to(object.payload_bytes as usize);
                if object.properties.is_empty() {
                    object.properties = Properties::from_entries(dialect.properties, []).unwrap();
                }
            }
            items.push((item, payload));
        }
        prop_assert_eq!(&items, &stream.items);
        prop_assert_eq!(decoder.end(&rest, 0), Ok(()));
        let fetching = Fetching { order: stream.order, reading: Some(stream.reading), range: None };
        let seen = read_whole_and_cut(dialect, &bytes, fetching);
        prop_assert_eq!(seen.fault, None);
        prop_assert!(seen.complete);
    }

    #[test]
    fn datagrams_survive(
        (draft, (head, payload)) in any_draft().prop_flat_map(|draft| {
            (Just(draft), any_datagram(draft, dialect(draft).integers.max()))
        }),
    ) {
        let dialect = dialect(draft);
        let mut out = BytesMut::new();
        dialect.encode_datagram(&head, &mut out).unwrap();
        out.extend_from_slice(&payload);
        prop_assert_eq!(dialect.decode_datagram(out.freeze()), Ok(Some((head, payload))));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic_and_what_it_reads_it_can_write(
        draft in any_draft(),
        first in select(vec![0x05_u8, 0x10, 0x11, 0x15, 0x1D, 0x31, 0x35, 0x71, 0x00, 0x21]),
        rest in vec(prop_oneof![0..8_u8, any::<u8>()], 0..60),
    ) {
        let mut bytes = vec![first];
        bytes.extend(rest);
        let bytes = Bytes::from(bytes);
        let dialect = dialect(draft);
        let seen = read_stream(dialect, &bytes, ASCENDING, true);
        let again = read_stream(dialect, &seen.rewritten.clone().freeze(), ASCENDING, true);
        if seen.complete {
            prop_assert_eq!(again.parts, seen.parts);
        }
        if let Ok(Some((head, payload))) = dialect.decode_datagram(bytes) {
            let mut out = BytesMut::new();
            dialect.encode_datagram(&head, &mut out).unwrap();
            out.extend_from_slice(&payload);
            prop_assert_eq!(dialect.decode_datagram(out.freeze()), Ok(Some((head, payload))));
        }
    }
}
