//! Real sockets on loopback: thin, as everything above is tested without them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sluice_net::dev_certificate::DevCertificate;
use sluice_net::dial::{Dial, Via};
use sluice_net::tls::{ClientTls, DefaultTimeProvider, ServerTls, Trust};
use sluice_net::{ConnectionKey, Net, NetConfig, NetEvent, NetSecrets, Transmit};
use sluice_proto::transport::{Read, StreamId, StreamKind, Transport, TransportEvent};
use sluice_udp::{BindError, Sent, SharedPort, Socket, SocketOptions, UdpLoop};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_megabyte_crosses_loopback_in_order_over_ipv4_and_ipv6() {
    let server_ips = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];
    for ip in server_ips {
        let (mut server, hash) = Side::server();
        let mut client = Side::client();
        let port = server.udp.socket().local_address().unwrap().port();
        let tls =
            ClientTls::new(Trust::CertificateHashes(vec![hash]), Arc::new(DefaultTimeProvider))
                .unwrap();
        let dial = Dial {
            remote: SocketAddr::new(ip, port),
            server_name: "localhost",
            tls: &tls,
            via: Via::Quic { protocols: vec!["test".into()] },
            patience: None,
        };
        client.net.connect(Instant::now(), dial).unwrap();

        let payload: Vec<u8> = (0..1_000_000u32).map(|n| (n / 3) as u8).collect();
        client.sending = Some(Bytes::from(payload.clone()));
        let deadline = Instant::now() + PATIENCE;
        while !server.finished {
            assert!(Instant::now() < deadline, "{} bytes", server.received.len());
            client.turn();
            server.turn();
        }
        assert!(server.received == payload);
        let from = server.remote.unwrap().ip();
        assert_eq!(from, ip, "the peer's address is canonical");
    }
}

#[test]
fn a_second_process_cannot_join_a_claimed_port() {
    let port = SharedPort::claim("[::1]:0".parse().unwrap()).unwrap();
    let first = port.bind(&SocketOptions::default()).unwrap();
    let second = port.bind(&SocketOptions::default()).unwrap();
    assert_eq!(first.local_address().unwrap(), second.local_address().unwrap());
    assert!(matches!(SharedPort::claim(port.address()), Err(BindError::InUse(_))));
    assert!(matches!(
        Socket::bind(port.address(), &SocketOptions::default()),
        Err(BindError::InUse(_))
    ));
}

#[test]
fn a_waker_ends_the_sleep() {
    let socket = Socket::bind("127.0.0.1:0".parse().unwrap(), &SocketOptions::default()).unwrap();
    let mut udp = UdpLoop::new(socket).unwrap();
    udp.receive(|_| {}).unwrap();
    let waker = udp.waker();
    let thread = std::thread::spawn(move || waker.wake().unwrap());
    let deadline = Instant::now() + PATIENCE;
    while !udp.wait(Some(deadline)).unwrap().woken {
        assert!(Instant::now() < deadline);
    }
    thread.join().unwrap();
}

#[test]
fn a_send_to_nowhere_does_not_end_the_loop() {
    let mut socket =
        Socket::bind("127.0.0.1:0".parse().unwrap(), &SocketOptions::default()).unwrap();
    for _ in 0..3 {
        let nowhere = Transmit {
            destination: "127.0.0.1:1".parse().unwrap(),
            ecn: None,
            size: 3,
            segment_size: None,
            src_ip: None,
        };
        assert_eq!(socket.send(nowhere, b"abc"), Sent::Now);
        socket.receive(|_| {}).unwrap();
    }
}

/// One end: its socket, its connections, and what it sends or has received.
struct Side {
    udp: UdpLoop,
    net: Net,
    key: Option<ConnectionKey>,
    remote: Option<SocketAddr>,
    stream: Option<StreamId>,
    sending: Option<Bytes>,
    received: Vec<u8>,
    finished: bool,
}

impl Side {
    fn server() -> (Side, [u8; 32]) {
        let dev = DevCertificate::generate(SystemTime::now(), &[]).unwrap();
        let mut config = NetConfig::new(secrets(1));
        config.server = Some(ServerTls::new(vec![dev.certificate], dev.key, &["test"]).unwrap());
        (Side::new(config), dev.hash)
    }

    fn client() -> Side {
        Side::new(NetConfig::new(secrets(3)))
    }

    fn new(config: NetConfig) -> Side {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let socket = Socket::bind(any, &SocketOptions::default()).unwrap();
        Side {
            udp: UdpLoop::new(socket).unwrap(),
            net: Net::new(config),
            key: None,
            remote: None,
            stream: None,
            sending: None,
            received: Vec::new(),
            finished: false,
        }
    }

    fn turn(&mut self) {
        let soon = Instant::now() + Duration::from_millis(1);
        let until = self.net.poll_timeout().map_or(soon, |at| at.min(soon));
        self.udp.wait(Some(until)).unwrap();
        let now = Instant::now();
        self.udp.receive_into(&mut self.net, now).unwrap();
        self.net.handle_timeout(now);
        while let Some(event) = self.net.poll_event() {
            match event {
                NetEvent::Connected { key, info } => {
                    self.key = Some(key);
                    self.remote = Some(info.remote);
                }
                NetEvent::Active { .. } => {}
                NetEvent::Closed { reason, .. } => panic!("{reason:?}"),
            }
        }
        if let Some(mut transport) = self.key.and_then(|key| self.net.transport(key, now)) {
            while let Some(event) = transport.poll_event() {
                if let TransportEvent::Opened(stream, _) = event {
                    self.stream = Some(stream);
                }
            }
            if let Some(payload) = &mut self.sending {
                let stream =
                    *self.stream.get_or_insert_with(|| transport.open(StreamKind::Uni).unwrap());
                let mut chunks = [payload.clone()];
                let written = transport.write(stream, &mut chunks).unwrap();
                *payload = chunks[0].clone();
                if written.complete {
                    transport.finish(stream);
                    self.sending = None;
                }
            } else if let Some(stream) = self.stream {
                loop {
                    match transport.read(stream, usize::MAX) {
                        Ok(Read::Data(bytes)) => self.received.extend_from_slice(&bytes),
                        Ok(Read::Fin) => self.finished = true,
                        _ => break,
                    }
                    if self.finished {
                        self.stream = None;
                        break;
                    }
                }
            }
        }
        self.udp.transmit_from(&mut self.net, now);
    }
}

fn secrets(byte: u8) -> NetSecrets {
    NetSecrets { shared: [byte; 32], seed: [byte + 1; 32] }
}
