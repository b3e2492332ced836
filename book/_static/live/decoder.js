/* The decoder of a trained network, as microtutor/models/networks.py has it (CompactDecoder): from nine numbers to the
   224 * 224 pixels of a structure. The layers stand in the order of the Python. Numbers are computed in float64, which
   is the fastest of a browser's; the weights are stored in float16, as in the package. */
"use strict";
window.microtutor ??= {};

microtutor.decoder = (() => {
  /* A number of 16 bits as IEEE 754 has it: a sign, 5 bits for the power of two, 10 for what follows the point. */
  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, power = (bits >> 10) & 31, rest = bits & 1023;
    return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : (2 ** -14 * rest) / 1024);
  }

  /* The numbers of a safetensors file in base64, by name: eight bytes that say how long the header is, a header in JSON, the numbers. */
  function load(text) {
    const binary = atob(text), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    const from = 8 + new DataView(bytes.buffer).getUint32(0, true);
    const { __metadata__: about, ...places } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, from)));
    const halves = Float64Array.from({ length: 2 ** 16 }, (_, bits) => half(bits)), found = { about };
    for (const [name, { dtype, data_offsets: [first, last] }] of Object.entries(places)) {
      const view = new DataView(bytes.buffer, from + first, last - first);
      const read = {
        U8: () => bytes.slice(from + first, from + last),
        F16: () => Float64Array.from({ length: (last - first) / 2 }, (_, i) => halves[view.getUint16(2 * i, true)]),
        F32: () => Float64Array.from({ length: (last - first) / 4 }, (_, i) => view.getFloat32(4 * i, true)),
      };
      found[name] = read[dtype]();
    }
    for (const k of [6, 9]) found[`decoder.${k}.weight`] = quarters(found[`decoder.${k}.weight`], found[`decoder.${k}.bias`].length);
    return found;
  }

  /* Feature planes with a border of zeros, one after the other; a convolution then never asks where a plane ends. */
  function planes(channels, side, border) {
    const wide = side + 2 * border;
    return { channels, side, border, wide, plane: wide * wide, x: new Float64Array(channels * wide * wide) };
  }

  /* Where a row of a plane begins, after its border. */
  const row = (of, channel, y) => channel * of.plane + (y + of.border) * of.wide + of.border;

  const silu = (v) => v / (1 + Math.exp(-v));

  /* weight @ x + bias */
  function linear(x, weight, bias) {
    return bias.map((sum, out) => {
      for (let i = 0, w = out * x.length; i < x.length; i++, w++) sum += weight[w] * x[i];
      return sum;
    });
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

  /* What every convolution is made of. Each tap, a place of the kernel in one of the input planes, adds the whole plane,
     moved by that place, times one weight. Four taps and four outputs at a time, so that each number of the input that
     is read is used four times; it is most of the time that the decoder takes. */
  function addPlanes(sums, x, starts, weights) {
    const [s0, s1, s2, s3] = sums, [w0, w1, w2, w3] = weights, length = s0.length;
    for (let t = 0; t < starts.length; t += 4) {
      const i0 = starts[t], i1 = starts[t + 1], i2 = starts[t + 2], i3 = starts[t + 3];
      const a0 = w0[t], a1 = w0[t + 1], a2 = w0[t + 2], a3 = w0[t + 3];
      const b0 = w1[t], b1 = w1[t + 1], b2 = w1[t + 2], b3 = w1[t + 3];
      const c0 = w2[t], c1 = w2[t + 1], c2 = w2[t + 2], c3 = w2[t + 3];
      const d0 = w3[t], d1 = w3[t + 1], d2 = w3[t + 2], d3 = w3[t + 3];
      for (let i = 0; i < length; i++) {
        const p = x[i0 + i], q = x[i1 + i], r = x[i2 + i], s = x[i3 + i];
        s0[i] += a0 * p + a1 * q + a2 * r + a3 * s;
        s1[i] += b0 * p + b1 * q + b2 * r + b3 * s;
        s2[i] += c0 * p + c1 * q + c2 * r + c3 * s;
        s3[i] += d0 * p + d1 * q + d2 * r + d3 * s;
      }
    }
  }

  /* For outputs in fours: the weighted sum of all taps, then `put` for each pixel of each. The taps are places
     [down, right] in the input, from its border on; the weights stand in the order output, input, tap. */
  function convolve(of, taps, weight, bias, put) {
    const { x, channels, side, wide, plane } = of, starts = [];
    for (let c = 0; c < channels; c++) for (const [down, right] of taps) starts.push(c * plane + down * wide + right);
    const sums = Array.from({ length: 4 }, () => new Float64Array((side - 1) * wide + side)); // borders in between, too
    for (let first = 0; first < bias.length; first += 4) {
      sums.forEach((sum, k) => sum.fill(bias[first + k]));
      const weights = sums.map((_, k) => weight.subarray((first + k) * starts.length, (first + k + 1) * starts.length));
      addPlanes(sums, x, starts, weights);
      sums.forEach((sum, k) => {
        for (let y = 0; y < side; y++) for (let j = 0; j < side; j++) put(first + k, y, j, sum[y * wide + j]);
      });
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
  const quarters = (weight, outputs) => QUARTERS.map(({ kernel }) => {
    const inputs = weight.length / 16 / outputs, quarter = new Float64Array(weight.length / 4);
    for (let o = 0, at = 0; o < outputs; o++) {
      for (let c = 0; c < inputs; c++) for (const k of kernel) quarter[at++] = weight[(c * outputs + o) * 16 + k];
    }
    return quarter;
  });

  function convTranspose(of, weights, bias) {
    const out = planes(bias.length, 2 * of.side, 1);
    QUARTERS.forEach(({ down, right, taps }, quarter) => {
      convolve(of, taps, weights[quarter], bias, (o, y, x, value) => {
        out.x[row(out, o, 2 * y + down) + 2 * x + right] = value;
      });
    });
    return out;
  }

  /* Conv2d(3, padding=1), then PixelShuffle(8): the 64 channels of a pixel become a patch of 8 x 8 pixels. */
  function convShuffle(of, weight, bias) {
    const out = planes(1, 8 * of.side, 2), taps = [];
    for (let y = 0; y < 3; y++) for (let x = 0; x < 3; x++) taps.push([y, x]);
    convolve(of, taps, weight, bias, (o, y, x, value) => {
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
    x = normAct(convTranspose(x, ...layer(6)), ...layer(7)); // 14 x 14
    x = normAct(convTranspose(x, ...layer(9)), ...layer(10)); // 28 x 28
    return convSigmoid(convShuffle(x, ...layer(12)), ...layer(14)); // 224 x 224
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
