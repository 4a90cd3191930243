// Frames and sound out of a MediaStream, stamped with the time of day they were captured at.

const BUCKET_MS = 5_000;
const JUMP_MS = 100;
const STEP_MS = 0.5;

/** Turns times of a capture clock into the time of day: frames that came through fastest tell how the
 * two relate. Times in ms. */
class WallTime {
  stamp(time, end = time) {
    const now = performance.timeOrigin + performance.now();
    const observed = now - end;
    const bucket = Math.floor(now / BUCKET_MS);
    if (this.bucket !== bucket) {
      this.before = this.least ?? observed;
      this.least = observed;
      this.bucket = bucket;
    }
    this.least = Math.min(this.least, observed);
    const target = Math.min(this.least, this.before);
    this.offset ??= target;
    const change = target - this.offset;
    this.offset += Math.abs(change) > JUMP_MS ? change : Math.max(-STEP_MS, Math.min(STEP_MS, change));
    return time + this.offset;
  }
}

/** Hands each picture of a track to `handle(frame, time)`, which closes it. Returns what stops it. */
export function capturePictures(track, handle) {
  const wall = new WallTime();
  const take = (frame) => handle(frame, wall.stamp(frame.timestamp / 1000));
  if (typeof MediaStreamTrackProcessor !== "undefined") return pump(track, take);
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = new MediaStream([track]);
  video.play().catch(() => {});
  let isStopped = false;
  const next = (now, { captureTime }) => {
    if (isStopped) return;
    take(new VideoFrame(video, { timestamp: (captureTime ?? now) * 1000 }));
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
  return () => (isStopped = true);
}

/** Hands the sound of a track to `handle(data, time)`, which closes it. Returns what stops it. */
export function captureSound(track, handle) {
  const wall = new WallTime();
  const take = (data) => {
    const time = data.timestamp / 1000;
    handle(data, wall.stamp(time, time + data.duration / 1000));
  };
  if (typeof MediaStreamTrackProcessor !== "undefined") return pump(track, take);
  // At the track's own rate: Firefox connects no other.
  const context = new AudioContext();
  const frames = Math.round(context.sampleRate / 100);
  context.audioWorklet.addModule(new URL("./capture-worklet.js", import.meta.url)).then(() => {
    const node = new AudioWorkletNode(context, "capture", { processorOptions: { frames } });
    context.createMediaStreamSource(new MediaStream([track])).connect(node);
    node.port.onmessage = ({ data: { samples, channels, at } }) =>
      take(
        new AudioData({
          format: "f32-planar",
          sampleRate: context.sampleRate,
          numberOfFrames: frames,
          numberOfChannels: channels,
          timestamp: Math.round(at * 1e6),
          data: samples,
        }),
      );
  });
  return () => context.close();
}

function pump(track, take) {
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      take(value);
    }
  })().catch(() => {});
  return () => reader.cancel().catch(() => {});
}
