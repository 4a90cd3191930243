// The way of sound out of the page: an AudioContext, the worklet that follows the clock, a meter.

/** Plays pieces of decoded sound at the media time of a clock. */
export class AudioOutput {
  static async open() {
    const context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule(new URL("./audio-worklet.js", import.meta.url));
    return new AudioOutput(context);
  }

  constructor(context) {
    this.context = context;
    this.node = new AudioWorkletNode(context, "sound", { numberOfInputs: 0, outputChannelCount: [2] });
    this.gain = context.createGain();
    this.meter = context.createAnalyser();
    this.meter.fftSize = 2048;
    // The meter sits before the gain, so that it also tells of sound that is muted.
    this.node.connect(this.meter).connect(this.gain).connect(context.destination);
    this.samples = new Float32Array(this.meter.fftSize);
    this.report = undefined;
    this.node.port.onmessage = ({ data }) => (this.report = data);
  }

  /** Whether the browser lets it sound; if not, `resume` from a click. */
  get isAllowed() {
    return this.context.state === "running";
  }

  resume() {
    return this.context.resume();
  }

  set volume(volume) {
    this.gain.gain.setTargetAtTime(volume, this.context.currentTime, 0.01);
  }

  /** The strength of what is played, 0 to 1. */
  get level() {
    this.meter.getFloatTimeDomainData(this.samples);
    return Math.sqrt(this.samples.reduce((sum, sample) => sum + sample * sample, 0) / this.samples.length);
  }

  /** A decoded AudioData of this media time in ms. */
  push(data, time) {
    const channels = Array.from({ length: Math.min(2, data.numberOfChannels) }, (_, planeIndex) => {
      const samples = new Float32Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex, format: "f32-planar" });
      return samples;
    });
    const piece = { time, rate: data.sampleRate, channels };
    this.node.port.postMessage({ piece }, channels.map(({ buffer }) => buffer));
  }

  flush() {
    this.node.port.postMessage({ flush: true });
  }

  /** Tells the worklet where the clock is. */
  follow(clock, now) {
    if (!clock.isRunning) return;
    const { contextTime, performanceTime } = this.timestamp(now);
    const time = clock.position(performanceTime);
    const rate = clock.isPaused ? 0 : clock.rate;
    this.node.port.postMessage({ follow: { time, at: contextTime, rate } });
  }

  /** A moment in both times: what has `contextTime` is heard at `performanceTime`. */
  timestamp(now) {
    const told = this.context.getOutputTimestamp?.();
    if (told?.performanceTime > 0) return told;
    const latency = this.context.outputLatency ?? this.context.baseLatency ?? 0;
    return { contextTime: this.context.currentTime - latency, performanceTime: now };
  }

  /** How long before it is heard sound is taken, in ms. */
  get latency() {
    const now = performance.now();
    const { contextTime, performanceTime } = this.timestamp(now);
    return Math.max(0, (this.context.currentTime - contextTime) * 1000 - (now - performanceTime));
  }

  /** How far what is heard is ahead of the clock, in ms; undefined when nothing is heard. */
  offset(clock, now) {
    if (!this.report || this.report.isSilent) return undefined;
    const { contextTime, performanceTime } = this.timestamp(now);
    const heard = performanceTime + (this.report.at - contextTime) * 1000;
    return this.report.time - clock.position(heard);
  }

  close() {
    this.context.close();
  }
}
