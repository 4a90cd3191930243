// Frames to pictures and sound: a WebCodecs decoder for each kind, fed just in time.

/** Decoded pictures that may wait. */
const PICTURES_MAX = 10;
const DECODING_MAX = 6;
const VIDEO_AHEAD_MS = 350;
const AUDIO_AHEAD_MS = 450;
/** A piece of sound that comes so many steps after the one before it leaves a hole. */
const HOLE_STEPS = 2.5;
const SLIP_MS_MAX = 60;
const SLIP_GAIN = 0.02;

/** What both kinds share: configuring, feeding, and starting over after a fault. */
class Decoding {
  constructor(queue) {
    this.queue = queue;
    this.decoded = 0;
    this.faults = 0;
  }

  decode(frame) {
    const config = this.configOf(frame);
    const key = config.codec + (config.description ? config.description.join() : "");
    const isGone = this.decoder === undefined || this.decoder.state === "closed";
    if (isGone) this.decoder = this.create();
    if (isGone || (frame.isKey && key !== this.key)) {
      // What is still inside comes out before another configuration counts.
      this.decoder.configure(config);
      this.key = key;
    }
    const { Chunk } = this;
    const timestamp = Math.round(frame.time * 1000);
    this.decoder.decode(new Chunk({ type: frame.isKey ? "key" : "delta", timestamp, data: frame.data }));
  }

  handleFault(error) {
    this.faults++;
    this.fault = error.message;
    this.decoder = undefined;
    this.queue.last = undefined;
  }

  feed(position, ahead, room) {
    while (room() && (this.decoder?.decodeQueueSize ?? 0) < DECODING_MAX) {
      const [head] = this.queue.frames;
      if (head === undefined || head.time > position + ahead) return;
      const frame = this.queue.next(position);
      if (frame === undefined) return;
      try {
        this.decode(frame);
      } catch (error) {
        this.handleFault(error);
      }
    }
  }

  close() {
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = undefined;
  }
}

/** Pictures in the order they are shown. */
export class VideoDecoding extends Decoding {
  Chunk = globalThis.EncodedVideoChunk;

  constructor(queue) {
    super(queue);
    this.pictures = [];
    this.shown = 0;
    this.late = 0;
  }

  configOf(frame) {
    return { ...frame.source.decoderConfig(frame), optimizeForLatency: true };
  }

  create() {
    return new VideoDecoder({
      output: (picture) => this.handlePicture(picture),
      error: (error) => this.handleFault(error),
    });
  }

  handlePicture(picture) {
    this.decoded++;
    let at = this.pictures.length;
    while (at > 0 && this.pictures[at - 1].timestamp > picture.timestamp) at--;
    // After a change of rendition the same moment comes again.
    const again = this.pictures[at - 1]?.timestamp === picture.timestamp;
    if (again) this.pictures[--at].close();
    this.pictures.splice(at, again ? 1 : 0, picture);
  }

  pump(position) {
    // Late ones are needed too, for those that refer to them; they take no room.
    this.dropBefore(position);
    this.feed(position, VIDEO_AHEAD_MS, () => this.pictures.length < PICTURES_MAX);
  }

  /** Closes pictures that another one has taken the place of. */
  dropBefore(position) {
    while (this.pictures.length > 1 && this.pictures[1].timestamp / 1000 <= position) {
      this.pictures.shift().close();
      this.late++;
    }
  }

  /** The picture that is to be shown now, for the caller to close; undefined if none is new. The
   * very first one is shown at once. */
  take(position) {
    this.dropBefore(position);
    const [head] = this.pictures;
    if (head === undefined) return undefined;
    if (this.shown > 0 && head.timestamp / 1000 > position) return undefined;
    this.shown++;
    return this.pictures.shift();
  }

  clear() {
    this.close();
    for (const picture of this.pictures.splice(0)) picture.close();
    this.queue.clear();
    this.shown = 0;
  }
}

/** Sound, handed on as soon as it is decoded. */
export class AudioDecoding extends Decoding {
  Chunk = globalThis.EncodedAudioChunk;

  constructor(queue, output) {
    super(queue);
    this.output = output;
  }

  configOf(frame) {
    const { track } = frame.source;
    const numberOfChannels = Number(track.channelConfig ?? 2) || 2;
    return { ...frame.source.decoderConfig(frame), sampleRate: track.samplerate ?? 48_000, numberOfChannels };
  }

  /** Decoders count samples from their first piece on, so a hole takes a new one. */
  decode(frame) {
    const step = frame.time - this.last;
    if (step < 0 || step > HOLE_STEPS * this.step) this.close();
    else this.step = step;
    this.last = frame.time;
    if (this.decoder === undefined) {
      this.times = [];
      this.slip = 0;
    }
    this.times.push(frame.time);
    super.decode(frame);
  }

  create() {
    return new AudioDecoder({
      output: (data) => this.handleSound(data),
      error: (error) => this.handleFault(error),
    });
  }

  handleSound(data) {
    this.decoded++;
    const counted = data.timestamp / 1000;
    // The sound card's clock and that of the broadcast drift apart; the broadcast's is right.
    const error = (this.times.shift() ?? counted) - counted;
    if (Math.abs(error) < SLIP_MS_MAX) this.slip += (error - this.slip) * SLIP_GAIN;
    this.output()?.push(data, counted + this.slip);
    data.close();
  }

  pump(position) {
    this.feed(position, AUDIO_AHEAD_MS, () => true);
  }

  clear() {
    this.close();
    this.queue.clear();
    this.output()?.flush();
  }
}
