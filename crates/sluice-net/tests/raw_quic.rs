//! Raw QUIC between two `Net`s, without a socket.

mod support;

use std::time::Duration;

use bytes::Bytes;
use sluice_net::{NetEvent, NetLimits};
use sluice_proto::transport::{
    Carrier, CloseReason, DatagramError, PeerCredit, Side, StreamError, StreamKind, Transport,
    TransportEvent,
};
use support::{GENEROUS, World, limits, open_all, raw, read, write};

#[test]
fn the_best_protocol_that_both_know_is_chosen() {
    let world = World::raw();
    let info = world.server.info().unwrap();
    assert_eq!(info.side, Side::Server);
    assert_eq!(info.carrier, Carrier::Quic);
    assert_eq!(info.protocol.as_deref(), Some("new"));
    assert_eq!(info.authority.as_deref(), Some("localhost"));
    assert_eq!(world.client.info().unwrap().protocol.as_deref(), Some("new"));
}

#[test]
fn a_client_with_unknown_protocols_only_is_told_so() {
    let mut world = World::new();
    world.dial(sluice_net::dial::Via::Quic { protocols: vec!["other".into()] });
    world.settle();
    assert!(matches!(
        &world.client.events[..],
        [NetEvent::Closed { reason: CloseReason::Transport(_), .. }]
    ));
    assert!(world.server.events.is_empty());
    world.run(Duration::from_secs(60));
    assert_eq!(world.server.net.connections(), 0);
    assert_eq!(world.client.net.connections(), 0);
}

#[test]
fn streams_carry_bytes_both_ways_and_end() {
    let mut world = World::raw();
    let stream = {
        let mut client = world.client();
        let stream = client.open(StreamKind::Bidi).unwrap();
        write(&mut client, stream, b"question");
        client.finish(stream);
        stream
    };
    world.settle();
    assert_eq!(world.server.seen, [TransportEvent::Opened(stream, StreamKind::Bidi)]);
    {
        let mut server = world.server();
        assert_eq!(read(&mut server, stream), (b"question".to_vec(), true));
        write(&mut server, stream, b"answer");
        server.finish(stream);
    }
    world.settle();
    assert_eq!(
        world.client.seen,
        [TransportEvent::Acked(stream), TransportEvent::Readable(stream)]
    );
    assert_eq!(read(&mut world.client(), stream), (b"answer".to_vec(), true));
}

#[test]
fn streams_opened_at_once_are_each_reported_once() {
    let mut world = World::raw();
    let streams: Vec<_> = {
        let mut client = world.client();
        (0..10)
            .map(|n| {
                let stream = client.open(StreamKind::Uni).unwrap();
                write(&mut client, stream, &[n]);
                stream
            })
            .collect()
    };
    world.settle();
    assert_eq!(world.server.opened(), streams);
    for (n, stream) in streams.into_iter().enumerate() {
        assert_eq!(read(&mut world.server(), stream), (vec![n as u8], false));
    }
}

#[test]
fn a_reset_and_a_stop_carry_their_codes() {
    let mut world = World::raw();
    let [given_up, unwanted] = {
        let mut client = world.client();
        let streams = [(); 2].map(|()| client.open(StreamKind::Uni).unwrap());
        streams.map(|stream| {
            write(&mut client, stream, b"data");
            stream
        })
    };
    world.settle();
    world.client().reset(given_up, 7);
    world.server().stop(unwanted, 9);
    world.settle();
    assert!(world.server.seen.contains(&TransportEvent::Reset(given_up, 7)));
    assert!(world.client.seen.contains(&TransportEvent::Stopped(unwanted, 9)));
    assert_eq!(
        world.client().write(unwanted, &mut [Bytes::from_static(b"x")]),
        Err(StreamError::Closed)
    );
}

#[test]
fn datagrams_arrive_and_have_a_largest_size() {
    let mut world = World::raw();
    let max = world.client().datagram_max().unwrap();
    let mut client = world.client();
    assert_eq!(client.send_datagram(vec![0; max + 1].into()), Err(DatagramError::TooLarge));
    client.send_datagram(Bytes::from_static(b"one")).unwrap();
    client.send_datagram(vec![1; max].into()).unwrap();
    drop(client);
    world.settle();
    assert!(world.server.seen.contains(&TransportEvent::Datagram));
    let mut server = world.server();
    assert_eq!(server.recv_datagram().unwrap(), "one");
    assert_eq!(server.recv_datagram().unwrap().len(), max);
    assert_eq!(server.recv_datagram(), None);
}

#[test]
fn a_full_datagram_queue_blocks_and_then_says_so() {
    let mut world = World::raw();
    let mut client = world.client();
    let mut sent = 0;
    while client.send_datagram(vec![0; 1000].into()).is_ok() {
        sent += 1;
        assert!(sent < 1000, "unbounded");
    }
    assert_eq!(client.send_datagram(vec![0; 1000].into()), Err(DatagramError::Blocked));
    drop(client);
    world.settle();
    assert!(world.client.seen.contains(&TransportEvent::DatagramsWritable));
}

#[test]
fn a_close_carries_code_and_reason_cut_to_the_limit() {
    let mut world = World::raw();
    world.client().close(0x10, &"é".repeat(1000));
    world.settle();
    assert_eq!(world.client.closed(), Some(CloseReason::Local));
    let Some(CloseReason::Peer { code, reason }) = world.server.closed() else {
        panic!("{:?}", world.server.seen);
    };
    assert_eq!(code, 0x10);
    assert_eq!(reason, "é".repeat(512));
    world.run(Duration::from_secs(10));
    assert_eq!(world.server.net.connections(), 0);
    assert_eq!(world.client.net.connections(), 0);
}

#[test]
fn a_stale_key_finds_nothing() {
    let mut world = World::raw();
    let key = world.client.key.unwrap();
    world.client().close(0, "");
    world.run(Duration::from_secs(10));
    let next = world.dial(raw());
    assert_ne!(key, next);
    world.settle();
    let now = world.now;
    assert!(world.client.net.transport(key, now).is_none());
    assert!(world.client.net.transport(next, now).is_some());
}

#[test]
fn without_stream_credit_open_waits_for_available() {
    let mut world = World::raw();
    let mut client = world.client();
    let mut streams = Vec::new();
    while let Some(stream) = client.open(StreamKind::Uni) {
        write(&mut client, stream, b"x");
        streams.push(stream);
    }
    drop(client);
    assert_eq!(streams.len(), limits().stranger_credit.uni_streams as usize);
    world.settle();
    let available = TransportEvent::Available(StreamKind::Uni);
    assert!(!world.client.seen.contains(&available));
    world.server().set_credit(GENEROUS);
    world.settle();
    assert!(world.client.seen.contains(&available));
    let mut client = world.client();
    let more = std::iter::from_fn(|| client.open(StreamKind::Uni)).count();
    assert_eq!(streams.len() + more, GENEROUS.uni_streams as usize);
}

#[test]
fn streams_are_granted_as_they_are_used_until_all_that_are_allowed() {
    let mut world = World::raw();
    let allowed = PeerCredit { uni_streams: 500, bidi_streams: 300, ..GENEROUS };
    world.server().set_credit(allowed);
    world.settle();
    for (kind, allowed) in [(StreamKind::Uni, 500), (StreamKind::Bidi, 300)] {
        let mut all = open_all(&mut world, kind);
        assert!((1..allowed).contains(&all), "{all} at once");
        loop {
            world.settle();
            match open_all(&mut world, kind) {
                0 => break,
                more => all += more,
            }
        }
        assert_eq!(all, allowed, "{kind:?}");
    }
}

#[test]
fn ended_streams_give_their_credit_back() {
    let mut world = World::raw();
    for round in 0..20 {
        for _ in 0..limits().stranger_credit.uni_streams / 2 {
            let mut client = world.client();
            let stream = client.open(StreamKind::Uni).unwrap_or_else(|| {
                panic!("out of credit in round {round}");
            });
            write(&mut client, stream, b"x");
            client.finish(stream);
        }
        world.settle();
        for stream in std::mem::take(&mut world.server.seen) {
            if let TransportEvent::Opened(stream, _) = stream {
                assert!(read(&mut world.server(), stream).1);
            }
        }
        world.settle();
    }
}

#[test]
fn a_stranger_cannot_fill_more_than_its_window() {
    let mut world = World::raw();
    let mut sent = 0;
    let mut client = world.client();
    let streams: Vec<_> = std::iter::from_fn(|| client.open(StreamKind::Uni)).collect();
    drop(client);
    for _ in 0..200 {
        for stream in &streams {
            let chunk = Bytes::from(vec![0; 4096]);
            sent += world.client().write(*stream, &mut [chunk]).unwrap().bytes;
        }
        world.settle();
    }
    assert_eq!(sent, limits().stranger_credit.window_bytes as usize);
}

#[test]
fn a_blocked_write_becomes_writable_and_everything_arrives_in_order() {
    let mut world = World::raw();
    world.server().set_credit(GENEROUS);
    world.settle();
    let payload: Vec<u8> = (0..1_000_000u32).map(|n| (n / 7) as u8).collect();
    let mut rest = [Bytes::from(payload.clone())];
    let stream = world.client().open(StreamKind::Uni).unwrap();
    let first = world.client().write(stream, &mut rest).unwrap();
    assert!(!first.complete && first.bytes > 0);
    let mut arrived = Vec::new();
    for _ in 0..10_000 {
        world.run(support::LATENCY / 2);
        let writable = TransportEvent::Writable(stream);
        if world.client.seen.contains(&writable) {
            world.client.seen.clear();
            if world.client().write(stream, &mut rest).unwrap().complete {
                world.client().finish(stream);
            }
        }
        if world.server.opened().contains(&stream) {
            let (bytes, end) = read(&mut world.server(), stream);
            arrived.extend_from_slice(&bytes);
            if end {
                break;
            }
        }
    }
    assert!(arrived == payload, "{} bytes arrived", arrived.len());
}

#[test]
fn what_is_handed_over_stays_near_one_congestion_window() {
    let mut world = World::raw();
    world.server().set_credit(GENEROUS);
    world.settle();
    let mut client = world.client();
    let room = client.send_room();
    let window = client.stats().window_bytes as usize;
    assert!(room >= window && room <= window * 3, "{room} of {window}");
    let stream = client.open(StreamKind::Uni).unwrap();
    let written = client.write(stream, &mut [vec![0; 1_000_000].into()]).unwrap();
    assert!(written.bytes <= window * 3, "{} of {window}", written.bytes);
    assert_eq!(client.send_room(), room.saturating_sub(written.bytes));
}

#[test]
fn a_full_port_refuses_and_takes_new_connections_again_later() {
    let server = NetLimits { connections_max: 1, ..limits() };
    let mut world = World::connected(World::with(limits(), server), raw());
    world.client.events.clear();
    let refused = world.dial(raw());
    world.settle();
    assert!(
        matches!(&world.client.events[..], [NetEvent::Closed { key, .. }] if *key == refused),
        "{:?}",
        world.client.events
    );
    assert_eq!(world.server.net.counters().refused, 1);

    world.client().close(0, "");
    world.run(Duration::from_secs(10));
    world.client.events.clear();
    world.dial(raw());
    world.settle();
    assert!(matches!(&world.client.events[..], [NetEvent::Connected { .. }]));
}

#[test]
fn a_draining_port_refuses_newcomers_and_keeps_its_connections() {
    let mut world = World::raw();
    world.server.net.set_accepting(false);
    world.client.events.clear();
    world.dial(raw());
    world.settle();
    assert!(matches!(&world.client.events[..], [NetEvent::Closed { .. }]));
    assert!(world.client().open(StreamKind::Uni).is_some());
    assert_eq!(world.server.closed(), None);
}

#[test]
fn many_strangers_at_once_have_to_prove_their_address() {
    let server = NetLimits { handshakes_max: 2, ..limits() };
    let mut world = World::with(limits(), server);
    for _ in 0..2 {
        world.dial(raw());
    }
    world.settle();
    assert_eq!(world.server.net.counters().retried, 1);
    let connected = |event: &&NetEvent| matches!(event, NetEvent::Connected { .. });
    assert_eq!(world.client.events.iter().filter(connected).count(), 2);
}

#[test]
fn a_silent_server_is_given_up_after_the_handshake_timeout() {
    let mut world = World::new();
    world.server.address = "[::1]:3000".parse().unwrap();
    world.server.net.set_server(None);
    world.dial(raw());
    world.run(limits().handshake_timeout + Duration::from_secs(5));
    assert!(
        matches!(
            &world.client.events[..],
            [NetEvent::Closed { reason: CloseReason::Transport(what), .. }] if what.contains("too long")
        ),
        "{:?}",
        world.client.events
    );
}

#[test]
fn one_send_holds_many_datagrams_of_one_size() {
    let mut world = World::raw();
    world.client().set_credit(GENEROUS);
    world.settle();
    world.server_sends.clear();
    let mut server = world.server();
    let stream = server.open(StreamKind::Uni).unwrap();
    write(&mut server, stream, &[0; 10_000]);
    drop(server);
    world.settle();
    let (size, segment) = world.server_sends[0];
    assert!(size > 5 * segment.unwrap(), "{:?}", world.server_sends);
}

#[test]
fn a_healthy_idle_connection_stays() {
    let mut world = World::raw();
    world.run(limits().idle_timeout * 5);
    assert_eq!(world.client.closed(), None);
    assert_eq!(world.server.closed(), None);
}
