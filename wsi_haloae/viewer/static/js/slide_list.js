// The list of slides on the left.

import { iconAddress } from "./api.js";
import { showListOf } from "./folds.js";
import { count, share } from "./format.js";

const STATES = { empty: "no tissue found", failed: "failed: see its run.json", unfinished: "not finished" };

export class SlideList extends EventTarget {
  #names = [];
  #current = null;
  #list = document.getElementById("slides");
  #note = document.getElementById("list-note");

  show(slides) {
    this.#names = slides.map(({ name }) => name);
    this.#list.replaceChildren(...slides.map((slide) => this.#item(slide)));
    document.getElementById("list-count").textContent = count(slides.length);
    const reasons = new Set(slides.map(({ why_none: reason }) => reason).filter(Boolean));
    this.#note.textContent = [...reasons].join(" ");
    this.#note.hidden = reasons.size === 0;
    showListOf(slides.length);
  }

  has(name) {
    return this.#names.includes(name);
  }

  get first() {
    return this.#names[0];
  }

  mark(name) {
    this.#current = name;
    for (const button of this.#list.querySelectorAll("button")) {
      const here = button.dataset.name === name;
      button.setAttribute("aria-current", String(here));
      if (here) button.scrollIntoView({ block: "nearest" });
    }
  }

  // Go this many slides further; nothing happens beyond either end of the list.
  step(steps) {
    const place = this.#names.indexOf(this.#current) + steps;
    if (place >= 0 && place < this.#names.length) this.#choose(this.#names[place]);
  }

  #choose(name) {
    this.dispatchEvent(new CustomEvent("choose", { detail: name }));
  }

  #item({ name, state, tiles, scored, anomalous, trained_on: trainedOn }) {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", title: name });
    button.dataset.name = name;
    button.addEventListener("click", () => this.#choose(name));
    const icon = Object.assign(document.createElement("img"), { alt: "", loading: "lazy", src: iconAddress(name) });
    icon.addEventListener("error", () => icon.removeAttribute("src"), { once: true });
    const words = document.createElement("div");
    words.append(element("b", name));
    if (state in STATES) words.append(element("span", STATES[state], "state"));
    if (trainedOn) words.append(element("span", `used in training: ${trainedOn}`, "state"));
    if (tiles) words.append(element("span", `${count(tiles)} tiles`, "faint"));
    if (scored && anomalous !== null) words.append(element("span", `${share(anomalous, scored)} anomalous`, "faint"), bar(anomalous / scored));
    button.append(icon, words);
    item.append(button);
    return item;
  }
}

function element(name, text, className = "") {
  return Object.assign(document.createElement(name), { textContent: text, className });
}

function bar(part) {
  const frame = element("div", "", "share");
  const fill = document.createElement("i");
  fill.style.width = `${100 * part}%`;
  frame.append(fill);
  return frame;
}
