//! A scripted viewer: its subscriptions and fetches, and what each of them received.

use std::collections::BTreeMap;
use std::time::Instant;

use sluice_proto::model::{
    Fetch, FetchOk, FetchRange, FullTrackName, GroupOrder, JoiningStart, Location, LocationFilter,
    Publish, PublishOk, Request, RequestError, RequestId, RequestUpdate, ResetCode, Subscribe,
    SubscribeOk,
};
use sluice_proto::session::{CommandError, RequestEnd, Session, SessionEvent};
use sluice_proto::transport::StreamId;
use sluice_proto::wire::JoiningFetch;

use crate::ledger::Ledger;
use crate::record::{Fault, Fetched, Received, StreamEnd};

/// Names a subscription of a peer, in the order they were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ViewId(pub(crate) usize);

impl ViewId {
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// Names a fetch of a peer, in the order they were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FetchId(pub(crate) usize);

/// How a subscription stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ViewState {
    /// Asked, not answered.
    Pending,
    /// Accepted.
    Active,
    /// Refused.
    Refused(RequestError),
    /// Over by the relay's will.
    Ended(RequestEnd),
    /// Cancelled by the viewer, or its session is gone.
    Left,
}

/// One subscription.
#[derive(Clone, Debug)]
pub struct View {
    pub(super) request: RequestId,
    /// How it stands.
    pub state: ViewState,
    /// What it asked for.
    pub filter: LocationFilter,
    /// Whether it wants objects now.
    pub forward: bool,
    /// The largest location when it was accepted.
    pub largest: Option<Location>,
    /// When it was asked for.
    pub asked_at: Instant,
    /// When it was answered.
    pub answered_at: Option<Instant>,
    /// What came.
    pub received: Received,
    /// The fetch or fill that came with it.
    pub join: Option<FetchId>,
    /// Everything from here on has to arrive, unless the scenario excuses it.
    pub floor: Option<Location>,
    /// It changed what it wants on the way, so that nothing in particular is owed to it.
    pub inexact: bool,
}

/// One fetch or fill.
#[derive(Clone, Debug)]
pub struct FetchView {
    pub(super) request: RequestId,
    /// FETCH_OK or the refusal; a fill has none of its own.
    pub answer: Option<Result<FetchOk, RequestError>>,
    /// First location asked for, once known.
    pub start: Option<Location>,
    /// What came.
    pub received: Fetched,
    /// When it was asked for.
    pub asked_at: Instant,
    /// Whether it joins a subscription: its end is where that begins.
    pub joins: Option<(ViewId, u64)>,
    /// Over without an end of its stream: refused, cancelled, or empty.
    pub over: bool,
}

/// All subscriptions and fetches of a peer.
#[derive(Debug, Default)]
pub(crate) struct Viewer {
    pub(super) views: Vec<View>,
    pub(super) fetches: Vec<FetchView>,
    streams: BTreeMap<StreamId, Target>,
    /// Whether offers by PUBLISH are accepted, and with which forward state.
    pub(crate) accepts: Option<bool>,
}

/// What a data stream belongs to.
#[derive(Clone, Copy, Debug)]
enum Target {
    View(usize),
    Fetch(usize),
}

impl Viewer {
    pub(crate) fn subscribe(
        &mut self,
        session: &mut Session,
        mut subscribe: Subscribe,
        join: Option<u64>,
        now: Instant,
    ) -> Result<ViewId, CommandError> {
        let view = ViewId(self.views.len());
        let joining =
            session.dialect().is_some_and(|dialect| dialect.joining_fetch != JoiningFetch::None);
        if let Some(back) = join
            && !joining
        {
            let fill = sluice_proto::model::Fill {
                filter: Some(LocationFilter::RelativeGroup(back + 1)),
                ..Default::default()
            };
            subscribe.fill = Some(fill);
        }
        let (track, filter) = (subscribe.track.clone(), subscribe.filter);
        // A fill inherits what it does not say of its own; a joining fetch says it.
        let order =
            if joining { GroupOrder::Ascending } else { subscribe.order.unwrap_or_default() };
        let forward = subscribe.forward.unwrap_or(true);
        let request = session.request(Request::Subscribe(subscribe))?;
        let join = join.map(|back| {
            let fetch_request = if joining { None } else { Some(request) };
            self.join(session, &track, request, fetch_request, view, (back, order), now)
        });
        self.views.push(View {
            request,
            state: ViewState::Pending,
            filter,
            forward,
            largest: None,
            asked_at: now,
            answered_at: None,
            received: Received::new(track),
            join: join.transpose()?,
            floor: None,
            inexact: !forward,
        });
        Ok(view)
    }

    #[allow(clippy::too_many_arguments, reason = "one caller, all of them facts of one request")]
    fn join(
        &mut self,
        session: &mut Session,
        track: &FullTrackName,
        subscription: RequestId,
        fill: Option<RequestId>,
        view: ViewId,
        (back, order): (u64, GroupOrder),
        now: Instant,
    ) -> Result<FetchId, CommandError> {
        let request = match fill {
            Some(request) => request,
            None => session.request(Request::Fetch(fetch_request(FetchRange::Joining(
                subscription,
                JoiningStart::Relative(back),
            ))))?,
        };
        Ok(self.add_fetch(request, track, order, None, Some((view, back)), now))
    }

    pub(crate) fn fetch(
        &mut self,
        session: &mut Session,
        track: &FullTrackName,
        filter: LocationFilter,
        order: GroupOrder,
        now: Instant,
    ) -> Result<FetchId, CommandError> {
        let mut fetch = fetch_request(FetchRange::Standalone(track.clone(), filter));
        fetch.order = Some(order);
        let request = session.request(Request::Fetch(fetch))?;
        let start = match filter {
            LocationFilter::All => Some(Location::ZERO),
            LocationFilter::From(start) | LocationFilter::Range(start, _) => Some(start),
            LocationFilter::NextObject | LocationFilter::RelativeGroup(_) => None,
        };
        Ok(self.add_fetch(request, track, order, start, None, now))
    }

    fn add_fetch(
        &mut self,
        request: RequestId,
        track: &FullTrackName,
        order: GroupOrder,
        start: Option<Location>,
        joins: Option<(ViewId, u64)>,
        now: Instant,
    ) -> FetchId {
        self.fetches.push(FetchView {
            request,
            answer: None,
            start,
            received: Fetched::new(track.clone(), order),
            asked_at: now,
            joins,
            over: false,
        });
        FetchId(self.fetches.len() - 1)
    }

    pub(crate) fn update(
        &mut self,
        session: &mut Session,
        view: ViewId,
        update: RequestUpdate,
    ) -> Result<(), CommandError> {
        let view = &mut self.views[view.0];
        let changes = update.forward.is_some() || update.filter.is_some();
        let forward = update.forward.unwrap_or(view.forward);
        session.update(view.request, update)?;
        view.inexact |= changes;
        view.forward = forward;
        Ok(())
    }

    pub(crate) fn leave(&mut self, session: &mut Session, view: ViewId) {
        let view = &mut self.views[view.0];
        if matches!(view.state, ViewState::Pending | ViewState::Active) {
            view.state = ViewState::Left;
            session.cancel(view.request, ResetCode::Cancelled);
            let request = view.request;
            for fetch in self.fetches.iter_mut().filter(|fetch| fetch.request == request) {
                fetch.over = true;
            }
        }
    }

    pub(crate) fn cancel_fetch(&mut self, session: &mut Session, fetch: FetchId) {
        let fetch = &mut self.fetches[fetch.0];
        // A fill has no request of its own.
        let fill = self.views.iter().any(|view| view.request == fetch.request);
        if !fill && !fetch.over && fetch.received.end.is_none() {
            fetch.over = true;
            session.cancel(fetch.request, ResetCode::Cancelled);
        }
    }

    /// The session is gone.
    pub(crate) fn clear(&mut self) {
        for view in &mut self.views {
            if matches!(view.state, ViewState::Pending | ViewState::Active) {
                view.state = ViewState::Left;
            }
        }
        for fetch in &mut self.fetches {
            fetch.over = true;
        }
        self.streams.clear();
    }

    // Answers.

    pub(crate) fn accepted(&mut self, id: RequestId, ok: &SubscribeOk, now: Instant) {
        let Some(index) = self.view_of(id) else { return };
        let view = &mut self.views[index];
        if view.state == ViewState::Pending {
            view.state = ViewState::Active;
        }
        view.answered_at = Some(now);
        view.largest = ok.largest;
        view.floor = Some(floor(view.filter, ok.largest));
        let joined = view.join.and_then(|fetch| Some((fetch, ok.largest?)));
        if let Some((fetch, largest)) = joined {
            let fetch = &mut self.fetches[fetch.0];
            let back = fetch.joins.map_or(0, |(_, back)| back);
            fetch.start = Some(Location::new(largest.group.0.saturating_sub(back), 0));
        } else if let Some(fetch) = view.join {
            // Nothing was published: a fill opens no stream, a joining fetch is refused.
            let fetch = &mut self.fetches[fetch.0];
            fetch.over |= fetch.request == id;
        }
    }

    pub(crate) fn refused(&mut self, id: RequestId, error: &RequestError, now: Instant) {
        if let Some(index) = self.view_of(id) {
            let view = &mut self.views[index];
            view.answered_at = Some(now);
            if view.state == ViewState::Pending {
                view.state = ViewState::Refused(error.clone());
            }
        }
        for fetch in self.fetches.iter_mut().filter(|fetch| fetch.request == id) {
            fetch.answer = Some(Err(error.clone()));
            fetch.over = true;
        }
    }

    pub(crate) fn fetch_accepted(&mut self, id: RequestId, ok: &FetchOk) {
        for fetch in self.fetches.iter_mut().filter(|fetch| fetch.request == id) {
            fetch.answer = Some(Ok(ok.clone()));
        }
    }

    /// The peer ended a request; whether it was one of ours.
    pub(crate) fn ended(&mut self, id: RequestId, end: &RequestEnd) -> bool {
        for fetch in self.fetches.iter_mut().filter(|fetch| fetch.request == id) {
            fetch.over = true;
        }
        let Some(index) = self.view_of(id) else { return false };
        let view = &mut self.views[index];
        if matches!(view.state, ViewState::Pending | ViewState::Active) {
            view.state = ViewState::Ended(end.clone());
        }
        true
    }

    /// The relay offers a track.
    pub(crate) fn offered(
        &mut self,
        session: &mut Session,
        id: RequestId,
        publish: &Publish,
        now: Instant,
    ) {
        let Some(forward) = self.accepts else {
            let error = RequestError::new(sluice_proto::model::RequestCode::Uninterested, "");
            return session.refuse(id, error);
        };
        let filter = LocationFilter::NextObject;
        let ok = PublishOk { forward: Some(forward), filter: Some(filter), ..PublishOk::default() };
        session.publish_ok(id, ok);
        self.views.push(View {
            request: id,
            state: ViewState::Active,
            filter,
            forward,
            largest: publish.largest,
            asked_at: now,
            answered_at: Some(now),
            received: Received::new(publish.track.clone()),
            join: None,
            // What comes between the offer and its acceptance is the publisher's choice.
            floor: None,
            inexact: true,
        });
    }

    fn view_of(&self, id: RequestId) -> Option<usize> {
        self.views.iter().position(|view| view.request == id)
    }

    // Data.

    /// Takes in a data event.
    pub(crate) fn data(
        &mut self,
        event: &SessionEvent,
        ledger: &Ledger,
        now: Instant,
    ) -> Result<(), Fault> {
        match event {
            SessionEvent::SubgroupOpened { stream, id, head } => {
                let Some(index) = self.view_of(*id) else {
                    return Err(format!("data for request {id}, which is no subscription"));
                };
                self.streams.insert(*stream, Target::View(index));
                self.views[index].received.open(*stream, head.clone())
            }
            SessionEvent::FetchOpened { stream, id } => {
                let index = self.fetches.iter().position(|fetch| fetch.request == *id);
                let index = index.ok_or_else(|| format!("data for {id}, which is no fetch"))?;
                self.streams.insert(*stream, Target::Fetch(index));
                self.fetches[index].received.open(*stream)
            }
            SessionEvent::Object { stream, head } => match self.streams.get(stream) {
                Some(Target::View(i)) => self.views[*i].received.object(*stream, head, ledger, now),
                _ => Err("an object on a stream that is no subgroup".into()),
            },
            SessionEvent::FetchItem { stream, item } => match self.streams.get(stream) {
                Some(Target::Fetch(i)) => self.fetches[*i].received.item(item, ledger),
                _ => Err("a fetched item on a stream that is no fetch".into()),
            },
            SessionEvent::Payload { stream, data } => match self.streams.get(stream) {
                Some(Target::View(i)) => {
                    self.views[*i].received.payload(*stream, data, ledger, now)
                }
                Some(Target::Fetch(i)) => self.fetches[*i].received.payload(data, ledger),
                None => Err("payload on an unknown stream".into()),
            },
            SessionEvent::DataFinished { stream } => {
                self.stream_ended(*stream, StreamEnd::Finished, ledger)
            }
            SessionEvent::DataReset { stream, code } => {
                self.stream_ended(*stream, StreamEnd::Reset(*code), ledger)
            }
            SessionEvent::Datagram { id, head, payload } => match self.view_of(*id) {
                Some(index) => self.views[index].received.datagram(head, payload, ledger, now),
                None => Err(format!("a datagram for request {id}, which is no subscription")),
            },
            _ => Ok(()),
        }
    }

    fn stream_ended(
        &mut self,
        stream: StreamId,
        end: StreamEnd,
        ledger: &Ledger,
    ) -> Result<(), Fault> {
        match self.streams.remove(&stream) {
            Some(Target::View(i)) => self.views[i].received.ended(stream, end, ledger),
            Some(Target::Fetch(i)) => self.fetches[i].received.ended(end),
            None => Err("the end of an unknown stream".into()),
        }
    }
}

/// The first location that must arrive: SUBSCRIBE passes only what is new, even if its filter
/// begins in the past.
fn floor(filter: LocationFilter, largest: Option<Location>) -> Location {
    let (start, _) = filter.resolve(largest);
    let (next, _) = LocationFilter::NextObject.resolve(largest);
    start.max(next)
}

fn fetch_request(range: FetchRange) -> Fetch {
    Fetch {
        range,
        priority: None,
        order: Some(GroupOrder::Ascending),
        fill_timeout: None,
        range_filters: Vec::new(),
        include_properties: None,
        tokens: Vec::new(),
    }
}
