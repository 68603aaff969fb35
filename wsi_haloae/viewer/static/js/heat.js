// The heatmap as a picture with one pixel per cell, and the hatching of tiles without a score.

export class Heat {
  #canvas = document.createElement("canvas");
  #missing = null;

  constructor(grid, scale) {
    this.grid = grid;
    this.scale = scale;
    this.#canvas.width = grid.columns;
    this.#canvas.height = grid.rows;
  }

  // Colour every cell; cells below the threshold are transparent. This needs no request.
  paint(threshold) {
    const { grid, scale } = this;
    if (grid.scores === null) return;
    const context = this.#canvas.getContext("2d");
    const image = context.createImageData(grid.columns, grid.rows);
    const pixels = new Uint32Array(image.data.buffer);
    const packed = packedTable(scale.table);
    const least = threshold ?? -Infinity;
    grid.scores.forEach((score, place) => {
      if (score >= least) pixels[place] = packed[scale.entry(score)]; // false for NaN
    });
    context.putImageData(image, 0, 0);
  }

  // Find the tiles without a score; called when the marks were loaded.
  paintMissing() {
    const { grid } = this;
    const bits = grid.facts.marks.unreadable | grid.facts.marks.pending;
    this.#missing = null;
    if (!grid.count(bits)) return;
    this.#missing = document.createElement("canvas");
    Object.assign(this.#missing, { width: grid.columns, height: grid.rows });
    const context = this.#missing.getContext("2d");
    const image = context.createImageData(grid.columns, grid.rows);
    grid.marks.forEach((marks, place) => {
      if (marks & bits) image.data[4 * place + 3] = 255;
    });
    context.putImageData(image, 0, 0);
  }

  draw(context, transform, sight, opacity) {
    context.globalAlpha = opacity;
    drawCells(context, this.#canvas, this.grid, transform, sight);
    context.globalAlpha = 1;
  }

  drawMissing(context, transform, sight) {
    if (this.#missing === null) return;
    const { width, height } = context.canvas;
    const layer = new OffscreenCanvas(width, height);
    const hatched = layer.getContext("2d");
    hatched.setTransform(context.getTransform());
    drawCells(hatched, this.#missing, this.grid, transform, sight);
    hatched.globalCompositeOperation = "source-in";
    hatched.setTransform(1, 0, 0, 1, 0, 0);
    hatched.fillStyle = hatched.createPattern(hatching(), "repeat");
    hatched.fillRect(0, 0, width, height);
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(layer, 0, 0);
    context.restore();
  }
}

// Only the visible cells are drawn, so that their edges stay exact at any zoom.
function drawCells(context, cells, grid, { x, y, scale }, sight) {
  const [width, height] = [grid.l0_cell_width, grid.l0_cell_height];
  const first = (at, offset, cell) => Math.max(0, Math.floor((at - offset) / cell));
  const last = (at, offset, cell, all) => Math.min(all, Math.ceil((at - offset) / cell));
  const left = first(sight.x, grid.l0_offset_x, width);
  const top = first(sight.y, grid.l0_offset_y, height);
  const columns = last(sight.x + sight.width, grid.l0_offset_x, width, grid.columns) - left;
  const rows = last(sight.y + sight.height, grid.l0_offset_y, height, grid.rows) - top;
  if (columns <= 0 || rows <= 0) return;
  context.imageSmoothingEnabled = false;
  context.drawImage(
    cells, left, top, columns, rows,
    x + (grid.l0_offset_x + left * width) * scale, y + (grid.l0_offset_y + top * height) * scale,
    columns * width * scale, rows * height * scale,
  );
}

function packedTable(table) {
  const bytes = new Uint8Array(table.flatMap((colour) => [...colour, 255]));
  return new Uint32Array(bytes.buffer);
}

function hatching() {
  const side = 10;
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d");
  context.fillStyle = "rgb(215 215 215 / 70%)";
  context.fillRect(0, 0, side, side);
  context.strokeStyle = "rgb(70 70 70 / 90%)";
  context.lineWidth = 2.6;
  for (const shift of [-side, 0, side]) {
    context.beginPath();
    context.moveTo(shift - 2, side + 2);
    context.lineTo(shift + side + 2, -2);
    context.stroke();
  }
  return canvas;
}
