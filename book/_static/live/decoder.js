/* The decoder of a trained network, as microtutor/models/networks.py has it (CompactDecoder): from nine numbers to the
   224 * 224 pixels of a structure. The layers stand in the order of the Python. The convolutions are computed in
   float32, as in PyTorch, the rest in float64; the weights are stored in float16, as in the package. */
"use strict";
window.microtutor ??= {};

microtutor.decoder = (() => {
  /* A number of 16 bits as IEEE 754 has it: a sign, 5 bits for the power of two, 10 for what follows the point. */
  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, power = (bits >> 10) & 31, rest = bits & 1023;
    return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : (2 ** -14 * rest) / 1024);
  }

  /* The bytes that gzip has packed and base64 has written as a text. */
  async function unpacked(text) {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  }

  /* The numbers of a safetensors file, by name: eight bytes that say how long the header is, a header in JSON, the numbers. */
  async function load(text) {
    const bytes = new Uint8Array(await unpacked(text));
    const from = 8 + new DataView(bytes.buffer).getUint32(0, true);
    const { __metadata__: about, ...places } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, from)));
    const halves = Float32Array.from({ length: 2 ** 16 }, (_, bits) => half(bits)), found = { about };
    for (const [name, { dtype, data_offsets: [first, last] }] of Object.entries(places)) {
      const view = new DataView(bytes.buffer, from + first, last - first);
      const read = {
        U8: () => bytes.slice(from + first, from + last),
        F16: () => Float32Array.from({ length: (last - first) / 2 }, (_, i) => halves[view.getUint16(2 * i, true)]),
        F32: () => Float64Array.from({ length: (last - first) / 4 }, (_, i) => view.getFloat32(4 * i, true)),
      };
      found[name] = read[dtype]();
    }
    const room = makeRoom(), convolution = (k, put) => { found[`decoder.${k}.weight`] = put(room, found[`decoder.${k}.weight`], found[`decoder.${k}.bias`].length); };
    for (const k of [6, 9]) convolution(k, quarters);
    convolution(12, keep);
    return { ...found, room };
  }

  /* Feature planes with a border of zeros, one after the other; a convolution then never asks where a plane ends. */
  function planes(channels, side, border) {
    const wide = side + 2 * border;
    return { channels, side, border, wide, plane: wide * wide, x: new Float64Array(channels * wide * wide) };
  }

  /* Where a row of a plane begins, after its border. */
  const row = (of, channel, y) => channel * of.plane + (y + of.border) * of.wide + of.border;

  const silu = (v) => v / (1 + Math.exp(-v));

  /* weight @ x + bias; two outputs at a time, so that one sum need not wait for the other */
  function linear(x, weight, bias) {
    const out = new Float64Array(bias.length), n = x.length;
    for (let k = 0; k < out.length; k += 2) {
      let a = bias[k], b = bias[k + 1];
      for (let i = 0, w = k * n; i < n; i++, w++) { a += weight[w] * x[i]; b += weight[w + n] * x[i]; }
      out[k] = a; out[k + 1] = b;
    }
    return out;
  }

  /* GroupNorm, then SiLU, in place: each eighth of the channels is brought to mean 0 and variance 1. */
  function normAct(of, weight, bias) {
    const { x, channels, side } = of, together = channels / 8, count = together * side * side;
    for (let first = 0; first < channels; first += together) {
      let sum = 0, squares = 0;
      const each = (work) => {
        for (let c = first; c < first + together; c++) {
          for (let y = 0; y < side; y++) for (let i = row(of, c, y), end = i + side; i < end; i++) work(i, c);
        }
      };
      each((i) => { sum += x[i]; squares += x[i] * x[i]; });
      const mean = sum / count, scale = 1 / Math.sqrt(squares / count - mean * mean + 1e-5);
      each((i, c) => { x[i] = silu((x[i] - mean) * scale * weight[c] + bias[c]); });
    }
    return of;
  }

  /* What every convolution is made of, for four of its outputs. Each tap, a place of the kernel in one of the input
     planes, adds the whole plane, moved by that place, times one weight. All arguments are places in the memory, in
     bytes: of the four sums, one `row` after the other; of the weights, the four of a tap side by side; of the list of
     where each tap begins in the input; and of its end. It is most of the time that the decoder takes. */
  const addPlanes = ({ floats, places }) => (sums, weights, starts, end, row) => {
    for (let i = 0; i < row / 4; i++) {
      let a = 0, b = 0, c = 0, d = 0;
      for (let t = starts / 4, w = weights / 4; t < end / 4; t++, w += 4) {
        const p = floats[places[t] / 4 + i];
        a += floats[w] * p; b += floats[w + 1] * p; c += floats[w + 2] * p; d += floats[w + 3] * p;
      }
      [a, b, c, d].forEach((sum, k) => { floats[(sums + k * row) / 4 + i] += sum; });
    }
  };

  /* The same in WebAssembly, which takes four numbers at once; here it is several times as fast. The few instructions
     are put together byte by byte, with the names and numbers that the standard gives them, so no tool has to compile
     them. A browser that does not know them throws an error. */
  function compiledAddPlanes(memory) {
    const leb128 = (v) => (v < 128 ? [v] : [(v & 127) | 128, ...leb128(v >> 7)]);
    const sized = (bytes) => [...leb128(bytes.length), ...bytes], name = (text) => sized([...text].map((c) => c.charCodeAt(0)));
    const section = (id, ...bytes) => [id, ...sized(bytes.flat())];
    const i32 = 0x7f, v128 = 0x7b, none = 0x40, end = 0x0b;
    const get = (k) => [0x20, k], set = (k) => [0x21, k], number = (v) => [0x41, v], plus = 0x6a, below = 0x49;
    const loop = (...body) => [0x03, none, ...body.flat(), 0x0d, 0, end]; // again while the last value is not 0
    const simd = (code, ...more) => [0xfd, ...leb128(code), ...more];
    const loadPlace = [0x28, 2, 0], load = (offset) => simd(0, 2, offset), loadSame = (offset) => simd(9, 2, offset);
    const store = (offset) => simd(11, 2, offset), add = simd(228), multiply = simd(230);

    const [sums, weights, starts, last, row, i, tap, w, at] = [0, 1, 2, 3, 4, 5, 6, 7, 8], [p, q, weight] = [9, 10, 11];
    const FOUR = [0, 1, 2, 3], near = (k) => 12 + 2 * k, far = (k) => 13 + 2 * k; // the sums of eight pixels, in two parts
    const inSums = (each) => [get(sums), get(i), plus, set(at), FOUR.map((k) => [each(k), get(at), get(row), plus, set(at)])];
    const grow = (sum, input) => [get(sum), get(input), get(weight), multiply, add, set(sum)];
    const body = [
      loop(
        inSums((k) => [get(at), load(0), set(near(k)), get(at), load(16), set(far(k))]),
        get(starts), set(tap), get(weights), set(w),
        loop(
          get(tap), loadPlace, get(i), plus, set(at), get(at), load(0), set(p), get(at), load(16), set(q),
          FOUR.map((k) => [get(w), loadSame(4 * k), set(weight), grow(near(k), p), grow(far(k), q)]),
          get(w), number(16), plus, set(w), get(tap), number(4), plus, set(tap), get(tap), get(last), below,
        ),
        inSums((k) => [get(at), get(near(k)), store(0), get(at), get(far(k)), store(16)]),
        get(i), number(32), plus, set(i), get(i), get(row), below,
      ),
      end,
    ];
    const bytes = [
      0, ...name("asm").slice(1), 1, 0, 0, 0,
      section(1, 1, 0x60, sized(Array(5).fill(i32)), 0), // one type of function: five numbers in, nothing out
      section(2, 1, name("live"), name("memory"), 2, 0, 1),
      section(3, 1, 0), section(7, 1, name("addPlanes"), 0, 0),
      section(10, 1, sized([2, 4, i32, 11, v128, ...body.flat(Infinity)])),
    ].flat(Infinity);
    return new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes)), { live: { memory } }).exports.addPlanes;
  }

  /* Memory for the weights of all convolutions, `used` bytes, and after them for what a convolution works on. */
  function makeRoom() {
    const views = (buffer) => ({ floats: new Float32Array(buffer), places: new Int32Array(buffer), used: 0 });
    try {
      const memory = new WebAssembly.Memory({ initial: 64 }); // 64 pages of 64 kB
      return { ...views(memory.buffer), addPlanes: compiledAddPlanes(memory) };
    } catch { // an old browser
      const room = views(new ArrayBuffer(2 ** 22));
      return { ...room, addPlanes: addPlanes(room) };
    }
  }

  /* Weights in the order output, input, tap, put into the room: four outputs at a time, those of a tap side by side. */
  function keep(room, weight, outputs) {
    const { floats, used } = room, taps = weight.length / outputs;
    for (let o = 0; o < outputs; o++) {
      for (let t = 0; t < taps; t++) floats[used / 4 + (o - (o % 4)) * taps + 4 * t + (o % 4)] = weight[o * taps + t];
    }
    room.used += 4 * weight.length;
    return used;
  }

  /* For outputs in fours: the weighted sum of all taps, then `put` for each pixel of each. The taps are places
     [down, right] in the input, from its border on; `weights` says where they lie in the room. */
  function convolve(room, of, taps, weights, bias, put) {
    const { x, channels, side, wide, plane } = of, { floats, places, used, addPlanes } = room;
    const row = 8 * Math.ceil(((side - 1) * wide + side) / 8); // with the borders in between, in steps of eight
    const from = used / 4, starts = from + x.length + 8, end = starts + channels * taps.length, sums = end + (-end & 3);
    floats.set(x, from);
    for (let c = 0, at = starts; c < channels; c++) for (const [down, right] of taps) places[at++] = 4 * (from + c * plane + down * wide + right);
    for (let first = 0; first < bias.length; first += 4) {
      for (let k = 0; k < 4; k++) floats.fill(bias[first + k], sums + k * row, sums + (k + 1) * row);
      addPlanes(4 * sums, weights + 4 * first * (end - starts), 4 * starts, 4 * end, 4 * row);
      for (let k = 0; k < 4; k++) {
        for (let y = 0; y < side; y++) for (let j = 0; j < side; j++) put(first + k, y, j, floats[sums + k * row + y * wide + j]);
      }
    }
  }

  /* ConvTranspose2d(4, stride=2, padding=1) gives twice the side. Pixels in even rows of the output meet the rows 3 and 1
     of the kernel, pixels in odd rows its rows 2 and 0, and so do columns: four convolutions with kernels of 2 x 2. */
  const QUARTERS = [[0, 0], [0, 1], [1, 0], [1, 1]].map(([down, right]) => {
    const places = (odd) => (odd ? [[1, 2], [2, 0]] : [[0, 3], [1, 1]]); // in the input, and in the kernel
    const taps = [], kernel = [];
    for (const [y, ky] of places(down)) for (const [x, kx] of places(right)) { taps.push([y, x]); kernel.push(4 * ky + kx); }
    return { down, right, taps, kernel };
  });

  /* The weights of the four, each in the order output, input, tap; PyTorch has input, output, kernel. */
  const quarters = (room, weight, outputs) => QUARTERS.map(({ kernel }) => {
    const inputs = weight.length / 16 / outputs, quarter = new Float64Array(weight.length / 4);
    for (let o = 0, at = 0; o < outputs; o++) {
      for (let c = 0; c < inputs; c++) for (const k of kernel) quarter[at++] = weight[(c * outputs + o) * 16 + k];
    }
    return keep(room, quarter, outputs);
  });

  function convTranspose(room, of, weights, bias) {
    const out = planes(bias.length, 2 * of.side, 1);
    QUARTERS.forEach(({ down, right, taps }, quarter) => {
      convolve(room, of, taps, weights[quarter], bias, (o, y, x, value) => {
        out.x[row(out, o, 2 * y + down) + 2 * x + right] = value;
      });
    });
    return out;
  }

  /* Conv2d(3, padding=1), then PixelShuffle(8): the 64 channels of a pixel become a patch of 8 x 8 pixels. */
  function convShuffle(room, of, weights, bias) {
    const out = planes(1, 8 * of.side, 2), taps = [];
    for (let y = 0; y < 3; y++) for (let x = 0; x < 3; x++) taps.push([y, x]);
    convolve(room, of, taps, weights, bias, (o, y, x, value) => {
      out.x[row(out, 0, 8 * y + (o >> 3)) + 8 * x + (o & 7)] = value;
    });
    return out;
  }

  /* Conv2d(1, 1, 5, padding=2), then Sigmoid: the pixels. */
  function convSigmoid(of, weight, bias) {
    const { x, side, wide } = of, m = new Float64Array(side * side);
    for (let y = 0; y < side; y++) {
      const sum = new Float64Array(side).fill(bias[0]);
      for (let ky = 0; ky < 5; ky++) {
        const [a, b, c, d, e] = weight.subarray(5 * ky, 5 * ky + 5), at = (y + ky) * wide;
        for (let i = 0; i < side; i++) {
          sum[i] += a * x[at + i] + b * x[at + i + 1] + c * x[at + i + 2] + d * x[at + i + 3] + e * x[at + i + 4];
        }
      }
      for (let i = 0; i < side; i++) m[y * side + i] = 1 / (1 + Math.exp(-sum[i]));
    }
    return m;
  }

  /* From the latents to the pixels, row by row, in [0, 1]. */
  function decode(net, latents) {
    const layer = (k) => [net[`decoder.${k}.weight`], net[`decoder.${k}.bias`]];
    const hidden = linear(Float64Array.from(latents), ...layer(0)).map(silu);
    const flat = linear(hidden, ...layer(2)), coarse = planes(128, 7, 1); // 128 planes of 7 x 7
    flat.forEach((value, k) => { coarse.x[row(coarse, Math.floor(k / 49), Math.floor((k % 49) / 7)) + (k % 7)] = value; });
    let x = normAct(coarse, ...layer(4));
    x = normAct(convTranspose(net.room, x, ...layer(6)), ...layer(7)); // 14 x 14
    x = normAct(convTranspose(net.room, x, ...layer(9)), ...layer(10)); // 28 x 28
    return convSigmoid(convShuffle(net.room, x, ...layer(12)), ...layer(14)); // 224 x 224
  }

  /* A draw from the mixture of Gaussians that was fitted to the latents: one of them by its weight, then L times noise. */
  function drawFromPrior(net, next = Math.random) {
    const weights = net["prior.log_weights"].map(Math.exp), dim = net["prior.means"].length / weights.length;
    let left = next() * weights.reduce((sum, w) => sum + w, 0), k = 0;
    while (k < weights.length - 1 && left >= weights[k]) left -= weights[k++];
    const normal = Array.from({ length: dim }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
    return normal.map((_, i) => {
      let value = net["prior.means"][k * dim + i];
      for (let j = 0; j <= i; j++) value += net["prior.factors"][(k * dim + i) * dim + j] * normal[j];
      return value;
    });
  }

  return { load, decode, drawFromPrior };
})();
