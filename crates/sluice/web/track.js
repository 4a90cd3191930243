// Tracks: those that are received, and those that are published.

import {
  MESSAGE,
  decodeSubscribeOk,
  encodeFetchHead,
  encodeFetchOk,
  encodeFetched,
  encodeMessage,
  encodeObject,
  encodeSubgroupHead,
  encodeSubscribeOk,
} from "./wire.js";

const END_OF_GROUP = 3;
const END_OF_TRACK = 4;
const TRACK_ENDED = 0x2;

/** Objects of one track, by a subscription or a fetch:
 * `{ group, subgroup, object, properties, payload, status, fetched }`. */
export class Subscription {
  constructor(session, id, track) {
    this.session = session;
    this.id = id;
    this.track = track;
    this.streams = new Set();
    this.streamsEnded = 0;
    this.queue = [];
    this.isCancelled = false;
  }

  accept(body) {
    // Its alias, the largest location that there was, `[group, object]`, and the track's properties.
    Object.assign(this, decodeSubscribeOk(body));
  }

  handleObject(object) {
    if (this.isCancelled) return;
    if (object.status === END_OF_TRACK) return;
    this.push(object);
  }

  /** The group ended by its stream's end. */
  handleEndOfGroup(group) {
    this.push({ group, status: END_OF_GROUP, payload: new Uint8Array(0) });
  }

  handleMessage(code, body) {
    if (code !== MESSAGE.PUBLISH_DONE) return;
    const [status, streams, reason] = [body.int(), body.int(), body.text()];
    this.done = { streams, reason: reason || (status === TRACK_ENDED ? "the track ended" : `status ${status}`) };
    this.checkDone();
  }

  /** Ends once every stream that was announced has come. */
  checkDone() {
    if (!this.done) return;
    const missing = this.done.streams < 2 ** 53 ? this.done.streams - this.streamsEnded : this.streams.size;
    if (missing <= 0 && this.streams.size === 0) this.finish(this.done.reason);
    // Streams that were reset before they said whose they are never come.
    else this.timer ??= setTimeout(() => this.finish(this.done.reason), 2_000);
  }

  push(object) {
    if (this.waiting) {
      const { waiting } = this;
      this.waiting = undefined;
      waiting({ done: false, value: object });
    } else {
      this.queue.push(object);
    }
  }

  /** No more objects come; `ended` says why. */
  finish(reason) {
    if (this.ended !== undefined) return;
    this.ended = reason;
    this.session.subscriptions.delete(this.alias);
    this.waiting?.({ done: true });
  }

  next() {
    if (this.queue.length > 0) return Promise.resolve({ done: false, value: this.queue.shift() });
    if (this.ended !== undefined) return Promise.resolve({ done: true });
    return new Promise((resolve) => (this.waiting = resolve));
  }

  [Symbol.asyncIterator]() {
    return { next: () => this.next(), return: () => (this.cancel(), Promise.resolve({ done: true })) };
  }

  /** Wants no more. */
  cancel() {
    if (this.isCancelled) return;
    this.isCancelled = true;
    this.queue = [];
    const { session, id } = this;
    if (!session.draft.ownStreams) {
      const code = this.isFetch ? MESSAGE.FETCH_CANCEL : MESSAGE.UNSUBSCRIBE;
      session.send(encodeMessage(session.draft, code, (body) => body.int(id)));
    }
    this.request?.cancel();
    for (const stream of this.streams) stream.cancel("not wanted");
    session.fetches.delete(id);
    this.finish("cancelled");
  }
}

/** A track that is published. Objects go out only while `isWanted`; `wanted` is called whenever
 * somebody new wants them, which is the time for a new group. The newest group is kept, so that
 * who comes in its middle can fetch its start. */
export class Track {
  constructor(session, name, { priority = 128, wanted = () => {} } = {}) {
    this.session = session;
    this.name = name;
    this.priority = priority;
    this.wanted = wanted;
    this.subscribers = new Map();
    this.kept = [];
    /** Streams that ended here and have not arrived. */
    this.ending = new Set();
    /** Groups that were given up because the network was slower than the publisher. */
    this.droppedGroups = 0;
  }

  get isWanted() {
    return [...this.subscribers.values()].some(({ forward }) => forward);
  }

  /** Bytes that the transport has not taken yet. */
  get queuedBytes() {
    let bytes = 0;
    for (const { open } of this.subscribers.values()) bytes += open?.queuedBytes ?? 0;
    return bytes;
  }

  /** How long the oldest group that ended has been on its way, in ms. Browsers take many bytes before
   * they say that they wait, but tell when a stream has arrived. */
  get lateMs() {
    const [oldest] = this.ending;
    return oldest ? performance.now() - oldest.endedAt : 0;
  }

  /** Sends an object; a new group id begins a group. Ids ascend. */
  write(group, object, payload, properties = new Map()) {
    if (this.group !== group) {
      this.endGroup();
      this.group = group;
      this.kept = [];
    }
    this.largest = [group, object];
    this.kept.push({ group, object, payload, properties });
    for (const subscriber of this.subscribers.values()) {
      if (subscriber.forward) subscriber.write(group, object, payload, properties);
    }
  }

  /** Says that the current group has no more objects. */
  endGroup() {
    for (const subscriber of this.subscribers.values()) subscriber.endGroup();
  }

  /** Gives up what was not sent of the current group; the next object should begin another. */
  dropGroup() {
    this.droppedGroups++;
    for (const subscriber of this.subscribers.values()) subscriber.dropGroup();
  }

  /** Ends the track for everybody. */
  finish() {
    this.endGroup();
    for (const [id, subscriber] of this.subscribers) {
      subscriber.end(id, TRACK_ENDED, "the publisher ended the track");
    }
    this.subscribers.clear();
  }

  handleSubscribe(id, { forward = 1 }, stream) {
    const alias = this.session.nextAlias++;
    const { draft } = this.session;
    const subscriber = new Subscriber(this, alias, stream);
    subscriber.forward = forward !== 0;
    this.subscribers.set(id, subscriber);
    stream.reply(
      encodeMessage(draft, MESSAGE.SUBSCRIBE_OK, (body) =>
        encodeSubscribeOk(this.session.about(body, id), alias, this.largest, this.priority),
      ),
    );
    if (subscriber.forward) this.wanted();
  }

  handleUpdate(id, { forward }) {
    const subscriber = this.subscribers.get(id);
    if (subscriber === undefined || forward === undefined) return;
    const begins = forward !== 0 && !subscriber.forward;
    subscriber.forward = forward !== 0;
    if (begins) this.wanted();
    else if (!subscriber.forward) subscriber.dropGroup();
  }

  handleUnsubscribe(id) {
    this.subscribers.get(id)?.dropGroup();
    this.subscribers.delete(id);
  }

  forgetSubscribers() {
    this.subscribers.clear();
  }

  /** Answers a fetch from the group that is kept. */
  async handleFetch(id, { start, end, joins }, stream, refuse) {
    const from = joins === undefined ? start : [this.group, 0];
    const to = joins === undefined ? end : [Infinity, Infinity];
    const upTo = ([group, object], [otherGroup, otherObject]) =>
      group < otherGroup || (group === otherGroup && object <= otherObject);
    const at = ({ group, object }) => [group, object];
    const found = this.kept.filter((it) => upTo(from, at(it)) && upTo(at(it), to));
    if (found.length === 0) return refuse("not kept", 0x11);
    const { draft, transport } = this.session;
    const last = found.at(-1);
    stream.reply(
      encodeMessage(draft, MESSAGE.FETCH_OK, (body) => encodeFetchOk(this.session.about(body, id), last)),
    );
    const writer = (await transport.createUnidirectionalStream()).getWriter();
    writer.write(encodeFetchHead(draft, id)).catch(() => {});
    let before;
    for (const item of found) {
      const whole = { ...item, priority: this.priority, bytes: item.payload.length };
      writer.write(encodeFetched(draft, before, whole)).catch(() => {});
      writer.write(item.payload).catch(() => {});
      before = item;
    }
    await writer.close().catch(() => {});
    stream.end();
  }
}

/** Who receives a published track: a stream for each group. */
class Subscriber {
  constructor(track, alias, stream) {
    this.track = track;
    this.alias = alias;
    this.stream = stream;
    this.streams = 0;
    this.forward = true;
  }

  write(group, object, payload, properties) {
    if (this.open?.group !== group) {
      this.streams++;
      this.open = new GroupStream(this.track, this.alias, group, object);
    }
    this.open.write(object, payload, properties);
  }

  endGroup() {
    this.open?.end();
    this.open = undefined;
  }

  dropGroup() {
    this.open?.drop();
    this.open = undefined;
  }

  end(id, status, reason) {
    const { session } = this.track;
    this.stream.reply(
      encodeMessage(session.draft, MESSAGE.PUBLISH_DONE, (body) =>
        session.about(body, id).int(status).int(this.streams).text(reason),
      ),
    );
    this.stream.end();
  }
}

/** The stream of one group. What is written waits for the stream to open. */
class GroupStream {
  constructor(track, alias, group, first) {
    this.track = track;
    this.group = group;
    this.queuedBytes = 0;
    const { session, priority } = track;
    // Larger goes first: by priority, and newer groups before older ones.
    const sendOrder = (255 - priority) * 2 ** 32 + (group % 2 ** 32);
    this.writer = session.transport
      .createUnidirectionalStream({ sendOrder })
      .then((stream) => stream.getWriter());
    this.writer.catch(() => {});
    this.send(encodeSubgroupHead(session.draft, alias, group, priority, first === 0));
  }

  write(object, payload, properties) {
    const { draft } = this.track.session;
    this.send(encodeObject(draft, this.previous, object, properties, payload.length));
    if (payload.length > 0) this.send(payload);
    this.previous = object;
  }

  async send(bytes) {
    this.queuedBytes += bytes.length;
    try {
      await (await this.writer).write(bytes);
    } catch {
      // The stream or the session ended.
    }
    this.queuedBytes -= bytes.length;
  }

  end() {
    const { draft } = this.track.session;
    if (this.previous !== undefined) {
      this.send(encodeObject(draft, this.previous, this.previous + 1, new Map(), 0, END_OF_GROUP));
    }
    const { ending } = this.track;
    this.endedAt = performance.now();
    ending.add(this);
    this.writer.then((writer) => writer.close()).catch(() => {}).finally(() => ending.delete(this));
  }

  drop() {
    this.writer.then((writer) => writer.abort("given up")).catch(() => {});
  }
}
