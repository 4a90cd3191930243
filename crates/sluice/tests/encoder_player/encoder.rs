//! The encoder page: announces, answers SUBSCRIBE or publishes, and sends a group a stream.

use web_transport_quinn::SendStream;

use crate::bytes::{Parameters, Said, int, message, namespace, text};
use crate::page::{Page, RequestStream};
use crate::support::Relay;

/// The encoder's namespace.
pub const NAMESPACE: &[&str] = &["vc"];
/// Priorities of the encoder's groups.
pub const AUDIO_PRIORITY: u8 = 9;
pub const VIDEO_PRIORITY: u8 = 10;
/// Status of the object that ends a group.
pub const END_OF_GROUP: u64 = 3;

pub struct Encoder {
    pub page: Page,
    next_alias: u64,
}

impl Encoder {
    pub async fn open(relay: &Relay) -> Encoder {
        Encoder { page: Page::open(relay).await, next_alias: 0 }
    }

    /// Announces, and waits for the REQUEST_OK that it needs.
    pub async fn announced(relay: &Relay) -> (Encoder, RequestStream) {
        let mut encoder = Encoder::open(relay).await;
        let id = encoder.page.next_id();
        let announce = message(0x06, &[&int(id), &namespace(NAMESPACE), &int(0)]);
        let mut stream = encoder.page.request(&announce).await;
        stream.expect_plain_ok().await;
        (encoder, stream)
    }

    /// Takes the relay's next request, which has to be a SUBSCRIBE for this track, and accepts.
    pub async fn accept(&mut self, expected: &str) -> Track {
        let (said, mut stream) = self.page.accept_request().await;
        let Said::Subscribe { id, namespace, name, parameters } = said else {
            panic!("{said:?} instead of SUBSCRIBE");
        };
        assert_eq!((namespace, name.as_str()), (vec!["vc".to_string()], expected));
        let alias = self.take_alias();
        // LARGEST_OBJECT never, not even when objects were sent.
        stream.write(&message(0x04, &[&int(alias), &int(0)])).await;
        let forwarding = parameters.forward() != 0;
        Track { stream, id, alias, forwarding, group: None, next_group: 0 }
    }

    /// Takes the relay's next two requests, in either order: audio, then video is returned.
    pub async fn accept_audio_and_video(&mut self, prefix: &str) -> (Track, Track) {
        let audio = self.accept(&format!("{prefix}audio0")).await;
        let video = self.accept(&format!("{prefix}video0")).await;
        (audio, video)
    }

    /// Sends PUBLISH for a track, and waits for REQUEST_OK as the page does.
    pub async fn publish(&mut self, name: &str) -> Track {
        let (id, alias) = (self.page.next_id(), self.take_alias());
        // FORWARD 1 of ours.
        let parameters = [1, 0x10, 1];
        let publish = message(
            0x1d,
            &[&int(id), &namespace(NAMESPACE), &text(name), &int(alias), &parameters],
        );
        let mut stream = self.page.request(&publish).await;
        let Said::RequestOk { parameters, properties } = stream.expect_message().await else {
            panic!("PUBLISH is not accepted");
        };
        assert!(properties.is_empty());
        let forwarding = parameters.forward() != 0;
        Track { stream, id, alias, forwarding, group: None, next_group: 0 }
    }

    fn take_alias(&mut self) -> u64 {
        self.next_alias += 1;
        self.next_alias - 1
    }
}

/// A track that is being sent.
pub struct Track {
    pub stream: RequestStream,
    pub id: u64,
    pub alias: u64,
    /// Whether the relay wants objects.
    pub forwarding: bool,
    pub group: Option<SendStream>,
    pub next_group: u64,
}

impl Track {
    /// Sends a packet of audio: a group of its own, whose stream stays open until the next one.
    pub async fn audio(&mut self, page: &Page, payload: &[u8]) {
        self.begin_group(page, AUDIO_PRIORITY).await;
        self.object(AUDIO_PROPERTIES, payload).await;
    }

    /// Ends the group that is open and begins the next one.
    pub async fn begin_group(&mut self, page: &Page, priority: u8) {
        self.end_group().await;
        let mut stream = page.session.open_uni().await.expect("a stream");
        stream.write_all(&self.header(priority)).await.expect("the relay takes it");
        self.group = Some(stream);
        self.next_group += 1;
    }

    /// Properties, explicit subgroup id, explicit priority, first object. The subgroup's id is
    /// the group's.
    pub fn header(&self, priority: u8) -> Vec<u8> {
        let group = int(self.next_group);
        [&[0x55][..], &int(self.alias), &group, &group, &[priority]].concat()
    }

    /// Sends an object of the open group. The delta of its id is always 0.
    pub async fn object(&mut self, properties: &[u8], payload: &[u8]) {
        let stream = self.group.as_mut().expect("a group is open");
        stream.write_all(&object(properties, payload)).await.expect("the relay takes it");
    }

    /// The object that ends the group, and FIN.
    pub async fn end_group(&mut self) {
        let Some(mut stream) = self.group.take() else { return };
        stream.write_all(&[0, 0, 0, END_OF_GROUP as u8]).await.expect("the relay takes it");
        stream.finish().expect("still open");
    }

    /// Waits until the relay wants objects, or wants none.
    pub async fn expect_forward(&mut self, forward: bool) {
        let Said::RequestUpdate { parameters, .. } = self.stream.expect_message().await else {
            panic!("not a REQUEST_UPDATE");
        };
        // The page answers none of them.
        assert_eq!(parameters.forward() != 0, forward);
        self.forwarding = forward;
    }

    /// What the page sends after 5 s without an object: an update of nothing, with the id of
    /// the stream that it is sent on, whoever chose that.
    pub async fn keep_alive(&mut self) {
        let update = message(0x02, &[&int(self.id), &int(0)]);
        self.stream.write(&update).await;
    }

    /// Stop: the group ends, then PUBLISH_DONE (TRACK_ENDED) and FIN. The page writes its number
    /// of subscribers where the number of streams belongs.
    pub async fn stop(mut self) -> RequestStream {
        self.end_group().await;
        self.stream.write(&message(0x0b, &[&int(2), &int(1), &text("stopped")])).await;
        self.stream.send.finish().expect("still open");
        self.stream
    }
}

/// An object of a stream.
pub fn object(properties: &[u8], payload: &[u8]) -> Vec<u8> {
    [&int(0)[..], &int(properties.len() as u64), properties, &int(payload.len() as u64), payload]
        .concat()
}

/// Timescale, audio configuration, timestamp, codec: deltas of 8, 7, 1 and 1.
pub const AUDIO_PROPERTIES: &[u8] =
    &[8, 0xc0, 0xbb, 0x80, 7, 3, 1, 2, 3, 1, 0x81, 0xe0, 1, 4, b'o', b'p', b'u', b's'];

/// What the parameters of the relay's SUBSCRIBE say about forwarding.
pub fn wants_objects(parameters: &Parameters) -> bool {
    parameters.forward() != 0
}
