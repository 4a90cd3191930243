//! The relay of a run: its shards, their mailboxes, and the turns they take.
//!
//! A shard is driven as a worker drives it: what connections have to say, timeouts, flush, and
//! nothing more until one of them happens again. What a worker would not notice is not noticed
//! here either.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use sluice_core::{
    Census, Limits, Notice, Placement, Scoping, SessionKey, Shard, ShardId, ShardMessage,
    Transports,
};
use sluice_proto::model::{FullTrackName, SessionCode};
use sluice_proto::session::{ReadProgress, SessionConfig, SessionEnd};
use sluice_proto::transport::{PathStats, Transport};

use crate::lane::End;
use crate::rng::Rng;
use crate::trace;

/// The relay's own settings.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Bounds of each shard.
    pub limits: Limits,
    /// What sets sessions apart.
    pub scoping: Scoping,
    /// How sessions are conducted.
    pub session: SessionConfig,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self { limits: Limits::default(), scoping: Scoping::One, session: SessionConfig::default() }
    }
}

/// The shards under test.
#[derive(Debug)]
pub(crate) struct Relay {
    config: RelayConfig,
    workers: Vec<Worker>,
    mail: Mail,
    rng: Rng,
}

/// The longest that a message from shard to shard is under way.
const MAIL_MAX: Duration = Duration::from_millis(2);

/// Messages from each shard to each: in order, each as late as the seed decides.
#[derive(Debug, Default)]
struct Mail(BTreeMap<(usize, usize), VecDeque<(Instant, ShardMessage)>>);

impl Mail {
    fn post(&mut self, from: usize, to: usize, at: Instant, message: ShardMessage) {
        let queue = self.0.entry((from, to)).or_default();
        let at = queue.back().map_or(at, |(before, _)| at.max(*before));
        queue.push_back((at, message));
    }

    fn take(&mut self, to: usize, now: Instant) -> Option<(usize, ShardMessage)> {
        let mut queues = self.0.iter_mut().filter(|((_, reader), _)| *reader == to);
        queues.find_map(|((from, _), queue)| {
            queue.front().filter(|(at, _)| *at <= now)?;
            queue.pop_front().map(|(_, message)| (*from, message))
        })
    }

    fn next_time(&self, to: usize) -> Option<Instant> {
        let queues = self.0.iter().filter(|((_, reader), _)| *reader == to);
        queues.filter_map(|(_, queue)| queue.front().map(|(at, _)| *at)).min()
    }

    fn is_empty(&self) -> bool {
        self.0.values().all(VecDeque::is_empty)
    }
}

/// One shard with the connections that it serves.
struct Worker {
    shard: Shard,
    connections: Connections,
    /// Sessions that have more to read than one turn takes.
    unread: BTreeSet<SessionKey>,
    stalled_until: Option<Instant>,
    /// Told something from outside that its next turn acts on.
    woken: bool,
    /// Tracks of which a session was moved on to the newest group.
    behind: BTreeSet<(SessionKey, FullTrackName)>,
    /// Sessions that the relay closed without an error.
    dismissed: BTreeSet<SessionKey>,
}

/// A session of the relay: its shard, and its name there.
pub(crate) type Served = (usize, SessionKey);

#[derive(Default)]
struct Connections(BTreeMap<SessionKey, End>);

impl Transports for Connections {
    fn with(&mut self, session: SessionKey, work: &mut dyn FnMut(&mut dyn Transport)) {
        if let Some(end) = self.0.get_mut(&session) {
            work(end);
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("census", &self.shard.census()).finish_non_exhaustive()
    }
}

impl Relay {
    pub(crate) fn new(shards: usize, config: RelayConfig, mut rng: Rng, _now: Instant) -> Self {
        let key = rng.next_u64();
        let placement = |own| Placement::new(ShardId(own as u16), shards.max(1) as u16, key);
        let worker = |own| Worker {
            shard: Shard::new(config.limits, config.scoping, placement(own)),
            connections: Connections::default(),
            unread: BTreeSet::new(),
            stalled_until: None,
            woken: false,
            behind: BTreeSet::new(),
            dismissed: BTreeSet::new(),
        };
        let workers = (0..shards).map(worker).collect();
        Self { workers, mail: Mail::default(), config, rng }
    }

    pub(crate) fn accept(&mut self, shard: usize, end: End, now: Instant) -> Served {
        let worker = &mut self.workers[shard];
        let session = worker.shard.open_session(&self.config.session, end.info(), now);
        worker.connections.0.insert(session, end);
        worker.unread.insert(session);
        (shard, session)
    }

    /// The path to a peer as its shard sees it; `None` once the session is gone.
    pub(crate) fn path(&self, (shard, session): Served) -> Option<PathStats> {
        self.workers[shard].connections.0.get(&session).map(Transport::stats)
    }

    /// Whether a viewer was moved on to the newest group of a track.
    pub(crate) fn was_behind(&self, (shard, session): Served, track: &FullTrackName) -> bool {
        self.workers[shard].behind.contains(&(session, track.clone()))
    }

    /// Whether the relay closed a session without an error.
    pub(crate) fn dismissed(&self, (shard, session): Served) -> bool {
        self.workers[shard].dismissed.contains(&session)
    }

    /// Whether a shard has something to do that is no timer.
    pub(crate) fn is_busy(&self) -> bool {
        !self.mail.is_empty() || self.workers.iter().any(Worker::has_input)
    }

    pub(crate) fn next_time(&self, now: Instant) -> Option<Instant> {
        let of_worker = |(index, worker): (usize, &Worker)| {
            let mail = self.mail.next_time(index);
            let at = worker.next_time(now).into_iter().chain(mail).min()?;
            Some(worker.stalled_until.map_or(at, |until| at.max(until)))
        };
        self.workers.iter().enumerate().filter_map(of_worker).min()
    }

    /// Every shard that is not stalled takes its turn, in an order that the seed decides.
    pub(crate) fn turn(&mut self, now: Instant) {
        let first = self.rng.index(self.workers.len());
        for offset in 0..self.workers.len() {
            let index = (first + offset) % self.workers.len();
            let worker = &mut self.workers[index];
            if worker.stalled_until.is_some_and(|until| until > now) {
                continue;
            }
            worker.stalled_until = None;
            while let Some((from, message)) = self.mail.take(index, now) {
                worker.shard.handle_message(ShardId(from as u16), message, now);
            }
            worker.turn(now);
            while let Some((to, message)) = worker.shard.poll_message() {
                let late = self.rng.duration(MAIL_MAX);
                self.mail.post(index, usize::from(to.0), now + late, message);
            }
        }
    }

    pub(crate) fn drain(&mut self, longest: Duration, now: Instant) {
        for worker in &mut self.workers {
            worker.shard.drain("", now + longest);
            worker.woken = true;
        }
    }

    pub(crate) fn stall(&mut self, shard: usize, until: Instant) {
        let stalled = &mut self.workers[shard].stalled_until;
        *stalled = Some(stalled.map_or(until, |before| before.max(until)));
    }

    /// Whether a fetch or fill is under way.
    pub(crate) fn has_fetches(&self) -> bool {
        self.workers.iter().any(|worker| worker.shard.census().fetches > 0)
    }

    pub(crate) fn check_memory(&self) -> Result<(), String> {
        let max = self.config.limits.store_bytes_max;
        for (index, worker) in self.workers.iter().enumerate() {
            let used = worker.shard.census().store_bytes;
            if used > max {
                return Err(format!("shard {index} stores {used} bytes, {max} are its bound"));
            }
        }
        Ok(())
    }

    pub(crate) fn check_empty(&self) -> Result<(), String> {
        for (index, worker) in self.workers.iter().enumerate() {
            let census = worker.shard.census();
            if census != Census::default() {
                return Err(format!("shard {index}: {census:?}"));
            }
        }
        Ok(())
    }
}

impl Worker {
    fn has_input(&self) -> bool {
        self.woken || !self.unread.is_empty() || self.connections.0.values().any(End::has_events)
    }

    fn next_time(&self, now: Instant) -> Option<Instant> {
        if self.has_input() { Some(now) } else { self.shard.poll_timeout() }
    }

    fn turn(&mut self, now: Instant) {
        self.woken = false;
        let Self { shard, connections, unread, .. } = self;
        for (session, end) in &mut connections.0 {
            if !unread.remove(session) && !end.has_events() {
                continue;
            }
            if shard.handle_session(*session, end, now) == ReadProgress::More {
                unread.insert(*session);
            }
        }
        shard.handle_timeout(now);
        shard.flush(connections, now);
        connections.0.retain(|session, _| shard.session(*session).is_some());
        unread.retain(|session| connections.0.contains_key(session));
        while let Some(notice) = shard.poll_notice() {
            trace::line(format_args!("relay"), &notice, now);
            match notice {
                Notice::ViewerBehind { session, track, .. } => {
                    self.behind.insert((session, track));
                }
                Notice::SessionClosed {
                    peer,
                    end: SessionEnd::Local { code: SessionCode::NoError, .. },
                } => {
                    self.dismissed.insert(peer.session);
                }
                _ => {}
            }
        }
    }
}
