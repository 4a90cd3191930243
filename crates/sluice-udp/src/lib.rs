//! The socket under a [`Net`](sluice_net::Net): batches in and out of one UDP socket, and
//! sleeping until there is something to do.
//!
//! [`Socket`] sends and receives with the kernel's segmentation, aggregation and ECN where there
//! are any. [`UdpLoop`] adds readiness, a waker for other threads and a deadline. [`SharedPort`]
//! is for several sockets on one port, one for each shard. Nothing here looks inside a datagram.
//!
//! ```no_run
//! use std::net::SocketAddr;
//! use std::time::Instant;
//!
//! use sluice_net::{Net, NetConfig, NetSecrets};
//! use sluice_udp::{Socket, SocketOptions, UdpLoop};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let address: SocketAddr = "[::]:4433".parse()?;
//! let socket = Socket::bind(address, &SocketOptions::default())?;
//! let mut net = Net::new(NetConfig::new(NetSecrets { shared: [1; 32], seed: [2; 32] }));
//! let mut udp = UdpLoop::new(socket)?;
//! let waker = udp.waker(); // goes to other threads
//! loop {
//!     let ready = udp.wait(net.poll_timeout())?;
//!     if ready.woken { /* look into the mailbox */ }
//!     let now = Instant::now();
//!     udp.receive_into(&mut net, now)?;
//!     net.handle_timeout(now);
//!     while let Some(event) = net.poll_event() { /* drive sessions */ }
//!     udp.transmit_from(&mut net, now);
//! # waker.wake()?;
//! }
//! # }
//! ```

mod shared_port;
mod socket;
mod udp_loop;

pub use shared_port::SharedPort;
pub use socket::{BindError, Datagram, Sent, Socket, SocketCounters, SocketOptions};
pub use udp_loop::{LoopWaker, Ready, UdpLoop};
