//! What both pages have in common: a session, its SETUP, and requests on streams of their own.

use std::future::Future;
use std::time::Duration;

use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{ClientBuilder, RecvStream, SendStream, Session};

use crate::bytes::{Said, message, read_message, text};
use crate::support::{self, Relay};

/// The one protocol that the pages offer.
pub const PROTOCOL: &str = "moqt-18";

/// Runs a scenario, which ends long before this unless it hangs.
pub fn within_patience(scenario: impl Future<Output = ()>) {
    support::runtime().block_on(async {
        tokio::time::timeout(Duration::from_secs(60), scenario).await.expect("in time");
    });
}

/// Whether something is there now, without waiting for it.
pub async fn ready_now<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = std::future::ready(()) => None,
    }
}

/// Opens a session that offers these protocols, and sends nothing on it.
pub async fn connect(relay: &Relay, protocols: &[&str]) -> Session {
    let client = ClientBuilder::new()
        .with_server_certificate_hashes(vec![relay.certificate.to_vec()])
        .expect("a client");
    let url: url::Url = format!("https://{}/moq", relay.address).parse().expect("an address");
    let request = ConnectRequest::new(url)
        .with_protocols(protocols.iter().map(|protocol| (*protocol).to_string()));
    client.connect(request).await.expect("the relay accepts")
}

/// A page with its session set up.
pub struct Page {
    pub session: Session,
    next_id: u64,
    /// Open as long as the session: the end of either would end it.
    _control: (SendStream, RecvStream),
}

impl Page {
    pub async fn open(relay: &Relay) -> Page {
        Page::open_with(relay, &[PROTOCOL]).await
    }

    /// Sends SETUP, and nothing else until the relay's has arrived.
    pub async fn open_with(relay: &Relay, protocols: &[&str]) -> Page {
        let session = connect(relay, protocols).await;
        let mut ours = session.open_uni().await.expect("a stream");
        let implementation = [&[0x07][..], &text("scripted page")].concat();
        ours.write_all(&message(0x2f00, &[&implementation])).await.expect("SETUP is sent");
        let mut theirs = session.accept_uni().await.expect("a stream");
        assert_eq!(read_message(&mut theirs).await, Some(Said::Setup));
        Page { session, next_id: 0, _control: (ours, theirs) }
    }

    /// A request id of ours.
    pub fn next_id(&mut self) -> u64 {
        self.next_id += 2;
        self.next_id - 2
    }

    /// Sends a request on a stream of its own.
    pub async fn request(&self, bytes: &[u8]) -> RequestStream {
        let (send, receive) = self.session.open_bi().await.expect("a stream");
        let mut stream = RequestStream { send, receive };
        stream.write(bytes).await;
        stream
    }

    /// The relay's next request.
    pub async fn accept_request(&self) -> (Said, RequestStream) {
        let (send, receive) = self.session.accept_bi().await.expect("a stream");
        let mut stream = RequestStream { send, receive };
        (stream.expect_message().await, stream)
    }

    /// Whether the relay has asked for nothing more by now.
    pub async fn is_asked_nothing(&self) -> bool {
        ready_now(self.session.accept_bi()).await.is_none()
    }
}

/// The stream of one request.
pub struct RequestStream {
    pub send: SendStream,
    pub receive: RecvStream,
}

impl RequestStream {
    pub async fn write(&mut self, bytes: &[u8]) {
        self.send.write_all(bytes).await.expect("the relay takes it");
    }

    /// The next message; `None` when the relay has finished the stream.
    pub async fn next_message(&mut self) -> Option<Said> {
        read_message(&mut self.receive).await
    }

    pub async fn expect_message(&mut self) -> Said {
        self.next_message().await.expect("a message before the end")
    }

    /// An answer of the relay to a request that it grants plainly.
    pub async fn expect_plain_ok(&mut self) {
        let Said::RequestOk { parameters, properties } = self.expect_message().await else {
            panic!("not a REQUEST_OK");
        };
        assert_eq!(parameters.0.len() + properties.len(), 0);
    }

    /// How the pages leave: STOP_SENDING, then FIN.
    pub fn leave(mut self) {
        self.receive.stop(1).expect("still open");
        self.send.finish().expect("still open");
    }
}
