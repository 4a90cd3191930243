// CMAF: the header of a track, and the samples of its chunks.

/** Boxes of a range, `{ type, start, end }`, contents without their head. */
function* boxes(view, start, end) {
  while (start + 8 <= end) {
    let size = view.getUint32(start);
    let head = 8;
    if (size === 1) {
      size = Number(view.getBigUint64(start + 8));
      head = 16;
    }
    if (size === 0) size = end - start;
    if (size < head || start + size > end) throw new Error("MP4: a box larger than what holds it");
    const type = String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + start + 4, 4));
    yield { type, start: start + head, end: start + size };
    start += size;
  }
}

/** The first box at a path, or undefined. */
function find(view, path, start = 0, end = view.byteLength) {
  const [type, ...rest] = path;
  for (const box of boxes(view, start, end)) {
    if (box.type === type) return rest.length === 0 ? box : find(view, rest, box.start, box.end);
  }
  return undefined;
}

function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What a CMAF header says of its track: `{ timescale, shift, description }`. `shift` is the media
 * time that is shown first, in ticks; `description` is what WebCodecs calls by that name. */
export function readHeader(bytes) {
  const view = viewOf(bytes);
  const media = find(view, ["moov", "trak", "mdia", "mdhd"]);
  if (media === undefined) throw new Error("MP4: no track in the header");
  const wide = view.getUint8(media.start) === 1;
  const timescale = view.getUint32(media.start + (wide ? 20 : 12));
  const defaults = find(view, ["moov", "mvex", "trex"]);
  return {
    timescale,
    shift: firstMediaTime(view),
    duration: defaults ? view.getUint32(defaults.start + 12) : 0,
    flags: defaults ? view.getUint32(defaults.start + 20) : 0,
    description: descriptionOf(bytes, view),
  };
}

function firstMediaTime(view) {
  const edits = find(view, ["moov", "trak", "edts", "elst"]);
  if (edits === undefined) return 0;
  const wide = view.getUint8(edits.start) === 1;
  const size = wide ? 20 : 12;
  for (let at = 0; at < view.getUint32(edits.start + 4); at++) {
    const entry = edits.start + 8 + at * size;
    const time = wide ? Number(view.getBigInt64(entry + 8)) : view.getInt32(entry + 4);
    if (time >= 0) return time;
  }
  return 0;
}

/** Bytes of a sample entry before its boxes. */
const ENTRY_BYTES = { video: 78, audio: 28 };

function descriptionOf(bytes, view) {
  const list = find(view, ["moov", "trak", "mdia", "minf", "stbl", "stsd"]);
  for (const entry of boxes(view, list.start + 8, list.end)) {
    const audio = ["mp4a", "Opus", "fLaC", "enca"].includes(entry.type);
    const start = entry.start + (audio ? ENTRY_BYTES.audio : ENTRY_BYTES.video);
    for (const box of boxes(view, start, entry.end)) {
      const content = bytes.slice(box.start, box.end);
      if (box.type === "avcC" || box.type === "hvcC") return content;
      if (box.type === "esds") return audioSpecificConfig(content);
      if (box.type === "dOps") return opusHead(content);
    }
  }
  return undefined;
}

/** The DecoderSpecificInfo inside an esds box. */
function audioSpecificConfig(esds) {
  for (let at = 4; at < esds.length; ) {
    const tag = esds[at++];
    let size = 0;
    while (esds[at] & 0x80) size = (size << 7) | (esds[at++] & 0x7f);
    size = (size << 7) | esds[at++];
    if (tag === 0x05) return esds.slice(at, at + size);
    // Descriptors that hold others: step inside.
    if (tag === 0x03) at += 3;
    else if (tag === 0x04) at += 13;
    else at += size;
  }
  return undefined;
}

/** An OpusHead out of a dOps box: the same fields, the integers turned around. */
function opusHead(dops) {
  const head = new Uint8Array(8 + dops.length);
  head.set(new TextEncoder().encode("OpusHead"));
  head.set(dops, 8);
  head[8] = 1;
  const [from, to] = [viewOf(dops), viewOf(head)];
  to.setUint16(10, from.getUint16(2), true);
  to.setUint32(12, from.getUint32(4), true);
  to.setInt16(16, from.getInt16(8), true);
  return head;
}

/** The samples of a chunk in decoding order: `{ time, duration, isKey, data }`, times in µs. */
export function readChunk(bytes, header) {
  const view = viewOf(bytes);
  const samples = [];
  let moof;
  for (const box of boxes(view, 0, bytes.length)) {
    if (box.type === "moof") moof = box;
    if (box.type === "mdat" && moof) samples.push(...readFragment(bytes, view, moof, box, header));
  }
  return samples;
}

const NOT_SYNC = 0x10000;

function readFragment(bytes, view, moof, mdat, header) {
  const traf = find(view, ["traf"], moof.start, moof.end);
  const within = (type) => find(view, [type], traf.start, traf.end);
  const [tfhd, tfdt] = [within("tfhd"), within("tfdt")];
  const flags = view.getUint32(tfhd.start) & 0xffffff;
  let at = tfhd.start + 8;
  const optional = (bit, size, fallback) => {
    if (!(flags & bit)) return fallback;
    at += size;
    return view.getUint32(at - 4);
  };
  optional(0x01, 8);
  optional(0x02, 4);
  const defaults = {
    duration: optional(0x08, 4, header.duration),
    size: optional(0x10, 4, 0),
    flags: optional(0x20, 4, header.flags),
  };
  let decode = tfdt
    ? view.getUint8(tfdt.start) === 1
      ? Number(view.getBigUint64(tfdt.start + 4))
      : view.getUint32(tfdt.start + 4)
    : 0;
  let data = mdat.start;
  const samples = [];
  for (const box of boxes(view, traf.start, traf.end)) {
    if (box.type !== "trun") continue;
    for (const sample of readRun(view, box, defaults)) {
      const time = ((decode + sample.offset - header.shift) / header.timescale) * 1e6;
      const duration = (sample.duration / header.timescale) * 1e6;
      const isKey = (sample.flags & NOT_SYNC) === 0;
      samples.push({ time, duration, isKey, data: bytes.subarray(data, data + sample.size) });
      decode += sample.duration;
      data += sample.size;
    }
  }
  return samples;
}

function* readRun(view, run, defaults) {
  const flags = view.getUint32(run.start) & 0xffffff;
  const signed = view.getUint8(run.start) === 1;
  const count = view.getUint32(run.start + 4);
  let at = run.start + 8 + (flags & 0x01 ? 4 : 0);
  const next = () => view.getUint32((at += 4) - 4);
  const first = flags & 0x04 ? next() : undefined;
  for (let index = 0; index < count; index++) {
    const sample = { ...defaults, offset: 0 };
    if (index === 0 && first !== undefined) sample.flags = first;
    if (flags & 0x100) sample.duration = next();
    if (flags & 0x200) sample.size = next();
    if (flags & 0x400) sample.flags = next();
    if (flags & 0x800) sample.offset = signed ? next() | 0 : next();
    yield sample;
  }
}
