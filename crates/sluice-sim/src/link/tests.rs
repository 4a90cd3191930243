use super::*;
use sluice_proto::transport::CloseReason;

/// Everything an end sees, with streams read as far as they go.
#[derive(Default)]
struct Seen {
    events: Vec<TransportEvent>,
    data: std::collections::BTreeMap<StreamId, Vec<u8>>,
    finished: Vec<StreamId>,
}

impl Seen {
    fn read(&mut self, end: &mut LinkEnd) {
        while let Some(event) = end.poll_event() {
            if let TransportEvent::Opened(stream, _) | TransportEvent::Readable(stream) = event {
                loop {
                    match end.read(stream, 4096) {
                        Ok(Read::Data(data)) => {
                            self.data.entry(stream).or_default().extend_from_slice(&data);
                        }
                        Ok(Read::Fin) => {
                            self.finished.push(stream);
                            break;
                        }
                        Ok(Read::Blocked) | Err(_) => break,
                    }
                }
            }
            self.events.push(event);
        }
    }
}

/// A writer that sends a whole payload on one stream, waiting for `Writable` as it must.
struct Sender {
    stream: StreamId,
    left: Bytes,
}

impl Sender {
    fn new(end: &mut LinkEnd, payload: Vec<u8>) -> Self {
        let stream = end.open(StreamKind::Uni).expect("credit at the beginning");
        Self { stream, left: payload.into() }
    }

    fn send(&mut self, end: &mut LinkEnd) {
        let mut chunks = [std::mem::take(&mut self.left)];
        let written = end.write(self.stream, &mut chunks).expect("open");
        [self.left] = chunks;
        if written.complete {
            end.finish(self.stream);
        }
    }
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

fn rough() -> LinkConfig {
    LinkConfig::default().jitter(Duration::from_millis(9)).loss_permille(100).quirks(Quirks {
        tiny_reads_permille: 200,
        partial_writes_permille: 300,
        stale_events_permille: 200,
        late_credit: Duration::from_millis(50),
    })
}

fn transfer(seed: u64, config: LinkConfig, lens: &[usize]) -> (Seen, Duration) {
    let mut network = Network::new(seed);
    let (_link, mut client, mut server) = network.connect(config);
    let mut senders: Vec<_> =
        lens.iter().map(|len| Sender::new(&mut client, payload(*len))).collect();
    for sender in &mut senders {
        sender.send(&mut client);
    }
    let mut seen = Seen::default();
    while network.advance() {
        while let Some(event) = client.poll_event() {
            if let TransportEvent::Writable(stream) = event {
                let sender = senders.iter_mut().find(|s| s.stream == stream).expect("ours");
                if !sender.left.is_empty() {
                    sender.send(&mut client);
                }
            }
        }
        seen.read(&mut server);
    }
    (seen, network.elapsed())
}

#[test]
fn every_stream_arrives_whole_and_in_order_on_a_rough_link() {
    for seed in 0..40 {
        let lens = [0, 1, 700_000, 5000];
        let (seen, _) = transfer(seed, rough(), &lens);
        assert_eq!(seen.finished.len(), 4, "seed {seed}");
        for (index, len) in lens.iter().enumerate() {
            let data = seen.data.get(&StreamId(index as u64 * 4 + 2)).cloned().unwrap_or_default();
            assert!(data == payload(*len), "seed {seed}, stream {index}");
        }
    }
}

#[test]
fn equal_seeds_give_equal_runs() {
    let run = |seed| {
        let (seen, elapsed) = transfer(seed, rough(), &[9000, 9000, 9000]);
        (seen.events, elapsed)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).1, run(4).1);
}

#[test]
fn bandwidth_decides_how_long_it_takes() {
    let mut config = LinkConfig::instant();
    config.up.bits_per_second = Some(8_000_000);
    let (_, elapsed) = transfer(1, config, &[1_000_000]);
    assert!((1000..1050).contains(&elapsed.as_millis()), "{elapsed:?}");
}

#[test]
fn the_higher_order_leaves_first() {
    let mut network = Network::new(1);
    let mut config = LinkConfig::default();
    config.up.bits_per_second = Some(1_000_000);
    let (_link, mut client, mut server) = network.connect(config);
    let low = Sender::new(&mut client, payload(50_000));
    let high = Sender::new(&mut client, payload(50_000));
    client.set_priority(high.stream, 5);
    for mut sender in [low, high] {
        sender.send(&mut client);
    }
    let mut seen = Seen::default();
    while network.advance() {
        seen.read(&mut server);
    }
    assert_eq!(seen.finished, [StreamId(6), StreamId(2)]);
}

#[test]
fn a_peer_that_does_not_read_holds_no_more_than_its_window() {
    let mut network = Network::new(1);
    let config = LinkConfig { stream_window_bytes: 10_000, ..LinkConfig::default() };
    let (_link, mut client, mut server) = network.connect(config);
    let mut sender = Sender::new(&mut client, payload(100_000));
    sender.send(&mut client);
    while network.advance() {}
    assert_eq!(sender.left.len(), 90_000);
    assert_eq!(client.send_room(), 256 * 1024, "what waits at the reader does not fill the path");

    let mut seen = Seen::default();
    seen.read(&mut server);
    while network.advance() {}
    assert_eq!(client.poll_event(), Some(TransportEvent::Writable(sender.stream)));
}

#[test]
fn streams_end_with_their_credit_and_come_back_when_one_is_over() {
    let mut network = Network::new(1);
    let mut config = LinkConfig::default();
    config.server_grants.uni_streams = 1;
    let (_link, mut client, mut server) = network.connect(config);
    let mut sender = Sender::new(&mut client, payload(10));
    assert_eq!(client.open(StreamKind::Uni), None);
    sender.send(&mut client);
    let mut seen = Seen::default();
    while network.advance() {
        seen.read(&mut server);
    }
    assert_eq!(client.poll_event(), Some(TransportEvent::Acked(sender.stream)));
    assert_eq!(client.poll_event(), Some(TransportEvent::Available(StreamKind::Uni)));
    assert!(client.open(StreamKind::Uni).is_some());
}

#[test]
fn a_stream_can_be_stopped_before_its_first_write() {
    let mut network = Network::new(1);
    let (_link, mut client, mut server) = network.connect(LinkConfig::default());
    let first = client.open(StreamKind::Uni).expect("credit");
    let mut second = Sender::new(&mut client, payload(1));
    second.send(&mut client);
    while network.advance() {}
    // The second stream's number opens the first one too.
    assert_eq!(server.poll_event(), Some(TransportEvent::Opened(first, StreamKind::Uni)));
    server.stop(first, 7);
    while network.advance() {}
    let mut seen = Seen::default();
    seen.read(&mut client);
    assert!(seen.events.contains(&TransportEvent::Stopped(first, 7)));
    assert_eq!(client.write(first, &mut [Bytes::from_static(b"x")]), Err(StreamError::Stopped(7)));
}

#[test]
fn a_reset_takes_unread_data_along_and_returns_its_credit() {
    let mut network = Network::new(1);
    let mut config = LinkConfig::default();
    config.server_grants.window_bytes = 1000;
    let (_link, mut client, mut server) = network.connect(config);
    let mut sender = Sender::new(&mut client, payload(5000));
    sender.send(&mut client);
    while network.advance() {}
    client.reset(sender.stream, 9);
    while network.advance() {}
    assert_eq!(server.poll_event(), Some(TransportEvent::Opened(sender.stream, StreamKind::Uni)));
    assert_eq!(server.read(sender.stream, 10), Err(StreamError::Reset(9)));
    assert_eq!(server.poll_event(), None, "told once");
    while network.advance() {}
    let mut next = Sender::new(&mut client, payload(1000));
    next.send(&mut client);
    assert!(next.left.is_empty());
}

#[test]
fn both_ends_of_a_cut_link_learn_it_by_silence() {
    let mut network = Network::new(1);
    let (link, mut client, mut server) = network.connect(LinkConfig::default());
    link.cut_after(Side::Client, 3000);
    Sender::new(&mut client, payload(100_000)).send(&mut client);
    let mut seen = Seen::default();
    while network.advance() {
        seen.read(&mut server);
    }
    let closed = TransportEvent::Closed(CloseReason::TimedOut);
    assert_eq!(seen.events.last(), Some(&closed));
    assert_eq!(client.poll_event(), Some(closed));
    assert!(link.departed_bytes(Side::Client) <= 3000 + 1200);
}

#[test]
fn a_close_tells_the_peer_code_and_reason() {
    let mut network = Network::new(1);
    let (_link, mut client, mut server) = network.connect(LinkConfig::default());
    client.close(3, "broken rule");
    assert_eq!(client.poll_event(), Some(TransportEvent::Closed(CloseReason::Local)));
    while network.advance() {}
    let reason = CloseReason::Peer { code: 3, reason: "broken rule".into() };
    assert_eq!(server.poll_event(), Some(TransportEvent::Closed(reason)));
    assert_eq!(server.open(StreamKind::Uni), None);
}

#[test]
fn datagrams_are_lost_and_streams_are_not() {
    let mut network = Network::new(1);
    let config = LinkConfig::default().loss_permille(300);
    let (_link, mut client, mut server) = network.connect(config);
    for _ in 0..200 {
        client.send_datagram(Bytes::from_static(b"tick")).expect("room");
    }
    while network.advance() {}
    let arrived = std::iter::from_fn(|| server.recv_datagram()).count();
    assert!((100..180).contains(&arrived), "{arrived}");
    assert_eq!(client.send_datagram(vec![0; 1181].into()), Err(DatagramError::TooLarge));
}

#[test]
fn a_stalled_lane_sends_nothing_until_it_recovers() {
    let mut network = Network::new(1);
    let (link, mut client, mut server) = network.connect(LinkConfig::default());
    link.stall(Side::Client, Duration::from_secs(2));
    Sender::new(&mut client, payload(10)).send(&mut client);
    let mut seen = Seen::default();
    while seen.finished.is_empty() {
        assert!(network.advance());
        seen.read(&mut server);
    }
    assert_eq!(network.elapsed(), Duration::from_millis(2010));
}
