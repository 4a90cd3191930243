//! What the publishers of the matrix send: every form that their draft has.

use moqtap_codec::version::DraftVersion;

use super::data::Subgroup;
use super::object::{
    DOES_NOT_EXIST, END_OF_GROUP, END_OF_TRACK, Object, Properties, Value, encode_properties,
};
use super::rules::{IMMUTABLE, has_old_statuses, has_track_properties};

/// Publisher priority of every object, in subscriptions and fetches alike.
pub const PRIORITY: u8 = 77;
/// The known property that says how many ids before this one have no object.
const PRIOR_OBJECT_ID_GAP: u64 = 0x3E;
const UNKNOWN_NUMBER: u64 = 0x1234;
const UNKNOWN_BYTES: u64 = 0x2ABD;
/// An ordinary number before draft 18.
const LATER_MANDATORY: u64 = 0x4002;

fn unknown(seed: u64) -> Properties {
    vec![
        (UNKNOWN_NUMBER, Value::Number(1 << (10 + seed))),
        (UNKNOWN_BYTES, Value::Bytes(vec![seed as u8; 70])),
    ]
}

fn immutable(draft: DraftVersion) -> (u64, Value) {
    // Type and value of the second pair are such that every draft writes it in bytes of its own.
    let inner = vec![(0x10, Value::Number(100)), (UNKNOWN_BYTES, Value::Bytes(b"inner".to_vec()))];
    let bytes = encode_properties(draft, &inner).expect("pairs of this draft");
    (IMMUTABLE, Value::Bytes(bytes))
}

/// Properties with something of everything that the draft has.
fn rich(draft: DraftVersion) -> Properties {
    let mut properties = vec![immutable(draft)];
    properties.push((PRIOR_OBJECT_ID_GAP, Value::Number(1)));
    properties.extend(unknown(30));
    if draft.number() < 18 {
        properties.push((LATER_MANDATORY, Value::Number(9)));
    }
    if draft.uses_moqt_varint() {
        properties.push((0x10000, Value::Number(u64::MAX)));
    }
    if draft.number() < 16 {
        // Types need not ascend there.
        properties.reverse();
    }
    properties
}

/// Properties of a track.
pub fn track_properties(draft: DraftVersion) -> Properties {
    match has_track_properties(draft) {
        true => unknown(20),
        false => Vec::new(),
    }
}

/// The header of a stream that begins with an object.
pub fn header(first: &Object) -> Subgroup {
    Subgroup {
        alias: 0,
        group: first.group,
        subgroup: first.subgroup.unwrap_or(0),
        named_by_first: false,
        ends_group: false,
        priority: PRIORITY,
    }
}

/// Three groups: one of two subgroups with gaps, properties and an end mark, one of a single
/// large object that ends it by its header, and one that ends the track.
pub fn streams(draft: DraftVersion) -> Vec<(Subgroup, Vec<Object>)> {
    let object =
        |group, subgroup, id, properties| Object::new(group, Some(subgroup), id, properties);
    let mut first = vec![
        object(5, 0, 0, unknown(1)),
        object(5, 0, 2, Vec::new()),
        object(5, 0, 7, rich(draft)),
        Object::mark(5, Some(0), 9, END_OF_GROUP),
    ];
    if has_old_statuses(draft) {
        first.insert(2, Object::mark(5, Some(0), 4, DOES_NOT_EXIST));
    }
    let second = vec![
        object(5, 1, 1, rich_without_gap(draft)),
        object(5, 1, 3, Vec::new()).with_payload(Vec::new()),
    ];
    let large: Vec<u8> = (0..100_000_u32).map(|byte| byte as u8).collect();
    let third = vec![object(6, 3, 3, unknown(2)).with_payload(large)];
    let fourth = vec![object(7, 0, 0, Vec::new()), Object::mark(7, Some(0), 1, END_OF_TRACK)];
    let ending = Subgroup { ends_group: true, named_by_first: true, ..header(&third[0]) };
    vec![
        (header(&first[0]), first),
        (header(&second[0]), second),
        (ending, third),
        (header(&fourth[0]), fourth),
    ]
}

fn rich_without_gap(draft: DraftVersion) -> Properties {
    let mut properties = rich(draft);
    properties.retain(|(kind, _)| *kind != PRIOR_OBJECT_ID_GAP);
    properties
}

/// Datagrams of two groups, one ended by a mark.
pub fn datagrams(draft: DraftVersion) -> Vec<Object> {
    vec![
        Object::new(5, None, 0, unknown(3)),
        Object::new(5, None, 1, Vec::new()),
        Object::new(5, None, 3, rich(draft)),
        Object::mark(5, None, 4, END_OF_GROUP),
        Object::new(6, None, 0, Vec::new()),
    ]
}

/// Two groups that are never sent live.
pub fn archive(draft: DraftVersion) -> Vec<Object> {
    vec![
        Object::new(0, Some(0), 0, unknown(4)),
        Object::new(0, Some(1), 1, Vec::new()),
        Object::new(0, Some(0), 4, rich_without_gap(draft)),
        Object::new(1, Some(0), 0, Vec::new()).with_payload(vec![1; 50_000]),
        Object::new(1, Some(0), 1, Vec::new()),
    ]
}

/// One group on one stream, without a gap, with its end.
pub fn group(draft: DraftVersion) -> Vec<Object> {
    vec![
        Object::new(3, Some(0), 0, unknown(5)),
        Object::new(3, Some(0), 1, rich_without_gap(draft)),
        Object::new(3, Some(0), 2, Vec::new()),
        Object::new(3, Some(0), 3, unknown(6)),
        Object::mark(3, Some(0), 4, END_OF_GROUP),
    ]
}
