//! What carries a run's connections: the modelled network, or real QUIC over simulated datagrams.
//! Peers and relay see the same ends whichever it is.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::transport::{
    DatagramError, PathStats, PeerCredit, PeerInfo, Read, Side, StreamError, StreamId, StreamKind,
    Transport, TransportEvent, Written,
};

use crate::link::{Link, LinkConfig, LinkEnd, Network};
use crate::quic::{Cloud, NetEnd, Path};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum LaneKind {
    /// [`crate::link`].
    #[default]
    Model,
    /// [`crate::quic`].
    Quic,
}

/// The network of a run.
#[derive(Debug)]
pub(crate) enum Lane {
    Model(Network),
    Quic { cloud: Box<Cloud>, base: Instant, now: Instant },
}

/// A connection that was begun.
#[allow(clippy::large_enum_variant, reason = "taken apart at once")]
pub(crate) enum Dialed {
    /// It exists: the wire and both ends.
    Now(Wire, End, End),
    /// It is being made by this port.
    Soon(usize),
}

impl Lane {
    pub(crate) fn new(kind: LaneKind, seed: u64, shards: usize) -> Self {
        let network = Network::new(seed);
        match kind {
            LaneKind::Model => Lane::Model(network),
            LaneKind::Quic => {
                let now = network.now();
                Lane::Quic { cloud: Box::new(Cloud::new(seed, shards, now)), base: now, now }
            }
        }
    }

    pub(crate) fn now(&self) -> Instant {
        match self {
            Lane::Model(network) => network.now(),
            Lane::Quic { now, .. } => *now,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Lane::Model(network) => network.elapsed(),
            Lane::Quic { base, now, .. } => *now - *base,
        }
    }

    /// Whether anything is under way, timers aside.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Lane::Model(network) => network.next_event_time().is_some(),
            Lane::Quic { cloud, .. } => cloud.is_busy(),
        }
    }

    pub(crate) fn next_event_time(&self) -> Option<Instant> {
        match self {
            Lane::Model(network) => network.next_event_time(),
            Lane::Quic { cloud, .. } => cloud.next_event_time(),
        }
    }

    pub(crate) fn advance_to(&mut self, time: Instant) {
        match self {
            Lane::Model(network) => network.advance_to(time),
            Lane::Quic { cloud, now, .. } => {
                *now = time.max(*now);
                cloud.advance_to(*now);
            }
        }
    }

    /// Lets what was written in this turn leave.
    pub(crate) fn flush(&mut self) {
        if let Lane::Quic { cloud, .. } = self {
            cloud.exchange();
        }
    }

    pub(crate) fn dial(&mut self, shard: usize, link: LinkConfig) -> Dialed {
        match self {
            Lane::Model(network) => {
                let (link, client, server) = network.connect(link);
                Dialed::Now(Wire::Model(link), End::Model(client), End::Model(server))
            }
            Lane::Quic { cloud, .. } => Dialed::Soon(cloud.dial(shard, &link)),
        }
    }

    /// The wire and the client's end of a connection that was being made.
    pub(crate) fn connected(&mut self, port: usize) -> Option<(Wire, End)> {
        let Lane::Quic { cloud, now, .. } = self else { return None };
        let end = cloud.connected(port)?;
        let wire = Wire::Quic(cloud.path(port)?, *now);
        Some((wire, End::Quic(end)))
    }

    pub(crate) fn failed(&self, port: usize) -> bool {
        matches!(self, Lane::Quic { cloud, .. } if cloud.failed(port))
    }

    /// The connection that a shard accepted.
    pub(crate) fn accepted(&mut self, shard: usize) -> Option<End> {
        let Lane::Quic { cloud, .. } = self else { return None };
        cloud.connected(shard).map(End::Quic)
    }
}

/// A connection seen from outside, to do harm to it.
#[derive(Clone, Debug)]
pub enum Wire {
    /// Of the modelled network.
    Model(Link),
    /// Of real QUIC: the client's access link, and when it was made.
    Quic(Rc<RefCell<Path>>, Instant),
}

impl Wire {
    /// Nothing arrives any more; each end learns it by its idle timeout.
    pub fn cut(&self) {
        match self {
            Wire::Model(link) => link.cut(),
            Wire::Quic(path, _) => path.borrow_mut().cut(),
        }
    }

    /// Nothing arrives any more once `side` has sent this many more bytes.
    pub fn cut_after(&self, side: Side, bytes: u64) {
        match self {
            Wire::Model(link) => link.cut_after(side, bytes),
            Wire::Quic(path, _) => path.borrow_mut().cut_after(side, bytes),
        }
    }

    /// Changes the bandwidth of what `side` sends; `None` is no limit.
    pub fn set_bits_per_second(&self, side: Side, bits: Option<u64>) {
        match self {
            Wire::Model(link) => link.set_bits_per_second(side, bits),
            Wire::Quic(path, _) => path.borrow_mut().set_bits_per_second(side, bits),
        }
    }

    /// Bytes that `side` sent so far.
    pub fn departed_bytes(&self, side: Side) -> u64 {
        match self {
            Wire::Model(link) => link.departed_bytes(side),
            Wire::Quic(path, _) => path.borrow_mut().departed_bytes(side),
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub enum End {
    /// Of the modelled network.
    Model(LinkEnd),
    /// Of real QUIC.
    Quic(NetEnd),
}

impl End {
    /// Whether there are events to poll.
    pub fn has_events(&self) -> bool {
        match self {
            End::Model(end) => end.has_events(),
            End::Quic(end) => end.has_events(),
        }
    }

    fn inner(&self) -> &dyn Transport {
        match self {
            End::Model(end) => end,
            End::Quic(end) => end,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn Transport {
        match self {
            End::Model(end) => end,
            End::Quic(end) => end,
        }
    }
}

impl Transport for End {
    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.inner_mut().poll_event()
    }

    fn open(&mut self, kind: StreamKind) -> Option<StreamId> {
        self.inner_mut().open(kind)
    }

    fn read(&mut self, stream: StreamId, max_bytes: usize) -> Result<Read, StreamError> {
        self.inner_mut().read(stream, max_bytes)
    }

    fn write(&mut self, stream: StreamId, chunks: &mut [Bytes]) -> Result<Written, StreamError> {
        self.inner_mut().write(stream, chunks)
    }

    fn finish(&mut self, stream: StreamId) {
        self.inner_mut().finish(stream);
    }

    fn reset(&mut self, stream: StreamId, code: u64) {
        self.inner_mut().reset(stream, code);
    }

    fn stop(&mut self, stream: StreamId, code: u64) {
        self.inner_mut().stop(stream, code);
    }

    fn set_priority(&mut self, stream: StreamId, order: i32) {
        self.inner_mut().set_priority(stream, order);
    }

    fn send_datagram(&mut self, payload: Bytes) -> Result<(), DatagramError> {
        self.inner_mut().send_datagram(payload)
    }

    fn recv_datagram(&mut self) -> Option<Bytes> {
        self.inner_mut().recv_datagram()
    }

    fn datagram_max(&self) -> Option<usize> {
        self.inner().datagram_max()
    }

    fn set_credit(&mut self, credit: PeerCredit) {
        self.inner_mut().set_credit(credit);
    }

    fn send_room(&self) -> usize {
        self.inner().send_room()
    }

    fn stats(&self) -> PathStats {
        self.inner().stats()
    }

    fn info(&self) -> &PeerInfo {
        self.inner().info()
    }

    fn close(&mut self, code: u64, reason: &str) {
        self.inner_mut().close(code, reason);
    }
}
