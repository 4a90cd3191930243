//! Real QUIC over simulated datagrams carries bytes whole, whatever happens to its packets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::transport::{
    CloseReason, PeerCredit, Read, Side, StreamError, StreamId, StreamKind, Transport,
    TransportEvent,
};
use sluice_proto::wire::Draft;
use sluice_sim::link::LinkConfig;
use sluice_sim::quic::{Cloud, NetEnd};

struct Pair {
    cloud: Cloud,
    port: usize,
    now: Instant,
    client: NetEnd,
    server: NetEnd,
}

fn pair(seed: u64, link: LinkConfig) -> Pair {
    let mut now = Instant::now();
    let mut cloud = Cloud::new(seed, 3, now);
    let port = cloud.dial(1, &link.protocol(Draft::D18.token()));
    loop {
        now = cloud.next_event_time().expect("the handshake goes on").max(now);
        cloud.advance_to(now);
        assert!(!cloud.failed(port), "the handshake failed");
        if let Some(client) = cloud.connected(port) {
            while cloud.is_busy() {
                now = cloud.next_event_time().expect("busy").max(now);
                cloud.advance_to(now);
            }
            let server = cloud.connected(1).expect("accepted when the client is");
            return Pair { cloud, port, now, client, server };
        }
    }
}

fn send(end: &mut NetEnd, stream: StreamId, left: &mut Bytes) {
    let mut chunks = [std::mem::take(left)];
    let written = end.write(stream, &mut chunks).expect("open");
    [*left] = chunks;
    if written.complete {
        end.finish(stream);
    }
}

#[test]
fn streams_arrive_whole_over_loss_reordering_and_duplication() {
    for seed in 0..6 {
        let mut link = LinkConfig::default().loss_permille(30).jitter(Duration::from_millis(8));
        if seed % 2 == 1 {
            link = link.web_transport("/moq");
        }
        let Pair { mut cloud, mut now, mut client, mut server, .. } = pair(seed, link);
        let credit = PeerCredit { uni_streams: 100, bidi_streams: 10, window_bytes: 1 << 20 };
        server.set_credit(credit);
        let payload = Bytes::from(vec![7u8; 60_000]);
        let mut left = BTreeMap::new();
        let mut arrived: BTreeMap<StreamId, usize> = BTreeMap::new();
        let mut finished = 0;
        for _ in 0..8 {
            let stream = client.open(StreamKind::Uni).expect("credit");
            let mut rest = payload.clone();
            send(&mut client, stream, &mut rest);
            left.insert(stream, rest);
        }
        let end = now + Duration::from_secs(20);
        while finished < 8 {
            cloud.exchange();
            now = cloud.next_event_time().expect("something is under way").max(now);
            assert!(now < end, "seed {seed}: {arrived:?}");
            cloud.advance_to(now);
            while let Some(event) = client.poll_event() {
                if let TransportEvent::Writable(stream) = event {
                    send(&mut client, stream, left.get_mut(&stream).expect("ours"));
                }
            }
            while let Some(event) = server.poll_event() {
                if let TransportEvent::Opened(stream, _) | TransportEvent::Readable(stream) = event
                {
                    loop {
                        match server.read(stream, 1 << 20) {
                            Ok(Read::Data(data)) => {
                                *arrived.entry(stream).or_default() += data.len();
                            }
                            Ok(Read::Fin) => {
                                finished += 1;
                                break;
                            }
                            // Closed: the same edge told again after FIN.
                            Ok(Read::Blocked) | Err(StreamError::Closed) => break,
                            Err(error) => panic!("seed {seed}: {error}"),
                        }
                    }
                }
            }
        }
        assert!(arrived.values().all(|bytes| *bytes == payload.len()));
    }
}

#[test]
fn a_cut_path_ends_both_sides_by_silence() {
    let link = LinkConfig { idle_timeout: Duration::from_secs(2), ..LinkConfig::default() };
    let Pair { mut cloud, port, now, mut client, mut server } = pair(1, link);
    cloud.path(port).expect("a client's").borrow_mut().cut_after(Side::Client, 1);
    let stream = client.open(StreamKind::Uni).expect("credit");
    send(&mut client, stream, &mut Bytes::from_static(b"lost"));
    cloud.exchange();
    cloud.advance_to(now + Duration::from_secs(20));
    let last = |end: &mut NetEnd| std::iter::from_fn(|| end.poll_event()).last();
    assert_eq!(last(&mut client), Some(TransportEvent::Closed(CloseReason::TimedOut)));
    assert_eq!(last(&mut server), Some(TransportEvent::Closed(CloseReason::TimedOut)));
}
