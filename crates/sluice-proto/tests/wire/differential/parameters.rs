//! Parameters as the other implementation holds them: type and value, with structures as bytes.

use std::time::Duration;

use moqtap_codec::kvp::{KeyValuePair, KvpValue};
use moqtap_codec::types::TrackNamespace;
use moqtap_codec::varint::VarInt;
use sluice_proto::model::{
    self, Fill, GroupOrder, Location, LocationFilter, Properties, PropertyValue, RangeFilter,
    RangeFilterKind, Token,
};

/// How a family of drafts writes numbers inside values.
pub type Put = fn(u64, &mut Vec<u8>);

pub fn quic(value: u64, out: &mut Vec<u8>) {
    VarInt::from_u64(value).unwrap().encode(out);
}

pub fn moqt(value: u64, out: &mut Vec<u8>) {
    VarInt::from_u64_moqt(value).encode_moqt::<moqtap_codec::varint::Moqt18>(out);
}

/// The same without the seven-byte form.
pub fn moqt_short(value: u64, out: &mut Vec<u8>) {
    VarInt::from_u64_moqt(value).encode_moqt::<moqtap_codec::varint::Moqt17>(out);
}

#[derive(Default)]
pub struct Parameters(pub Vec<KeyValuePair>);

impl Parameters {
    pub fn int(&mut self, key: u64, value: Option<u64>) {
        self.0.extend(value.map(|value| KeyValuePair {
            key: VarInt::from_u64_moqt(key),
            value: KvpValue::Varint(VarInt::from_u64_moqt(value)),
        }));
    }

    pub fn time(&mut self, key: u64, time: Option<Duration>) {
        self.int(key, time.map(|time| time.as_millis() as u64));
    }

    pub fn bytes(&mut self, key: u64, value: Option<Vec<u8>>) {
        self.0.extend(value.map(|value| KeyValuePair {
            key: VarInt::from_u64_moqt(key),
            value: KvpValue::Bytes(value),
        }));
    }

    pub fn tokens(&mut self, tokens: &[Token], put: Put) {
        for token in tokens {
            self.bytes(0x03, Some(token_bytes(token, put)));
        }
    }

    pub fn range_filters(&mut self, filters: &[RangeFilter]) {
        for filter in filters {
            let (code, value) = range_filter(filter);
            self.bytes(code, Some(value));
        }
    }

    /// In the order of their types, repeated ones in their own.
    pub fn sorted(mut self) -> Vec<KeyValuePair> {
        self.0.sort_by_key(|pair| pair.key);
        self.0
    }
}

pub fn order(order: Option<GroupOrder>) -> Option<u64> {
    order.map(|order| if order == GroupOrder::Ascending { 1 } else { 2 })
}

pub fn location(location: Option<Location>, put: Put) -> Option<Vec<u8>> {
    location.map(|location| {
        let mut out = Vec::new();
        put(location.group.0, &mut out);
        put(location.object.0, &mut out);
        out
    })
}

pub fn token_bytes(token: &Token, put: Put) -> Vec<u8> {
    let mut out = Vec::new();
    let mut ints = |values: &[u64]| values.iter().for_each(|&value| put(value, &mut out));
    match token {
        Token::Delete { alias } => ints(&[0, *alias]),
        Token::Register { alias, kind, value } => {
            ints(&[1, *alias, *kind]);
            out.extend_from_slice(value);
        }
        Token::UseAlias { alias } => ints(&[2, *alias]),
        Token::UseValue { kind, value } => {
            ints(&[3, *kind]);
            out.extend_from_slice(value);
        }
    }
    out
}

/// The filter of drafts up to 19: a type, then its fields.
pub fn typed_filter(filter: LocationFilter, delta: bool, put: Put) -> Vec<u8> {
    let fields = match filter {
        LocationFilter::All => vec![3, 0, 0],
        LocationFilter::NextObject => vec![2],
        LocationFilter::RelativeGroup(_) => vec![1],
        LocationFilter::From(start) => vec![3, start.group.0, start.object.0],
        LocationFilter::Range(start, end) => {
            let end = if delta { end.group.0 - start.group.0 } else { end.group.0 };
            vec![4, start.group.0, start.object.0, end]
        }
    };
    let mut out = Vec::new();
    fields.into_iter().for_each(|field| put(field, &mut out));
    out
}

/// The filter of draft 20: as many fields as needed.
pub fn counted_filter(filter: LocationFilter) -> Vec<u8> {
    let fields = match filter {
        LocationFilter::All => vec![],
        LocationFilter::NextObject => vec![0, 0],
        LocationFilter::RelativeGroup(groups) => vec![groups],
        LocationFilter::From(start) => vec![start.group.0, start.object.0],
        LocationFilter::Range(start, end) => {
            let mut fields = vec![start.group.0, start.object.0, end.group.0 - start.group.0];
            fields.extend(end.object.map(|object| object.0));
            fields
        }
    };
    let mut out = Vec::new();
    fields.into_iter().for_each(|field| moqt(field, &mut out));
    out
}

fn range_filter(filter: &RangeFilter) -> (u64, Vec<u8>) {
    use moqtap_codec::range_filter::{FilterRange, RangeFilter as Theirs};
    let (code, property) = match filter.kind {
        RangeFilterKind::Subgroup => (0x25, None),
        RangeFilterKind::Object => (0x26, None),
        RangeFilterKind::Priority => (0x27, None),
        RangeFilterKind::ObjectProperty(kind) => (0x28, Some(kind)),
        RangeFilterKind::TrackProperty(kind) => (0x29, Some(kind)),
    };
    let range = |&(start, end): &(u64, Option<u64>)| FilterRange { start, end };
    let theirs = Theirs {
        parameter_type: code,
        set_id: filter.set,
        property_type: property,
        ranges: filter.ranges.iter().map(range).collect(),
    };
    let mut out = Vec::new();
    let encoded = theirs.encode_moqt::<moqtap_codec::varint::Moqt18>(&mut out);
    // They refuse priorities above 255 when writing too; such a filter is never generated.
    encoded.unwrap();
    (code, out)
}

/// The filter of draft 22: its type, then the fields of draft 20.
pub fn filter_of_type(filter: LocationFilter) -> Vec<u8> {
    let kind = match filter {
        LocationFilter::All => 0,
        LocationFilter::NextObject => return vec![5],
        LocationFilter::RelativeGroup(_) => 1,
        LocationFilter::From(_) => 2,
        LocationFilter::Range(_, end) if end.object.is_none() => 3,
        LocationFilter::Range(..) => 4,
    };
    [vec![kind], counted_filter(filter)].concat()
}

/// The block inside FILL_PARAMETERS; a filter in it has a length or knows its own end.
pub fn fill(fill: &Fill, filter: fn(LocationFilter) -> Vec<u8>, prefixed: bool) -> Vec<u8> {
    let mut inner = Parameters::default();
    inner.time(0x0A, fill.timeout);
    inner.int(0x20, fill.priority.map(|priority| priority.0.into()));
    inner.bytes(0x21, fill.filter.map(filter));
    inner.int(0x22, order(fill.order));
    inner.range_filters(&fill.range_filters);
    let pairs = inner.sorted();
    let mut out = Vec::new();
    moqt(pairs.len() as u64, &mut out);
    let mut previous = 0;
    for pair in pairs {
        let key = pair.key.into_inner();
        moqt(key - previous, &mut out);
        previous = key;
        match pair.value {
            KvpValue::Varint(value) if key == 0x0A => moqt(value.into_inner(), &mut out),
            KvpValue::Varint(value) => out.push(value.into_inner() as u8),
            KvpValue::Bytes(value) if key == 0x21 && !prefixed => out.extend_from_slice(&value),
            KvpValue::Bytes(value) => {
                moqt(value.len() as u64, &mut out);
                out.extend_from_slice(&value);
            }
        }
    }
    out
}

pub fn namespace(namespace: &model::TrackNamespace) -> TrackNamespace {
    TrackNamespace(namespace.fields().iter().map(|field| field.to_vec()).collect())
}

pub fn properties(properties: &Properties) -> Vec<KeyValuePair> {
    let mut pairs = Parameters::default();
    for (kind, value) in properties.entries() {
        match value {
            PropertyValue::Int(value) => pairs.int(kind, Some(value)),
            PropertyValue::Bytes(value) => pairs.bytes(kind, Some(value.to_vec())),
        }
    }
    pairs.0
}

/// Setup options; `implementation` is the type that the draft has for it.
pub fn setup(options: &model::SetupOptions, put: Put) -> Vec<KeyValuePair> {
    let mut pairs = Parameters::default();
    let text = |text: &Option<String>| text.as_ref().map(|text| text.clone().into_bytes());
    pairs.bytes(0x01, text(&options.path));
    pairs.int(0x02, options.request_id_limit);
    pairs.tokens(&options.tokens, put);
    pairs.int(0x04, options.token_cache_bytes);
    pairs.bytes(0x05, text(&options.authority));
    pairs.int(0x06, options.filter_ranges);
    pairs.bytes(0x07, text(&options.implementation));
    pairs.int(0x08, options.request_updates);
    pairs.0
}
