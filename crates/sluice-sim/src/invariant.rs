//! What has to hold after every step, and what has to hold once a run is quiet.
//!
//! What arrives is checked as it arrives (`record`). Here: that no session of a well-behaved peer
//! broke, that memory is within its bounds, that everything owed arrived, that what the relay
//! takes from publishers is what viewers want, and that nothing is left when everyone is gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sluice_proto::model::{FullTrackName, Location, RequestId};
use sluice_proto::session::{Response, SessionEnd};

use crate::content::Carriage;
use crate::ledger::TrackLedger;
use crate::peer::{FetchView, Peer, View, ViewState};
use crate::record::{Fault, StreamEnd};
use crate::sim::{PeerId, Seat, Sim};

/// The longest that an object is under way from a publisher, losses included.
const UNDER_WAY_MAX: Duration = Duration::from_secs(1);

impl Sim {
    /// What holds after every step.
    #[track_caller]
    pub(crate) fn check_step(&self) {
        for (index, peer) in self.peers.iter().enumerate().filter(|(_, peer)| !peer.besieged) {
            if let Some(fault) = peer.faults.first() {
                panic!("peer {index} (draft {}): {fault}\n  {}", peer.draft, self.replay());
            }
            if let Some(SessionEnd::Violation { violation, .. }) = &peer.closed {
                panic!(
                    "the relay broke a rule: {violation:?}, says peer {index} (draft {})\n  {}",
                    peer.draft,
                    self.replay()
                );
            }
        }
        if let Err(fault) = self.relay.check_memory() {
            panic!("{fault}\n  {}", self.replay());
        }
    }

    /// That no rule was broken on a peer's side either: its session lives, or ended without error.
    #[track_caller]
    pub fn check_session(&self, peer: PeerId) {
        let dismissed = self.at(peer).served.is_some_and(|served| self.relay.dismissed(served));
        match &self.at(peer).closed {
            None | Some(SessionEnd::Local { .. }) => {}
            Some(SessionEnd::Peer { wire_code: 0, .. }) => {}
            // RFC 9000 §10.2: who closes says so once, and again only to who sends something within
            // a few round trips. Where that is lost, a silent client learns it by a stateless reset.
            Some(SessionEnd::Lost(reason)) if dismissed && reason == "reset by peer" => {}
            Some(end) => panic!("peer {} lost its session: {end:?}\n  {}", peer.0, self.replay()),
        }
    }

    /// That everything owed to a subscription arrived: every object from its beginning on that a
    /// publisher in `from` sent to the relay on a stream.
    #[track_caller]
    pub fn check_complete(&self, seat: Seat, from: &[PeerId]) {
        let view = self.view(seat);
        if self.was_behind(seat) {
            return;
        }
        if let Err(fault) = self.complete(self.at(seat.peer), view, from) {
            panic!("peer {}: {fault}\n  {}", seat.peer.0, self.replay());
        }
    }

    /// Whether a viewer could not keep up, and was moved on to the newest group.
    pub fn was_behind(&self, seat: Seat) -> bool {
        let track = &self.view(seat).received.track;
        self.at(seat.peer).served.is_some_and(|served| self.relay.was_behind(served, track))
    }

    fn complete(&self, viewer: &Peer, view: &View, from: &[PeerId]) -> Result<(), Fault> {
        let track = &view.received.track;
        let Some(floor) = view.floor.filter(|_| !view.inexact) else { return Ok(()) };
        if view.state != ViewState::Active && !matches!(view.state, ViewState::Ended(_)) {
            return Ok(());
        }
        let (_, end) = view.filter.resolve(view.largest);
        let Some(ledger) = self.ledger.track(track) else { return Ok(()) };
        for peer in from {
            for location in self.at(*peer).sent(track) {
                let wanted = *location >= floor && end.is_none_or(|end| end.includes(*location));
                if self.is_past_elsewhere(*peer, view, ledger, *location) {
                    continue;
                }
                let lossless = viewer.lossless && self.at(*peer).lossless;
                if wanted
                    && owed(ledger, *location, lossless)
                    && !view.received.complete.contains_key(location)
                {
                    return Err(format!(
                        "{track} {location} never came (peer {} sent it; the subscription began \
                         at {floor}); streams: {}",
                        peer.0,
                        streams(view)
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether another publisher was past an object about when this one sent it: a stream does not
    /// go back, so where a subgroup begins for viewers is decided by the first that reaches them.
    fn is_past_elsewhere(
        &self,
        by: PeerId,
        view: &View,
        ledger: &TrackLedger,
        location: Location,
    ) -> bool {
        let track = &view.received.track;
        let Some(object) = ledger.objects.get(&location) else { return false };
        let Carriage::Subgroup(subgroup) = object.carriage else { return false };
        let Some(since) = self.at(by).had_since(track, location) else { return false };
        let later = ledger.subgroups.get(&(location.group, subgroup)).into_iter().flatten();
        let others = || self.peers.iter().enumerate().filter(|(index, _)| *index != by.0);
        later.filter(|id| **id > location.object).any(|id| {
            let at = Location { group: location.group, object: *id };
            let soon = |had: Instant| had < since + UNDER_WAY_MAX;
            view.received.complete.get(&at).copied().is_some_and(soon)
                && others().any(|(_, peer)| peer.had_since(track, at).is_some_and(soon))
        })
    }

    /// That a fetch which ended with FIN left nothing out, and that a joining one ends exactly
    /// where its subscription begins.
    #[track_caller]
    pub fn check_fetch(&self, peer: PeerId, fetch: &FetchView) {
        if let Err(fault) = self.fetch_whole(peer, fetch) {
            panic!("peer {}: {fault}\n  {}", peer.0, self.replay());
        }
    }

    fn fetch_whole(&self, peer: PeerId, fetch: &FetchView) -> Result<(), Fault> {
        let received = &fetch.received;
        let track = &received.track;
        let whole = received.end == Some(StreamEnd::Finished) && received.marks.is_empty();
        let (Some(start), true) = (fetch.start, whole) else { return Ok(()) };
        let end = match (fetch.joins, &fetch.answer) {
            (Some((view, _)), _) => {
                let view = &self.at(peer).views()[view.index()];
                let twice = |at: &Location| view.received.complete.contains_key(at);
                if let Some((location, _)) = received.objects.iter().find(|(at, _)| twice(at))
                    && !view.inexact
                {
                    return Err(format!("{track} {location}: fetched and subscribed, both"));
                }
                view.largest
            }
            (None, Some(Ok(ok))) => Some(Location {
                group: ok.end.group,
                object: ok.end.object.unwrap_or(u64::MAX.into()),
            }),
            // Cancelled before the answer came.
            (None, _) if fetch.over => return Ok(()),
            (None, _) => return Err(format!("{track}: a fetch stream without FETCH_OK")),
        };
        let (Some(end), Some(ledger)) = (end, self.ledger.track(track)) else { return Ok(()) };
        let came = |at: &Location| received.objects.iter().any(|(location, _)| location == at);
        for location in ledger.objects.range(start..).map(|(at, _)| at).take_while(|at| **at <= end)
        {
            let mut holders = self.peers.iter().filter_map(|peer| peer.has_since(track, *location));
            if holders.any(|since| since <= fetch.asked_at) && !came(location) {
                return Err(format!(
                    "{track} {location}: left out of a fetch of {start} to {end} that ended with FIN"
                ));
            }
        }
        if let Some((location, _)) =
            received.objects.iter().find(|(at, _)| *at < start || *at > end)
        {
            return Err(format!("{track} {location}: outside of a fetch of {start} to {end}"));
        }
        Ok(())
    }

    /// That the relay takes from each publisher of a track what its viewers want: one
    /// subscription if there is a viewer, forwarding if one of them wants objects.
    #[track_caller]
    pub fn check_demand(&self, track: &FullTrackName) {
        let active =
            |view: &&View| view.received.track == *track && view.state == ViewState::Active;
        let views: Vec<&View> = self.peers.iter().flat_map(Peer::views).filter(active).collect();
        let forward = views.iter().any(|view| view.forward);
        for (index, peer) in self.peers.iter().enumerate().filter(|(_, peer)| peer.serves(track)) {
            let demand = peer.demand(track);
            let taken = demand.iter().any(|demand| demand.forward);
            let fault = if demand.len() > 1 && !peer.offers(track) {
                Some(format!("{} subscriptions", demand.len()))
            } else if views.is_empty() && (taken || !demand.is_empty() && !peer.offers(track)) {
                Some("still subscribed, though nobody watches".to_owned())
            } else if !views.is_empty() && demand.is_empty() && peer.can_be_found {
                Some(format!("not subscribed, though {} watch", views.len()))
            } else if !demand.is_empty() && taken != forward {
                Some(format!("forward is {taken}, and {forward} is wanted"))
            } else {
                None
            };
            if let Some(fault) = fault {
                panic!("{track} at publisher {index}: {fault}\n  {}", self.replay());
            }
        }
    }

    /// That every request was answered, and every ended session is an expected end.
    #[track_caller]
    pub fn check_answered(&self) {
        for (index, peer) in self.peers.iter().enumerate().filter(|(_, p)| p.closed.is_none()) {
            if !peer.reading {
                continue;
            }
            let answered = |id| peer.answers.iter().any(|(of, _)| *of == id);
            if let Some(id) = peer.asked.iter().copied().find(|id| !answered(*id)) {
                panic!("peer {index}: no answer to request {id}\n  {}", self.replay());
            }
            let pending = |view: &&View| view.state == ViewState::Pending;
            if let Some(view) = peer.views().iter().find(pending) {
                let track = &view.received.track;
                panic!("peer {index}: no answer to SUBSCRIBE {track}\n  {}", self.replay());
            }
            // A reset may overtake and swallow the head of its stream: then nobody can tell whose
            // end that was. The relay at least has none under way.
            let swallowed = |fetch: &FetchView| {
                let accepted = fetch.joins.is_some() || matches!(fetch.answer, Some(Ok(_)));
                accepted && fetch.received.stream.is_none() && !self.relay.has_fetches()
            };
            let unfinished = |fetch: &&FetchView| {
                !fetch.over && fetch.received.end.is_none() && !swallowed(fetch)
            };
            if let Some(fetch) = peer.fetches().iter().find(unfinished) {
                let track = &fetch.received.track;
                panic!(
                    "peer {index}: a fetch of {track} from {:?} has no end (answer {:?})\n  {}",
                    fetch.start,
                    fetch.answer,
                    self.replay()
                );
            }
        }
    }

    /// That a peer with an interest knows the namespaces that are published now, no others, and
    /// was offered every track that somebody offers.
    #[track_caller]
    pub fn check_interests(&self, peer: PeerId, tracks: &[FullTrackName]) {
        let watcher = self.at(peer);
        if watcher.closed.is_some() || !watcher.reading {
            return;
        }
        for (id, prefix, interest) in &watcher.interests {
            let accepted = |(of, answer): &(RequestId, Response)| {
                of == id && !matches!(answer, Response::Error(_))
            };
            if !watcher.answers.iter().any(accepted) {
                continue;
            }
            let living = || self.peers.iter().filter(|peer| peer.closed.is_none());
            let mut told = BTreeSet::new();
            for (_, suffix, there) in watcher.namespaces.iter().filter(|(of, ..)| of == id) {
                if *there {
                    told.insert(suffix.clone())
                } else {
                    told.remove(suffix)
                };
            }
            told.extend(watcher.heard.values().filter_map(|name| name.suffix(prefix)));
            let there: BTreeSet<_> = living()
                .filter(|peer| peer.can_be_found)
                .filter_map(|peer| peer.announced_name.as_ref()?.suffix(prefix))
                .collect();
            if interest.namespaces() && told != there {
                panic!(
                    "peer {}: told of {told:?}, there are {there:?}\n  {}",
                    peer.0,
                    self.replay()
                );
            }
            for track in tracks.iter().filter(|track| prefix.is_prefix_of(track.namespace())) {
                let offered = living().any(|peer| peer.serves(track) && peer.offers(track));
                let heard = watcher.views().iter().any(|view| view.received.track == *track);
                if interest.tracks() && offered && !heard {
                    panic!("peer {}: {track} was never offered\n  {}", peer.0, self.replay());
                }
            }
        }
    }

    /// That nothing is left: everyone leaves, and the relay forgets all of it.
    #[track_caller]
    pub fn check_all_gone(&mut self) {
        self.close_all();
        self.run_for(Duration::from_secs(60));
        if let Err(left) = self.relay.check_empty() {
            panic!("state is left after everyone is gone: {left}\n  {}", self.replay());
        }
    }
}

/// Whether an object that was sent has to arrive: not if its publisher reset the stream, nor as a
/// datagram where these are lost.
fn owed(ledger: &TrackLedger, location: Location, lossless: bool) -> bool {
    ledger.objects.get(&location).is_some_and(|object| match object.carriage {
        Carriage::Datagrams => lossless,
        Carriage::Subgroup(subgroup) => !ledger.reset.contains(&(location.group, subgroup)),
    })
}

fn streams(view: &View) -> String {
    let mut text = String::new();
    for stream in view.received.streams.values() {
        let ids = stream.objects.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(",");
        let subgroup = stream.subgroup.map_or("?".into(), |id| id.to_string());
        let end = match stream.end {
            None => "open".into(),
            Some(end) => format!("{end:?}"),
        };
        text.push_str(&format!("\n    {}:{subgroup} [{ids}] {end}", stream.head.group));
    }
    text
}
