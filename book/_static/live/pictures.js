/* Paints images and maps of statistics on canvases, and the curve of a radial average. */
"use strict";
window.microtutor ??= {};

microtutor.pictures = (() => {
  const { signed } = microtutor.fourier;
  // Colours that are told apart with any kind of colour vision: cividis for maps, blue and orange for two copies.
  const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120],
    [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];
  const BLUE = [86, 180, 233], ORANGE = [230, 159, 0], BLACK = [0, 0, 0], WHITE = [255, 255, 255];

  const COLOURS = 256; // of a map, made once, for shares from 0 to 1
  const between = Array.from({ length: COLOURS }, (_, k) => {
    const place = (k / (COLOURS - 1)) * (CIVIDIS.length - 1), below = Math.min(Math.floor(place), CIVIDIS.length - 2);
    return CIVIDIS[below].map((c, i) => c + (CIVIDIS[below + 1][i] - c) * (place - below));
  });
  const cividis = (share) => between[Math.round((COLOURS - 1) * Math.min(Math.max(share, 0), 1))];

  function paint(canvas, n, colourOf) {
    canvas.width = canvas.height = n; // the page's style enlarges it, each pixel a square
    const context = canvas.getContext("2d"), data = context.createImageData(n, n);
    for (let k = 0, at = 0; k < n * n; k++, at += 4) {
      const colour = colourOf(k);
      for (let i = 0; i < 3; i++) data.data[at + i] = colour[i];
      data.data[at + 3] = 255;
    }
    context.putImageData(data, 0, 0);
  }

  /* An image: the phase is black; values between are grey. */
  const GREYS = Array.from({ length: 256 }, (_, k) => [255 - k, 255 - k, 255 - k]);
  const image = (canvas, m, n) => paint(canvas, n, (k) => GREYS[Math.round(255 * Math.min(Math.max(m[k], 0), 1))]);

  /* An image and its copy, moved against the shift: black where both have the phase. */
  function overlap(canvas, m, n, [down, right], boundary) {
    paint(canvas, n, (k) => {
      const y = Math.floor(k / n) + down, x = (k % n) + right;
      const inside = y >= 0 && y < n && x >= 0 && x < n;
      const other = inside || boundary === "periodic" ? m[((y + n) % n) * n + ((x + n) % n)] : 0;
      return m[k] && other ? BLACK : m[k] ? BLUE : other ? ORANGE : WHITE;
    });
  }

  /* The place of a shift in a map with zero shift in the middle, and the other way around. */
  const centred = (k, n) => (k + n / 2) % n;
  const shiftAt = (y, x, n) => [y - n / 2, x - n / 2];

  /* A map of statistics with zero shift in the middle. */
  function map(canvas, f, n, { least = 0, most = f[0] } = {}) {
    paint(canvas, n, (k) => {
      const y = centred(Math.floor(k / n), n), x = centred(k % n, n); // half a side either way is the same
      return cividis((f[y * n + x] - least) / (most - least || 1));
    });
  }

  const SVG = "http://www.w3.org/2000/svg";
  function element(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  /* A curve over the distances 0, 1, 2, ..., with level lines that have names: {name: value}. It is drawn again when it
     gets another width on the page, so that its letters keep their size. */
  const drawn = new WeakMap(), widths = new WeakMap();
  const observer = new ResizeObserver((changes) => {
    for (const { target, contentRect } of changes) {
      if (contentRect.width) widths.set(target, contentRect.width);
      curve(target, ...drawn.get(target));
    }
  });
  function curve(svg, values, options) {
    if (!drawn.has(svg)) observer.observe(svg);
    drawn.set(svg, [values, options]);
    const { levels = {}, xLabel, yLabel, log = false } = options, names = Object.keys(levels).length > 0;
    const width = widths.get(svg) ?? 320, height = width, [left, right, bottom, top] = [54, names ? 26 : 10, 36, 14];
    const scale = (v) => (log ? Math.log10(Math.max(v, 1e-16)) : v);
    const shown = [...values, ...Object.values(levels)].map(scale);
    const low = log ? Math.floor(Math.min(...shown)) : 0;
    const high = log ? Math.ceil(Math.max(...shown)) + (Math.max(...shown) === low ? 1 : 0) : Math.max(...shown, 1e-3) * 1.08;
    const X = (i) => left + ((width - left - right) * i) / Math.max(values.length - 1, 1);
    const Y = (v) => height - bottom - ((height - bottom - top) * (scale(v) - low)) / (high - low || 1);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    const add = (...of) => svg.append(element(...of));
    add("path", { d: `M${left} ${top}V${height - bottom}H${width - right}`, class: "axis" });
    for (let i = 0; i <= 2; i++) {
      const at = Math.round(((values.length - 1) * i) / 2);
      if (i === 0 || at > 0) add("text", { x: X(at), "text-anchor": i === 2 && !names ? "end" : "middle", y: height - bottom + 14 }, String(at));
      const v = low + ((high - low) * i) / 2, named = log ? (Number.isInteger(v) ? `1e${v}` : "") : v.toPrecision(2);
      add("text", { x: left - 5, y: Y(log ? 10 ** v : v) + 4, "text-anchor": "end" }, named);
    }
    add("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, xLabel);
    add("text", { x: 13, y: (height - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 13 ${(height - bottom) / 2})` }, yLabel);
    add("path", { d: values.reduce((d, v, i) => `${d}${i ? "L" : "M"}${X(i).toFixed(1)} ${Y(v).toFixed(1)}`, ""), class: "curve" });
    for (const [name, value] of Object.entries(levels)) {
      add("path", { d: `M${left} ${Y(value)}H${width - right}`, class: "level" });
      add("text", { x: width - right + 4, y: Y(value) + 4 }, name);
    }
  }

  return { image, overlap, map, curve, shiftAt, signed };
})();
