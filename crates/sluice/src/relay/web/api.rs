//! `/api/v1`: what the relay does now, as JSON, to be read and not changed. `docs/api.md` describes it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{WebState, ids};
use crate::relay::faults::{Fault, FaultBoard};
use crate::relay::memory::MemoryPlan;
use crate::relay::origins::status::OriginBoard;
use crate::relay::survey::{Seen, Surveyor, Unanswered};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use sluice_core::{
    Gauge, GaugeOf, Overview, RequestReport, SessionReport, SubscriptionId, SubscriptionReport,
    TrackReport,
};
use sluice_net::NetCounters;
use sluice_proto::model::RequestId;
use sluice_proto::transport::Carrier;
use sluice_proto::wire::Draft;

/// Rows of one answer, unless fewer are asked for.
const ROWS_MAX: usize = 500;
const ROWS: usize = 100;
/// Pages that listen at once. Reached: further ones are refused.
const LISTENERS_MAX: usize = 32;
/// How often listeners are told, and how old a glance may be.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
const GLANCE_AGE_MAX: Duration = Duration::from_millis(500);
/// Peers of each worker whose round-trip time is looked at.
const RTTS_MAX: usize = 64;

/// What the API knows.
#[derive(Clone)]
pub struct Api(Arc<Known>);

struct Known {
    surveyor: Surveyor,
    faults: FaultBoard,
    origins: OriginBoard,
    memory_max_bytes: u64,
    connections_max: u64,
    started: Instant,
    /// The last glance, so that many who ask cost as much as one.
    glance: tokio::sync::Mutex<Option<(Instant, Value)>>,
    listeners: AtomicUsize,
}

type Web = State<Arc<WebState>>;
type Answer = Result<Json, Refusal>;

/// The routes, below `/api/v1`.
pub fn routes(state: Arc<WebState>) -> Router<Arc<WebState>> {
    Router::new()
        .route("/overview", get(overview))
        .route("/namespaces", get(namespaces))
        .route("/tracks", get(tracks))
        .route("/tracks/{*id}", get(track))
        .route("/viewers/{*id}", get(viewers))
        .route("/sessions", get(sessions))
        .route("/sessions/{id}", get(session))
        .route("/faults", get(faults))
        .route("/events", get(events))
        .layer(axum::middleware::from_fn_with_state(state, guard))
}

/// Refuses those that the API is not for, and says that answers are of the moment.
async fn guard(
    State(state): Web,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if !state.serves(state.api_for, peer, request.headers()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    response
}

/// An answer's body.
struct Json(Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}

/// Why there is no answer.
enum Refusal {
    NotThere,
    Wrong(&'static str),
    Unanswered(Unanswered),
}

impl From<Unanswered> for Refusal {
    fn from(why: Unanswered) -> Self {
        Self::Unanswered(why)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::NotThere => (StatusCode::NOT_FOUND, "there is no such thing, or not any more"),
            Self::Wrong(why) => (StatusCode::BAD_REQUEST, why),
            Self::Unanswered(Unanswered::Busy) => {
                (StatusCode::TOO_MANY_REQUESTS, "too many questions: ask again in a second")
            }
            Self::Unanswered(Unanswered::Gone) => {
                (StatusCode::SERVICE_UNAVAILABLE, "a worker does not answer")
            }
        };
        (status, Json(json!({ "error": why }))).into_response()
    }
}

/// What a query says of a list.
struct Part<'a> {
    after: Option<&'a str>,
    rows: usize,
}

impl<'a> Part<'a> {
    fn of(uri: &'a Uri) -> Result<Self, Refusal> {
        let mut part = Part { after: None, rows: ROWS };
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("after", id)) => part.after = Some(id),
                Some(("limit", number)) => {
                    let wrong = Refusal::Wrong("limit: expected a number of rows, 1 to 500");
                    let number = number.parse().ok().filter(|rows| (1..=ROWS_MAX).contains(rows));
                    part.rows = number.ok_or(wrong)?;
                }
                _ => return Err(Refusal::Wrong("expected nothing but `after` and `limit`")),
            }
        }
        Ok(part)
    }

    /// Reads where the list goes on.
    fn after<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        let wrong = Refusal::Wrong("after: expected what `next` of the answer before was");
        self.after.map(|id| read(id).ok_or(wrong)).transpose()
    }
}

/// Rows, and where to go on if there are more.
fn page(rows: Vec<Value>, next: Option<String>) -> Answer {
    Ok(Json(json!({ "rows": rows, "next": next })))
}

/// The rows that workers tell of the same things, which come in one order: together by `key`, cut to
/// `rows`. Whether there are more.
fn merged<K: Ord, T>(
    told: Vec<Vec<T>>,
    rows: usize,
    key: impl Fn(&T) -> K,
    add: impl Fn(&mut T, &T),
) -> (Vec<T>, bool) {
    let mut more = told.iter().any(|told| told.len() == rows);
    let mut all: BTreeMap<K, T> = BTreeMap::new();
    for row in told.into_iter().flatten() {
        match all.get_mut(&key(&row)) {
            Some(known) => add(known, &row),
            None => drop(all.insert(key(&row), row)),
        }
    }
    more |= all.len() > rows;
    (all.into_values().take(rows).collect(), more)
}

async fn overview(State(state): Web) -> Answer {
    Ok(Json(state.api.glance().await?))
}

async fn namespaces(State(state): Web, uri: Uri) -> Answer {
    let part = Part::of(&uri)?;
    let (after, rows) = (part.after(ids::read_namespace)?, part.rows);
    let ask = move |seen: Seen<'_>| seen.shard.namespaces_after(after.as_ref(), rows);
    let told = state.api.0.surveyor.ask_all(ask).await?;
    let key = |row: &sluice_core::NamespaceReport| (row.scope.clone(), row.namespace.clone());
    let (found, more) = merged(told, rows, key, |row, other| {
        row.publishers += other.publishers;
        row.origins += other.origins;
    });
    let id = |row: &sluice_core::NamespaceReport| ids::namespace(&row.scope, &row.namespace);
    let next = found.last().filter(|_| more).map(id);
    let shown = found.iter().map(|row| {
        json!({
            "id": id(row),
            "namespace": row.namespace.to_string(),
            "scope": scope(&row.scope),
            "publishers": row.publishers,
            "origins": row.origins,
        })
    });
    page(shown.collect(), next)
}

async fn tracks(State(state): Web, uri: Uri) -> Answer {
    let part = Part::of(&uri)?;
    let (after, rows) = (part.after(ids::read_track)?, part.rows);
    let ask = move |seen: Seen<'_>| seen.shard.tracks_after(after.as_ref(), rows);
    let told = state.api.0.surveyor.ask_all(ask).await?;
    let key = |row: &TrackReport| (row.scope.clone(), row.name.clone());
    let (found, more) = merged(told, rows, key, TrackReport::add);
    let next = found.last().filter(|_| more).map(|row| ids::track(&row.scope, &row.name));
    page(found.iter().map(track_row).collect(), next)
}

async fn track(State(state): Web, Path(id): Path<String>) -> Answer {
    let (scope, name) = ids::read_track(&id).ok_or(Refusal::NotThere)?;
    let ask = move |seen: Seen<'_>| {
        (seen.shard.track_report(&scope, &name), seen.shard.publishers(&scope, &name))
    };
    let told = state.api.0.surveyor.ask_all(ask).await?;
    let (parts, publishers): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    let whole = parts.into_iter().flatten().reduce(|mut whole, part| {
        whole.add(&part);
        whole
    });
    let mut row = track_row(&whole.ok_or(Refusal::NotThere)?);
    let of_worker = |(worker, list): (usize, Vec<SubscriptionReport>)| {
        list.into_iter().map(move |one| subscription_row(worker, &one))
    };
    let publishers = publishers.into_iter().enumerate().flat_map(of_worker).take(ROWS_MAX);
    row["publishing"] = publishers.collect();
    Ok(Json(row))
}

async fn viewers(State(state): Web, Path(id): Path<String>, uri: Uri) -> Answer {
    let (scope, name) = ids::read_track(&id).ok_or(Refusal::NotThere)?;
    let part = Part::of(&uri)?;
    let after = part.after(read_subscription)?;
    let question =
        move |seen: Seen<'_>, after, rows| seen.shard.viewers_after(&scope, &name, after, rows);
    let found = state.api.0.surveyor.ask_in_turn(after, part.rows, question).await?;
    let last = found.last().filter(|_| found.len() == part.rows);
    let next = last.map(|(worker, one)| subscription_id(*worker, one.id));
    page(found.iter().map(|(worker, one)| subscription_row(*worker, one)).collect(), next)
}

async fn sessions(State(state): Web, uri: Uri) -> Answer {
    let part = Part::of(&uri)?;
    let after = part.after(ids::read_session)?;
    let question = |seen: Seen<'_>, after, rows| {
        let mut list = seen.shard.sessions_after(after, rows);
        list.iter_mut().for_each(|session| session.rtt = seen.rtt(session.key));
        list
    };
    let found = state.api.0.surveyor.ask_in_turn(after, part.rows, question).await?;
    let last = found.last().filter(|_| found.len() == part.rows);
    let next = last.map(|(worker, session)| ids::session(*worker, session.key));
    page(found.iter().map(|(worker, session)| session_row(*worker, session)).collect(), next)
}

/// One session, with its requests from `after` on.
async fn session(State(state): Web, Path(id): Path<String>, uri: Uri) -> Answer {
    let (worker, key) = ids::read_session(&id).ok_or(Refusal::NotThere)?;
    let part = Part::of(&uri)?;
    let after = part.after(|id| id.parse().ok().map(RequestId))?;
    let rows = part.rows;
    let ask = move |seen: Seen<'_>| {
        let mut session = seen.shard.session_report(key)?;
        session.rtt = seen.rtt(key);
        Some((session, seen.shard.requests_after(key, after, rows)))
    };
    let told = state.api.0.surveyor.ask(worker, ask).await?;
    let (session, requests) = told.ok_or(Refusal::NotThere)?;
    let last = requests.last().filter(|_| requests.len() == rows);
    let next = last.map(|request| request.id.0.to_string());
    let mut row = session_row(worker, &session);
    row["requests"] = requests.iter().map(request_row).collect();
    row["next"] = json!(next);
    Ok(Json(row))
}

async fn faults(State(state): Web, uri: Uri) -> Answer {
    let part = Part::of(&uri)?;
    let after = part.after(|number| number.parse().ok())?.unwrap_or(0);
    let found = state.api.0.faults.after(after, part.rows);
    let next = found.last().map(|fault| fault.number.to_string());
    page(found.iter().map(fault_row).collect(), next)
}

/// Server-sent events: `sample` each second, `fault` as they come.
async fn events(State(state): Web, headers: HeaderMap) -> Response {
    let Some(listener) = Listener::enter(&state.api) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages listen").into_response();
    };
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let seen = known.unwrap_or_else(|| state.api.0.faults.total());
    let stream =
        futures_util::stream::unfold((listener, seen, None), |(listener, seen, due)| async move {
            if let Some(due) = due {
                tokio::time::sleep_until(due).await;
            }
            let next = tokio::time::Instant::now() + SAMPLE_EVERY;
            let (text, seen) = listener.api.news(seen).await;
            Some((Ok::<Bytes, Infallible>(text.into()), (listener, seen, Some(next))))
        });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
}

/// A page that listens, for as long as it does.
struct Listener {
    api: Api,
}

impl Listener {
    fn enter(api: &Api) -> Option<Self> {
        let before = api.0.listeners.fetch_add(1, Ordering::AcqRel);
        let listener = Self { api: api.clone() };
        (before < LISTENERS_MAX).then_some(listener)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.api.0.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What one worker tells for the glance.
struct Glance {
    shard: Overview,
    rtts: Vec<Duration>,
    connections: usize,
    counters: NetCounters,
}

impl Api {
    pub fn new(
        surveyor: Surveyor,
        faults: FaultBoard,
        origins: OriginBoard,
        plan: &MemoryPlan,
    ) -> Self {
        let connections_max = plan.connections.div_ceil(surveyor.workers().max(1) as u64);
        Self(Arc::new(Known {
            surveyor,
            faults,
            origins,
            memory_max_bytes: plan.total_bytes,
            connections_max,
            started: Instant::now(),
            glance: tokio::sync::Mutex::new(None),
            listeners: AtomicUsize::new(0),
        }))
    }

    /// Everything at a glance, at most [`GLANCE_AGE_MAX`] old.
    async fn glance(&self) -> Result<Value, Unanswered> {
        let mut kept = self.0.glance.lock().await;
        if let Some((at, value)) = &*kept
            && at.elapsed() < GLANCE_AGE_MAX
        {
            return Ok(value.clone());
        }
        let ask = |seen: Seen<'_>| {
            let (connections, counters) = seen.connections();
            Glance {
                shard: seen.shard.overview(),
                rtts: seen.rtts(RTTS_MAX),
                connections,
                counters,
            }
        };
        let value = self.summed(self.0.surveyor.ask_all(ask).await?);
        *kept = Some((Instant::now(), value.clone()));
        Ok(value)
    }

    fn summed(&self, told: Vec<Glance>) -> Value {
        let sum = |of: fn(&Glance) -> u64| told.iter().map(of).sum::<u64>();
        let mut kinds: BTreeMap<(Option<String>, Carrier), usize> = BTreeMap::new();
        for (kind, count) in told.iter().flat_map(|told| &told.shard.kinds) {
            *kinds.entry(kind.clone()).or_default() += count;
        }
        let kinds = kinds.iter().map(|((draft, carrier), count)| {
            json!({ "draft": draft, "carrier": carrier.to_string(), "sessions": count })
        });
        let now = Instant::now();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "drafts": Draft::SERVED.iter().map(Draft::to_string).collect::<Vec<_>>(),
            "uptime_ms": self.0.started.elapsed().as_millis() as u64,
            "workers": told.len(),
            "sessions": sum(|told| told.shard.sessions as u64),
            "tracks": sum(|told| told.shard.tracks as u64),
            "publishers": sum(|told| told.shard.publishers as u64),
            "viewers": sum(|told| told.shard.viewers as u64),
            "fetches": sum(|told| told.shard.fetches as u64),
            "kinds": kinds.collect::<Vec<_>>(),
            "arrived": {
                "objects": sum(|told| told.shard.arrived.objects),
                "bytes": sum(|told| told.shard.arrived.bytes),
            },
            "sent_bytes": sum(|told| told.shard.sent_bytes),
            "rtt_ms": rtts(told.iter().flat_map(|told| &told.rtts)),
            "connections": {
                "open": sum(|told| told.connections as u64),
                "accepted": sum(|told| told.counters.accepted),
                "refused": sum(|told| told.counters.refused),
                "retried": sum(|told| told.counters.retried),
                "failed_handshakes": sum(|told| told.counters.failed_handshakes),
            },
            "limits": self.limits(&told),
            "origins": self.0.origins.list().iter().map(|of| of.to_json(now)).collect::<Vec<_>>(),
            "faults": self.0.faults.total(),
        })
    }

    /// Every limit with its use: of workers, that of the fullest.
    fn limits(&self, told: &[Glance]) -> Vec<Value> {
        let own = |name, used, max| Gauge { name, of: GaugeOf::Shard, used, max };
        let connections = told.iter().map(|told| told.connections as u64).max().unwrap_or(0);
        let mut all = vec![own("connections_max", connections, self.0.connections_max)];
        for gauge in told.iter().flat_map(|told| &told.shard.gauges) {
            match all.iter_mut().find(|known| known.name == gauge.name) {
                Some(known) => known.used = known.used.max(gauge.used),
                None => all.push(*gauge),
            }
        }
        let memory = resident_bytes().map(|used| {
            json!({ "name": "memory_max", "of": "relay", "used": used, "max": self.0.memory_max_bytes })
        });
        let shown = all.iter().map(|gauge| {
            let of = match gauge.of {
                GaugeOf::Shard => "worker",
                GaugeOf::Session => "session",
                GaugeOf::Track => "track",
            };
            json!({ "name": gauge.name, "of": of, "used": gauge.used, "max": gauge.max })
        });
        memory.into_iter().chain(shown).collect()
    }

    /// The events for a listener who has heard of faults up to `seen`.
    async fn news(&self, mut seen: u64) -> (String, u64) {
        let mut text = String::new();
        for fault in self.0.faults.after(seen, ROWS) {
            seen = fault.number;
            text += &format!("event: fault\nid: {seen}\ndata: {}\n\n", fault_row(&fault));
        }
        match self.glance().await {
            Ok(glance) => text += &format!("event: sample\ndata: {glance}\n\n"),
            // A comment: the listener is there, the answer is not.
            Err(_) => text += ": no answer\n\n",
        }
        (text, seen)
    }
}

fn scope((authority, path): &sluice_core::ScopeName) -> Value {
    match (authority.as_str(), path.as_str()) {
        ("", "") => Value::Null,
        (authority, path) => json!({ "authority": authority, "path": path }),
    }
}

fn track_row(row: &TrackReport) -> Value {
    json!({
        "id": ids::track(&row.scope, &row.name),
        "namespace": row.name.namespace().to_string(),
        "name": row.name.name().to_string(),
        "scope": scope(&row.scope),
        "publishers": row.publishers,
        "viewers": row.viewers,
        "waiting": row.waiting,
        "fetches": row.fetches,
        "stored_bytes": row.stored_bytes,
        "groups": row.groups,
        "largest": row.largest.map(|at| json!({ "group": at.group.0, "object": at.object.0 })),
        "arrived": { "objects": row.arrived.objects, "bytes": row.arrived.bytes },
        "sent_bytes": row.sent_bytes,
    })
}

fn session_row(worker: usize, row: &SessionReport) -> Value {
    json!({
        "id": ids::session(worker, row.key),
        "remote": row.remote.to_string(),
        "carrier": row.carrier.to_string(),
        "draft": row.draft,
        "implementation": row.implementation,
        "path": row.path,
        "origin": row.origin.is_some(),
        "namespaces": row.namespaces,
        "publishes": row.publishes,
        "views": row.views,
        "fetches": row.fetches,
        "held_bytes": row.held_bytes,
        "faults": row.faults,
        "arrived": { "objects": row.arrived.objects, "bytes": row.arrived.bytes },
        "sent_bytes": row.sent_bytes,
        "rtt_ms": row.rtt.map(millis),
    })
}

fn request_row(row: &RequestReport) -> Value {
    let track = row.track.as_ref();
    json!({
        "request": row.id.0,
        "kind": row.kind,
        "namespace": row.namespace.as_ref().map(ToString::to_string),
        "track": track.map(|(_, name)| name.to_string()),
        "track_id": track.map(|(scope, name)| ids::track(scope, name)),
    })
}

fn subscription_row(worker: usize, row: &SubscriptionReport) -> Value {
    json!({
        "session": ids::session(worker, row.id.session),
        "request": row.id.request.0,
        "remote": row.remote.to_string(),
        "state": row.state,
        "forward": row.forward,
        "sent_bytes": row.sent_bytes,
        "waiting_bytes": row.waiting_bytes,
    })
}

fn subscription_id(worker: usize, id: SubscriptionId) -> String {
    format!("{}:{}", ids::session(worker, id.session), id.request.0)
}

fn read_subscription(text: &str) -> Option<(usize, SubscriptionId)> {
    let (session, request) = text.rsplit_once(':')?;
    let (worker, session) = ids::read_session(session)?;
    Some((worker, SubscriptionId { session, request: RequestId(request.parse().ok()?) }))
}

fn fault_row(row: &Fault) -> Value {
    json!({
        "number": row.number,
        "at_unix_ms": row.at_unix_ms(),
        "kind": row.kind,
        "session": row.peer.map(|(worker, peer)| ids::session(worker, peer.session)),
        "remote": row.peer.map(|(_, peer)| peer.remote.to_string()),
        "track": row.track,
        "reason": row.reason,
        "section": row.section,
    })
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

fn rtts<'a>(all: impl Iterator<Item = &'a Duration>) -> Value {
    let mut all: Vec<Duration> = all.copied().collect();
    all.sort_unstable();
    match all.last() {
        Some(max) => json!({ "median": millis(all[all.len() / 2]), "max": millis(*max) }),
        None => Value::Null,
    }
}

/// Memory that the process has resident, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}
