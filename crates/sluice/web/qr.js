// QR codes (ISO/IEC 18004): bytes, error correction level L, versions 1 to 9, always the first mask.

/** Error correction bytes of a block, and the blocks' number and data bytes, by version. */
const VERSIONS = [
  [7, [1, 19]], [10, [1, 34]], [15, [1, 55]], [20, [1, 80]], [26, [1, 108]],
  [18, [2, 68]], [20, [2, 78]], [24, [2, 97]], [30, [2, 116]],
];
const ALIGNMENT = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46]];

const EXP = [];
const LOG = [];
for (let power = 0, value = 1; power < 255; power++) {
  EXP[power] = value;
  LOG[value] = power;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}
const multiply = (a, b) => (a === 0 || b === 0 ? 0 : EXP[(LOG[a] + LOG[b]) % 255]);

/** The remainder of Reed and Solomon: so many error correction bytes for the data. */
function correction(data, count) {
  let generator = [1];
  for (let root = 0; root < count; root++) {
    const next = [...generator, 0];
    generator.forEach((factor, at) => (next[at + 1] ^= multiply(factor, EXP[root])));
    generator = next;
  }
  const rest = [...data, ...Array(count).fill(0)];
  data.forEach((_, at) => {
    const factor = rest[at];
    generator.forEach((value, offset) => (rest[at + offset] ^= multiply(value, factor)));
  });
  return rest.slice(data.length);
}

/** The bytes of a text as they stand in the code, data and correction interleaved. */
function codewords(bytes, version) {
  const [size, [count, length]] = VERSIONS[version - 1];
  const capacity = count * length;
  const octet = (value) => value.toString(2).padStart(8, "0");
  let bits = `0100${[bytes.length, ...bytes].map(octet).join("")}`;
  bits += "0000".slice(0, capacity * 8 - bits.length);
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "0");
  const data = bits.match(/.{8}/g).map((byte) => parseInt(byte, 2));
  for (let pad = 0xec; data.length < capacity; pad ^= 0xec ^ 0x11) data.push(pad);
  const parts = Array.from({ length: count }, () => data.splice(0, length));
  const checks = parts.map((part) => correction(part, size));
  const interleave = (rows) => rows[0].flatMap((_, at) => rows.map((row) => row[at]));
  return [...interleave(parts), ...interleave(checks)];
}

/** The modules of a text's code, rows of booleans; undefined if it is too long. */
export function qrCode(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const version = VERSIONS.findIndex(([, [count, length]]) => bytes.length + 2 <= count * length) + 1;
  return version === 0 ? undefined : drawn(version, codewords(bytes, version));
}

function drawn(version, words) {
  const size = 17 + 4 * version;
  const cells = Array.from({ length: size }, () => Array(size).fill(undefined));
  const set = (x, y, dark) => {
    if (x >= 0 && y >= 0 && x < size && y < size) cells[y][x] = Boolean(dark);
  };
  const square = (cx, cy, rings) => {
    for (let dy = -rings.length + 1; dy < rings.length; dy++) {
      for (let dx = -rings.length + 1; dx < rings.length; dx++) set(cx + dx, cy + dy, rings[Math.max(Math.abs(dx), Math.abs(dy))]);
    }
  };
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) square(x, y, [1, 1, 0, 1, 0]);
  const places = ALIGNMENT[version - 1];
  for (const x of places) for (const y of places) if (cells[y][x] === undefined) square(x, y, [1, 0, 1]);
  for (let at = 8; at < size - 8; at++) {
    set(at, 6, at % 2 === 0);
    set(6, at, at % 2 === 0);
  }
  drawFormat(set, size);
  if (version >= 7) drawVersion(set, size, version);
  fill(cells, size, words);
  return cells;
}

/** Level L and mask 0 with their correction. */
const FORMAT = 0b111011111000100;

function drawFormat(set, size) {
  for (let at = 0; at < 15; at++) {
    const dark = (FORMAT >> at) & 1;
    const near = at < 6 ? at : at < 8 ? at + 1 : 14 - at + (at === 8 ? 1 : 0);
    if (at < 8) set(8, near, dark);
    else set(near, 8, dark);
    if (at < 8) set(size - 1 - at, 8, dark);
    else set(8, size - 15 + at, dark);
  }
  set(8, size - 8, true);
}

function drawVersion(set, size, version) {
  let rest = version;
  for (let step = 0; step < 12; step++) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25);
  const bits = (version << 12) | rest;
  for (let at = 0; at < 18; at++) {
    const dark = (bits >> at) & 1;
    const [a, b] = [size - 11 + (at % 3), Math.floor(at / 3)];
    set(a, b, dark);
    set(b, a, dark);
  }
}

/** The words in columns of two, up and down from the right, around what is there. */
function fill(cells, size, words) {
  let bit = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const up = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step++) {
      const y = up ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (cells[y][x] !== undefined) continue;
        const dark = ((words[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
        bit++;
        cells[y][x] = Boolean(dark) !== ((x + y) % 2 === 0);
      }
    }
  }
}

/** Draws a text's code on a canvas, with the quiet zone around it. */
export function drawQr(canvas, text) {
  const cells = qrCode(text);
  if (cells === undefined) return;
  canvas.width = canvas.height = cells.length + 8;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.width);
  context.fillStyle = "#000";
  cells.forEach((row, y) => row.forEach((dark, x) => dark && context.fillRect(x + 4, y + 4, 1, 1)));
}
