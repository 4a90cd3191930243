// The bytes of MOQT: integers, names, parameters, messages, stream heads and objects of drafts 14,
// 16 and 18 to 22. No I/O. What differs between drafts is a value of its entry in DRAFTS.
//
// Ids and integers are JavaScript numbers: exact up to 2^53 - 1, rounded beyond.

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** The bytes end inside a field: more may follow. */
export class Incomplete extends Error {}

/** A rule of the protocol that the peer broke: message or stream, field, and what stood there. */
export class Violation extends Error {
  constructor(where, field, value) {
    super(`${where}: ${field} cannot be ${value}`);
    this.name = "Violation";
  }
}

// Integers of RFC 9000 §16: two bits of length.
const QUIC = {
  size: (value) => (value < 2 ** 6 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 30 ? 4 : 8),
  mark: (size) => [0, 0x00, 0x40, 0, 0x80, 0, 0, 0, 0xc0][size],
  follow: (first) => 2 ** (first >> 6) - 1,
  mask: () => 0x3f,
};

// MOQT-18 §1.4.1: as many leading ones as bytes follow.
const VI64 = {
  size(value) {
    for (let size = 1; size < 8; size++) if (value < 2 ** (7 * size)) return size;
    return value < 2 ** 56 ? 8 : 9;
  },
  mark: (size) => (0xff00 >> (size - 1)) & 0xff,
  follow: (first) => Math.clz32(~(first << 24)),
  mask: (follow) => 0x7f >> follow,
};

const FROM_17 = { ints: VI64, ownStreams: true, redirect: true };
const FROM_20 = { ...FROM_17, fill: true, filter: "counted", fetchMarks: [0x8c, 0x10c, 0x20c] };

/** What is spoken, newest first. */
export const DRAFTS = [
  { ...FROM_20, number: 22, filter: "typed" },
  { ...FROM_20, number: 21 },
  { ...FROM_20, number: 20 },
  { ...FROM_17, number: 19, filter: "delta", fetchMarks: [0x8c, 0x10c] },
  { ...FROM_17, number: 18, filter: "delta", fetchMarks: [0x8c, 0x10c], goawayNamesRequest: true },
  { number: 16, ints: QUIC, filter: "absolute", fetchMarks: [0x8c, 0x10c], absoluteFetch: true },
  // What a browser gets that cannot offer protocols: the version is agreed on in SETUP, settings are
  // fields of messages, and key-value types stand for themselves.
  { number: 14, ints: QUIC, filter: "absolute", fetchMarks: [], absoluteFetch: true, isOldest: true },
].map((draft) => ({ ...draft, token: draft.isOldest ? undefined : `moqt-${draft.number}` }));

const VERSION_14 = 0xff00000e;

/** Types of messages. */
export const MESSAGE = {
  REQUEST_UPDATE: 0x02,
  SUBSCRIBE: 0x03,
  SUBSCRIBE_OK: 0x04,
  REQUEST_ERROR: 0x05,
  PUBLISH_NAMESPACE: 0x06,
  REQUEST_OK: 0x07,
  NAMESPACE: 0x08,
  PUBLISH_NAMESPACE_DONE: 0x09,
  UNSUBSCRIBE: 0x0a,
  PUBLISH_DONE: 0x0b,
  TRACK_STATUS: 0x0d,
  NAMESPACE_DONE: 0x0e,
  GOAWAY: 0x10,
  SUBSCRIBE_NAMESPACE_16: 0x11,
  MAX_REQUEST_ID: 0x15,
  FETCH: 0x16,
  FETCH_CANCEL: 0x17,
  FETCH_OK: 0x18,
  PUBLISH: 0x1d,
  PUBLISH_OK: 0x1e,
  CLIENT_SETUP: 0x20,
  SERVER_SETUP: 0x21,
  SUBSCRIBE_NAMESPACE: 0x50,
  SETUP: 0x2f00,
};

/** What people call a message. */
export function messageName(code) {
  const found = Object.entries(MESSAGE).find(([, value]) => value === code);
  return found ? found[0].replace(/_16$/, "") : `message 0x${code.toString(16)}`;
}

/** Collects bytes. */
export class Writer {
  constructor(draft) {
    this.draft = draft;
    this.bytes = [];
  }

  byte(value) {
    this.bytes.push(value & 0xff);
    return this;
  }

  int(value) {
    const { ints } = this.draft;
    const size = ints.size(value);
    const at = this.bytes.length;
    for (let shift = size - 1; shift >= 0; shift--) {
      this.bytes.push(shift > 7 ? 0 : Math.floor(value / 256 ** shift) & 0xff);
    }
    this.bytes[at] |= ints.mark(size);
    return this;
  }

  raw(bytes) {
    for (const byte of bytes) this.bytes.push(byte);
    return this;
  }

  /** Bytes, or what `write` writes, after their length. */
  prefixed(what) {
    if (typeof what !== "function") return this.int(what.length).raw(what);
    const inner = new Writer(this.draft);
    what(inner);
    return this.prefixed(inner.bytes);
  }

  text(value) {
    return this.prefixed(utf8.encode(value));
  }

  namespace(fields) {
    this.int(fields.length);
    for (const field of fields) this.text(field);
    return this;
  }

  track({ namespace, name }) {
    return this.namespace(namespace).text(name);
  }

  /** Entries `[type, form, value]`, form one of int, byte, bare, prefixed. */
  parameters(entries) {
    const given = entries.filter(([, , value]) => value !== undefined).sort(([a], [b]) => a - b);
    this.int(given.length);
    let previous = 0;
    for (const [type, form, value] of given) {
      this.int(type - previous);
      previous = this.draft.isOldest ? 0 : type;
      // Up to draft 16 the type's parity decides: numbers, or bytes after their length.
      if (form === "int" || (form === "byte" && !this.draft.ownStreams)) this.int(value);
      else if (form === "byte") this.byte(value);
      else if (form === "bare" && this.draft.ownStreams) value(this);
      else this.prefixed(value);
    }
    return this;
  }

  /** A block of properties without its length: numbers under even types, bytes under odd ones. */
  properties(map) {
    let previous = 0;
    for (const [type, value] of [...map].sort(([a], [b]) => a - b)) {
      this.int(type - previous);
      previous = this.draft.isOldest ? 0 : type;
      if (type % 2 === 0) this.int(value);
      else this.prefixed(value);
    }
    return this;
  }

  /** Which part of a track: `{ next }`, `{ groups }` (1 the current group, 0 the next one),
   * `{ start: [group, object], end: [group, object?] }`, the end inclusive and optional. */
  filter({ next, groups, start, end }) {
    const form = this.draft.filter;
    const fields = next ? [0, 0] : groups !== undefined ? [groups] : [...start];
    if (end) fields.push(end[0] - start[0], ...end.slice(1));
    if (form === "counted" || form === "typed") {
      if (form === "typed") this.int(next ? 5 : fields.length);
      if (!(form === "typed" && next)) for (const field of fields) this.int(field);
      return this;
    }
    if (next) return this.int(2);
    if (groups !== undefined) return this.int(1);
    this.int(end ? 4 : 3).int(start[0]).int(start[1]);
    if (end) this.int(form === "absolute" ? end[0] : end[0] - start[0]);
    return this;
  }

  done() {
    return Uint8Array.from(this.bytes);
  }
}

/** Reads bytes that are all there. */
export class Reader {
  constructor(draft, bytes, where = "message") {
    this.draft = draft;
    this.bytes = bytes;
    this.at = 0;
    this.where = where;
  }

  get left() {
    return this.bytes.length - this.at;
  }

  byte() {
    if (this.left < 1) throw new Incomplete();
    return this.bytes[this.at++];
  }

  int() {
    const { ints } = this.draft;
    const first = this.byte();
    const follow = ints.follow(first);
    if (this.left < follow) throw new Incomplete();
    let value = follow > 7 ? 0 : first & ints.mask(follow);
    for (let count = 0; count < follow; count++) value = value * 256 + this.bytes[this.at++];
    return value;
  }

  take(count) {
    if (this.left < count) throw new Incomplete();
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  prefixed() {
    return this.take(this.int());
  }

  text() {
    return text.decode(this.prefixed());
  }

  namespace() {
    const fields = [];
    for (let count = this.int(); count > 0; count--) fields.push(this.text());
    return fields;
  }

  track() {
    return { namespace: this.namespace(), name: this.text() };
  }

  location() {
    return [this.int(), this.int()];
  }

  /** What is known of a message's parameters. */
  parameters() {
    const found = {};
    let type = 0;
    for (let count = this.int(); count > 0; count--) {
      type = this.int() + (this.draft.isOldest ? 0 : type);
      this.parameter(type, found);
    }
    return found;
  }

  parameter(type, found) {
    const { ownStreams, filter } = this.draft;
    const name = { 0x08: "expires", 0x10: "forward", 0x20: "priority", 0x22: "order" }[type];
    if (type === 0x09) {
      const value = ownStreams ? this : new Reader(this.draft, this.prefixed(), this.where);
      found.largest = value.location();
    } else if (type === 0x21 && filter === "typed") {
      found.filter = this.typedFilter();
    } else if (type === 0x34) {
      found.prefix = this.namespace();
    } else if (type % 2 === 1 && type !== 0x35) {
      const value = this.prefixed();
      if (type === 0x21) found.filter = value;
    } else if (ownStreams && [0x10, 0x20, 0x22, 0x35].includes(type)) {
      found[name] = this.byte();
    } else {
      found[name] = this.int();
    }
  }

  typedFilter() {
    const count = [0, 1, 2, 3, 4, 0][this.int()];
    if (count === undefined) throw new Violation(this.where, "filter type", "that");
    return Array.from({ length: count }, () => this.int());
  }

  /** A block of properties that fills the rest. Immutable ones stand among the others. */
  properties(into = new Map()) {
    let type = 0;
    while (this.left > 0) {
      type = this.int() + (this.draft.isOldest ? 0 : type);
      if (type % 2 === 0) into.set(type, this.int());
      else if (type === 0x0b) new Reader(this.draft, this.prefixed(), this.where).properties(into);
      // What is read from a stream is overwritten by what comes later.
      else into.set(type, this.prefixed().slice());
    }
    return into;
  }
}

/** A message: type, 16 bits of length, body. */
export function encodeMessage(draft, code, write) {
  const body = new Writer(draft);
  write(body);
  const length = body.bytes.length;
  if (length > 0xffff) throw new RangeError(`${messageName(code)} is too long: ${length} bytes`);
  return new Writer(draft).int(code).byte(length >> 8).byte(length).raw(body.bytes).done();
}

/** What this side says of itself first. */
export function encodeSetup(draft, implementation, requestsMax) {
  if (draft.ownStreams) {
    return encodeMessage(draft, MESSAGE.SETUP, (body) => body.int(7).text(implementation));
  }
  return encodeMessage(draft, MESSAGE.CLIENT_SETUP, (body) => {
    if (draft.isOldest) body.int(1).int(VERSION_14).int(1).int(2).int(requestsMax);
    else body.int(2).int(2).int(requestsMax).int(5).text(implementation);
  });
}

/** SUBSCRIBE of `{ namespace, name }` from the next object on, or as `filter` says; `fill` asks for
 * past objects where the draft has that. */
export function encodeSubscribe(draft, id, track, { priority, filter, forward, fill } = {}) {
  return encodeMessage(draft, MESSAGE.SUBSCRIBE, (body) => {
    body.int(id).track(track);
    if (draft.isOldest) {
      body.byte(priority ?? 128).byte(0).byte(forward ?? 1).filter(filter ?? { next: true }).int(0);
      return;
    }
    body.parameters([
      [0x10, "byte", forward],
      [0x20, "byte", priority],
      [0x21, draft.filter === "typed" ? "bare" : "prefixed", (part) => part.filter(filter ?? { next: true })],
      [0x23, "prefixed", fill && ((part) => part.parameters([filterParameter(draft, fill)]))],
    ]);
  });
}

function filterParameter(draft, filter) {
  return [0x21, draft.filter === "typed" ? "bare" : "prefixed", (part) => part.filter(filter)];
}

/** FETCH of a range of a track, both ends inclusive; the end may leave out its object. */
export function encodeFetch(draft, id, track, { start, end, priority }) {
  return encodeMessage(draft, MESSAGE.FETCH, (body) => {
    body.int(id);
    if (draft.fill) {
      body.track(track).parameters([
        [0x20, "byte", priority],
        filterParameter(draft, { start, end }),
      ]);
      return;
    }
    if (draft.isOldest) body.byte(priority ?? 128).byte(1);
    body.int(1).track(track).int(start[0]).int(start[1]);
    // Here the end is one past the last object, and 0 the whole group.
    body.int(end[0]).int(end[1] === undefined ? 0 : end[1] + 1);
    body.parameters(draft.isOldest ? [] : [[0x20, "byte", priority]]);
  });
}

/** FETCH of the past of a subscription, so many groups before its current one. */
export function encodeJoiningFetch(draft, id, subscription, groups, priority) {
  return encodeMessage(draft, MESSAGE.FETCH, (body) => {
    body.int(id);
    if (draft.isOldest) body.byte(priority ?? 128).byte(1);
    body.int(2).int(subscription).int(groups);
    body.parameters(draft.isOldest ? [] : [[0x20, "byte", priority]]);
  });
}

/** The settings of a SUBSCRIBE after its track. */
export function decodeSubscribeSettings(reader) {
  if (!reader.draft.isOldest) return reader.parameters();
  const [priority, order, forward] = reader.take(3);
  return { priority, order, forward };
}

/** The settings of an update after its ids. */
export function decodeUpdateSettings(reader) {
  if (!reader.draft.isOldest) return reader.parameters();
  const [start, end] = [reader.location(), reader.int()];
  const [priority, forward] = reader.take(2);
  return { start, end, priority, forward };
}

/** What SUBSCRIBE_OK says, after the request id: alias, settings, properties of the track. */
export function encodeSubscribeOk(body, alias, largest, priority) {
  const location = largest && ((part) => part.int(largest[0]).int(largest[1]));
  body.int(alias);
  if (body.draft.isOldest) {
    body.int(0).byte(1).byte(largest ? 1 : 0);
    location?.(body);
    body.int(0);
    return;
  }
  body.parameters([[0x09, "bare", location]]).properties(new Map([[0x0e, priority]]));
}

/** The same, read. */
export function decodeSubscribeOk(reader) {
  const alias = reader.int();
  if (!reader.draft.isOldest) {
    const { largest } = reader.parameters();
    return { alias, largest, properties: reader.properties() };
  }
  reader.int();
  reader.byte();
  const largest = reader.byte() === 1 ? reader.location() : undefined;
  reader.parameters();
  return { alias, largest, properties: new Map() };
}

/** What FETCH_OK says, after the request id, of a fetch that ends with this object. */
export function encodeFetchOk(body, { group, object }) {
  if (body.draft.isOldest) body.byte(1);
  body.byte(0).int(group).int(body.draft.fill ? object : object + 1).parameters([]);
}

/** The object to the end of a fetch: what stands in FETCH. */
export function decodeFetch(reader) {
  const { draft } = reader;
  if (draft.isOldest) reader.take(2);
  if (!draft.fill) {
    const kind = reader.int();
    if (kind !== 1) {
      const joining = { joins: reader.int(), groups: reader.int(), relative: kind === 2 };
      reader.parameters();
      return joining;
    }
    const track = reader.track();
    const start = reader.location();
    const [group, past] = reader.location();
    reader.parameters();
    return { track, start, end: [group, past === 0 ? Infinity : past - 1] };
  }
  const track = reader.track();
  const { filter = [] } = reader.parameters();
  const fields = filter instanceof Uint8Array ? integers(draft, filter) : filter;
  const [group = 0, object = 0, more, last = Infinity] = fields;
  return { track, start: [group, object], end: [more === undefined ? Infinity : group + more, last] };
}

function integers(draft, bytes) {
  const reader = new Reader(draft, bytes);
  const found = [];
  while (reader.left > 0) found.push(reader.int());
  return found;
}

/** What a stream of objects begins with: `{ kind, ... }`, kind one of control, subgroup, fetch,
 * padding. */
export function decodeStreamHead(reader) {
  const start = reader.at;
  const type = reader.int();
  const { ownStreams } = reader.draft;
  if (type === MESSAGE.SETUP && ownStreams) {
    reader.at = start;
    return { kind: "control" };
  }
  if (type === 0x05) return { kind: "fetch", request: reader.int() };
  if (type === 0x132b3e28 && ownStreams) return { kind: "padding" };
  if (type < 0x10 || type > 0x7f || !(type & 0x10) || (type & 0x06) === 0x06) {
    throw new Violation("stream", "type", `0x${type.toString(16)}`);
  }
  const head = { kind: "subgroup", alias: reader.int(), group: reader.int() };
  head.subgroup = { 0x00: 0, 0x02: undefined }[type & 0x06];
  if (type & 0x04) head.subgroup = reader.int();
  if (!(type & 0x20)) head.priority = reader.byte();
  return { ...head, hasProperties: Boolean(type & 0x01), endsGroup: Boolean(type & 0x08) };
}

/** The head of a stream for a group's objects, all in subgroup 0, all with properties. */
export function encodeSubgroupHead(draft, alias, group, priority, isStart) {
  const type = 0x11 | (isStart && draft.ownStreams ? 0x40 : 0);
  return new Writer(draft).int(type).int(alias).int(group).byte(priority).done();
}

/** An object on a subgroup stream up to its payload. `previous` is the object id before, or
 * undefined. */
export function encodeObject(draft, previous, object, properties, bytes, status = 0) {
  const writer = new Writer(draft);
  writer.int(previous === undefined ? object : object - previous - 1);
  writer.prefixed((part) => part.properties(properties));
  writer.int(bytes);
  if (bytes === 0) writer.int(status);
  return writer.done();
}

/** Reads objects of a subgroup stream up to their payloads. */
export class SubgroupDecoder {
  constructor(head) {
    this.head = head;
    this.previous = undefined;
  }

  decode(reader) {
    const delta = reader.int();
    const object = this.previous === undefined ? delta : this.previous + delta + 1;
    const block = this.head.hasProperties ? reader.prefixed() : new Uint8Array(0);
    const bytes = reader.int();
    const status = bytes === 0 ? reader.int() : 0;
    const properties = new Reader(reader.draft, block, "object").properties();
    this.previous = object;
    const { group, subgroup = object } = this.head;
    return { group, subgroup, object, properties, bytes, status };
  }
}

/** Reads the items of a fetch stream, groups ascending: objects up to their payloads, or
 * `{ mark }` for a range without objects (MOQT-18 §11.4.4). */
export class FetchDecoder {
  constructor(draft) {
    this.draft = draft;
    this.prior = {};
  }

  decode(reader) {
    if (this.draft.isOldest) return this.decodeWhole(reader);
    const flags = reader.int();
    const { subgroup = 0, priority } = this.prior;
    if (this.draft.fetchMarks.includes(flags)) {
      const end = this.place(reader.int(), reader.int());
      this.prior = { ...this.prior, ...end };
      return { mark: flags, ...end };
    }
    if (flags > 0x7f) throw new Violation("fetch stream", "flags", `0x${flags.toString(16)}`);
    const groupField = flags & 0x08 ? reader.int() : undefined;
    const forms = [() => 0, () => subgroup, () => subgroup + 1, () => reader.int()];
    const own = flags & 0x40 ? undefined : forms[flags & 0x03]();
    const objectField = flags & 0x04 ? reader.int() : undefined;
    const place = this.place(groupField, objectField);
    const level = flags & 0x10 ? reader.byte() : priority;
    const block = flags & 0x20 ? reader.prefixed() : new Uint8Array(0);
    const bytes = reader.int();
    const properties = new Reader(this.draft, block, "object").properties();
    this.prior = { ...place, subgroup: own ?? subgroup, priority: level };
    return { ...place, subgroup: own, properties, bytes, status: 0 };
  }

  decodeWhole(reader) {
    const [group, subgroup, object] = [reader.int(), reader.int(), reader.int()];
    reader.byte();
    const properties = new Reader(this.draft, reader.prefixed(), "object").properties();
    const bytes = reader.int();
    return { group, subgroup, object, properties, bytes, status: bytes === 0 ? reader.int() : 0 };
  }

  place(groupField, objectField) {
    const { group, object } = this.prior;
    const next = objectField ?? (object ?? -1) + 1;
    if (this.draft.absoluteFetch || group === undefined) {
      return { group: groupField ?? group, object: next };
    }
    // An object id next to a group stands for itself: numbering starts anew there.
    if (groupField !== undefined) return { group: group + groupField + 1, object: next };
    return { group, object: objectField === undefined ? next : object + objectField };
  }
}

/** The head of a fetch stream. */
export function encodeFetchHead(draft, request) {
  return new Writer(draft).int(5).int(request).done();
}

/** An object on a fetch stream up to its payload; `before` is the one written before it. */
export function encodeFetched(draft, before, { group, object, priority, properties, bytes }) {
  const writer = new Writer(draft);
  if (draft.isOldest) {
    writer.int(group).int(0).int(object).byte(priority);
    return writer.prefixed((part) => part.properties(properties)).int(bytes).done();
  }
  const sameGroup = before?.group === group;
  writer.int((sameGroup ? 0 : 0x08) | 0x04 | 0x10 | 0x20);
  const delta = !draft.absoluteFetch && before;
  if (!sameGroup) writer.int(delta ? group - before.group - 1 : group);
  writer.int(sameGroup && delta ? object - before.object : object);
  writer.byte(priority).prefixed((part) => part.properties(properties));
  return writer.int(bytes).done();
}

/** An object in a datagram, with its payload; undefined for padding. */
export function decodeDatagram(draft, bytes) {
  const reader = new Reader(draft, bytes, "datagram");
  const type = reader.int();
  if (type === 0x132b3e29 && draft.ownStreams) return undefined;
  if (type & ~0x2f) throw new Violation("datagram", "type", `0x${type.toString(16)}`);
  const alias = reader.int();
  const group = reader.int();
  const object = type & 0x04 ? 0 : reader.int();
  if (!(type & 0x08)) reader.byte();
  const block = type & 0x01 ? reader.prefixed() : new Uint8Array(0);
  const properties = new Reader(draft, block, "datagram").properties();
  const status = type & 0x20 ? reader.int() : 0;
  return { alias, group, object, properties, status, payload: bytes.subarray(reader.at) };
}
