// The player page: controls around a Player.

import { $, bits, element, enable, explain, followLive, milliseconds, noTransport, query, relay, say, setFigures, showLive, watchLink } from "./page.js";
import { Player } from "./playback.js";
import { Plot } from "./plots.js";

const PLAY = "M8 5v14l11-7z";
const PAUSE = "M7 5h4v14H7zm6 0h4v14h-4z";
const SOUND = "M4 9v6h4l5 5V4L8 9zm12.5 3a4.5 4.5 0 0 0-2.5-4v8a4.5 4.5 0 0 0 2.5-4z";
const MUTED = "M4 9v6h4l5 5V4L8 9zm11 .5 1.5-1.5L19 10.5 21.5 8 23 9.5 20.5 12 23 14.5 21.5 16 19 13.5 16.5 16 15 14.5 17.5 12z";
/** The stops of the latency control in ms; the first is as low as the network allows. */
const LATENCIES = [0, 100, 150, 200, 300, 400, 500, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10000];
const BACK_MS = 10_000;
const IDLE_MS = 2_500;

const namespace = query.get("namespace") ?? "";
const named = { video: query.get("video") ?? undefined, audio: query.get("audio") ?? undefined };
let player;
let isMuted = false;

function missing() {
  if (!isSecureContext) return "This page was not opened securely. Open it with https, or on localhost.";
  const lacking = noTransport();
  if (lacking) return lacking;
  if (typeof VideoDecoder === "undefined") {
    return "This browser has no WebCodecs: use Chrome 94+, Edge, Firefox 130+ or Safari 26+.";
  }
  return undefined;
}

function start(path) {
  player = new Player($("#picture"), { url: relay, namespace: path, ...named });
  // For the console and for tests.
  globalThis.sluicePlayer = player;
  document.title = `${path} – Sluice`;
  $("#title").textContent = path;
  player.addEventListener("change", show);
  player.addEventListener("stats", showStats);
  $("#latency").max = LATENCIES.length - 1;
  setLatency(Number(query.get("latency") ?? 0));
  player.start();
}

function message() {
  const { phase, error, reason } = player.state;
  const told = explain(error);
  return {
    connecting: reason ? `Connecting again: ${reason}` : "Connecting…",
    waiting: `Waiting for ${player.namespace.join("/")} to be published. ${told}`,
    failed: `${told}. Trying again…`,
    ended: "The broadcast has ended.",
    stopped: "Stopped.",
  }[phase];
}

function show() {
  const playing = player.state.phase === "playing";
  const { clock, isShifted, isStalled } = player;
  const fault = playing ? faults() : undefined;
  $("#cover").hidden = playing && !fault && !(isStalled && !clock.isPaused);
  $("#message").textContent = fault ?? (playing ? "Waiting for data…" : message());
  $("#spinner").hidden = Boolean(fault) || ["ended", "stopped"].includes(player.state.phase);
  $("#play").setAttribute("aria-label", clock.isPaused ? "Play" : "Pause");
  $("#play-icon").setAttribute("d", clock.isPaused ? PLAY : PAUSE);
  enable($("#to-live"), isShifted);
  $("#live-badge").hidden = !playing || isShifted;
  $("#sound-cover").hidden = !(playing && player.needsClick && !isMuted);
  showRenditions();
}

/** Why there is no picture although data comes. */
function faults() {
  if (player.painted > 0 || player.video.faults === 0) return undefined;
  const { track, codec } = player.videoSource ?? {};
  return `This browser cannot decode ${track?.codec ?? codec}: ${player.video.fault}`;
}

function showRenditions() {
  const select = $("#rendition");
  const names = player.catalog.video.map(({ name }) => name);
  const current = player.videoSource?.track.name;
  const key = names.join() + current;
  if (select.dataset.key === key) return;
  select.dataset.key = key;
  const option = (value, text) => element("option", { value, selected: value === player.rendition }, text);
  select.replaceChildren(
    option("auto", player.rendition === "auto" && current ? `Automatic (${current})` : "Automatic"),
    ...player.catalog.video.map(({ name, height, bitrate }) =>
      option(name, [height ? `${height}p` : name, bitrate ? bits(bitrate) : ""].join(" ").trim()),
    ),
  );
}

const plots = {
  latency: new Plot($("#plots"), "Latency", milliseconds),
  buffer: new Plot($("#plots"), "Buffer", milliseconds),
  fps: new Plot($("#plots"), "Frames per second", (value) => value.toFixed(1)),
  bitrate: new Plot($("#plots"), "Bitrate", bits),
  droppedNow: new Plot($("#plots"), "Dropped frames per second", (value) => value.toFixed(0)),
};
let droppedBefore = 0;

function showStats() {
  const { stats } = player;
  if (!stats) return;
  const behind = stats.latency === undefined ? "" : milliseconds(stats.latency);
  say($("#latency-badge"), behind);
  $("#behind").textContent = player.isShifted && behind ? `−${(stats.latency / 1000).toFixed(0)} s` : behind;
  const droppedNow = Math.max(0, stats.dropped - droppedBefore);
  droppedBefore = stats.dropped;
  for (const [name, plot] of Object.entries(plots)) plot.add({ ...stats, droppedNow }[name]);
  if (!$("#details").open) return;
  const figures = {
    "Latency wanted": milliseconds(stats.target),
    Measured: stats.endToEnd ? "end to end" : "from arrival",
    "Playback rate": `${stats.rate.toFixed(3)}×`,
    "Sound to picture": stats.sync === undefined ? "–" : `${stats.sync.toFixed(0)} ms`,
    "Dropped frames": stats.dropped,
    Stalls: stats.stalls,
    Reconnects: stats.reconnects,
    Size: stats.size,
    Codecs: stats.codec,
    Rendition: stats.rendition ?? "–",
    Protocol: `draft ${stats.draft}`,
    "Sound level": stats.level > 0 ? `${(20 * Math.log10(stats.level)).toFixed(0)} dB` : "silent",
  };
  setFigures($("#figures"), figures);
}

function setLatency(latency) {
  player.target = latency;
  $("#latency").value = Math.max(0, LATENCIES.findLastIndex((stop) => stop <= latency));
  const text = latency === 0 ? "as low as possible" : milliseconds(latency);
  $("#latency-value").textContent = text;
  $("#latency").setAttribute("aria-valuetext", text);
}

function setMuted(muted) {
  isMuted = muted;
  player.volume = muted ? 0 : Number($("#volume").value) / 100;
  $("#mute").setAttribute("aria-pressed", String(muted));
  $("#mute-icon").setAttribute("d", muted ? MUTED : SOUND);
  show();
}

function togglePlay() {
  if (player.clock.isPaused) player.play();
  else player.pause();
}

function toggleFull() {
  if (document.fullscreenElement) document.exitFullscreen();
  else $("#stage").requestFullscreen?.().catch(() => {});
}

function back() {
  if (player.position !== undefined) player.seek(player.position - BACK_MS);
}

function changeVolume(by) {
  const slider = $("#volume");
  slider.value = Number(slider.value) + by;
  setMuted(false);
}

/** The picture as a video element, which is what picture-in-picture takes. */
async function togglePip() {
  if (document.pictureInPictureElement) return document.exitPictureInPicture();
  const video = element("video", { srcObject: $("#picture").captureStream(), muted: true });
  await video.play();
  return video.requestPictureInPicture();
}

const KEYS = {
  " ": togglePlay,
  k: togglePlay,
  l: () => player.live(),
  ArrowLeft: back,
  m: () => setMuted(!isMuted),
  ArrowUp: () => changeVolume(5),
  ArrowDown: () => changeVolume(-5),
  f: toggleFull,
  s: () => ($("#details").open = !$("#details").open),
};

function listen() {
  $("#play").onclick = togglePlay;
  $("#back").onclick = back;
  $("#to-live").onclick = () => player.live();
  $("#mute").onclick = () => setMuted(!isMuted);
  $("#volume").oninput = () => setMuted(false);
  $("#full").onclick = toggleFull;
  $("#pip").hidden = !document.pictureInPictureEnabled;
  $("#pip").onclick = () => togglePip().catch(() => {});
  $("#sound").onclick = () => player.output?.resume();
  $("#latency").oninput = ({ target }) => setLatency(LATENCIES[target.value]);
  $("#rendition").onchange = ({ target }) => player.choose(target.value);
  addEventListener("keydown", (event) => {
    const inField = event.target.matches("input, select, textarea, summary");
    const pressesButton = event.key === " " && event.target.matches("button, a");
    if (inField || pressesButton || event.ctrlKey || event.metaKey || event.altKey || !player) return;
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  let idle;
  $("#stage").addEventListener("pointermove", () => {
    $("#stage").classList.remove("idle");
    clearTimeout(idle);
    idle = setTimeout(() => $("#stage").classList.add("idle"), IDLE_MS);
  });
}

function follow() {
  followLive((paths) => {
    showLive($("#live"), paths, player?.namespace.join("/"));
    $("#nothing").hidden = paths.length > 0;
    // Without a name in the link the first one is as good as any.
    if (!player && paths.length > 0) location.replace(watchLink(paths[0]));
    else if (!player) $("#message").textContent = "Nothing is live. Waiting…";
  }, (error) => {
    if (!player) $("#message").textContent = explain(error);
  });
}

const reason = missing();
if (reason) {
  $("#message").textContent = reason;
  $("#spinner").hidden = true;
} else {
  if (namespace) start(namespace);
  listen();
  follow();
}
