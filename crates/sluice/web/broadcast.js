// Encodes a MediaStream and publishes it: a catalog, a track for each rendition, a track of sound.

import { capturePictures, captureSound } from "./capture.js";
import { CATALOG, PRIORITY, encodeCatalog } from "./catalog.js";
import { audioProperties, videoProperties } from "./loc.js";
import { connect } from "./session.js";
import { pause } from "./source.js";

/** Pictures that wait for an encoder; more are dropped before it. */
const ENCODING_MAX = 3;
/** Media that waits for the network; more, and the group is given up. */
const WAITING_MS_MAX = 1_000;
const CHECK_MS = 100;
const RETRY_MS = 1_000;
/** A track whose first frame takes longer joins the others later. */
const FIRST_FRAME_MS = 3_000;
/** New viewers get a key frame at once, but not more often. */
const KEY_MS_MIN = 300;
const AUDIO_GROUP_MS = 1_000;
/** When groups had to be given up the bitrate goes down, and up again after a quiet time. */
const LOWER = 0.7;
const LOWEST = 0.25;
const QUIET_MS = 10_000;

/** Publishes a MediaStream as a broadcast. Options: `url`, `namespace`, `stream`,
 * `video: { codec, framerate, keySeconds, renditions: [{ width, height, bitrate }] }`,
 * `audio: { codec, bitrate }`. Emits `change` with `state` and `stats` every second. */
export class Broadcaster extends EventTarget {
  constructor({ url, namespace, stream, video, audio, drafts }) {
    super();
    Object.assign(this, { url, namespace, drafts });
    this.groups = [];
    this.nextGroup = Date.now();
    this.keyWanted = true;
    this.keyMs = (video?.keySeconds ?? 2) * 1000;
    this.frameMs = 1000 / (video?.framerate ?? 30);
    const [picture] = stream.getVideoTracks();
    const [sound] = stream.getAudioTracks();
    this.pictures = picture && video ? video.renditions.map((rendition, index, { length }) =>
      // Smaller ones go first.
      new PictureTrack(this, `video${index}`, { ...video, ...rendition, step: length - 1 - index })) : [];
    this.sound = sound && audio ? new SoundTrack(this, "audio0", audio) : undefined;
    this.stops = [];
    if (this.pictures.length > 0) this.stops.push(capturePictures(picture, (frame, time) => this.handlePicture(frame, time)));
    if (this.sound) this.stops.push(captureSound(sound, (data, time) => this.sound.handle(data, time)));
    this.state = { phase: "connecting" };
    this.droppedFrames = 0;
    this.factor = 1;
    this.lowered = 0;
  }

  get tracks() {
    return this.sound ? [...this.pictures, this.sound] : this.pictures;
  }

  start() {
    this.isStarted = true;
    this.checker = setInterval(() => this.check(performance.now()), CHECK_MS);
    this.run();
  }

  /** Ends the broadcast for its viewers, then the session. */
  async stop() {
    if (!this.isStarted) return;
    this.isStarted = false;
    clearInterval(this.checker);
    for (const stop of this.stops) stop();
    for (const track of this.tracks) track.close();
    this.catalog?.write(this.nextGroup, 0, encodeCatalog([]));
    for (const { track } of this.tracks) track?.finish();
    this.catalog?.finish();
    this.announced?.done();
    // What was written is still on its way to the relay.
    await pause(200);
    this.session?.close();
    this.setState({ phase: "stopped" });
  }

  async run() {
    while (this.isStarted) {
      try {
        this.setState({ phase: "connecting", error: this.state.error });
        this.session = await connect(this.url, { drafts: this.drafts });
        await this.publish(this.session);
        const reason = await Promise.race([this.session.closed, this.session.goaway.then(() => "the relay is going away")]);
        this.state.error = new Error(reason);
      } catch (error) {
        this.setState({ phase: "failed", error });
      }
      this.session?.close();
      if (this.isStarted) await pause(RETRY_MS);
    }
  }

  async publish(session) {
    // Its first frames say how they are decoded. One without does not hold the others up.
    const described = this.tracks.map((track) => track.described);
    await Promise.all([Promise.any(described), Promise.race([Promise.all(described), pause(FIRST_FRAME_MS)])]);
    for (const track of this.tracks) track.open(session);
    const describe = () => this.catalog.write(this.nextGroup++, 0, encodeCatalog(this.tracks.map((track) => track.description).filter(Boolean)));
    for (const track of this.tracks) if (!track.description) track.described.then(describe);
    this.catalog = session.track(this.namespace, CATALOG, { priority: PRIORITY.catalog, wanted: describe });
    describe();
    this.keyWanted = true;
    this.announced = await session.publishNamespace(this.namespace);
    this.setState({ phase: "live", draft: session.draft.number });
  }

  /** Somebody new watches: a key frame spares the wait. */
  wantKey() {
    this.keyWanted = true;
  }

  handlePicture(frame, time) {
    const last = this.groups.at(-1);
    // Cameras give what they have; what was asked for is a maximum.
    if (this.lastPicture !== undefined && time - this.lastPicture < this.frameMs * 0.7) return frame.close();
    if (this.pictures.some(({ encoder }) => encoder.encodeQueueSize >= ENCODING_MAX)) {
      this.droppedFrames++;
      return frame.close();
    }
    this.lastPicture = time;
    const age = last ? time - last.time : Infinity;
    const isKey = age >= this.keyMs - this.frameMs / 2 || (this.keyWanted && age >= KEY_MS_MIN);
    if (isKey) this.beginGroup(time);
    const stamped = new VideoFrame(frame, { timestamp: Math.round(time * 1000) });
    frame.close();
    for (const track of this.pictures) track.encode(stamped, isKey, this.groups.at(-1).group);
    stamped.close();
  }

  beginGroup(time) {
    this.keyWanted = false;
    this.groups.push({ group: this.nextGroup++, time });
    if (this.groups.length > 16) this.groups.shift();
  }

  /** The group of a moment. Without pictures one begins every second. */
  groupAt(time) {
    if (this.pictures.length === 0 && time - (this.groups.at(-1)?.time ?? -Infinity) >= AUDIO_GROUP_MS) {
      this.beginGroup(time);
    }
    return this.groups.findLast((it) => it.time <= time)?.group ?? this.groups[0]?.group;
  }

  /** Gives up groups that the network is too slow for, and lowers the bitrate. */
  check(now) {
    for (const track of this.pictures) {
      if (!track.isLate) {
        // The network has caught up.
        this.keyWanted ||= track.isSkipping;
        continue;
      }
      if (track.isSkipping) continue;
      track.drop();
      if (now - (this.loweredAt ?? -Infinity) > 1_000) this.setFactor(Math.max(LOWEST, this.factor * LOWER), now);
    }
    if (this.factor < 1 && now - this.loweredAt > QUIET_MS) this.setFactor(Math.min(1, this.factor / LOWER), now);
    this.remember(now);
  }

  setFactor(factor, now) {
    if (factor < this.factor) this.lowered++;
    this.factor = factor;
    this.loweredAt = now;
    for (const track of this.pictures) track.setFactor(factor);
  }

  remember(now) {
    this.before ??= { now, tracks: new Map() };
    const seconds = (now - this.before.now) / 1000;
    if (seconds < 1) return;
    const tracks = this.tracks.map((track) => {
      const { frames = 0, bytes = 0 } = this.before.tracks.get(track) ?? {};
      this.before.tracks.set(track, { frames: track.frames, bytes: track.bytes });
      return {
        name: track.name,
        codec: track.description?.codec,
        size: track.options.width ? `${track.options.width}×${track.options.height}` : "",
        fps: (track.frames - frames) / seconds,
        bitrate: ((track.bytes - bytes) * 8) / seconds,
        encodeMs: track.encodeMs,
        queue: track.encoder.encodeQueueSize,
        waitingMs: track.waitingMs,
        droppedGroups: track.droppedGroups,
        isWatched: track.track?.isWanted ?? false,
      };
    });
    this.before.now = now;
    this.stats = { tracks, droppedFrames: this.droppedFrames, factor: this.factor, lowered: this.lowered };
    this.dispatchEvent(new Event("stats"));
  }

  setState(state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

/** An encoder and the track that it writes. */
class MediaTrack {
  constructor(broadcast, name, options, priority) {
    Object.assign(this, { broadcast, name, options, priority });
    this.frames = 0;
    this.bytes = 0;
    this.droppedGroups = 0;
    this.started = new Map();
    this.described = new Promise((resolve, reject) => Object.assign(this, { describe: resolve, fail: reject }));
    this.described.catch(() => {});
  }

  open(session) {
    this.track = session.track(this.broadcast.namespace, this.name, {
      priority: this.priority,
      wanted: () => this.broadcast.wantKey(),
    });
    this.group = undefined;
  }

  /** Media that waits for the network, in ms. */
  get waitingMs() {
    const { queuedBytes = 0, lateMs = 0 } = this.track ?? {};
    return Math.max((queuedBytes * 8_000) / this.options.bitrate, lateMs);
  }

  get isLate() {
    return this.waitingMs >= WAITING_MS_MAX;
  }

  count(chunk) {
    this.frames++;
    this.bytes += chunk.byteLength;
    const began = this.started.get(chunk.timestamp);
    if (began === undefined) return;
    this.started.delete(chunk.timestamp);
    this.encodeMs = (this.encodeMs ?? 0) * 0.9 + (performance.now() - began) * 0.1;
  }

  close() {
    if (this.encoder.state !== "closed") this.encoder.close();
  }
}

function bytesOf(buffer) {
  if (!buffer) return undefined;
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function payloadOf(chunk) {
  const payload = new Uint8Array(chunk.byteLength);
  chunk.copyTo(payload);
  return payload;
}

/** What a VideoEncoder is told. */
export function videoConfig({ codec, width, height, bitrate, framerate }) {
  return {
    codec,
    width,
    height,
    bitrate: Math.round(bitrate),
    framerate,
    latencyMode: "realtime",
    ...(codec.startsWith("avc1") && { avc: { format: "avc" } }),
    ...(codec.startsWith("hvc1") && { hevc: { format: "hevc" } }),
  };
}

class PictureTrack extends MediaTrack {
  constructor(broadcast, name, options) {
    super(broadcast, name, options, PRIORITY.video + options.step);
    this.groupOf = new Map();
    this.encoder = new VideoEncoder({
      output: (chunk, metadata) => this.handle(chunk, metadata),
      error: (error) => (this.fail(error), broadcast.setState({ phase: "failed", error })),
    });
    this.encoder.configure(videoConfig(options));
  }

  setFactor(factor) {
    if (this.encoder.state !== "configured") return;
    this.encoder.configure(videoConfig({ ...this.options, bitrate: this.options.bitrate * factor }));
  }

  encode(frame, isKey, group) {
    if (this.encoder.state !== "configured") return;
    if (isKey) this.groupOf.set(frame.timestamp, group);
    this.started.set(frame.timestamp, performance.now());
    this.encoder.encode(frame, { keyFrame: isKey });
  }

  handle(chunk, metadata) {
    this.count(chunk);
    this.learn(metadata?.decoderConfig);
    const isKey = chunk.type === "key";
    const begins = isKey ? this.groupOf.get(chunk.timestamp) : undefined;
    this.groupOf.delete(chunk.timestamp);
    if (begins !== undefined && this.isLate) this.drop();
    else if (begins !== undefined) {
      this.group = begins;
      this.object = 0;
      this.isSkipping = false;
    }
    if (this.track === undefined || this.group === undefined || this.isSkipping) return;
    const { config, codec } = this;
    const properties = videoProperties({ time: chunk.timestamp, isKey, config, codec });
    this.track.write(this.group, this.object++, payloadOf(chunk), properties);
  }

  learn(config) {
    if (!config) return;
    this.config = bytesOf(config.description) ?? this.config;
    this.codec = config.codec ?? this.options.codec;
    const { width, height, bitrate, framerate } = this.options;
    this.description = {
      name: this.name,
      packaging: "loc",
      isLive: true,
      role: "video",
      codec: this.codec,
      width,
      height,
      bitrate,
      framerate,
      timescale: 1_000_000,
      renderGroup: 1,
      altGroup: 1,
      ...(this.config && { init: this.config }),
    };
    this.describe();
  }

  /** Gives up the current group, or one before it begins. */
  drop() {
    this.track.dropGroup();
    this.droppedGroups++;
    this.isSkipping = true;
  }
}

class SoundTrack extends MediaTrack {
  constructor(broadcast, name, options) {
    super(broadcast, name, options, PRIORITY.audio);
    this.encoder = new AudioEncoder({
      output: (chunk, metadata) => this.handleChunk(chunk, metadata),
      error: (error) => (this.fail(error), broadcast.setState({ phase: "failed", error })),
    });
  }

  handle(data, time) {
    const { sampleRate, numberOfChannels } = data;
    if (this.encoder.state === "unconfigured") {
      Object.assign(this, { sampleRate, numberOfChannels });
      const { codec, bitrate } = this.options;
      const opus = codec === "opus" ? { opus: { frameDuration: 10_000 } } : {};
      this.encoder.configure({ codec, sampleRate, numberOfChannels, bitrate, ...opus });
    }
    // The encoder counts on from the first piece: its clock is the sound's own.
    this.first ??= { time, at: data.timestamp };
    this.drift = time - (this.first.time + (data.timestamp - this.first.at) / 1000);
    if (this.encoder.state === "configured") this.encoder.encode(data);
    data.close();
  }

  handleChunk(chunk, metadata) {
    this.count(chunk);
    this.learn(metadata?.decoderConfig);
    const time = this.first.time + (chunk.timestamp - this.first.at) / 1000 + this.drift;
    const group = this.broadcast.groupAt(time);
    if (this.track === undefined || group === undefined) return;
    if (group !== this.group) {
      this.group = group;
      this.object = 0;
    }
    const config = this.object === 0 ? this.config : undefined;
    const properties = audioProperties({ time: Math.max(0, Math.round(time * 1000)), config, codec: this.options.codec });
    this.track.write(group, this.object++, payloadOf(chunk), properties);
  }

  learn(config) {
    if (!config) return;
    const { sampleRate, numberOfChannels } = this;
    const { codec, bitrate } = this.options;
    this.config = bytesOf(config.description) ?? (codec === "opus" ? opusHead(sampleRate, numberOfChannels) : undefined);
    this.description = {
      name: this.name,
      packaging: "loc",
      isLive: true,
      role: "audio",
      codec,
      bitrate,
      samplerate: config.sampleRate ?? sampleRate,
      channelConfig: String(numberOfChannels),
      timescale: 1_000_000,
      renderGroup: 1,
      ...(this.config && { init: this.config }),
    };
    this.describe();
  }
}

/** RFC 7845 §5.1, with the usual 312 samples of priming. */
function opusHead(sampleRate, channels) {
  const head = new Uint8Array(19);
  head.set(new TextEncoder().encode("OpusHead"));
  const view = new DataView(head.buffer);
  head[8] = 1;
  head[9] = channels;
  view.setUint16(10, 312, true);
  view.setUint32(12, sampleRate, true);
  return head;
}
