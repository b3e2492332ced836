/* Two-point statistics of square images whose side n is even. fourier.js halves a line again and again, which needs a
   power of 2; here a line is divided by 2, then by 3, by 5 and so on, as it goes: 224 = 2 * 2 * 2 * 2 * 2 * 7. */
"use strict";
window.microtutor ??= {};

microtutor.evenSide = (() => {
  /* The Fourier transform of each column of n rows, of `wide` numbers each. A stage joins p rows that lie far apart, with
     the weights of a transform of length p; what is left are transforms that are p times shorter. */
  function transformColumns(re, im, n, wide) {
    for (let length = n, run = wide, p = 4; length > 1; length /= p, run *= p) {
      if (length % p) p = 2;
      while (length % p) p++;
      const toRe = new Float64Array(re.length), toIm = new Float64Array(re.length), rest = length / p;
      for (let k = 0; k < rest; k++) {
        for (let t = 0; t < p; t++) {
          const to = run * (p * k + t);
          const weights = Array.from({ length: p }, (_, j) => {
            const angle = (-2 * Math.PI * ((t * (k + rest * j)) % length)) / length;
            return [run * (k + rest * j), Math.cos(angle), Math.sin(angle)];
          });
          for (let j = 0; j < p; j += 2) { // two rows at a time, the last alone if their number is odd
            const [a, aCos, aSin] = weights[j], [b, bCos, bSin] = weights[j + 1] ?? [a, 0, 0];
            for (let q = 0; q < run; q++) {
              toRe[to + q] += re[a + q] * aCos - im[a + q] * aSin + re[b + q] * bCos - im[b + q] * bSin;
              toIm[to + q] += re[a + q] * aSin + im[a + q] * aCos + re[b + q] * bSin + im[b + q] * bCos;
            }
          }
        }
      }
      re = toRe; im = toIm;
    }
    return [re, im];
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
    const power = re.map((v, i) => (v * v + im[i] * im[i]) / n ** 4);
    [re, im] = transformColumns(power, new Float64Array(n * some), n, some);

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
