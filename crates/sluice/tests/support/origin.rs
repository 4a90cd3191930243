//! Relays that are each other's origins.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use super::{Relay, pem_text};

/// Ports below those that systems give to whoever asks for any: none of them is taken by a client
/// while its relay is restarted.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// An address on loopback that is free, for UDP and TCP.
fn free_address() -> String {
    let seed = RandomState::new().hash_one(std::process::id());
    (0..PORTS.len() as u64)
        .map(|step| PORTS.start + (seed.wrapping_add(step) % PORTS.len() as u64) as u16)
        .map(|port| format!("127.0.0.1:{port}"))
        .find(|address| UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok())
        .expect("a free port")
}

/// Where a relay is, and its certificate: it can be started there again and again.
pub struct Place {
    pub folder: TempDir,
    pub address: String,
    /// PEM of its certificate.
    pub certificate: PathBuf,
    key: PathBuf,
}

impl Place {
    /// A free port of this machine, and a certificate as `openssl req -x509` makes them, which says
    /// that it is an authority.
    pub fn new() -> Place {
        Place::with(CertificateParams::new(["localhost".to_owned()]).expect("a name"))
    }

    pub fn with(mut params: CertificateParams) -> Place {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        Place {
            address: free_address(),
            certificate: write("certificate.pem", pem_text("CERTIFICATE", certificate.der())),
            key: write("key.pem", pem_text("PRIVATE KEY", key.serialized_der())),
            folder,
        }
    }

    /// Another place with the same certificate.
    pub fn beside(&self) -> Place {
        Place {
            folder: tempfile::tempdir().expect("a folder"),
            address: free_address(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        }
    }

    /// Its port.
    pub fn port(&self) -> &str {
        self.address.rsplit_once(':').expect("an address and a port").1
    }

    /// The entry of an origins file for it. `fields` are further ones.
    pub fn entry(&self, scheme: &str, fields: &str) -> String {
        format!(
            r#"{{"friendlyname": "{port}", "guid": "{port}", "tracknamespaceprefixes": ["live"],
                "originaddress": "{scheme}://localhost:{port}/moq",
                "origincertpath": "{certificate}"{fields}}}"#,
            port = self.port(),
            certificate = self.certificate.display(),
        )
    }

    /// Starts a relay here that has these origins.
    pub fn start(&self, origins: &[String], arguments: &[&str]) -> Relay {
        let file = self.folder.path().join("origins.json");
        let list = format!(r#"{{"origins": [{}]}}"#, origins.join(","));
        std::fs::write(&file, list).expect("written");
        let [file, certificate, key] =
            [&file, &self.certificate, &self.key].map(|path| path.to_str().expect("a plain path"));
        let own = ["--origins", file, "--tls-cert", certificate, "--tls-key", key];
        Relay::start_on(&self.address, &[&own, arguments].concat())
    }
}
