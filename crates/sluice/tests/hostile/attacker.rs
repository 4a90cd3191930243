//! A peer whose bytes a test writes itself, on raw QUIC or WebTransport of another library.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use sluice_proto::model::SetupOptions;
use sluice_proto::transport::Side;
use sluice_proto::wire::{Context, Draft, Message, RequestTransport, SetupExchange};
use web_transport_quinn::{
    RecvStream, SendStream, Session, SessionError, WebTransportError, quinn,
};

use crate::support::Relay;
use crate::support::quic::client_config;

/// Nothing that a test waits for takes this long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What carries the attacker's MOQT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    Quic,
    WebTransport,
}

/// The peer.
pub struct Attacker {
    pub draft: Draft,
    pub session: Session,
    /// Where the relay sees it.
    pub address: SocketAddr,
    /// Our control stream, once there was a SETUP.
    pub control: Option<SendStream>,
    /// The relay's control stream.
    pub control_in: Option<RecvStream>,
    unread: BytesMut,
    /// Request streams that are still open.
    pub streams: Vec<(SendStream, RecvStream)>,
    /// Unidirectional streams that are still open.
    pub unis: Vec<SendStream>,
    endpoint: quinn::Endpoint,
}

impl Attacker {
    /// Connects; no byte of MOQT is written yet.
    pub async fn connect(relay: &Relay, carrier: Carrier, draft: Draft) -> Attacker {
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let alpn = match carrier {
            Carrier::Quic => draft.token(),
            Carrier::WebTransport => web_transport_quinn::ALPN,
        };
        let config = client_config(alpn.as_bytes());
        let session = match carrier {
            Carrier::Quic => {
                let connecting = endpoint.connect_with(config, relay.address, "localhost");
                Session::raw(connecting.unwrap().await.expect("connected"))
            }
            Carrier::WebTransport => {
                let url = format!("https://{}/moq", relay.address).parse::<url::Url>().unwrap();
                let request = web_transport_quinn::proto::ConnectRequest::new(url)
                    .with_protocols([draft.token().to_owned()]);
                let client = web_transport_quinn::Client::new(endpoint.clone(), config);
                client.connect(request).await.expect("connected")
            }
        };
        Attacker {
            draft,
            session,
            address,
            control: None,
            control_in: None,
            unread: BytesMut::new(),
            streams: Vec::new(),
            unis: Vec::new(),
            endpoint,
        }
    }

    /// Connects and does a proper SETUP.
    pub async fn ready(relay: &Relay, carrier: Carrier, draft: Draft) -> Attacker {
        let mut attacker = Attacker::connect(relay, carrier, draft).await;
        attacker.set_up().await;
        attacker
    }

    /// The bytes of a SETUP without fault.
    pub fn setup_bytes(&self) -> Vec<u8> {
        let dialect = self.draft.dialect();
        let on_control = dialect.requests == RequestTransport::ControlStream;
        let options = SetupOptions {
            request_id_limit: on_control.then_some(10_000),
            ..SetupOptions::default()
        };
        let message = match dialect.setup {
            SetupExchange::Both => Message::Setup(options),
            SetupExchange::ClientFirst => Message::ClientSetup { versions: vec![], options },
            SetupExchange::VersionsInBand => {
                let versions = self.draft.version().into_iter().collect();
                Message::ClientSetup { versions, options }
            }
        };
        let mut bytes = BytesMut::new();
        dialect.encode(&message, &Context::control(Side::Client), &mut bytes).unwrap();
        bytes.to_vec()
    }

    /// SETUP of both sides.
    pub async fn set_up(&mut self) {
        let bytes = self.setup_bytes();
        self.write_control(&bytes).await;
        let (kind, _) = self.read_control().await.expect("the relay's SETUP");
        assert!([0x21, 0x2f00].contains(&kind), "{kind:#x}");
    }

    /// Writes on the control stream, opened where there is none yet.
    pub async fn write_control(&mut self, bytes: &[u8]) {
        if self.control.is_none() {
            let (send, receive) = match self.draft.dialect().requests {
                RequestTransport::OwnStream => (self.session.open_uni().await.unwrap(), None),
                RequestTransport::ControlStream => {
                    let (send, receive) = self.session.open_bi().await.unwrap();
                    (send, Some(receive))
                }
            };
            self.control = Some(send);
            self.control_in = receive;
        }
        // It may be too late: the relay has closed.
        let _ = self.control.as_mut().unwrap().write_all(bytes).await;
    }

    /// Writes a request: on the control stream, or on a stream of its own.
    pub async fn write_request(&mut self, bytes: &[u8]) {
        match self.draft.dialect().requests {
            RequestTransport::ControlStream => self.write_control(bytes).await,
            RequestTransport::OwnStream => self.write_bidi(bytes).await,
        }
    }

    pub async fn write_bidi(&mut self, bytes: &[u8]) {
        if let Ok((mut send, receive)) = self.session.open_bi().await {
            let _ = send.write_all(bytes).await;
            self.streams.push((send, receive));
        }
    }

    pub async fn write_uni(&mut self, bytes: &[u8]) {
        if let Ok(mut send) = self.session.open_uni().await {
            let _ = send.write_all(bytes).await;
            self.unis.push(send);
        }
    }

    /// The next message of the relay's control stream.
    pub async fn read_control(&mut self) -> Option<(u64, Bytes)> {
        if self.control_in.is_none() {
            self.control_in = self.session.accept_uni().await.ok();
        }
        let receive = self.control_in.as_mut()?;
        next_message(self.draft, receive, &mut self.unread).await
    }

    /// The next message on the newest request's stream, or on the control stream.
    pub async fn read_answer(&mut self) -> Option<(u64, Bytes)> {
        match self.draft.dialect().requests {
            RequestTransport::ControlStream => self.read_control().await,
            RequestTransport::OwnStream => {
                let (_, receive) = self.streams.last_mut()?;
                next_message(self.draft, receive, &mut BytesMut::new()).await
            }
        }
    }

    /// The next message on the newest stream of two directions.
    pub async fn read_stream(&mut self) -> Option<(u64, Bytes)> {
        let (_, receive) = self.streams.last_mut()?;
        next_message(self.draft, receive, &mut BytesMut::new()).await
    }

    /// The code that the answer to the last request refuses it with.
    pub async fn refusal(&mut self) -> Option<u64> {
        let (_, mut body) = self.read_answer().await?;
        let dialect = self.draft.dialect();
        if dialect.requests == RequestTransport::ControlStream {
            let (_, read) = dialect.integers.read(&body).ok()??;
            body.advance(read);
        }
        dialect.integers.read(&body).ok()?.map(|(code, _)| code)
    }

    /// The code and reason that the relay closes with, if it does.
    pub async fn closed(&self) -> Option<(u64, String)> {
        let closed = tokio::time::timeout(PATIENCE, self.session.closed()).await.ok()?;
        match closed {
            SessionError::WebTransportError(WebTransportError::Closed(code, reason)) => {
                Some((code.into(), reason))
            }
            SessionError::ConnectionError(quinn::ConnectionError::ApplicationClosed(close)) => {
                let reason = String::from_utf8_lossy(&close.reason).into_owned();
                Some((close.error_code.into_inner(), reason))
            }
            other => panic!("ended in another way: {other:?}"),
        }
    }

    /// Says goodbye and waits until it is said.
    pub async fn leave(self) {
        self.session.close(0, b"");
        self.endpoint.close(0u32.into(), b"");
        self.endpoint.wait_idle().await;
    }
}

async fn next_message(
    draft: Draft,
    receive: &mut RecvStream,
    unread: &mut BytesMut,
) -> Option<(u64, Bytes)> {
    loop {
        if let Some(found) = draft.dialect().split_frame(unread).expect("the relay's frames") {
            return Some(found);
        }
        let chunk = tokio::time::timeout(PATIENCE, receive.read_chunk(64 << 10, true));
        let chunk = chunk.await.expect("the relay answers").ok()??;
        unread.extend_from_slice(&chunk.bytes);
    }
}

/// Bytes from hexadecimal, with spaces between fields.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A control message: type, length in 16 bits, body.
pub fn message(kind: u8, body: &str) -> Vec<u8> {
    let body = hex(body);
    let length = u16::try_from(body.len()).expect("a message");
    [&[kind][..], &length.to_be_bytes(), &body].concat()
}

/// An integer as the draft writes it.
pub fn number(draft: Draft, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    draft.dialect().integers.put(value, &mut bytes).expect("a small number");
    bytes
}

/// The same in hexadecimal.
pub fn digits(draft: Draft, value: u64) -> String {
    number(draft, value).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A request's id in hexadecimal, and what the draft has behind it.
pub fn request_id(draft: Draft, id: u64) -> String {
    let needs = if draft.dialect().required_requests { "00" } else { "" };
    digits(draft, id) + needs
}

/// Subgroup 0 of `group` of the track with this alias.
pub fn subgroup(draft: Draft, alias: u64, group: u64) -> Vec<u8> {
    [&[0x10][..], &number(draft, alias), &number(draft, group), &[0x80]].concat()
}

/// An object of `bytes` bytes, after the one before.
pub fn object(draft: Draft, bytes: usize) -> Vec<u8> {
    [&[0][..], &number(draft, bytes as u64), &vec![0x61; bytes]].concat()
}

/// PUBLISH_NAMESPACE of 4,004 bytes.
pub fn long_namespace(draft: Draft, index: u64) -> Vec<u8> {
    let (id, length) = (request_id(draft, 2 * index), digits(draft, 4000));
    message(0x06, &format!("{id} 02 {length} {} 04 {index:08X} 00", "62".repeat(4000)))
}
