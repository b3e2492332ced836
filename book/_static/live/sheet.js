/* A sheet to draw on, with mouse, pen, finger or keys. The sheet is a torus: what leaves on one side is not wrapped. */
"use strict";
window.microtutor ??= {};

microtutor.Sheet = class {
  /* onchange is called after each stroke and each change of the pixels. */
  constructor(n, onchange) {
    const { canvas } = microtutor.parts;
    Object.assign(this, { n, onchange, tool: "pen", value: 1, width: 2, cursor: [n / 2, n / 2], before: null, from: null });
    this.m = new Float64Array(n * n);
    this.canvas = canvas("Sheet to draw on. Arrow keys move a cursor, the space bar draws, Escape hides the cursor.", {
      tabindex: "0", role: "application",
    });
    this.marks = microtutor.parts.make("canvas", { class: "mt-canvas mt-marks", "aria-hidden": "true" });
    this.element = microtutor.parts.make("div", { class: "mt-stack" }, this.canvas, this.marks);
    this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => { this.from = this.before = null; });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("blur", () => { this.keys = false; this.mark([]); });
  }

  /* Other pixels, of the same or another size. */
  set(m, n = this.n) {
    if (n !== this.n) this.cursor = [n / 2, n / 2];
    this.n = n;
    this.m = Float64Array.from(m);
    this.onchange();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = (v, start, size) => Math.floor(((v - start) / size) * this.n);
    return [at(event.clientY, box.top, box.height), at(event.clientX, box.left, box.width)];
  }

  begin(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.from = this.place(event);
    this.before = Float64Array.from(this.m); // a line or a disc is drawn anew at each move
    this.stroke(this.from, this.from);
  }

  move(event) {
    if (!this.from) return;
    const to = this.place(event);
    if (this.tool === "pen") { this.stroke(this.from, to); this.from = to; } else {
      this.m.set(this.before);
      this.stroke(this.from, to);
    }
  }

  /* Draws with the chosen tool from one pixel to another. */
  stroke([y0, x0], [y1, x1]) {
    if (this.tool === "disc") {
      this.disc(y0, x0, Math.max(Math.hypot(y1 - y0, x1 - x0), this.width / 2));
    } else {
      const steps = Math.max(Math.abs(y1 - y0), Math.abs(x1 - x0), 1);
      for (let i = 0; i <= steps; i++) this.square(y0 + ((y1 - y0) * i) / steps, x0 + ((x1 - x0) * i) / steps);
    }
    this.onchange();
  }

  square(y, x) {
    const first = Math.floor((this.width - 1) / 2);
    for (let dy = 0; dy < this.width; dy++) {
      for (let dx = 0; dx < this.width; dx++) this.dot(Math.round(y) + dy - first, Math.round(x) + dx - first);
    }
  }

  disc(y, x, radius) {
    for (let dy = -Math.ceil(radius); dy <= radius; dy++) {
      for (let dx = -Math.ceil(radius); dx <= radius; dx++) if (Math.hypot(dy, dx) <= radius) this.dot(y + dy, x + dx);
    }
  }

  dot(y, x) {
    if (y >= 0 && y < this.n && x >= 0 && x < this.n) this.m[y * this.n + x] = this.value;
  }

  key(event) {
    const step = microtutor.parts.arrow(event);
    if (event.key === "Escape") { this.keys = false; this.mark([]); return; }
    if (!step && event.key !== " ") return;
    event.preventDefault();
    this.keys = true;
    if (step) this.cursor = this.cursor.map((v, i) => Math.min(Math.max(v + step[i], 0), this.n - 1));
    if (event.key === " ") this.stroke(this.cursor, this.cursor);
    this.mark([]);
  }

  /* Marks pixels, the second at the end of an arrow from the first; and the cursor of the keys. */
  mark(pixels) {
    const scale = 4, side = this.n * scale, context = this.marks.getContext("2d");
    this.marks.width = this.marks.height = side;
    context.lineWidth = Math.max(side / 128, 2);
    context.strokeStyle = "#d55e00";
    const middle = ([y, x]) => [(x + 0.5) * scale, (y + 0.5) * scale];
    for (const pixel of pixels) {
      context.beginPath();
      context.arc(...middle(pixel), 2 * scale, 0, 2 * Math.PI);
      context.stroke();
    }
    if (pixels.length === 2) {
      context.beginPath();
      context.moveTo(...middle(pixels[0]));
      context.lineTo(...middle(pixels[1]));
      context.stroke();
    }
    if (this.keys) {
      context.strokeStyle = "#0072b2";
      context.strokeRect((this.cursor[1] - 1) * scale, (this.cursor[0] - 1) * scale, 3 * scale, 3 * scale);
    }
  }

  /* Pixels of a picture from a file: cut to a square, brought to n x n, grey values cut at their mean. */
  async load(file) {
    const picture = await createImageBitmap(file);
    const side = Math.min(picture.width, picture.height), small = document.createElement("canvas");
    small.width = small.height = this.n;
    const context = small.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 2, side, side, 0, 0, this.n, this.n);
    const data = context.getImageData(0, 0, this.n, this.n).data;
    const grey = Float64Array.from({ length: this.n ** 2 }, (_, k) => data[4 * k] + data[4 * k + 1] + data[4 * k + 2]);
    const mean = grey.reduce((sum, v) => sum + v, 0) / grey.length;
    this.set(grey.map((v) => (v < mean ? 1 : 0)));
    return `The picture has ${picture.width} × ${picture.height} pixels. Its middle was brought to ${this.n} × ${this.n}, and what is darker than the mean is the phase.`;
  }
};
