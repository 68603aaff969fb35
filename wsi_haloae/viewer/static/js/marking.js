// Marking reference tissue: the brush, its buttons, and the scores that follow.
//
// Every stroke is sent to the server, one request at a time. Marks that were not saved are kept while other slides are
// looked at.

import { sendMarked } from "./api.js";
import { count } from "./format.js";
import { Marks } from "./marks.js";

const byId = (id) => document.getElementById(id);
const HINT = "Click tiles of reference tissue, or drag over them. Three to ten are enough.";
const PREVIEW = "A preview: scores and calls as these marks make them. The marks are not saved; Save keeps them and these scores.";
const ALREADY = 0.1; // share of a slide's tiles that lie within the colour scale, from which on it does not look unlike as a whole

export class Marking extends EventTarget {
  #drafts = new Map(); // Marks by the name of the slide
  #unsaved = new Set(); // names of slides
  #grid = null;
  #marks = null;
  #saved = []; // places
  #beyond = null; // the score above which a tile is clearly anomalous; null on a slide that looks so as a whole
  #stored = null; // what is on disk: facts, values of tiles, and the places they are adapted to
  #last = null; // the last point of the stroke
  #wanted = null; // the next request: "POST" to preview, "PUT" to save
  #busy = false;
  #trouble = "";

  active = false;

  constructor() {
    super();
    byId("mark").addEventListener("click", () => this.toggle());
    byId("mark-undo").addEventListener("click", () => this.undo());
    byId("mark-save").addEventListener("click", () => this.#follow("PUT"));
    window.addEventListener("beforeunload", (event) => {
      if (this.#unsaved.size) event.preventDefault();
    });
  }

  // Another slide was chosen; its tiles are not loaded yet.
  close() {
    this.#grid = this.#marks = this.#wanted = this.#last = null;
    this.#trouble = "";
    this.leave();
  }

  // All values of the slide's tiles are loaded; `saved` is what the server knows of its marks.
  open(grid, saved) {
    const { name } = grid.facts;
    this.#grid = grid;
    this.#keep(saved);
    this.#trouble = saved.trouble;
    this.#marks = this.#drafts.get(name) ?? new Marks(this.#saved);
    this.#drafts.set(name, this.#marks);
    this.#changed();
    this.#follow();
  }

  refuse(reason) {
    this.#trouble = reason;
    this.#show();
  }

  toggle() {
    if (this.#marks !== null) this.#setActive(!this.active);
  }

  leave() {
    this.#setActive(false);
  }

  press(point) {
    this.#last = point;
    this.#begin(this.#placeAt(point));
  }

  drag(point) {
    if (this.#last === null) return;
    const { l0_cell_width: width, l0_cell_height: height } = this.#grid;
    const [x, y] = [point.x - this.#last.x, point.y - this.#last.y];
    const steps = Math.ceil(2 * Math.max(Math.abs(x) / width, Math.abs(y) / height));
    const between = Array.from({ length: steps }, (_, step) => (step + 1) / steps);
    this.#pass(between.map((share) => this.#placeAt({ x: this.#last.x + share * x, y: this.#last.y + share * y })));
    this.#last = point;
  }

  release() {
    if (this.#last === null) return;
    this.#last = null;
    this.#end();
  }

  // Mark one tile, or take its mark away.
  flip(place) {
    if (!this.active || place === null || !this.#grid.isScored(place)) return;
    this.#begin(place);
    this.#end();
  }

  undo() {
    if (!this.active || !this.#marks.canUndo) return;
    this.#marks.undo();
    this.#changed();
    this.#follow();
  }

  #setActive(active) {
    this.active = active;
    this.dispatchEvent(new Event("mode"));
    this.#show();
  }

  #placeAt({ x, y }) {
    const place = this.#grid.placeAt(x, y);
    return place !== null && this.#grid.isScored(place) ? place : null;
  }

  #begin(place) {
    this.#marks.begin(place);
    this.#pass([place]);
  }

  // The scores follow a stroke when it ends, so that they do not slow the brush down.
  #end() {
    if (this.#marks.end()) this.#follow();
    this.#show();
  }

  #pass(places) {
    const changes = places.filter((place) => place !== null && this.#marks.pass(place));
    if (changes.length) this.#changed();
  }

  #changed() {
    this.#show();
    this.dispatchEvent(new CustomEvent("change", { detail: this.#marks }));
  }

  // Show the scores that belong to the marks, or save them. While an answer is awaited, only the newest marks wait.
  async #follow(method = "POST") {
    if (this.#wanted !== "PUT") this.#wanted = method;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#wanted !== null && this.#marks !== null) {
      const next = this.#wanted;
      this.#wanted = null;
      if (next === "POST" && this.#marks.equals(this.#stored.adaptedBy)) this.#answer(this.#stored, false);
      else await this.#ask(next);
    }
    this.#busy = false;
  }

  async #ask(method) {
    const grid = this.#grid;
    const pairs = this.#marks.places.map((place) => [grid.row(place), grid.column(place)]);
    try {
      const answer = await sendMarked(grid.facts.name, method, pairs);
      if (grid !== this.#grid) return;
      this.#trouble = "";
      this.#answer(answer, method === "POST");
      if (method === "PUT") this.#keep(answer.facts);
    } catch (error) {
      this.#trouble = error.message;
    }
    this.#show();
  }

  #answer(answer, previewed) {
    this.dispatchEvent(new CustomEvent("answer", { detail: { ...answer, previewed } }));
  }

  // The scores that are shown now are those on disk.
  #keep({ marked, adapted_by: by }) {
    const { columns, facts, scores, pValues, marks } = this.#grid;
    const places = (pairs) => pairs.map(([row, column]) => row * columns + column);
    this.#saved = places(marked);
    this.#stored = { facts: { ...facts }, scores, pValues, marks, adaptedBy: places(by) };
    const [, high] = facts.display_range;
    const [known, within] = [scores.filter((score) => !Number.isNaN(score)), scores.filter((score) => score <= high)];
    this.#beyond = within.length >= ALREADY * known.length ? high : null;
  }

  #show() {
    const marks = this.#marks;
    const unsaved = marks !== null && !marks.equals(this.#saved);
    if (unsaved) this.#unsaved.add(this.#grid.facts.name);
    else if (marks !== null) this.#unsaved.delete(this.#grid.facts.name);
    byId("mark").disabled = marks === null;
    byId("mark").setAttribute("aria-pressed", String(this.active));
    byId("mark-count").textContent = marks?.size ? `${count(marks.size)} marked` : "";
    byId("mark-tools").hidden = !this.active && !unsaved;
    byId("mark-undo").disabled = !this.active || !marks?.canUndo;
    byId("mark-save").disabled = !unsaved;
    byId("mark-words").textContent = this.#trouble || this.#words(unsaved);
  }

  // Where other tiles are like the reference, a mark on a red one is more likely a slip than a help.
  #doubt() {
    if (this.#beyond === null) return "";
    const red = this.#marks.places.filter((place) => this.#stored.scores[place] > this.#beyond).length;
    if (!red) return "";
    return `${count(red)} marked ${red === 1 ? "tile was" : "tiles were"} clearly anomalous (red) before: Undo, unless you are sure that this is reference tissue.`;
  }

  #words(unsaved) {
    if (unsaved) return [this.#doubt(), PREVIEW].filter(Boolean).join(" ");
    return (this.#marks && this.#grid.facts.not_exported) || (this.active ? HINT : "");
  }
}
