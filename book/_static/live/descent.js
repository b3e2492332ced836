/* A loss that goes down: the pixels of a noisy sheet follow the gradient of the statistics error to a target's map. */
"use strict";

microtutor.parts.mount("mt-descent", () => {
  const { fourier, pictures, structures, parts } = microtutor;
  const { make, button, list, figure } = parts;
  const N = 64, RATE = 0.02, STEPS = 300;
  const state = { m: null, target: null, errors: [], running: false, seed: 1 };

  const targetPicture = parts.canvas("The target structure"), picture = parts.canvas("The pixels that are optimised");
  const map = parts.canvas("The map of these pixels"), curve = parts.svg("Statistics error against the number of steps");
  const reading = make("p", { class: "mt-reading", "aria-live": "polite" });

  /* Adam, as in PyTorch: steps of about RATE, along running means of the gradient. Pixels stay between 0 and 1. With
     longer steps a sheet can become all white, where the gradient is zero and nothing happens any more. */
  function step() {
    const { error, gradient } = fourier.errorAndGradient(state.m, state.target, N);
    const t = state.errors.push(error);
    for (let k = 0; k < N * N; k++) {
      const g = gradient[k] * N * N; // per pixel the gradient is tiny; Adam does not mind, its floor of 1e-8 would
      state.first[k] = 0.9 * state.first[k] + 0.1 * g;
      state.second[k] = 0.99 * state.second[k] + 0.01 * g * g;
      const mean = state.first[k] / (1 - 0.9 ** t), spread = Math.sqrt(state.second[k] / (1 - 0.99 ** t));
      state.m[k] = Math.min(Math.max(state.m[k] - (RATE * mean) / (spread + 1e-8), 0), 1);
    }
  }

  function show() {
    pictures.image(picture, state.m, N);
    const f = fourier.autocorrelation(state.m, N), error = fourier.statisticsError(f, state.target);
    pictures.map(map, f, N);
    pictures.curve(curve, [...state.errors, error], { xLabel: "steps", yLabel: "statistics error", log: true });
    reading.textContent = `After ${state.errors.length} steps the statistics error is ${error.toExponential(1)}.`;
  }

  function begin(name) {
    const goal = structures.challenges[name](N), next = structures.random(state.seed++);
    state.target = fourier.autocorrelation(goal, N);
    state.m = Float64Array.from({ length: N * N }, () => Math.min(2 * state.target[0] * next(), 1));
    Object.assign(state, { errors: [], running: false, first: new Float64Array(N * N), second: new Float64Array(N * N) });
    pictures.image(targetPicture, goal, N);
    show();
  }

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  function run() {
    if (!state.running) return;
    const end = Math.min(state.errors.length + (still.matches ? STEPS : 2), STEPS); // without motion: all steps, then the result
    while (state.errors.length < end) step();
    show();
    if (state.errors.length < STEPS) requestAnimationFrame(run);
    else stop();
  }
  const runs = button("Run", () => {
    if (state.running) return stop();
    if (state.errors.length >= STEPS) begin(targets.value);
    state.running = true;
    runs.textContent = "Stop";
    requestAnimationFrame(run);
  });
  function stop() { state.running = false; runs.textContent = "Run"; }

  const targets = list("Target", Object.keys(structures.challenges), (name) => { stop(); begin(name); });
  begin(targets.value);
  return [
    make("div", { class: "mt-row" }, make("label", {}, "target: ", targets), button("One step", () => { stop(); step(); show(); }), runs,
      button("Start again from other noise", () => { stop(); begin(targets.value); })),
    make("div", { class: "mt-panels" }, figure("target, of which only the map is known", targetPicture), figure("pixels", picture),
      figure("their map", map), figure("the loss", curve)),
    reading,
  ];
});
