//! A simulated connection: two [`Transport`]s joined by a seeded network in virtual time.
//!
//! Time moves only in [`Link::advance`] (or [`Network::advance`], which keeps the clock of many
//! links). Between two advances each end reads and writes as a session does; what is written
//! leaves, travels and arrives in later advances.
//!
//! What the link models: streams with credit and flow-control windows, bytes that leave at a
//! bandwidth in order of priority, delay and jitter packet by packet (so streams overtake each
//! other while each stays in order), loss as delay, lossy datagrams, acknowledgements, a fixed
//! congestion window behind [`Transport::send_room`], stalls, cuts and closes.
//! What it does not: congestion control that adapts, handshakes, packet formats. The second lane
//! of this crate has the real ones.

mod config;
mod core;
mod half;
mod lane;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::transport::{
    Carrier, DatagramError, PathStats, PeerCredit, PeerInfo, Read, Side, StreamError, StreamId,
    StreamKind, Transport, TransportEvent, Written,
};

pub use config::{LinkConfig, PathConfig, Quirks};
use core::Core;

/// A connection between a client and a server, seen from outside.
#[derive(Clone, Debug)]
pub struct Link {
    core: Rc<RefCell<Core>>,
}

impl Link {
    /// A link whose chances `seed` decides. Its clock begins at `now`.
    pub fn new(seed: u64, config: LinkConfig, now: Instant) -> Self {
        Self { core: Rc::new(RefCell::new(Core::new(seed, config, now))) }
    }

    /// The end of `side`. Two values for one side are two handles of the same end.
    pub fn transport(&self, side: Side) -> LinkEnd {
        let core = self.core.borrow();
        let config = core.config();
        let seen = side == Side::Server && config.carrier == Carrier::WebTransport;
        let info = PeerInfo {
            side,
            carrier: config.carrier,
            protocol: config.protocol.clone(),
            path: seen.then(|| config.path.clone()).flatten(),
            authority: (side == Side::Server).then(|| config.authority.clone()).flatten(),
            remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 4433)),
        };
        LinkEnd { core: self.core.clone(), side, info }
    }

    /// When something happens next on the link itself.
    pub fn next_event_time(&self) -> Option<Instant> {
        self.core.borrow().next_event_time()
    }

    /// Lets everything happen that is due until `now`.
    pub fn advance(&self, now: Instant) {
        self.core.borrow_mut().advance(now);
    }

    /// Whether an end has events to poll.
    pub fn has_events(&self, side: Side) -> bool {
        self.core.borrow().has_events(side)
    }

    /// Whether an end knows that the connection is over.
    pub fn is_closed(&self, side: Side) -> bool {
        self.core.borrow().is_closed(side)
    }

    /// Nothing that `side` sends leaves for this long.
    pub fn stall(&self, side: Side, duration: Duration) {
        let mut core = self.core.borrow_mut();
        let until = core.now + duration;
        let lane = core.lane(side);
        lane.stalled_until = lane.stalled_until.max(until);
    }

    /// Changes the bandwidth of what `side` sends.
    pub fn set_bits_per_second(&self, side: Side, bits: Option<u64>) {
        self.core.borrow_mut().lane(side).config.bits_per_second = bits;
    }

    /// From now on nothing arrives; each end learns it by its idle timeout.
    pub fn cut(&self) {
        self.core.borrow_mut().cut();
    }

    /// Cuts the link when `side` has sent this many more payload bytes.
    pub fn cut_after(&self, side: Side, bytes: u64) {
        let mut core = self.core.borrow_mut();
        let lane = core.lane(side);
        lane.cut_at_bytes = Some(lane.departed_bytes + bytes.max(1));
    }

    /// Asks `side`, below MOQT, to wind the session down.
    pub fn drain(&self, side: Side) {
        self.core.borrow_mut().inject(side, TransportEvent::Draining);
    }

    /// Stream and datagram bytes that `side` sent so far.
    pub fn departed_bytes(&self, side: Side) -> u64 {
        self.core.borrow().lane_ref(side).departed_bytes
    }
}

/// One end of a [`Link`].
#[derive(Debug)]
pub struct LinkEnd {
    core: Rc<RefCell<Core>>,
    side: Side,
    info: PeerInfo,
}

impl LinkEnd {
    /// Which side this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Whether there are events to poll.
    pub fn has_events(&self) -> bool {
        self.core.borrow().has_events(self.side)
    }

    /// Sets what [`Transport::info`] says of the peer's address.
    pub fn set_remote(&mut self, remote: SocketAddr) {
        self.info.remote = remote;
    }
}

impl Transport for LinkEnd {
    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.core.borrow_mut().poll_event(self.side)
    }

    fn open(&mut self, kind: StreamKind) -> Option<StreamId> {
        self.core.borrow_mut().open(self.side, kind)
    }

    fn read(&mut self, stream: StreamId, max_bytes: usize) -> Result<Read, StreamError> {
        self.core.borrow_mut().read(self.side, stream, max_bytes)
    }

    fn write(&mut self, stream: StreamId, chunks: &mut [Bytes]) -> Result<Written, StreamError> {
        self.core.borrow_mut().write(self.side, stream, chunks)
    }

    fn finish(&mut self, stream: StreamId) {
        self.core.borrow_mut().finish(self.side, stream);
    }

    fn reset(&mut self, stream: StreamId, code: u64) {
        self.core.borrow_mut().reset(self.side, stream, code);
    }

    fn stop(&mut self, stream: StreamId, code: u64) {
        self.core.borrow_mut().stop(self.side, stream, code);
    }

    fn set_priority(&mut self, stream: StreamId, order: i32) {
        self.core.borrow_mut().set_priority(self.side, stream, order);
    }

    fn send_datagram(&mut self, payload: Bytes) -> Result<(), DatagramError> {
        self.core.borrow_mut().send_datagram(self.side, payload)
    }

    fn recv_datagram(&mut self) -> Option<Bytes> {
        self.core.borrow_mut().recv_datagram(self.side)
    }

    fn datagram_max(&self) -> Option<usize> {
        self.core.borrow().config().datagram_max
    }

    fn set_credit(&mut self, credit: PeerCredit) {
        self.core.borrow_mut().set_credit(self.side, credit);
    }

    fn send_room(&self) -> usize {
        self.core.borrow().lane_ref(self.side).send_room()
    }

    fn stats(&self) -> PathStats {
        let core = self.core.borrow();
        let lane = core.lane_ref(self.side);
        PathStats {
            rtt: core.config().up.delay + core.config().down.delay,
            window_bytes: lane.config.window_bytes as u64,
            lost_packets: lane.lost_packets,
            mtu_bytes: u16::try_from(lane.config.mtu_bytes).unwrap_or(u16::MAX),
            remote: self.info.remote,
        }
    }

    fn info(&self) -> &PeerInfo {
        &self.info
    }

    fn close(&mut self, code: u64, reason: &str) {
        self.core.borrow_mut().close(self.side, code, reason);
    }
}

/// A clock and the links that follow it.
#[derive(Debug)]
pub struct Network {
    base: Instant,
    now: Instant,
    links: Vec<Link>,
    rng: crate::rng::Rng,
}

impl Network {
    /// A network without links. Reads the clock once: `Instant` has no other beginning.
    pub fn new(seed: u64) -> Self {
        let base = Instant::now();
        Self { base, now: base, links: Vec::new(), rng: crate::rng::Rng::new(seed) }
    }

    /// A new link: the whole, its client's end and its server's end.
    pub fn connect(&mut self, config: LinkConfig) -> (Link, LinkEnd, LinkEnd) {
        let link = Link::new(self.rng.next_u64(), config, self.now);
        self.links.push(link.clone());
        (link.clone(), link.transport(Side::Client), link.transport(Side::Server))
    }

    /// The network's time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now - self.base
    }

    /// When something happens next.
    pub fn next_event_time(&self) -> Option<Instant> {
        self.links.iter().filter_map(Link::next_event_time).min()
    }

    /// Moves the clock to the next event of any link and lets it happen; `false` if there is none.
    pub fn advance(&mut self) -> bool {
        match self.next_event_time() {
            Some(time) => {
                self.advance_to(time);
                true
            }
            None => false,
        }
    }

    /// Moves the clock to `time`, or stays if that is past.
    pub fn advance_to(&mut self, time: Instant) {
        self.now = self.now.max(time);
        self.links.retain(|link| {
            link.advance(self.now);
            // Over at both ends, or held by nobody else: nothing can happen there any more.
            !(link.is_closed(Side::Client) && link.is_closed(Side::Server))
                && Rc::strong_count(&link.core) > 1
        });
    }
}
