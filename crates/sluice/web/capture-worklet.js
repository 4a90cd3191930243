// Collects sound into blocks, for browsers that do not hand a track's sound to the page.

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions: { frames } }) {
    super();
    this.frames = frames;
    this.filled = 0;
  }

  process([input]) {
    const channels = input.length;
    if (channels === 0) return true;
    for (let frame = 0; frame < input[0].length; frame++) {
      if (this.filled === 0) {
        this.samples = new Float32Array(this.frames * channels);
        this.at = currentTime + frame / sampleRate;
      }
      for (let channel = 0; channel < channels; channel++) {
        this.samples[channel * this.frames + this.filled] = input[channel][frame];
      }
      if (++this.filled < this.frames) continue;
      this.filled = 0;
      this.port.postMessage({ samples: this.samples, channels, at: this.at }, [this.samples.buffer]);
    }
    return true;
  }
}

registerProcessor("capture", Capture);
