// Maps scores to colours as in heatmap.png: the server's colour table over the model's display range.

export class ColourScale {
  constructor(table, range) {
    this.table = table;
    this.range = range;
  }

  // Everybody who has this scale sees the new range.
  set range([low, high]) {
    this.low = low;
    this.high = high;
  }

  entry(score) {
    const position = (score - this.low) / (this.high - this.low);
    return Math.floor(Math.min(1, Math.max(0, position)) * (this.table.length - 1) + 0.5);
  }

  css(score) {
    return `rgb(${this.table[this.entry(score)].join(" ")})`;
  }
}
