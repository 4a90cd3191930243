//! Two sessions over a simulated link, and a peer that is no session.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use sluice_proto::model::{RequestCode, RequestId, RequestKind, SetupOptions};
use sluice_proto::session::*;
use sluice_proto::transport::{Read, Side, StreamId, StreamKind, Transport};
use sluice_proto::wire::{About, Context, Dialect, Draft, Message, MessageStream};
use sluice_sim::link::{LinkConfig, LinkEnd, Network};

/// One end: a session, its transport and what it reported.
pub struct End {
    pub session: Session,
    pub transport: LinkEnd,
    pub events: VecDeque<SessionEvent>,
}

pub struct Pair {
    pub network: Network,
    pub client: End,
    pub server: End,
}

impl Pair {
    /// Two sessions of a draft, not set up.
    fn new(draft: Draft, limits: SessionLimits) -> Pair {
        let mut network = Network::new(1);
        let link = LinkConfig { protocol: Some(draft.token().to_owned()), ..LinkConfig::default() };
        let (_, client, server) = network.connect(link);
        let now = network.now();
        let settings = SessionConfig { drafts: vec![draft], limits, ..SessionConfig::default() };
        let end = |transport: LinkEnd| End {
            session: Session::new(&settings, transport.info(), now),
            transport,
            events: VecDeque::new(),
        };
        Pair { client: end(client), server: end(server), network }
    }

    /// Runs until nothing moves.
    pub fn run(&mut self) {
        loop {
            let now = self.network.now();
            for end in [&mut self.client, &mut self.server] {
                while end.session.handle_transport(&mut end.transport, now) == ReadProgress::More {}
                end.session.handle_timeout(now);
                while let Some(event) = end.session.poll_event() {
                    end.events.push_back(event);
                }
                end.session.flush(&mut end.transport, now);
            }
            if !self.network.advance() {
                return;
            }
        }
    }

    /// Runs for `time`, deadlines included.
    pub fn wait(&mut self, time: Duration) {
        self.run();
        self.network.advance_to(self.network.now() + time);
        self.run();
    }

    /// Two sessions that are set up.
    pub fn ready(draft: Draft) -> Pair {
        Pair::limited(draft, SessionLimits::default())
    }

    /// Two sessions that are set up, with these limits.
    pub fn limited(draft: Draft, limits: SessionLimits) -> Pair {
        let mut pair = Pair::new(draft, limits);
        pair.run();
        for end in [&mut pair.client, &mut pair.server] {
            let ready = end.events.pop_front();
            assert!(matches!(ready, Some(SessionEvent::Ready(_))), "{draft}: {ready:?}");
        }
        pair
    }
}

/// A client that writes any message anywhere, against a session that is a server.
pub struct Raw {
    pair: Pair,
    pub dialect: &'static Dialect,
    control: StreamId,
}

impl Raw {
    /// A client of a draft whose requests have streams of their own, set up.
    pub fn ready(draft: Draft) -> Raw {
        Raw::with_options(draft, SetupOptions::default())
    }

    /// The same, with these options in its SETUP.
    pub fn with_options(draft: Draft, options: SetupOptions) -> Raw {
        let mut pair = Pair::new(draft, SessionLimits::default());
        let control = pair.client.transport.open(StreamKind::Uni).unwrap();
        let mut raw = Raw { pair, dialect: draft.dialect(), control };
        raw.write(control, &Message::Setup(options), &Context::control(Side::Client));
        let ready = raw.heard();
        assert!(matches!(ready[..], [SessionEvent::Ready(_)]), "{draft}: {ready:?}");
        raw
    }

    /// A client whose request overtakes its SETUP.
    pub fn hasty(draft: Draft, request: &Message) -> Raw {
        let mut pair = Pair::new(draft, SessionLimits::default());
        let control = pair.client.transport.open(StreamKind::Uni).unwrap();
        let mut raw = Raw { pair, dialect: draft.dialect(), control };
        raw.request(request);
        assert_eq!(raw.heard(), [], "{draft}");
        raw.control(&Message::Setup(SetupOptions::default()));
        raw
    }

    /// Writes on the control stream.
    pub fn control(&mut self, message: &Message) {
        self.write(self.control, message, &Context::control(Side::Client));
    }

    /// Opens a stream with a request.
    pub fn request(&mut self, message: &Message) -> StreamId {
        let stream = self.pair.client.transport.open(StreamKind::Bidi).unwrap();
        self.write(stream, message, &Context::new_request(Side::Client));
        stream
    }

    pub fn write(&mut self, stream: StreamId, message: &Message, context: &Context) {
        self.write_needing(stream, message, context, 0);
    }

    /// Opens a stream with a request that needs the one `back` before it.
    pub fn request_needing(&mut self, message: &Message, back: u8) -> StreamId {
        let stream = self.pair.client.transport.open(StreamKind::Bidi).unwrap();
        self.write_needing(stream, message, &Context::new_request(Side::Client), back);
        stream
    }

    /// Writes a message that needs the request `back` before it, of a draft that can say so. Its type
    /// and id have a byte each.
    pub fn write_needing(
        &mut self,
        stream: StreamId,
        message: &Message,
        context: &Context,
        back: u8,
    ) {
        let mut bytes = BytesMut::new();
        self.dialect.encode(message, context, &mut bytes).unwrap();
        if back > 0 {
            assert!(self.dialect.required_requests && bytes[4] == 0, "{message:?}");
            bytes[4] = back;
        }
        let written = self.pair.client.transport.write(stream, &mut [bytes.freeze()]).unwrap();
        assert!(written.complete);
    }

    /// Says nothing more on a stream.
    pub fn finish(&mut self, stream: StreamId) {
        self.pair.client.transport.finish(stream);
    }

    /// The next bidirectional stream that the session opens.
    pub fn accept(&mut self) -> StreamId {
        self.pump();
        let transport = &mut self.pair.client.transport;
        loop {
            let event = transport.poll_event().expect("the session opens a stream");
            if let sluice_proto::transport::TransportEvent::Opened(stream, StreamKind::Bidi) = event
            {
                return stream;
            }
        }
    }

    pub fn session(&mut self) -> &mut Session {
        &mut self.pair.server.session
    }

    /// What the session tells its owner.
    pub fn heard(&mut self) -> Vec<SessionEvent> {
        self.pump();
        self.pair.server.events.drain(..).collect()
    }

    /// What the session was closed for.
    pub fn violation(&mut self) -> sluice_proto::wire::Violation {
        let heard = self.heard();
        match heard.last() {
            Some(SessionEvent::Closed(SessionEnd::Violation { violation, .. })) => *violation,
            other => panic!("{other:?}"),
        }
    }

    /// How a request that was made on `stream` was refused.
    pub fn refusal(&mut self, stream: StreamId) -> RequestCode {
        let Ok(Read::Data(bytes)) = self.pair.client.transport.read(stream, 1024) else {
            panic!("nothing was said on {stream:?}");
        };
        let mut bytes = BytesMut::from(&bytes[..]);
        let (kind, body) = self.dialect.split_frame(&mut bytes).unwrap().expect("whole");
        let about = Some(About::Request(RequestKind::Subscribe));
        let on = MessageStream::Request(RequestId(0));
        let context = Context { from: Side::Server, stream: on, about };
        match self.dialect.decode(kind, body, &context).unwrap() {
            Message::Response { response: Response::Error(error), .. } => error.code,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass, deadlines included.
    pub fn wait(&mut self, time: Duration) {
        self.pump();
        self.pair.network.advance_to(self.pair.network.now() + time);
        self.pump();
    }

    fn pump(&mut self) {
        loop {
            let now = self.pair.network.now();
            let end = &mut self.pair.server;
            while end.session.handle_transport(&mut end.transport, now) == ReadProgress::More {}
            end.session.handle_timeout(now);
            while let Some(event) = end.session.poll_event() {
                end.events.push_back(event);
            }
            end.session.flush(&mut end.transport, now);
            if !self.pair.network.advance() {
                return;
            }
        }
    }
}
