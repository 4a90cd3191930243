//! A self-signed certificate for development that browsers accept by its hash.
//!
//! `serverCertificateHashes` asks for ECDSA P-256 and at most 14 days of validity (W3C
//! WebTransport, "custom certificate requirements").

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::tls::{TlsError, certificate_hash};

/// Validity after the moment of making.
const VALID_FOR: Duration = Duration::from_secs(13 * 24 * 3600);
/// Validity before it, for peers whose clock is behind.
const VALID_BEFORE: Duration = Duration::from_secs(3600);

/// A certificate made by [`DevCertificate::generate`], with its key.
#[derive(Debug)]
pub struct DevCertificate {
    /// The certificate in DER.
    pub certificate: CertificateDer<'static>,
    /// Its key in PKCS #8 DER.
    pub key: PrivateKeyDer<'static>,
    /// SHA-256 of the certificate, for `serverCertificateHashes` and
    /// [`Trust::CertificateHashes`](crate::tls::Trust::CertificateHashes).
    pub hash: [u8; 32],
    /// End of the certificate's validity.
    pub not_after: SystemTime,
}

impl DevCertificate {
    /// Makes a certificate, valid from one hour before `now` for 13 days, for `localhost`,
    /// `127.0.0.1`, `::1` and the given DNS names or addresses.
    pub fn generate(now: SystemTime, names: &[&str]) -> Result<DevCertificate, TlsError> {
        let mut subjects = ["localhost", "127.0.0.1", "::1"].map(str::to_string).to_vec();
        for name in names {
            if !subjects.iter().any(|known| known == name) {
                subjects.push(name.to_string());
            }
        }
        let mut params = CertificateParams::new(subjects)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Sluice development certificate");
        let not_after = now + VALID_FOR;
        params.not_before = (now - VALID_BEFORE).into();
        params.not_after = not_after.into();

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(DevCertificate {
            hash: certificate_hash(&certificate),
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            certificate,
            not_after,
        })
    }
}
