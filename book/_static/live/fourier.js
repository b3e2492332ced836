/* Two-point statistics of square images, as the package computes them: transform, square of the modulus, transform back.

   These files are plain scripts that share the name `microtutor`, and no modules: a browser refuses modules on a page
   that was opened from a folder, without a server. Images are arrays of n * n numbers, row by row; n is a power of 2. */
"use strict";
window.microtutor ??= {};

microtutor.fourier = (() => {
  const waves = new Map(); // cosines and sines of each length

  function wavesOf(n) {
    if (!waves.has(n)) {
      const angle = (k) => (2 * Math.PI * k) / n;
      waves.set(n, {
        cosine: Float64Array.from({ length: n / 2 }, (_, k) => Math.cos(angle(k))),
        sine: Float64Array.from({ length: n / 2 }, (_, k) => -Math.sin(angle(k))),
      });
    }
    return waves.get(n);
  }

  /* The fast Fourier transform of one line, in place: n numbers from `start` on, `step` apart. */
  function transformLine(re, im, start, step, n) {
    const { cosine, sine } = wavesOf(n);
    for (let i = 1, j = 0; i < n; i++) { // put the numbers into the order of reversed bits
      let bit = n >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        const a = start + i * step, b = start + j * step;
        [re[a], re[b]] = [re[b], re[a]];
        [im[a], im[b]] = [im[b], im[a]];
      }
    }
    for (let half = 1; half < n; half *= 2) { // join transforms of length `half` in pairs
      const stride = n / (2 * half);
      for (let first = 0; first < n; first += 2 * half) {
        for (let k = 0; k < half; k++) {
          const a = start + (first + k) * step, b = a + half * step;
          const c = cosine[k * stride], s = sine[k * stride];
          const x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
          re[b] = re[a] - x; im[b] = im[a] - y;
          re[a] += x; im[a] += y;
        }
      }
    }
  }

  /* The transform of an image, in place. */
  function transform(re, im, n) {
    for (let row = 0; row < n; row++) transformLine(re, im, row * n, 1, n);
    for (let column = 0; column < n; column++) transformLine(re, im, column, n, n);
  }

  /* For each shift r the sum over x of a(x) b(x + r). */
  function sumsOverPairs(a, b, n) {
    const re = Float64Array.from(a), im = Float64Array.from(b); // two real images in one complex transform
    transform(re, im, n);
    const real = new Float64Array(n * n), imaginary = new Float64Array(n * n);
    for (let y = 0; y < n; y++) {
      for (let x = 0; x < n; x++) {
        const k = y * n + x, minus = ((n - y) % n) * n + ((n - x) % n);
        const aRe = (re[k] + re[minus]) / 2, aIm = (im[k] - im[minus]) / 2;
        const bRe = (im[k] + im[minus]) / 2, bIm = (re[minus] - re[k]) / 2;
        real[k] = aRe * bRe + aIm * bIm; // the conjugate of the first spectrum, times the second
        imaginary[k] = -(aRe * bIm - aIm * bRe); // with the sign turned, the transform is its own inverse
      }
    }
    transform(real, imaginary, n);
    for (let k = 0; k < n * n; k++) real[k] /= n * n;
    return real;
  }

  /* A shift of n places as a signed number: 0, 1, ..., n/2 - 1, -n/2, ..., -1. */
  const signed = (k, n) => (k < n / 2 ? k : k - n);

  /* f(r), the chance that a pixel and the one at the shift r from it both lie in the phase; zero shift comes first. */
  function autocorrelation(m, n, boundary = "periodic") {
    if (boundary === "periodic") return sumsOverPairs(m, m, n).map((sum) => sum / (n * n));
    const wide = 2 * n, padded = new Float64Array(wide * wide); // zeros keep pairs from wrapping around
    for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) padded[y * wide + x] = m[y * n + x];
    const sums = sumsOverPairs(padded, padded, wide), f = new Float64Array(n * n);
    for (let y = 0; y < n; y++) {
      for (let x = 0; x < n; x++) {
        const down = signed(y, n), right = signed(x, n);
        const pairs = (n - Math.abs(down)) * (n - Math.abs(right));
        f[y * n + x] = sums[((down + wide) % wide) * wide + ((right + wide) % wide)] / pairs;
      }
    }
    return f;
  }

  /* The mean of f over all shifts whose length rounds to r pixels, for r = 0, 1, ..., n/2. */
  function radialAverage(f, n) {
    const sums = new Float64Array(n / 2 + 1), counts = new Float64Array(n / 2 + 1);
    for (let y = 0; y < n; y++) {
      for (let x = 0; x < n; x++) {
        const r = Math.round(Math.sqrt(signed(y, n) ** 2 + signed(x, n) ** 2));
        if (r <= n / 2) { sums[r] += f[y * n + x]; counts[r] += 1; }
      }
    }
    return sums.map((sum, r) => sum / counts[r]);
  }

  /* The statistics error of an image and its gradient by each pixel: 4 / N² times the sum over r of e(r) m(x + r). */
  function errorAndGradient(m, target, n) {
    const e = autocorrelation(m, n), N = n * n;
    let error = 0;
    for (let k = 0; k < N; k++) { e[k] -= target[k]; error += (e[k] * e[k]) / N; }
    return { error, gradient: sumsOverPairs(e, m, n).map((sum) => (4 * sum) / (N * N)) };
  }

  /* The mean squared difference of two maps. */
  function statisticsError(f, g) {
    let sum = 0;
    for (let k = 0; k < f.length; k++) sum += (f[k] - g[k]) ** 2;
    return sum / f.length;
  }

  return { autocorrelation, radialAverage, errorAndGradient, statisticsError, signed };
})();
