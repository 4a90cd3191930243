// Plays decoded sound at the media time that the page's clock asks for.

/** Sound this far from where it should be is moved at once; nearer, it is drawn there. */
const JUMP_MS = 80;
const PULL_MAX = 0.02;
const HELD_MS_MAX = 12_000;
/** Holes between two pieces that are bridged, as times are rounded. */
const SEAM_MS = 3;

class Sound extends AudioWorkletProcessor {
  constructor() {
    super();
    this.pieces = [];
    this.underruns = 0;
    this.port.onmessage = ({ data }) => this.handle(data);
  }

  handle({ piece, follow, flush }) {
    if (flush) {
      this.pieces = [];
      this.time = undefined;
    }
    if (piece) {
      let at = this.pieces.length;
      while (at > 0 && this.pieces[at - 1].time > piece.time) at--;
      this.pieces.splice(at, 0, { ...piece, end: piece.time + (piece.channels[0].length / piece.rate) * 1000 });
      while (this.pieces.at(-1).end - this.pieces[0].time > HELD_MS_MAX) this.pieces.shift();
    }
    // Media time `follow.time` belongs to context time `follow.at`, going on at `follow.rate`.
    if (follow) this.clock = follow;
  }

  process(_inputs, [output]) {
    const { clock } = this;
    if (clock === undefined || clock.rate === 0) return true;
    const wanted = clock.time + (currentTime - clock.at) * 1000 * clock.rate;
    this.time ??= wanted;
    let drift = this.time - wanted;
    if (Math.abs(drift) > JUMP_MS) {
      this.time = wanted;
      drift = 0;
    }
    const pull = Math.max(-PULL_MAX, Math.min(PULL_MAX, -drift / 500));
    const step = (1000 / sampleRate) * clock.rate * (1 + pull);
    const started = this.time;
    const missing = this.fill(output, step);
    if (missing > 0) this.underruns++;
    this.report(started, missing);
    return true;
  }

  fill(output, step) {
    let missing = 0;
    for (let frame = 0; frame < output[0].length; frame++, this.time += step) {
      while (this.pieces.length > 0 && this.pieces[0].end <= this.time) {
        const next = this.pieces[1];
        // The last piece bridges the seam to the next one.
        if (next && next.time > this.time && this.time - this.pieces[0].end < SEAM_MS) break;
        this.pieces.shift();
      }
      const [piece] = this.pieces;
      if (piece === undefined || piece.time > this.time + SEAM_MS) {
        missing++;
        continue;
      }
      const place = Math.max(0, ((this.time - piece.time) / 1000) * piece.rate);
      const whole = Math.min(Math.floor(place), piece.channels[0].length - 1);
      const part = place - whole;
      output.forEach((channel, index) => {
        const samples = piece.channels[index] ?? piece.channels[0];
        const next = samples[whole + 1] ?? this.pieces[1]?.channels[index]?.[0] ?? samples[whole];
        channel[frame] = samples[whole] + (next - samples[whole]) * Math.min(1, part);
      });
    }
    return missing;
  }

  report(started, missing) {
    this.quanta = (this.quanta ?? 0) + 1;
    if (this.quanta % 16 !== 0) return;
    const ahead = this.pieces.length === 0 ? 0 : this.pieces.at(-1).end - started;
    const { underruns } = this;
    this.port.postMessage({ at: currentTime, time: started, isSilent: missing > 0, underruns, ahead });
  }
}

registerProcessor("sound", Sound);
