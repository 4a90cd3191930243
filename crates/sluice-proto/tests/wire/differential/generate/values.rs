//! Parts of canonical messages: numbers, names, filters, settings.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sluice_proto::model::*;
use sluice_proto::wire::{Draft, RequestTransport};

/// Numbers that a draft can write, small ones more often.
pub fn number(draft: Draft) -> BoxedStrategy<u64> {
    let max = draft.dialect().integers.max();
    prop_oneof![0..300_u64, 0..=max, (max - 3)..=max].boxed()
}

/// Numbers whose successor the draft can write too.
pub fn below_max(draft: Draft) -> BoxedStrategy<u64> {
    let max = draft.dialect().integers.max();
    prop_oneof![0..300_u64, 0..max].boxed()
}

pub fn request_id(draft: Draft) -> BoxedStrategy<RequestId> {
    number(draft).prop_map(RequestId).boxed()
}

pub fn time() -> BoxedStrategy<Duration> {
    prop_oneof![1..1000_u64, 1..1_u64 << 40].prop_map(Duration::from_millis).boxed()
}

/// Also "no time at all", where the draft has it.
pub fn timeout(draft: Draft) -> BoxedStrategy<Duration> {
    match draft <= Draft::D16 {
        true => time(),
        false => prop_oneof![time(), Just(Duration::ZERO)].boxed(),
    }
}

pub fn text() -> BoxedStrategy<String> {
    vec(proptest::char::range('a', 'z'), 0..40).prop_map(String::from_iter).boxed()
}

pub fn bytes(length: std::ops::Range<usize>) -> BoxedStrategy<Bytes> {
    vec(any::<u8>(), length).prop_map(Bytes::from).boxed()
}

pub fn fields(draft: Draft, count: std::ops::Range<usize>) -> BoxedStrategy<TrackNamespace> {
    let least = usize::from(draft > Draft::D15);
    vec(bytes(least..9), count).prop_map(|fields| TrackNamespace::new(fields).unwrap()).boxed()
}

pub fn namespace(draft: Draft) -> BoxedStrategy<TrackNamespace> {
    let least = usize::from(draft.dialect().requests == RequestTransport::ControlStream);
    fields(draft, least..5)
}

pub fn prefix(draft: Draft) -> BoxedStrategy<TrackNamespace> {
    fields(draft, usize::from(draft <= Draft::D15)..5)
}

pub fn track(draft: Draft) -> BoxedStrategy<FullTrackName> {
    let name = bytes(0..20).prop_map(|name| TrackName::new(name).unwrap());
    (namespace(draft), name).prop_map(|(ns, name)| FullTrackName::new(ns, name).unwrap()).boxed()
}

pub fn location(draft: Draft) -> BoxedStrategy<Location> {
    (number(draft), number(draft)).prop_map(|(g, o)| Location::new(g, o)).boxed()
}

pub fn priority() -> BoxedStrategy<Priority> {
    any::<u8>().prop_map(Priority).boxed()
}

pub fn order() -> BoxedStrategy<GroupOrder> {
    prop_oneof![Just(GroupOrder::Ascending), Just(GroupOrder::Descending)].boxed()
}

pub fn token(draft: Draft) -> BoxedStrategy<Token> {
    let alias = || number(draft);
    let value = || bytes(0..20);
    prop_oneof![
        alias().prop_map(|alias| Token::Delete { alias }),
        alias().prop_map(|alias| Token::UseAlias { alias }),
        (alias(), number(draft), value()).prop_map(|(alias, kind, value)| Token::Register {
            alias,
            kind,
            value
        }),
        (number(draft), value()).prop_map(|(kind, value)| Token::UseValue { kind, value }),
    ]
    .boxed()
}

pub fn tokens(draft: Draft) -> BoxedStrategy<Vec<Token>> {
    vec(token(draft), 0..3).boxed()
}

/// From a start to an end that the draft's filters can name.
pub fn range(draft: Draft, end_object: bool) -> BoxedStrategy<LocationFilter> {
    (location(draft), below_max(draft), option::of(below_max(draft)))
        .prop_map(move |(start, groups, object)| {
            let max = draft.dialect().integers.max() - 1;
            let group = start.group.0.saturating_add(groups).min(max);
            let start = Location { group: GroupId(start.group.0.min(group)), ..start };
            // They refuse an end before its start; whether a peer may send one is the request's
            // matter, not the codec's.
            let later = |object: &u64| group > start.group.0 || *object >= start.object.0;
            let object = object.filter(later).filter(|_| end_object).map(ObjectId);
            LocationFilter::Range(start, RangeEnd { group: GroupId(group), object })
        })
        .boxed()
}

pub fn filter(draft: Draft) -> BoxedStrategy<LocationFilter> {
    let relative = if draft >= Draft::D20 { number(draft) } else { Just(0).boxed() };
    prop_oneof![
        Just(LocationFilter::All),
        Just(LocationFilter::NextObject),
        relative.prop_map(LocationFilter::RelativeGroup),
        start(draft),
        range(draft, draft >= Draft::D20),
    ]
    .boxed()
}

/// "From 0/0" is written "all".
pub fn start(draft: Draft) -> BoxedStrategy<LocationFilter> {
    location(draft)
        .prop_map(|start| match start {
            Location::ZERO => LocationFilter::All,
            start => LocationFilter::From(start),
        })
        .boxed()
}

pub fn range_filter(draft: Draft, track_property: bool) -> BoxedStrategy<RangeFilter> {
    let property = || number(draft).prop_map(|kind| kind & !1);
    let mut kinds = vec![
        Just(RangeFilterKind::Subgroup).boxed(),
        Just(RangeFilterKind::Object).boxed(),
        Just(RangeFilterKind::Priority).boxed(),
        property().prop_map(RangeFilterKind::ObjectProperty).boxed(),
    ];
    if track_property {
        kinds.push(property().prop_map(RangeFilterKind::TrackProperty).boxed());
    }
    let ranges = vec((0..40_u64, 0..40_u64), 1..4);
    let filter = (proptest::strategy::Union::new(kinds), any::<u8>(), ranges, any::<bool>());
    filter
        .prop_map(|(kind, set, steps, open)| {
            let mut at = 0;
            let mut ranges: Vec<(u64, Option<u64>)> = Vec::new();
            for (gap, length) in steps {
                ranges.push((at + gap, Some(at + gap + length)));
                at += gap + length;
            }
            if let (true, Some(last)) = (open, ranges.last_mut()) {
                last.1 = None;
            }
            RangeFilter { kind, set, ranges }
        })
        .boxed()
}

/// Filters in the order that a message has them, none of them twice.
pub fn range_filters(draft: Draft, track_property: bool) -> BoxedStrategy<RangeFilters> {
    if draft < Draft::D19 {
        return Just(vec![]).boxed();
    }
    let rank = |filter: &RangeFilter| match filter.kind {
        RangeFilterKind::Subgroup => 0,
        RangeFilterKind::Object => 1,
        RangeFilterKind::Priority => 2,
        RangeFilterKind::ObjectProperty(_) => 3,
        RangeFilterKind::TrackProperty(_) => 4,
    };
    vec(range_filter(draft, track_property), 0..3)
        .prop_map(move |mut filters| {
            filters.sort_by_key(rank);
            filters.dedup_by(|a, b| a.kind == b.kind && a.set == b.set);
            filters
        })
        .boxed()
}

pub fn fill(draft: Draft) -> BoxedStrategy<Option<Fill>> {
    if draft < Draft::D20 {
        return Just(None).boxed();
    }
    let fill = (
        option::of(filter(draft)),
        option::of(priority()),
        option::of(order()),
        option::of(timeout(draft)),
        range_filters(draft, false),
    );
    let fill = fill.prop_map(|(filter, priority, order, timeout, range_filters)| Fill {
        filter,
        priority,
        order,
        timeout,
        range_filters,
    });
    option::of(fill).boxed()
}

/// A setting that only some drafts have, or that some always state.
pub fn given<T: std::fmt::Debug + Clone + 'static>(
    how: How,
    value: BoxedStrategy<T>,
) -> BoxedStrategy<Option<T>> {
    match how {
        How::Always => value.prop_map(Some).boxed(),
        How::Sometimes => option::of(value).boxed(),
        How::Never => Just(None).boxed(),
    }
}

#[derive(Clone, Copy)]
pub enum How {
    Always,
    Sometimes,
    Never,
}

/// A setting that draft 14 has as a field and later ones as a parameter.
pub fn field(draft: Draft) -> How {
    if draft == Draft::D14 { How::Always } else { How::Sometimes }
}

pub fn since(draft: Draft, first: Draft) -> How {
    if draft >= first { How::Sometimes } else { How::Never }
}

/// Properties as the draft carries them; `extra` for those that only some messages of the drafts
/// with parameters for them have.
pub fn properties(draft: Draft, extra: bool) -> BoxedStrategy<TrackProperties> {
    if draft <= Draft::D15 {
        let more = draft == Draft::D15 && extra;
        let values = (option::of(time()), option::of(time()), option::of(0..256_u64));
        return (values, option::of(any::<bool>()))
            .prop_map(move |((timeout, cache, priority), dynamic)| {
                let millis = |time: Duration| time.as_millis() as u64;
                let known = [
                    (0x02, timeout.map(millis).filter(|_| extra)),
                    (0x04, cache.map(millis)),
                    (0x0E, priority.filter(|_| more)),
                    (0x30, dynamic.map(u64::from).filter(|_| more)),
                ];
                let entries = known
                    .into_iter()
                    .filter_map(|(kind, value)| Some((kind, PropertyValue::Int(value?))));
                TrackProperties(
                    Properties::from_entries(PropertyEncoding::DeltaVi64, entries).unwrap(),
                )
            })
            .boxed();
    }
    let int = |kind: u64, value: BoxedStrategy<u64>| {
        value.prop_map(move |value| (kind, PropertyValue::Int(value))).boxed()
    };
    let other = (0..1_u64 << 20, number(draft), bytes(0..20)).prop_map(|(kind, int, bytes)| {
        // Types with rules of their own stand below; this one has none.
        let kind = 0x1000 + kind;
        match kind % 2 {
            0 => (kind, PropertyValue::Int(int)),
            _ => (kind, PropertyValue::Bytes(bytes)),
        }
    });
    let entries = vec(
        prop_oneof![
            int(0x02, (1..1_u64 << 40).boxed()),
            int(0x04, number(draft)),
            int(0x0E, (0..256_u64).boxed()),
            int(0x22, (1..3_u64).boxed()),
            int(0x30, (0..2_u64).boxed()),
            other,
        ],
        0..4,
    );
    let encoding = draft.dialect().properties;
    entries
        .prop_map(move |entries| {
            TrackProperties(Properties::from_entries(encoding, entries).unwrap())
        })
        .boxed()
}

/// The properties of drafts 14 and 15 with a group order that stands elsewhere.
pub fn with_order(
    properties: TrackProperties,
    order: Option<GroupOrder>,
    draft: Draft,
) -> TrackProperties {
    match order {
        Some(GroupOrder::Descending) if draft <= Draft::D15 => {
            let mut entries: Vec<_> = properties.0.entries().collect();
            entries.push((0x22, PropertyValue::Int(2)));
            entries.sort_by_key(|(kind, _)| *kind);
            TrackProperties(Properties::from_entries(PropertyEncoding::DeltaVi64, entries).unwrap())
        }
        _ => properties,
    }
}
