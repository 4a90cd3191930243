//! Objects as they come in.

use std::time::Instant;

use sluice_proto::model::{
    Delivery, FetchItem, ObjectHead, ObjectStatus, ObjectStreamHead, Properties, RequestId,
    ResetCode, SubgroupIdField,
};
use sluice_proto::session::SessionEvent;
use sluice_proto::transport::StreamId;

use super::{InStream, Role, Shard};
use crate::ids::{SessionKey, TrackId};
use crate::report::Traffic;
use crate::store::{Change, FeedKey, MalformedTrack, SubgroupStart, TrackStore};

impl Shard {
    pub(super) fn handle_data(&mut self, key: SessionKey, event: SessionEvent, now: Instant) {
        match event {
            SessionEvent::SubgroupOpened { stream, id, head } => {
                let Some(track_id) = self.upstream_track(key, id) else { return };
                self.note_stream(track_id, key, id);
                let Some(track) = self.tracks.get_mut(&track_id) else { return };
                let Some(source) = track.upstream_of(key, id).and_then(|up| up.source) else {
                    return;
                };
                let start = SubgroupStart {
                    group: head.group,
                    subgroup: head.subgroup,
                    priority: head.priority,
                    properties: head.properties,
                    end_of_group: head.end_of_group,
                    first_object: head.first_object,
                    order: None,
                };
                match track.store.begin_subgroup(source, start) {
                    Ok(feed) => {
                        let inbound = InStream { track: track_id, request: id, feed };
                        if let Some(entry) = self.entry_mut(key) {
                            entry.streams_in.insert(stream, inbound);
                        }
                    }
                    Err(malformed) => self.malformed(track_id, key, &malformed.to_string()),
                }
            }
            SessionEvent::ObjectOpened { stream, id, head } => {
                self.object_opened(key, stream, id, &head, now);
            }
            SessionEvent::FetchOpened { stream, id } => self.fetch_stream_opened(key, stream, id),
            SessionEvent::Object { stream, head } => {
                let work = |store: &mut TrackStore, feed| store.handle_object(feed, &head, now);
                self.with_feed(key, stream, Traffic::OBJECT, work);
            }
            SessionEvent::FetchItem { stream, mut item } => {
                if self.is_link(key) {
                    doubt_delivery(&mut item);
                }
                let is_object = matches!(item, FetchItem::Object(_));
                let arrived = if is_object { Traffic::OBJECT } else { Traffic::default() };
                let work = |store: &mut TrackStore, feed| store.handle_fetch_item(feed, &item, now);
                self.with_feed(key, stream, arrived, work);
            }
            SessionEvent::Payload { stream, data } => {
                let work = |store: &mut TrackStore, feed| store.handle_payload(feed, &data);
                self.with_feed(key, stream, Traffic::payload(data.len()), work);
            }
            SessionEvent::DataFinished { stream } => self.stream_finished(key, stream, now),
            SessionEvent::DataReset { stream, code } => self.stream_reset(key, stream, code, now),
            SessionEvent::Datagram { id, head, payload } => {
                let Some(track_id) = self.upstream_track(key, id) else { return };
                let Some(track) = self.tracks.get_mut(&track_id) else { return };
                let Some(source) = track.upstream_of(key, id).and_then(|up| up.source) else {
                    return;
                };
                let arrived = Traffic { objects: 1, bytes: payload.len() as u64 };
                let arrived = self.count_arrived(key, arrived);
                let Some(track) = self.tracks.get_mut(&track_id) else { return };
                track.arrived += arrived;
                let result = track.store.handle_datagram(source, &head, &payload, now);
                self.changed(track_id, key, result);
            }
            SessionEvent::Malformed { id, violation } => {
                if let Some(track_id) = self.upstream_track(key, id) {
                    self.malformed(track_id, key, &violation.to_string());
                }
            }
            _ => {}
        }
    }

    /// An object that has a stream of its own: a subgroup of one object.
    fn object_opened(
        &mut self,
        key: SessionKey,
        stream: StreamId,
        id: RequestId,
        head: &ObjectStreamHead,
        now: Instant,
    ) {
        let Some(track_id) = self.upstream_track(key, id) else { return };
        let counter = self.counter_of(key, id);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let Some(source) = track.upstream_of(key, id).and_then(|up| up.source) else { return };
        let (group, largest) = (head.location.group, track.store.largest());
        let Some(group) = track.numbering.place(counter, group, largest) else { return };
        self.note_stream(track_id, key, id);
        let start = SubgroupStart {
            group,
            subgroup: SubgroupIdField::FirstObject,
            priority: Some(head.order.priority()),
            properties: false,
            end_of_group: false,
            first_object: true,
            order: Some(head.order),
        };
        let object = ObjectHead {
            object: head.location.object,
            properties: Properties::default(),
            status: ObjectStatus::Normal,
            payload_bytes: head.payload_bytes.unwrap_or_default(),
        };
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let feed = match track.store.begin_subgroup(source, start) {
            Ok(feed) => feed,
            Err(malformed) => return self.malformed(track_id, key, &malformed.to_string()),
        };
        let change = match head.payload_bytes {
            Some(_) => track.store.handle_object(feed, &object, now),
            None => track.store.handle_object_to_end(feed, &object, now),
        };
        if let Some(entry) = self.entry_mut(key) {
            entry.streams_in.insert(stream, InStream { track: track_id, request: id, feed });
        }
        let arrived = self.count_arrived(key, Traffic::OBJECT);
        if let Some(track) = self.tracks.get_mut(&track_id) {
            track.arrived += arrived;
        }
        self.changed(track_id, key, change);
    }

    fn upstream_track(&self, key: SessionKey, id: RequestId) -> Option<TrackId> {
        match self.entry(key)?.requests.get(&id)? {
            Role::Upstream(track) => Some(*track),
            _ => None,
        }
    }

    /// Gives a stream's data to its track's store.
    fn with_feed(
        &mut self,
        key: SessionKey,
        stream: StreamId,
        arrived: Traffic,
        work: impl FnOnce(&mut TrackStore, FeedKey) -> Result<Change, MalformedTrack>,
    ) {
        let Some(inbound) = self.entry(key).and_then(|e| e.streams_in.get(&stream)).copied() else {
            return;
        };
        let arrived = self.count_arrived(key, arrived);
        let Some(track) = self.tracks.get_mut(&inbound.track) else { return };
        track.arrived += arrived;
        let result = work(&mut track.store, inbound.feed);
        self.changed(inbound.track, key, result);
    }

    /// Counts what a publisher brought; what of it counts for its track too. What another shard
    /// brings was counted there.
    fn count_arrived(&mut self, key: SessionKey, arrived: Traffic) -> Traffic {
        let publisher = self.entry_mut(key).filter(|entry| entry.link.is_none());
        let Some(entry) = publisher else { return Traffic::default() };
        entry.arrived += arrived;
        self.arrived += arrived;
        arrived
    }

    pub(super) fn changed(
        &mut self,
        track: TrackId,
        by: SessionKey,
        result: Result<Change, MalformedTrack>,
    ) {
        match result {
            Ok(Change::None) => {}
            Ok(Change::Stored | Change::Live) => {
                self.fresh.insert(track);
                self.touched.insert(track);
            }
            Err(malformed) => self.malformed(track, by, &malformed.to_string()),
        }
    }

    fn stream_finished(&mut self, key: SessionKey, stream: StreamId, now: Instant) {
        let taken = self.entry_mut(key).and_then(|entry| entry.streams_in.remove(&stream));
        let Some(inbound) = taken else { return };
        if self.finish_up_fetch(key, inbound, now) {
            return;
        }
        let Some(track) = self.tracks.get_mut(&inbound.track) else { return };
        let result = track.store.finish(inbound.feed);
        self.changed(inbound.track, key, result);
        self.fresh.insert(inbound.track);
        self.note_stream_end(inbound.track, key, inbound.request, now);
    }

    fn stream_reset(&mut self, key: SessionKey, stream: StreamId, code: ResetCode, now: Instant) {
        let taken = self.entry_mut(key).and_then(|entry| entry.streams_in.remove(&stream));
        let Some(inbound) = taken else { return };
        let is_lost = match code {
            ResetCode::SessionClosed => true,
            // Another shard cancels what it has no publisher for any more.
            ResetCode::Cancelled => self.is_link(key),
            _ => false,
        };
        let until = now + self.limits.subgroup_hold;
        if let Some(track) = self.tracks.get_mut(&inbound.track) {
            if is_lost {
                track.lose_feed(inbound.feed, code, until);
            } else {
                track.store.reset(inbound.feed, code);
            }
        }
        self.fresh.insert(inbound.track);
        self.touched.insert(inbound.track);
        let is_fetch = self
            .tracks
            .get(&inbound.track)
            .is_some_and(|track| track.up_fetches.values().any(|f| f.feed == inbound.feed));
        if is_fetch {
            self.up_fetch_failed(key, inbound.request, inbound.track);
        } else {
            self.note_stream_end(inbound.track, key, inbound.request, now);
        }
    }

    pub(super) fn handle_out_stopped(&mut self, key: SessionKey, stream: StreamId) {
        for track in self.tracks.values_mut() {
            for (who, down) in &mut track.downstreams {
                if who.session == key && down.stopped(stream) {
                    return;
                }
            }
            let stopped = track
                .fetches
                .iter_mut()
                .find(|(who, fetch)| who.session == key && fetch.stream == Some(stream))
                .map(|(who, fetch)| (*who, fetch.stopped()));
            if let Some((who, is_over)) = stopped {
                if is_over {
                    track.fetches.remove(&who);
                }
                return;
            }
        }
    }
}

/// Another shard may have it of a publisher whose draft does not tell a fetched datagram from a
/// subgroup with the object's own id, and links speak a draft that does.
fn doubt_delivery(item: &mut FetchItem) {
    if let FetchItem::Object(object) = item
        && let Delivery::Subgroup(subgroup) = object.delivery
        && subgroup.0 == object.location.object.0
    {
        object.delivery = Delivery::Unknown(subgroup);
    }
}
