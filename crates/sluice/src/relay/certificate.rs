//! The relay's certificate: the operator's, or one for development, which is renewed in time.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sluice_net::dev_certificate::DevCertificate;
use sluice_net::tls::{ServerTls, TlsError, certificate_hash, https};
use tokio_rustls::rustls::ServerConfig;

use super::worker::{Mailbox, WorkerMessage};
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
            (None, None) => Self::development(&settings.host, SystemTime::now()),
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

    fn development(hosts: &[String], now: SystemTime) -> Result<Certificate> {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let made = DevCertificate::generate(now, &hosts)?;
        let sha256 = hexadecimal(&certificate_hash(&made.certificate));
        Ok(Certificate {
            chain: vec![made.certificate],
            key: made.key,
            sha256,
            is_development: true,
        })
    }
}

/// A development certificate is replaced this long after it was made, a day before it ends.
const RENEW_AFTER: Duration = Duration::from_secs(12 * 24 * 3600);
/// How often it is looked whether it is time: clocks are set, and machines sleep.
const RENEWAL_CHECK: Duration = Duration::from_secs(600);

/// The certificate that new connections are shown.
#[derive(Clone)]
pub struct Shown(Arc<Mutex<(String, Arc<ServerConfig>)>>);

impl Shown {
    fn new(certificate: &Certificate) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(Mutex::new(Self::of(certificate)?))))
    }

    fn of(certificate: &Certificate) -> Result<(String, Arc<ServerConfig>), TlsError> {
        let https = https(certificate.chain.clone(), certificate.key.clone_key())?;
        Ok((certificate.sha256.clone(), https))
    }

    /// SHA-256 of the leaf, in hexadecimal.
    pub fn sha256(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// For HTTPS.
    pub fn https(&self) -> Arc<ServerConfig> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// Shows a certificate to those who connect, and another one when its time has come.
pub struct Keys {
    shown: Shown,
    protocols: Vec<&'static str>,
    /// Names and addresses of a development certificate, and when it is replaced.
    renewal: Option<(Vec<String>, SystemTime)>,
}

impl Keys {
    /// The certificate of now, and for QUIC the same.
    pub fn new(
        certificate: &Certificate,
        settings: &RelaySettings,
        now: SystemTime,
    ) -> Result<(Keys, ServerTls), TlsError> {
        let offered = settings.drafts.offered();
        let protocols: Vec<&str> = offered.iter().map(|draft| draft.token()).collect();
        let tls =
            ServerTls::new(certificate.chain.clone(), certificate.key.clone_key(), &protocols)?;
        let renewal = (settings.host.clone(), now + RENEW_AFTER);
        let renewal = certificate.is_development.then_some(renewal);
        Ok((Keys { shown: Shown::new(certificate)?, protocols, renewal }, tls))
    }

    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// What QUIC is to show from now on, if the certificate has to be replaced at this time.
    pub fn poll(&mut self, now: SystemTime) -> Result<Option<ServerTls>> {
        let Some((hosts, due)) = self.renewal.as_mut().filter(|(_, due)| *due <= now) else {
            return Ok(None);
        };
        let certificate = Certificate::development(hosts, now)?;
        *due = now + RENEW_AFTER;
        let chain = certificate.chain.clone();
        let tls = ServerTls::new(chain, certificate.key.clone_key(), &self.protocols)?;
        *self.shown.0.lock().unwrap_or_else(PoisonError::into_inner) = Shown::of(&certificate)?;
        Ok(Some(tls))
    }

    /// Replaces the certificate in time, for as long as the process lives.
    pub fn keep(mut self, workers: Vec<Mailbox>) -> std::io::Result<()> {
        if self.renewal.is_none() {
            return Ok(());
        }
        let keep = move || loop {
            std::thread::sleep(RENEWAL_CHECK);
            self.renew(&workers, SystemTime::now());
        };
        std::thread::Builder::new().name("sluice-renewal".into()).spawn(keep).map(drop)
    }

    /// Has the workers show another certificate, if it is time.
    pub fn renew(&mut self, workers: &[Mailbox], now: SystemTime) {
        match self.poll(now) {
            Ok(None) => {}
            Ok(Some(tls)) => {
                for worker in workers {
                    worker.send(WorkerMessage::Certificate(tls.clone()));
                }
                tracing::info!(
                    sha256 = self.shown.sha256(),
                    "the development certificate is renewed"
                );
            }
            // It is tried again, and there is a day for it.
            Err(error) => tracing::error!(%error, "the development certificate is not renewed"),
        }
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

#[cfg(test)]
mod tests {
    use sluice_proto::model::TrackNamespace;

    use super::*;
    use crate::connection::ConnectionSettings;
    use crate::relay::Relay;
    use crate::relay::survey::Surveyor;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_development_certificate_is_renewed_before_it_ends_and_another_never() {
        let (start, settings) = (SystemTime::now(), RelaySettings::default());
        let mut certificate = Certificate::obtain(&settings).unwrap();
        let (mut keys, _) = Keys::new(&certificate, &settings, start).unwrap();
        let mut seen = vec![keys.shown().sha256()];
        for day in 1..=40 {
            let now = start + day * DAY;
            let renewed = keys.poll(now).unwrap().is_some();
            assert_eq!(renewed, day % 12 == 0, "day {day}: browsers take 14 days at most");
            let shown = keys.shown().sha256();
            assert_eq!(renewed, !seen.contains(&shown), "day {day}: HTTPS shows the same");
            seen.push(shown);
        }
        certificate.is_development = false;
        let (mut keys, _) = Keys::new(&certificate, &settings, start).unwrap();
        assert!(keys.poll(start + 400 * DAY).unwrap().is_none(), "the operator renews his own");
    }

    #[test]
    fn who_connects_after_a_renewal_sees_the_new_certificate_and_others_stay() {
        let settings = RelaySettings {
            listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
            ..RelaySettings::default()
        };
        let relay = Relay::start(&settings).unwrap();
        let certificate = Certificate::obtain(&settings).unwrap();
        let now = SystemTime::now();
        let (mut keys, _) = Keys::new(&certificate, &settings, now).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connect = async |sha256: &str| {
                let connection = ConnectionSettings {
                    drafts: settings.drafts.offered(),
                    certificate_sha256: vec![sha256.to_owned()],
                    ca: None,
                    insecure: false,
                    timeout: Duration::from_secs(20),
                    quiet: true,
                };
                connection.connect(&format!("moqt://{}/", relay.address())).await
            };
            let before = connect(relay.certificate_sha256()).await.unwrap();
            keys.renew(&relay.mailboxes, now + RENEW_AFTER);
            // Whoever is answered comes after the renewal.
            let surveyor = Surveyor::new(relay.mailboxes.clone());
            surveyor.ask(0, |_| ()).await.unwrap();
            let after = connect(&keys.shown().sha256()).await.unwrap();
            assert!(connect(relay.certificate_sha256()).await.is_err(), "the old one is gone");
            let name = TrackNamespace::from_path("still/there").unwrap();
            before.publish_namespace(name).await.unwrap();
            after.close().await;
            before.close().await;
        });
    }
}
