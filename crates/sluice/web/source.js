// A track as it arrives: objects of a subscription, or of the past, made into frames.

import { readFrame } from "./loc.js";
import { readChunk, readHeader } from "./mp4.js";

const END_OF_GROUP = 3;
const GROUPS_KEPT_MAX = 1_000;
/** The past is read this far ahead of playback. */
const AHEAD_MS = 6_000;
const STEP_GROUPS = 3;
const ANSWER_MS_MAX = 4_000;
const RETRY_MS = 400;
const NO_ANSWER = new Error("no answer");

/** One track of a catalog. Frames go to `queue`, live arrivals to `edge`. */
export class Source {
  constructor(session, namespace, track, init, { priority, queue, edge }) {
    Object.assign(this, { session, track, priority, queue, edge });
    this.namespace = track.namespace ?? namespace;
    this.isCmaf = track.packaging === "cmaf";
    this.header = this.isCmaf ? readHeader(init) : undefined;
    this.description = this.isCmaf ? this.header.description : init;
    this.groups = [];
    this.bytes = 0;
  }

  /** Subscribes, from the current group's start on if `join`, and reads until the track ends. */
  async run(join) {
    this.subscription = await this.session.subscribe(this.namespace, this.track.name, {
      join,
      priority: this.priority,
    });
    if (this.isStopped) return this.subscription.cancel();
    for await (const object of this.subscription) this.handle(object);
    return this.subscription.ended;
  }

  /** Reads the past from a media time on, and goes on to live. */
  async runFrom(time, position) {
    let at = [this.groupAt(time), 0];
    const live = this.groups.at(-1)?.group ?? at[0];
    while (!this.isStopped) {
      if (this.queue.frames.length > 0 && this.queue.frames.at(-1).time > position() + AHEAD_MS) {
        await pause(RETRY_MS);
        continue;
      }
      const before = at;
      try {
        at = await this.fetchFrom(at);
        // There is nothing in these groups, and never will be.
        if (at === before && at[0] + STEP_GROUPS <= live) at = [at[0] + STEP_GROUPS, 0];
      } catch (error) {
        // Not held any more: nearer to live. A relay that is slow to answer is asked again.
        if (error !== NO_ANSWER && at[0] < live) at = [at[0] + Math.ceil((live - at[0]) / 2), 0];
      }
      // Live is reached: what comes next is not there yet.
      if (at === before) await pause(RETRY_MS);
    }
  }

  async fetchFrom(start) {
    const { name } = this.track;
    const range = { start, end: [start[0] + STEP_GROUPS - 1], priority: this.priority };
    const late = pause(ANSWER_MS_MAX).then(() => {
      throw NO_ANSWER;
    });
    late.catch(() => {});
    this.subscription = await Promise.race([this.session.fetch(this.namespace, name, range), late]);
    let next = start;
    for await (const object of this.subscription) {
      if (this.isStopped) break;
      this.handle(object);
      next = [object.group, object.object + 1];
    }
    if (next === start && this.subscription.ended !== "complete") throw new Error("not held");
    return next;
  }

  stop() {
    this.isStopped = true;
    this.subscription?.cancel();
  }

  handle(object) {
    const { group, object: index, status, payload } = object;
    if (status === END_OF_GROUP) return this.queue.end(group);
    if (payload.length === 0) return;
    this.bytes += payload.length;
    try {
      this.framesOf(object).forEach((frame, place) => {
        const whole = { ...frame, group, index: index + place / 1024, source: this };
        this.note(whole);
        if (!object.fetched) this.edge.note(whole.time, performance.now());
        this.queue.push(whole);
      });
    } catch (error) {
      // An object that cannot be read costs itself alone.
      this.fault = error.message;
    }
  }

  framesOf({ properties, payload, object }) {
    if (this.isCmaf) {
      return readChunk(payload, this.header).map((sample) => ({
        ...sample,
        time: sample.time / 1000,
        duration: sample.duration / 1000,
      }));
    }
    const { time, isKey, config, codec } = readFrame(properties, this.track.timescale);
    this.codec = codec ?? this.codec;
    return [{ time: time / 1000, isKey: isKey ?? object === 0, config, data: payload }];
  }

  note({ group, time }) {
    const { groups } = this;
    if (groups.length > 0 && group <= groups.at(-1).group) return;
    groups.push({ group, time });
    if (groups.length > GROUPS_KEPT_MAX) groups.splice(1, 1);
  }

  /** The group that has a media time, by those that were seen and how long they were. */
  groupAt(time) {
    const { groups } = this;
    const found = groups.findLast((it) => it.time <= time);
    if (found || groups.length === 0) return found?.group ?? 0;
    const [first, last] = [groups[0], groups.at(-1)];
    const length = (last.time - first.time) / Math.max(1, last.group - first.group) || 1_000;
    return Math.max(0, first.group - Math.ceil((first.time - time) / length));
  }

  /** What a decoder of its frames has to know. */
  decoderConfig(frame) {
    const codec = this.track.codec ?? this.codec;
    const description = frame.config ?? this.description;
    return { codec, ...(description ? { description } : {}) };
  }
}

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
