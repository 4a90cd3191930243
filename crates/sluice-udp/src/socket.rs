//! One UDP socket with batched receive, segmented send and a bounded queue for what the kernel
//! did not take.
//!
//! Addresses are canonical on both sides of this type: an IPv4 peer of a dual-stack socket is
//! an IPv4 address, never an IPv4-mapped one.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::BytesMut;
use quinn_udp::{RecvMeta, UdpSocketState};
use sluice_net::{EcnCodepoint, Transmit};
use socket2::{Domain, Protocol, SockAddr, Type};

/// Messages taken from the kernel with one system call.
const BATCH: usize = 8;
/// Largest datagram that is received whole.
const DATAGRAM_BYTES_MAX: usize = 1500;

/// How a socket is set up.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Kernel receive buffer asked for. The kernel may grant less.
    pub receive_buffer_bytes: usize,
    /// Kernel send buffer asked for. The kernel may grant less.
    pub send_buffer_bytes: usize,
    /// Sends kept while the kernel's buffer is full. Reached: further ones are dropped, which
    /// QUIC treats as loss.
    pub pending_max: usize,
}

impl Default for SocketOptions {
    fn default() -> SocketOptions {
        SocketOptions {
            receive_buffer_bytes: 4 * 1024 * 1024,
            send_buffer_bytes: 4 * 1024 * 1024,
            pending_max: 64,
        }
    }
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens on this address.
    #[error("{0} is in use by another process")]
    InUse(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {address}: {error}")]
    Io {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

impl BindError {
    pub(crate) fn new(address: SocketAddr, error: io::Error) -> BindError {
        match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address),
            _ => BindError::Io { address, error },
        }
    }
}

/// A datagram that arrived.
#[derive(Debug)]
pub struct Datagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// The address it was sent to, if the system tells.
    pub local_ip: Option<IpAddr>,
    /// Its congestion mark.
    pub ecn: Option<EcnCodepoint>,
    /// Its payload, in memory of its own: a slice of the receive buffer would keep 64 KB alive
    /// for as long as one small piece of it waits in a stream.
    pub bytes: BytesMut,
}

/// What became of a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// The kernel has it.
    Now,
    /// The kernel's buffer is full; it is kept and goes with [`Socket::flush`]. Stop sending.
    Later,
    /// The kernel's buffer and ours are full: dropped.
    Dropped,
}

/// Counters of a [`Socket`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SocketCounters {
    /// Datagrams received.
    pub received: u64,
    /// Send calls that the kernel took, each with one or more datagrams.
    pub sent: u64,
    /// Send calls that the system refused, MTU probes longer than the path among them.
    pub failed: u64,
    /// Send calls that were dropped because the queue was full.
    pub dropped: u64,
}

/// A non-blocking UDP socket.
pub struct Socket {
    pub(crate) socket: mio::net::UdpSocket,
    state: UdpSocketState,
    is_ipv6: bool,
    buffer: Box<[u8]>,
    pending: VecDeque<(Transmit, Vec<u8>)>,
    pending_max: usize,
    counters: SocketCounters,
}

/// Whether other sockets may listen on the same address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Exclusive,
    Shared,
}

impl Socket {
    /// Opens a socket that has its address to itself. `[::]` listens on both families, and on
    /// IPv4 alone where there is no IPv6.
    pub fn bind(address: SocketAddr, options: &SocketOptions) -> Result<Socket, BindError> {
        Socket::open(address, options, Sharing::Exclusive)
    }

    pub(crate) fn open(
        address: SocketAddr,
        options: &SocketOptions,
        sharing: Sharing,
    ) -> Result<Socket, BindError> {
        let socket = bind_raw(address, sharing)?;
        let io = |error| BindError::Io { address, error };
        // The buffers bound the loss in a burst; a smaller one than asked for still works.
        for set in [
            socket.set_recv_buffer_size(options.receive_buffer_bytes),
            socket.set_send_buffer_size(options.send_buffer_bytes),
        ] {
            if let Err(error) = set {
                tracing::debug!(%error, "socket buffer not enlarged");
            }
        }
        let state = UdpSocketState::new((&socket).into()).map_err(io)?;
        let socket = mio::net::UdpSocket::from_std(socket.into());
        let is_ipv6 = socket.local_addr().map_err(io)?.is_ipv6();
        let message = DATAGRAM_BYTES_MAX * state.gro_segments().max(1);
        Ok(Socket {
            socket,
            state,
            is_ipv6,
            buffer: vec![0; message * BATCH].into_boxed_slice(),
            pending: VecDeque::new(),
            pending_max: options.pending_max,
            counters: SocketCounters::default(),
        })
    }

    /// The address listened on.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Datagrams that one [`Socket::send`] can take now.
    pub fn segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Whether the network layer never fragments, so that path MTU discovery works.
    pub fn never_fragments(&self) -> bool {
        !self.state.may_fragment()
    }

    /// What happened so far.
    pub fn counters(&self) -> SocketCounters {
        self.counters
    }

    /// Passes on what one system call yields. False when nothing was there.
    pub fn receive(&mut self, mut deliver: impl FnMut(Datagram)) -> io::Result<bool> {
        let message = self.buffer.len() / BATCH;
        let mut metas = [RecvMeta::default(); BATCH];
        let (state, socket) = (&self.state, &self.socket);
        let received = {
            let mut chunks = self.buffer.chunks_mut(message);
            let mut slices: [IoSliceMut<'_>; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            socket.try_io(|| state.recv(socket.into(), &mut slices, &mut metas))
        };
        let count = match received {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            // ICMP errors of earlier sends; QUIC finds out by itself.
            Err(error) if is_about_a_peer(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        for (meta, bytes) in metas[..count].iter().zip(self.buffer.chunks(message)) {
            let stride = meta.stride.max(1);
            for datagram in bytes[..meta.len.min(message)].chunks(stride) {
                self.counters.received += 1;
                deliver(Datagram {
                    from: canonical(meta.addr),
                    local_ip: meta.dst_ip.map(|ip| ip.to_canonical()),
                    ecn: meta.ecn.map(ecn_in),
                    bytes: BytesMut::from(datagram),
                });
            }
        }
        Ok(true)
    }

    /// Sends `bytes`, which hold one datagram or several of `transmit.segment_size`.
    ///
    /// A send that the system refuses for another reason than a full buffer counts as sent: for
    /// QUIC it is a loss on one path, and must not end the loop of all others.
    pub fn send(&mut self, transmit: Transmit, bytes: &[u8]) -> Sent {
        if self.pending.is_empty() && self.try_send(&transmit, bytes) {
            return Sent::Now;
        }
        if self.pending.len() >= self.pending_max {
            self.counters.dropped += 1;
            return Sent::Dropped;
        }
        self.pending.push_back((transmit, bytes.to_vec()));
        Sent::Later
    }

    /// Sends what was kept. True when nothing is left.
    pub fn flush(&mut self) -> bool {
        while let Some((transmit, bytes)) = self.pending.pop_front() {
            if !self.try_send(&transmit, &bytes) {
                self.pending.push_front((transmit, bytes));
                return false;
            }
        }
        true
    }

    fn try_send(&mut self, transmit: &Transmit, bytes: &[u8]) -> bool {
        let transmit = quinn_udp::Transmit {
            destination: self.outgoing(transmit.destination),
            ecn: transmit.ecn.map(ecn_out),
            contents: bytes,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip.map(|ip| self.outgoing_ip(ip)),
        };
        let (state, socket) = (&self.state, &self.socket);
        match socket.try_io(|| state.try_send(socket.into(), &transmit)) {
            Ok(()) => self.counters.sent += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => {
                // An MTU probe that is too long ends here too, so this is no warning.
                self.counters.failed += 1;
                tracing::debug!(%error, destination = %transmit.destination, "send failed");
            }
        }
        true
    }

    fn outgoing(&self, address: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.outgoing_ip(address.ip()), address.port())
    }

    fn outgoing_ip(&self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(v4) if self.is_ipv6 => IpAddr::V6(v4.to_ipv6_mapped()),
            other => other,
        }
    }
}

pub(crate) fn bind_raw(
    address: SocketAddr,
    sharing: Sharing,
) -> Result<socket2::Socket, BindError> {
    match try_bind(address, sharing) {
        Err(error) if is_without_ipv6(&error) && address.ip() == Ipv6Addr::UNSPECIFIED => {
            let ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            try_bind(ipv4, sharing).map_err(|error| BindError::new(ipv4, error))
        }
        other => other.map_err(|error| BindError::new(address, error)),
    }
}

fn try_bind(address: SocketAddr, sharing: Sharing) -> io::Result<socket2::Socket> {
    let domain = Domain::for_address(address);
    let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // A wildcard or mapped socket serves IPv4 too; for other addresses it makes no difference.
        socket.set_only_v6(false)?;
    }
    #[cfg(unix)]
    if sharing == Sharing::Shared {
        socket.set_reuse_port(true)?;
    }
    #[cfg(not(unix))]
    let _ = sharing;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

fn is_without_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// Errors of receiving that tell of an earlier send to one peer, not of the socket.
fn is_about_a_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::Interrupted
    )
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, address.port())),
        IpAddr::V6(_) => address,
    }
}

fn ecn_in(ecn: quinn_udp::EcnCodepoint) -> EcnCodepoint {
    match ecn {
        quinn_udp::EcnCodepoint::Ect0 => EcnCodepoint::Ect0,
        quinn_udp::EcnCodepoint::Ect1 => EcnCodepoint::Ect1,
        quinn_udp::EcnCodepoint::Ce => EcnCodepoint::Ce,
    }
}

fn ecn_out(ecn: EcnCodepoint) -> quinn_udp::EcnCodepoint {
    match ecn {
        EcnCodepoint::Ect0 => quinn_udp::EcnCodepoint::Ect0,
        EcnCodepoint::Ect1 => quinn_udp::EcnCodepoint::Ect1,
        EcnCodepoint::Ce => quinn_udp::EcnCodepoint::Ce,
    }
}
