// The page: opens slides and connects the parts. Everything is drawn as soon as its data is there: first the slide, then
// the scores, then the other values of tiles.

import { fetchFacts, fetchList, fetchMarked, fetchOutlines, fetchRaster } from "./api.js";
import { ColourBar } from "./colour_bar.js";
import { ColourScale } from "./colours.js";
import { Controls } from "./controls.js";
import { LayersFold, toggleList, uncover } from "./folds.js";
import { count } from "./format.js";
import { Grid } from "./grid.js";
import { Heat } from "./heat.js";
import { listenToKeys } from "./keyboard.js";
import { Marking } from "./marking.js";
import { Minimap } from "./minimap.js";
import { EXPORTED, Overlay, outlineColour } from "./overlay.js";
import { border, contour, frames, rings } from "./paths.js";
import { Readout } from "./readout.js";
import { ScaleBar } from "./scale_bar.js";
import { Settings } from "./settings.js";
import { SlideList } from "./slide_list.js";
import { Stage } from "./stage.js";
import { TileCard } from "./tile_card.js";

const byId = (id) => document.getElementById(id);
byId("unloaded").remove();
const settings = new Settings();
const stage = new Stage(byId("stage"));
const overlay = new Overlay(byId("overlay"), byId("grey"), stage, settings);
const colourBar = new ColourBar(settings);
const controls = new Controls(settings);
const list = new SlideList();
const readout = new Readout();
const card = new TileCard(settings);
const scaleBar = new ScaleBar();
const minimap = new Minimap(stage);
const marking = new Marking();
const layers = new LayersFold();

let table = null;
let wanted = null; // name of the slide that was requested last
let shown = null; // { grid, scale } of the slide on the stage

function showNotice(text) {
  byId("notice").hidden = !text;
  byId("notice-text").textContent = text ?? "";
}

async function openSlide(name) {
  wanted = name;
  list.mark(name);
  showNotice(null);
  marking.close();
  delete document.body.dataset.ready;
  const facts = await fetchFacts(name);
  if (wanted !== name) return;
  const [grid, scale] = [new Grid(facts), new ColourScale(table, facts.display_range)];
  const heat = new Heat(grid, scale);
  shown = { grid, scale };
  stage.open(facts);
  readout.show(grid, scale, null);
  overlay.scene = {
    heat, contour: null, flags: [], outlines: [], outdated: Boolean(facts.not_exported), marked: null, hovered: null, chosen: null,
  };
  location.replace(`#${encodeURIComponent(name)}`);
  showTitle(facts);
  showNotice(facts.message);
  controls.open(facts);
  showMap();
  colourBar.open(grid, scale);
  card.open(grid, scale);
  minimap.open(facts);
  await fill(grid, heat, () => shown.grid === grid);
}

// Loads what takes the server longer, most important first; `current` says whether the slide is still shown.
async function fill(grid, heat, current) {
  const { facts } = grid;
  grid.take({ scores: await fetchRaster(facts.name, "scores") });
  if (!current()) return;
  rescale();
  grid.take({ marks: await fetchRaster(facts.name, "marks") });
  if (!current()) return;
  heat.paintMissing();
  overlay.scene.contour = contour(grid, "anomalous");
  overlay.scene.flags = facts.flags.map(({ bit, colour, inset }) => ({ path: frames(grid, bit, inset), colour }));
  controls.showCounts(grid);
  overlay.draw();
  grid.take({ pValues: await fetchRaster(facts.name, "p_values") });
  if (!current()) return;
  card.refresh();
  readout.refresh();
  if (facts.why_no_marking === null) {
    const saved = await fetchMarked(facts.name);
    if (!current()) return;
    marking.open(grid, saved);
  } else {
    marking.refuse(facts.why_no_marking);
  }
  const outlines = await fetchOutlines(facts.name);
  if (!current()) return;
  const keyed = outlines.layers.map((layer) => ({ ...layer, key: `${layer.title}: ${layer.name}` }));
  overlay.scene.outlines = keyed.map(({ key, title, rings: flat }, place) => ({
    key, exported: title === EXPORTED, path: rings(flat), colour: outlineColour(place),
  }));
  controls.showOutlines(keyed, outlines.messages);
  controls.showOutdated(overlay.scene.outdated);
  overlay.draw();
  document.body.dataset.ready = facts.name;
}

// Colour the tiles by the range of the model or, if the user wants that, of the slide.
function rescale() {
  const { grid, scale } = shown;
  scale.range = (settings.values.stretch && grid.ownRange) || grid.facts.display_range;
  overlay.scene.heat.paint(threshold());
  colourBar.open(grid, scale);
  card.refresh();
  readout.refresh();
  overlay.draw();
}

// Scores after another adaptation to the slide.
function showAdapted({ facts, previewed, ...values }) {
  const { grid } = shown;
  Object.assign(grid.facts, facts);
  grid.take(values);
  overlay.scene.contour = contour(grid, "anomalous");
  overlay.scene.outdated = previewed || Boolean(grid.facts.not_exported);
  controls.showOutdated(overlay.scene.outdated);
  controls.showScale();
  controls.showCounts(grid);
  rescale();
}

function showTitle(facts) {
  byId("slide-name").textContent = facts.name;
  document.title = `${facts.name} – wsi-haloae`;
  const words = [`${Number(((facts.width * facts.mpp[0]) / 1000).toPrecision(3))} × ${Number(((facts.height * facts.mpp[1]) / 1000).toPrecision(3))} mm`];
  if (facts.tiles) words.push(`${count(facts.tiles)} tiles of ${facts.grid.tile_size} px at ${Number(facts.tile_mpp.toPrecision(3))} µm/px`);
  if (facts.state === "empty") words.push("no tissue found");
  if (facts.state === "unfinished") words.push("scoring is not finished; reload to see more");
  byId("slide-facts").textContent = words.join("  ·  ");
}

const open = (name) => openSlide(name).catch((error) => showNotice(error.message));

list.addEventListener("choose", ({ detail }) => {
  uncover();
  open(detail);
});
stage.addEventListener("move", () => shown && scaleBar.show(shown.grid.facts.mpp[0], stage.transform.scale));
stage.addEventListener("hover", ({ detail }) => {
  if (shown === null) return;
  const place = readout.show(shown.grid, shown.scale, detail);
  overlay.scene.hovered = place === null ? null : shown.grid.tileRectangle(place);
  overlay.draw();
});
stage.addEventListener("pick", ({ detail }) => {
  const place = shown?.grid.placeAt(detail.x, detail.y) ?? null;
  card.choose(place !== null && shown.grid.hasTile(place) ? place : null);
});
card.addEventListener("choose", ({ detail }) => {
  if (detail !== null) layers.makeRoom();
  stage.makeRoom();
  overlay.scene.chosen = detail === null ? null : shown.grid.tileRectangle(detail);
  overlay.draw();
});
layers.addEventListener("fold", ({ detail: shown }) => (shown ? card.choose(null) : stage.makeRoom()));
card.addEventListener("jump", ({ detail }) => stage.showTile(shown.grid.tileRectangle(detail)));

marking.addEventListener("mode", () => {
  stage.painting = marking.active;
  document.body.classList.toggle("marking", marking.active);
});
marking.addEventListener("change", ({ detail: marks }) => {
  overlay.scene.marked = border(shown.grid, marks.places);
  overlay.draw();
});
marking.addEventListener("answer", ({ detail }) => showAdapted(detail));
for (const name of ["press", "drag", "release"]) stage.addEventListener(name, ({ detail }) => marking[name](detail));

// The threshold applies to tiles only: pixels have no scores.
const threshold = () => (settings.values.kind === "pixels" ? null : settings.values.threshold);
const showMap = () => stage.showMap(settings.values.heat && settings.values.kind === "pixels", settings.values.opacity);
let painted = threshold();
let stretched = settings.values.stretch;
settings.addEventListener("change", () => {
  showMap();
  if (settings.values.stretch !== stretched && shown !== null) {
    stretched = settings.values.stretch;
    rescale();
  }
  if (threshold() === painted) return;
  painted = threshold();
  overlay.scene.heat?.paint(painted);
  overlay.draw();
});

const toggle = (name) => () => settings.change({ [name]: !settings.values[name] });
const fade = (step) => () => settings.change({ opacity: Math.min(1, Math.max(0, Math.round(settings.values.opacity * 20 + step) / 20)) });
const help = byId("help");

function toggleOutlines() {
  const boxes = [...document.querySelectorAll("[data-outline]")];
  const show = !boxes.some((box) => box.checked);
  for (const box of boxes) settings.toggleOutline(box.dataset.outline, show);
}

function switchKind() {
  if (shown?.grid.facts.pixel_map) settings.change({ kind: settings.values.kind === "tiles" ? "pixels" : "tiles" });
}

// The arrow keys move the slide or, while marking, go from tile to tile, first from the one most like the reference.
function move(right, down) {
  if (!marking.active) return stage.panBy(0.15 * right, 0.15 * down);
  const { grid } = shown;
  const place = card.place === null ? grid.clean.at(-1) : grid.neighbour(card.place, down, right);
  if (place === null || place === undefined) return;
  card.choose(place);
  stage.keepInSight(grid.tileRectangle(place));
}

listenToKeys({
  ArrowLeft: () => move(-1, 0),
  ArrowRight: () => move(1, 0),
  ArrowUp: () => move(0, -1),
  ArrowDown: () => move(0, 1),
  "+": () => stage.zoomBy(1.5),
  "=": () => stage.zoomBy(1.5),
  "-": () => stage.zoomBy(1 / 1.5),
  0: () => stage.home(),
  "[": fade(-1),
  "]": fade(1),
  ",": () => colourBar.step(-1),
  ".": () => colourBar.step(1),
  h: toggle("heat"),
  m: switchKind,
  a: toggle("anomalous"),
  f: toggle("flags"),
  o: toggleOutlines,
  j: () => card.step(1),
  k: () => card.step(-1),
  n: () => list.step(1),
  p: () => list.step(-1),
  s: toggleList,
  "?": () => help.showModal(),
  r: () => marking.toggle(),
  x: () => marking.flip(card.place),
  u: () => marking.undo(),
  "Ctrl+z": () => marking.undo(),
  Escape: () => (marking.active ? marking.leave() : card.choose(null)),
});
byId("zoom-in").addEventListener("click", () => stage.zoomBy(1.5));
byId("zoom-out").addEventListener("click", () => stage.zoomBy(1 / 1.5));
byId("zoom-home").addEventListener("click", () => stage.home());
byId("toggle-list").addEventListener("click", toggleList);
byId("list-close").addEventListener("click", toggleList);
byId("show-help").addEventListener("click", () => help.showModal());
byId("help-close").addEventListener("click", () => help.close());
byId("notice-close").addEventListener("click", () => showNotice(null));

try {
  const { slides, colours } = await fetchList();
  table = colours;
  list.show(slides);
  const named = decodeURIComponent(location.hash.slice(1));
  await open(list.has(named) ? named : list.first);
} catch (error) {
  showNotice(error.message);
}
