// The colour bar with its ticks, a histogram of the tile scores above it, and the threshold as a line through both.

import { count, number, share } from "./format.js";

const BAR = 12; // CSS pixels
const BINS = 80;

export class ColourBar {
  #canvas = document.getElementById("histogram");
  #slider = document.getElementById("threshold");
  #ticks = document.getElementById("ticks");
  #words = document.getElementById("threshold-words");
  #grid = null;
  #scale = null;

  constructor(settings) {
    this.settings = settings;
    this.#slider.addEventListener("input", () => settings.change({ threshold: this.#sliderScore() }));
    settings.addEventListener("change", () => this.#show());
    new ResizeObserver(() => this.#scale && this.#drawHistogram()).observe(this.#canvas); // it may begin folded
  }

  open(grid, scale) {
    [this.#grid, this.#scale] = [grid, scale];
    const { threshold } = this.settings.values;
    if (threshold !== null && !(threshold > scale.low && threshold <= scale.high)) this.settings.change({ threshold: null });
    this.#drawTicks();
    this.draw();
  }

  // The scores were loaded.
  draw() {
    this.#drawHistogram();
    this.#show();
  }

  // Move the threshold by steps of the slider, for the keyboard.
  step(steps) {
    if (this.#scale === null) return;
    this.#slider.value = Number(this.#slider.value) + steps * 10;
    this.settings.change({ threshold: this.#sliderScore() });
  }

  #sliderScore() {
    const position = Number(this.#slider.value) / 1000;
    return position === 0 ? null : this.#scale.low + position * (this.#scale.high - this.#scale.low);
  }

  #show() {
    if (this.#scale === null) return;
    const { low, high } = this.#scale;
    const { threshold } = this.settings.values;
    this.#slider.value = threshold === null ? 0 : Math.round((1000 * (threshold - low)) / (high - low));
    const tiles = this.#grid.byScore.length;
    const from = threshold === null ? tiles : this.#grid.countFrom(threshold);
    const words = threshold === null ? "all scores shown" : `score ≥ ${number(threshold)}: ${count(from)} tiles, ${share(from, tiles)}`;
    this.#words.textContent = words;
    this.#slider.setAttribute("aria-valuetext", words);
  }

  #drawTicks() {
    const { low, high } = this.#scale;
    const raw = (high - low) / 4;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 2.5, 5, 10].find((one) => one * power >= raw);
    this.#ticks.replaceChildren();
    for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) {
      const label = document.createElement("span");
      label.textContent = String(Number(tick.toPrecision(6)));
      label.style.left = `${(100 * (tick - low)) / (high - low)}%`;
      this.#ticks.append(label);
    }
  }

  #drawHistogram() {
    const ratio = window.devicePixelRatio;
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight];
    Object.assign(this.#canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const context = this.#canvas.getContext("2d");
    context.scale(ratio, ratio);
    const { table } = this.#scale;
    table.forEach((colour, entry) => {
      context.fillStyle = `rgb(${colour.join(" ")})`;
      context.fillRect((entry / table.length) * width, height - BAR, width / table.length + 0.5, BAR);
    });
    const bins = this.#bins();
    const most = Math.sqrt(Math.max(1, ...bins.slice(1, -1))); // the end bins also hold scores beyond the range, and would make the others flat
    bins.forEach((tiles, bin) => {
      if (!tiles) return;
      const tall = Math.max(1.5, Math.min(1, Math.sqrt(tiles) / most) * (height - BAR - 6));
      context.fillStyle = `rgb(${table[Math.floor(((bin + 0.5) / BINS) * table.length)].join(" ")})`;
      context.fillRect((bin / BINS) * width, height - BAR - 2 - tall, width / BINS - 0.6, tall);
    });
  }

  // Scores beyond the range are counted in the end bins, which have their colour.
  #bins() {
    const bins = new Array(BINS).fill(0);
    const { low, high } = this.#scale;
    for (const place of this.#grid.byScore) {
      const position = (this.#grid.scores[place] - low) / (high - low);
      bins[Math.min(BINS - 1, Math.max(0, Math.floor(position * BINS)))]++;
    }
    return bins;
  }
}
