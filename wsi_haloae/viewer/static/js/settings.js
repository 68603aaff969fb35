// What the controls and keys change, and who wants to hear of it. A setting stays when another slide is opened.

export class Settings extends EventTarget {
  #values = { heat: true, kind: "tiles", opacity: 0.55, threshold: null, anomalous: true, flags: false, hidden: new Set() };

  get values() {
    return this.#values;
  }

  change(some) {
    this.#values = { ...this.#values, ...some };
    this.dispatchEvent(new Event("change"));
  }

  // Outlines are shown unless they are hidden, class by class; names stay the same from slide to slide.
  toggleOutline(key, shown) {
    const hidden = new Set(this.#values.hidden);
    if (shown) hidden.delete(key);
    else hidden.add(key);
    this.change({ hidden });
  }
}
