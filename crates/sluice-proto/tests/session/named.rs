//! A session with a peer of draft 01, byte by byte: what each thing that the peer says means to the
//! owner, and what the peer hears of what the owner says.

use std::time::Duration;

use bytes::Bytes;
use sluice_proto::model::*;
use sluice_proto::session::*;
use sluice_proto::transport::{Read, StreamId, StreamKind, Transport, TransportEvent};
use sluice_proto::wire::Draft;
use sluice_sim::link::{LinkConfig, LinkEnd, Network};

/// A peer that writes bytes, and a session that serves every draft.
struct Page {
    network: Network,
    peer: LinkEnd,
    end: LinkEnd,
    session: Session,
    control: StreamId,
    /// What came on the control stream.
    heard: Vec<u8>,
    stopped: Vec<StreamId>,
}

const SETUP: &[u8] = b"\x40\x40\x01\xc0\x00\x00\x00\xff\x00\x00\x01\x01\x00\x01";
const ANNOUNCE: &[u8] = b"\x06\x02vc\x01\x02\x06secret";
const ANNOUNCE_OK: &[u8] = b"\x07\x02vc";
const SUBSCRIBE: &[u8] = b"\x03\x02vc\x01t\x03\x00\x01\x00\x00\x00\x01\x02\x06secret";
const SUBSCRIBE_OK: &[u8] = b"\x04\x02vc\x01t\x07\x00";

impl Page {
    fn unannounced() -> Page {
        let mut network = Network::new(1);
        let (_, peer, end) =
            network.connect(LinkConfig { protocol: None, ..LinkConfig::default() });
        let config = SessionConfig { drafts: Draft::SERVED.to_vec(), ..SessionConfig::default() };
        let session = Session::new(&config, end.info(), network.now());
        let mut peer = peer;
        let control = peer.open(StreamKind::Bidi).unwrap();
        Page { network, peer, end, session, control, heard: Vec::new(), stopped: Vec::new() }
    }

    /// A peer of this role, set up.
    fn of(role: u8) -> Page {
        let mut page = Page::unannounced();
        page.say(&[SETUP, &[role]].concat());
        assert!(matches!(page.events()[..], [SessionEvent::Ready(_)]));
        let mirrored = [2, 1, 3][usize::from(role) - 1];
        let answer = b"\x40\x41\xc0\x00\x00\x00\xff\x00\x00\x01\x01\x00\x01";
        assert_eq!(page.heard(), [&answer[..], &[mirrored]].concat());
        page
    }

    /// A publisher whose namespace was accepted.
    fn announced() -> Page {
        let mut page = Page::of(1);
        page.say(ANNOUNCE);
        let id = page.asked();
        page.session.request_ok(id, RequestOk::default());
        page.events();
        assert_eq!(page.heard(), ANNOUNCE_OK);
        page
    }

    /// A publisher whose track 7 is subscribed, and the subscription.
    fn subscribed() -> (Page, RequestId) {
        let mut page = Page::announced();
        let id = page.session.request(subscribe(Vec::new())).unwrap();
        page.events();
        assert_eq!(page.heard(), SUBSCRIBE);
        page.say(SUBSCRIBE_OK);
        assert_eq!(page.accepted(), id);
        (page, id)
    }

    fn say(&mut self, bytes: &[u8]) {
        self.write(self.control, bytes);
    }

    fn write(&mut self, stream: StreamId, bytes: &[u8]) {
        self.peer.write(stream, &mut [Bytes::copy_from_slice(bytes)]).unwrap();
    }

    fn object(&mut self, bytes: &[u8]) -> StreamId {
        let stream = self.peer.open(StreamKind::Uni).unwrap();
        self.write(stream, bytes);
        stream
    }

    /// What the owner is told, once nothing moves any more.
    fn events(&mut self) -> Vec<SessionEvent> {
        let mut events = Vec::new();
        loop {
            let now = self.network.now();
            while self.session.handle_transport(&mut self.end, now) == ReadProgress::More {}
            self.session.handle_timeout(now);
            while let Some(event) = self.session.poll_event() {
                events.push(event);
            }
            self.session.flush(&mut self.end, now);
            while let Some(event) = self.peer.poll_event() {
                if let TransportEvent::Stopped(stream, _) = event {
                    self.stopped.push(stream);
                }
            }
            while let Ok(Read::Data(data)) = self.peer.read(self.control, 1 << 16) {
                self.heard.extend_from_slice(&data);
            }
            if !self.network.advance() {
                return events;
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.network.advance_to(self.network.now() + time);
    }

    fn heard(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.heard)
    }

    fn asked(&mut self) -> RequestId {
        match &self.events()[..] {
            [SessionEvent::Request { id, .. }] => *id,
            other => panic!("{other:?}"),
        }
    }

    fn accepted(&mut self) -> RequestId {
        match &self.events()[..] {
            [SessionEvent::Response { id, response: Response::Subscribe(ok) }] => {
                assert_eq!((ok.alias, ok.order), (TrackAlias(7), Some(GroupOrder::Descending)));
                *id
            }
            other => panic!("{other:?}"),
        }
    }
}

fn track() -> FullTrackName {
    let namespace = TrackNamespace::from_path("vc").unwrap();
    FullTrackName::new(namespace, TrackName::new("t").unwrap()).unwrap()
}

fn subscribe(tokens: Vec<Token>) -> Request {
    Request::Subscribe(Subscribe { track: track(), tokens, ..Subscribe::default() })
}

#[test]
fn a_byte_at_a_time_means_the_same() {
    let all = [SETUP, &[3], ANNOUNCE, SUBSCRIBE].concat();
    let told = |events: Vec<SessionEvent>| {
        let requests = events.into_iter().filter_map(|event| match event {
            SessionEvent::Request { request, .. } => Some(request),
            _ => None,
        });
        requests.collect::<Vec<_>>()
    };
    let mut whole = Page::unannounced();
    whole.say(&all);
    let whole = told(whole.events());
    assert_eq!(whole.len(), 2);
    let mut page = Page::unannounced();
    let mut seen = Vec::new();
    for byte in all {
        page.say(&[byte]);
        seen.extend(told(page.events()));
    }
    assert_eq!(seen, whole);
    let Request::Subscribe(asked) = &seen[1] else { panic!("{seen:?}") };
    assert_eq!((&asked.track, asked.filter), (&track(), LocationFilter::RelativeGroup(0)));
    let secret = Bytes::from_static(b"secret");
    assert_eq!(asked.tokens, [Token::UseValue { kind: 0, value: secret }]);
    assert!(asked.rendezvous_timeout.is_some(), "pages do not ask again");
}

#[test]
fn nothing_stands_between_announce_and_its_answer() {
    let mut page = Page::of(1);
    page.say(ANNOUNCE);
    let id = page.asked();
    page.session.request(subscribe(Vec::new())).unwrap();
    page.events();
    assert_eq!(page.heard(), b"", "the page would take it for the answer");
    page.session.request_ok(id, RequestOk::default());
    page.events();
    assert_eq!(page.heard(), [ANNOUNCE_OK, SUBSCRIBE].concat());
    // A namespace that was not announced is not asked for, nor is anything else ever.
    let other = TrackNamespace::from_path("vc/below").unwrap();
    let other = FullTrackName::new(other, TrackName::new("t").unwrap()).unwrap();
    let other = Subscribe { track: other, ..Subscribe::default() };
    let refused = page.session.request(Request::Subscribe(other));
    assert!(matches!(refused, Err(CommandError::Inexpressible(_))), "{refused:?}");
    let status = TrackStatus { track: track(), ..TrackStatus::default() };
    assert!(page.session.request(Request::TrackStatus(status)).is_err());
}

#[test]
fn what_a_viewer_shows_goes_before_what_the_publisher_showed() {
    let mut page = Page::announced();
    let value = Bytes::from_static(b"viewer");
    page.session.request(subscribe(vec![Token::UseValue { kind: 0, value }])).unwrap();
    page.events();
    assert_eq!(page.heard(), b"\x03\x02vc\x01t\x03\x00\x01\x00\x00\x00\x01\x02\x06viewer");
}

#[test]
fn an_object_that_comes_before_its_track_is_known_is_kept() {
    let mut page = Page::announced();
    let id = page.session.request(subscribe(Vec::new())).unwrap();
    page.events();
    let stream = page.object(b"\x00\x07\x01\x00\x09payload");
    page.peer.finish(stream);
    assert_eq!(page.events(), []);
    page.say(SUBSCRIBE_OK);
    let events = page.events();
    let head = ObjectStreamHead {
        alias: TrackAlias(7),
        location: Location::new(1, 0),
        order: SendOrder(9),
        payload_bytes: None,
    };
    let data = Bytes::from_static(b"payload");
    assert_eq!(
        events[1..],
        [
            SessionEvent::ObjectOpened { stream, id, head },
            SessionEvent::Payload { stream, data },
            SessionEvent::DataFinished { stream },
        ]
    );
}

#[test]
fn a_subscribe_without_an_answer_is_given_up_in_time_and_a_late_answer_is_no_fault() {
    let mut page = Page::announced();
    let id = page.session.request(subscribe(Vec::new())).unwrap();
    page.events();
    page.wait(Duration::from_secs(9));
    assert_eq!(page.events(), []);
    page.wait(Duration::from_secs(2));
    let [SessionEvent::Response { id: refused, response: Response::Error(error) }] =
        &page.events()[..]
    else {
        panic!("nothing was given up");
    };
    assert_eq!((*refused, error.code), (id, RequestCode::Timeout));
    page.say(SUBSCRIBE_OK);
    assert_eq!(page.events(), []);
    page.heard();
    // Accepted meanwhile: whoever asks again has it without a word.
    let again = page.session.request(subscribe(Vec::new())).unwrap();
    let mut events = page.events();
    page.wait(Duration::from_millis(1));
    events.extend(page.events());
    let [SessionEvent::Response { id: accepted, response: Response::Subscribe(ok) }] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*accepted, ok.alias), (again, TrackAlias(7)));
    assert_eq!(page.heard(), b"");
}

#[test]
fn a_track_that_nobody_takes_stays_subscribed_and_its_objects_are_dropped() {
    let (mut page, id) = Page::subscribed();
    page.session.cancel(id, ResetCode::Cancelled);
    page.events();
    assert_eq!(page.heard(), b"", "a page would hear of nothing more");
    let stream = page.object(b"\x00\x07\x01\x00\x00dropped");
    page.peer.finish(stream);
    assert_eq!(page.events(), []);
    assert_eq!(page.stopped, [], "pages are not told to stop");
    let again = page.session.request(subscribe(Vec::new())).unwrap();
    page.events();
    page.wait(Duration::from_millis(1));
    page.events();
    assert_eq!(page.heard(), b"");
    let stream = page.object(b"\x00\x07\x01\x01\x00taken");
    let events = page.events();
    let opened = events.iter().find_map(|event| match event {
        SessionEvent::ObjectOpened { stream: of, id, .. } => Some((*of, *id)),
        _ => None,
    });
    assert_eq!(opened, Some((stream, again)));
}

#[test]
fn each_subscribe_is_answered_once_whatever_the_order() {
    let mut page = Page::of(3);
    page.say(SUBSCRIBE);
    let id = page.asked();
    page.say(SUBSCRIBE);
    assert_eq!(page.events(), [], "it is one subscription");
    let alias = page.session.next_alias();
    page.session.subscribe_ok(id, SubscribeOk { alias, ..SubscribeOk::default() });
    page.events();
    let ok = [&b"\x04\x02vc\x01t"[..], &[alias.0 as u8, 0]].concat();
    assert_eq!(page.heard(), [&ok[..], &ok].concat());
    page.say(SUBSCRIBE);
    assert_eq!(page.events(), []);
    assert_eq!(page.heard(), ok);
    page.say(b"\x0a\x02vc\x01t");
    let ended = SessionEvent::Ended { id, end: RequestEnd::Cancelled(ResetCode::Cancelled) };
    assert_eq!(page.events(), [ended]);
    page.say(SUBSCRIBE);
    assert_ne!(page.asked(), id);
}

#[test]
fn the_end_of_a_subscription_is_told_to_pages_and_not_to_relays() {
    for (role, says) in [(2, true), (3, false)] {
        let mut page = Page::of(role);
        page.say(SUBSCRIBE);
        let id = page.asked();
        let alias = page.session.next_alias();
        let largest = Some(Location::new(7, 59));
        page.session.subscribe_ok(id, SubscribeOk { alias, largest, ..SubscribeOk::default() });
        page.events();
        page.heard();
        page.session.publish_done(id, DoneCode::TrackEnded, "");
        page.events();
        let fin: &[u8] = if says { b"\x0b\x02vc\x01t\x07\x3b" } else { b"" };
        assert_eq!(page.heard(), fin, "ROLE {role}");
        page.session.goaway("", None);
        page.events();
        let goaway: &[u8] = if says { b"\x10\x00" } else { b"" };
        assert_eq!(page.heard(), goaway, "ROLE {role}");
    }
}
