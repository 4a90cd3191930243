//! Connections of libraries that share no line with the relay: `quinn` for raw QUIC, `wtransport`
//! for WebTransport. A test keeps the connection beside the MOQT client that runs on it.

use std::sync::Arc;

use anyhow::{Context, Result};
use moqtap_client::transport::Transport;
use moqtap_client::transport::quic::QuicTransport;
use moqtap_client::transport::webtransport::WebTransportTransport;
use moqtap_codec::version::DraftVersion;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

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
        address: std::net::SocketAddr,
        carrier: Carrier,
        draft: DraftVersion,
        windows: quinn::TransportConfig,
    ) -> Result<Link> {
        match carrier {
            Carrier::Quic => {
                let mut config = client_config(draft.quic_alpn())?;
                config.transport_config(Arc::new(windows));
                let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse()?)?;
                let connecting = endpoint.connect_with(config, address, "localhost")?;
                Ok(Link::Quic(connecting.await.context("the QUIC handshake")?))
            }
            Carrier::WebTransport => {
                let mut config = client_config(wtransport::tls::WEBTRANSPORT_ALPN)?;
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

fn client_config(alpn: &[u8]) -> Result<quinn::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    Ok(quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)))
}

/// Takes the development certificate; that it is the right one is not what these tests are about.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
