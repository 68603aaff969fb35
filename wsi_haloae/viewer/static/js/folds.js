// What a small screen has no room for folds away: the list of slides, and the settings of the layers.

const byId = (id) => document.getElementById(id);

// As in layout.css: cards lie at the bottom, over the width of the page.
export const isNarrow = () => window.matchMedia("(max-width: 640px)").matches;
const listCovers = () => window.matchMedia("(max-width: 900px)").matches;
const isSmall = () => window.matchMedia("(max-width: 900px), (max-height: 560px)").matches;

export const showList = (shown) => document.body.classList.toggle("list-hidden", !shown);
export const toggleList = () => document.body.classList.toggle("list-hidden");

// A slide was chosen, and is to be seen.
export function uncover() {
  if (listCovers()) showList(false);
}

// A list of one slide says little.
export const showListOf = (slides) => showList(slides > 1 && !listCovers());

// What cards cover at the bottom of a narrow page, in CSS pixels.
export const coveredBelow = () => byId("side").offsetHeight + 20;

// "fold" tells whether the settings are shown now.
export class LayersFold extends EventTarget {
  #button = byId("fold-layers");
  #body = byId("layers-body");

  constructor() {
    super();
    this.#button.addEventListener("click", () => {
      this.#show(this.#body.hidden);
      if (isSmall()) this.dispatchEvent(new CustomEvent("fold", { detail: !this.#body.hidden }));
    });
    this.#show(!isSmall());
  }

  // A tile was chosen, and its card needs the room.
  makeRoom() {
    if (isSmall()) this.#show(false);
  }

  #show(shown) {
    this.#body.hidden = !shown;
    this.#button.setAttribute("aria-expanded", String(shown));
  }
}
