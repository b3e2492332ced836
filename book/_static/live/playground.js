/* The playground of two-point statistics: a sheet, its map, its curve, and things to try with them. */
"use strict";

microtutor.parts.mount("mt-playground", () => {
  const { fourier, pictures, structures, parts, Sheet } = microtutor;
  const { make, button, choice, list, figure, say } = parts;
  const SOLVED = 1e-6; // of the statistics error: the same map, but for a few pixels of a small sheet
  const state = { boundary: "periodic", shift: [0, 0], overlap: false, f: null, goal: null };

  const draw = parts.oncePerFrame(update);
  const sheet = new Sheet(64, draw);
  const map = parts.canvas("Map of f, zero shift in the middle. Arrow keys move the shift.", { tabindex: "0" });
  const curve = parts.svg("Radial average of f");
  const reading = make("p", { class: "mt-reading", "aria-live": "polite" });
  const news = make("p", { class: "mt-news", role: "status" });
  const goalMap = parts.canvas("Map of f to be reached");
  const goal = figure("the map to reach", goalMap);
  const twins = make("div", { class: "mt-twins", hidden: true });
  goal.hidden = true;

  /* Computes and paints everything that depends on the sheet. */
  function update() {
    const { m, n } = sheet;
    const start = performance.now();
    state.f = fourier.autocorrelation(m, n, state.boundary);
    pictures.map(map, state.f, n);
    const phi = state.f[0];
    pictures.curve(curve, fourier.radialAverage(state.f, n), {
      levels: { "φ": phi, "φ²": phi * phi }, xLabel: "distance r (px)", yLabel: "f(r), mean over directions",
    });
    look();
    judge();
    reading.dataset.milliseconds = (performance.now() - start).toFixed(1);
  }

  /* Paints the sheet, and says what f is at the chosen shift. */
  function look() {
    const { m, n } = sheet, [down, right] = state.shift;
    if (state.overlap) pictures.overlap(sheet.canvas, m, n, state.shift, state.boundary);
    else pictures.image(sheet.canvas, m, n);
    const f = state.f[((down + n) % n) * n + ((right + n) % n)];
    sheet.mark(down || right ? pairAt(state.shift) : []);
    reading.textContent = `Volume fraction φ = ${say(state.f[0])}. At the shift ${down} px down, ${right} px right: f = ${say(f)}.`;
  }

  /* A pair of phase pixels a shift apart that does not cross the border, the nearest to the middle of the sheet. */
  function pairAt([down, right]) {
    const { m, n } = sheet, far = ([y, x]) => Math.hypot(y + down / 2 - n / 2, x + right / 2 - n / 2);
    let best = null;
    for (let y = Math.max(0, -down); y < Math.min(n, n - down); y++) {
      for (let x = Math.max(0, -right); x < Math.min(n, n - right); x++) {
        if (m[y * n + x] && m[(y + down) * n + x + right] && (!best || far([y, x]) < far(best))) best = [y, x];
      }
    }
    return best ? [best, [best[0] + down, best[1] + right]] : [];
  }

  /* How far the map is from the one that a challenge asks for. */
  function judge() {
    if (!state.goal) return;
    const f = state.boundary === "periodic" ? state.f : fourier.autocorrelation(sheet.m, sheet.n);
    const error = fourier.statisticsError(f, state.goal.f);
    const solved = error < SOLVED;
    news.textContent = solved
      ? `Solved: the statistics error is ${say(error)}, below ${SOLVED.toExponential(0)}. Your drawing may be a shifted copy of the hidden one, or one turned by 180°; their maps are equal.`
      : `Statistics error: ${say(error)}. Solved below ${SOLVED.toExponential(0)}. The hidden structure has φ = ${say(state.goal.f[0])}.`;
    goal.classList.toggle("mt-solved", solved);
  }

  function challenge(name) {
    state.goal = name ? { f: fourier.autocorrelation(structures.challenges[name](sheet.n), sheet.n) } : null;
    goal.hidden = !name;
    if (name) {
      pictures.map(goalMap, state.goal.f, sheet.n);
      if (state.boundary !== "periodic") { setBoundary("periodic"); }
    } else news.textContent = "";
    draw();
  }

  function setBoundary(boundary) {
    state.boundary = boundary;
    for (const one of boundaries.children) one.setAttribute("aria-pressed", String(one.dataset.value === boundary));
    draw();
  }

  function setSize(n) {
    const old = sheet.m, m = sheet.n, factor = n / m;
    if (factor === 1) return;
    const scaled = Float64Array.from({ length: n * n }, (_, k) => old[Math.floor(Math.floor(k / n) / factor) * m + Math.floor((k % n) / factor)]);
    state.shift = [0, 0];
    sheet.set(scaled, n);
    if (state.goal) challenge(challenges.value);
  }

  /* Puts at each pixel [y, x] what stood at place(y, x, n). */
  function rearrange(place) {
    const { n, m } = sheet;
    sheet.set(Float64Array.from({ length: n * n }, (_, k) => {
      const [y, x] = place(Math.floor(k / n), k % n, n);
      return m[((y + n) % n) * n + ((x + n) % n)];
    }));
  }

  /* Two images that no shift and no half turn turns into each other, and that have one map. */
  function showHomometric() {
    twins.hidden = !twins.hidden;
    if (twins.hidden) return;
    const images = [false, true].map((second) => structures.homometric(64, second));
    const maps = images.map((m) => fourier.autocorrelation(m, 64));
    twins.replaceChildren(...images.flatMap((m, i) => {
      const name = "AB"[i], picture = parts.canvas(`Image ${name} of the pair`), its = parts.canvas(`Map of image ${name}`);
      pictures.image(picture, m, 64);
      pictures.map(its, maps[i], 64);
      return [figure(`image ${name}`, picture), figure("its map", its)];
    }));
    const difference = fourier.statisticsError(...maps);
    twins.append(make("p", {}, `The two images differ, and the mean squared difference of their maps is ${difference.toExponential(0)}, which is rounding.`));
  }

  async function load(event) {
    const file = event.target.files[0];
    event.target.value = "";
    if (!file) return;
    try { news.textContent = await sheet.load(file); } catch {
      news.textContent = `${file.name} is no picture that this browser can read. Choose a PNG or a JPEG file; your drawing is as it was.`;
    }
  }

  const pointed = (event) => {
    const box = map.getBoundingClientRect(), n = sheet.n;
    const at = (v, start, size) => Math.min(Math.max(Math.floor(((v - start) / size) * n), 0), n - 1);
    state.shift = pictures.shiftAt(at(event.clientY, box.top, box.height), at(event.clientX, box.left, box.width), n);
    look();
  };
  for (const move of ["pointermove", "pointerdown"]) map.addEventListener(move, pointed);
  map.addEventListener("keydown", (event) => {
    const step = parts.arrow(event);
    if (!step) return;
    event.preventDefault();
    const half = sheet.n / 2;
    state.shift = state.shift.map((v, i) => Math.min(Math.max(v + step[i], -half), half - 1));
    look();
  });

  const boundaries = choice("Boundary", { periodic: "periodic", open: "open" }, "periodic", setBoundary);
  const challenges = list("Challenge", Object.keys(structures.challenges), challenge, "no challenge");
  const file = make("input", { type: "file", accept: "image/*", hidden: true, onchange: load });
  const overlap = button("Show the overlap", () => {
    state.overlap = !state.overlap;
    overlap.setAttribute("aria-pressed", String(state.overlap));
    look();
  }, { "aria-pressed": "false" });

  sheet.set(structures.examples["lines of the paper"](64));
  return [
    make("div", { class: "mt-row" },
      choice("Tool", { pen: "pen", line: "line", disc: "disc" }, "pen", (tool) => { sheet.tool = tool; }),
      choice("Colour", { black: "black", white: "white" }, "black", (name) => { sheet.value = name === "black" ? 1 : 0; }),
      make("label", {}, "width ", make("input", { type: "range", min: "1", max: "9", value: "2", "aria-label": "Width of the pen in pixels",
        oninput: (event) => { sheet.width = Number(event.target.value); } })),
      button("Clear", () => sheet.set(structures.empty(sheet.n))),
      button("Swap black and white", () => sheet.set(sheet.m.map((v) => 1 - v))),
      choice("Size of the sheet", { 64: "64 px", 128: "128 px" }, "64", (n) => setSize(Number(n)))),
    make("div", { class: "mt-row" },
      list("Example", Object.keys(structures.examples), (name) => name && sheet.set(structures.examples[name](sheet.n)), "an example ..."),
      button("Load a picture", () => file.click()), file, boundaries, overlap),
    make("div", { class: "mt-panels" },
      figure("draw here: the phase is black", sheet.element), figure("map of f, zero shift in the middle", map), figure("radial average of f", curve), goal),
    reading, news,
    make("div", { class: "mt-row" }, make("span", {}, "Equal statistics: "),
      button("Shift it", () => rearrange((y, x, n) => [y - n / 4, x - n / 8])),
      button("Turn it by 180°", () => rearrange((y, x, n) => [n - y, n - x])),
      button("Two images with one map", showHomometric),
      make("label", {}, "Challenge: draw something with the map of ", challenges)),
    twins,
  ];
});
