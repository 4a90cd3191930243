//! Where to connect.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use sluice_net::dial::Via;
use sluice_proto::session::SessionConfig;
use sluice_proto::transport::Carrier;
use sluice_proto::wire::Draft;

use url::Url;

/// Default port of both schemes (MOQT-18 §3.1.2).
const DEFAULT_PORT: u16 = 443;

/// An address of a relay: `https://` for WebTransport, `moqt://` for raw QUIC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// How MOQT is carried.
    pub carrier: Carrier,
    /// Name or address, without brackets.
    pub host: String,
    /// UDP port.
    pub port: u16,
    /// Path and query, beginning with a slash.
    pub path: String,
}

/// Why a text is not a target.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetError {
    /// Not a URL.
    #[error("`{0}` is not a URL such as https://host:4433/moq or moqt://host:4433/moq")]
    NotAUrl(String),
    /// A scheme that is neither.
    #[error("`{0}://` is not supported: use https:// (WebTransport) or moqt:// (raw QUIC)")]
    Scheme(String),
}

impl Target {
    /// The host as it stands in a URL: an IPv6 address in brackets.
    pub fn url_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// Host and port as they stand in `:authority` and AUTHORITY.
    pub fn authority(&self) -> String {
        let host = self.url_host();
        if self.port == DEFAULT_PORT { host } else { format!("{host}:{}", self.port) }
    }

    /// How to carry MOQT there, offering these drafts.
    pub fn via(&self, drafts: &[Draft]) -> Via {
        let protocols = drafts.iter().map(|draft| draft.token().to_owned()).collect();
        match self.carrier {
            Carrier::Quic => Via::Quic { protocols },
            Carrier::WebTransport => Via::WebTransport {
                authority: self.authority(),
                path: self.path.clone(),
                protocols,
            },
        }
    }

    /// How to set up a session there, offering these drafts; all else is as in `base`. Raw QUIC has
    /// no request that names authority and path, so setup does.
    pub fn session(&self, drafts: &[Draft], base: SessionConfig) -> SessionConfig {
        let raw = self.carrier == Carrier::Quic;
        SessionConfig {
            drafts: drafts.to_vec(),
            path: raw.then(|| self.path.clone()),
            authority: raw.then(|| self.authority()),
            ..base
        }
    }

    /// Asks the system for its addresses, which may take a while: the first, and the first of the
    /// other family if there is one.
    pub fn addresses(&self) -> io::Result<(SocketAddr, Option<SocketAddr>)> {
        let found: Vec<SocketAddr> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        let nothing = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let first = *found.first().ok_or_else(nothing)?;
        let other = found.iter().find(|address| address.is_ipv4() != first.is_ipv4());
        Ok((first, other.copied()))
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::NotAUrl(text.to_owned());
        let url = Url::parse(text).map_err(|_| wrong())?;
        let carrier = match url.scheme() {
            "https" => Carrier::WebTransport,
            "moqt" | "moq" => Carrier::Quic,
            other => return Err(TargetError::Scheme(other.to_owned())),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let mut path = if url.path().is_empty() { "/".to_owned() } else { url.path().to_owned() };
        if let Some(query) = url.query() {
            path = format!("{path}?{query}");
        }
        Ok(Target { carrier, host, port: url.port().unwrap_or(DEFAULT_PORT), path })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.carrier {
            Carrier::WebTransport => "https",
            Carrier::Quic => "moqt",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_are_read_and_written_back() {
        for text in ["https://localhost:4433/moq", "moqt://[::1]:4433/a/b?jwt=x", "moqt://host/"] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
        let target: Target = "https://relay.example/moq".parse().unwrap();
        assert_eq!((target.carrier, target.port), (Carrier::WebTransport, 443));
    }

    #[test]
    fn another_scheme_is_refused_with_what_to_use() {
        let error = "http://localhost".parse::<Target>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`http://` is not supported: use https:// (WebTransport) or moqt:// (raw QUIC)"
        );
        assert!("localhost:4433".parse::<Target>().is_err());
    }
}
