/* Small structures to begin with, and those that challenges ask for. Each fills an array of n * n numbers, 0 or 1. */
"use strict";
window.microtutor ??= {};

microtutor.structures = (() => {
  /* Random numbers from a seed, so that an example is the same at every visit. */
  function random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  const filled = (n, inside) =>
    Float64Array.from({ length: n * n }, (_, k) => (inside(Math.floor(k / n), k % n) ? 1 : 0));
  const empty = (n) => new Float64Array(n * n);

  /* Lines as in the paper's images: all of one direction, of several lengths. */
  function lines(n) {
    const next = random(3), m = empty(n), wide = Math.max(2, Math.round(n / 32));
    for (const at of [0.14, 0.36, 0.61, 0.84]) {
      const length = Math.round(n * (0.3 + 0.4 * next())), start = Math.floor(next() * (n - length));
      for (let y = start; y < start + length; y++) {
        for (let x = Math.round(at * n); x < Math.round(at * n) + wide; x++) m[y * n + x] = 1;
      }
    }
    return m;
  }

  /* Discs that may overlap, on a sheet that repeats. */
  function discs(n) {
    const next = random(5), m = empty(n), radius = n / 12;
    for (let count = 0; count < 14; count++) {
      const y = next() * n, x = next() * n;
      for (let k = 0; k < n * n; k++) {
        const apart = (a, b) => Math.min(Math.abs(a - b), n - Math.abs(a - b));
        if (Math.hypot(apart(Math.floor(k / n), y), apart(k % n, x)) <= radius) m[k] = 1;
      }
    }
    return m;
  }

  /* A field of random numbers, smoothed a few times and cut at its median: like two liquids that separate. */
  function blobs(n) {
    const next = random(11);
    let field = Float64Array.from({ length: n * n }, next);
    const mean = (values, step) => values.map((_, k) => {
      let sum = 0;
      for (let d = -2; d <= 2; d++) {
        const y = Math.floor(k / n) + (step ? d : 0), x = (k % n) + (step ? 0 : d);
        sum += values[((y + n) % n) * n + ((x + n) % n)];
      }
      return sum / 5;
    });
    for (let round = 0; round < n / 21; round++) field = mean(mean(field, true), false);
    const median = Float64Array.from(field).sort()[(n * n) / 2];
    return field.map((v) => (v > median ? 1 : 0));
  }

  const line = (n) => filled(n, (y, x) => Math.abs(x - n / 2) < n / 32 && Math.abs(y - n / 2) < n / 4);
  const pair = (n) => filled(n, (y, x) =>
    (Math.abs(x - n / 4) < n / 32 || Math.abs(x - (n * 9) / 16) < n / 32) && Math.abs(y - n / 2) < n / 4);
  const laminate = (n) => filled(n, (y) => y % (n / 4) < n / 8);
  const checkerboard = (n) => filled(n, (y, x) => (Math.floor((8 * y) / n) + Math.floor((8 * x) / n)) % 2 === 0);
  const disc = (n) => filled(n, (y, x) => Math.hypot(y - n / 2, x - n / 2) < n / 6);
  const noise = (n) => { const next = random(1); return filled(n, () => next() < 0.3); };

  /* Of eight places in a ring, {0, 1, 3, 4} and {0, 1, 2, 5} have the same distances, each as often. So images whose
     columns are the first or the second set have one map, although no shift or half turn turns one into the other. */
  function homometric(n, second) {
    const cell = n / 8, rows = [0, 1, 3, 4], columns = second ? [0, 1, 2, 5] : rows;
    return filled(n, (y, x) => rows.includes(Math.floor(y / cell)) && columns.includes(Math.floor(x / cell)));
  }

  const examples = { "lines of the paper": lines, "separating liquids": blobs, discs, laminate, checkerboard, noise, "one line": line,
    "homometric image": (n) => homometric(n, false) };
  const challenges = { "one line": line, "two lines": pair, "a laminate": laminate, "a checkerboard": checkerboard, "a disc": disc };
  return { examples, challenges, homometric, empty, random };
})();
