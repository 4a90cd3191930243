//! The relay's settings and their defaults.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use sluice_proto::wire::Draft;

use super::macros::settings;
use super::{Audience, ByteSize, ServedDrafts};

settings! {
    /// What `sluice relay` can be told.
    pub struct RelaySettings {
        /// Address and port to listen on: UDP for WebTransport and raw QUIC, TCP for the pages and
        /// `GET /certificate.sha256`. `[::]` takes IPv4 as well.
        listen: SocketAddr = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 4433)), "ADDR:PORT";

        /// Certificate chain in PEM. Without one, a development certificate is made at each
        /// start; browsers accept it by its hash.
        tls_cert: Option<PathBuf> = None, "FILE";

        /// Private key of the certificate in PEM.
        tls_key: Option<PathBuf> = None, "FILE";

        /// Names and addresses that the development certificate is for, besides localhost.
        host: Vec<String> = Vec::new(), "NAME,...";

        /// Who gets the pages (watch, publish, dashboard) on TCP of the same port: off, local (this
        /// machine alone; the default) or all; the flag alone means all.
        web: Audience = Audience::ThisMachine, "WHO";

        /// Who gets what the dashboard shows, docs/api.md: off, local (the default) or all; the flag
        /// alone means all.
        api: Audience = Audience::ThisMachine, "WHO";

        /// Serve the files of this folder instead of the pages in the program: for work on them.
        web_dir: Option<PathBuf> = None, "FOLDER";

        /// Drafts to speak; with a peer that knows several, the newest is used. 01 is what clients
        /// of 2023/24 speak, which offer none.
        drafts: ServedDrafts = ServedDrafts(Draft::SERVED.to_vec()), "LIST";

        /// Keep the tracks of each authority and path apart. Without it every client of this
        /// relay is in one scope, whatever path it uses.
        scoped: bool = false, "BOOL";

        /// Other relays to ask for what no publisher of this one has: a JSON file, docs/origins.md.
        origins: Option<PathBuf> = None, "FILE";

        /// Start with the origins that can be used, where the file has mistakes; without it the relay
        /// does not start.
        origins_partial: bool = false, "BOOL";

        /// An origin that has been silent for this long is gone, and dialed again.
        origin_timeout: Duration = Duration::from_secs(5), "DURATION";

        /// Worker threads, each with a socket and a shard of the sessions. Memory and connections
        /// are divided evenly among them.
        workers: usize = 1, "NUMBER";

        /// Memory of the whole process. What each part of the relay may take follows from it; the
        /// sum is printed at the start.
        memory_max: ByteSize = ByteSize(1 << 30), "SIZE";

        /// Data that a connection may have in flight to the relay.
        receive_window: ByteSize = ByteSize(128 << 10), "SIZE";

        /// Data that a connection which publishes may have in flight to the relay, as long as
        /// memory_max has room for such windows.
        publisher_window: ByteSize = ByteSize(2 << 20), "SIZE";

        /// Data that a connection may have been sent and not acknowledged, however fast it is.
        send_buffer_max: ByteSize = ByteSize(256 << 10), "SIZE";

        /// How long running tracks may go on after SIGTERM or Ctrl-C.
        drain: Duration = Duration::from_secs(5), "DURATION";

        /// Where clients should go when the relay drains; empty tells them to come back to the
        /// same address.
        goaway_uri: String = String::new(), "URI";

        /// Connections at the same time; further ones are refused. memory_max may have room for
        /// fewer.
        connections_max: usize = 20_000, "NUMBER";

        /// Close a connection that has been silent for this long.
        idle_timeout: Duration = Duration::from_secs(30), "DURATION";

        /// Ask a connection that has been silent for this long whether it is still there.
        keep_alive: Duration = Duration::from_secs(10), "DURATION";

        /// Requests that one session may have open.
        requests_max: usize = 1024, "NUMBER";

        /// Namespaces that one session may publish.
        namespaces_max: usize = 1024, "NUMBER";

        /// Prefixes that one session may want to hear of.
        interests_max: usize = 256, "NUMBER";

        /// Tracks at the same time, over all sessions.
        tracks_max: usize = 100_000, "NUMBER";

        /// Keep stored groups until their newest object is this old; the newest group of a track is
        /// kept in any case.
        object_age_max: Duration = Duration::from_secs(180), "DURATION";

        /// How often groups past their age are looked for; 0s: never, they stay while there is memory.
        sweep_every: Duration = Duration::from_secs(10), "DURATION";

        /// Keep an upstream subscription this long after its last viewer has left.
        linger: Duration = Duration::from_secs(5), "DURATION";

        /// Longest wait for a publisher that a SUBSCRIBE may ask for.
        rendezvous_max: Duration = Duration::from_secs(30), "DURATION";

        /// A viewer is behind on a track when this much of it is undelivered; it then goes on
        /// at the newest group.
        behind_bytes_max: ByteSize = ByteSize(4 << 20), "SIZE";

        /// A viewer is behind on a track when this many groups of it are undelivered.
        behind_groups_max: usize = 2, "NUMBER";

        /// A subscription that delivered nothing for this long although there was something ends
        /// with TOO_FAR_BEHIND.
        behind_max: Duration = Duration::from_secs(120), "DURATION";
    }
}
