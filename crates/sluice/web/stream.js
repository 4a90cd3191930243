// Reading a byte stream that arrives in pieces.

import { Incomplete, Reader } from "./wire.js";

/** Longest head or message that is waited for. */
const HEAD_BYTES_MAX = 70_000;
/** Longest payload of one object. */
const PAYLOAD_BYTES_MAX = 64 * 2 ** 20;

/** What comes in on a stream: `parse` for fields, `take` for payloads. */
export class Incoming {
  constructor(readable, draft) {
    this.reader = readable.getReader();
    this.draft = draft;
    this.bytes = new Uint8Array(0);
    this.at = 0;
  }

  /** Waits for more; false at the end. */
  async more() {
    const { done, value } = await this.reader.read();
    if (done) return false;
    const rest = this.bytes.subarray(this.at);
    if (rest.length === 0) {
      this.bytes = value;
    } else {
      this.bytes = new Uint8Array(rest.length + value.length);
      this.bytes.set(rest);
      this.bytes.set(value, rest.length);
    }
    this.at = 0;
    return true;
  }

  /** What `read` makes of the next bytes, called again with more until it has enough; undefined if
   * the stream ends before anything came. */
  async parse(read, where) {
    for (;;) {
      const reader = new Reader(this.draft, this.bytes.subarray(this.at), where);
      try {
        const found = reader.left > 0 ? read(reader) : undefined;
        if (reader.left > 0 || reader.at > 0) {
          this.at += reader.at;
          return found;
        }
      } catch (error) {
        if (!(error instanceof Incomplete)) throw error;
        if (reader.left + reader.at > HEAD_BYTES_MAX) throw new Error(`${where}: too long`);
      }
      if (!(await this.more())) {
        if (this.at < this.bytes.length) throw new Error(`${where}: the stream ends inside it`);
        return undefined;
      }
    }
  }

  /** So many bytes. */
  async take(count) {
    if (count > PAYLOAD_BYTES_MAX) throw new Error(`an object of ${count} bytes is too large`);
    const taken = new Uint8Array(count);
    let filled = 0;
    for (;;) {
      const part = this.bytes.subarray(this.at, this.at + count - filled);
      taken.set(part, filled);
      this.at += part.length;
      filled += part.length;
      if (filled === count) return taken;
      if (!(await this.more())) throw new Error("the stream ends inside an object");
    }
  }

  /** The next message, `{ code, body }`; undefined at the end. */
  message() {
    return this.parse((reader) => {
      const code = reader.int();
      const length = reader.byte() * 256 + reader.byte();
      return { code, body: new Reader(reader.draft, reader.take(length).slice()) };
    }, "message");
  }

  /** Wants no more of it. */
  cancel(reason) {
    this.reader.cancel(reason).catch(() => {});
  }
}
