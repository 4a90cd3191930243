//! Certificates and trust, for accepting and for dialing. TLS 1.3 only, no tickets, no 0-RTT.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

pub use rustls::RootCertStore;
pub use rustls::pki_types::CertificateDer;
pub use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

/// The ALPN of HTTP/3, which carries WebTransport.
pub(crate) const ALPN_H3: &[u8] = b"h3";

/// Why a certificate, key or trust setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate chain and key do not fit together, or the key is of no known kind.
    #[error("certificate or key not usable: {0}")]
    Certificate(rustls::Error),
    /// The key is another certificate's.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// The development certificate could not be made.
    #[error("cannot make a development certificate: {0}")]
    DevCertificate(#[from] rcgen::Error),
    /// The TLS library offers no cipher that QUIC can use.
    #[error("no usable cipher suite")]
    NoCipherSuite,
}

/// SHA-256 of a certificate in DER, as browsers and `Trust::CertificateHashes` compare it.
pub fn certificate_hash(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
    hash
}

/// What a server shows and offers.
#[derive(Clone)]
pub struct ServerTls {
    pub(crate) crypto: Arc<QuicServerConfig>,
    pub(crate) protocols: Arc<[String]>,
}

impl ServerTls {
    /// A server with this chain (leaf first) and key.
    ///
    /// `protocols` are the names of MOQT versions, best first: they are the ALPNs of raw QUIC
    /// and what is looked for in `WT-Available-Protocols`. HTTP/3 is offered besides; with `h3`
    /// among them the caller speaks HTTP/3 itself and gets its streams as they are.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        protocols: &[&str],
    ) -> Result<ServerTls, TlsError> {
        let mut config = server_config(chain, key)?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        if !protocols.contains(&"h3") {
            config.alpn_protocols.push(ALPN_H3.to_vec());
        }
        let crypto = QuicServerConfig::try_from(config).map_err(|_| TlsError::NoCipherSuite)?;
        Ok(ServerTls {
            crypto: Arc::new(crypto),
            protocols: protocols.iter().map(|name| name.to_string()).collect(),
        })
    }
}

/// What HTTPS over TCP shows, with this chain (leaf first) and key.
pub fn https(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let mut config = server_config(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<rustls::ServerConfig, TlsError> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Certificate)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::KeyMismatch,
            other => TlsError::Certificate(other),
        })?;
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("protocols", &self.protocols).finish_non_exhaustive()
    }
}

/// Which servers a client believes.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those with a valid chain to one of these roots, for the name dialed.
    Roots(Arc<RootCertStore>),
    /// Those with a valid chain to one of these roots, and those whose certificate is one of these,
    /// for the name dialed and in its dates. A certificate that signed itself often says that it is
    /// an authority, which chains do not let a server be.
    RootsAndCertificates(Arc<RootCertStore>, Vec<CertificateDer<'static>>),
    /// Those whose certificate has one of these SHA-256 hashes, whatever its name and dates.
    CertificateHashes(Vec<[u8; 32]>),
    /// All of them. Anyone on the path can read and change everything.
    InsecureAcceptAnyCertificate,
}

/// How a client checks servers.
#[derive(Clone)]
pub struct ClientTls {
    config: rustls::ClientConfig,
}

impl ClientTls {
    /// A client that trusts these servers. `clock` dates certificate checks: use
    /// [`DefaultTimeProvider`] in a program and [`FixedTime`] in a simulation.
    pub fn new(trust: Trust, clock: Arc<dyn TimeProvider>) -> Result<ClientTls, TlsError> {
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let chain_provider = provider.clone();
        let builder = rustls::ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Certificate)?;
        let mut config = match trust {
            Trust::Roots(roots) => builder.with_root_certificates(roots),
            Trust::RootsAndCertificates(roots, certificates) => {
                let chains = WebPkiServerVerifier::builder_with_provider(roots, chain_provider)
                    .build()
                    .map_err(|error| {
                        TlsError::Certificate(rustls::Error::General(error.to_string()))
                    })?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(OwnVerifier {
                    chains,
                    certificates,
                }))
            }
            Trust::CertificateHashes(hashes) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(HashVerifier {
                    hashes: Some(hashes),
                    algorithms,
                }))
            }
            Trust::InsecureAcceptAnyCertificate => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(HashVerifier {
                    hashes: None,
                    algorithms,
                }))
            }
        }
        .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(ClientTls { config })
    }

    pub(crate) fn crypto<'a>(
        &self,
        alpns: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Arc<QuicClientConfig>, TlsError> {
        let mut config = self.config.clone();
        config.alpn_protocols = alpns.into_iter().map(<[u8]>::to_vec).collect();
        let crypto = QuicClientConfig::try_from(config).map_err(|_| TlsError::NoCipherSuite)?;
        Ok(Arc::new(crypto))
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

/// A clock that stands still, for certificate checks in a simulation.
#[derive(Clone, Copy, Debug)]
pub struct FixedTime {
    /// Time since the Unix epoch.
    pub since_epoch: Duration,
}

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.since_epoch))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

const BAD_CERTIFICATE: &str = "invalid peer certificate: ";

/// What is wrong with a server's certificate, if that is why a connection failed. The TLS library
/// tells its faults in words alone.
pub fn certificate_fault(reason: &str) -> Option<&str> {
    reason.rsplit_once(BAD_CERTIFICATE).map(|(_, said)| said)
}

/// Takes what chains to a root, and certificates that it knows themselves.
#[derive(Debug)]
struct OwnVerifier {
    chains: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for OwnVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The library says so after it has looked at the dates and before it looks at the name.
            Err(error) if is_authority(&error) && self.certificates.contains(end_entity) => {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Whether a certificate was refused as it says that it is an authority.
fn is_authority(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Compares the certificate's hash, or accepts every certificate when it has no hashes. The
/// server still has to prove that it holds the certificate's key.
#[derive(Debug)]
struct HashVerifier {
    hashes: Option<Vec<[u8; 32]>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for HashVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let trusted = match &self.hashes {
            Some(hashes) => hashes.contains(&certificate_hash(end_entity)),
            None => true,
        };
        if trusted {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
