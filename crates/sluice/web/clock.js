// Time of a live broadcast: where live is, where playback is, and the rate that holds the distance.
// All times are in ms; `now` is that of performance.now().

const WINDOW_MS = 20_000;
const BUCKET_MS = 1_000;
/** Clocks of publisher and viewer count as one if frames seem to be this old at most. */
const CLOCK_SKEW_MS = 5_000;
/** What decoding and painting need on top of the network's own irregularity. */
const MARGIN_MS = 25;
const LOWEST_MS = 40;

/** Learns from arrivals which media time is live. */
export class LiveEdge {
  constructor() {
    this.buckets = [];
    this.lateness = [];
  }

  /** An object of this media time has come, live and complete. */
  note(time, now) {
    const delay = now - time;
    const bucket = Math.floor(now / BUCKET_MS);
    const last = this.buckets.at(-1);
    if (last?.bucket === bucket) last.delay = Math.min(last.delay, delay);
    else this.buckets.push({ bucket, delay });
    while (this.buckets[0].bucket < bucket - WINDOW_MS / BUCKET_MS) this.buckets.shift();
    this.delay = Math.min(...this.buckets.map((it) => it.delay));
    // Publishers that stamp frames with the time of day tell how old they are.
    const age = this.delay + performance.timeOrigin;
    this.hasWallClock = age > -CLOCK_SKEW_MS / 10 && age < CLOCK_SKEW_MS;
    this.lateness.push({ now, late: now - time - this.base });
    while (this.lateness[0].now < now - WINDOW_MS / 2) this.lateness.shift();
  }

  get isKnown() {
    return this.delay !== undefined;
  }

  get base() {
    return this.hasWallClock ? -performance.timeOrigin : this.delay;
  }

  /** The media time that is live: being captured if the publisher's clock tells, else arriving. */
  time(now) {
    return now - this.base;
  }

  /** The lowest latency at which nearly every object is there when it is due. */
  get lowest() {
    const sorted = this.lateness.map(({ late }) => late).sort((a, b) => a - b);
    const late = sorted[Math.floor(sorted.length * 0.97)] ?? 0;
    return Math.max(LOWEST_MS, late + MARGIN_MS);
  }
}

const RATE_STEP_MAX = 0.25;
/** Errors this small are not corrected. */
const DEAD_MS = 8;
/** How fast an error goes: this part of it in a second. */
const GAIN = 0.6;
/** Beyond this playback jumps forward instead. */
const JUMP_MS = 2_500;

/** Where playback is. */
export class Clock {
  constructor() {
    this.rate = 1;
    this.isPaused = false;
  }

  get isRunning() {
    return this.anchor !== undefined;
  }

  /** The media time that is shown. */
  position(now) {
    return this.anchor + (now - this.at) * (this.isPaused ? 0 : this.rate);
  }

  jump(position, now) {
    this.anchor = position;
    this.at = now;
    this.jumps = (this.jumps ?? 0) + 1;
  }

  setRate(rate, now) {
    this.anchor = this.position(now);
    this.at = now;
    this.rate = rate;
  }

  pause(isPaused, now) {
    this.anchor = this.position(now);
    this.at = now;
    this.isPaused = isPaused;
  }

  /** Chooses the rate that brings the latency to `target`. */
  control(edge, target, now) {
    const error = edge.time(now) - this.position(now) - target;
    if (error > JUMP_MS) return this.jump(edge.time(now) - target, now);
    const wanted = Math.abs(error) < DEAD_MS ? 0 : (error / 1000) * GAIN;
    this.setRate(1 + Math.max(-RATE_STEP_MAX, Math.min(RATE_STEP_MAX, wanted)), now);
  }
}
