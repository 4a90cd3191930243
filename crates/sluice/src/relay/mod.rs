//! `sluice relay`: certificates, workers, the small web server, signals.

mod certificate;
mod faults;
mod log;
mod memory;
mod origins;
mod quiet;
mod survey;
mod web;
mod worker;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use sluice_core::{Limits, Placement, RelayId, Scoping, Shard, ShardId};
use sluice_net::tls::ServerTls;
use sluice_net::{NetConfig, NetLimits, NetSecrets};
use sluice_proto::session::SessionConfig;
use sluice_proto::transport::PeerCredit;
use sluice_proto::wire::Draft;
use sluice_udp::{BindError, SharedPort, Socket, SocketOptions, UdpLoop};

use crate::connection::url_host;
use crate::exit;
use crate::settings::{self, Audience, ByteSize, RelaySettings};
use crate::signals::Signals;
use certificate::{Certificate, Keys, Shown};
use faults::FaultBoard;
use memory::MemoryPlan;
use origins::file::OriginSettings;
use origins::status::OriginBoard;
use origins::{Origins, Reach};
use survey::Surveyor;
use web::Api;
use worker::{Mailbox, Team, Worker, WorkerMessage};

/// More than any machine has use for; connection ids have room for as many shards.
const WORKERS_MAX: usize = 128;

/// The subcommand.
pub fn command() -> clap::Command {
    let command = clap::Command::new("relay")
        .about("Run a relay: WebTransport (https://) and raw QUIC (moqt://) on one UDP port")
        .arg(
            clap::Arg::new("print-config")
                .long("print-config")
                .action(clap::ArgAction::SetTrue)
                .help("Print the settings in force as a file for --config, and exit"),
        );
    settings::arguments(command, RelaySettings::SETTINGS)
}

/// Runs until a signal ends it.
pub fn run(matches: &clap::ArgMatches) -> Result<ExitCode> {
    let settings = settings::read(matches, RelaySettings::SETTINGS)?;
    if matches.get_flag("print-config") {
        print!("{}", settings::to_file(RelaySettings::SETTINGS, &settings));
        return Ok(ExitCode::SUCCESS);
    }
    let relay = Relay::start(&settings)?;
    relay.announce();
    relay.run_until_signal(&settings)
}

/// How often it is looked whether a signal came.
const SIGNAL_CHECK: Duration = Duration::from_millis(50);

/// A relay that runs.
pub struct Relay {
    address: SocketAddr,
    /// Whether it tells its certificate's hash over HTTP.
    has_web: bool,
    /// Whether it shows pages there.
    has_pages: bool,
    certificate_sha256: String,
    is_development: bool,
    plan: MemoryPlan,
    mailboxes: Vec<Mailbox>,
    finished: Receiver<()>,
}

impl Relay {
    /// Binds, makes or reads the certificate, and starts the threads.
    pub fn start(settings: &RelaySettings) -> Result<Relay> {
        let origins = origins::read(settings)?;
        let plan = MemoryPlan::of(settings, origins.len())?;
        let board = OriginBoard::new(&origins);
        let certificate = Certificate::obtain(settings)?;
        let (sockets, address, web) = listen(settings)?;
        let shared = NetSecrets::shared_of(&certificate.key);
        let (keys, tls) = Keys::new(&certificate, settings, SystemTime::now())
            .map_err(|error| certificate::explained(error, settings))?;
        let seats = seats(sockets)?;
        let origins = (origins, board.clone());
        let secrets = (&tls, shared);
        let (team, finished) = start_workers(settings, &plan, seats, secrets, origins)?;
        let has_web = web.is_some();
        if let Some(listener) = web {
            let api = Api::new(Surveyor::new(team.mailboxes.clone()), team.faults, board, &plan);
            let shown = (keys.shown().clone(), certificate.is_development);
            start_web(listener, shown, api, settings)?;
        }
        keys.keep(team.mailboxes.clone()).context("cannot start a thread")?;
        Ok(Relay {
            address,
            has_web,
            has_pages: settings.web != Audience::Nobody,
            certificate_sha256: certificate.sha256,
            is_development: certificate.is_development,
            plan,
            mailboxes: team.mailboxes,
            finished,
        })
    }

    /// Says in plain words how to reach it.
    fn announce(&self) {
        let host = url_host(self.address);
        println!("listening on {}", self.address);
        println!("certificate sha256 {}", self.certificate_sha256);
        println!("WebTransport  https://{host}/moq");
        println!("raw QUIC      moqt://{host}/moq");
        if self.is_development {
            println!(
                "The certificate is for development: clients accept it by its hash. It is made"
            );
            println!("anew at each start, and every 12 days.");
        }
        if self.has_web {
            if self.has_pages {
                println!("pages         http://{host}/");
            }
            println!("The hash is also at http://{host}/certificate.sha256");
        }
        println!("{}", self.plan);
        println!("ready");
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// SHA-256 of its certificate, in hexadecimal.
    pub fn certificate_sha256(&self) -> &str {
        &self.certificate_sha256
    }

    /// Waits for a signal, drains, and waits for the end of it; a second signal ends at once.
    fn run_until_signal(self, settings: &RelaySettings) -> Result<ExitCode> {
        let mut signals = Signals::start()?;
        while !signals.came() {
            if !matches!(self.finished.recv_timeout(SIGNAL_CHECK), Err(RecvTimeoutError::Timeout)) {
                bail!("the worker ended without being asked to; see the log above");
            }
        }
        tracing::info!("draining for at most {:?}; a second signal ends at once", settings.drain);
        self.drain(&settings.goaway_uri, settings.drain);
        Ok(self.wait(&mut signals))
    }

    /// Waits for the end of draining, or for a signal.
    pub fn wait(&self, signals: &mut Signals) -> ExitCode {
        loop {
            match self.finished.recv_timeout(SIGNAL_CHECK) {
                Ok(()) => return ExitCode::SUCCESS,
                Err(RecvTimeoutError::Disconnected) => return ExitCode::FAILURE,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if signals.came() {
                tracing::warn!("second signal: ending at once");
                return ExitCode::from(exit::INTERRUPTED);
            }
        }
    }

    /// Begins to drain.
    pub fn drain(&self, uri: &str, at_most: Duration) {
        for mailbox in &self.mailboxes {
            mailbox.send(WorkerMessage::Drain { uri: uri.to_owned(), at_most });
        }
    }
}

/// How many ports are tried for one whose TCP side is free too.
const PORTS_TRIED_MAX: usize = 16;

/// The sockets, their address, and TCP of the same port. Where any port will do, it is one that is
/// free for both. A given port that is taken on TCP is said, not fatal: MOQT does not need it.
fn listen(settings: &RelaySettings) -> Result<(Vec<Socket>, SocketAddr, Option<TcpListener>)> {
    let mut tries = if settings.listen.port() == 0 { PORTS_TRIED_MAX } else { 1 };
    loop {
        tries -= 1;
        let sockets = match sockets(settings) {
            Ok(sockets) => sockets,
            // Another process took the port between its choice and the opening of all sockets.
            Err(_) if tries > 0 => continue,
            Err(error) => return Err(error),
        };
        let address = sockets[0].local_address().context("the socket has no address")?;
        match TcpListener::bind(address) {
            Ok(listener) => return Ok((sockets, address, Some(listener))),
            Err(_) if tries > 0 => {}
            Err(error) => {
                tracing::warn!(
                    %address,
                    %error,
                    "/certificate.sha256 is not served: the TCP port is not available; \
                     everything else works"
                );
                return Ok((sockets, address, None));
            }
        }
    }
}

/// A socket for each worker. One worker has the port for itself; several share it, and the kernel
/// gives each client to one of them by its address.
fn sockets(settings: &RelaySettings) -> Result<Vec<Socket>> {
    let (address, options) = (settings.listen, SocketOptions::default());
    let sockets = match settings.workers {
        0 => bail!("--workers 0: expected at least 1"),
        1 => vec![Socket::bind(address, &options).map_err(explained)?],
        many if many > WORKERS_MAX => bail!("--workers {many}: expected at most {WORKERS_MAX}"),
        many => {
            let port = SharedPort::claim(address).map_err(explained)?;
            (0..many)
                .map(|_| port.bind(&options).map_err(explained))
                .collect::<Result<Vec<Socket>>>()?
        }
    };
    let bound = sockets[0].local_address().context("the socket has no address")?;
    if address.is_ipv6() && bound.is_ipv4() {
        tracing::warn!(address = %bound, "this machine has no IPv6: listening on IPv4 alone");
    }
    Ok(sockets)
}

/// Says what to do where a socket cannot be opened.
fn explained(error: BindError) -> anyhow::Error {
    let cure = match &error {
        BindError::InUse(_) => {
            "stop the other process, or choose another port with --listen ADDR:PORT"
        }
        BindError::Io { .. } => "choose another address with --listen ADDR:PORT",
    };
    anyhow!("UDP {error}; {cure}")
}

/// What a worker gets beside the rest of the relay.
struct Seat {
    udp: UdpLoop,
    discover_mtu: bool,
    reach: Reach,
    sender: Sender<WorkerMessage>,
    inbox: Receiver<WorkerMessage>,
}

/// A seat for each socket.
fn seats(sockets: Vec<Socket>) -> Result<Vec<Seat>> {
    let seat = |socket: Socket| {
        let discover_mtu = socket.never_fragments();
        let reach = Reach::of(socket.local_address().context("the socket has no address")?);
        let udp = UdpLoop::new(socket).context("cannot poll the socket")?;
        let (sender, inbox) = channel();
        Ok(Seat { udp, discover_mtu, reach, sender, inbox })
    };
    sockets.into_iter().map(seat).collect()
}

/// Starts a thread for each seat. The first word from the receiver is the end of them all: each
/// ends once all are drained, or when its socket fails.
fn start_workers(
    settings: &RelaySettings,
    plan: &MemoryPlan,
    seats: Vec<Seat>,
    (tls, shared): (&ServerTls, [u8; 32]),
    (origins, board): (Vec<OriginSettings>, OriginBoard),
) -> Result<(Team, Receiver<()>)> {
    let (done, finished) = channel();
    let placement_key = u64::from_le_bytes(random()?);
    let relay = RelayId(u64::from_le_bytes(random()?));
    let scoping = if settings.scoped { Scoping::ByAuthorityAndPath } else { Scoping::One };
    let config = session_config(settings, relay);
    let count = seats.len() as u16;
    let mailbox = |seat: &Seat| Mailbox::new(seat.sender.clone(), seat.udp.waker());
    let mailboxes: Vec<Mailbox> = seats.iter().map(mailbox).collect();
    let undrained = Arc::new(AtomicUsize::new(mailboxes.len()));
    let team = Team { mailboxes, undrained, faults: FaultBoard::default() };
    let terms = origins::terms(&origins);
    let mut origins = Some(origins);
    for (number, seat) in seats.into_iter().enumerate() {
        let mut net = NetConfig::new(NetSecrets { shared, seed: random()? });
        net.shard = number as u8;
        net.server = Some(tls.clone());
        net.discover_mtu = seat.discover_mtu;
        net.limits = net_limits(settings, plan);
        let placement = Placement::new(ShardId(number as u16), count, placement_key);
        let mut shard = Shard::new(limits(settings, plan), scoping, placement);
        shard.set_origins(relay, terms.clone());
        let own = if placement.own() == placement.origins() { origins.take() } else { None };
        let start = (u64::from_le_bytes(random()?), Instant::now());
        let (patience, board) = (settings.origin_timeout, board.clone());
        let origins =
            Origins::new(own.unwrap_or_default(), &config, patience, seat.reach, board, start)?;
        let parts = (shard, origins);
        let worker = Worker::new(seat.udp, net, config.clone(), parts, team.clone(), seat.inbox);
        let done = done.clone();
        std::thread::Builder::new()
            .name(format!("sluice-worker-{number}"))
            .spawn(move || {
                worker.run();
                // Nobody listens any more when the process is ending anyway.
                let _ = done.send(());
            })
            .context("cannot start a thread")?;
    }
    Ok((team, finished))
}

fn session_config(settings: &RelaySettings, relay: RelayId) -> SessionConfig {
    let mut config = SessionConfig {
        drafts: settings.drafts.0.clone(),
        implementation: relay.sign(concat!("sluice/", env!("CARGO_PKG_VERSION"))),
        ..SessionConfig::default()
    };
    let limits = &mut config.limits;
    let requests_max = u32::try_from(settings.requests_max).unwrap_or(u32::MAX);
    limits.requests_max = requests_max;
    // A relay that feeds others may let each have as many tracks.
    limits.subscriptions_max = limits.subscriptions_max.max(requests_max);
    limits.bidi_streams_max = limits.bidi_streams_max.max(requests_max);
    limits.window_bytes = window(settings.receive_window);
    limits.publisher_window_bytes = window(settings.publisher_window);
    limits.early_bytes_max = 256 << 10;
    config
}

/// A window as QUIC takes it.
fn window(size: ByteSize) -> u32 {
    u32::try_from(size.0).unwrap_or(u32::MAX)
}

/// Memory and connections are shared out evenly, as the kernel does with clients.
fn workers(settings: &RelaySettings) -> u64 {
    settings.workers.max(1) as u64
}

/// A number of bytes of this machine.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn net_limits(settings: &RelaySettings, plan: &MemoryPlan) -> NetLimits {
    let defaults = NetLimits::default();
    let stranger = defaults.stranger_credit;
    NetLimits {
        connections_max: size(plan.connections.div_ceil(workers(settings))),
        idle_timeout: settings.idle_timeout,
        keep_alive: settings.keep_alive,
        stranger_credit: PeerCredit {
            window_bytes: stranger.window_bytes.min(window(settings.receive_window)),
            ..stranger
        },
        send_window_bytes_max: settings.send_buffer_max.0,
        datagram_receive_bytes: memory::DATAGRAM_RECEIVE_BYTES,
        datagram_send_bytes: memory::DATAGRAM_SEND_BYTES,
        ..defaults
    }
}

fn limits(settings: &RelaySettings, plan: &MemoryPlan) -> Limits {
    let workers = workers(settings);
    let store_bytes_max = size(plan.store_bytes / workers);
    let defaults = Limits::default();
    Limits {
        store_bytes_max,
        track_share_bytes: defaults.track_share_bytes.min(store_bytes_max / 4),
        held_bytes_max: size(plan.tables_bytes / 9 * 8 / workers),
        publisher_windows_max: size(plan.publisher_windows / workers),
        object_age_max: settings.object_age_max,
        sweep_every: settings.sweep_every,
        tracks_max: settings.tracks_max,
        interests_max: settings.interests_max,
        namespaces_max: settings.namespaces_max,
        linger: settings.linger,
        rendezvous_max: settings.rendezvous_max,
        behind_bytes_max: settings.behind_bytes_max.0,
        behind_groups_max: settings.behind_groups_max,
        behind_max: settings.behind_max,
        ..defaults
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other).context("no randomness")?;
    Ok(bytes)
}

/// Serves the pages and what belongs to them on TCP of the same port.
fn start_web(
    listener: TcpListener,
    (certificate, is_development): (Shown, bool),
    api: Api,
    settings: &RelaySettings,
) -> Result<()> {
    let drafts: Vec<String> = Draft::SERVED.iter().map(Draft::to_string).collect();
    let state = web::WebState {
        certificate,
        is_development,
        api,
        pages: settings.web_dir.clone().map_or(web::Pages::Embedded, web::Pages::Folder),
        pages_for: settings.web,
        api_for: settings.api,
        hosts: settings.host.clone(),
        greeting: format!(
            "Sluice {} relays Media over QUIC here (drafts {}).\n\nWebTransport: https:// on this \
             port, any path. Raw QUIC: moqt:// on this port.\nCertificate hash: \
             /certificate.sha256\n",
            env!("CARGO_PKG_VERSION"),
            drafts.join(", "),
        ),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the web server")?;
    std::thread::Builder::new()
        .name("sluice-web".into())
        .spawn(move || {
            if let Err(error) = runtime.block_on(web::serve(listener, state)) {
                tracing::warn!(%error, "the web server ended");
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}
