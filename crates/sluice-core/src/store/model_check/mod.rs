//! The store against a naive model, driven by operations.
//!
//! [`run`] reads operations from bytes, so a property test and a fuzzer can both drive it. The
//! model is a `Truth`: plain lists of what each group holds. Sources bring parts of it, in
//! chunks, late, twice, with resets; groups are evicted at any time. Every reader is held against
//! the truth and not against how the store works:
//!
//! - a log brings consecutive objects of its subgroup, byte for byte, and FIN only after the last;
//! - no live reader gets an object whole twice, and logs of a subgroup ascend;
//! - a fetch brings every object of its range in order, but those it was told are unknown;
//! - a subgroup that some source brought whole, while none came in the middle and nothing was
//!   evicted, reaches those who waited for it whole;
//! - absence and completeness are claimed only where they are true;
//! - memory is counted as a fresh count finds it.

mod audit;
mod reader;
mod truth;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::model::{
    DatagramHead, Delivery, FetchItem, FetchedObject, GroupId, GroupOrder, Location, ObjectHead,
    ObjectId, Priority, RangeEnd, RangeMark, ResetCode, SubgroupId, SubgroupIdField, TrackAlias,
};

use super::*;
use reader::{FetchReader, LiveReader};
use truth::{GROUPS, SUBGROUPS, Truth};

/// Sources at most.
const SOURCES_MAX: usize = 3;

/// Runs the operations that `data` spells and panics where the store breaks a promise. Each
/// operation is told to `tell` before it is done. Time begins at `now`.
pub fn run(data: &[u8], now: Instant, tell: &mut dyn FnMut(std::fmt::Arguments<'_>)) {
    let mut input = Input { data, at: 0 };
    let mut world = World::new(&mut input, now, tell);
    while !input.is_empty() {
        world.step(&mut input);
        world.check();
    }
    world.close();
}

/// Operations as bytes; zeros after the end.
struct Input<'a> {
    data: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn is_empty(&self) -> bool {
        self.at >= self.data.len()
    }

    fn byte(&mut self) -> u8 {
        let byte = self.data.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }
}

/// A subgroup stream from a source, at some object of the truth.
struct Stream {
    source: SourceId,
    feed: FeedKey,
    group: usize,
    subgroup: usize,
    /// The next object of the subgroup.
    next: usize,
    /// Bytes of the current object that were sent.
    sent: Option<usize>,
    /// Whether it began with the subgroup's first object.
    whole: bool,
}

/// A fetch stream from a source.
struct Fill {
    source: SourceId,
    feed: FeedKey,
    end: RangeEnd,
    rest: std::collections::VecDeque<Location>,
    sent: Option<(Location, usize)>,
}

struct World<'t> {
    tell: &'t mut dyn FnMut(std::fmt::Arguments<'_>),
    truth: Truth,
    store: TrackStore,
    now: Instant,
    sources: Vec<SourceId>,
    streams: Vec<Stream>,
    fills: Vec<Fill>,
    live: Vec<LiveReader>,
    fetches: Vec<FetchReader>,
    /// The largest location that came live.
    largest: Option<Location>,
    /// Groups of which something was evicted.
    evicted: BTreeSet<usize>,
    /// Subgroups of which a stream began in the middle.
    torn: BTreeSet<(usize, usize)>,
    /// Subgroups of which a stream ended with FIN.
    whole: BTreeSet<(usize, usize)>,
    /// Datagrams that arrived, in order.
    datagrams: Vec<Location>,
}

impl<'t> World<'t> {
    fn new(
        input: &mut Input<'_>,
        now: Instant,
        tell: &'t mut dyn FnMut(std::fmt::Arguments<'_>),
    ) -> World<'t> {
        let mut world = World {
            tell,
            truth: Truth::new(input.byte()),
            store: TrackStore::new(
                StoreLimits { pending_objects_max: 3, ..StoreLimits::default() },
                if input.byte() & 1 == 0 { Payloads::Copy } else { Payloads::Share },
            ),
            now,
            sources: Vec::new(),
            streams: Vec::new(),
            fills: Vec::new(),
            live: Vec::new(),
            fetches: Vec::new(),
            largest: None,
            evicted: BTreeSet::new(),
            torn: BTreeSet::new(),
            whole: BTreeSet::new(),
            datagrams: Vec::new(),
        };
        world.sources.push(world.store.add_source(SourceRules::default()));
        world.sources.push(world.store.add_source(SourceRules::default()));
        world.live.push(LiveReader::new(&world.store, Location::ZERO));
        world
    }

    fn step(&mut self, input: &mut Input<'_>) {
        self.now += Duration::from_millis(1);
        match input.below(20) {
            0 | 1 => self.open_stream(input, true),
            2 => self.open_stream(input, false),
            3..=8 => self.push_stream(input),
            9 => self.reset_stream(input),
            10 => self.send_datagram(input),
            11 => self.read_live(input),
            12 => self.read_fetch(input),
            13 => self.begin_fill(input),
            14 | 15 => self.push_fill(input),
            16 => self.reset_fill(input),
            17 => self.evict(input),
            18 => self.join(input),
            _ => self.change_sources(input),
        }
    }

    fn source(&self, input: &mut Input<'_>) -> Option<SourceId> {
        let at = input.below(self.sources.len());
        self.sources.get(at).copied()
    }

    fn open_stream(&mut self, input: &mut Input<'_>, whole: bool) {
        let Some(source) = self.source(input) else { return };
        let (group, subgroup) = (input.below(GROUPS), input.below(SUBGROUPS));
        let objects = self.truth.subgroup(group, subgroup).len();
        if objects == 0 {
            return;
        }
        let next = if whole { 0 } else { input.below(objects) };
        let start = SubgroupStart {
            group: GroupId(group as u64),
            subgroup: SubgroupIdField::Id(SubgroupId(subgroup as u64)),
            priority: Some(Priority(subgroup as u8)),
            properties: true,
            end_of_group: self.truth.ends_group(group, subgroup),
            first_object: next == 0 && input.byte() & 1 == 0,
            order: None,
        };
        let feed = self.store.begin_subgroup(source, start).expect("priorities agree");
        if next > 0 {
            self.torn.insert((group, subgroup));
        }
        (self.tell)(format_args!(
            "{source:?} opens {group} subgroup {subgroup} from its object {next}"
        ));
        let whole = next == 0;
        self.streams.push(Stream { source, feed, group, subgroup, next, sent: None, whole });
    }

    /// Sends the next piece of a stream: a header, some payload, or its end.
    fn push_stream(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.streams.len());
        let chunk = input.byte();
        let Some(stream) = self.streams.get_mut(at) else { return };
        let ids = self.truth.subgroup(stream.group, stream.subgroup);
        let Some(&id) = ids.get(stream.next) else {
            let stream = self.streams.swap_remove(at);
            (self.tell)(format_args!("{:?} FIN", stream.feed));
            self.store.finish(stream.feed).expect("the truth does not contradict itself");
            if stream.whole {
                self.whole.insert((stream.group, stream.subgroup));
            }
            return;
        };
        let location = Location::new(stream.group as u64, id);
        let payload = self.truth.payload(location);
        match stream.sent {
            None => {
                let feed = stream.feed;
                (self.tell)(format_args!("{feed:?} begins {location}, {}", payload.len()));
                let head = ObjectHead {
                    object: ObjectId(id),
                    properties: self.truth.properties(location),
                    status: self.truth.status(location),
                    payload_bytes: payload.len() as u64,
                };
                self.store
                    .handle_object(stream.feed, &head, self.now)
                    .expect("the truth does not contradict itself");
                self.largest = self.largest.max(Some(location));
                stream.sent = Some(0);
            }
            Some(sent) => {
                let end = payload.len().min(sent + 1 + usize::from(chunk) * 40);
                (self.tell)(format_args!("{:?} {location} {sent}..{end}", stream.feed));
                self.store
                    .handle_payload(stream.feed, &payload.slice(sent..end))
                    .expect("the truth does not contradict itself");
                stream.sent = Some(end);
            }
        }
        if stream.sent == Some(payload.len()) {
            stream.sent = None;
            stream.next += 1;
        }
    }

    fn reset_stream(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.streams.len());
        if at < self.streams.len() {
            let stream = self.streams.swap_remove(at);
            (self.tell)(format_args!("{:?} reset", stream.feed));
            self.store.reset(stream.feed, ResetCode::Cancelled);
        }
    }

    fn send_datagram(&mut self, input: &mut Input<'_>) {
        let Some(source) = self.source(input) else { return };
        let group = input.below(GROUPS);
        let ids = self.truth.datagrams(group);
        let Some(&id) = ids.get(input.below(ids.len())) else { return };
        let location = Location::new(group as u64, id);
        let head = DatagramHead {
            alias: TrackAlias(0),
            location,
            priority: Some(Priority(7)),
            properties: self.truth.properties(location),
            status: self.truth.status(location),
            end_of_group: false,
        };
        let payload = self.truth.payload(location);
        (self.tell)(format_args!("{source:?} datagram {location}"));
        let change = self
            .store
            .handle_datagram(source, &head, &payload, self.now)
            .expect("the truth does not contradict itself");
        self.largest = self.largest.max(Some(location));
        if change == Change::Live {
            self.datagrams.push(location);
        }
    }

    fn read_live(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.live.len());
        let budget = usize::from(input.byte()) * 64;
        if let Some(reader) = self.live.get_mut(at) {
            (self.tell)(format_args!("viewer {at} reads {budget}"));
            reader.read(&mut self.store, &self.truth, budget);
        }
    }

    fn read_fetch(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.fetches.len());
        let budget = usize::from(input.byte()) * 64;
        let asks = input.byte() & 3 > 0;
        let source = self.source(input);
        let Some(reader) = self.fetches.get_mut(at) else { return };
        (self.tell)(format_args!("fetch {at} reads {budget}"));
        let Some(unknown) = reader.read(&mut self.store, &self.truth, budget, self.now) else {
            return;
        };
        let span = FetchSpan { start: unknown.start, end: unknown.end, order: reader.order() };
        match source {
            Some(source) if asks => self.fill(source, span),
            Some(_) | None => reader.give_up(&unknown),
        }
    }

    fn begin_fill(&mut self, input: &mut Input<'_>) {
        let Some(source) = self.source(input) else { return };
        let span = self.span(input);
        self.fill(source, span);
    }

    fn span(&self, input: &mut Input<'_>) -> FetchSpan {
        let (a, b) = (input.below(GROUPS) as u64, input.below(GROUPS) as u64);
        let (first, last) = (input.below(6) as u64, input.below(24) as u64);
        let order =
            if input.byte() & 1 == 0 { GroupOrder::Ascending } else { GroupOrder::Descending };
        let end = RangeEnd {
            group: GroupId(a.max(b)),
            object: (last < 20).then_some(ObjectId(if a == b { first.max(last) } else { last })),
        };
        FetchSpan { start: Location::new(a.min(b), first), end, order }
    }

    fn fill(&mut self, source: SourceId, span: FetchSpan) {
        let rest = self.truth.span(&span).into();
        let feed = self.store.begin_fetch(source, span, Absence::Evidence);
        (self.tell)(format_args!("{source:?} fills {span:?} by {feed:?}"));
        self.fills.push(Fill { source, feed, end: span.end, rest, sent: None });
    }

    fn push_fill(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.fills.len());
        let chunk = input.byte();
        let Some(fill) = self.fills.get_mut(at) else { return };
        if let Some((location, sent)) = fill.sent {
            let payload = self.truth.payload(location);
            let end = payload.len().min(sent + 1 + usize::from(chunk) * 40);
            self.store
                .handle_payload(fill.feed, &payload.slice(sent..end))
                .expect("the truth does not contradict itself");
            fill.sent = (end < payload.len()).then_some((location, end));
            return;
        }
        let Some(location) = fill.rest.pop_front() else {
            let fill = self.fills.swap_remove(at);
            (self.tell)(format_args!("{:?} done", fill.feed));
            self.store
                .finish_fetch(fill.feed, Some(fill.end), self.now)
                .expect("the truth does not contradict itself");
            return;
        };
        (self.tell)(format_args!("{:?} brings {location}, {chunk}", fill.feed));
        if chunk % 16 == 15 {
            // The source does not know of this one.
            let item = FetchItem::EndOfRange(location, RangeMark::Unknown);
            self.store.handle_fetch_item(fill.feed, &item, self.now).expect("in order");
            return;
        }
        let payload = self.truth.payload(location);
        let delivery = self.truth.delivery(location);
        let priority = match delivery {
            Delivery::Subgroup(subgroup) => Priority(subgroup.0 as u8),
            Delivery::Datagram | Delivery::Unknown(_) => Priority(7),
        };
        let item = FetchItem::Object(FetchedObject {
            location,
            delivery,
            priority,
            properties: self.truth.properties(location),
            status: self.truth.status(location),
            payload_bytes: payload.len() as u64,
        });
        self.store
            .handle_fetch_item(fill.feed, &item, self.now)
            .expect("the truth does not contradict itself");
        fill.sent = (!payload.is_empty()).then_some((location, 0));
    }

    fn reset_fill(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.fills.len());
        if at < self.fills.len() {
            let fill = self.fills.swap_remove(at);
            (self.tell)(format_args!("{:?} reset", fill.feed));
            self.store.reset(fill.feed, ResetCode::Internal);
        }
    }

    fn evict(&mut self, input: &mut Input<'_>) {
        let (group, wanted) = (input.below(GROUPS), input.byte());
        let id = GroupId(group as u64);
        let freed = if wanted < 128 {
            (self.tell)(format_args!("evict {group}"));
            self.store.evict(id)
        } else {
            let wanted_bytes = usize::from(wanted - 127) * 500;
            (self.tell)(format_args!("trim {group} by {wanted_bytes}"));
            self.store.trim(id, wanted_bytes)
        };
        if freed > 0 {
            self.evicted.insert(group);
            self.live.iter_mut().for_each(|reader| reader.note_evicted(group));
        }
    }

    fn join(&mut self, input: &mut Input<'_>) {
        if input.byte() & 1 == 0 {
            let start = Location::new(input.below(GROUPS) as u64, input.below(4) as u64);
            (self.tell)(format_args!("a viewer joins at {start}"));
            self.live.push(LiveReader::new(&self.store, start));
        } else {
            let span = self.span(input);
            (self.tell)(format_args!("a fetch begins: {span:?}"));
            self.fetches.push(FetchReader::new(span, &self.truth, self.now));
        }
    }

    fn change_sources(&mut self, input: &mut Input<'_>) {
        if self.sources.len() < SOURCES_MAX && input.byte() & 1 == 0 {
            self.sources.push(self.store.add_source(SourceRules::default()));
            return;
        }
        let at = input.below(self.sources.len());
        if at >= self.sources.len() {
            return;
        }
        let gone = self.sources.swap_remove(at);
        (self.tell)(format_args!("{gone:?} is gone"));
        self.store.remove_source(gone, ResetCode::SessionClosed);
        self.streams.retain(|stream| stream.source != gone);
        self.fills.retain(|fill| fill.source != gone);
    }

    /// What must hold after every step.
    fn check(&self) {
        assert_eq!(self.store.malformed(), None);
        assert_eq!(self.store.largest(), self.largest);
        self.store.audit();
        for group in 0..GROUPS {
            let stored = self.truth.all(group);
            for &id in &stored {
                let at = Location::new(group as u64, id);
                let exists = self.truth.exists(at);
                assert!(!(exists && self.store.is_absent(at)), "{at} exists");
            }
            if self.store.is_group_complete(GroupId(group as u64)) {
                self.check_complete(group);
            }
        }
    }

    fn check_complete(&self, group: usize) {
        for id in self.truth.all(group) {
            let at = Location::new(group as u64, id);
            if self.truth.exists(at) {
                let stored = self.store.find(at).expect("a complete group has all its objects");
                assert!(stored.is_complete(), "{at} of a complete group is whole");
            }
        }
    }

    /// Everything ends; the readers take what is left.
    fn close(mut self) {
        (self.tell)(format_args!("everything ends"));
        for stream in std::mem::take(&mut self.streams) {
            self.store.reset(stream.feed, ResetCode::Cancelled);
        }
        for fill in std::mem::take(&mut self.fills) {
            self.store.reset(fill.feed, ResetCode::Cancelled);
        }
        self.check();
        for reader in &mut self.live {
            while reader.read(&mut self.store, &self.truth, 1 << 20) {}
            reader.check_all_ended();
        }
        for reader in &mut self.fetches {
            while let Some(unknown) =
                reader.read(&mut self.store, &self.truth, usize::MAX, self.now)
            {
                reader.give_up(&unknown);
            }
            reader.check_ended();
        }
        self.check_first_reader();
        self.store.evict_all();
        self.store.audit();
        assert_eq!(self.store.group_summaries().count(), 0);
    }

    /// The reader that was there from the beginning has every subgroup that could be had whole.
    fn check_first_reader(&self) {
        let reader = &self.live[0];
        for &(group, subgroup) in &self.whole {
            if self.evicted.contains(&group) || self.torn.contains(&(group, subgroup)) {
                continue;
            }
            let wanted = self.truth.subgroup(group, subgroup);
            let got = reader.objects(group, subgroup);
            assert_eq!(got, wanted, "group {group} subgroup {subgroup} came whole");
        }
        let kept = |at: &&Location| !self.evicted.contains(&(at.group.0 as usize));
        let sent: Vec<&Location> = self.datagrams.iter().filter(kept).collect();
        let got: Vec<&Location> = reader.datagrams().iter().filter(kept).collect();
        assert_eq!(got, sent, "datagrams came in order, each once");
    }
}

/// Copies of a payload never share memory with it, as receive buffers do not.
fn fresh(payload: &[u8]) -> Bytes {
    Bytes::copy_from_slice(payload)
}
