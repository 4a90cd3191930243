//! Connections of libraries that share no line with the relay: `quinn` for raw QUIC, `wtransport`
//! for WebTransport. A test keeps the connection beside the MOQT client that runs on it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use moqtap_client::transport::Transport;
use moqtap_client::transport::quic::QuicTransport;
use moqtap_client::transport::webtransport::WebTransportTransport;
use moqtap_codec::version::DraftVersion;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::support::quic::client_config;

/// How a session is carried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Carrier {
    /// MOQT straight on QUIC.
    Quic,
    /// MOQT in a WebTransport session.
    WebTransport,
}

impl Carrier {
    /// Both.
    pub const ALL: [Carrier; 2] = [Carrier::Quic, Carrier::WebTransport];
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Carrier::Quic => "raw QUIC",
            Carrier::WebTransport => "WebTransport",
        })
    }
}

/// A way to the relay that can be cut: neither end hears of the other any more.
pub struct Detour {
    /// Where a client dials.
    pub address: SocketAddr,
    passing: JoinHandle<Result<()>>,
}

impl Detour {
    /// A way for one client.
    pub async fn to(relay: SocketAddr) -> Result<Detour> {
        let (near, far) =
            (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        far.connect(relay).await?;
        let address = near.local_addr()?;
        let passing = tokio::spawn(async move {
            let (mut out, mut back) = (vec![0; 1 << 16], vec![0; 1 << 16]);
            let mut client = None;
            loop {
                tokio::select! {
                    received = near.recv_from(&mut out) => {
                        let (length, from) = received?;
                        client = Some(from);
                        far.send(&out[..length]).await?;
                    }
                    received = far.recv(&mut back) => if let Some(client) = client {
                        near.send_to(&back[..received?], client).await?;
                    },
                }
            }
        });
        Ok(Detour { address, passing })
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

/// A connection to the relay.
#[derive(Clone)]
pub enum Link {
    /// By `quinn`.
    Quic(quinn::Connection),
    /// By `wtransport`.
    WebTransport(wtransport::Connection),
}

impl Link {
    /// Connects, offering one draft.
    pub async fn dial(
        address: SocketAddr,
        carrier: Carrier,
        draft: DraftVersion,
        windows: quinn::TransportConfig,
    ) -> Result<Link> {
        match carrier {
            Carrier::Quic => {
                let mut config = client_config(draft.quic_alpn());
                config.transport_config(Arc::new(windows));
                let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse()?)?;
                let connecting = endpoint.connect_with(config, address, "localhost")?;
                Ok(Link::Quic(connecting.await.context("the QUIC handshake")?))
            }
            Carrier::WebTransport => {
                let mut config = client_config(wtransport::tls::WEBTRANSPORT_ALPN);
                config.transport_config(Arc::new(windows));
                let config = wtransport::ClientConfig::builder()
                    .with_bind_address("127.0.0.1:0".parse()?)
                    .build_with_quic_config(config);
                let endpoint = wtransport::Endpoint::client(config)?;
                let token = String::from_utf8_lossy(draft.quic_alpn()).into_owned();
                let request =
                    wtransport::endpoint::ConnectOptions::builder(format!("https://{address}/moq"))
                        .add_header("wt-available-protocols", format!("\"{token}\""))
                        .build();
                let session = endpoint.connect(request).await.context("the CONNECT")?;
                Ok(Link::WebTransport(session))
            }
        }
    }

    /// The same connection as the client library wants it.
    pub fn transport(&self) -> Transport {
        match self {
            Link::Quic(connection) => Transport::Quic(QuicTransport::new(connection.clone())),
            Link::WebTransport(session) => {
                Transport::WebTransport(WebTransportTransport::new(session.clone()))
            }
        }
    }
}
