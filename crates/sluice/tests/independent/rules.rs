//! What becomes of an object on its way from one draft to another, as `docs/bridging.md` says it.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use moqtap_codec::object_properties::PropertyRules;
use moqtap_codec::varint::VarInt;
use moqtap_codec::version::DraftVersion;

use super::object::{DOES_NOT_EXIST, Object, Properties, Value, decode_properties};
use super::object::{encode_properties, is_mandatory};

/// A rule of `docs/bridging.md`, by the letter it has there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rule {
    /// The status "does not exist", of draft 14 only, arrives as a gap of ids.
    Absent,
    /// A fetch is of objects; marks go with subscriptions only, as in every draft from 16 on.
    FetchedMarks,
    /// The pairs inside Immutable Properties are written as the subscriber's draft writes pairs.
    Immutable,
    /// Mandatory track properties are no object's from draft 18 on; older ones use the numbers.
    Mandatory,
    /// Numbers of 2^62 and more do not exist before draft 17.
    Numbers,
    /// Types ascend from draft 16 on.
    Order,
    /// Only drafts from 16 on have track properties.
    TrackProperties,
    /// Draft 14 fetches a datagram as an object of the subgroup with its id.
    FetchedDatagrams,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 8] = [
        Rule::Absent,
        Rule::FetchedMarks,
        Rule::Immutable,
        Rule::Mandatory,
        Rule::Numbers,
        Rule::Order,
        Rule::TrackProperties,
        Rule::FetchedDatagrams,
    ];

    /// What it says, in one line.
    pub fn text(self) -> &'static str {
        match self {
            Rule::Absent => "\"does not exist\" arrives as a gap of ids",
            Rule::FetchedMarks => "a fetch carries objects, not end marks",
            Rule::Immutable => "the pairs inside Immutable Properties are re-encoded",
            Rule::Mandatory => "object properties 0x4000 to 0x7fff are left out",
            Rule::Numbers => "property values of 2^62 and more are left out",
            Rule::Order => "properties are sorted by type",
            Rule::TrackProperties => "track properties exist on one side only",
            Rule::FetchedDatagrams => "a fetched datagram has its own id as subgroup",
        }
    }

    /// Its letter.
    pub fn letter(self) -> char {
        match self {
            Rule::Absent => 'a',
            Rule::FetchedMarks => 'm',
            Rule::Immutable => 'i',
            Rule::Mandatory => 'r',
            Rule::Numbers => 'n',
            Rule::Order => 'o',
            Rule::TrackProperties => 't',
            Rule::FetchedDatagrams => 'd',
        }
    }
}

/// Rules that changed something.
pub type Rules = BTreeSet<Rule>;

fn deltas(draft: DraftVersion) -> bool {
    PropertyRules::for_draft(draft).is_some_and(|rules| rules.delta_types)
}

/// Whether a draft knows the status "does not exist", and statuses in a fetch.
pub fn has_old_statuses(draft: DraftVersion) -> bool {
    draft.number() < 16
}

/// Whether a draft knows track properties.
pub fn has_track_properties(draft: DraftVersion) -> bool {
    draft.number() >= 16
}

/// Objects of a subscription, as they arrive.
pub fn live(
    sent: &[Object],
    from: DraftVersion,
    to: DraftVersion,
    rules: &mut Rules,
) -> Vec<Object> {
    let mut arriving = Vec::new();
    for object in sent {
        if object.status == DOES_NOT_EXIST {
            rules.insert(Rule::Absent);
            continue;
        }
        let mut object = object.clone();
        object.properties = properties(&object.properties, from, to, rules);
        arriving.push(object);
    }
    arriving
}

/// Objects of a fetch, as they arrive: by group and id.
pub fn fetched(
    sent: &[Object],
    from: DraftVersion,
    to: DraftVersion,
    rules: &mut Rules,
) -> Vec<Object> {
    let mut arriving = live(sent, from, to, rules);
    let all = arriving.len();
    arriving.retain(|object| object.status == 0);
    if arriving.len() < all {
        rules.insert(Rule::FetchedMarks);
    }
    for object in &mut arriving {
        if object.subgroup.is_none() && has_old_statuses(to) {
            object.subgroup = Some(object.id);
            rules.insert(Rule::FetchedDatagrams);
        }
    }
    arriving.sort();
    arriving
}

/// Checks the properties of a track.
pub fn track_properties(
    sent: &Properties,
    seen: &Properties,
    (from, to): (DraftVersion, DraftVersion),
    rules: &mut Rules,
) -> Result<()> {
    let expected = match has_track_properties(to) {
        true => properties(sent, from, to, rules),
        false => Vec::new(),
    };
    if has_track_properties(from) != has_track_properties(to) {
        rules.insert(Rule::TrackProperties);
    }
    ensure!(*seen == expected, "track properties {expected:x?} arrived as {seen:x?}");
    Ok(())
}

/// Properties, as they arrive.
pub fn properties(
    sent: &Properties,
    from: DraftVersion,
    to: DraftVersion,
    rules: &mut Rules,
) -> Properties {
    let mut arriving = Vec::new();
    for (kind, value) in sent {
        if is_mandatory(*kind) && to.number() >= 18 {
            rules.insert(Rule::Mandatory);
            continue;
        }
        let value = match value {
            Value::Number(number)
                if !to.uses_moqt_varint() && VarInt::from_u64(*number).is_err() =>
            {
                rules.insert(Rule::Numbers);
                continue;
            }
            Value::Bytes(bytes) if *kind == IMMUTABLE => {
                let inner = decode_properties(from, bytes).expect("the test sends pairs");
                let written = encode_properties(to, &inner).expect("they exist in both drafts");
                if written != *bytes {
                    rules.insert(Rule::Immutable);
                }
                Value::Bytes(written)
            }
            value => value.clone(),
        };
        arriving.push((*kind, value));
    }
    if deltas(to) && !arriving.is_sorted_by_key(|(kind, _)| *kind) {
        rules.insert(Rule::Order);
        arriving.sort_by_key(|(kind, _)| *kind);
    }
    arriving
}

/// Immutable Properties.
pub const IMMUTABLE: u64 = 0x0B;
