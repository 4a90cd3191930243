//! A scripted publisher: the tracks it serves, who takes them, and its answers to fetches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{
    DatagramHead, Delivery, DoneCode, Fetch, FetchItem, FetchOk, FetchRange, FetchedObject, Fill,
    FullTrackName, GroupId, GroupOrder, JoiningStart, Location, LocationFilter, ObjectHead,
    ObjectId, ObjectStatus, Priority, Properties, Publish, PublishOk, RangeEnd, Request,
    RequestCode, RequestError, RequestId, RequestOk, RequestUpdate, ResetCode, SubgroupHead,
    SubgroupId, SubgroupIdField, Subscribe, SubscribeOk, TrackAlias, TrackProperties, TrackStatus,
};
use sluice_proto::session::{CommandError, Session};
use sluice_proto::transport::Transport;
use sluice_proto::wire::Dialect;
use sluice_proto::wire::data::FetchEncoder;

use super::outgoing::{OutKey, OutKind, Outgoing};
use crate::content::{After, Batch, Carriage};
use crate::ledger::{Ledger, Published};

/// How long a joining fetch waits for a SUBSCRIBE that it overtook.
const EARLY_FETCH_WAIT: Duration = Duration::from_secs(2);

/// What a publisher does, beside its session.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    tracks: BTreeMap<FullTrackName, Served>,
    outgoing: Outgoing,
    fetches: BTreeSet<RequestId>,
    /// Fetches that were answered with objects, or with none.
    pub(crate) fetches_served: usize,
    /// Joining fetches that overtook their SUBSCRIBE (MOQT-18 §10.12.2).
    early: Vec<(RequestId, Fetch, Instant)>,
    /// Subscriptions to end once their data is out.
    ending: Vec<(RequestId, DoneCode)>,
}

/// One track of a publisher.
#[derive(Debug, Default)]
struct Served {
    history: BTreeMap<Location, (Published, Instant)>,
    /// What was handed to a stream or a datagram of some subscription.
    sent: BTreeSet<Location>,
    offered: bool,
    ended: bool,
    firsts: BTreeMap<(GroupId, SubgroupId), ObjectId>,
    largest: Option<Location>,
    links: BTreeMap<RequestId, Downlink>,
}

/// One subscription of a served track.
#[derive(Debug)]
struct Downlink {
    start: Location,
    end: Option<RangeEnd>,
    forward: bool,
    /// Largest location when the subscription began, where a joining fetch ends.
    joining: Option<Location>,
    streams: BTreeMap<(GroupId, SubgroupId), OpenSubgroup>,
}

#[derive(Debug)]
struct OpenSubgroup {
    key: OutKey,
    head: SubgroupHead,
    previous: Option<ObjectId>,
}

/// How a subscription at a publisher stands, for the check of demand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Demand {
    /// Whether objects are wanted.
    pub forward: bool,
}

impl Publisher {
    /// Adds a track without objects.
    pub(crate) fn serve(&mut self, track: FullTrackName) {
        self.tracks.entry(track).or_default();
    }

    /// The subscriptions of each served track.
    pub(crate) fn demand(&self, track: &FullTrackName) -> Vec<Demand> {
        let served = self.tracks.get(track);
        let links = served.into_iter().flat_map(|served| served.links.values());
        links.map(|link| Demand { forward: link.forward }).collect()
    }

    /// What was sent of a track.
    pub(crate) fn sent(&self, track: &FullTrackName) -> impl Iterator<Item = &Location> {
        self.tracks.get(track).into_iter().flat_map(|served| &served.sent)
    }

    /// Since when this publisher has an object.
    pub(crate) fn has_since(&self, track: &FullTrackName, location: Location) -> Option<Instant> {
        self.tracks.get(track)?.history.get(&location).map(|(_, since)| *since)
    }

    pub(crate) fn offers(&self, track: &FullTrackName) -> bool {
        self.tracks.get(track).is_some_and(|served| served.offered)
    }

    pub(crate) fn serves(&self, track: &FullTrackName) -> bool {
        self.tracks.get(track).is_some_and(|served| !served.ended)
    }

    /// Offers a track by PUBLISH.
    pub(crate) fn offer(&mut self, session: &mut Session, track: &FullTrackName, forward: bool) {
        let alias = session.next_alias();
        let served = self.tracks.entry(track.clone()).or_default();
        served.offered = true;
        let publish = Publish {
            track: track.clone(),
            alias,
            largest: served.largest,
            forward: Some(forward),
            ..Publish::default()
        };
        if let Ok(id) = session.request(Request::Publish(publish)) {
            let link = Downlink::new(LocationFilter::NextObject, forward, served.largest);
            served.links.insert(id, link);
        }
    }

    /// `says_all`: what this acceptance leaves out is the default; else it is what PUBLISH said.
    pub(crate) fn publish_accepted(&mut self, id: RequestId, ok: &PublishOk, says_all: bool) {
        let Some((served, link)) = self.link(id) else { return };
        if let Some(filter) = ok.filter {
            (link.start, link.end) = filter.resolve(*served);
        }
        link.forward = ok.forward.unwrap_or(says_all || link.forward);
    }

    fn link(&mut self, id: RequestId) -> Option<(&mut Option<Location>, &mut Downlink)> {
        self.tracks.values_mut().find_map(|served| {
            let link = served.links.get_mut(&id)?;
            Some((&mut served.largest, link))
        })
    }

    // Requests of the relay.

    pub(crate) fn subscribe(
        &mut self,
        session: &mut Session,
        id: RequestId,
        request: &Subscribe,
        now: Instant,
    ) {
        let served = self.tracks.get_mut(&request.track).filter(|served| !served.ended);
        let Some(served) = served else {
            let error = RequestError::new(RequestCode::DoesNotExist, "no such track");
            return session.refuse(id, error);
        };
        let alias = session.next_alias();
        let ok = SubscribeOk { alias, largest: served.largest, ..SubscribeOk::default() };
        session.subscribe_ok(id, ok);
        let forward = request.forward.unwrap_or(true);
        served.links.insert(id, Downlink::new(request.filter, forward, served.largest));
        if let Some(fill) = request.fill.as_ref().filter(|_| forward) {
            self.fill(session, &request.track, id, fill, request.filter);
        }
        for (id, fetch, _) in std::mem::take(&mut self.early) {
            self.fetch(session, id, &fetch, now);
        }
    }

    pub(crate) fn track_status(&self, session: &mut Session, id: RequestId, request: &TrackStatus) {
        match self.tracks.get(&request.track) {
            Some(served) => {
                session
                    .request_ok(id, RequestOk { largest: served.largest, ..RequestOk::default() });
            }
            None => {
                session.refuse(id, RequestError::new(RequestCode::DoesNotExist, "no such track"))
            }
        }
    }

    pub(crate) fn update(
        &mut self,
        session: &mut Session,
        id: RequestId,
        update_id: RequestId,
        update: &RequestUpdate,
    ) {
        let mut largest = None;
        if let Some((served_largest, link)) = self.link(id) {
            largest = *served_largest;
            if let Some(filter) = update.filter {
                (link.start, link.end) = filter.resolve(largest);
            }
            if let Some(forward) = update.forward {
                if forward && !link.forward {
                    link.joining = largest;
                }
                link.forward = forward;
            }
        }
        session.answer_update(id, update_id, Ok(RequestOk { largest, ..RequestOk::default() }));
        let track = self
            .tracks
            .iter()
            .find(|(_, served)| served.links.get(&id).is_some_and(|link| link.forward));
        if let (Some(fill), Some((track, _))) = (&update.fill, track) {
            let track = track.clone();
            self.fill(session, &track, update_id, fill, update.filter.unwrap_or_default());
        }
    }

    pub(crate) fn fetch(
        &mut self,
        session: &mut Session,
        id: RequestId,
        request: &Fetch,
        now: Instant,
    ) {
        if let FetchRange::Joining(subscription, _) = &request.range
            && self.link(*subscription).is_none()
        {
            return self.early.push((id, request.clone(), now + EARLY_FETCH_WAIT));
        }
        let answer = self.fetch_range(request).and_then(|(track, start, end)| {
            let served = self.tracks.get(&track).ok_or(RequestCode::DoesNotExist)?;
            let largest = served.largest.ok_or(RequestCode::InvalidRange)?;
            let last = match end {
                Some(end) if !end.includes(largest) => end,
                _ => RangeEnd { group: largest.group, object: Some(largest.object) },
            };
            if start > largest || !last.includes(start) {
                return Err(RequestCode::InvalidRange);
            }
            let found: Vec<_> = served
                .history
                .range(start..)
                .take_while(|(location, _)| last.includes(**location))
                .map(|(location, (object, _))| (*location, object.clone()))
                .collect();
            Ok((last, found))
        });
        let (end, found) = match answer {
            Ok(answer) => answer,
            Err(code) => return session.refuse(id, RequestError::new(code, "cannot be fetched")),
        };
        let order = request.order.unwrap_or_default();
        let properties = TrackProperties::default();
        session.fetch_ok(id, FetchOk { end_of_track: false, end, order: Some(order), properties });
        self.send_past(session, id, found, order);
        self.fetches.insert(id);
        self.fetches_served += 1;
    }

    /// Sends the past objects that a subscription or update asks for, if there are any.
    fn fill(
        &mut self,
        session: &mut Session,
        track: &FullTrackName,
        id: RequestId,
        fill: &Fill,
        filter: LocationFilter,
    ) {
        let Some(served) = self.tracks.get(track) else { return };
        let Some(largest) = served.largest else { return };
        let (start, end) = fill.filter.unwrap_or(filter).resolve(Some(largest));
        let found: Vec<_> = served
            .history
            .range(start..)
            .filter(|(at, _)| end.is_none_or(|end| end.includes(**at)))
            .map(|(location, (object, _))| (*location, object.clone()))
            .collect();
        if start <= largest {
            self.send_past(session, id, found, fill.order.unwrap_or_default());
        }
    }

    fn send_past(
        &mut self,
        session: &mut Session,
        id: RequestId,
        mut found: Vec<(Location, Published)>,
        order: GroupOrder,
    ) {
        if order == GroupOrder::Descending {
            found.sort_by_key(|(at, _)| (std::cmp::Reverse(at.group), at.object));
        }
        let Some(dialect) = session.dialect() else { return };
        let key = self.outgoing.open(id, OutKind::Fetch, 0);
        let mut encoder = FetchEncoder::new(dialect, order);
        for (location, object) in found {
            let mut frame = BytesMut::new();
            let item = FetchItem::Object(fetched(dialect, location, &object));
            if encoder.encode(&item, &mut frame).is_ok() {
                self.outgoing.push(key, frame.freeze());
                self.outgoing.push(key, object.payload);
            }
        }
        self.outgoing.finish(key);
    }

    /// Track and range of a fetch.
    fn fetch_range(
        &mut self,
        request: &Fetch,
    ) -> Result<(FullTrackName, Location, Option<RangeEnd>), RequestCode> {
        match &request.range {
            FetchRange::Standalone(track, filter) => {
                let largest = self.tracks.get(track).and_then(|served| served.largest);
                let (start, end) = filter.resolve(largest);
                Ok((track.clone(), start, end))
            }
            FetchRange::Joining(id, start) => {
                let found = self.tracks.iter().find_map(|(track, served)| {
                    served.links.get(id).map(|link| (track.clone(), link.joining))
                });
                let (track, joining) = found.ok_or(RequestCode::InvalidJoiningRequestId)?;
                let joining = joining.ok_or(RequestCode::InvalidRange)?;
                let group = match start {
                    JoiningStart::Relative(back) => joining.group.0.saturating_sub(*back),
                    JoiningStart::Absolute(group) => group.0,
                };
                let end = RangeEnd { group: joining.group, object: Some(joining.object) };
                Ok((track, Location::new(group, 0), Some(end)))
            }
        }
    }

    /// A request of the relay is over.
    pub(crate) fn ended(
        &mut self,
        session: &mut Session,
        transport: &mut dyn Transport,
        id: RequestId,
    ) {
        self.outgoing.cancel(id, session, transport);
        self.fetches.remove(&id);
        self.early.retain(|(early, ..)| *early != id);
        for served in self.tracks.values_mut() {
            served.links.remove(&id);
        }
    }

    pub(crate) fn stopped(&mut self, stream: sluice_proto::transport::StreamId) {
        self.outgoing.stopped(stream);
    }

    /// When a fetch has waited long enough for its subscription.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.early.iter().map(|(_, _, until)| *until).min()
    }

    pub(crate) fn pump(
        &mut self,
        session: &mut Session,
        transport: &mut dyn Transport,
        now: Instant,
    ) {
        self.early.retain(|(id, _, until)| {
            if *until <= now {
                let code = RequestCode::InvalidJoiningRequestId;
                session.refuse(*id, RequestError::new(code, "no such subscription"));
            }
            *until > now
        });
        self.outgoing.pump(session, transport);
        let outgoing = &self.outgoing;
        self.ending.retain(|(id, code)| {
            let waits = outgoing.has_streams_of(*id);
            if !waits {
                session.publish_done(*id, *code, "");
            }
            waits
        });
    }

    /// What the session refused to do for it.
    pub(crate) fn poll_refused(&mut self) -> Option<CommandError> {
        self.outgoing.refused.pop()
    }

    pub(crate) fn resume(&mut self) {
        self.outgoing.resume();
    }

    pub(crate) fn clear(&mut self) {
        self.outgoing.clear();
        for served in self.tracks.values_mut() {
            served.links.clear();
        }
    }

    /// Ends a track: PUBLISH_DONE to every subscription, after its data.
    pub(crate) fn end_track(&mut self, track: &FullTrackName, code: DoneCode) {
        let Some(served) = self.tracks.get_mut(track) else { return };
        served.ended = true;
        for (id, link) in std::mem::take(&mut served.links) {
            for open in link.streams.into_values() {
                self.outgoing.finish(open.key);
            }
            self.ending.push((id, code));
        }
    }

    // Objects.

    pub(crate) fn send(
        &mut self,
        session: &mut Session,
        transport: &mut dyn Transport,
        track: &FullTrackName,
        batch: &Batch,
        ledger: &mut Ledger,
        now: Instant,
    ) {
        let objects = ledger.publish(track, batch, now);
        if session.dialect().is_some_and(|dialect| !dialect.track_properties) {
            ledger.unflag(track);
        }
        let Publisher { tracks, outgoing, .. } = self;
        let Some(served) = tracks.get_mut(track) else { return };
        for (index, (location, object)) in objects.iter().enumerate() {
            let last = index + 1 == objects.len();
            if let Carriage::Subgroup(subgroup) = batch.carriage {
                served.firsts.entry((location.group, subgroup)).or_insert(location.object);
            }
            served.history.entry(*location).or_insert_with(|| (object.clone(), now));
            served.largest = served.largest.max(Some(*location));
            for (id, link) in &mut served.links {
                let mut sender = Sender { id: *id, link, outgoing, session, transport };
                match batch.carriage {
                    Carriage::Datagrams => {
                        if sender.datagram(*location, object, last && batch.end_of_group) {
                            served.sent.insert(*location);
                        }
                    }
                    Carriage::Subgroup(subgroup) => {
                        let first = served.firsts.get(&(location.group, subgroup))
                            == Some(&location.object);
                        let hold = batch.hold_after.filter(|_| last);
                        let end = batch.end_of_group;
                        if sender.object(subgroup, *location, object, end, first, hold) {
                            served.sent.insert(*location);
                        } else if !sender.link.passes(*location) {
                            // Its stream was reset, and what it held may be lost.
                            let lost = ledger.objects_of(track, location.group, subgroup);
                            served.sent.retain(|at| !lost.contains(at));
                        }
                    }
                }
            }
        }
        if let Carriage::Subgroup(subgroup) = batch.carriage {
            for (id, link) in &mut served.links {
                Sender { id: *id, link, outgoing, session, transport }
                    .after((batch.group, subgroup), batch.after);
            }
        }
    }
}

impl Downlink {
    fn new(filter: LocationFilter, forward: bool, largest: Option<Location>) -> Self {
        let (start, end) = filter.resolve(largest);
        // Only new objects: what the filter includes of the past is for fetches.
        Self { start, end, forward, joining: largest, streams: BTreeMap::new() }
    }

    fn passes(&self, location: Location) -> bool {
        self.forward && location >= self.start && self.end.is_none_or(|end| end.includes(location))
    }
}

/// Sends one track's objects to one subscription.
struct Sender<'a> {
    id: RequestId,
    link: &'a mut Downlink,
    outgoing: &'a mut Outgoing,
    session: &'a mut Session,
    transport: &'a mut dyn Transport,
}

impl Sender<'_> {
    fn object(
        &mut self,
        subgroup: SubgroupId,
        location: Location,
        object: &Published,
        end_of_group: bool,
        first: bool,
        hold: Option<usize>,
    ) -> bool {
        let key = (location.group, subgroup);
        let Some(dialect) = self.session.dialect() else { return false };
        if !self.link.passes(location) {
            // MOQT-18 §11.4.3: a stream that skips an object must not end with FIN.
            if let Some(open) = self.link.streams.remove(&key) {
                self.outgoing.reset(open.key, self.session, self.transport, ResetCode::Cancelled);
            }
            return false;
        }
        let (id, outgoing) = (self.id, &mut *self.outgoing);
        let open = self.link.streams.entry(key).or_insert_with(|| {
            let head = SubgroupHead {
                alias: TrackAlias(0),
                group: location.group,
                subgroup: SubgroupIdField::Id(subgroup),
                priority: stated_priority(dialect, object),
                properties: !object.properties.is_empty(),
                end_of_group,
                first_object: first,
            };
            let key = outgoing.open(id, OutKind::Subgroup(head.clone()), 0);
            OpenSubgroup { key, head, previous: None }
        });
        let head = ObjectHead {
            object: location.object,
            properties: block(dialect, object),
            status: ObjectStatus::Normal,
            payload_bytes: object.payload.len() as u64,
        };
        let mut frame = BytesMut::new();
        if dialect.encode_object(&open.head, open.previous, &head, &mut frame).is_err() {
            return false;
        }
        open.previous = Some(location.object);
        self.outgoing.push(open.key, frame.freeze());
        match hold {
            Some(bytes) if bytes < object.payload.len() => {
                self.outgoing.push(open.key, object.payload.slice(..bytes));
                self.outgoing.hold(open.key, object.payload.slice(bytes..));
            }
            _ => self.outgoing.push(open.key, object.payload.clone()),
        }
        true
    }

    fn datagram(&mut self, location: Location, object: &Published, end_of_group: bool) -> bool {
        let Some(dialect) = self.session.dialect().filter(|_| self.link.passes(location)) else {
            return false;
        };
        let head = DatagramHead {
            alias: TrackAlias(0),
            location,
            priority: stated_priority(dialect, object),
            properties: block(dialect, object),
            status: ObjectStatus::Normal,
            end_of_group,
        };
        // Lost if it does not fit or the queue is full: that is what datagrams are.
        let payload: [Bytes; 1] = [object.payload.clone()];
        self.session.send_datagram(self.transport, self.id, &head, &payload).is_ok()
    }

    fn after(&mut self, key: (GroupId, SubgroupId), after: After) {
        let open = match after {
            After::Open => return,
            After::Finish | After::Reset => self.link.streams.remove(&key),
        };
        match (open, after) {
            (Some(open), After::Finish) => self.outgoing.finish(open.key),
            (Some(open), _) => {
                self.outgoing.reset(open.key, self.session, self.transport, ResetCode::Cancelled);
            }
            (None, _) => {}
        }
    }
}

/// The priority that a header states: the track's is inherited where that can be said.
fn stated_priority(dialect: &Dialect, object: &Published) -> Option<Priority> {
    object.priority.or_else(|| (!dialect.inherits_priority()).then(Priority::default))
}

/// An object's properties, as this draft writes them.
fn block(dialect: &Dialect, object: &Published) -> Properties {
    Properties::from_entries(dialect.properties, object.properties.clone()).unwrap_or_default()
}

fn fetched(dialect: &Dialect, location: Location, object: &Published) -> FetchedObject {
    FetchedObject {
        location,
        delivery: match object.carriage {
            Carriage::Subgroup(subgroup) => Delivery::Subgroup(subgroup),
            Carriage::Datagrams => Delivery::Datagram,
        },
        priority: object.priority.unwrap_or_default(),
        properties: block(dialect, object),
        status: ObjectStatus::Normal,
        payload_bytes: object.payload.len() as u64,
    }
}
