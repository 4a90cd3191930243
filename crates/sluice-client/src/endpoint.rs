//! What connections to a relay are made from.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sluice_net::{Net, NetConfig, NetSecrets};
use sluice_udp::{Socket, SocketOptions, UdpLoop};

use crate::driver::ConnectError;

/// Silence after which a connection is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A UDP socket of its own, on any port, that can reach `remote`, and a QUIC endpoint for it. The
/// caller drives both; [`Client`](crate::Client) has no need of it.
pub fn endpoint(remote: SocketAddr) -> Result<(UdpLoop, Net), ConnectError> {
    let local: SocketAddr = match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = Socket::bind(local, &SocketOptions::default())?;
    let mut config = NetConfig::new(NetSecrets { shared: random()?, seed: random()? });
    config.limits.idle_timeout = IDLE_TIMEOUT;
    config.discover_mtu = socket.never_fragments();
    let udp = UdpLoop::new(socket).map_err(ConnectError::Thread)?;
    Ok((udp, Net::new(config)))
}

fn random() -> Result<[u8; 32], ConnectError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| ConnectError::Thread(io::Error::other(error)))?;
    Ok(bytes)
}
