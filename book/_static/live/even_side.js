/* Two-point statistics of square images whose side n is even. fourier.js halves a line again and again, which needs a
   power of 2; here a line is divided by 4, by 2, then by 3, by 5 and so on, as it goes: 224 = 4 * 4 * 2 * 7. */
"use strict";
window.microtutor ??= {};

microtutor.evenSide = (() => {
  /* The Fourier transform of each column of n rows, of `wide` numbers each. A stage joins p rows that lie far apart by a
     transform of length p, and turns each result by an angle; what is left are transforms that are p times shorter. */
  function transformColumns(re, im, n, wide) {
    for (let length = n, run = wide, p; length > 1; length /= p, run *= p) {
      p = [4, 2].find((k) => length % k === 0) ?? 3;
      while (length % p) p += 2;
      const to = [new Float64Array(re.length), new Float64Array(re.length)], rest = length / p, join = joins[p] ?? joinOdd;
      for (let k = 0; k < rest; k++) {
        const rows = Array.from({ length: p }, (_, j) => run * (k + rest * j));
        const turns = rows.map((_, t) => (-2 * Math.PI * t * k) / length).flatMap((angle) => [Math.cos(angle), Math.sin(angle)]);
        join([re, im], rows, to, run * p * k, turns, run);
      }
      [re, im] = to;
    }
    return [re, im];
  }

  const joins = { 2: joinTwo, 4: joinFour };

  /* Two rows: their sum and their difference. */
  function joinTwo([re, im], [a, b], [toRe, toIm], to, [, , c, s], run) {
    for (let q = 0; q < run; q++, a++, b++, to++) {
      const x = re[a] - re[b], y = im[a] - im[b];
      toRe[to] = re[a] + re[b]; toIm[to] = im[a] + im[b];
      toRe[to + run] = x * c - y * s; toIm[to + run] = x * s + y * c;
    }
  }

  /* Four rows: sums and differences of sums and differences. */
  function joinFour([re, im], [a, b, c, d], [toRe, toIm], to, [, , c1, s1, c2, s2, c3, s3], run) {
    for (let q = 0; q < run; q++, a++, b++, c++, d++, to++) {
      const acRe = re[a] + re[c], acIm = im[a] + im[c], bdRe = re[b] + re[d], bdIm = im[b] + im[d];
      const x1 = re[a] - re[c] + im[b] - im[d], y1 = im[a] - im[c] - re[b] + re[d];
      const x2 = acRe - bdRe, y2 = acIm - bdIm;
      const x3 = re[a] - re[c] - im[b] + im[d], y3 = im[a] - im[c] + re[b] - re[d];
      toRe[to] = acRe + bdRe; toIm[to] = acIm + bdIm;
      toRe[to + run] = x1 * c1 - y1 * s1; toIm[to + run] = x1 * s1 + y1 * c1;
      toRe[to + 2 * run] = x2 * c2 - y2 * s2; toIm[to + 2 * run] = x2 * s2 + y2 * c2;
      toRe[to + 3 * run] = x3 * c3 - y3 * s3; toIm[to + 3 * run] = x3 * s3 + y3 * c3;
    }
  }

  /* An odd number p of rows. The rows j and p - j have the same cosines and opposite sines, and so have the results t
     and p - t: from the sum and the difference of two rows come both. */
  function joinOdd([re, im], rows, [toRe, toIm], to, turns, run) {
    const p = rows.length, x = new Float64Array(p), y = new Float64Array(p);
    const [cosine, sine] = [Math.cos, Math.sin].map((wave) => Float64Array.from({ length: p }, (_, k) => wave((2 * Math.PI * k) / p)));
    const turn = Float64Array.from(turns);
    for (let q = 0; q < run; q++) {
      x[0] = re[rows[0] + q]; y[0] = im[rows[0] + q];
      for (let j = 1; 2 * j < p; j++) {
        const a = rows[j] + q, b = rows[p - j] + q;
        x[j] = re[a] + re[b]; y[j] = im[a] + im[b];
        x[p - j] = re[a] - re[b]; y[p - j] = im[a] - im[b];
      }
      for (let t = 0; 2 * t < p; t++) {
        let sumRe = x[0], sumIm = y[0], restRe = 0, restIm = 0;
        for (let j = 1, at = t; 2 * j < p; j++, at = (at + t) % p) {
          sumRe += cosine[at] * x[j]; sumIm += cosine[at] * y[j];
          restRe += sine[at] * y[p - j]; restIm -= sine[at] * x[p - j];
        }
        for (const sign of t ? [1, -1] : [1]) {
          const k = (p + sign * t) % p, a = sumRe + sign * restRe, b = sumIm + sign * restIm;
          toRe[to + k * run + q] = a * turn[2 * k] - b * turn[2 * k + 1];
          toIm[to + k * run + q] = a * turn[2 * k + 1] + b * turn[2 * k];
        }
      }
    }
  }

  /* f(r), periodic, zero shift first. An image is real, so its transform at minus a frequency is the conjugate; with that,
     each of the four passes needs half of the columns only. */
  function autocorrelation(m, n) {
    const half = n / 2, some = half + 1, two = (size) => [new Float64Array(size), new Float64Array(size)];

    // Down the columns: the left half of the image as real numbers, the right half as imaginary ones.
    let [re, im] = two(n * half);
    for (let y = 0; y < n; y++) for (let x = 0; x < half; x++) { re[y * half + x] = m[y * n + x]; im[y * half + x] = m[y * n + half + x]; }
    [re, im] = transformColumns(re, im, n, half);

    // Take the two apart, for the frequencies 0 to n/2, with rows and columns exchanged; then along what were the rows.
    let [toRe, toIm] = two(n * some);
    for (let k = 0; k <= half; k++) {
      for (let x = 0; x < half; x++) {
        const a = k * half + x, b = ((n - k) % n) * half + x, left = x * some + k, right = left + half * some;
        toRe[left] = (re[a] + re[b]) / 2; toIm[left] = (im[a] - im[b]) / 2;
        toRe[right] = (im[a] + im[b]) / 2; toIm[right] = (re[b] - re[a]) / 2;
      }
    }
    [re, im] = transformColumns(toRe, toIm, n, some);

    // The power is the same at minus each frequency, so the way back is the transform itself. Both divide by the pixels.
    const [power, none] = two(n * some), pixels = n ** 4;
    for (let k = 0; k < n * some; k++) power[k] = (re[k] * re[k] + im[k] * im[k]) / pixels;
    [re, im] = transformColumns(power, none, n, some);

    // Both halves of the map in one transform again.
    [toRe, toIm] = two(n * half);
    for (let k = 0; k < n; k++) {
      const sign = k <= half ? 1 : -1;
      for (let x = 0; x < half; x++) {
        const left = x * some + Math.min(k, n - k), right = left + half * some;
        toRe[k * half + x] = re[left] - sign * im[right];
        toIm[k * half + x] = sign * im[left] + re[right];
      }
    }
    [re, im] = transformColumns(toRe, toIm, n, half);
    const f = new Float64Array(n * n);
    for (let y = 0; y < n; y++) for (let x = 0; x < half; x++) { f[y * n + x] = re[y * half + x]; f[y * n + half + x] = im[y * half + x]; }
    return f;
  }

  return { autocorrelation };
})();
