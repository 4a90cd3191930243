//! What a client says when it starts a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn_proto::crypto::rustls::QuicClientConfig;

use crate::tls::{ALPN_H3, ClientTls, TlsError};

/// A connection to make with [`Net::connect`](crate::Net::connect).
#[derive(Clone, Debug)]
pub struct Dial<'a> {
    /// Address of the server, resolved by the caller.
    pub remote: SocketAddr,
    /// Name that the server's certificate has to bear.
    pub server_name: &'a str,
    /// How the server is checked.
    pub tls: &'a ClientTls,
    /// How MOQT is to be carried.
    pub via: Via,
    /// How long the handshake may take, and silence after that, where it is not what the limits say.
    /// A quarter of it, or a second, is when a silent server is asked whether it is there.
    pub patience: Option<Duration>,
}

/// How a client wants MOQT carried, with the versions that it speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Via {
    /// Straight over QUIC (`moqt://`).
    Quic {
        /// ALPNs, best first. Whatever is chosen, streams are handed over as they are: with
        /// `h3` among them the caller speaks HTTP/3 itself.
        protocols: Vec<String>,
    },
    /// In a WebTransport session (`https://`).
    WebTransport {
        /// `:authority` of the request: host and port.
        authority: String,
        /// `:path` of the request, with its query.
        path: String,
        /// Sent in `WT-Available-Protocols`, best first. Empty: the field is left out.
        protocols: Vec<String>,
    },
}

impl Dial<'_> {
    pub(crate) fn crypto(&self) -> Result<Arc<QuicClientConfig>, TlsError> {
        match &self.via {
            Via::Quic { protocols } => self.tls.crypto(protocols.iter().map(String::as_bytes)),
            Via::WebTransport { .. } => self.tls.crypto([ALPN_H3]),
        }
    }
}

/// Why a connection could not even be started.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// `connections_max` is reached.
    #[error("too many connections")]
    TooManyConnections,
    /// The trust settings cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server name is no valid DNS name or address, or the address cannot be dialed.
    #[error("cannot dial: {0}")]
    Refused(#[from] quinn_proto::ConnectError),
}
