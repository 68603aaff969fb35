// The card of the chosen tile: its picture, anomaly map and numbers, and buttons for the next tile by score.

import { tileAddress } from "./api.js";
import { count, millimetres, MISSING, number } from "./format.js";

const byId = (id) => document.getElementById(id);

export class TileCard extends EventTarget {
  #grid = null;
  #scale = null;
  #place = null;
  #unclean = false;

  constructor(settings) {
    super();
    byId("tile-left-out").lastChild.addEventListener("click", () => settings.change({ unclean: !settings.values.unclean }));
    settings.addEventListener("change", () => this.#rankAll(settings.values.unclean));
    byId("tile-close").addEventListener("click", () => this.choose(null));
    byId("tile-previous").addEventListener("click", () => this.step(-1));
    byId("tile-next").addEventListener("click", () => this.step(1));
    for (const radio of document.getElementsByName("tile-kind")) radio.addEventListener("change", () => this.#showPicture());
    byId("tile-picture").addEventListener("error", () => this.#showMissing());
  }

  open(grid, scale) {
    [this.#grid, this.#scale] = [grid, scale];
    this.choose(null);
  }

  get place() {
    return this.#place;
  }

  // The tile at a place; null closes the card.
  choose(place) {
    this.#place = place;
    byId("tile").hidden = place === null;
    if (place !== null) {
      this.refresh();
      byId("tile").scrollIntoView({ block: "nearest" });
    }
    this.dispatchEvent(new CustomEvent("choose", { detail: place }));
  }

  // Go this many tiles down the ranking; without a chosen tile, go to the most anomalous one.
  step(steps) {
    const ranking = this.#ranking;
    if (!ranking.length) return;
    const next = ranking[Math.min(ranking.length - 1, Math.max(0, this.#rankAfter(steps)))];
    this.choose(next);
    this.dispatchEvent(new CustomEvent("jump", { detail: next }));
  }

  get #ranking() {
    return this.#unclean ? this.#grid.byScore : this.#grid.clean;
  }

  // Whether flagged tiles are ranked, too.
  #rankAll(unclean) {
    if (unclean === this.#unclean) return;
    this.#unclean = unclean;
    this.refresh();
  }

  // The rank of the tile this many further; a chosen tile that is not ranked lies between two that are.
  #rankAfter(steps) {
    const [grid, place, ranking] = [this.#grid, this.#place, this.#ranking];
    if (place === null || !grid.isScored(place)) return 0;
    const rank = ranking.indexOf(place);
    if (rank >= 0) return rank + steps;
    const above = grid.countFrom(grid.scores[place], ranking);
    return steps > 0 ? above + steps - 1 : above + steps;
  }

  // Show numbers that were loaded after the card was opened.
  refresh() {
    if (this.#place === null) return;
    const [grid, place] = [this.#grid, this.#place];
    byId("tile-name").textContent = `Tile in row ${grid.row(place)}, column ${grid.column(place)}`;
    const facts = [...this.#facts(grid, place)].flatMap(([name, value, field]) => [term("dt", name), term("dd", value, field)]);
    byId("tile-facts").replaceChildren(...facts);
    const score = byId("tile-facts").querySelector(".score");
    const chip = document.createElement("i");
    chip.style.background = this.#scale.css(grid.scores?.[place] ?? NaN);
    if (score.textContent !== MISSING) score.prepend(chip);
    const corner = grid.tileRectangle(place);
    byId("tile-place").textContent = `${millimetres(corner, grid.facts.mpp)}  ·  pixel ${corner.x}, ${corner.y}`;
    byId("tile-previous").disabled = this.#rankAfter(-1) < 0;
    byId("tile-next").disabled = this.#rankAfter(1) >= this.#ranking.length;
    byId("tile-kind").hidden = !grid.facts.maps;
    this.#showLeftOut();
    this.#showPicture();
  }

  // How many tiles the ranking leaves out, with a switch: a flag may be set on the very tissue that is looked for.
  #showLeftOut() {
    const left = this.#grid.byScore.length - this.#grid.clean.length;
    const [words, button] = byId("tile-left-out").children;
    byId("tile-left-out").hidden = left === 0;
    words.textContent = this.#unclean ? `${count(left)} ranked have a flag or little tissue` : `${count(left)} not ranked: flagged, or little tissue`;
    button.textContent = this.#unclean ? "Leave out" : "Rank them";
  }

  *#facts(grid, place) {
    yield ["Anomaly score", number(grid.scores?.[place] ?? NaN), "score"];
    const rank = this.#ranking.indexOf(place);
    if (rank >= 0) yield ["Rank", `${count(rank + 1)} of ${count(this.#ranking.length)}`, "rank"];
    else if (grid.isScored(place)) yield ["Rank", "not ranked", "rank"];
    const p = grid.pValues?.[place] ?? NaN;
    if (!Number.isNaN(p)) yield ["p-value", number(p), "p"];
    if (grid.is(place, "anomalous")) yield ["Called", "anomalous", "called"];
    for (const mark of ["unreadable", "pending"]) if (grid.is(place, mark)) yield ["State", mark, "state"];
    const flags = grid.flags(place);
    if (flags.length) yield ["QC flags", flags.join(", "), "flags"];
    if (grid.is(place, "little_tissue")) yield ["Tissue", "less than half", "tissue"];
  }

  #showPicture() {
    if (this.#place === null) return;
    const [grid, place] = [this.#grid, this.#place];
    const kind = grid.facts.maps ? document.querySelector("[name=tile-kind]:checked").value : "jpg";
    byId("map-words").textContent = grid.facts.map_words;
    byId("map-words").hidden = kind === "jpg";
    if (kind === "jpg" && !grid.facts.from_file) return this.#showMissing();
    const picture = byId("tile-picture");
    byId("tile-missing").hidden = true;
    picture.hidden = false;
    picture.classList.toggle("cells", kind === "png");
    picture.alt = `${kind === "png" ? "Anomaly map" : "Tissue"} of the tile in row ${grid.row(place)}, column ${grid.column(place)}`;
    const address = tileAddress(grid.facts, grid.row(place), grid.column(place), kind);
    if (picture.getAttribute("src") !== address) picture.src = address;
  }

  #showMissing() {
    byId("tile-picture").hidden = true;
    byId("tile-missing").hidden = false;
    byId("tile-missing").textContent = this.#grid.facts.from_file ? "This tile cannot be read." : "The slide file is missing.";
  }
}

function term(kind, textContent, className = "") {
  return Object.assign(document.createElement(kind), { textContent, className });
}
