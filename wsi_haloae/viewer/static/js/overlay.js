// The canvas over the slide. From bottom to top: heatmap, hatching, outlines, and the tile under the pointer.
//
// A second canvas below it turns the tissue under the heatmap grey (blended in layout.css), because a stain mixed with
// the heatmap would give colours that are not in the colour bar. heatmap.png does the same.

import { rectangle } from "./paths.js";

const OUTLINE_COLOURS = ["#0b7a3e", "#6a1fb0", "#0077b6", "#c2008b", "#4a4e57", "#7a4a00"];
export const EXPORTED = "Regions"; // title of the outlines that belong to the exported scores; hidden while others are shown
const MARKED_COLOUR = "#00a050"; // not in the heatmap; as in anchors.geojson
const FULL_GREY = 0.4; // from this opacity on, the tissue under the heatmap is grey

export const outlineColour = (number) => OUTLINE_COLOURS[number % OUTLINE_COLOURS.length];

export class Overlay {
  #context;
  #grey;
  #stage;

  // What is drawn; main.js fills it as data is loaded.
  scene = { heat: null, contour: null, flags: [], outlines: [], outdated: false, marked: null, hovered: null, chosen: null };

  constructor(canvas, greyCanvas, stage, settings) {
    this.#context = canvas.getContext("2d");
    this.#grey = greyCanvas.getContext("2d");
    this.#stage = stage;
    this.settings = settings;
    stage.addEventListener("move", () => this.draw());
    settings.addEventListener("change", () => this.draw());
  }

  draw() {
    const { heat, contour, flags, outlines, outdated, marked, hovered, chosen } = this.scene;
    const [context, grey] = [cleared(this.#context), cleared(this.#grey)];
    if (heat === null) return;
    const { values } = this.settings;
    const { facts } = heat.grid;
    const { transform } = this.#stage;
    const { x, y, scale } = transform;
    context.save();
    context.beginPath();
    context.rect(x, y, facts.width * scale, facts.height * scale);
    context.clip();
    if (values.heat) heat.draw(grey, transform, this.#stage.sight, Math.min(1, values.opacity / FULL_GREY));
    if (values.heat && values.kind === "tiles") heat.draw(context, transform, this.#stage.sight, values.opacity);
    if (values.heat) heat.drawMissing(context, transform, this.#stage.sight);
    if (values.flags) flags.forEach(({ path, colour }) => this.#stroke(path, transform, colour, 1.6));
    if (values.anomalous && contour) this.#stroke(contour, transform, "#111", 1.5);
    context.restore();
    for (const { key, exported, path, colour } of outlines) {
      if (!values.hidden.has(key) && !(exported && outdated)) this.#stroke(path, transform, colour, 2);
    }
    if (marked) this.#stroke(marked, transform, MARKED_COLOUR, 3);
    if (hovered) this.#stroke(rectangle(hovered), transform, "#111", 1);
    if (chosen) this.#stroke(rectangle(chosen), transform, "#1f57c3", 3);
  }

  // A line with a white rim, which is visible on tissue, glass and heatmap.
  #stroke(path, { x, y, scale }, colour, width) {
    const context = this.#context;
    context.save();
    context.translate(x, y);
    context.scale(scale, scale);
    context.lineJoin = context.lineCap = "round";
    for (const [style, wide] of [["rgb(255 255 255 / 85%)", width + 1.8], [colour, width]]) {
      context.strokeStyle = style;
      context.lineWidth = wide / scale;
      context.stroke(path);
    }
    context.restore();
  }
}

// Clear the canvas, resize it to its size on the page, and use CSS pixels as its unit.
function cleared(context) {
  const { canvas } = context;
  const { clientWidth, clientHeight } = canvas;
  const ratio = window.devicePixelRatio;
  const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  context.setTransform(width / clientWidth, 0, 0, height / clientHeight, 0, 0);
  return context;
}
