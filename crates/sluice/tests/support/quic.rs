//! QUIC of another library, `quinn`, towards the relay of a test.

use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;

use super::tls;

/// A client that offers one application protocol. It takes the development certificate; that it is
/// the right one is not what its tests are about.
pub fn client_config(alpn: &[u8]) -> quinn::ClientConfig {
    let mut tls = tls::client_config(None);
    tls.alpn_protocols = vec![alpn.to_vec()];
    let tls = QuicClientConfig::try_from(tls).expect("TLS that QUIC can use");
    quinn::ClientConfig::new(Arc::new(tls))
}
