//! Another WebTransport library against ours, as client and as server, over real sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sluice_net::dev_certificate::DevCertificate;
use sluice_net::dial::{Dial, Via};
use sluice_net::tls::{ClientTls, DefaultTimeProvider, ServerTls, Trust};
use sluice_net::{ConnTransport, Net, NetConfig, NetEvent, NetSecrets};
use sluice_proto::transport::{CloseReason, Read, StreamId, StreamKind, Transport, TransportEvent};
use sluice_udp::{LoopWaker, Socket, SocketOptions, UdpLoop};
use url::Url;
use web_transport_quinn::proto::ConnectRequest;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn its_client_gets_streams_datagrams_and_its_close_through() {
    let server = Echo::serve();
    let url =
        Url::parse(&format!("https://127.0.0.1:{}/some/path", server.address.port())).unwrap();
    let hash = server.hash.to_vec();
    within_patience(async move {
        let client = web_transport_quinn::ClientBuilder::new()
            .with_server_certificate_hashes(vec![hash])
            .unwrap();
        let request =
            ConnectRequest::new(url).with_protocols(["old".to_string(), "new".to_string()]);
        let session = client.connect(request).await.unwrap();
        assert_eq!(session.protocol(), Some("new"));

        let mut bidis = Vec::new();
        for n in 0..5u8 {
            let (mut send, receive) = session.open_bi().await.unwrap();
            send.write_all(&vec![n; 20_000]).await.unwrap();
            send.finish().unwrap();
            bidis.push((n, receive));
        }
        for (n, mut receive) in bidis {
            assert_eq!(receive.read_to_end(30_000).await.unwrap(), vec![n; 20_000]);
        }

        let mut send = session.open_uni().await.unwrap();
        send.write_all(b"one way").await.unwrap();
        send.finish().unwrap();
        let mut back = session.accept_uni().await.unwrap();
        assert_eq!(back.read_to_end(100).await.unwrap(), b"one way");

        session.send_datagram(Bytes::from_static(b"ping")).unwrap();
        assert_eq!(session.read_datagram().await.unwrap(), "ping");

        session.close(7, b"bye");
        session.closed().await;
    });
    let reason = "bye".to_string();
    assert_eq!(server.join(), Some(CloseReason::Peer { code: 7, reason }));
}

#[test]
fn its_client_sees_our_close() {
    let server = Echo::serve();
    let url = Url::parse(&format!("https://127.0.0.1:{}/", server.address.port())).unwrap();
    let hash = server.hash.to_vec();
    within_patience(async move {
        let client = web_transport_quinn::ClientBuilder::new()
            .with_server_certificate_hashes(vec![hash])
            .unwrap();
        let session = client.connect(url).await.unwrap();
        assert_eq!(session.protocol(), None);
        let mut send = session.open_uni().await.unwrap();
        send.write_all(b"close").await.unwrap();
        send.finish().unwrap();
        let closed = session.closed().await;
        let web_transport_quinn::SessionError::WebTransportError(
            web_transport_quinn::WebTransportError::Closed(9, reason),
        ) = closed
        else {
            panic!("{closed:?}");
        };
        assert_eq!(reason, "as you wish");
    });
    assert_eq!(server.join(), Some(CloseReason::Local));
}

#[test]
fn our_client_gets_through_to_its_server() {
    let dev = DevCertificate::generate(SystemTime::now(), &[]).unwrap();
    let hash = dev.hash;
    within_patience(async move {
        let mut server = web_transport_quinn::ServerBuilder::new()
            .with_addr("127.0.0.1:0".parse().unwrap())
            .with_certificate(vec![dev.certificate], dev.key)
            .unwrap();
        let address = server.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            let mut client = Echo::dial(address, hash);
            client.run();
            client
        });
        let request = server.accept().await.unwrap();
        assert_eq!(request.url.path(), "/moq");
        assert_eq!(request.protocols, ["new", "old"]);
        let response = web_transport_quinn::proto::ConnectResponse::OK.with_protocol("old");
        let session = request.respond(response).await.unwrap();

        let (mut send, mut receive) = session.open_bi().await.unwrap();
        send.write_all(&[5; 20_000]).await.unwrap();
        send.finish().unwrap();
        assert_eq!(receive.read_to_end(30_000).await.unwrap(), [5; 20_000]);
        session.send_datagram(Bytes::from_static(b"ping")).unwrap();
        assert_eq!(session.read_datagram().await.unwrap(), "ping");
        session.close(3, b"done");
        session.closed().await;

        let client = client.join().unwrap();
        assert_eq!(client.protocol.as_deref(), Some("old"));
        let reason = "done".to_string();
        assert_eq!(client.closed, Some(CloseReason::Peer { code: 3, reason }));
    });
}

fn within_patience(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, work).await.expect("in time");
    });
}

/// Our end: sends back what it gets, on the same stream or on a new one.
struct Echo {
    udp: UdpLoop,
    net: Net,
    stop: Arc<AtomicBool>,
    received: BTreeMap<StreamId, (StreamKind, Vec<u8>)>,
    unsent: BTreeMap<StreamId, Bytes>,
    protocol: Option<String>,
    closed: Option<CloseReason>,
}

struct Served {
    address: SocketAddr,
    hash: [u8; 32],
    stop: Arc<AtomicBool>,
    waker: LoopWaker,
    thread: JoinHandle<Echo>,
}

impl Served {
    /// How the connection ended.
    fn join(self) -> Option<CloseReason> {
        self.stop.store(true, Ordering::SeqCst);
        self.waker.wake().unwrap();
        self.thread.join().unwrap().closed
    }
}

impl Echo {
    fn serve() -> Served {
        let dev = DevCertificate::generate(SystemTime::now(), &[]).unwrap();
        let hash = dev.hash;
        let mut config = NetConfig::new(NetSecrets { shared: [1; 32], seed: [2; 32] });
        config.server =
            Some(ServerTls::new(vec![dev.certificate], dev.key, &["new", "old"]).unwrap());
        let mut echo = Echo::new(config);
        Served {
            address: echo.udp.socket().local_address().unwrap(),
            hash,
            stop: echo.stop.clone(),
            waker: echo.udp.waker(),
            thread: std::thread::spawn(move || {
                echo.run();
                echo
            }),
        }
    }

    fn dial(remote: SocketAddr, hash: [u8; 32]) -> Echo {
        let mut echo = Echo::new(NetConfig::new(NetSecrets { shared: [3; 32], seed: [4; 32] }));
        let trust = Trust::CertificateHashes(vec![hash]);
        let tls = ClientTls::new(trust, Arc::new(DefaultTimeProvider)).unwrap();
        let dial = Dial {
            remote,
            server_name: "localhost",
            tls: &tls,
            via: Via::WebTransport {
                authority: "localhost".into(),
                path: "/moq".into(),
                protocols: vec!["new".into(), "old".into()],
            },
            patience: None,
        };
        echo.net.connect(Instant::now(), dial).unwrap();
        echo
    }

    fn new(config: NetConfig) -> Echo {
        let socket =
            Socket::bind("127.0.0.1:0".parse().unwrap(), &SocketOptions::default()).unwrap();
        Echo {
            udp: UdpLoop::new(socket).unwrap(),
            net: Net::new(config),
            stop: Arc::new(AtomicBool::new(false)),
            received: BTreeMap::new(),
            unsent: BTreeMap::new(),
            protocol: None,
            closed: None,
        }
    }

    /// Until the connection is over and forgotten, or nobody waits any more.
    fn run(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let is_told = self.stop.load(Ordering::SeqCst) || self.net.connections() == 0;
            if self.closed.is_some() && is_told {
                return;
            }
            let until = self.net.poll_timeout().map_or(deadline, |at| at.min(deadline));
            self.udp.wait(Some(until)).unwrap();
            let now = Instant::now();
            self.udp.receive_into(&mut self.net, now).unwrap();
            self.net.handle_timeout(now);
            while let Some(event) = self.net.poll_event() {
                match event {
                    NetEvent::Connected { info, .. } => self.protocol = info.protocol,
                    NetEvent::Active { key } => {
                        if let Some(transport) = self.net.transport(key, now) {
                            let mut turn = Turn {
                                transport,
                                received: &mut self.received,
                                unsent: &mut self.unsent,
                            };
                            turn.run();
                        }
                    }
                    NetEvent::Closed { reason, .. } => self.closed = Some(reason),
                }
            }
            self.udp.transmit_from(&mut self.net, now);
        }
    }
}

struct Turn<'a> {
    transport: ConnTransport<'a>,
    received: &'a mut BTreeMap<StreamId, (StreamKind, Vec<u8>)>,
    unsent: &'a mut BTreeMap<StreamId, Bytes>,
}

impl Turn<'_> {
    fn run(&mut self) {
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Opened(stream, kind) => {
                    self.received.insert(stream, (kind, Vec::new()));
                    self.read(stream);
                }
                TransportEvent::Readable(stream) => self.read(stream),
                TransportEvent::Writable(stream) => self.write(stream),
                TransportEvent::Datagram => {
                    while let Some(datagram) = self.transport.recv_datagram() {
                        self.transport.send_datagram(datagram).unwrap();
                    }
                }
                _ => {}
            }
        }
    }

    fn read(&mut self, stream: StreamId) {
        while let Ok(read) = self.transport.read(stream, usize::MAX) {
            match read {
                Read::Data(bytes) => {
                    self.received.get_mut(&stream).unwrap().1.extend_from_slice(&bytes);
                }
                Read::Blocked => return,
                Read::Fin => {
                    let (kind, bytes) = self.received.remove(&stream).unwrap();
                    if bytes == b"close" {
                        return self.transport.close(9, "as you wish");
                    }
                    let back = match kind {
                        StreamKind::Bidi => stream,
                        StreamKind::Uni => self.transport.open(StreamKind::Uni).unwrap(),
                    };
                    self.unsent.insert(back, bytes.into());
                    return self.write(back);
                }
            }
        }
    }

    fn write(&mut self, stream: StreamId) {
        let Some(bytes) = self.unsent.remove(&stream) else { return };
        let mut chunks = [bytes];
        if self.transport.write(stream, &mut chunks).unwrap().complete {
            self.transport.finish(stream);
        } else {
            let [rest] = chunks;
            self.unsent.insert(stream, rest);
        }
    }
}
