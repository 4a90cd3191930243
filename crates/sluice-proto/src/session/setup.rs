//! SETUP in its three forms, and which draft a session speaks.

use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{CONTROL_ORDER, Session, SessionEvent};
use crate::model::{Goaway, RequestId, SessionCode, SetupOptions};
use crate::transport::{Carrier, PeerCredit, Side, StreamKind, Transport};
use crate::wire::{
    Context, Dialect, Draft, Message, MessageKind, RequestTransport, SetupExchange, Violation,
};

/// How far setup is.
#[derive(Debug)]
pub(super) struct Setup {
    deadline: Instant,
    sent: bool,
    received: bool,
    credit_raised: bool,
}

impl Setup {
    pub fn new(deadline: Instant) -> Self {
        Self { deadline, sent: false, received: false, credit_raised: false }
    }

    /// Ours is queued.
    pub fn note_sent(&mut self) {
        self.sent = true;
    }

    /// The peer's is here.
    pub fn note_received(&mut self) {
        self.received = true;
    }

    pub fn is_done(&self) -> bool {
        self.sent && self.received
    }

    pub fn has_received(&self) -> bool {
        self.received
    }

    pub fn deadline(&self) -> Option<Instant> {
        (!self.received).then_some(self.deadline)
    }

    pub fn needs_control(&self, open: bool) -> bool {
        self.sent && !open || self.is_done() && !self.credit_raised
    }
}

/// The draft whose version is agreed in band; its numbers serve before a draft is known.
pub(super) fn oldest_dialect() -> &'static Dialect {
    Draft::ALL[Draft::ALL.len() - 1].dialect()
}

impl Session {
    /// Chooses the draft where it was agreed before MOQT's first byte, and queues our SETUP
    /// where it does not wait for the peer's.
    pub(super) fn choose_dialect(&mut self) {
        let named = self.info.protocol.as_deref().and_then(Draft::from_token);
        let dialect = match named.filter(|draft| self.config.drafts.contains(draft)) {
            Some(_) if self.config.is_link => Dialect::between_shards(),
            Some(draft) => draft.dialect(),
            // Nothing was agreed: the list of versions in CLIENT_SETUP decides.
            None if self.in_band_drafts().next().is_some() => oldest_dialect(),
            None => match self.named_dialect() {
                Some(dialect) => dialect,
                None => return self.violated(Violation::NoCommonVersion),
            },
        };
        let asks_in_band = dialect.setup == SetupExchange::VersionsInBand;
        if !(asks_in_band && self.side == Side::Server) {
            self.dialect = Some(dialect);
        }
        let speaks_first = match dialect.setup {
            SetupExchange::Both => true,
            SetupExchange::ClientFirst | SetupExchange::VersionsInBand => self.side == Side::Client,
        };
        if speaks_first {
            self.send_setup(dialect, None);
        }
    }

    /// Drafts that CLIENT_SETUP can name.
    fn in_band_drafts(&self) -> impl Iterator<Item = Draft> + '_ {
        self.config.drafts.iter().copied().filter(|draft| draft.version().is_some())
    }

    fn send_setup(&mut self, dialect: &'static Dialect, version: Option<u64>) {
        if self.speaks_names() {
            return self.send_named_setup();
        }
        let options = self.our_options(dialect);
        let message = match (dialect.setup, self.side) {
            (SetupExchange::Both, _) => Message::Setup(options),
            (_, Side::Client) => {
                let versions = match dialect.setup {
                    SetupExchange::VersionsInBand => {
                        self.in_band_drafts().filter_map(Draft::version).collect()
                    }
                    _ => Vec::new(),
                };
                Message::ClientSetup { versions, options }
            }
            (_, Side::Server) => Message::ServerSetup { version, options },
        };
        let mut bytes = BytesMut::new();
        let context = Context::control(self.side);
        if dialect.encode(&message, &context, &mut bytes).is_ok() {
            self.control.push(bytes.freeze());
            self.setup.sent = true;
        } else {
            self.close(SessionCode::Internal, "our SETUP does not fit the draft");
        }
    }

    fn our_options(&mut self, dialect: &'static Dialect) -> SetupOptions {
        let raw_client = self.side == Side::Client && self.info.carrier == Carrier::Quic;
        let implementation = self.own_implementation();
        let config = &self.config;
        let limit = (dialect.requests == RequestTransport::ControlStream)
            .then(|| self.requests.grant(config.limits.requests_max as usize));
        let cache = config.limits.token_cache_bytes;
        SetupOptions {
            path: config.path.clone().filter(|_| raw_client),
            authority: config.authority.clone().filter(|_| raw_client),
            request_id_limit: limit,
            token_cache_bytes: (cache > 0).then_some(cache),
            filter_ranges: None,
            request_updates: None,
            implementation,
            tokens: if self.side == Side::Client { config.tokens.clone() } else { Vec::new() },
        }
    }

    /// What this program says it is, if it says so.
    pub(super) fn own_implementation(&self) -> Option<String> {
        Some(self.config.implementation.clone()).filter(|name| !name.is_empty())
    }

    /// A SETUP arrived, in whichever form.
    pub(super) fn handle_setup(&mut self, message: Message) {
        if self.setup.received {
            let message = match message {
                Message::ClientSetup { .. } => MessageKind::ClientSetup,
                Message::ServerSetup { .. } => MessageKind::ServerSetup,
                _ => MessageKind::Setup,
            };
            return self.violated(Violation::SetupOrder { message });
        }
        match (message, self.side) {
            (Message::ClientSetup { versions, options }, Side::Server) => {
                self.handle_client_setup(&versions, options);
            }
            (Message::ServerSetup { version, options }, Side::Client) => {
                self.handle_server_setup(version, options);
            }
            (Message::Setup(options), _) => self.set_up(options),
            (Message::ClientSetup { .. }, Side::Client) => {
                self.violated(Violation::MisplacedMessage { message: MessageKind::ClientSetup });
            }
            _ => self.violated(Violation::MisplacedMessage { message: MessageKind::ServerSetup }),
        }
    }

    fn handle_client_setup(&mut self, versions: &[u64], options: SetupOptions) {
        let dialect = match self.dialect {
            Some(dialect) => dialect,
            None => {
                let common = self
                    .in_band_drafts()
                    .find(|draft| draft.version().is_some_and(|v| versions.contains(&v)));
                let Some(draft) = common else {
                    return self.violated(Violation::NoCommonVersion);
                };
                self.dialect = Some(draft.dialect());
                draft.dialect()
            }
        };
        let version = match dialect.setup {
            SetupExchange::VersionsInBand => dialect.draft().version(),
            _ => None,
        };
        self.send_setup(dialect, version);
        self.set_up(options);
    }

    fn handle_server_setup(&mut self, version: Option<u64>, options: SetupOptions) {
        if let Some(version) = version {
            let chosen = self.in_band_drafts().find(|draft| draft.version() == Some(version));
            let Some(draft) = chosen else {
                return self.violated(Violation::UnknownVersion { version });
            };
            self.dialect = Some(draft.dialect());
        }
        self.set_up(options);
    }

    fn set_up(&mut self, mut options: SetupOptions) {
        let dialect = self.fallback_dialect();
        let named = options.path.is_some() || options.authority.is_some();
        if named && (self.side == Side::Client || self.info.carrier == Carrier::WebTransport) {
            return self.violated(match options.path {
                Some(_) => Violation::UnexpectedPath,
                None => Violation::UnexpectedAuthority,
            });
        }
        if let Err(violation) = self.tokens.resolve_setup(&mut options.tokens) {
            return self.violated(violation);
        }
        if dialect.requests == RequestTransport::ControlStream {
            self.requests.limit = Some(options.request_id_limit.unwrap_or(0));
        }
        self.peer_updates_max = options.request_updates.unwrap_or(0);
        if self.info.path.is_none() {
            self.info.path = options.path.clone();
        }
        if options.authority.is_some() {
            self.info.authority = options.authority.clone();
        }
        self.setup.received = true;
        self.events.push_back(SessionEvent::Ready(options));
        self.wake_all_streams();
    }

    /// Opens our control stream if it is due, and gives the peer its credit after setup.
    pub(super) fn open_control(&mut self, transport: &mut dyn Transport) {
        if self.setup.is_done() && (!self.setup.credit_raised || self.wants_window) {
            self.setup.credit_raised = true;
            let limits = &self.config.limits;
            let window_bytes = match std::mem::take(&mut self.wants_window) {
                true => limits.publisher_window_bytes,
                false => limits.window_bytes,
            };
            transport.set_credit(PeerCredit {
                uni_streams: limits.uni_streams_max,
                bidi_streams: limits.bidi_streams_max,
                window_bytes,
            });
        }
        if self.control_out.is_some() || !self.setup.sent {
            return;
        }
        let Some(dialect) = self.dialect else { return };
        let kind = match dialect.requests {
            RequestTransport::OwnStream => StreamKind::Uni,
            // The server answers on the stream that the client opened.
            RequestTransport::ControlStream if self.side == Side::Client => StreamKind::Bidi,
            RequestTransport::ControlStream => return,
        };
        let Some(stream) = transport.open(kind) else { return };
        transport.set_priority(stream, CONTROL_ORDER);
        self.control_out = Some(stream);
        if kind == StreamKind::Bidi {
            self.begin_control_in(stream);
        }
    }

    /// Sends GOAWAY: the peer should move to `uri`, or come back to the same address if that is
    /// empty. From now on its new requests are refused. After `timeout` a peer that is still
    /// there is closed with GOAWAY_TIMEOUT; who closes earlier calls [`Session::close`].
    pub fn goaway(&mut self, uri: &str, timeout: Option<Duration>) {
        let Some(dialect) = self.dialect.filter(|_| self.is_ready() && !self.goaway_sent) else {
            return;
        };
        // MOQT-18 §10.4: a client names no address.
        let uri = if self.side == Side::Server { uri.to_owned() } else { String::new() };
        if self.speaks_names() {
            self.goaway_sent = self.say_named_goaway(uri);
            self.goaway_timeout = timeout;
            return;
        }
        let first_unprocessed = Some(self.requests.first_unprocessed());
        let goaway = Goaway { uri, timeout, first_unprocessed };
        let mut bytes = BytesMut::new();
        let context = Context::control(self.side);
        if dialect.encode(&Message::Goaway(goaway), &context, &mut bytes).is_ok() {
            self.control.push(bytes.freeze());
            self.goaway_sent = true;
            self.goaway_timeout = timeout;
        }
    }

    /// GOAWAY arrived, for the session or for one request.
    pub(super) fn handle_goaway(&mut self, goaway: Goaway, id: Option<RequestId>) {
        if self.side == Side::Server && !goaway.uri.is_empty() {
            return self.violated(Violation::GoawayUri);
        }
        let seen = match id {
            None => Some(&mut self.goaway_received),
            Some(id) => self.requests.get_mut(id).map(|entry| &mut entry.goaway_received),
        };
        if seen.is_some_and(|seen| std::mem::replace(seen, true)) {
            return self.violated(Violation::SecondGoaway);
        }
        // MOQT-18 §10.4: it names one of the receiver's requests.
        if let Some(first) = goaway.first_unprocessed.filter(|it| !self.requests.is_ours(*it)) {
            return self.violated(Violation::GoawayRequestId { id: first.0 });
        }
        self.events.push_back(SessionEvent::Goaway { id, goaway });
    }
}
