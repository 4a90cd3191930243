//! The encoder page behind a network that is slower than it.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::live::Live;
use crate::pages::pictures_move;
use crate::support::Relay;

/// More than anything here sends.
const WIDE_BITS: u64 = 1_000_000_000;
/// Less than picture and sound have together.
const NARROW_BITS: u64 = 110_000;
/// What waits before the narrow place; more is lost.
const QUEUE_BYTES_MAX: usize = 6_000;
const TICK: Duration = Duration::from_millis(5);
const DATAGRAM_BYTES_MAX: usize = 2_048;

/// A way to a relay for one client, on a port of its own. Towards the relay it has so many bits a
/// second; back, and over TCP, it is as wide as the machine.
struct Path {
    address: SocketAddr,
    bits: Arc<AtomicU64>,
}

impl Path {
    fn to(relay: SocketAddr) -> Path {
        // Both kinds of one number, as the relay has them.
        let (udp, tcp) = loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = tcp.local_addr().expect("an address");
            if let Ok(udp) = UdpSocket::bind(address) {
                break (Arc::new(udp), tcp);
            }
        };
        let address = tcp.local_addr().expect("an address");
        let beyond = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        beyond.connect(relay).expect("an address");
        let (beyond, client) = (Arc::new(beyond), Arc::new(OnceLock::new()));
        let bits = Arc::new(AtomicU64::new(WIDE_BITS));
        let (near, far, rate, known) = (udp.clone(), beyond.clone(), bits.clone(), client.clone());
        std::thread::spawn(move || forward(&near, &far, &rate, &known));
        std::thread::spawn(move || back(&beyond, &udp, &client));
        std::thread::spawn(move || {
            for near in tcp.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(relay) else { return };
                join(&near, &far);
            }
        });
        Path { address, bits }
    }

    fn set_bits(&self, bits: u64) {
        self.bits.store(bits, Ordering::Relaxed);
    }
}

/// A bucket that fills with time, and a short queue before it.
fn forward(near: &UdpSocket, far: &UdpSocket, bits: &AtomicU64, client: &OnceLock<SocketAddr>) {
    near.set_read_timeout(Some(TICK)).expect("a timeout");
    let (mut queue, mut queued) = (VecDeque::new(), 0);
    let (mut room, mut filled) = (0.0, Instant::now());
    let mut datagram = [0; DATAGRAM_BYTES_MAX];
    loop {
        if let Ok((length, from)) = near.recv_from(&mut datagram) {
            client.get_or_init(|| from);
            if queued + length <= QUEUE_BYTES_MAX {
                queued += length;
                queue.push_back(datagram[..length].to_vec());
            }
        }
        let elapsed = filled.elapsed().as_secs_f64();
        filled = Instant::now();
        room += elapsed * bits.load(Ordering::Relaxed) as f64 / 8.0;
        room = room.min(QUEUE_BYTES_MAX as f64);
        while room > 0.0
            && let Some(datagram) = queue.pop_front()
        {
            queued -= datagram.len();
            room -= datagram.len() as f64;
            let _ = far.send(&datagram);
        }
    }
}

fn back(far: &UdpSocket, near: &UdpSocket, client: &OnceLock<SocketAddr>) {
    let mut datagram = [0; DATAGRAM_BYTES_MAX];
    while let Ok(length) = far.recv(&mut datagram) {
        if let Some(client) = client.get() {
            let _ = near.send_to(&datagram[..length], client);
        }
    }
}

fn join(near: &TcpStream, far: &TcpStream) {
    let both = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
    for (mut from, mut to) in [(both(near), both(far)), (both(far), both(near))] {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
    }
}

#[test]
fn an_encoder_on_a_slow_network_drops_whole_groups_lowers_its_bitrate_and_says_so() {
    let relay = Relay::start(&[]);
    let path = Path::to(relay.address);
    let settings = format!("renditions=1&height=240&relay=https://{}/moq", path.address);
    let mut live = Live::start(&relay, &settings);
    let player = live.watch();
    pictures_move(&mut live.browser, &player, 2);
    let encoder = live.encoder.clone();
    let browser = &mut live.browser;
    let said = "document.querySelector('#slow').textContent";
    assert_eq!(browser.eval(&encoder, said), "");
    path.set_bits(NARROW_BITS);
    let lowered = "sluiceBroadcast.lowered > 1 && sluiceBroadcast.pictures[0].droppedGroups > 1";
    browser.wait(&encoder, lowered);
    browser.wait(&encoder, &format!("{said}.includes('groups were dropped')"));
    browser.wait(&encoder, &format!("{said}.includes('slower than the encoder: sending at')"));
    // What comes are groups from their starts: the viewer goes on, behind or not.
    pictures_move(browser, &player, 5);
    assert_eq!(browser.eval(&player, "sluicePlayer.video.faults"), 0);
    path.set_bits(WIDE_BITS);
    browser.wait(&encoder, "!sluiceBroadcast.pictures[0].isLate");
    browser.wait(&player, "sluicePlayer.stats.fps > 3 && sluicePlayer.stats.latency < 5000");
    assert_eq!(browser.eval(&encoder, "sluiceBroadcast.state.phase"), "live");
}
