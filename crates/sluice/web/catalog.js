// The MSF catalog: which tracks a broadcast has and how to decode them.

const text = new TextDecoder();

/** Name of the catalog's own track. */
export const CATALOG = "catalog";

/** What goes first over a slow network: lower ones, as publisher and as subscriber. */
export const PRIORITY = { catalog: 32, audio: 64, video: 128 };

/** What a broadcast consists of, changed by each object of its catalog track. */
export class Catalog {
  constructor() {
    this.tracks = [];
    this.init = new Map();
    /** Whether the broadcast is over. */
    this.isOver = false;
  }

  /** Takes a catalog object: a complete catalog, or a change. */
  handle(payload) {
    const json = JSON.parse(text.decode(payload));
    for (const { id, type = "inline", data } of json.initDataList ?? []) {
      if (type === "inline") this.init.set(id, data);
    }
    if (json.deltaUpdate === undefined) {
      const known = json.version === 1 || /^(1|draft-)/.test(json.version);
      if (!known) throw new Error(`catalog: version ${json.version} is not known`);
      this.tracks = json.tracks ?? [];
      this.isOver = Boolean(json.isComplete) && this.tracks.length === 0;
      return;
    }
    const operations =
      json.deltaUpdate === true
        ? ["add", "remove", "clone"].map((op) => ({ op, tracks: json[`${op}Tracks`] ?? [] }))
        : json.deltaUpdate;
    for (const { op, tracks } of operations) for (const track of tracks) this.apply(op, track);
  }

  apply(op, track) {
    const named = (name) => this.tracks.find((it) => it.name === name);
    if (op === "add") this.tracks.push(track);
    else if (op === "remove") this.tracks = this.tracks.filter(({ name }) => name !== track.name);
    else if (op === "clone") this.tracks.push({ ...named(track.parentName), ...track });
    else if (op === "update") Object.assign(named(track.parentName ?? track.name) ?? {}, track);
  }

  /** Tracks with pictures, best first. */
  get video() {
    const size = ({ width = 0, height = 0, bitrate = 0 }) => width * height * 2 ** 32 + bitrate;
    return this.tracks
      .filter((track) => kindOf(track) === "video")
      .sort((a, b) => size(b) - size(a));
  }

  /** Tracks with sound. */
  get audio() {
    return this.tracks.filter((track) => kindOf(track) === "audio");
  }

  /** Init data of a track: a CMAF header or a decoder's description; undefined if it has none. */
  initOf(track) {
    const data = this.init.get(track.initRef) ?? track.initData;
    if (data === undefined) return undefined;
    const base64 = data.replace(/-/g, "+").replace(/_/g, "/");
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  }
}

function kindOf({ role, codec = "", width, samplerate, packaging = "loc" }) {
  if (!["loc", "cmaf"].includes(packaging)) return undefined;
  if (role !== undefined) return role;
  if (width || /^(avc|hev|hvc|vp|av01)/.test(codec)) return "video";
  return samplerate || /^(opus|mp4a)/.test(codec) ? "audio" : undefined;
}

/** The bytes of a complete catalog of these tracks, each with its `init` bytes if it has some. */
export function encodeCatalog(tracks) {
  const list = [];
  const described = tracks.map(({ init, ...track }) => {
    if (init === undefined) return track;
    const data = btoa(String.fromCharCode(...init));
    list.push({ id: track.name, type: "inline", data });
    return { ...track, initRef: track.name, initData: data };
  });
  const catalog = { version: "draft-01", generatedAt: Date.now(), tracks: described };
  if (list.length > 0) catalog.initDataList = list;
  if (tracks.length === 0) catalog.isComplete = true;
  return new TextEncoder().encode(JSON.stringify(catalog));
}
