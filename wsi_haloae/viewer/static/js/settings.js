// The settings that controls and keys change; listeners are notified. Settings stay when another slide is opened.

export class Settings extends EventTarget {
  #values = { heat: true, kind: "tiles", opacity: 0.55, threshold: null, stretch: false, anomalous: true, flags: false, unclean: false, hidden: new Set() };

  get values() {
    return this.#values;
  }

  change(some) {
    this.#values = { ...this.#values, ...some };
    this.dispatchEvent(new Event("change"));
  }

  // Classes of outlines are shown unless hidden. A class with the same name on another slide keeps its setting.
  toggleOutline(key, shown) {
    const hidden = new Set(this.#values.hidden);
    if (shown) hidden.delete(key);
    else hidden.add(key);
    this.change({ hidden });
  }
}
