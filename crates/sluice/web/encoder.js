// The encoder page: choose, preview, publish, and see how it goes.

import { Broadcaster, videoConfig } from "./broadcast.js";
import { $, bits, element, enable, explain, milliseconds, noTransport, query, relay, say, watchLink } from "./page.js";
import { Plot } from "./plots.js";
import { drawQr } from "./qr.js";

const VIDEO_CODECS = [
  ["H.264", ({ height }) => (height > 720 ? "avc1.640028" : "avc1.42e01f")],
  ["VP9", () => "vp09.00.31.08"],
  ["AV1", () => "av01.0.05M.08"],
  ["H.265", () => "hvc1.1.6.L120.B0"],
];
const AUDIO_CODECS = [["Opus", "opus"], ["AAC", "mp4a.40.2"]];
const SAMPLE_RATE = 48_000;

let stream;
let broadcast;
let isEnding = false;
let fileVideo;

const value = (name) => $(`#${name}`).value;
const number = (name) => Number(value(name));

function missing() {
  if (!isSecureContext) return "This page was not opened securely, so there is no camera. Open it with https, or on localhost.";
  const lacking = noTransport();
  if (lacking) return lacking;
  if (typeof VideoEncoder === "undefined" || typeof AudioEncoder === "undefined") {
    return "This browser cannot encode: use Chrome 94+, Edge, Firefox 130+ or Safari 26+.";
  }
  return undefined;
}

// --- What is sent ---

async function openSource() {
  closeSource();
  $("#start").disabled = true;
  const source = value("source");
  $("#camera-field").hidden = source !== "camera";
  $("#file-field").hidden = source !== "file";
  try {
    stream = await streamOf(source);
    say($("#error"), "");
  } catch (error) {
    stream = undefined;
    $("#cover").hidden = false;
    say($("#error"), sourceFault(error));
    return;
  }
  if (stream === undefined) return;
  $("#preview").srcObject = stream;
  $("#preview").play().catch(() => {});
  $("#cover").hidden = stream.getVideoTracks().length > 0;
  $("#cover-text").textContent = "Sound only.";
  await listDevices();
  await offerCodecs();
  $("#start").disabled = stream.getTracks().length === 0;
}

function sourceFault({ name, message }) {
  if (name === "NotAllowedError") return "The browser was not allowed to use it: allow camera and microphone for this page, then choose again.";
  if (name === "NotFoundError") return "No such camera or microphone is connected.";
  if (name === "NotReadableError") return "Another program is using the camera or microphone.";
  return message;
}

async function streamOf(source) {
  const audio = value("microphone") === "none" ? false : {
    echoCancellation: false,
    noiseSuppression: false,
    autoGainControl: false,
    ...(value("microphone") !== "default" && { deviceId: { exact: value("microphone") } }),
  };
  const framerate = number("framerate");
  if (source === "camera") {
    const height = number("height");
    const video = { height: { ideal: height }, width: { ideal: Math.round((height * 16) / 9) }, frameRate: { ideal: framerate } };
    if (value("camera")) video.deviceId = { exact: value("camera") };
    return navigator.mediaDevices.getUserMedia({ video, audio });
  }
  if (source === "none") return audio ? navigator.mediaDevices.getUserMedia({ audio }) : undefined;
  if (source === "screen") {
    const shown = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: framerate } }, audio: true });
    if (shown.getAudioTracks().length > 0 || !audio) return shown;
    const sound = await navigator.mediaDevices.getUserMedia({ audio });
    return new MediaStream([...shown.getVideoTracks(), ...sound.getAudioTracks()]);
  }
  return streamOfFile($("#file").files[0]);
}

/** A file, played over and over; it is not heard here. */
async function streamOfFile(file) {
  if (!file) return undefined;
  fileVideo = element("video", { src: URL.createObjectURL(file), loop: true, playsInline: true });
  await fileVideo.play();
  const capture = fileVideo.captureStream ?? fileVideo.mozCaptureStream;
  const captured = capture.call(fileVideo);
  fileVideo.volume = 0;
  return value("microphone") === "none" ? new MediaStream(captured.getVideoTracks()) : captured;
}

function closeSource() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  if (fileVideo) {
    fileVideo.pause();
    URL.revokeObjectURL(fileVideo.src);
    fileVideo = undefined;
  }
  $("#preview").srcObject = null;
}

async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const fill = (select, kind, fixed) => {
    const { value: chosen } = select;
    const found = devices.filter((it) => it.kind === kind && it.deviceId && it.deviceId !== "default");
    select.replaceChildren(
      ...fixed,
      ...found.map(({ deviceId, label }) => element("option", { value: deviceId }, label || "unnamed")),
    );
    if ([...select.options].some((option) => option.value === chosen)) select.value = chosen;
  };
  fill($("#camera"), "videoinput", []);
  fill($("#microphone"), "audioinput", [
    element("option", { value: "default" }, "Microphone"),
    element("option", { value: "none" }, "No sound"),
  ]);
}

/** Offers the codecs that this browser encodes at these settings. */
async function offerCodecs() {
  const [rendition] = renditions();
  const support = VIDEO_CODECS.map(async ([name, codecOf]) => {
    const codec = codecOf(rendition);
    const asked = videoConfig({ codec, ...rendition, framerate: number("framerate") });
    const { supported } = await VideoEncoder.isConfigSupported(asked).catch(() => ({}));
    return supported && element("option", { value: codec }, name);
  });
  const sound = AUDIO_CODECS.map(async ([name, codec]) => {
    const asked = { codec, sampleRate: SAMPLE_RATE, numberOfChannels: 1, bitrate: 64_000 };
    const { supported } = await AudioEncoder.isConfigSupported(asked).catch(() => ({}));
    return supported && element("option", { value: codec }, name);
  });
  for (const [select, asked] of [[$("#codec"), support], [$("#audio-codec"), sound]]) {
    const name = select.selectedOptions[0]?.textContent;
    const options = (await Promise.all(asked)).filter(Boolean);
    select.replaceChildren(...options);
    const same = options.find((option) => option.textContent === name);
    if (same) same.selected = true;
  }
}

/** Sizes and bitrates, largest first, in the shape of what is captured. */
function renditions() {
  const { width = 16, height = 9 } = stream?.getVideoTracks()[0]?.getSettings() ?? {};
  const even = (length) => Math.max(2, Math.round(length / 2) * 2);
  return Array.from({ length: number("renditions") }, (_, step) => {
    const tall = even(number("height") / 2 ** step);
    // Half the size each way is a quarter of the pixels, which take about a third of the bits.
    return { width: even((tall * width) / height), height: tall, bitrate: (number("bitrate") * 1000) / 3 ** step };
  });
}

// --- On air ---

async function start() {
  say($("#error"), "");
  $("#fields").disabled = $("#namespace").disabled = true;
  $("#start").textContent = "Stop";
  $("#start").classList.replace("primary", "danger");
  broadcast = new Broadcaster({
    url: relay,
    namespace: value("namespace"),
    stream,
    video: { codec: value("codec"), framerate: number("framerate"), keySeconds: number("key"), renditions: renditions() },
    audio: value("microphone") === "none" ? undefined : { codec: value("audio-codec"), bitrate: number("audio-bitrate") * 1000 },
  });
  // For the console and for tests.
  globalThis.sluiceBroadcast = broadcast;
  broadcast.addEventListener("change", show);
  broadcast.addEventListener("stats", showStats);
  broadcast.start();
  share();
}

async function stop() {
  isEnding = true;
  enable($("#start"), false);
  await broadcast.stop();
  broadcast = undefined;
  isEnding = false;
  enable($("#start"), true);
  $("#fields").disabled = $("#namespace").disabled = false;
  $("#start").textContent = "Start";
  $("#start").classList.replace("danger", "primary");
  for (const gone of ["on-air", "watched", "share", "slow", "figures-card"]) $(`#${gone}`).hidden = true;
}

function share() {
  const address = new URL(watchLink(value("namespace")), location.href).href;
  $("#share").hidden = false;
  $("#watch").href = $("#watch").textContent = address;
  $("#terminal").textContent = `sluice subscribe ${relay} --namespace ${value("namespace")} | ffplay -v error -`;
  drawQr($("#qr"), address);
}

function show() {
  if (!broadcast || isEnding) return;
  const { phase, error } = broadcast.state;
  $("#on-air").hidden = phase !== "live";
  say($("#error"), phase === "live" || !error ? "" : `${explain(error)}. Trying again…`);
}

const plots = {};

function showStats() {
  if (!broadcast) return;
  const { tracks, droppedFrames, factor } = broadcast.stats;
  $("#figures-card").hidden = false;
  $("#tracks").replaceChildren(
    ...tracks.map((track) => element("tr", {}, ...[
      `${track.name}, ${track.codec ?? "…"}`,
      track.size,
      track.fps.toFixed(0),
      bits(track.bitrate),
      track.encodeMs === undefined ? "–" : milliseconds(track.encodeMs),
      milliseconds(track.waitingMs),
      track.droppedGroups,
    ].map((cell) => element("td", {}, String(cell))))),
  );
  const sum = (name) => tracks.reduce((total, track) => total + (track[name] ?? 0), 0);
  plots.bitrate ??= new Plot($("#plots"), "Bitrate", bits);
  plots.waiting ??= new Plot($("#plots"), "Waiting for the network", milliseconds);
  plots.bitrate.add(sum("bitrate"));
  plots.waiting.add(Math.max(...tracks.map(({ waitingMs }) => waitingMs)));
  say($("#watched"), tracks.some(({ isWatched }) => isWatched) ? "watched" : "nobody watches");
  const slow = [
    factor < 1 && `The network is slower than the encoder: sending at ${Math.round(factor * 100)} % of the bitrate.`,
    sum("droppedGroups") > 0 && `${sum("droppedGroups")} groups were dropped.`,
    droppedFrames > 0 && `${droppedFrames} frames were dropped before encoding, as this machine was too slow.`,
  ].filter(Boolean);
  say($("#slow"), slow.join(" "));
}

const reason = missing();
if (reason) {
  say($("#error"), reason);
} else {
  if (query.has("namespace")) $("#namespace").value = query.get("namespace");
  for (const name of ["renditions", "height", "bitrate", "framerate", "codec", "source"]) {
    if (query.has(name)) $(`#${name}`).value = query.get(name);
  }
  for (const name of ["source", "camera", "file", "microphone", "height", "framerate"]) $(`#${name}`).onchange = openSource;
  for (const name of ["bitrate", "renditions"]) $(`#${name}`).onchange = offerCodecs;
  $("#settings").onsubmit = (event) => event.preventDefault();
  $("#start").onclick = () => isEnding || (broadcast ? stop() : start());
  $("#copy").onclick = () => navigator.clipboard?.writeText($("#watch").href);
  addEventListener("pagehide", () => broadcast?.stop());
  openSource();
}
