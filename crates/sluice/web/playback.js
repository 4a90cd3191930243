// Plays a broadcast: finds it, keeps its tracks coming, decodes, and paints at the clock's time.

import { AudioOutput } from "./audio.js";
import { CATALOG, Catalog, PRIORITY } from "./catalog.js";
import { Clock, LiveEdge } from "./clock.js";
import { AudioDecoding, VideoDecoding } from "./decode.js";
import { FrameQueue } from "./frames.js";
import { connect, namespaceOf } from "./session.js";
import { Source, pause } from "./source.js";

const CONTROL_MS = 100;
/** Animation frames come late on a busy machine; then a timer paints. */
const PAINT_MS = 20;
const RETRY_MS = 500;
const RETRY_MS_MAX = 3_000;
/** Without a new picture for so long, playback stalls. */
const STALL_MS = 700;
const GIVE_UP_MS = 8_000;
/** A rendition is judged over this time before a better one is tried. */
const STEADY_MS = 12_000;
/** A hole at the start of what was looked for that is not waited through. */
const HOLE_SKIP_MS = 300;
const SOUND_MARGIN_MS = 15;
const SOUND_LEAD_MS_MAX = 250;
/** For each step of control with and without a hole in the sound. */
const HOLE_MS = 6;
const RELAX_MS = 0.05;

/** A player of one broadcast on a canvas. Emits `change` when `state` or the tracks change.
 *
 * `state.phase`: connecting, waiting (nobody publishes it), playing, ended, failed, stopped. */
export class Player extends EventTarget {
  constructor(canvas, { url, namespace, video, audio, drafts } = {}) {
    super();
    Object.assign(this, { canvas, url, namespace: namespaceOf(namespace), named: { video, audio }, drafts });
    this.context2d = canvas.getContext("2d", { alpha: false, desynchronized: true });
    this.edge = new LiveEdge();
    this.clock = new Clock();
    this.catalog = new Catalog();
    this.state = { phase: "stopped" };
    /** Wanted latency in ms; 0 is as low as the network allows. */
    this.target = 0;
    /** Name of the rendition, or `auto`. */
    this.rendition = "auto";
    this.volumeWanted = 1;
    this.painted = 0;
    this.stalls = 0;
    this.reconnects = 0;
    this.video = new VideoDecoding(new FrameQueue());
    this.audio = new AudioDecoding(new FrameQueue(), () => this.output);
    this.history = [];
    this.soundLead = 0;
  }

  /** Starts, and goes on over failures until `stop`. */
  start() {
    if (this.isStarted) return;
    this.isStarted = true;
    this.startedAt = performance.now();
    AudioOutput.open().then(
      (output) => this.adopt(output),
      () => (this.hasNoSound = true),
    );
    this.painter = requestAnimationFrame((now) => this.paint(now));
    this.ticker = setInterval(() => this.control(performance.now()), CONTROL_MS);
    this.drawer = setInterval(() => this.draw(performance.now()), PAINT_MS);
    this.run();
  }

  stop() {
    this.isStarted = false;
    cancelAnimationFrame(this.painter);
    clearInterval(this.ticker);
    clearInterval(this.drawer);
    this.session?.close();
    this.stopSources();
    this.video.clear();
    this.audio.clear();
    this.output?.close();
    this.output = undefined;
    this.setState({ phase: "stopped" });
  }

  adopt(output) {
    if (!this.isStarted) return output.close();
    this.output = output;
    this.output.volume = this.volumeWanted;
    output.context.onstatechange = () => this.changed();
    this.changed();
  }

  // --- Finding and receiving ---

  async run() {
    for (let failures = 0; this.isStarted; failures++) {
      try {
        if (failures === 0) this.setState({ phase: "connecting" });
        this.session = await connect(this.url, { drafts: this.drafts });
        failures = 0;
        await Promise.race([this.watch(this.session), this.session.goaway.then(() => pause(50))]);
        this.setState({ phase: "connecting", reason: await this.reasonOf(this.session) });
      } catch (error) {
        this.setState({ phase: "failed", error });
      }
      this.session?.close();
      this.stopSources();
      this.reconnects++;
      await pause(Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** failures * (0.7 + Math.random() / 2)));
    }
  }

  async reasonOf(session) {
    return Promise.race([session.closed, pause(50).then(() => "the relay is going away")]);
  }

  /** Until the session ends. */
  async watch(session) {
    let isOpen = true;
    session.closed.then(() => (isOpen = false));
    while (isOpen && this.isStarted) {
      try {
        await this.follow(session);
      } catch (error) {
        if (!isOpen) return;
        this.setState({ phase: "waiting", error });
      }
      this.stopSources();
      await Promise.race([pause(RETRY_MS), session.closed]);
    }
  }

  /** Until the broadcast ends. */
  async follow(session) {
    if (this.named.video || this.named.audio) return this.followNamed(session);
    const subscription = await session.subscribe(this.namespace, CATALOG, { join: true, priority: PRIORITY.catalog });
    this.catalog = new Catalog();
    let described;
    for await (const { payload } of subscription) {
      if (payload.length === 0) continue;
      this.catalog.handle(payload);
      if (this.catalog.isOver) this.setState({ phase: "ended" });
      const tracks = JSON.stringify(this.catalog.tracks);
      if (!this.catalog.isOver && tracks !== described) this.receive(session);
      described = tracks;
    }
    if (this.state.phase !== "ended") throw new Error(subscription.ended);
  }

  /** Tracks that are named by hand and say themselves how they are decoded. */
  async followNamed(session) {
    const { video, audio } = this.named;
    const tracks = [
      ...(video ? [{ name: video, role: "video", packaging: "loc" }] : []),
      ...(audio ? [{ name: audio, role: "audio", packaging: "loc" }] : []),
    ];
    this.catalog.tracks = tracks;
    await Promise.all(this.receive(session));
  }

  /** Subscribes to what the catalog lists. */
  receive(session) {
    this.stopSources();
    this.restartMedia();
    const [sound] = this.catalog.audio;
    const picture = this.chosen();
    this.videoSource = picture && this.open(session, picture, this.video.queue, PRIORITY.video);
    this.audioSource = sound && this.open(session, sound, this.audio.queue, PRIORITY.audio);
    this.changed();
    return [this.videoSource, this.audioSource].filter(Boolean).map((source) => this.read(source, true));
  }

  open(session, track, queue, priority) {
    const init = this.catalog.initOf(track);
    return new Source(session, this.namespace, track, init, { priority, queue, edge: this.edge });
  }

  async read(source, join) {
    try {
      source.ended = await source.run(join);
    } catch (error) {
      source.fault = error.message;
      this.setState({ phase: this.state.phase, error });
    }
  }

  restartMedia() {
    this.video.clear();
    this.audio.clear();
    this.edge = new LiveEdge();
    this.clock = new Clock();
    this.isShifted = false;
  }

  stopSources() {
    for (const source of [this.videoSource, this.audioSource, this.nextSource]) source?.stop();
    this.nextSource = undefined;
  }

  // --- Renditions ---

  /** The rendition to begin with. */
  chosen() {
    const { video } = this.catalog;
    const named = video.find(({ name }) => name === this.rendition);
    if (named) return named;
    const same = video.find(({ name }) => name === this.videoSource?.track.name);
    const width = this.canvas.clientWidth * devicePixelRatio;
    // The smallest that fills the page's picture.
    return same ?? video.findLast((track) => (track.width ?? 0) >= width * 0.9) ?? video[0];
  }

  /** Changes to another rendition at its next key frame, without a gap. */
  choose(name) {
    this.rendition = name;
    this.lastSwitch = performance.now();
    if (name !== "auto") this.switchTo(name);
    this.changed();
  }

  switchTo(name) {
    const track = this.catalog.video.find((it) => it.name === name);
    if (!track || !this.videoSource || this.isShifted || this.videoSource.track.name === name) return;
    this.nextSource?.stop();
    this.nextSource = this.open(this.session, track, new FrameQueue(), PRIORITY.video);
    // From its group's start, so that the change comes soon where groups are cut alike.
    this.read(this.nextSource, true);
  }

  /** Takes the next rendition over once it has what is shown now: from the key frame before that on,
   * which is decoded without being shown. */
  takeOver(position) {
    const { nextSource, video } = this;
    const { frames } = nextSource.queue;
    const newest = frames.at(-1)?.time ?? -Infinity;
    const key = frames.findLastIndex(({ isKey, time }) => isKey && time <= position);
    if (key < 0 || newest < Math.min(position, video.queue.last?.time ?? position)) return;
    nextSource.queue.dropTo(key);
    nextSource.queue.dropped = video.queue.dropped;
    this.videoSource.stop();
    this.videoSource = nextSource;
    this.nextSource = undefined;
    video.close();
    video.queue = nextSource.queue;
    this.changed();
  }

  /** Steps down when frames come too late, and up again when all has been well for a while. */
  adapt(now) {
    if (this.rendition !== "auto" || this.nextSource || this.isShifted) return;
    const { video } = this.catalog;
    const at = video.findIndex(({ name }) => name === this.videoSource?.track.name);
    const troubles = this.stalls + this.video.queue.dropped / 10;
    this.steadyFrom ??= now;
    if (troubles > (this.troubles ?? 0)) {
      this.troubles = troubles;
      this.steadyFrom = now;
      if (at + 1 < video.length && now - (this.lastSwitch ?? 0) > 2_000) {
        this.lastSwitch = now;
        // The better one is left alone for longer each time it fails.
        this.patience = Math.min(8, (this.patience ?? 1) * 2);
        this.switchTo(video[at + 1].name);
      }
      return;
    }
    const wide = (video[at]?.width ?? Infinity) >= this.canvas.clientWidth * devicePixelRatio * 0.9;
    const steady = now - Math.max(this.steadyFrom, this.lastSwitch ?? 0);
    if (at > 0 && !wide && steady > STEADY_MS * (this.patience ?? 1)) {
      this.lastSwitch = now;
      this.switchTo(video[at - 1].name);
    }
  }

  // --- Time ---

  get latencyTarget() {
    return Math.max(this.target, this.edge.lowest + this.soundLead);
  }

  /** Sound is fetched this long before it is heard. Learned: more after each hole, less with time. */
  leadSound() {
    if (!this.audioSource || !this.output?.isAllowed) return 0;
    const { underruns = 0 } = this.output.report ?? {};
    const holes = underruns - (this.underruns ?? underruns);
    this.underruns = underruns;
    const least = this.output.latency + SOUND_MARGIN_MS;
    const before = this.soundLead || least;
    const next = holes > 0 ? before + HOLE_MS : before - RELAX_MS;
    return Math.max(least, Math.min(SOUND_LEAD_MS_MAX, next));
  }

  control(now) {
    this.soundLead = this.leadSound();
    this.begin(now);
    if (!this.clock.isRunning) return;
    if (!this.isShifted && !this.clock.isPaused && this.edge.isKnown) {
      this.clock.control(this.edge, this.latencyTarget, now);
    }
    if (this.isShifted && !this.clock.isPaused) this.skipHole(now);
    this.output?.follow(this.clock, now);
    const position = this.clock.position(now);
    if (this.nextSource) this.takeOver(position);
    this.draw(now);
    this.adapt(now);
    this.noteStall(now);
    this.remember(now);
  }

  /** What is not held any more is skipped: playback begins where what is held does. */
  skipHole(now) {
    const [head] = this.video.queue.frames;
    const isHole = this.video.queue.last === undefined && head?.time > this.clock.position(now) + HOLE_SKIP_MS;
    if (isHole) this.clock.jump(head.time, now);
  }

  /** Sets the clock once something has come. */
  begin(now) {
    if (this.clock.isRunning || !this.edge.isKnown) return;
    const firsts = [this.video.queue.frames[0], this.audio.queue.frames[0]].filter(Boolean);
    if (firsts.length === 0) return;
    const earliest = Math.min(...firsts.map(({ time }) => time));
    this.clock.jump(Math.max(this.edge.time(now) - this.latencyTarget, earliest), now);
    this.setState({ phase: "playing" });
  }

  feed(now) {
    const position = this.clock.position(now);
    this.video.pump(position);
    this.audio.pump(position);
  }

  noteStall(now) {
    const due = this.videoSource && !this.clock.isPaused && this.painted > 0;
    const stalled = due && now - this.paintedAt > STALL_MS;
    // What cannot be had is not waited for: on with what is live.
    if (due && this.isShifted && now - Math.max(this.paintedAt, this.soughtAt ?? 0) > GIVE_UP_MS) {
      this.live();
      return;
    }
    if (stalled && !this.isStalled) this.stalls++;
    if (stalled !== Boolean(this.isStalled)) {
      this.isStalled = stalled;
      this.changed();
    }
  }

  paint(now) {
    this.painter = requestAnimationFrame((next) => this.paint(next));
    this.draw(now);
  }

  /** Shows the picture that is due. */
  draw(now) {
    if (!this.clock.isRunning) {
      this.begin(now);
      // Before anything is live, the past can be shown already.
      this.video.feed(Number.MAX_SAFE_INTEGER, 0, () => this.video.pictures.length === 0 && this.video.decoded === 0);
      return this.show(this.video.take(0), now);
    }
    this.feed(now);
    if (!this.clock.isPaused || this.video.shown === 0) this.show(this.video.take(this.clock.position(now)), now);
  }

  show(picture, now) {
    if (picture === undefined) return;
    const { canvas } = this;
    const { displayWidth, displayHeight } = picture;
    if (canvas.width !== displayWidth || canvas.height !== displayHeight) {
      canvas.width = displayWidth;
      canvas.height = displayHeight;
      this.changed();
    }
    this.context2d.drawImage(picture, 0, 0);
    this.pictureTime = picture.timestamp / 1000;
    picture.close();
    this.painted++;
    this.firstPaintAt ??= now;
    this.paintedAt = now;
  }

  /** Stops the picture. `play` goes on from there, `live` from where live is. */
  pause() {
    if (!this.clock.isRunning || this.clock.isPaused) return;
    const now = performance.now();
    this.clock.pause(true, now);
    this.isShifted = true;
    this.output?.follow(this.clock, now);
    this.changed();
  }

  play() {
    if (!this.clock.isPaused) return;
    const now = performance.now();
    this.soughtAt = now;
    this.clock.pause(false, now);
    this.clock.setRate(1, now);
    this.output?.follow(this.clock, now);
    this.changed();
  }

  /** Back to live. */
  live() {
    if (!this.isShifted || !this.session) return;
    this.receive(this.session);
  }

  /** Goes to a media time, as far back as the relay still has it. */
  seek(time) {
    if (!this.clock.isRunning || !this.session) return;
    const now = performance.now();
    if (time > this.edge.time(now) - this.latencyTarget) return this.live();
    this.isShifted = true;
    this.soughtAt = now;
    this.stopSources();
    this.video.clear();
    this.audio.clear();
    this.clock.jump(time, now);
    this.clock.setRate(1, now);
    for (const [kind, queue] of [["videoSource", this.video.queue], ["audioSource", this.audio.queue]]) {
      const old = this[kind];
      if (!old) continue;
      const source = this.open(this.session, old.track, queue, old.priority);
      source.groups = old.groups;
      this[kind] = source;
      source.runFrom(time, () => this.clock.position(performance.now())).catch(() => {});
    }
    this.output?.follow(this.clock, now);
    this.changed();
  }

  /** How far behind live playback is, in ms. */
  get latency() {
    const now = performance.now();
    return this.clock.isRunning && this.edge.isKnown ? this.edge.time(now) - this.clock.position(now) : undefined;
  }

  get position() {
    return this.clock.isRunning ? this.clock.position(performance.now()) : undefined;
  }

  // --- Sound ---

  set volume(volume) {
    this.volumeWanted = volume;
    if (this.output) this.output.volume = volume;
  }

  get volume() {
    return this.volumeWanted;
  }

  /** Whether the browser waits for a click before it sounds. */
  get needsClick() {
    return this.output !== undefined && !this.output.isAllowed && this.audioSource !== undefined;
  }

  // --- Telling ---

  setState(state) {
    this.state = state;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** How far sound is ahead of the picture, in ms. A picture counts from its time until that of the
   * next, or for as long as others do while there is none. */
  get syncOffset() {
    const now = performance.now();
    const sound = this.output?.offset(this.clock, now);
    if (sound === undefined || this.pictureTime === undefined) return undefined;
    const [next] = this.video.pictures;
    const until = next ? next.timestamp / 1_000 : this.pictureTime + 1_000 / (this.stats?.fps || 25);
    return sound + Math.max(0, this.clock.position(now) - until);
  }

  /** Once a second: figures of the second that passed. */
  remember(now) {
    const sums = {
      painted: this.painted,
      bytes: (this.videoSource?.bytes ?? 0) + (this.audioSource?.bytes ?? 0),
      now,
    };
    this.before ??= sums;
    const seconds = (now - this.before.now) / 1000;
    if (seconds < 1) return;
    const rate = (name) => Math.max(0, sums[name] - this.before[name]) / seconds;
    this.stats = {
      latency: this.latency,
      target: this.latencyTarget,
      endToEnd: this.edge.hasWallClock,
      rate: this.clock.rate,
      buffer: Math.max(this.video.queue.span, this.audio.queue.span),
      fps: rate("painted"),
      bitrate: rate("bytes") * 8,
      dropped: this.video.queue.dropped + this.video.late,
      stalls: this.stalls,
      reconnects: this.reconnects,
      sync: this.syncOffset,
      level: this.output?.level ?? 0,
      underruns: this.output?.report?.underruns ?? 0,
      faults: this.video.faults + this.audio.faults,
      draft: this.session?.draft.number,
      rendition: this.videoSource?.track.name,
      codec: [this.videoSource, this.audioSource].filter(Boolean).map(({ track, codec }) => track.codec ?? codec).join(", "),
      size: `${this.canvas.width}×${this.canvas.height}`,
    };
    this.before = sums;
    this.history.push(this.stats);
    if (this.history.length > 120) this.history.shift();
    this.dispatchEvent(new Event("stats"));
  }
}
