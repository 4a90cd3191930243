// Sluice for pages: a MoQ client over WebTransport. docs/javascript.md shows how it is used.

export { MoqError, Session, connect, namespaceOf } from "./session.js";
export { Subscription, Track } from "./track.js";
export { CATALOG, Catalog, encodeCatalog } from "./catalog.js";
export { audioProperties, readFrame, videoProperties } from "./loc.js";
export { readChunk, readHeader } from "./mp4.js";
export { Broadcaster } from "./broadcast.js";
export { Player } from "./playback.js";
export { DRAFTS, Violation } from "./wire.js";
