//! One track we publish: what is kept of it, and everyone who takes it.

use std::collections::BTreeMap;

use sluice_proto::model::{
    Delivery, DoneCode, Fetch, FetchOk, FetchRange, Fill, FullTrackName, GroupId, GroupOrder,
    JoiningStart, Location, LocationFilter, ObjectId, ObjectStatus, Priority, Properties, Publish,
    PublishOk, RangeEnd, RequestCode, RequestError, RequestId, RequestUpdate, SubgroupId,
    Subscribe, SubscribeOk, TrackAlias, TrackProperties,
};
use sluice_proto::session::Session;
use sluice_proto::transport::{StreamId, Transport};

use super::PeerLimits;
use super::log::{Log, cost};
use super::outgoing::{OutFetch, Outgoing};
use crate::object::Object;

/// A group of a track we publish.
#[derive(Default)]
pub(super) struct LocalGroup {
    /// Objects of each subgroup, in the order they were written.
    pub subgroups: BTreeMap<SubgroupId, Log>,
    /// Objects that go in datagrams.
    pub datagrams: Vec<Object>,
    /// Whether nothing more comes.
    pub ended: bool,
}

impl LocalGroup {
    fn objects(&self) -> impl Iterator<Item = &Object> {
        self.subgroups.values().flat_map(Log::iter).chain(&self.datagrams)
    }
}

/// A track we publish.
pub(super) struct Publication {
    track: FullTrackName,
    alias: TrackAlias,
    properties: TrackProperties,
    priority: Priority,
    groups: BTreeMap<GroupId, LocalGroup>,
    largest: Option<Location>,
    /// What the held objects cost.
    held_bytes: usize,
    /// The largest location that is no longer held.
    forgotten: Option<Location>,
    ended: bool,
    takers: BTreeMap<RequestId, Outgoing>,
    fetches: Vec<OutFetch>,
    reported_backlog: usize,
    backlog: usize,
}

impl Publication {
    pub fn new(track: FullTrackName, alias: TrackAlias, properties: TrackProperties) -> Self {
        // Properties that the drafts forbid are refused by who receives them.
        let settings = properties.settings().unwrap_or_default();
        Self {
            track,
            alias,
            properties,
            priority: settings.priority.unwrap_or_default(),
            groups: BTreeMap::new(),
            largest: None,
            held_bytes: 0,
            forgotten: None,
            ended: false,
            takers: BTreeMap::new(),
            fetches: Vec::new(),
            reported_backlog: 0,
            backlog: 0,
        }
    }

    pub fn track(&self) -> &FullTrackName {
        &self.track
    }

    pub fn properties(&self) -> &TrackProperties {
        &self.properties
    }

    /// Publisher priority of objects that name none.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    pub fn largest(&self) -> Option<Location> {
        self.largest
    }

    /// Subscribers that want objects.
    pub fn demand(&self) -> usize {
        self.takers.values().filter(|taker| taker.wants_objects()).count()
    }

    pub fn write(&mut self, object: Object) {
        if self.ended {
            return;
        }
        self.largest = self.largest.max(Some(object.location));
        self.held_bytes += cost(&object);
        let group = self.groups.entry(object.location.group).or_default();
        match object.delivery {
            Delivery::Subgroup(subgroup) | Delivery::Unknown(subgroup) => {
                group.subgroups.entry(subgroup).or_default().push(object);
            }
            Delivery::Datagram => group.datagrams.push(object),
        }
    }

    /// Adds the End of Group object, so that nobody has to ask whether more of the group exists,
    /// and ends its streams.
    pub fn end_group(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id).filter(|group| !group.ended) else { return };
        group.ended = true;
        let objects = group.objects();
        let last = objects.map(|object| object.location.object).max();
        // Datagrams may be lost, so a group of them alone has no certain end.
        let first_subgroup = group.subgroups.keys().next().copied();
        if let (Some(next), Some(subgroup)) = (last.and_then(ObjectId::next), first_subgroup) {
            self.write(mark(
                Location { group: id, object: next },
                subgroup,
                ObjectStatus::EndOfGroup,
            ));
        }
    }

    /// Adds the End of Track object and ends every group.
    pub fn end(&mut self) {
        if self.ended {
            return;
        }
        let end = self.end_of_track();
        self.write(end);
        self.ended = true;
        for group in self.groups.values_mut() {
            group.ended = true;
        }
    }

    /// On the last group's stream if that is still open, else as a group of its own.
    fn end_of_track(&self) -> Object {
        let open = self.groups.iter().next_back().filter(|(_, group)| !group.ended);
        let location = match (open, self.largest) {
            (Some((id, _)), Some(largest)) if *id == largest.group => {
                Location { group: *id, object: largest.object.next().unwrap_or(largest.object) }
            }
            (_, Some(largest)) => Location::new(largest.group.0.saturating_add(1), 0),
            (_, None) => Location::ZERO,
        };
        let subgroup =
            open.and_then(|(_, group)| group.subgroups.keys().next().copied()).unwrap_or_default();
        mark(location, subgroup, ObjectStatus::EndOfTrack)
    }

    /// The offer of this track. Nothing is sent before the answer wants it: where the answer
    /// cannot say so itself, an objection would come too late.
    pub fn offer(&self) -> Publish {
        Publish {
            forward: Some(false),
            track: self.track.clone(),
            alias: self.alias,
            largest: self.largest,
            properties: self.properties.clone(),
            ..Publish::default()
        }
    }

    pub fn offered(&mut self, id: RequestId) {
        let start = LocationFilter::NextObject.resolve(self.largest).0;
        self.takers.insert(id, Outgoing::offered(id, self.alias, start));
    }

    /// `says_all`: whether the answer has all settings, so that silence means the default.
    pub fn offer_accepted(&mut self, id: RequestId, ok: &PublishOk, says_all: bool) {
        let largest = self.largest;
        if let Some(taker) = self.takers.get_mut(&id) {
            taker.accepted(ok, says_all, largest);
        }
    }

    pub fn subscribed(&mut self, id: RequestId, request: &Subscribe) -> SubscribeOk {
        let (start, end) = request.filter.resolve(self.largest);
        let forward = request.forward.unwrap_or(true);
        self.takers.insert(id, Outgoing::subscribed(id, self.alias, start, end, forward));
        if let Some(taker) = self.takers.get_mut(&id) {
            taker.joined_at(self.largest);
        }
        SubscribeOk {
            alias: self.alias,
            largest: self.largest,
            properties: self.properties.clone(),
            ..SubscribeOk::default()
        }
    }

    pub fn update(&mut self, id: RequestId, update: &RequestUpdate) {
        let largest = self.largest;
        if let Some(taker) = self.takers.get_mut(&id) {
            taker.update(update, largest);
        }
    }

    pub fn left(&mut self, id: RequestId) {
        if let Some(taker) = self.takers.get_mut(&id) {
            taker.leave();
        }
        for fetch in &mut self.fetches {
            if fetch.id() == id {
                fetch.cancel();
            }
        }
    }

    pub fn stopped(&mut self, stream: StreamId) {
        for taker in self.takers.values_mut() {
            taker.stopped(stream);
        }
        for fetch in &mut self.fetches {
            fetch.stopped(stream);
        }
    }

    pub fn acked(&mut self, stream: StreamId) {
        for taker in self.takers.values_mut() {
            taker.acked(stream);
        }
        for fetch in &mut self.fetches {
            fetch.acked(stream);
        }
    }

    /// Answers a FETCH from what is kept.
    pub fn fetch(&mut self, id: RequestId, request: &Fetch) -> Result<FetchOk, RequestError> {
        let largest = self.largest.ok_or_else(|| {
            RequestError::new(RequestCode::InvalidRange, "nothing has been published yet")
        })?;
        let (start, end) = match &request.range {
            FetchRange::Standalone(_, filter) => {
                let (start, end) = filter.resolve(Some(largest));
                let whole = RangeEnd { group: largest.group, object: Some(largest.object) };
                (start, end.unwrap_or(whole))
            }
            FetchRange::Joining(subscription, joining) => {
                self.joining_range(*subscription, *joining)?
            }
        };
        if start > largest {
            let reason = format!("the range starts at {start}, the largest object is {largest}");
            return Err(RequestError::new(RequestCode::InvalidRange, reason));
        }
        self.check_held(start)?;
        let end = if end.includes(largest) {
            RangeEnd { group: largest.group, object: Some(largest.object) }
        } else {
            end
        };
        let order = request.order.unwrap_or_default();
        self.fetches.push(OutFetch::new(id, order, self.objects(start, end, order)));
        Ok(FetchOk {
            end_of_track: self.ended && end.includes(largest),
            end,
            order: Some(order),
            properties: self.properties.clone(),
        })
    }

    fn joining_range(
        &self,
        subscription: RequestId,
        joining: JoiningStart,
    ) -> Result<(Location, RangeEnd), RequestError> {
        let join = self.takers.get(&subscription).and_then(Outgoing::join).ok_or_else(|| {
            RequestError::new(RequestCode::InvalidRange, "the subscription began with nothing")
        })?;
        let group = match joining {
            JoiningStart::Relative(back) => join.group.0.saturating_sub(back),
            JoiningStart::Absolute(group) => group.0,
        };
        Ok((Location::new(group, 0), RangeEnd { group: join.group, object: Some(join.object) }))
    }

    fn check_held(&self, start: Location) -> Result<(), RequestError> {
        match self.forgotten {
            Some(forgotten) if start <= forgotten => {
                let reason = format!("objects up to {forgotten} are no longer held");
                Err(RequestError::new(RequestCode::InvalidRange, reason))
            }
            _ => Ok(()),
        }
    }

    /// Opens a fill stream for what lies between the fill's start and the largest object.
    pub fn fill(&mut self, subscription: RequestId, carrier: RequestId, fill: &Fill) {
        let Some(taker) = self.takers.get(&subscription) else { return };
        let Some(largest) = taker.join().filter(|_| taker.wants_objects()) else { return };
        let filter = fill.filter.unwrap_or_default();
        let (start, end) = filter.resolve(Some(largest));
        let whole = RangeEnd { group: largest.group, object: Some(largest.object) };
        let end = end.filter(|end| !end.includes(largest)).unwrap_or(whole);
        if start > largest || self.check_held(start).is_err() {
            return;
        }
        let order = fill.order.unwrap_or_default();
        self.fetches.push(OutFetch::new(carrier, order, self.objects(start, end, order)));
    }

    fn objects(&self, start: Location, end: RangeEnd, order: GroupOrder) -> Vec<Object> {
        let mut groups: Vec<_> = self.groups.range(start.group..).collect();
        if order == GroupOrder::Descending {
            groups.reverse();
        }
        let mut objects = Vec::new();
        for (_, group) in groups {
            let mut inside: Vec<&Object> = group
                .objects()
                .filter(|object| object.location >= start && end.includes(object.location))
                .filter(|object| object.status == ObjectStatus::Normal)
                .collect();
            inside.sort_by_key(|object| object.location);
            objects.extend(inside.into_iter().cloned());
        }
        objects
    }

    /// Hands over what the connection takes, and forgets what everyone has.
    pub fn pump(
        &mut self,
        session: &mut Session,
        transport: &mut dyn Transport,
        limits: &PeerLimits,
    ) {
        for taker in self.takers.values_mut() {
            taker.pump(&self.groups, session, transport);
        }
        for fetch in &mut self.fetches {
            fetch.pump(session, transport);
        }
        self.fetches.retain(|fetch| !fetch.is_done());
        self.takers.retain(|_, taker| !taker.has_left());
        self.backlog = self.takers.values().map(|taker| taker.backlog(&self.groups)).sum();
        while self.groups.len() > limits.groups_retained_max {
            let Some((&oldest, _)) = self.groups.iter().next() else { break };
            if !self.takers.values().all(|taker| taker.has_passed(oldest, &self.groups)) {
                break;
            }
            for object in self.groups.remove(&oldest).iter().flat_map(LocalGroup::objects) {
                self.held_bytes -= cost(object);
                self.forgotten = self.forgotten.max(Some(object.location));
            }
            for taker in self.takers.values_mut() {
                taker.forget(oldest);
            }
        }
        self.forget_sent(limits.retained_bytes_max);
    }

    /// Forgets the beginning of a group that grows too large, as far as every subscriber has it.
    fn forget_sent(&mut self, held_bytes_max: usize) {
        let Self { groups, takers, held_bytes, forgotten, .. } = self;
        for (group, local) in groups {
            for (subgroup, log) in &mut local.subgroups {
                while *held_bytes > held_bytes_max {
                    let position = log.first();
                    let Some(location) = log.get(position).map(|object| object.location) else {
                        break;
                    };
                    let key = (*group, *subgroup);
                    if !takers.values().all(|taker| taker.is_past(key, position, location)) {
                        break;
                    }
                    *held_bytes -= log.forget_first().as_ref().map_or(0, cost);
                    *forgotten = (*forgotten).max(Some(location));
                }
            }
        }
    }

    /// The backlog, if it changed enough for a waiting writer to care.
    pub fn changed_backlog(&mut self) -> Option<usize> {
        (self.backlog != self.reported_backlog).then(|| {
            self.reported_backlog = self.backlog;
            self.backlog
        })
    }

    /// Whether the track has ended and everyone has all of it.
    pub fn is_delivered(&self) -> bool {
        self.ended
            && self.fetches.is_empty()
            && self.takers.values().all(|taker| taker.is_drained(&self.groups))
    }

    /// Says PUBLISH_DONE to everyone.
    pub fn done(self, session: &mut Session) {
        for id in self.takers.into_keys() {
            session.publish_done(id, DoneCode::TrackEnded, "the track ended");
        }
    }
}

/// An object that says where something ends.
fn mark(location: Location, subgroup: SubgroupId, status: ObjectStatus) -> Object {
    Object {
        location,
        delivery: Delivery::Subgroup(subgroup),
        priority: None,
        properties: Properties::default(),
        status,
        payload: bytes::Bytes::new(),
    }
}
