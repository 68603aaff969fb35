// A small picture of the whole slide with the visible part marked; drag the mark to move.

import { iconAddress } from "./api.js";

export class Minimap {
  #element = document.getElementById("minimap");
  #picture = this.#element.querySelector("img");
  #frame = this.#element.querySelector("i");
  #facts = null;
  #stage;

  constructor(stage) {
    this.#stage = stage;
    const go = (event) => {
      const box = this.#picture.getBoundingClientRect();
      const { width, height } = this.#facts;
      stage.panTo(((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height);
    };
    this.#element.addEventListener("pointerdown", (event) => {
      this.#element.setPointerCapture(event.pointerId);
      go(event);
    });
    this.#element.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) go(event);
    });
    this.#picture.addEventListener("load", () => this.show());
    stage.addEventListener("move", () => this.show());
  }

  open(facts) {
    this.#facts = facts;
    this.#picture.src = iconAddress(facts.name);
  }

  show() {
    if (this.#facts === null) return;
    const { x, y, width, height } = this.#stage.sight;
    const { offsetLeft, offsetTop, clientWidth, clientHeight } = this.#picture;
    const across = (at) => Math.min(1, Math.max(0, at / this.#facts.width)) * clientWidth;
    const down = (at) => Math.min(1, Math.max(0, at / this.#facts.height)) * clientHeight;
    const style = { left: offsetLeft + across(x), top: offsetTop + down(y), width: across(x + width) - across(x), height: down(y + height) - down(y) };
    for (const [name, pixels] of Object.entries(style)) this.#frame.style[name] = `${pixels}px`;
  }
}
