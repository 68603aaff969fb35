// The marked places of one slide, with undo. A stroke, from press to release, is taken back as a whole.

const MOST_STEPS = 100;

export class Marks {
  #places;
  #before = []; // earlier sets of places
  #adding = true; // whether the stroke marks tiles or takes marks away

  constructor(places) {
    this.#places = new Set(places);
  }

  has(place) {
    return this.#places.has(place);
  }

  get size() {
    return this.#places.size;
  }

  get canUndo() {
    return this.#before.length > 0;
  }

  // In reading order.
  get places() {
    return [...this.#places].sort((a, b) => a - b);
  }

  equals(places) {
    return places.length === this.#places.size && places.every((place) => this.#places.has(place));
  }

  // A stroke begins: on a marked tile it takes marks away.
  begin(place) {
    this.#adding = !this.#places.has(place);
    this.#before.push(new Set(this.#places));
    if (this.#before.length > MOST_STEPS) this.#before.shift();
  }

  // The stroke passes a place; returns whether that changes anything.
  pass(place) {
    if (this.#places.has(place) === this.#adding) return false;
    if (this.#adding) this.#places.add(place);
    else this.#places.delete(place);
    return true;
  }

  // A stroke ended; returns whether it changed anything. Otherwise there is nothing to take back.
  end() {
    const changed = !this.equals([...this.#before.at(-1)]);
    if (!changed) this.#before.pop();
    return changed;
  }

  undo() {
    if (this.canUndo) this.#places = this.#before.pop();
  }
}
