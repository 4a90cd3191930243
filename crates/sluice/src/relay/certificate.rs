//! The relay's certificate: the operator's, or one for development.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sluice_net::dev_certificate::DevCertificate;
use sluice_net::tls::{TlsError, certificate_hash};

use crate::settings::RelaySettings;

/// A certificate chain with its key.
pub struct Certificate {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    /// SHA-256 of the leaf, in hexadecimal.
    pub sha256: String,
    pub is_development: bool,
}

impl Certificate {
    /// Reads the operator's, or makes one that browsers accept by its hash.
    pub fn obtain(settings: &RelaySettings) -> Result<Certificate> {
        match (&settings.tls_cert, &settings.tls_key) {
            (Some(chain), Some(key)) => Self::read(chain, key),
            (None, None) => Self::development(&settings.host),
            (Some(_), None) => bail!("--tls-cert needs --tls-key FILE with its private key"),
            (None, Some(_)) => bail!("--tls-key needs --tls-cert FILE with the certificate chain"),
        }
    }

    fn read(chain_file: &Path, key_file: &Path) -> Result<Certificate> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain_file)
            .and_then(Iterator::collect)
            .with_context(|| format!("--tls-cert: cannot read {}", chain_file.display()))?;
        let Some(leaf) = chain.first() else {
            bail!("--tls-cert: {} holds no certificate in PEM", chain_file.display());
        };
        let sha256 = hexadecimal(&certificate_hash(leaf));
        let key = PrivateKeyDer::from_pem_file(key_file)
            .with_context(|| format!("--tls-key: no private key in {}", key_file.display()))?;
        Ok(Certificate { chain, key, sha256, is_development: false })
    }

    fn development(hosts: &[String]) -> Result<Certificate> {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let made = DevCertificate::generate(SystemTime::now(), &hosts)?;
        let sha256 = hexadecimal(&certificate_hash(&made.certificate));
        Ok(Certificate {
            chain: vec![made.certificate],
            key: made.key,
            sha256,
            is_development: true,
        })
    }
}

/// What is wrong with certificate and key, and what to do.
pub fn explained(error: TlsError, settings: &RelaySettings) -> anyhow::Error {
    let (Some(chain), Some(key)) = (&settings.tls_cert, &settings.tls_key) else {
        return error.into();
    };
    let (chain, key) = (chain.display(), key.display());
    match error {
        TlsError::KeyMismatch => anyhow!(
            "--tls-key {key} is not the key of --tls-cert {chain}; the chain has to begin with \
             the certificate that the key belongs to"
        ),
        other => anyhow!("--tls-cert {chain} with --tls-key {key}: {other}"),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
