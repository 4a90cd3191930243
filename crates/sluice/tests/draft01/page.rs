//! A session of the deployed dialect, its control stream, and its objects.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{ClientBuilder, ReadError, RecvStream, SendStream, Session};

use crate::bytes::{self, Body, Said};
use crate::support::{self, Relay};

pub const VERSION: u64 = 0xff00_0001;

/// Runs a scenario, which ends long before this unless it hangs.
pub fn within_patience(scenario: impl Future<Output = ()>) {
    support::runtime().block_on(async {
        tokio::time::timeout(Duration::from_secs(60), scenario).await.expect("in time");
    });
}

/// Waits until the relay has logged so many lines with all these parts.
pub async fn logged(relay: &Relay, parts: &[&str], count: usize) {
    while relay.lines_with(parts) < count {
        tokio::task::yield_now().await;
    }
}

/// Opens a session that offers no protocol, as the pages do.
pub async fn connect(relay: &Relay) -> Session {
    let client = ClientBuilder::new()
        .with_server_certificate_hashes(vec![relay.certificate.to_vec()])
        .expect("a client");
    let url: url::Url = relay.url("https").parse().expect("an address");
    client.connect(ConnectRequest::new(url)).await.expect("the relay accepts")
}

/// A client that is set up.
pub struct Page {
    pub session: Session,
    control: SendStream,
    from_relay: RecvStream,
    read: Vec<u8>,
    said: VecDeque<Said>,
}

impl Page {
    pub async fn open(relay: &Relay, role: u64) -> Page {
        let mut page = Page::unannounced(relay).await;
        page.say(&bytes::client_setup(VERSION, role)).await;
        let mirrored = [2, 1, 3][role as usize - 1];
        page.expect(Said::ServerSetup { version: VERSION, role: mirrored }).await;
        page
    }

    /// A session with a control stream on which nothing was said.
    pub async fn unannounced(relay: &Relay) -> Page {
        let session = connect(relay).await;
        let (control, from_relay) = session.open_bi().await.expect("a stream");
        Page { session, control, from_relay, read: Vec::new(), said: VecDeque::new() }
    }

    /// Writes on the control stream.
    pub async fn say(&mut self, bytes: &[u8]) {
        self.control.write_all(bytes).await.expect("the relay takes it");
    }

    /// The next control message; `None` when the session or the stream is over.
    pub async fn hear(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = self.said.pop_front() {
                return Some(said);
            }
            let mut chunk = [0; 4096];
            let count = self.from_relay.read(&mut chunk).await.ok()??;
            self.read.extend_from_slice(&chunk[..count]);
            let mut rest = &self.read[..];
            while let Some((said, after)) = Said::read(rest) {
                self.said.push_back(said);
                rest = after;
            }
            self.read = rest.to_vec();
        }
    }

    pub async fn expect(&mut self, said: Said) {
        assert_eq!(self.hear().await, Some(said));
    }

    /// Publisher: announces, and waits for the answer that it needs.
    pub async fn announce(&mut self, namespace: &str, secret: Option<&str>) {
        self.say(&bytes::announce(namespace, secret)).await;
        self.expect(Said::AnnounceOk { namespace: namespace.into() }).await;
    }

    /// Publisher: the next SUBSCRIBE has to be for this track; accepts it.
    pub async fn accept(&mut self, namespace: &str, name: &str, track_id: u64) {
        match self.hear().await {
            Some(Said::Subscribe { namespace: of, name: asked, .. }) => {
                assert_eq!((&*of, &*asked), (namespace, name));
            }
            other => panic!("{other:?} instead of SUBSCRIBE"),
        }
        self.say(&bytes::subscribe_ok(namespace, name, track_id)).await;
    }

    /// Publisher: sends an object whole.
    pub async fn send(&self, track_id: u64, at: (u64, u64), order: u64, payload: &[u8]) {
        let mut stream = self.begin(track_id, at, order).await;
        stream.write_all(payload).await.expect("the relay takes it");
        stream.finish().expect("still open");
    }

    /// Publisher: begins an object.
    pub async fn begin(&self, track_id: u64, at: (u64, u64), order: u64) -> SendStream {
        let mut stream = self.session.open_uni().await.expect("a stream");
        let head = bytes::object(track_id, at.0, at.1, order);
        stream.write_all(&head).await.expect("the relay takes it");
        stream
    }

    /// Viewer: subscribes and returns the track's id.
    pub async fn subscribe(&mut self, namespace: &str, name: &str) -> u64 {
        self.say(&bytes::subscribe(namespace, name, None)).await;
        self.subscribed(namespace, name).await
    }

    /// Viewer: the next message has to be the OK of this track.
    pub async fn subscribed(&mut self, namespace: &str, name: &str) -> u64 {
        match self.hear().await {
            Some(Said::SubscribeOk { namespace: of, name: answered, track_id }) => {
                assert_eq!((&*of, &*answered), (namespace, name));
                track_id
            }
            other => panic!("{other:?} instead of SUBSCRIBE_OK for {namespace} {name}"),
        }
    }

    /// Viewer: the next object, whose head has arrived.
    pub async fn incoming(&self) -> Incoming {
        let stream = self.session.accept_uni().await.expect("an object");
        let mut incoming = Incoming { stream, track_id: 0, at: (0, 0), order: 0, read: Vec::new() };
        loop {
            let mut body = Body(&incoming.read);
            if let Some(code) = body.int()
                && let Some(head) = four(&mut body)
            {
                assert_eq!(code, 0, "an object to the end of its stream");
                let rest = body.0.to_vec();
                (incoming.track_id, incoming.at, incoming.order) =
                    (head[0], (head[1], head[2]), head[3]);
                incoming.read = rest;
                return incoming;
            }
            assert!(incoming.more().await.expect("no reset"), "a head before the end");
        }
    }

    /// Viewer: the next object, whole.
    pub async fn object(&self) -> Incoming {
        let mut incoming = self.incoming().await;
        while incoming.more().await.expect("no reset") {}
        incoming
    }

    /// Viewer: so many whole objects, by track, group and object.
    pub async fn objects(&self, count: usize) -> Vec<Incoming> {
        let mut objects = Vec::new();
        for _ in 0..count {
            objects.push(self.object().await);
        }
        objects.sort_by_key(|object| (object.track_id, object.at));
        objects
    }

    /// Why the relay closed the session.
    pub async fn closed(&self) -> String {
        self.session.closed().await.to_string()
    }
}

fn four(body: &mut Body<'_>) -> Option<[u64; 4]> {
    Some([body.int()?, body.int()?, body.int()?, body.int()?])
}

/// An object that arrives.
pub struct Incoming {
    pub stream: RecvStream,
    pub track_id: u64,
    pub at: (u64, u64),
    pub order: u64,
    /// Its payload so far.
    pub read: Vec<u8>,
}

impl Incoming {
    /// Reads more of it; false at its end.
    pub async fn more(&mut self) -> Result<bool, ReadError> {
        let mut chunk = [0; 65_536];
        let count = self.stream.read(&mut chunk).await?;
        self.read.extend_from_slice(&chunk[..count.unwrap_or(0)]);
        Ok(count.is_some())
    }

    /// Reads until so much of it is there.
    pub async fn up_to(&mut self, bytes: usize) {
        while self.read.len() < bytes {
            assert!(self.more().await.expect("no reset"), "it ends early");
        }
    }

    pub fn place(&self) -> String {
        format!("{}/{}", self.at.0, self.at.1)
    }
}
