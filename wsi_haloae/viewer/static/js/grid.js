// The tiles of a slide: their scores, marks and positions. Lengths are level-0 pixels.
//
// Each score has a cell with sides of one stride. If tiles overlap, the cell is the centre of its tile, so cells are
// shifted by half of tile size minus stride (facts.grid.l0_offset_x). Cells at the edge may extend beyond the slide.

export class Grid {
  constructor(facts) {
    this.facts = facts;
    Object.assign(this, facts.grid);
    this.scores = null; // Float32Array, row by row; NaN without a score
    this.pValues = null;
    this.marks = null; // Uint16Array, bits of facts.marks
  }

  // Some or all values of tiles: they were loaded, or are those after another adaptation to the slide.
  take(values) {
    Object.assign(this, values, { sorted: undefined, chosen: undefined });
  }

  isScored(place) {
    return !Number.isNaN(this.scores?.[place] ?? NaN);
  }

  // The nearest scored place from this one on in a direction (-1, 0 or 1 down and right); null if there is none.
  neighbour(place, down, right) {
    let [row, column] = [this.row(place) + down, this.column(place) + right];
    for (; row >= 0 && row < this.rows && column >= 0 && column < this.columns; row += down, column += right) {
      if (this.isScored(row * this.columns + column)) return row * this.columns + column;
    }
    return null;
  }

  // The place in the grid at a level-0 point; null outside the grid or the slide.
  placeAt(x, y) {
    if (x < 0 || y < 0 || x >= this.facts.width || y >= this.facts.height) return null;
    const column = Math.floor((x - this.l0_offset_x) / this.l0_cell_width);
    const row = Math.floor((y - this.l0_offset_y) / this.l0_cell_height);
    if (row < 0 || column < 0 || row >= this.rows || column >= this.columns) return null;
    return row * this.columns + column;
  }

  row(place) {
    return Math.floor(place / this.columns);
  }

  column(place) {
    return place % this.columns;
  }

  // The rectangle of the tile at a place (x, y, width, height), clipped at the slide's edge as in tiles.csv.
  tileRectangle(place) {
    const x = Math.floor(this.column(place) * this.l0_cell_width + 0.5);
    const y = Math.floor(this.row(place) * this.l0_cell_height + 0.5);
    const width = Math.min(this.l0_tile_width, this.facts.width - x);
    const height = Math.min(this.l0_tile_height, this.facts.height - y);
    return { x, y, width, height };
  }

  is(place, mark) {
    return this.marks !== null && (this.marks[place] & this.facts.marks[mark]) !== 0;
  }

  hasTile(place) {
    return this.marks === null ? this.isScored(place) : this.is(place, "tile");
  }

  // The names of the quality-control flags of a tile.
  flags(place) {
    const bits = this.marks?.[place] ?? 0;
    return this.facts.flags.filter(({ bit }) => bits & bit).map(({ words }) => words);
  }

  count(bit) {
    return this.marks === null ? 0 : this.marks.reduce((sum, bits) => sum + ((bits & bit) !== 0), 0);
  }

  // Places of all scored tiles, highest score first; equal scores in reading order.
  get byScore() {
    if (this.scores === null) return [];
    this.sorted ??= Uint32Array.from(this.#scoredPlaces()).sort((a, b) => this.scores[b] - this.scores[a] || a - b);
    return this.sorted;
  }

  // Those whose scores are about tissue: without a flag, and with enough tissue. All of them if that leaves none.
  get clean() {
    if (this.marks === null) return this.byScore;
    this.chosen ??= this.byScore.filter((place) => !this.is(place, "flagged") && !this.is(place, "little_tissue"));
    return this.chosen.length ? this.chosen : this.byScore;
  }

  // Nearly all of the slide's scores lie in this range; null without scores.
  get ownRange() {
    const { byScore } = this;
    if (!byScore.length) return null;
    const score = (share) => this.scores[byScore[Math.floor(share * (byScore.length - 1))]];
    const [low, high] = [score(0.99), score(0.005)];
    return [low, high > low ? high : low + 1];
  }

  // The number of tiles with at least this score, among places in the order of their scores.
  countFrom(threshold, places = this.byScore) {
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.scores[places[middle]] >= threshold) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  *#scoredPlaces() {
    for (let place = 0; place < this.scores.length; place++) if (this.isScored(place)) yield place;
  }
}
