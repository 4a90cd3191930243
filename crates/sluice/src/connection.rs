//! How the tools connect: which relays they trust, and what they say when there is no connection.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sluice_client::{Client, ConnectError, ConnectOptions, Target, Trust};
use sluice_proto::model::TrackNamespace;
use sluice_proto::wire::Draft;

/// Longest wait for a development relay to tell its certificate's hash.
const HASH_WAIT: Duration = Duration::from_secs(5);

/// What the settings of a tool say about its connection.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// Drafts to offer, newest first.
    pub drafts: Vec<Draft>,
    /// SHA-256 hashes of certificates to trust, in hexadecimal.
    pub certificate_sha256: Vec<String>,
    /// Authorities to trust.
    pub ca: Option<PathBuf>,
    /// Whether to trust everyone.
    pub insecure: bool,
    /// Longest wait for the connection.
    pub timeout: Duration,
    /// Whether to say nothing but errors.
    pub quiet: bool,
}

impl ConnectionSettings {
    /// Where `url` is, and why the relay there is to be believed.
    pub async fn target(&self, url: &str) -> Result<(Target, Trust)> {
        let target: Target = url.parse()?;
        let trust = self.trust(&target).await?;
        Ok((target, trust))
    }

    /// Connects to the relay at `url`. An error is one line that says what to do.
    pub async fn connect(&self, url: &str) -> Result<Client> {
        let (target, trust) = self.target(url).await?;
        let options = ConnectOptions {
            drafts: self.drafts.clone(),
            trust,
            timeout: self.timeout,
            implementation: concat!("sluice/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..ConnectOptions::default()
        };
        Client::connect(&target, options).await.map_err(|error| self.explain(error, &target))
    }

    async fn trust(&self, target: &Target) -> Result<Trust> {
        match (self.insecure, self.certificate_sha256.is_empty(), &self.ca) {
            (true, true, None) => Ok(Trust::InsecureAcceptAnyCertificate),
            (false, false, None) => {
                let hashes = self.certificate_sha256.iter().map(|text| read_hash(text));
                Ok(Trust::CertificateHashes(hashes.collect::<Result<_>>()?))
            }
            (false, true, Some(file)) => {
                let certificates = CertificateDer::pem_file_iter(file)
                    .and_then(Iterator::collect)
                    .with_context(|| format!("cannot read certificates from {}", file.display()))?;
                Ok(Trust::Authorities(certificates))
            }
            (false, true, None) if is_loopback(&target.host) => self.ask_for_hash(target).await,
            (false, true, None) => Ok(Trust::System),
            _ => bail!("give one of --certificate-sha256, --ca and --insecure"),
        }
    }

    /// A relay on this machine tells the hash of its certificate; whoever could forge the answer
    /// is on this machine already.
    async fn ask_for_hash(&self, target: &Target) -> Result<Trust> {
        let url = format!("http://{}:{}/certificate.sha256", target.url_host(), target.port);
        let asked = url.clone();
        let answer = tokio::task::spawn_blocking(move || fetch_text(&asked)).await?;
        match answer.ok().and_then(|text| read_hash(text.trim()).ok()) {
            Some(hash) => {
                if !self.quiet {
                    eprintln!("sluice: trusting the certificate hash that {url} tells");
                }
                Ok(Trust::CertificateHashes(vec![hash]))
            }
            None => Ok(Trust::System),
        }
    }

    fn explain(&self, error: ConnectError, target: &Target) -> anyhow::Error {
        match error {
            ConnectError::TimedOut { after, .. } => anyhow!(
                "nothing answers on UDP {}:{} within {:?}: is the relay running there, and is UDP \
                 let through?",
                target.host,
                target.port,
                after
            ),
            ConnectError::Certificate { reason, .. } if !self.certificate_sha256.is_empty() => {
                anyhow!(
                    "the relay's certificate is not the one with the given hash ({reason}): its \
                     relay prints the hash when it starts, and serves it at \
                     http://HOST:PORT/certificate.sha256"
                )
            }
            ConnectError::Certificate { reason, .. } => anyhow!(
                "the relay's certificate is not trusted ({reason}): give --certificate-sha256 \
                 HASH, which a Sluice relay prints when it starts, or --ca FILE"
            ),
            ConnectError::NoCommonDraft { .. } => {
                let drafts: Vec<String> = self.drafts.iter().map(Draft::to_string).collect();
                anyhow!(
                    "the relay at {target} speaks none of the drafts {}: offer others with --drafts",
                    drafts.join(", ")
                )
            }
            other => anyhow!("{other}"),
        }
    }
}

/// The namespace that a tool was given.
pub fn namespace(path: &str) -> Result<TrackNamespace> {
    let namespace = TrackNamespace::from_path(path)?;
    if namespace.is_empty() {
        bail!("--namespace NAME is required, such as --namespace live/me");
    }
    Ok(namespace)
}

/// Whether a host of a URL is this machine.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_hash(text: &str) -> Result<[u8; 32]> {
    let wrong =
        || anyhow!("`{text}` is not a SHA-256 hash: 64 hexadecimal digits, with or without colons");
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(wrong());
    }
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
    }
    Ok(hash)
}

fn fetch_text(url: &str) -> Result<String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(HASH_WAIT)).proxy(None).build().into();
    Ok(agent.get(url).call()?.body_mut().with_config().limit(1024).read_to_string()?)
}

/// Host and port as a URL has them, for an address to reach a relay at that listens on `address`.
pub fn url_host(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_the_relay_and_other_tools_write_it() {
        let plain = "00ff".repeat(16);
        let colons: Vec<String> =
            std::iter::repeat_n(["00", "FF"], 16).flatten().map(str::to_owned).collect();
        assert_eq!(read_hash(&plain).unwrap(), read_hash(&colons.join(":")).unwrap());
        for wrong in ["", "00ff", &"zz".repeat(32), &"é".repeat(32)] {
            assert!(read_hash(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_this_machine_is_asked_for_its_hash() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "example.com"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
