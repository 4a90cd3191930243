//! The player page: one SUBSCRIBE after the other, then whatever streams and datagrams come.

use web_transport_quinn::RecvStream;

use crate::bytes::{Body, Parameters, Said, int, message, namespace, read_bytes, read_int, text};
use crate::encoder::{Encoder, NAMESPACE, Track};
use crate::page::{Page, RequestStream};
use crate::support::Relay;

pub struct Player {
    pub page: Page,
}

/// A SUBSCRIBE that was accepted.
pub struct Subscription {
    pub stream: RequestStream,
    pub id: u64,
    pub alias: u64,
    pub parameters: Parameters,
}

impl Player {
    pub async fn open(relay: &Relay) -> Player {
        Player { page: Page::open(relay).await }
    }

    /// Subscribes. A refusal is its code; the page would try again after 2 s.
    pub async fn subscribe(&mut self, name: &str) -> Result<Subscription, u64> {
        let id = self.page.next_id();
        let mut stream = self.page.request(&subscribe(id, NAMESPACE, name)).await;
        match stream.expect_message().await {
            Said::SubscribeOk { alias, parameters, .. } => {
                Ok(Subscription { stream, id, alias, parameters })
            }
            Said::RequestError { code, .. } => {
                // The page finishes and cancels the stream, which is over anyway.
                let _ = stream.send.finish();
                let _ = stream.receive.stop(0);
                Err(code)
            }
            other => panic!("{other:?} in answer to SUBSCRIBE"),
        }
    }

    pub async fn subscribed(&mut self, name: &str) -> Subscription {
        self.subscribe(name).await.expect("the track is there")
    }

    /// The next stream, which is a group.
    pub async fn next_group(&self) -> GroupStream {
        let stream = self.page.session.accept_uni().await.expect("a stream");
        GroupStream::read(stream).await
    }

    /// The next datagram.
    pub async fn next_datagram(&self) -> Datagram {
        let datagram = self.page.session.read_datagram().await.expect("a datagram");
        let mut body = Body(&datagram);
        let (kind, alias) = (body.int(), body.int());
        assert_eq!(kind & !0x07, 0, "{kind:#x}: the priority is explicit, no status");
        let group = body.int();
        let object = if kind & 4 == 4 { 0 } else { body.int() };
        let priority = body.byte();
        let properties = if kind & 1 == 1 { body.bytes() } else { Vec::new() };
        let ends_group = kind & 2 == 2;
        let payload = body.0.to_vec();
        Datagram { alias, group, object, priority, properties, payload, ends_group }
    }

    /// Asks for the state of a track until the relay has this location.
    pub async fn until_relay_has(&mut self, name: &str, location: (u64, u64)) {
        loop {
            let id = self.page.next_id();
            let request = [int(id), namespace(NAMESPACE), text(name), int(0)].concat();
            let mut stream = self.page.request(&message(0x0d, &[&request])).await;
            let Said::RequestOk { parameters, .. } = stream.expect_message().await else {
                panic!("TRACK_STATUS is refused");
            };
            if parameters.largest() >= Some(location) {
                return;
            }
        }
    }
}

/// An encoder that announced itself, and a player that it sends a track to. The stream of the
/// announcement and the subscription last as long as they are kept.
pub async fn watched(
    relay: &Relay,
    track: &str,
) -> (Encoder, RequestStream, Player, Track, Subscription) {
    let (mut encoder, announced) = Encoder::announced(relay).await;
    let mut player = Player::open(relay).await;
    let (sent, there) = tokio::join!(encoder.accept(track), player.subscribed(track));
    (encoder, announced, player, sent, there)
}

/// A SUBSCRIBE of the player: its token, filter Largest Object, nothing else.
pub fn subscribe(id: u64, name_space: &[&str], name: &str) -> Vec<u8> {
    let token = [&[0x03, 0x00][..], b"secret"].concat();
    let parameters =
        [&[2, 0x03][..], &int(token.len() as u64), &token, &[0x21 - 0x03, 1, 0x02]].concat();
    message(0x03, &[&int(id), &namespace(name_space), &text(name), &parameters])
}

/// A datagram with an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    pub alias: u64,
    pub group: u64,
    pub object: u64,
    pub priority: u8,
    pub properties: Vec<u8>,
    pub payload: Vec<u8>,
    pub ends_group: bool,
}

/// A stream with a group, or a part of one.
pub struct GroupStream {
    pub kind: u64,
    pub alias: u64,
    pub group: u64,
    pub subgroup: u64,
    pub priority: Option<u8>,
    stream: RecvStream,
}

/// An object of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    pub delta: u64,
    pub properties: Vec<u8>,
    pub payload: Vec<u8>,
    pub status: u64,
}

impl GroupStream {
    async fn read(mut stream: RecvStream) -> GroupStream {
        let kind = read_int(&mut stream).await.expect("a type");
        assert!((0x10..0x80).contains(&kind) && kind & 0x10 != 0, "{kind:#x} is no subgroup");
        let alias = read_int(&mut stream).await.expect("an alias");
        let group = read_int(&mut stream).await.expect("a group");
        let subgroup = match kind & 0x06 {
            0x04 => read_int(&mut stream).await.expect("a subgroup"),
            0x00 => 0,
            mode => panic!("subgroup mode {mode}"),
        };
        let priority = match kind & 0x20 {
            0 => Some(read_bytes(&mut stream, 1).await[0]),
            _ => None,
        };
        GroupStream { kind, alias, group, subgroup, priority, stream }
    }

    /// The next object; `None` at the end of the stream.
    pub async fn next_object(&mut self) -> Option<Object> {
        let delta = read_int(&mut self.stream).await?;
        let properties = if self.kind & 1 == 1 {
            let length = read_int(&mut self.stream).await.expect("a length");
            read_bytes(&mut self.stream, length as usize).await
        } else {
            Vec::new()
        };
        let length = read_int(&mut self.stream).await.expect("a length");
        if length == 0 {
            let status = read_int(&mut self.stream).await.expect("a status");
            return Some(Object { delta, properties, payload: Vec::new(), status });
        }
        let payload = read_bytes(&mut self.stream, length as usize).await;
        Some(Object { delta, properties, payload, status: 0 })
    }

    /// All that is left, up to the stream's end.
    pub async fn rest(&mut self) -> Vec<Object> {
        let mut objects = Vec::new();
        while let Some(object) = self.next_object().await {
            objects.push(object);
        }
        objects
    }
}
