// Publishes through the relay on one session, receives on another, counts, and reports.

import { Input, Session } from "./moqt.js";
import { draft, hash, query, report, url } from "./report.js";

const seconds = Number(query.get("seconds"));

const NAMESPACE = ["page", String(draft)];
const STREAMS_A_SECOND = 100;
const DATAGRAMS_A_SECOND = 50;
const PAYLOAD_BYTES = 40;
// Nothing new for this long: what has not come by now is lost.
const GIVE_UP_MS = 15_000;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function payloadOf(group) {
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(group & 0xff);
  new DataView(payload.buffer).setUint32(0, group);
  return payload;
}

function isPayloadOf(group, payload) {
  return payload?.length === PAYLOAD_BYTES && payloadOf(group).every((byte, at) => byte === payload[at]);
}

/** What arrives at the viewer. */
class Received {
  constructor() {
    this.groups = new Set();
    this.datagrams = new Set();
    this.doubled = 0;
    this.broken = 0;
    this.lastAt = performance.now();
  }

  note(seen, group, intact) {
    this.lastAt = performance.now();
    this.doubled += seen.has(group) ? 1 : 0;
    this.broken += intact ? 0 : 1;
    seen.add(group);
  }

  async readStreams(session) {
    for (;;) {
      const { done, value } = await session.incoming.read();
      if (done) return;
      this.readStream(new Input(value, session.draft.ints));
    }
  }

  async readStream(input) {
    const kind = await input.int();
    await input.int(); // the alias
    const group = await input.int();
    const subgroup = (kind & 0x06) === 0x04 ? await input.int() : 0;
    await input.take(kind & 0x20 ? 0 : 1);
    const objects = [];
    let delta;
    while ((delta = await input.int()) !== null) {
      if (kind & 1) await input.take(await input.int());
      const length = await input.int();
      const payload = length > 0 ? await input.take(length) : null;
      const status = length > 0 ? 0 : await input.int();
      objects.push({ delta, payload, status });
    }
    const [object, end, more] = objects;
    const intact = isPayloadOf(group, object?.payload) && end?.status === 3 && more === undefined;
    this.note(this.groups, group, intact && subgroup === group);
  }

  async readDatagrams(session) {
    const reader = session.transport.datagrams.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const input = Input.of(value, session.draft.ints);
      const kind = await input.int();
      await input.int(); // the alias
      const group = await input.int();
      if (!(kind & 4)) await input.int();
      if (!(kind & 8)) await input.take(1);
      this.note(this.datagrams, group, isPayloadOf(group, input.bytes));
    }
  }
}

/** Opens three streams at once, their first bytes written at once. */
async function openThreeAtOnce(session) {
  const prefixes = ["one", "two", "three"].map((name) => ["together", String(draft), name]);
  const answers = await Promise.all(prefixes.map((prefix) => session.subscribeNamespace(prefix)));
  return answers.length;
}

/** Sends a group on a stream of its own and returns what ends it. */
async function sendGroup(session, alias, group) {
  const writer = (await session.transport.createUnidirectionalStream()).getWriter();
  await writer.write(session.group(alias, group, payloadOf(group)));
  return async () => {
    await writer.write(session.endOfGroup());
    await writer.close();
  };
}

/** Audio as encoders send it: each stream stays open until the next one begins. */
async function sendStreams(session, alias) {
  const total = STREAMS_A_SECOND * seconds;
  const ended = [];
  const begin = performance.now();
  // Three to begin with, at once.
  let open = await Promise.all([0, 1, 2].map((group) => sendGroup(session, alias, group)));
  for (let group = 3; group < total; group++) {
    const due = begin + (group * 1000) / STREAMS_A_SECOND;
    if (performance.now() < due) await pause(due - performance.now());
    const next = await sendGroup(session, alias, group);
    ended.push(...open.map((end) => end()));
    open = [next];
  }
  ended.push(...open.map((end) => end()));
  await Promise.all(ended);
  return total;
}

async function sendDatagrams(session, alias) {
  const total = DATAGRAMS_A_SECOND * seconds;
  const writer = session.transport.datagrams.writable.getWriter();
  const begin = performance.now();
  for (let group = 0; group < total; group++) {
    const due = begin + (group * 1000) / DATAGRAMS_A_SECOND;
    if (performance.now() < due) await pause(due - performance.now());
    await writer.write(session.datagram(alias, group, payloadOf(group)));
  }
  return total;
}

async function run() {
  const publisher = await Session.open(url, hash, draft);
  const together = await openThreeAtOnce(publisher);
  await publisher.publishNamespace(NAMESPACE);
  const viewer = await Session.open(url, hash, draft);
  const received = new Received();
  received.readStreams(viewer);
  received.readDatagrams(viewer);
  for (const [alias, name] of ["audio", "data"].entries()) {
    const [asked] = await Promise.all([publisher.accept(alias), viewer.subscribe(NAMESPACE, name)]);
    if (asked !== name) throw new Error(`${asked} was asked for instead of ${name}`);
  }
  const begin = performance.now();
  const [streams, datagrams] = await Promise.all([sendStreams(publisher, 0), sendDatagrams(publisher, 1)]);
  const sending = performance.now() - begin;
  received.lastAt = performance.now();
  while (received.groups.size < streams && performance.now() < received.lastAt + GIVE_UP_MS) {
    await pause(50);
  }
  await report("done", {
    together,
    streams_sent: streams,
    streams_received: received.groups.size,
    datagrams_sent: datagrams,
    datagrams_received: received.datagrams.size,
    doubled: received.doubled,
    broken: received.broken,
    sending_ms: Math.round(sending),
    datagram_bytes_max: publisher.transport.datagrams.maxDatagramSize,
  });
  for (const session of [publisher, viewer]) session.transport.close({ closeCode: 0, reason: "done" });
}

run().catch((error) => report("failed", { error: error?.stack ?? error }));
