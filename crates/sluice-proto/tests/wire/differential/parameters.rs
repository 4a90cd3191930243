//! Parameters as the other implementation holds them: type and value, with structures as bytes.

use std::time::Duration;

use moqtap_codec::kvp::{KeyValuePair, KvpValue};
use moqtap_codec::types::TrackNamespace;
use moqtap_codec::varint::VarInt;
use sluice_proto::model::{
    self, DoneCode, Fetch, Fill, GroupId, GroupOrder, Interest, Location, LocationFilter, Priority,
    Properties, PropertyValue, Publish, PublishOk, RangeFilter, RangeFilterKind, RequestCode,
    RequestUpdate, Subscribe, SubscribeNamespace, Token, TrackStatus,
};

/// How a family of drafts writes numbers inside values.
pub type Put = fn(u64, &mut Vec<u8>);

/// How a draft writes a location filter.
pub type WriteFilter = fn(LocationFilter) -> Vec<u8>;

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

/// The settings that messages share, each where its message has it. A draft that does not have one
/// never has it set.
#[derive(Default)]
pub struct Settings<'m> {
    pub object_timeout: Option<Duration>,
    pub tokens: &'m [Token],
    pub rendezvous_timeout: Option<Duration>,
    pub subgroup_timeout: Option<Duration>,
    pub expires: Option<Duration>,
    pub largest: Option<Location>,
    pub fill_timeout: Option<Duration>,
    pub forward: Option<bool>,
    pub priority: Option<Priority>,
    pub filter: Option<Vec<u8>>,
    pub order: Option<GroupOrder>,
    pub fill: Option<Vec<u8>>,
    pub range_filters: &'m [RangeFilter],
    pub new_group: Option<GroupId>,
    pub prefix: Option<&'m model::TrackNamespace>,
    pub include_properties: Option<bool>,
}

impl<'m> Settings<'m> {
    /// But for FILL_PARAMETERS.
    pub fn of_update(update: &'m RequestUpdate, filter: WriteFilter) -> Self {
        Settings {
            object_timeout: update.object_timeout,
            subgroup_timeout: update.subgroup_timeout,
            tokens: &update.tokens,
            forward: update.forward,
            priority: update.priority,
            filter: update.filter.map(filter),
            range_filters: &update.range_filters,
            new_group: update.new_group,
            prefix: update.prefix.as_ref(),
            ..Settings::default()
        }
    }

    /// But for FILL_PARAMETERS.
    pub fn of_subscribe(request: &'m Subscribe, filter: WriteFilter) -> Self {
        let stated = Some(request.filter).filter(|&filter| filter != LocationFilter::All);
        Settings {
            object_timeout: request.object_timeout,
            tokens: &request.tokens,
            rendezvous_timeout: request.rendezvous_timeout,
            subgroup_timeout: request.subgroup_timeout,
            forward: request.forward,
            priority: request.priority,
            filter: stated.map(filter),
            order: request.order,
            range_filters: &request.range_filters,
            new_group: request.new_group,
            include_properties: request.include_properties,
            ..Settings::default()
        }
    }

    pub fn of_publish(request: &'m Publish, filter: WriteFilter) -> Self {
        Settings {
            object_timeout: request.object_timeout,
            tokens: &request.tokens,
            subgroup_timeout: request.subgroup_timeout,
            expires: request.expires,
            largest: request.largest,
            forward: request.forward,
            priority: request.priority,
            filter: request.filter.map(filter),
            order: request.order,
            ..Settings::default()
        }
    }

    /// But for the range where that is a filter.
    pub fn of_fetch(request: &'m Fetch) -> Self {
        Settings {
            tokens: &request.tokens,
            fill_timeout: request.fill_timeout,
            priority: request.priority,
            order: request.order,
            range_filters: &request.range_filters,
            include_properties: request.include_properties,
            ..Settings::default()
        }
    }

    pub fn of_track_status(request: &'m TrackStatus) -> Self {
        Settings {
            tokens: &request.tokens,
            include_properties: request.include_properties,
            ..Settings::default()
        }
    }

    pub fn of_subscribe_namespace(request: &'m SubscribeNamespace) -> Self {
        Settings {
            tokens: &request.tokens,
            forward: request.forward,
            order: request.order,
            range_filters: &request.range_filters,
            include_properties: request.include_properties,
            ..Settings::default()
        }
    }

    pub fn of_tokens(tokens: &'m [Token]) -> Self {
        Settings { tokens, ..Settings::default() }
    }

    pub fn of_publish_ok(ok: &PublishOk, filter: WriteFilter) -> Self {
        Settings {
            object_timeout: ok.object_timeout,
            subgroup_timeout: ok.subgroup_timeout,
            expires: ok.expires,
            forward: ok.forward,
            priority: ok.priority,
            filter: ok.filter.map(filter),
            order: ok.order,
            new_group: ok.new_group,
            ..Settings::default()
        }
    }

    /// Of the answers that say how far a track is.
    pub fn of_track(expires: Option<Duration>, largest: Option<Location>) -> Self {
        Settings { expires, largest, ..Settings::default() }
    }

    pub fn parameters(self, put: Put) -> Parameters {
        let mut parameters = Parameters::default();
        parameters.time(0x02, self.object_timeout);
        parameters.tokens(self.tokens, put);
        parameters.time(0x04, self.rendezvous_timeout);
        parameters.time(0x06, self.subgroup_timeout);
        parameters.time(0x08, self.expires);
        parameters.bytes(0x09, location(self.largest, put));
        parameters.time(0x0A, self.fill_timeout);
        parameters.int(0x10, self.forward.map(u64::from));
        parameters.int(0x20, self.priority.map(|priority| priority.0.into()));
        parameters.bytes(0x21, self.filter);
        parameters.int(0x22, order(self.order));
        parameters.bytes(0x23, self.fill);
        parameters.range_filters(self.range_filters);
        parameters.int(0x32, self.new_group.map(|group| group.0));
        parameters.bytes(
            0x34,
            self.prefix.map(|prefix| {
                let mut value = Vec::new();
                namespace(prefix).encode_moqt::<moqtap_codec::varint::Moqt18>(&mut value);
                value
            }),
        );
        parameters.int(0x35, self.include_properties.map(u64::from));
        parameters
    }

    pub fn pairs(self, put: Put) -> Vec<KeyValuePair> {
        self.parameters(put).sorted()
    }
}

pub fn done_code(code: DoneCode) -> u64 {
    match code {
        DoneCode::TrackEnded => 2,
        DoneCode::GoingAway => 4,
        _ => 0,
    }
}

pub fn request_code(code: RequestCode) -> u64 {
    match code {
        RequestCode::Unauthorized => 1,
        RequestCode::NotSupported => 3,
        RequestCode::Redirect => 0x34,
        _ => 0,
    }
}

pub fn interest(interest: Interest) -> u64 {
    match interest {
        Interest::Tracks => 0,
        Interest::Namespaces => 1,
        Interest::Both => 2,
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
pub fn fill(fill: &Fill, filter: WriteFilter, prefixed: bool) -> Vec<u8> {
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
