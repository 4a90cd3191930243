//! REQUEST_UPDATE as it arrives: what may be updated, by whom, and how often.

use std::time::Instant;

use super::Session;
use super::requests::{Maker, Phase};
use crate::model::{
    Location, LocationFilter, RangeEnd, RequestId, RequestKind, RequestOk, RequestUpdate,
};
use crate::wire::{MessageKind, Violation, Widening};

impl Session {
    pub(super) fn handle_update(
        &mut self,
        id: RequestId,
        update_id: RequestId,
        mut update: RequestUpdate,
        now: Instant,
    ) {
        let Some(entry) = self.requests.get(id) else {
            return self.handle_late_update(id, update_id);
        };
        let (maker, kind) = (entry.maker, entry.kind);
        if maker == Maker::Us && kind == RequestKind::Subscribe {
            // Some publishers keep the stream alive with an update of the subscriber's own
            // request. It changes nothing; the answer is ignored there.
            return self.send_update_answer(id, update_id, Ok(RequestOk::default()));
        }
        let is_empty = update == RequestUpdate::default();
        if update_id == id && is_empty && !self.requests_on_control() {
            // Nor does that of clients which repeat the id of the stream's own request.
            return self.send_update_answer(id, update_id, Ok(RequestOk::default()));
        }
        if !self.take_peer_id(update_id, self.requests_on_control()) {
            return;
        }
        let message = MessageKind::RequestUpdate;
        if !self.may_update(maker, kind) {
            return self.violated(Violation::UnsuitableRequest { message, id: id.0 });
        }
        if let Err(violation) = self.tokens.resolve(&mut update.tokens) {
            return self.violated(violation);
        }
        if !self.note_filter(id, &mut update.filter) {
            return self.violated(Violation::UpdateWidens { id: id.0 });
        }
        self.grant_more(1);
        let max = self.config.limits.updates_max;
        if let Some(entry) = self.requests.get_mut(id) {
            entry.settings.forward = update.forward.unwrap_or(entry.settings.forward);
            entry.updates.push_back(update_id);
            if entry.updates.len() > max as usize {
                let (id, count) = (id.0, entry.updates.len() as u64);
                return self.violated(Violation::TooManyUpdates { id, count, max: max.into() });
            }
        }
        if update.fill.is_some() {
            self.fill_updates.insert(update_id, id);
        }
        self.tell_update(id, update_id, update, self.reading_needs, now);
    }

    /// An update of a request that is not open. It may have ended while this was on its way.
    fn handle_late_update(&mut self, id: RequestId, update_id: RequestId) {
        if !self.requests_on_control() {
            // A keep-alive as above breaks rules that are not worth a session either.
            let _ = self.requests.take_peer_id(update_id, false);
            return;
        }
        if !self.take_peer_id(update_id, true) {
            return;
        }
        self.grant_more(1);
        if !self.requests.has_been(id) {
            let message = MessageKind::RequestUpdate;
            self.violated(Violation::UnsuitableRequest { message, id: id.0 });
        }
    }

    /// Whether the peer may update such a request: one of its own, or a subscription that it took
    /// by our PUBLISH (MOQT-18 §10.9).
    fn may_update(&self, maker: Maker, kind: RequestKind) -> bool {
        let of_subscription = matches!(
            (maker, kind),
            (Maker::Peer, RequestKind::Subscribe) | (Maker::Us, RequestKind::Publish)
        );
        let any = self.fallback_dialect().updates_any_request;
        of_subscription || any && maker == Maker::Peer && kind != RequestKind::TrackStatus
    }

    /// Remembers a subscription's new filter. False if that widens it where it may not.
    fn note_filter(&mut self, id: RequestId, filter: &mut Option<LocationFilter>) -> bool {
        let widening = self.fallback_dialect().widening;
        let is_bound = widening != Widening::Free;
        let Some(entry) = self.requests.get_mut(id).filter(|_| is_bound) else { return true };
        let Some(new) = filter.as_mut().filter(|_| entry.phase == Phase::Open) else { return true };
        let (before, largest) = (entry.settings.filter, entry.settings.largest);
        let (first, _) = before.resolve(largest);
        if !matches!(before, LocationFilter::From(_) | LocationFilter::Range(..)) {
            // A subscriber that was not answered yet cannot know where it starts.
            *new = new.begin_at(first);
        }
        let (inner, outer) = (new.resolve(largest), before.resolve(largest));
        let fits = match widening {
            Widening::Forbidden => is_within(inner, outer),
            Widening::OfEnd | Widening::Free => inner.0 >= outer.0,
        };
        if fits {
            entry.settings.filter = *new;
        }
        fits
    }
}

fn is_within(inner: (Location, Option<RangeEnd>), outer: (Location, Option<RangeEnd>)) -> bool {
    let end_fits = match (inner.1, outer.1) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.group <= outer.group,
    };
    inner.0 >= outer.0 && end_fits
}
