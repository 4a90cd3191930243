// Encoded frames of one track in the order of decoding, however their objects arrived.

/** Frames are kept at most this long and this large. */
const HELD_BYTES_MAX = 96 * 2 ** 20;
/** A frame that starts a group is taken this long before it is due, if what came before is missing. */
const DUE_MS = 40;

/** Frames `{ group, index, time, duration, isKey, data, config }`, times in ms. */
export class FrameQueue {
  constructor() {
    this.frames = [];
    this.ends = new Map();
    this.dropped = 0;
    this.bytes = 0;
  }

  push(frame) {
    const { last } = this;
    if (last && (frame.group < last.group || (frame.group === last.group && frame.index <= last.index))) return;
    let at = this.frames.length;
    while (at > 0 && after(this.frames[at - 1], frame)) at--;
    const before = this.frames[at - 1];
    if (before && before.group === frame.group && before.index === frame.index) return;
    this.frames.splice(at, 0, frame);
    this.bytes += frame.data.length;
    if (this.bytes > HELD_BYTES_MAX) this.dropTo(this.frames.findIndex((it, place) => place > 0 && it.isKey));
  }

  /** The group has no more frames than have come. */
  end(group) {
    this.ends.set(group, true);
    if (this.ends.size > 8) this.ends.delete(this.ends.keys().next().value);
  }

  /** The frame to decode next; undefined while that has to wait. */
  next(position) {
    this.skipTo(position);
    const [head] = this.frames;
    if (head === undefined || !this.follows(head, position)) return undefined;
    this.frames.shift();
    this.bytes -= head.data.length;
    this.interval = this.last && head.group === this.last.group ? Math.abs(head.time - this.last.time) : this.interval;
    this.last = head;
    return head;
  }

  follows(head, position) {
    const { last } = this;
    if (last === undefined) return head.isKey;
    if (head.group === last.group && head.index === Math.floor(last.index) + 1) return true;
    if (head.group === last.group && head.index - last.index < 0.5) return true;
    if (!head.isKey) return false;
    const near = head.time - last.time <= 1.6 * (last.duration ?? this.interval ?? 0);
    return near || this.ends.has(last.group) || head.time - DUE_MS <= position;
  }

  /** Leaves out what is too late to be worth decoding: everything before a key frame that is due. */
  skipTo(position) {
    let key;
    for (let at = 1; at < this.frames.length && this.frames[at].time <= position; at++) {
      if (this.frames[at].isKey) key = at;
    }
    const [head] = this.frames;
    const stuck = head && !this.follows(head, position);
    if (key !== undefined && (stuck || head.time < position - 250)) this.dropTo(key);
  }

  dropTo(place) {
    if (place <= 0) return;
    const gone = this.frames.splice(0, place);
    this.dropped += gone.length;
    for (const { data } of gone) this.bytes -= data.length;
  }

  /** Media that is waiting, in ms. */
  get span() {
    return this.frames.length === 0 ? 0 : this.frames.at(-1).time - this.frames[0].time;
  }

  /** Forgets everything; the next frame may be any. */
  clear() {
    this.frames = [];
    this.bytes = 0;
    this.ends.clear();
    this.last = undefined;
  }
}

function after(a, b) {
  return a.group > b.group || (a.group === b.group && a.index > b.index);
}
