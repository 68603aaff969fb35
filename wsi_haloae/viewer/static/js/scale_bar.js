// The scale bar and the current magnification: 40x is 0.25 µm per pixel.

import { length, roundLength } from "./format.js";

const LONGEST = 150; // CSS pixels

export class ScaleBar {
  #element = document.getElementById("scale-bar");
  #words = document.getElementById("scale-bar-words");

  show(mpp, scale) {
    const mppOnScreen = mpp / scale;
    const micrometres = roundLength(LONGEST * mppOnScreen);
    const magnification = Number((10 / mppOnScreen).toPrecision(2));
    this.#words.textContent = `${length(micrometres)} · ${magnification}×`;
    this.#element.querySelector("i").style.width = `${micrometres / mppOnScreen}px`;
  }
}
