// A MoQ session over WebTransport: setup, requests and their answers, streams of objects.

import { Incoming } from "./stream.js";
import { Subscription, Track } from "./track.js";
import {
  DRAFTS,
  FetchDecoder,
  MESSAGE,
  Reader,
  SubgroupDecoder,
  Violation,
  decodeDatagram,
  decodeFetch,
  decodeStreamHead,
  decodeSubscribeSettings,
  decodeUpdateSettings,
  encodeFetch,
  encodeJoiningFetch,
  encodeMessage,
  encodeSetup,
  encodeSubscribe,
  messageName,
} from "./wire.js";

const IMPLEMENTATION = "sluice.js";
/** Answers of draft 14, which has its own for each kind of request, and what refuses which. */
const OK_14 = [0x04, 0x07, 0x0b, 0x0e, 0x12, 0x18, 0x1e];
const ERRORS_14 = [0x05, 0x08, 0x0f, 0x13, 0x19, 0x1f];
const REFUSES_14 = { [MESSAGE.SUBSCRIBE]: 0x05, [MESSAGE.TRACK_STATUS]: 0x0f, [MESSAGE.FETCH]: 0x19, [MESSAGE.PUBLISH]: 0x1f };
/** What a peer of drafts 14 and 16 may ask of us in all. */
const REQUESTS_MAX = 2 ** 29;
/** Streams of tracks whose SUBSCRIBE_OK is still on its way. */
const EARLY_STREAMS_MAX = 64;
/** A fetch whose stream does not come for so long has none. */
const LOST_STREAM_MS = 1_500;
const ABSENT = 0x10;
const NOT_SUPPORTED = 0x3;

const ERRORS = {
  0x0: "internal error",
  0x1: "unauthorized",
  0x2: "timeout",
  0x3: "not supported",
  0x6: "going away",
  0x9: "excessive load",
  0x10: "does not exist",
  0x11: "invalid range",
  0x12: "malformed track",
  0x19: "duplicate subscription",
};

/** What went wrong: `step` is connect, setup, or what was asked for; `code` is the peer's. */
export class MoqError extends Error {
  constructor(step, message, code) {
    super(`${step}: ${message}`);
    this.name = "MoqError";
    this.step = step;
    this.code = code;
  }

  /** Whether trying again may help. */
  get isTemporary() {
    return [undefined, 0x2, 0x6, 0x9, ABSENT].includes(this.code);
  }
}

/** Fields of a namespace from an array or a path such as `live/cam`. */
export function namespaceOf(path) {
  return Array.isArray(path) ? path : path.split("/").filter((field) => field !== "");
}

/** Opens a session. Options: `drafts` (numbers to offer), `hash` (SHA-256 of the certificate as
 * bytes; `null` for none; otherwise it is fetched from the relay's own web server), `timeout` in ms. */
export async function connect(url, { drafts, hash, timeout = 10_000 } = {}) {
  if (typeof WebTransport === "undefined") {
    throw new MoqError(
      "connect",
      globalThis.isSecureContext === false
        ? "this page was not opened securely: use https, or localhost"
        : "this browser has no WebTransport: use Chrome 97+, Edge, Firefox 114+ or Safari 26+",
    );
  }
  const offered = drafts ? DRAFTS.filter(({ number }) => drafts.includes(number)) : DRAFTS;
  const certificate = hash === undefined ? await certificateOf(url) : hash;
  const transport = await open(url, offered, certificate, timeout);
  // A browser that cannot offer protocols leaves the choice to SETUP.
  const draft = offered.find(({ token }) => token === (transport.protocol || undefined));
  if (draft === undefined) {
    transport.close();
    const agreed = transport.protocol ? `chose ${transport.protocol}` : "chose no protocol";
    throw new MoqError("setup", `${new URL(url).host} ${agreed}; offered: ${offered.map((it) => it.token)}`);
  }
  const session = new Session(transport, draft, url);
  await within(timeout, session.setUp(), () => {
    session.close();
    return new MoqError("setup", "no SETUP came");
  });
  return session;
}

async function open(url, offered, certificate, timeout) {
  const options = { congestionControl: "low-latency" };
  const protocols = offered.map(({ token }) => token).filter(Boolean);
  if (protocols.length > 0) options.protocols = protocols;
  if (certificate) options.serverCertificateHashes = [{ algorithm: "sha-256", value: certificate }];
  let transport;
  try {
    transport = new WebTransport(url, options);
    transport.closed.catch(() => {});
    await within(timeout, transport.ready, () => new Error(`no answer within ${timeout / 1000} s`));
    return transport;
  } catch (error) {
    transport?.close();
    const { host } = new URL(url);
    throw new MoqError("connect", `${host} cannot be reached over QUIC (UDP): ${error.message}`);
  }
}

function within(timeout, promise, error) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(error()), timeout);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** The hash of a development certificate, as the relay's web server tells it; null if it has none. */
async function certificateOf(url) {
  const { host } = new URL(url);
  const scheme = globalThis.location?.protocol === "http:" ? "http" : "https";
  try {
    const response = await fetch(`${scheme}://${host}/certificate.sha256`, { cache: "no-store" });
    const hex = response.ok ? (await response.text()).trim() : "";
    return /^[0-9a-f]{64}$/.test(hex)
      ? Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16))
      : null;
  } catch {
    return null;
  }
}

/** An open session. `closed` resolves to why it ended; `goaway` when the relay says that it will. */
export class Session {
  constructor(transport, draft, url) {
    this.transport = transport;
    this.draft = draft;
    this.url = url;
    this.requests = new Map();
    this.subscriptions = new Map();
    this.fetches = new Map();
    this.early = new Map();
    this.tracks = new Map();
    this.listed = new Set();
    this.nextId = 0;
    this.nextAlias = 0;
    this.bytesReceived = 0;
    this.goaway = new Promise((resolve) => (this.toldToGo = resolve));
    this.closed = new Promise((resolve) => (this.ended = resolve));
    const end = (reason) => this.end(reason);
    transport.closed.then(
      ({ reason }) => end(reason || "the relay closed the session"),
      (error) => end(error.message),
    );
  }

  async setUp() {
    const hello = encodeSetup(this.draft, IMPLEMENTATION, REQUESTS_MAX);
    if (this.draft.ownStreams) {
      this.control = (await this.transport.createUnidirectionalStream()).getWriter();
      this.control.write(hello).catch(() => {});
      const peer = new Promise((resolve) => (this.peerControl = resolve));
      this.readStreams();
      this.readRequests();
      this.theirs = await peer;
    } else {
      const stream = await this.transport.createBidirectionalStream();
      this.control = stream.writable.getWriter();
      this.theirs = new Incoming(stream.readable, this.draft);
      this.control.write(hello).catch(() => {});
    }
    const answer = await this.theirs.message();
    const expected = this.draft.ownStreams ? MESSAGE.SETUP : MESSAGE.SERVER_SETUP;
    if (answer?.code !== expected) {
      throw new MoqError("setup", `${answer ? messageName(answer.code) : "nothing"} came instead of SETUP`);
    }
    if (!this.draft.ownStreams) this.readStreams();
    this.readControl();
    this.readDatagrams();
  }

  /** Ends the session. */
  close(reason = "done") {
    try {
      this.transport.close({ closeCode: 0, reason });
    } catch {
      // It was closed already.
    }
    this.end(reason);
  }

  end(reason) {
    this.ended(reason);
    const error = new MoqError("session", reason);
    for (const request of this.requests.values()) request.fail(error);
    this.requests.clear();
    for (const subscription of this.subscriptions.values()) subscription.finish(reason);
    for (const track of this.tracks.values()) track.forgetSubscribers();
  }

  // --- Asking ---

  /** Subscribes to a track. Options: `join` (begin at the start of the current group, so many
   * groups earlier if a number), `priority` (0 to 255, lower is sooner), `filter`. Iterate over it
   * for objects. */
  async subscribe(namespace, name, { join = false, ...options } = {}) {
    const track = { namespace: namespaceOf(namespace), name };
    const id = this.takeId();
    const subscription = new Subscription(this, id, track);
    const back = join === true ? 0 : join;
    if (back !== false && this.draft.fill) {
      options.fill = { groups: back + 1 };
      this.fetches.set(id, subscription);
    }
    const bytes = encodeSubscribe(this.draft, id, track, options);
    const request = this.request(id, `subscribe to ${track.namespace.join("/")} ${name}`, bytes);
    subscription.request = request;
    request.handle = (code, body) => subscription.handleMessage(code, body);
    request.end = () => subscription.finish("the relay ended the subscription");
    const { code, body } = await request.answer;
    if (code !== MESSAGE.SUBSCRIBE_OK) throw new Violation("answer to SUBSCRIBE", "type", messageName(code));
    subscription.accept(body);
    this.subscriptions.set(subscription.alias, subscription);
    for (const held of this.early.get(subscription.alias) ?? []) held(subscription);
    this.early.delete(subscription.alias);
    if (back !== false && !this.draft.fill && subscription.largest) {
      this.join(subscription, back, options.priority);
    }
    return subscription;
  }

  /** Fetches the past of a subscription into it. What cannot be had is left out. */
  join(subscription, groups, priority) {
    const id = this.takeId();
    this.fetches.set(id, subscription);
    const bytes = encodeJoiningFetch(this.draft, id, subscription.id, groups, priority);
    const request = this.request(id, "joining fetch", bytes);
    request.answer.catch(() => this.fetches.delete(id));
  }

  /** Fetches part of a track: `start` and `end` are `[group, object]`, inclusive; the end may leave
   * out its object. Iterate over it for objects. */
  async fetch(namespace, name, { start, end, priority }) {
    const track = { namespace: namespaceOf(namespace), name };
    const id = this.takeId();
    const fetched = new Subscription(this, id, track);
    this.fetches.set(id, fetched);
    fetched.isFetch = true;
    const bytes = encodeFetch(this.draft, id, track, { start, end, priority });
    fetched.request = this.request(id, `fetch of ${name}`, bytes);
    try {
      await fetched.request.answer;
    } catch (error) {
      this.fetches.delete(id);
      throw error;
    }
    // A stream that is reset may be gone before it said which fetch it was for.
    const giveUp = () => this.fetches.has(id) && !fetched.hasBegun && fetched.cancel();
    fetched.request.end = () => setTimeout(giveUp, LOST_STREAM_MS);
    setTimeout(giveUp, 4 * LOST_STREAM_MS);
    return fetched;
  }

  /** Tells of namespaces under a prefix: `added(fields)` and `removed(fields)`, with all fields. */
  async subscribeNamespace(prefix, { added, removed = () => {} }) {
    const fields = namespaceOf(prefix);
    const id = this.takeId();
    const { ownStreams, isOldest } = this.draft;
    if (isOldest && fields.length === 0) {
      throw new MoqError("list of namespaces", "draft 14 cannot list everything: name a prefix", NOT_SUPPORTED);
    }
    const code = ownStreams ? MESSAGE.SUBSCRIBE_NAMESPACE : MESSAGE.SUBSCRIBE_NAMESPACE_16;
    const bytes = encodeMessage(this.draft, code, (body) => {
      body.int(id).namespace(fields);
      // Namespaces, not tracks.
      if (!ownStreams && !isOldest) body.int(1);
      body.parameters([]);
    });
    const request = this.request(id, "list of namespaces", bytes, !isOldest);
    if (isOldest) this.listed.add({ fields, added, removed });
    request.handle = (answer, body) => {
      if (answer === MESSAGE.NAMESPACE) added([...fields, ...body.namespace()]);
      if (answer === MESSAGE.NAMESPACE_DONE) removed([...fields, ...body.namespace()]);
    };
    await request.answer;
    return { cancel: () => request.cancel() };
  }

  /** Publishes a namespace: the relay then asks for its tracks. */
  async publishNamespace(namespace) {
    const fields = namespaceOf(namespace);
    const id = this.takeId();
    const bytes = encodeMessage(this.draft, MESSAGE.PUBLISH_NAMESPACE, (body) =>
      body.int(id).namespace(fields).parameters([]),
    );
    const request = this.request(id, `publish ${fields.join("/")}`, bytes);
    await request.answer;
    return {
      done: () => {
        if (this.draft.ownStreams) return request.cancel();
        const { isOldest } = this.draft;
        const about = (body) => (isOldest ? body.namespace(fields) : body.int(id));
        this.send(encodeMessage(this.draft, MESSAGE.PUBLISH_NAMESPACE_DONE, about));
      },
    };
  }

  /** A track of a namespace that this session publishes; see `Track`. */
  track(namespace, name, options) {
    const fields = namespaceOf(namespace);
    const track = new Track(this, { namespace: fields, name }, options);
    this.tracks.set(keyOf(track.name), track);
    return track;
  }

  takeId() {
    this.nextId += 2;
    return this.nextId - 2;
  }

  /** Sends a request on its stream, or in draft 16 on the control stream. */
  request(id, step, bytes, ownStream = this.draft.ownStreams) {
    const request = new Request(this, id, step);
    this.requests.set(id, request);
    if (ownStream) request.open(bytes);
    else this.send(bytes);
    return request;
  }

  send(bytes) {
    this.control.write(bytes).catch(() => {});
  }

  // --- Listening ---

  async readControl() {
    try {
      for (;;) {
        const message = await this.theirs.message();
        if (message === undefined) return;
        this.handleControl(message.code, message.body);
      }
    } catch (error) {
      if (error instanceof Violation) this.close(error.message);
    }
  }

  handleControl(code, body) {
    if (code === MESSAGE.GOAWAY) return this.toldToGo(body.text());
    // Requests of a relay of draft 16, and answers to ours.
    if ([MESSAGE.SUBSCRIBE, MESSAGE.FETCH, MESSAGE.TRACK_STATUS, MESSAGE.PUBLISH].includes(code)) {
      const reply = (bytes) => this.send(bytes);
      return this.handleRequest(code, body, { reply, end: () => {} });
    }
    if (code === MESSAGE.PUBLISH_NAMESPACE) {
      const id = body.int();
      this.send(encodeMessage(this.draft, MESSAGE.REQUEST_OK, (answer) => answer.int(id)));
      return this.tell("added", body.namespace());
    }
    if (code === MESSAGE.PUBLISH_NAMESPACE_DONE) return this.tell("removed", body.namespace());
    if (code === MESSAGE.UNSUBSCRIBE) return this.unsubscribed(body.int());
    if (code === MESSAGE.REQUEST_UPDATE) {
      const id = body.int();
      this.updated(body.int(), decodeUpdateSettings(body));
      if (!this.draft.isOldest) this.send(this.ok(id));
      return undefined;
    }
    if (ERRORS_14.includes(code)) this.requests.get(body.int())?.handleMessage(MESSAGE.REQUEST_ERROR, body);
    else if (OK_14.includes(code)) this.requests.get(body.int())?.handleMessage(code, body);
    return undefined;
  }

  /** Namespaces as a relay of draft 14 tells them: it publishes them to who asked. */
  tell(what, namespace) {
    for (const listed of this.listed) {
      if (listed.fields.every((field, at) => namespace[at] === field)) listed[what](namespace);
    }
  }

  async readRequests() {
    const streams = this.transport.incomingBidirectionalStreams.getReader();
    for (;;) {
      const { done, value } = await streams.read().catch(() => ({ done: true }));
      if (done) return;
      this.readRequest(value).catch(() => {});
    }
  }

  async readRequest({ readable, writable }) {
    const incoming = new Incoming(readable, this.draft);
    const writer = writable.getWriter();
    const reply = (bytes) => writer.write(bytes).catch(() => {});
    const first = await incoming.message();
    if (first === undefined) return;
    const id = first.body.int();
    first.body.at = 0;
    this.handleRequest(first.code, first.body, { reply, end: () => writer.close().catch(() => {}) });
    try {
      for (let next; (next = await incoming.message()) !== undefined; ) {
        if (next.code !== MESSAGE.REQUEST_UPDATE) continue;
        next.body.int();
        this.updated(id, next.body.parameters());
        reply(this.ok());
      }
      // The end of the requester's side says only that no updates follow.
      if (this.draft.number < 19) this.unsubscribed(id);
      else writer.closed.catch(() => {}).finally(() => this.unsubscribed(id));
    } catch {
      this.unsubscribed(id);
      writer.close().catch(() => {});
    }
  }

  handleRequest(code, body, stream) {
    const id = body.int();
    const refuse = (reason, number) => {
      stream.reply(this.refusal(id, number, reason, code));
      stream.end();
    };
    if (code === MESSAGE.SUBSCRIBE) {
      const track = this.tracks.get(keyOf(body.track()));
      const given = decodeSubscribeSettings(body);
      return track ? track.handleSubscribe(id, given, stream) : refuse("no such track", ABSENT);
    }
    if (code === MESSAGE.FETCH) {
      const wanted = decodeFetch(body);
      const joined = wanted.joins === undefined ? undefined : this.trackOf(wanted.joins);
      const track = joined ?? (wanted.track && this.tracks.get(keyOf(wanted.track)));
      return track ? track.handleFetch(id, wanted, stream, refuse) : refuse("no such track", ABSENT);
    }
    return refuse("not supported here", NOT_SUPPORTED);
  }

  trackOf(id) {
    return [...this.tracks.values()].find((track) => track.subscribers.has(id));
  }

  unsubscribed(id) {
    this.trackOf(id)?.handleUnsubscribe(id);
  }

  updated(id, given) {
    this.trackOf(id)?.handleUpdate(id, given);
  }

  ok(id) {
    return encodeMessage(this.draft, MESSAGE.REQUEST_OK, (body) => this.about(body, id).parameters([]));
  }

  refusal(id, code, reason, request) {
    if (this.draft.isOldest) {
      return encodeMessage(this.draft, REFUSES_14[request], (body) => body.int(id).int(code).text(reason));
    }
    return encodeMessage(this.draft, MESSAGE.REQUEST_ERROR, (body) =>
      this.about(body, id).int(code).int(0).text(reason),
    );
  }

  /** Which request a message is about: said only up to draft 16. */
  about(body, id) {
    return this.draft.ownStreams ? body : body.int(id);
  }

  async readStreams() {
    const streams = this.transport.incomingUnidirectionalStreams.getReader();
    for (;;) {
      const { done, value } = await streams.read().catch(() => ({ done: true }));
      if (done) return;
      this.readStream(new Incoming(value, this.draft)).catch(() => {});
    }
  }

  async readStream(incoming) {
    const head = await incoming.parse(decodeStreamHead, "stream");
    if (head?.kind === "control") return this.peerControl(incoming);
    if (head?.kind === "subgroup") return this.readSubgroup(head, incoming);
    const target = head?.kind === "fetch" ? this.fetches.get(head.request) : undefined;
    if (target === undefined) return incoming.cancel("not wanted");
    target.hasBegun = true;
    const decoder = new FetchDecoder(this.draft);
    try {
      await this.readObjects(incoming, decoder, target, true);
      if (target.isFetch) target.finish("complete");
    } catch (error) {
      if (target.isFetch) target.finish(error.message);
    } finally {
      this.fetches.delete(head.request);
    }
  }

  async readSubgroup(head, incoming) {
    let subscription = this.subscriptions.get(head.alias);
    if (subscription === undefined) {
      // It overtook its SUBSCRIBE_OK.
      const held = this.early.get(head.alias) ?? [];
      if (held.length >= EARLY_STREAMS_MAX) return incoming.cancel("not subscribed");
      this.early.set(head.alias, held);
      subscription = await new Promise((resolve) => held.push(resolve));
    }
    subscription.streams.add(incoming);
    try {
      await this.readObjects(incoming, new SubgroupDecoder(head), subscription, false);
      if (head.endsGroup) subscription.handleEndOfGroup(head.group);
    } finally {
      subscription.streams.delete(incoming);
      subscription.streamsEnded++;
      subscription.checkDone();
    }
  }

  async readObjects(incoming, decoder, target, fetched) {
    for (;;) {
      if (target.isCancelled) return incoming.cancel("not wanted");
      const object = await incoming.parse((reader) => decoder.decode(reader), "object");
      if (object === undefined) return;
      if (object.mark !== undefined) continue;
      object.payload = await incoming.take(object.bytes);
      object.fetched = fetched;
      this.bytesReceived += object.bytes;
      target.handleObject(object);
    }
  }

  async readDatagrams() {
    const datagrams = this.transport.datagrams.readable.getReader();
    for (;;) {
      const { done, value } = await datagrams.read().catch(() => ({ done: true }));
      if (done) return;
      try {
        const object = decodeDatagram(this.draft, value);
        this.subscriptions.get(object?.alias)?.handleObject(object);
      } catch {
        // One datagram that cannot be read costs nothing but itself.
      }
    }
  }
}

function keyOf({ namespace, name }) {
  return JSON.stringify([namespace, name]);
}

/** A request of ours: `answer` comes once, later messages go to `handle`. */
class Request {
  constructor(session, id, step) {
    this.session = session;
    this.id = id;
    this.step = step;
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.fail = reject;
    });
    this.answer.catch(() => {});
    this.handle = () => {};
    this.end = () => {};
  }

  async open(bytes) {
    try {
      const stream = await this.session.transport.createBidirectionalStream();
      this.writer = stream.writable.getWriter();
      this.incoming = new Incoming(stream.readable, this.session.draft);
      this.writer.write(bytes).catch(() => {});
      for (let next; (next = await this.incoming.message()) !== undefined; ) {
        // In draft 16 answers name their request on its own stream too.
        const answer = [MESSAGE.REQUEST_OK, MESSAGE.REQUEST_ERROR].includes(next.code);
        if (answer && !this.session.draft.ownStreams) next.body.int();
        this.handleMessage(next.code, next.body);
      }
      this.fail(new MoqError(this.step, "the relay ended the request without an answer"));
    } catch (error) {
      this.fail(new MoqError(this.step, error.message));
    }
    this.session.requests.delete(this.id);
    this.end();
  }

  handleMessage(code, body) {
    if (code === MESSAGE.REQUEST_ERROR) {
      const number = body.int();
      if (!this.session.draft.isOldest) body.int();
      const reason = body.text();
      const meaning = ERRORS[number] ?? `error 0x${number.toString(16)}`;
      this.fail(new MoqError(this.step, reason ? `${meaning} (${reason})` : meaning, number));
      return;
    }
    if (this.answered) return this.handle(code, body);
    this.answered = true;
    this.resolve({ code, body });
  }

  /** Sends a message about it. */
  send(bytes) {
    if (this.writer) this.writer.write(bytes).catch(() => {});
    else this.session.send(bytes);
  }

  cancel() {
    this.session.requests.delete(this.id);
    this.incoming?.cancel("not wanted");
    this.writer?.close().catch(() => {});
  }
}
