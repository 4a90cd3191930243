// As much of drafts 14, 16 and 18 as a publisher and a viewer of one page need: bytes, and a
// session. Draft 14 is what a browser speaks that cannot offer protocols.

// Integers: as many leading ones as bytes follow (18), or the length in two bits (16).
const MOQ = {
  write(value) {
    for (let length = 1; length <= 7; length++) {
      if (value < 2 ** (7 * length)) return bigEndian(value, length, 0xff00 >> (length - 1));
    }
    throw new Error(`${value} is not needed here`);
  },
  follow: (first) => Math.clz32(~(first << 24)),
  value: (first, follow) => (follow < 7 ? first & (0x7f >> follow) : 0),
};
const QUIC = {
  write(value) {
    if (value < 2 ** 6) return bigEndian(value, 1, 0x00);
    if (value < 2 ** 14) return bigEndian(value, 2, 0x40);
    if (value < 2 ** 30) return bigEndian(value, 4, 0x80);
    throw new Error(`${value} is not needed here`);
  },
  follow: (first) => 2 ** (first >> 6) - 1,
  value: (first) => first & 0x3f,
};

function bigEndian(value, length, mark) {
  const bytes = [];
  for (let at = 0; at < length; at++) bytes.unshift(Math.floor(value / 256 ** at) & 0xff);
  bytes[0] |= mark & 0xff;
  return bytes;
}

export const DRAFTS = {
  18: { token: "moqt-18", ints: MOQ, header: 0x55, ownStreams: true },
  16: { token: "moqt-16", ints: QUIC, header: 0x15, ownStreams: false },
  14: { ints: QUIC, header: 0x15, ownStreams: false },
};

const encoder = new TextEncoder();

/** Reads a byte stream piece by piece. */
export class Input {
  constructor(readable, ints) {
    this.reader = readable.getReader();
    this.ints = ints;
    this.bytes = new Uint8Array(0);
  }

  /** So many bytes, or null if the stream ends before them. */
  async take(count) {
    while (this.bytes.length < count) {
      const { done, value } = await this.reader.read();
      if (done) return null;
      const joined = new Uint8Array(this.bytes.length + value.length);
      joined.set(this.bytes);
      joined.set(value, this.bytes.length);
      this.bytes = joined;
    }
    const taken = this.bytes.slice(0, count);
    this.bytes = this.bytes.slice(count);
    return taken;
  }

  async int() {
    const first = await this.take(1);
    if (first === null) return null;
    const follow = this.ints.follow(first[0]);
    let value = this.ints.value(first[0], follow);
    for (const byte of await this.take(follow)) value = value * 256 + byte;
    return value;
  }

  /** The next message, `{ kind, body }`, or null at the end. */
  async message() {
    const kind = await this.int();
    if (kind === null) return null;
    const length = await this.take(2);
    const body = await this.take(length[0] * 256 + length[1]);
    return { kind, body: Input.of(body, this.ints) };
  }

  static of(bytes, ints) {
    const input = Object.create(Input.prototype);
    input.reader = { read: async () => ({ done: true }) };
    input.ints = ints;
    input.bytes = bytes;
    return input;
  }
}

/** A session of one draft over WebTransport. */
export class Session {
  static async open(url, hash, number) {
    const session = new Session();
    session.draft = DRAFTS[number];
    session.nextId = 0;
    session.waiting = new Map();
    session.subscribes = [];
    const { token, ownStreams } = session.draft;
    session.transport = new WebTransport(url, {
      serverCertificateHashes: [{ algorithm: "sha-256", value: hash }],
      ...(token === undefined ? {} : { protocols: [token] }),
    });
    await session.transport.ready;
    if (token !== undefined && session.transport.protocol !== token) {
      throw new Error(`protocol ${session.transport.protocol} instead of ${token}`);
    }
    await (ownStreams ? session.setUp18() : session.setUpInOrder());
    return session;
  }

  bytes(...parts) {
    return new Uint8Array(
      parts.flatMap((part) => (typeof part === "number" ? this.draft.ints.write(part) : [...part])),
    );
  }

  text(text) {
    const bytes = encoder.encode(text);
    return this.bytes(bytes.length, bytes);
  }

  namespace(fields) {
    return this.bytes(fields.length, ...fields.map((field) => this.text(field)));
  }

  message(kind, ...parts) {
    const body = this.bytes(...parts);
    return this.bytes(kind, [body.length >> 8, body.length & 0xff], body);
  }

  async setUp18() {
    const control = (await this.transport.createUnidirectionalStream()).getWriter();
    this.control = control;
    await control.write(this.message(0x2f00, this.bytes(7), this.text("page")));
    this.incoming = this.transport.incomingUnidirectionalStreams.getReader();
    const { value } = await this.incoming.read();
    this.theirs = new Input(value, this.draft.ints);
    const setup = await this.theirs.message();
    if (setup.kind !== 0x2f00) throw new Error(`${setup.kind} instead of SETUP`);
  }

  get is14() {
    return this.draft.token === undefined;
  }

  async setUpInOrder() {
    const stream = await this.transport.createBidirectionalStream();
    this.control = stream.writable.getWriter();
    this.theirs = new Input(stream.readable, this.draft.ints);
    // One version; MAX_REQUEST_ID 1000.
    const versions = this.is14 ? [1, 0xc0, 0, 0, 0, 0xff, 0, 0, 14] : [];
    await this.control.write(this.message(0x20, versions, 1, 2, 1000));
    const setup = await this.theirs.message();
    if (setup.kind !== 0x21) throw new Error(`${setup.kind} instead of SERVER_SETUP`);
    this.incoming = this.transport.incomingUnidirectionalStreams.getReader();
    this.readControl();
  }

  async readControl() {
    for (;;) {
      const message = await this.theirs.message();
      if (message === null) return;
      if (message.kind === 0x03) {
        this.subscribes.shift()?.(message.body);
        continue;
      }
      const id = await message.body.int();
      this.waiting.get(id)?.(message);
    }
  }

  takeId() {
    this.nextId += 2;
    return this.nextId - 2;
  }

  /** Makes a request and returns the answer's body. `parts` follow the id. */
  async request(kind, expected, ...parts) {
    const id = this.takeId();
    const bytes = this.message(kind, id, ...parts);
    let answer;
    const namespaceStream = kind === 0x11 && !this.is14;
    if (this.draft.ownStreams || namespaceStream) {
      const stream = await this.transport.createBidirectionalStream();
      const writer = stream.writable.getWriter();
      const input = new Input(stream.readable, this.draft.ints);
      (this.requests ??= []).push({ writer, input });
      await writer.write(bytes);
      answer = await input.message();
      if (namespaceStream) await answer.body.int();
    } else {
      const answered = new Promise((resolve) => this.waiting.set(id, resolve));
      await this.control.write(bytes);
      answer = await answered;
    }
    if (answer?.kind !== expected) throw new Error(`${answer?.kind} instead of ${expected}`);
    return answer.body;
  }

  publishNamespace(fields) {
    return this.request(0x06, 0x07, this.namespace(fields), 0);
  }

  subscribeNamespace(fields) {
    const prefix = this.namespace(fields);
    if (this.is14) return this.request(0x11, 0x12, prefix, 0);
    // What 16 asks for: namespaces alone.
    return this.draft.ownStreams
      ? this.request(0x50, 0x07, prefix, 0)
      : this.request(0x11, 0x07, prefix, 1, 0);
  }

  /** Subscribes from the next object on; the track's alias. */
  async subscribe(fields, name) {
    // 14: priority, order, forward, filter; later ones: a parameter with the filter.
    const settings = this.is14 ? [128, 0, 1, 2, 0] : [1, 0x21, 1, 2];
    const track = [this.namespace(fields), this.text(name)];
    const body = await this.request(0x03, 0x04, ...track, settings);
    return body.int();
  }

  /** Accepts the relay's next SUBSCRIBE under this alias; its track's name. */
  async accept(alias) {
    let body, answer;
    if (this.draft.ownStreams) {
      this.bidis ??= this.transport.incomingBidirectionalStreams.getReader();
      const { value } = await this.bidis.read();
      const input = new Input(value.readable, this.draft.ints);
      const writer = value.writable.getWriter();
      (this.requests ??= []).push({ writer, input });
      ({ body } = await input.message());
      answer = (_id) => writer.write(this.message(0x04, alias, 0));
    } else {
      body = await new Promise((resolve) => this.subscribes.push(resolve));
      // 14: expires, order, no content yet, no parameters.
      const rest = this.is14 ? [0, 1, 0, 0] : [0];
      answer = (id) => this.control.write(this.message(0x04, id, alias, rest));
    }
    const id = await body.int();
    const fields = await body.int();
    for (let at = 0; at < fields; at++) await body.take(await body.int());
    const name = new TextDecoder().decode(await body.take(await body.int()));
    await answer(id);
    return name;
  }

  /** The head of a group's stream, with its only object. The subgroup's id is the group's. */
  group(alias, group, payload) {
    const { header } = this.draft;
    return this.bytes(header, alias, group, group, [9], 0, 0, payload.length, payload);
  }

  /** The object that ends a group. */
  endOfGroup() {
    return this.bytes(0, 0, 0, 3);
  }

  /** An object in a datagram, that ends its group. */
  datagram(alias, group, payload) {
    return this.bytes(2, alias, group, 0, [9], payload);
  }
}
