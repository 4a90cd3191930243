//! One port with a socket for each shard, and nobody else's.
//!
//! With `SO_REUSEPORT` a second process would join silently and take its share of the packets.
//! A claim prevents it: a name that only one process can hold, and a test that nobody listens.

use std::net::SocketAddr;

use crate::socket::{BindError, Sharing, Socket, SocketOptions, bind_raw};

/// A UDP port claimed for this process. The claim ends when this and all its sockets are dropped.
pub struct SharedPort {
    address: SocketAddr,
    #[cfg(target_os = "linux")]
    _name: std::os::unix::net::UnixDatagram,
}

impl SharedPort {
    /// Claims `address`; port 0 picks one.
    pub fn claim(address: SocketAddr) -> Result<SharedPort, BindError> {
        // Without the sharing flag this fails if anybody listens, sharing or not.
        let probe = bind_raw(address, Sharing::Exclusive)?;
        let bound = probe.local_addr().ok().and_then(|bound| bound.as_socket()).unwrap_or(address);
        #[cfg(target_os = "linux")]
        let port = SharedPort {
            address: bound,
            // Taken while the probe still holds the port, so two claims cannot both get here.
            _name: hold_name(bound).map_err(|error| BindError::new(bound, error))?,
        };
        #[cfg(not(target_os = "linux"))]
        let port = SharedPort { address: bound };
        Ok(port)
    }

    /// The address claimed, with its port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// One more socket on the port.
    pub fn bind(&self, options: &SocketOptions) -> Result<Socket, BindError> {
        Socket::open(self.address, options, Sharing::Shared)
    }
}

/// A name in the abstract Unix namespace, which the kernel frees with the process and keeps
/// apart for each network namespace, as it does ports.
#[cfg(target_os = "linux")]
fn hold_name(address: SocketAddr) -> std::io::Result<std::os::unix::net::UnixDatagram> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net;
    let name = format!("sluice-udp-{address}");
    net::UnixDatagram::bind_addr(&net::SocketAddr::from_abstract_name(name)?)
}
