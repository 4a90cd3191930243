//! The one request and response that matter here, and the status of all others.

use super::field_list;
use super::header_section::HeaderSection;

const AVAILABLE_PROTOCOLS: &str = "wt-available-protocols";
const PROTOCOL: &str = "wt-protocol";
/// Go implementations of 2023 refuse a CONNECT without this field and a response without the
/// other one.
const DRAFT_02_REQUEST: &str = "sec-webtransport-http3-draft02";
const DRAFT_02_RESPONSE: &str = "sec-webtransport-http3-draft";

/// Status codes that we answer with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// A CONNECT that lacks what it needs.
    BadRequest,
    /// Anything but a CONNECT for WebTransport.
    NotFound,
    /// A second session on the connection.
    TooManyRequests,
    /// A header section over the limit.
    FieldsTooLarge,
}

impl Refusal {
    /// The value of the response's HEADERS frame.
    pub(crate) fn encode(self) -> Vec<u8> {
        let status = match self {
            Refusal::BadRequest => "400",
            Refusal::NotFound => "404",
            Refusal::TooManyRequests => "429",
            Refusal::FieldsTooLarge => "431",
        };
        let mut section = HeaderSection::default();
        section.push(":status", status);
        section.encode()
    }
}

/// A CONNECT for a WebTransport session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Connect {
    pub(crate) authority: String,
    pub(crate) path: String,
    /// What `WT-Available-Protocols` lists, in the client's order.
    pub(crate) protocols: Vec<String>,
    /// The client wants to be answered as draft-02 says.
    pub(crate) wants_draft_02: bool,
}

impl Connect {
    /// Reads a request, or says how to refuse it.
    pub(crate) fn from_fields(fields: &HeaderSection) -> Result<Connect, Refusal> {
        if fields.first(":method") != Some("CONNECT") {
            return Err(Refusal::NotFound);
        }
        // The token changed with draft-15.
        match fields.first(":protocol") {
            Some("webtransport" | "webtransport-h3") => {}
            Some(_) => return Err(Refusal::NotFound),
            None => return Err(Refusal::BadRequest),
        }
        let protocols = fields
            .joined(AVAILABLE_PROTOCOLS)
            .and_then(|field| field_list::decode_strings(&field))
            .unwrap_or_default();
        Ok(Connect {
            authority: fields.first(":authority").unwrap_or_default().to_string(),
            path: fields.first(":path").unwrap_or("/").to_string(),
            protocols,
            wants_draft_02: fields.first(DRAFT_02_REQUEST).is_some(),
        })
    }

    /// The value of the request's HEADERS frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut section = HeaderSection::default();
        section.push(":method", "CONNECT");
        section.push(":protocol", "webtransport");
        section.push(":scheme", "https");
        section.push(":authority", &self.authority);
        section.push(":path", &self.path);
        section.push(DRAFT_02_REQUEST, "1");
        if !self.protocols.is_empty() {
            let list = field_list::encode_strings(self.protocols.iter().map(String::as_str));
            section.push(AVAILABLE_PROTOCOLS, &list);
        }
        section.encode()
    }

    /// The first of `ours` that the client offers.
    pub(crate) fn choose(&self, ours: &[String]) -> Option<String> {
        ours.iter().find(|protocol| self.protocols.contains(protocol)).cloned()
    }

    /// The value of the HEADERS frame that accepts it.
    pub(crate) fn encode_accept(&self, protocol: Option<&str>) -> Vec<u8> {
        let mut section = HeaderSection::default();
        section.push(":status", "200");
        if self.wants_draft_02 {
            section.push(DRAFT_02_RESPONSE, "draft02");
        }
        if let Some(protocol) = protocol {
            section.push(PROTOCOL, &field_list::encode_strings([protocol]));
        }
        section.encode()
    }
}

/// What a server answered to our CONNECT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Response {
    /// 1xx: the answer is still to come.
    Interim,
    /// 2xx, with the protocol that it chose.
    Accepted(Option<String>),
    /// Anything else.
    Refused(String),
}

impl Response {
    /// Reads a response to a request that offered `offered`.
    pub(crate) fn from_fields(fields: &HeaderSection, offered: &[String]) -> Response {
        let status = fields.first(":status").unwrap_or_default();
        match status.as_bytes().first() {
            Some(b'1') => Response::Interim,
            Some(b'2') => {
                // A list of one string looks like the string that this field is.
                let chosen = fields
                    .first(PROTOCOL)
                    .and_then(field_list::decode_strings)
                    .and_then(|strings| strings.into_iter().next())
                    .filter(|protocol| offered.contains(protocol));
                Response::Accepted(chosen)
            }
            _ => Response::Refused(status.to_string()),
        }
    }
}
