// The dashboard: what the relay tells of itself at /api/v1, as figures, plots and tables.

import { $, bits, element, milliseconds, say, setFigures, watchLink } from "./page.js";
import { Plot } from "./plots.js";
import { Table, api } from "./tables.js";

const REFRESH_MS = 2_000;
const FAULTS_SHOWN = 30;
const LIMITS = {
  memory_max: ["Memory", bytes],
  connections_max: ["Connections", count],
  store_bytes_max: ["Stored objects", bytes],
  held_bytes_max: ["Requests and streams", bytes],
  tracks_max: ["Tracks", count],
  publisher_windows_max: ["Publisher windows", count],
  linked_scopes_max: ["Scopes", count],
  track_share_bytes: ["Largest track", bytes],
  namespaces_max: ["Namespaces of a session", count],
  interests_max: ["Prefixes of a session", count],
};

function count(value) {
  return value.toLocaleString("en");
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function duration(ms) {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

const to = (kind, id, text) => element("a", { href: `#${kind}/${id}` }, text);
const session = (id, text) => (id ? to("session", id, text ?? id) : "–");
const rate = (now, before, seconds) => (before === undefined ? "–" : bits(((now - before) * 8) / seconds));
const place = (largest) => (largest ? `${largest.group} / ${largest.object}` : "–");

const TRACKS = {
  title: "Tracks",
  path: "tracks",
  empty: "No track is live.",
  id: (row) => row.id,
  columns: [
    ["Track", (row) => to("track", row.id, `${row.namespace}/${row.name}`)],
    ["Viewers", (row) => count(row.viewers), "number"],
    ["Publishers", (row) => count(row.publishers), "number"],
    ["In", (row, before, seconds) => rate(row.arrived.bytes, before?.arrived.bytes, seconds), "number"],
    ["Out", (row, before, seconds) => rate(row.sent_bytes, before?.sent_bytes, seconds), "number"],
    ["Stored", (row) => bytes(row.stored_bytes), "number"],
    ["Group / object", (row) => place(row.largest), "number"],
  ],
};
const SESSIONS = {
  title: "Sessions",
  path: "sessions",
  empty: "Nobody is connected.",
  id: (row) => row.id,
  columns: [
    ["Peer", (row) => session(row.id, row.remote)],
    ["Draft", (row) => row.draft ?? "–"],
    ["Transport", (row) => (row.carrier === "quic" ? "QUIC" : "WebTransport")],
    ["Publishes", (row) => count(row.publishes), "number"],
    ["Views", (row) => count(row.views), "number"],
    ["Round trip", (row) => milliseconds(row.rtt_ms ?? undefined), "number"],
    ["Errors", (row) => count(row.faults), "number"],
  ],
};
const NAMESPACES = {
  title: "Namespaces",
  path: "namespaces",
  empty: "No namespace is published.",
  id: (row) => row.id,
  columns: [
    ["Namespace", (row) => row.namespace],
    ["Publishers", (row) => count(row.publishers), "number"],
    ["Origins", (row) => count(row.origins), "number"],
    ["", (row) => element("a", { href: watchLink(row.namespace), "aria-label": `Watch ${row.namespace}` }, "Watch")],
  ],
};
const SUBSCRIPTIONS = [
  ["Session", (row) => session(row.session)],
  ["Peer", (row) => row.remote],
  ["State", (row) => (row.forward ? row.state : `${row.state}, paused`)],
];
const VIEWERS = {
  title: "Viewers",
  empty: "Nobody watches it.",
  id: (row) => `${row.session}:${row.request}`,
  columns: [
    ...SUBSCRIPTIONS,
    ["Out", (row, before, seconds) => rate(row.sent_bytes, before?.sent_bytes, seconds), "number"],
    ["Not sent yet", (row) => bytes(row.waiting_bytes), "number"],
  ],
};
const REQUESTS = {
  title: "Requests",
  rows: (answer) => answer.requests,
  empty: "It asks for nothing.",
  id: (row) => String(row.request),
  columns: [
    ["Request", (row) => String(row.request)],
    ["What", (row) => row.kind],
    ["Of", (row) => (row.track_id ? to("track", row.track_id, row.track) : (row.namespace ?? "–"))],
  ],
};

const tables = [TRACKS, SESSIONS, NAMESPACES].map((what) => new Table($("#tables"), what));
let detail;
let opener;
let before;

const plots = {
  in: new Plot($("#plots"), "From publishers", bits),
  out: new Plot($("#plots"), "To viewers", bits),
  viewers: new Plot($("#plots"), "Viewers", count),
  rtt: new Plot($("#plots"), "Round trip, median", milliseconds),
};
// For the console and for tests.
globalThis.sluiceDashboard = { plots };

function showSample(sample) {
  const seconds = before && (sample.uptime_ms - before.uptime_ms) / 1000;
  const per = (now, then) => (seconds > 0 && now >= then ? ((now - then) * 8) / seconds : undefined);
  const into = per(sample.arrived.bytes, before?.arrived.bytes);
  const out = per(sample.sent_bytes, before?.sent_bytes);
  before = sample;
  const drafts = sample.drafts;
  const workers = sample.workers === 1 ? "one worker" : `${sample.workers} workers`;
  $("#about").textContent = `Sluice ${sample.version} · up ${duration(sample.uptime_ms)} · ${workers} · drafts ${drafts.join(", ")}`;
  setFigures($("#figures"), {
    Sessions: count(sample.sessions),
    Tracks: count(sample.tracks),
    Publishers: count(sample.publishers),
    Viewers: count(sample.viewers),
    In: into === undefined ? "–" : bits(into),
    Out: out === undefined ? "–" : bits(out),
    "Round trip": milliseconds(sample.rtt_ms?.median),
    Errors: count(sample.faults),
  });
  plots.in.add(into);
  plots.out.add(out);
  plots.viewers.add(sample.viewers);
  plots.rtt.add(sample.rtt_ms?.median);
  showLimits(sample.limits);
  showList("origins", sample.origins.map(origin));
  showBars($("#kinds"), sample.kinds.map(({ draft, carrier, sessions }) => {
    const name = `${draft ? `Draft ${draft}` : "Connecting"}, ${carrier === "quic" ? "QUIC" : "WebTransport"}`;
    return [name, sessions, sample.sessions, count(sessions)];
  }));
  $("#no-kinds").hidden = sample.kinds.length > 0;
}

function showLimits(limits) {
  showBars($("#limits"), limits.map(({ name, used, max }) => {
    const [label, show] = LIMITS[name] ?? [name, count];
    return [label, used, max, `${show(used)} of ${show(max)}`];
  }));
}

/** Rows of a name, a text and a bar; those that are there are changed, so that nothing jumps. */
function showBars(list, rows) {
  while (list.children.length > rows.length) list.lastChild.remove();
  rows.forEach(([label, used, max, text], at) => {
    let item = list.children[at];
    if (!item) {
      item = element("li", {}, element("span"), element("span", { className: "quiet" }), element("meter", { min: 0, max: 1 }));
      list.append(item);
    }
    const [name, value, bar] = item.children;
    name.textContent = label;
    value.textContent = text;
    bar.setAttribute("aria-label", label);
    bar.value = max > 0 ? used / max : 0;
    bar.className = bar.value > 0.9 ? "bad" : bar.value > 0.7 ? "warn" : "";
  });
}

function origin({ name, address, state, detail: more, failures }) {
  const mood = { up: "good", down: "bad" }[state] ?? "warn";
  const said = state === "up" ? `draft ${more.draft}, for ${duration(more.for_s * 1000)}` : (more.reason ?? "");
  const again = failures > 0 ? ` · failed ${failures} times in a row` : "";
  return element("li", {}, element("div", { className: "row spread" }, element("strong", {}, name), element("span", { className: `badge ${mood}` }, state)), element("p", { className: "quiet small" }, `${address} ${said}${again}`));
}

function showList(name, items) {
  $(`#${name}`).replaceChildren(...items);
  $(`#no-${name}`).hidden = items.length > 0;
}

function showFault({ at_unix_ms, kind, session: id, remote, track, reason, section }) {
  const time = element("time", { dateTime: new Date(at_unix_ms).toISOString(), className: "quiet small" }, new Date(at_unix_ms).toLocaleTimeString());
  const who = remote ? element("p", { className: "small" }, session(id, remote), track ? ` · ${track}` : "") : (track ?? "");
  const why = element("p", { className: "quiet small" }, section ? `${reason} (${section})` : reason);
  $("#faults").prepend(element("li", {}, element("div", { className: "row spread" }, element("strong", {}, kind), time), who, why));
  if ($("#faults").children.length > FAULTS_SHOWN) $("#faults").lastChild.remove();
  $("#no-faults").hidden = true;
}

/** What the address names behind `#`: a track, a session, or nothing. */
async function openDetail() {
  const [, kind, id] = location.hash.match(/^#(track|session)\/(.+)$/) ?? [];
  detail = undefined;
  $("#detail").hidden = !kind;
  $("#detail-tables").replaceChildren();
  $("#detail-figures").replaceChildren();
  // Who closes it goes on where it was opened.
  if (!kind) return opener?.focus();
  if (document.activeElement !== document.body) opener = document.activeElement;
  const what = kind === "track" ? { ...VIEWERS, path: `viewers/${id}` } : { ...REQUESTS, path: `sessions/${id}` };
  const lists = [new Table($("#detail-tables"), what)];
  if (kind === "track") {
    const sources = { title: "Publishers", path: `tracks/${id}`, rows: ({ publishing }) => publishing, empty: "Nobody brings it.", id: VIEWERS.id, columns: SUBSCRIPTIONS };
    lists.unshift(new Table($("#detail-tables"), sources));
  }
  detail = { kind, id, lists };
  await refreshDetail();
  $("#detail-title").focus();
}

async function refreshDetail() {
  const shown = detail;
  if (!shown) return;
  try {
    const row = await api(`${shown.kind}s/${shown.id}${shown.kind === "session" ? "?limit=1" : ""}`);
    await Promise.all(shown.lists.map((table) => table.refresh()));
    if (detail !== shown) return;
    $("#detail-title").textContent = shown.kind === "track" ? `${row.namespace}/${row.name}` : `Session ${row.id}`;
    setFigures($("#detail-figures"), shown.kind === "track" ? ofTrack(row) : ofSession(row));
  } catch (error) {
    if (detail === shown) $("#detail-title").textContent = error.status === 404 ? "It is not there any more." : error.message;
  }
}

const ofTrack = (row) => ({
  Viewers: count(row.viewers),
  "Waiting for a publisher": count(row.waiting),
  Fetches: count(row.fetches),
  "Objects in": count(row.arrived.objects),
  "Bytes in": bytes(row.arrived.bytes),
  "Bytes out": bytes(row.sent_bytes),
  Stored: `${bytes(row.stored_bytes)}, ${row.groups} groups`,
  "Group / object": place(row.largest),
});
const ofSession = (row) => ({
  Peer: row.remote,
  Software: row.implementation ?? "–",
  Draft: `${row.draft ?? "–"}, ${row.carrier}`,
  Path: row.path ?? "–",
  "Round trip": milliseconds(row.rtt_ms ?? undefined),
  "Bytes in": bytes(row.arrived.bytes),
  "Bytes out": bytes(row.sent_bytes),
  "Memory held": bytes(row.held_bytes),
});

async function refresh() {
  if (document.visibilityState === "visible") {
    await Promise.allSettled([...tables.map((table) => table.refresh()), refreshDetail()]);
  }
  setTimeout(refresh, REFRESH_MS);
}

function listen() {
  const events = new EventSource("api/v1/events");
  const state = (text, mood) => {
    $("#state").textContent = text;
    $("#state").className = `badge ${mood}`;
  };
  events.addEventListener("sample", ({ data }) => {
    state("live", "good");
    showSample(JSON.parse(data));
  });
  events.addEventListener("fault", ({ data }) => showFault(JSON.parse(data)));
  events.onerror = () => {
    state("connecting again", "warn");
    before = undefined;
    // A browser gives up by itself when the answer was no stream.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, REFRESH_MS);
  };
}

async function start() {
  try {
    const { rows } = await api(`faults?limit=500`);
    for (const fault of rows.slice(-FAULTS_SHOWN)) showFault(fault);
  } catch (error) {
    const own = "The relay tells this to its own machine alone: open this page there as http://localhost:PORT/dashboard.html, or start the relay with --api.";
    if (error.status === 404) return say($("#error"), own);
  }
  listen();
  addEventListener("hashchange", openDetail);
  openDetail();
  refresh();
}

start();
