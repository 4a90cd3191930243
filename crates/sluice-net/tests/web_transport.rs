//! WebTransport between two `Net`s, without a socket.

mod support;

use std::time::Duration;

use bytes::Bytes;
use sluice_proto::transport::{
    Carrier, CloseReason, DatagramError, StreamError, StreamKind, Transport, TransportEvent,
};
use support::{GENEROUS, World, limits, open_all, read, web, write};

fn world() -> World {
    World::connected(World::new(), web(&["old", "new", "other"]))
}

#[test]
fn the_session_has_path_authority_and_the_servers_favourite_protocol() {
    let world = world();
    for info in [world.server.info().unwrap(), world.client.info().unwrap()] {
        assert_eq!(info.carrier, Carrier::WebTransport);
        assert_eq!(info.protocol.as_deref(), Some("new"));
        assert_eq!(info.path.as_deref(), Some("/moq?room=1"));
        assert_eq!(info.authority.as_deref(), Some("localhost:4433"));
    }
}

#[test]
fn without_a_common_protocol_there_is_a_session_without_one() {
    for offered in [&[][..], &["unknown"]] {
        let world = World::connected(World::new(), web(offered));
        assert_eq!(world.server.info().unwrap().protocol, None);
        assert_eq!(world.client.info().unwrap().protocol, None);
    }
}

#[test]
fn streams_of_both_kinds_work_in_both_directions() {
    let mut world = world();
    for kind in [StreamKind::Uni, StreamKind::Bidi] {
        let mut client = world.client();
        let up = client.open(kind).unwrap();
        write(&mut client, up, b"up");
        client.finish(up);
        drop(client);
        let mut server = world.server();
        let down = server.open(kind).unwrap();
        write(&mut server, down, b"down");
        server.finish(down);
        drop(server);
        world.settle();
        assert!(world.server.seen.contains(&TransportEvent::Opened(up, kind)));
        assert!(world.client.seen.contains(&TransportEvent::Opened(down, kind)));
        assert_eq!(read(&mut world.server(), up), (b"up".to_vec(), true));
        assert_eq!(read(&mut world.client(), down), (b"down".to_vec(), true));
        assert!(world.client.seen.contains(&TransportEvent::Acked(up)));
    }
}

#[test]
fn http_streams_are_not_shown() {
    let mut world = world();
    world.settle();
    assert_eq!(world.server.seen, []);
    assert_eq!(world.client.seen, []);
}

#[test]
fn a_bidirectional_stream_is_answered_on_the_same_stream() {
    let mut world = world();
    let mut client = world.client();
    let stream = client.open(StreamKind::Bidi).unwrap();
    write(&mut client, stream, b"question");
    drop(client);
    world.settle();
    assert_eq!(read(&mut world.server(), stream), (b"question".to_vec(), false));
    let mut server = world.server();
    write(&mut server, stream, b"answer");
    server.finish(stream);
    drop(server);
    world.settle();
    assert_eq!(read(&mut world.client(), stream), (b"answer".to_vec(), true));
}

#[test]
fn codes_of_resets_and_stops_arrive_as_the_application_gave_them() {
    let mut world = world();
    for code in [0, 7, 29, 30, 31, u64::from(u32::MAX)] {
        let mut client = world.client();
        let given_up = client.open(StreamKind::Uni).unwrap();
        let unwanted = client.open(StreamKind::Uni).unwrap();
        write(&mut client, given_up, b"data");
        write(&mut client, unwanted, b"data");
        drop(client);
        world.settle();
        world.client().reset(given_up, code);
        world.server().stop(unwanted, code);
        world.settle();
        assert!(world.server.seen.contains(&TransportEvent::Reset(given_up, code)));
        assert!(world.client.seen.contains(&TransportEvent::Stopped(unwanted, code)));
        assert_eq!(
            world.client().write(unwanted, &mut [Bytes::from_static(b"x")]),
            Err(StreamError::Closed)
        );
    }
}

#[test]
fn datagrams_carry_the_session_and_lose_it_again() {
    let mut world = world();
    let max = world.client().datagram_max().unwrap();
    let mut client = world.client();
    assert_eq!(client.send_datagram(vec![0; max + 1].into()), Err(DatagramError::TooLarge));
    client.send_datagram(vec![7; max].into()).unwrap();
    drop(client);
    world.server().send_datagram(Bytes::from_static(b"down")).unwrap();
    world.settle();
    assert!(world.server.seen.contains(&TransportEvent::Datagram));
    assert_eq!(world.server().recv_datagram().unwrap(), vec![7; max]);
    assert_eq!(world.client().recv_datagram().unwrap(), "down");
    assert_eq!(world.client().recv_datagram(), None);
}

#[test]
fn a_close_carries_code_and_reason_and_ends_the_connection() {
    for client_closes in [true, false] {
        let mut world = world();
        let reason = "é".repeat(1000);
        let (closed_by, other) = match client_closes {
            true => {
                world.client().close(0x17, &reason);
                world.settle();
                (&world.client, &world.server)
            }
            false => {
                world.server().close(0x17, &reason);
                world.settle();
                (&world.server, &world.client)
            }
        };
        assert_eq!(closed_by.closed(), Some(CloseReason::Local));
        let reason = "é".repeat(512);
        assert_eq!(other.closed(), Some(CloseReason::Peer { code: 0x17, reason }));
        world.run(Duration::from_secs(10));
        assert_eq!(world.server.net.connections(), 0);
        assert_eq!(world.client.net.connections(), 0);
    }
}

#[test]
fn a_close_arrives_although_the_window_is_full() {
    let mut world = world();
    let mut client = world.client();
    let stream = client.open(StreamKind::Uni).unwrap();
    assert!(!client.write(stream, &mut [vec![0; 1 << 20].into()]).unwrap().complete);
    client.close(5, "enough");
    drop(client);
    world.settle();
    let reason = "enough".to_string();
    assert_eq!(world.server.closed(), Some(CloseReason::Peer { code: 5, reason }));
}

#[test]
fn a_drain_arrives_and_the_session_goes_on() {
    let mut world = world();
    world.server().drain();
    world.client().drain();
    world.settle();
    assert!(world.client.seen.contains(&TransportEvent::Draining));
    assert!(world.server.seen.contains(&TransportEvent::Draining));
    let mut client = world.client();
    let stream = client.open(StreamKind::Uni).unwrap();
    write(&mut client, stream, b"still here");
    drop(client);
    world.settle();
    assert_eq!(read(&mut world.server(), stream).0, b"still here");
}

#[test]
fn stream_credit_is_for_the_application() {
    let mut world = world();
    world.server().set_credit(GENEROUS);
    world.settle();
    for (kind, granted) in
        [(StreamKind::Uni, GENEROUS.uni_streams), (StreamKind::Bidi, GENEROUS.bidi_streams)]
    {
        let mut opened = 0;
        loop {
            match open_all(&mut world, kind) {
                0 => break,
                more => opened += more,
            }
            world.settle();
        }
        assert!(opened >= granted as usize, "{opened} of {granted}");
    }
}

#[test]
fn a_thousand_streams_a_hundred_at_a_time_each_arrive() {
    let mut world = world();
    world.server().set_credit(GENEROUS);
    world.settle();
    for round in 0..10 {
        let mut client = world.client();
        let sent: Vec<_> = (0..100)
            .map(|n| {
                let stream = client.open(StreamKind::Uni).expect("credit is renewed");
                write(&mut client, stream, &[round, n]);
                client.finish(stream);
                stream
            })
            .collect();
        drop(client);
        world.settle();
        assert_eq!(world.server.opened(), sent);
        for (n, stream) in (0..).zip(sent) {
            assert_eq!(read(&mut world.server(), stream), (vec![round, n], true));
        }
        world.server.seen.clear();
        world.settle();
    }
}

#[test]
fn an_idle_session_stays() {
    let mut world = world();
    world.run(limits().idle_timeout * 5);
    assert_eq!(world.client.closed(), None);
    assert_eq!(world.server.closed(), None);
}
