//! Connections to origins: dialed, kept, and made again for ever.
//!
//! `file` is what is configured, `status` what is told. [`Origins`] belongs to the worker that has the
//! sessions: it says which names to look up and when, dials what comes of it, and notes what becomes
//! of each connection. What is asked of an origin is the shard's business.

pub mod file;
pub mod status;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sluice_client::{Target, Trust};
use sluice_core::{OriginId, OriginTerms, SessionKey};
use sluice_net::dial::Dial;
use sluice_net::tls::{ClientTls, certificate_fault};
use sluice_net::{ConnectionKey, Net};
use sluice_proto::model::Token;
use sluice_proto::session::{SessionConfig, SessionEnd, SessionLimits};
use sluice_proto::transport::CloseReason;
use sluice_proto::wire::Draft;

use super::memory::ORIGIN_WINDOW_BYTES;
use crate::settings::RelaySettings;
use file::{OriginSettings, Reading};
use status::{OriginBoard, OriginState, Soon};

/// First wait before an origin is dialed again. It doubles each time.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Streams that an origin may have open: it sends what all viewers here want.
const UNI_STREAMS_MAX: u32 = 8192;
/// An origin that stayed for this long is dialed soon again when it is lost.
const STEADY: Duration = Duration::from_secs(1);

/// Reads the origins file. Mistakes are fatal unless the settings say that what is left will do.
pub fn read(settings: &RelaySettings) -> Result<Vec<OriginSettings>> {
    let Some(path) = &settings.origins else { return Ok(Vec::new()) };
    if settings.scoped {
        bail!("--origins cannot be had with --scoped: origins serve every path alike");
    }
    let mut reading = Reading::of(path, &settings.drafts.0);
    for origin in &reading.origins {
        if let Err(error) = origin.target.addresses() {
            let host = &origin.target.host;
            let what = format!(
                "`{host}` cannot be resolved ({error}): correct the name, or see to it that it has \
                 an address"
            );
            reading.mistakes.push(origin.place.mistake("originaddress", what));
        }
    }
    if settings.origins_partial {
        for mistake in &reading.mistakes {
            tracing::warn!("{mistake}");
        }
    } else if !reading.mistakes.is_empty() {
        let lines: Vec<String> = reading.mistakes.iter().map(ToString::to_string).collect();
        bail!("{}", lines.join("\nsluice: "));
    }
    Ok(reading.origins)
}

/// What the core has to know of them.
pub fn terms(origins: &[OriginSettings]) -> Vec<OriginTerms> {
    let terms = |origin: &OriginSettings| OriginTerms {
        offers: origin.offers.clone(),
        priority: origin.priority,
        tokens: tokens(origin),
    };
    origins.iter().map(terms).collect()
}

fn tokens(origin: &OriginSettings) -> Vec<Token> {
    let token =
        |secret: &String| Token::UseValue { kind: 0, value: secret.clone().into_bytes().into() };
    origin.authinfo.iter().map(token).collect()
}

/// Which addresses the worker's socket can reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    Ipv4,
    Ipv6,
    Both,
}

impl Reach {
    /// Of a socket that is bound there.
    pub fn of(local: SocketAddr) -> Reach {
        match local {
            SocketAddr::V4(_) => Reach::Ipv4,
            SocketAddr::V6(local) if local.ip().is_unspecified() => Reach::Both,
            SocketAddr::V6(_) => Reach::Ipv6,
        }
    }

    fn includes(self, remote: &SocketAddr) -> bool {
        match self {
            Reach::Ipv4 => remote.is_ipv4(),
            Reach::Ipv6 => remote.is_ipv6(),
            Reach::Both => true,
        }
    }
}

/// One origin, as far as it is.
struct Link {
    settings: OriginSettings,
    /// Where it said that it can be had, when it was going away. Dialed once.
    detour: Option<Target>,
    tls: ClientTls,
    /// How its sessions are set up, but for what the address decides.
    base: SessionConfig,
    step: Step,
    failures: u32,
    /// Whether the next session opens as the clients of 2023/24 do. Such a server takes nothing else
    /// and chooses no protocol, as some of a later draft do not either: so both are tried.
    opens_named: bool,
    /// What the shard said of the end of its session.
    end: Option<String>,
}

impl Link {
    fn target(&self) -> &Target {
        self.detour.as_ref().unwrap_or(&self.settings.target)
    }

    /// Those that the next session may speak.
    fn drafts(&self) -> Vec<Draft> {
        match self.opens_named {
            true => named(&self.settings.drafts),
            false => newer(&self.settings.drafts),
        }
    }
}

impl OriginSettings {
    /// Whether it may speak drafts that are agreed on, and the one that is not.
    fn speaks_both(&self) -> bool {
        !newer(&self.drafts).is_empty() && !named(&self.drafts).is_empty()
    }
}

/// Those that peers agree on by a name or a list of versions.
fn newer(drafts: &[Draft]) -> Vec<Draft> {
    drafts.iter().copied().filter(|draft| Draft::ALL.contains(draft)).collect()
}

/// The others.
fn named(drafts: &[Draft]) -> Vec<Draft> {
    drafts.iter().copied().filter(|draft| !Draft::ALL.contains(draft)).collect()
}

/// Waiting → looking up → dialing → up; from each of them back to waiting.
enum Step {
    Waiting { until: Instant },
    LookingUp,
    Dialing { connections: Vec<ConnectionKey>, session: Option<(ConnectionKey, SessionKey)> },
    Up { connection: ConnectionKey, session: SessionKey, since: Instant },
}

/// All origins.
pub struct Origins {
    links: Vec<Link>,
    patience: Duration,
    reach: Reach,
    board: OriginBoard,
    /// Spreads the waits, so that a fleet does not come back at once.
    seed: u64,
    ending: bool,
}

impl Origins {
    /// None of them connected yet. `base` is how sessions are set up.
    pub fn new(
        origins: Vec<OriginSettings>,
        base: &SessionConfig,
        patience: Duration,
        reach: Reach,
        board: OriginBoard,
        (seed, now): (u64, Instant),
    ) -> Result<Origins> {
        let link = |settings: OriginSettings| {
            let trust = match settings.certificates.is_empty() {
                true => Trust::System,
                false => Trust::SystemAnd(settings.certificates.clone()),
            };
            let tls = trust.tls().map_err(|error| {
                let what = format!("{error}: it has to be a certificate in PEM");
                anyhow::anyhow!("{}", settings.place.mistake("origincertpath", what))
            })?;
            let limits = SessionLimits {
                setup_timeout: patience,
                uni_streams_max: UNI_STREAMS_MAX,
                window_bytes: ORIGIN_WINDOW_BYTES as u32,
                publisher_window_bytes: ORIGIN_WINDOW_BYTES as u32,
                ..base.limits.clone()
            };
            let base = SessionConfig { limits, tokens: tokens(&settings), ..base.clone() };
            let step = Step::Waiting { until: now };
            let opens_named = newer(&settings.drafts).is_empty();
            let (failures, end, detour) = (0, None, None);
            Ok(Link { settings, detour, tls, base, step, failures, opens_named, end })
        };
        let links = origins.into_iter().map(link).collect::<Result<Vec<Link>>>()?;
        Ok(Origins { links, patience, reach, board, seed, ending: false })
    }

    /// When [`Origins::poll_lookup`] has something.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.links.iter().filter_map(|link| match link.step {
            Step::Waiting { until } => Some(until),
            _ => None,
        });
        waiting.min().filter(|_| !self.ending)
    }

    /// The next origin whose name is to be looked up now, for [`Origins::dial`].
    pub fn poll_lookup(&mut self, now: Instant) -> Option<(OriginId, Target)> {
        let due = |link: &Link| matches!(link.step, Step::Waiting { until } if until <= now);
        let index = self.links.iter().position(due).filter(|_| !self.ending)?;
        let link = &mut self.links[index];
        link.step = Step::LookingUp;
        self.board.change(index, |status| status.state = OriginState::Connecting);
        Some((OriginId(index as u16), link.target().clone()))
    }

    /// A name was looked up: dials its addresses, of both families at once.
    pub fn dial(
        &mut self,
        id: OriginId,
        found: std::io::Result<(SocketAddr, Option<SocketAddr>)>,
        net: &mut Net,
        now: Instant,
    ) {
        let index = usize::from(id.0);
        let (first, second) = match found {
            Ok(found) => found,
            Err(error) => {
                return self.failed(index, &format!("its name has no address: {error}"), now);
            }
        };
        let addresses: Vec<SocketAddr> = [Some(first), second].into_iter().flatten().collect();
        let usable: Vec<SocketAddr> =
            addresses.into_iter().filter(|it| self.reach.includes(it)).collect();
        let Some(link) = self.links.get_mut(index) else { return };
        let (mut connections, mut fault) = (Vec::new(), None);
        for remote in usable {
            let dial = Dial {
                remote,
                server_name: &link.target().host,
                tls: &link.tls,
                via: link.target().via(&link.drafts()),
                patience: Some(self.patience),
            };
            match net.connect(now, dial) {
                Ok(connection) => connections.push(connection),
                Err(error) => fault = Some(error.to_string()),
            }
        }
        if connections.is_empty() {
            let why = fault.unwrap_or_else(|| {
                "--listen cannot reach its address: let it be [::]:PORT".to_owned()
            });
            return self.failed(index, &why, now);
        }
        link.step = Step::Dialing { connections, session: None };
    }

    /// A connection is ready. If it is to an origin: which, and how its session is set up. `None` in
    /// the second place: another connection to it was faster.
    pub fn connected(&mut self, key: ConnectionKey) -> Option<(OriginId, Option<SessionConfig>)> {
        let index = self.of_connection(key)?;
        let link = &self.links[index];
        let is_first = matches!(&link.step, Step::Dialing { session: None, .. });
        let config = || link.target().session(&link.drafts(), link.base.clone());
        Some((OriginId(index as u16), is_first.then(config)))
    }

    /// The shard has a session on that connection.
    pub fn entered(&mut self, key: ConnectionKey, entered: SessionKey) {
        let Some(index) = self.of_connection(key) else { return };
        if let Step::Dialing { session, .. } = &mut self.links[index].step {
            *session = Some((key, entered));
        }
    }

    /// Setup on that connection is done, in this draft.
    pub fn is_up(&mut self, key: ConnectionKey, draft: &str, now: Instant) {
        let Some(index) = self.of_connection(key) else { return };
        let link = &mut self.links[index];
        let Step::Dialing { session: Some((of, session)), .. } = link.step else { return };
        if of != key {
            return;
        }
        link.step = Step::Up { connection: key, session, since: now };
        let (name, address) = (&link.settings.name, link.target().to_string());
        let state = OriginState::Up { since: now, draft: draft.to_owned() };
        self.board.change(index, |status| status.state = state);
        tracing::info!(origin = %name, %address, draft, %session, "origin is there");
    }

    /// Whether a session that is not up yet is that of an origin.
    pub fn awaits(&self, key: ConnectionKey) -> bool {
        self.links.iter().any(|link| match &link.step {
            Step::Dialing { session: Some((of, _)), .. } => *of == key,
            _ => false,
        })
    }

    /// Whether a session is that of an origin; its end is kept for what is said of it.
    pub fn note_end(&mut self, ended: SessionKey, end: &SessionEnd) {
        let of = |link: &&mut Link| match link.step {
            Step::Dialing { session: Some((_, session)), .. } | Step::Up { session, .. } => {
                session == ended
            }
            _ => false,
        };
        if let Some(link) = self.links.iter_mut().find(of) {
            link.end = match end {
                SessionEnd::Lost(_) => None,
                SessionEnd::Peer { reason, wire_code, .. } => {
                    Some(format!("it closed the session with code {wire_code:#x} {reason}"))
                }
                SessionEnd::Violation { violation, .. } => {
                    Some(format!("it broke a rule: {violation} ({})", violation.section()))
                }
                SessionEnd::Local { reason, .. } => Some(reason.clone()),
            };
        }
    }

    /// A connection ended. If it was the last to an origin, that is dialed again later.
    pub fn closed(&mut self, key: ConnectionKey, reason: &CloseReason, now: Instant) {
        let Some(index) = self.of_connection(key) else { return };
        let link = &mut self.links[index];
        match &mut link.step {
            Step::Dialing { connections, session } => {
                connections.retain(|connection| *connection != key);
                let of_session = session.is_some_and(|(of, _)| of == key);
                if !connections.is_empty() && !of_session {
                    return;
                }
                if of_session && link.settings.speaks_both() {
                    link.opens_named = !link.opens_named;
                }
            }
            Step::Up { since, .. } => {
                // What comes after it may know more.
                link.opens_named &= !link.settings.speaks_both();
                if now.duration_since(*since) >= STEADY {
                    link.failures = 0;
                }
            }
            Step::Waiting { .. } | Step::LookingUp => {}
        }
        let said = link.end.take();
        let why = said.unwrap_or_else(|| explain(reason, &link.settings));
        self.failed(index, &why, now);
    }

    /// An origin is going away and can be had elsewhere: it is dialed there, while its session goes on
    /// until it ends. Should nobody be there, it is dialed at its own address again.
    pub fn moves(&mut self, id: OriginId, uri: &str, now: Instant) {
        let index = usize::from(id.0);
        let Some(link) = self.links.get_mut(index) else { return };
        let Step::Up { since, .. } = link.step else { return };
        match uri.parse::<Target>() {
            Ok(target) => link.detour = Some(target),
            Err(error) => {
                return tracing::warn!(origin = %link.settings.name, "GOAWAY: {error}");
            }
        }
        let steady = now.duration_since(since) >= STEADY;
        let until = if steady { now } else { now + RETRY_FIRST };
        link.step = Step::Waiting { until };
        self.board.change(index, |status| status.state = OriginState::Connecting);
    }

    /// Nothing is dialed any more.
    pub fn end(&mut self) {
        self.ending = true;
    }

    fn of_connection(&self, key: ConnectionKey) -> Option<usize> {
        self.links.iter().position(|link| match &link.step {
            Step::Dialing { connections, .. } => connections.contains(&key),
            Step::Up { connection, .. } => *connection == key,
            Step::Waiting { .. } | Step::LookingUp => false,
        })
    }

    fn failed(&mut self, index: usize, why: &str, now: Instant) {
        // xorshift: waits need not be unpredictable.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let spread = (self.seed % 512) as u32;
        let Some(link) = self.links.get_mut(index) else { return };
        let wait = RETRY_FIRST.saturating_mul(1 << link.failures.min(10)).min(RETRY_MAX);
        // From three quarters to five quarters of it.
        let wait = wait * 3 / 4 + wait / 2 * spread / 512;
        let was_up = matches!(link.step, Step::Up { .. });
        link.failures = link.failures.saturating_add(1);
        link.step = Step::Waiting { until: now + wait };
        let failures = link.failures;
        self.board.change(index, |status| {
            status.state = OriginState::Down { retry_at: now + wait, reason: why.to_owned() };
            status.failures = failures;
        });
        if self.ending {
            return;
        }
        let address = link.target().to_string();
        link.detour = None;
        let name = &link.settings.name;
        let what = if was_up { "origin lost" } else { "origin not reached" };
        let soon = Soon(wait);
        tracing::warn!(origin = %name, %address, failures, "{what}: {why}; tried again in {soon}");
    }
}

/// Why a connection to an origin ended, and what to do where something can be done.
fn explain(reason: &CloseReason, origin: &OriginSettings) -> String {
    const NO_COMMON_ALPN: &str = "handshake failed: error 120";
    match reason {
        CloseReason::TimedOut => "nothing was heard of it for too long".to_owned(),
        CloseReason::Local => "closed here".to_owned(),
        CloseReason::Peer { code, reason } => format!("it closed with code {code:#x} {reason}"),
        CloseReason::Transport(text) if text.contains(NO_COMMON_ALPN) => {
            let drafts: Vec<String> = origin.drafts.iter().map(ToString::to_string).collect();
            format!("it speaks none of the drafts {}: offer others in drafts", drafts.join(", "))
        }
        CloseReason::Transport(text) => match certificate_fault(text) {
            Some(fault) => certificate(fault),
            None => text.clone(),
        },
    }
}

fn certificate(fault: &str) -> String {
    // One that signed itself and says that it is an authority is refused for that, if it is unknown.
    let is_unknown = fault == "UnknownIssuer" || fault.contains("CaUsedAsEndEntity");
    let (what, cure) = if is_unknown {
        (
            "nobody that is trusted vouches for it",
            "let origincertpath name its certificate, or that of its authority, in PEM",
        )
    } else if fault.contains("not valid for name") {
        (fault, "let originaddress name a host that it is for, or give the origin another")
    } else if fault.contains("expired") || fault.contains("not valid yet") {
        (fault, "renew it at the origin, and check the clocks")
    } else {
        (fault, "check what origincertpath names, and the certificate at the origin")
    };
    format!("its certificate is not trusted, {what}; {cure}")
}
