//! Requests and updates that came before one that they need: on streams of their own nothing keeps
//! them in order.
//!
//! A fetch joins a subscription (MOQT-18 §10.12.2), and in draft 17 any request or update may say
//! that its owner has to hear of another one first (MOQT-17 §9.2). What is needed counts as there once
//! the owner was told of it. Nothing waits longer than
//! [`early_wait`](super::SessionLimits::early_wait); there are no more of them than open requests and
//! their updates.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Session, SessionEvent};
use crate::model::{Request, RequestCode, RequestError, RequestId, RequestUpdate};

/// What waits.
#[derive(Debug)]
pub(super) struct Dependent {
    /// For this request or update.
    needed: RequestId,
    /// Its own id.
    id: RequestId,
    what: Held,
    until: Instant,
}

#[derive(Debug)]
pub(super) enum Held {
    /// A fetch; if what it joins does not come, its owner refuses it.
    Joining(Request),
    Request(Request),
    /// An update of another request.
    Update(RequestId, RequestUpdate),
}

/// All of a session.
#[derive(Debug, Default)]
pub(super) struct Dependents {
    /// Oldest first.
    waiting: VecDeque<Dependent>,
    /// What the owner was told of since, if anything waits.
    told: Vec<RequestId>,
}

impl Dependents {
    /// When the first is given up.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|first| first.until)
    }

    fn holds(&self, id: RequestId) -> bool {
        self.waiting.iter().any(|dependent| dependent.id == id)
    }

    /// What the last update of a request waits for, if it waits.
    fn update_awaits(&self, of: RequestId) -> Option<RequestId> {
        let is_of =
            |dependent: &&Dependent| matches!(dependent.what, Held::Update(id, _) if id == of);
        self.waiting.iter().rev().find(is_of).map(|dependent| dependent.needed)
    }

    /// The owner was, or never will be, told of a request or update.
    pub fn note(&mut self, id: RequestId) {
        if !self.waiting.is_empty() {
            self.told.push(id);
        }
    }
}

impl Session {
    /// Whether the owner has yet to be told of a request that the peer may still make.
    pub(super) fn is_missing(&self, needed: RequestId) -> bool {
        let has_come = self.requests.is_used_by_peer(needed) && !self.dependents.holds(needed);
        !self.requests_on_control() && !has_come
    }

    /// Keeps a request until another one is there.
    pub(super) fn wait_for(&mut self, needed: RequestId, id: RequestId, what: Held, now: Instant) {
        let until = now + self.config.limits.early_wait;
        self.dependents.waiting.push_back(Dependent { needed, id, what, until });
    }

    /// Tells the owner of an update, unless it has to wait for `needed`, or behind one that waits.
    pub(super) fn tell_update(
        &mut self,
        id: RequestId,
        update_id: RequestId,
        update: RequestUpdate,
        needed: Option<RequestId>,
        now: Instant,
    ) {
        let needed = self.dependents.update_awaits(id).or(needed);
        if let Some(needed) = needed.filter(|needed| self.is_missing(*needed)) {
            return self.wait_for(needed, update_id, Held::Update(id, update), now);
        }
        self.events.push_back(SessionEvent::Update { id, update_id, update });
        self.dependents.note(update_id);
    }

    /// Goes on with what waited for requests that the owner was told of now.
    pub(super) fn release_dependents(&mut self, now: Instant) {
        while let Some(told) = self.dependents.told.pop() {
            let waiting = std::mem::take(&mut self.dependents.waiting);
            let (ready, rest) = waiting.into_iter().partition(|waits| waits.needed == told);
            self.dependents.waiting = rest;
            for dependent in ready {
                self.go_on(dependent, now);
            }
        }
    }

    fn go_on(&mut self, dependent: Dependent, now: Instant) {
        let Dependent { id, what, .. } = dependent;
        match what {
            Held::Update(of, update) if self.requests.get(of).is_some() => {
                self.tell_update(of, id, update, None, now);
            }
            // Cancelled meanwhile.
            _ if self.requests.get(id).is_none() => self.dependents.note(id),
            Held::Request(request) => self.enter_request(id, request, now),
            Held::Joining(request) => self.tell_request(id, request),
            Held::Update(..) => {}
        }
    }

    /// Gives up what waited for too long.
    pub(super) fn expire_dependents(&mut self, now: Instant) {
        while self.dependents.deadline().is_some_and(|until| now >= until) {
            let Some(dependent) = self.dependents.waiting.pop_front() else { return };
            let Dependent { needed, id, what, .. } = dependent;
            match what {
                Held::Joining(request) => self.tell_request(id, request),
                Held::Request(_) => {
                    let reason = format!("request {needed}, which it needs, did not come in time");
                    self.refuse(id, RequestError::new(RequestCode::Timeout, reason));
                    self.dependents.note(id);
                }
                Held::Update(of, _) => {
                    self.events.push_back(SessionEvent::UpdateLapsed { id: of, update_id: id });
                    self.dependents.note(id);
                }
            }
        }
        self.release_dependents(now);
    }
}
