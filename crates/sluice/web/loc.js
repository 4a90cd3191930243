// LOC (draft-ietf-moq-loc-04): one encoded frame an object, its facts in object properties.

const TIMESTAMP_LOC_02 = 0x06;
const TIMESCALE = 0x08;
const FRAME_MARKING = 0x09;
const VIDEO_CONFIG = 0x0d;
const AUDIO_CONFIG = 0x0f;
const TIMESTAMP = 0x10;
/** Not in LOC: moq-encoder-player writes it on every object and needs it. */
const CODEC_STRING = 0x11;

const KEY = 0xe0;
const DELTA = 0xc0;
const MICROSECONDS = 1_000_000;
const text = new TextDecoder();
const utf8 = new TextEncoder();

/** What an object's properties say, times in µs: `{ time, isKey, config, codec }`. `timescale` is
 * the catalog's; `isKey` is undefined where they do not say. */
export function readFrame(properties, timescale) {
  const ticks = properties.get(TIMESTAMP) ?? properties.get(TIMESTAMP_LOC_02);
  if (ticks === undefined) throw new Error("a LOC object without timestamp");
  const scale = properties.get(TIMESCALE) ?? timescale ?? MICROSECONDS;
  const marking = properties.get(FRAME_MARKING)?.[0];
  const codec = properties.get(CODEC_STRING);
  return {
    time: (ticks / scale) * MICROSECONDS,
    isKey: marking === undefined ? undefined : (marking & 0x20) !== 0,
    config: properties.get(VIDEO_CONFIG) ?? properties.get(AUDIO_CONFIG),
    codec: codec && text.decode(codec),
  };
}

/** The properties of a picture, `time` in µs. `config` goes with key frames. */
export function videoProperties({ time, isKey, config, codec }) {
  const properties = new Map([
    [TIMESCALE, MICROSECONDS],
    [FRAME_MARKING, Uint8Array.of(isKey ? KEY : DELTA)],
    [TIMESTAMP, time],
    [CODEC_STRING, utf8.encode(codec)],
  ]);
  if (isKey && config) properties.set(VIDEO_CONFIG, config);
  return properties;
}

/** The properties of a piece of sound. */
export function audioProperties({ time, config, codec }) {
  const properties = new Map([
    [TIMESCALE, MICROSECONDS],
    [TIMESTAMP, time],
    [CODEC_STRING, utf8.encode(codec)],
  ]);
  if (config) properties.set(AUDIO_CONFIG, config);
  return properties;
}
