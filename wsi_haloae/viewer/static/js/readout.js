// One line about the tile under the pointer.

import { millimetres, number } from "./format.js";

export class Readout {
  #element = document.getElementById("readout");
  #last = null; // what it was shown for

  show(grid, scale, point) {
    this.#last = [grid, scale, point];
    const inside = point && point.x >= 0 && point.y >= 0 && point.x < grid.facts.width && point.y < grid.facts.height;
    this.#element.hidden = !inside;
    if (!inside) return null;
    const place = grid.placeAt(point.x, point.y);
    const tile = place !== null && grid.hasTile(place) ? place : null;
    const parts = [...(tile === null ? [] : this.#ofTile(grid, scale, tile))];
    parts.push(words(millimetres(point, grid.facts.mpp), "place"));
    this.#element.replaceChildren(...parts);
    return tile;
  }

  // The values of the tiles have changed; the pointer has not moved.
  refresh() {
    this.show(...this.#last);
  }

  *#ofTile(grid, scale, place) {
    const score = grid.scores?.[place] ?? NaN;
    if (!Number.isNaN(score)) {
      const colour = document.createElement("i");
      colour.style.background = scale.css(score);
      yield colour;
      yield words(`score `, "score", number(score));
      const p = grid.pValues?.[place] ?? NaN;
      if (!Number.isNaN(p)) yield words(`p `, "p", number(p));
    }
    for (const mark of ["unreadable", "pending"]) if (grid.is(place, mark)) yield words(mark, "state");
    const flags = grid.flags(place);
    if (flags.length) yield words(flags.join(", "), "flags");
    yield words(`row ${grid.row(place)}, column ${grid.column(place)}`, "cell");
  }
}

function words(text, field, bold = null) {
  const span = document.createElement("span");
  span.dataset.field = field;
  span.append(text);
  if (bold !== null) span.append(Object.assign(document.createElement("b"), { textContent: bold }));
  return span;
}
