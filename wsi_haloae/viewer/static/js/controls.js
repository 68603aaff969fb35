// The card of layers: its switches and sliders change the settings, and it shows counts from the grid.

import { count, number, share } from "./format.js";
import { EXPORTED, outlineColour } from "./overlay.js";

const byId = (id) => document.getElementById(id);

export class Controls {
  #facts = null;

  constructor(settings) {
    this.settings = settings;
    for (const name of ["heat", "stretch", "anomalous", "flags", "unclean"]) {
      byId(name).addEventListener("change", (event) => settings.change({ [name]: event.target.checked }));
    }
    byId("opacity").addEventListener("input", (event) => settings.change({ opacity: Number(event.target.value) / 100 }));
    for (const radio of document.getElementsByName("kind")) {
      radio.addEventListener("change", () => settings.change({ kind: radio.value }));
    }
    settings.addEventListener("change", () => this.#show());
    this.#show();
  }

  open(facts) {
    this.#facts = facts;
    byId("kind").hidden = facts.pixel_map === null;
    if (facts.pixel_map === null) this.settings.change({ kind: "tiles" });
    byId("outlines").hidden = byId("outdated-words").hidden = true;
    byId("flag-count").textContent = byId("unclean-words").textContent = "";
    byId("unscored").hidden = true;
    byId("flag-kinds").replaceChildren();
    this.showScale();
  }

  // What the scores mean, and how tiles are called: the slide was opened, or its scores adapted.
  showScale() {
    const facts = this.#facts;
    byId("criterion").textContent = facts.criterion ?? facts.why_none;
    byId("criterion").title = facts.criterion_words ?? "";
    byId("anomalous").disabled = facts.criterion === null;
    byId("adaptation").textContent = facts.adaptation ?? "";
    this.#showKind(this.settings.values.kind);
  }

  // The marks were loaded.
  showCounts(grid) {
    const { marks, flags } = grid.facts;
    const scored = grid.byScore.length;
    if (grid.facts.criterion !== null && scored > 0) {
      const called = grid.count(marks.anomalous);
      byId("criterion").textContent = `${count(called)} tiles, ${share(called, scored)}, at a ${grid.facts.criterion}`;
    }
    byId("flag-count").textContent = count(grid.count(marks.flagged));
    byId("flag-kinds").replaceChildren(
      ...flags.map(({ bit, words, colour }) => legendEntry(words, count(grid.count(bit)), colour)),
    );
    this.#showRanked(grid);
    const missing = [["unreadable", "could not be read"], ["pending", "not scored yet"]]
      .map(([mark, words]) => [grid.count(marks[mark]), words])
      .filter(([many]) => many > 0);
    byId("unscored").hidden = missing.length === 0;
    byId("unscored").replaceChildren(...missing.map(([many, words]) => legendEntry(words, count(many), null)));
  }

  #showRanked({ byScore, clean }) {
    const left = byScore.length - clean.length;
    byId("unclean").disabled = left === 0;
    let words = left ? `${count(left)} tiles with a flag or less than half tissue are not ranked: Higher and Lower (k, j) pass them by.` : "";
    if (clean === byScore && clean.length) words = "Every tile has a flag or less than half tissue, so all are ranked.";
    byId("unclean-words").textContent = words;
  }

  // One switch for each class of outlines.
  showOutlines(layers, messages) {
    const switches = layers.map(({ key, title, name }, place) => {
      const label = document.createElement("label");
      label.className = "switch";
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: !this.settings.values.hidden.has(key) });
      box.dataset.outline = key;
      box.addEventListener("change", () => this.settings.toggleOutline(key, box.checked));
      const words = document.createElement("span");
      words.append(keySquare(outlineColour(place)), title === EXPORTED ? `Region: ${name}` : name);
      label.append(box, words);
      return label;
    });
    const notes = messages.map((text) => Object.assign(document.createElement("p"), { className: "faint", textContent: text }));
    byId("outlines").replaceChildren(...switches, ...notes);
    byId("outlines").hidden = switches.length + notes.length === 0;
  }

  // Whether scores are shown other than those that regions were drawn from.
  showOutdated(outdated) {
    const boxes = document.querySelectorAll(`[data-outline^="${EXPORTED}: "]`);
    for (const box of boxes) box.disabled = outdated;
    byId("outdated-words").hidden = !outdated || boxes.length === 0;
  }

  #show() {
    const { heat, kind, opacity, stretch, anomalous, flags, unclean, hidden } = this.settings.values;
    byId("heat").checked = heat;
    byId("stretch").checked = stretch;
    byId("stretch-words").hidden = !stretch;
    byId("anomalous").checked = anomalous;
    byId("flags").checked = flags;
    byId("unclean").checked = unclean;
    byId("opacity").value = Math.round(opacity * 100);
    byId("opacity-value").textContent = `${Math.round(opacity * 100)} %`;
    byId("flag-kinds").hidden = !flags;
    for (const radio of document.getElementsByName("kind")) radio.checked = radio.value === kind;
    for (const box of document.querySelectorAll("[data-outline]")) box.checked = !hidden.has(box.dataset.outline);
    this.#showKind(kind);
  }

  // Pixels have a different range, so the colour bar and threshold of the scores do not apply to them.
  #showKind(kind) {
    const pixels = kind === "pixels" && this.#facts?.pixel_map;
    byId("scale").hidden = Boolean(pixels);
    byId("scale-words").textContent = (pixels ? this.#facts.map_words : this.#facts?.scale_words) ?? "";
    if (!pixels) return;
    const [low, high] = this.#facts.pixel_map.range;
    const words = this.#facts.pixel_map.of_this_slide
      ? "the range of this slide, not to be compared between slides"
      : "the range of reference tiles, the same for every slide";
    byId("threshold-words").textContent =
      `Each cell of the maps, blue ${number(low)} to red ${number(high)}: ${words}.`;
  }
}

function keySquare(colour) {
  const key = document.createElement("i");
  key.className = colour === null ? "key hatch" : "key";
  if (colour !== null) key.style.setProperty("--key", colour);
  return key;
}

function legendEntry(words, many, colour) {
  const item = document.createElement("li");
  item.append(keySquare(colour), words, Object.assign(document.createElement("output"), { textContent: many }));
  return item;
}
