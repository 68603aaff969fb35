// Lines over the slide, as paths in level-0 pixels. They are made once for a slide and drawn again at every move.

// The border between tiles with and without a mark; neighbouring edges are joined into long lines.
export function contour(grid, mark) {
  const { rows, columns } = grid;
  const inside = (row, column) =>
    row >= 0 && column >= 0 && row < rows && column < columns && grid.is(row * columns + column, mark);
  const { x, y } = edges(grid);
  const path = new Path2D();
  for (let row = 0; row <= rows; row++)
    runs(columns, (column) => inside(row - 1, column) !== inside(row, column), (start, end) => {
      path.moveTo(x(start), y(row));
      path.lineTo(x(end), y(row));
    });
  for (let column = 0; column <= columns; column++)
    runs(rows, (row) => inside(row, column - 1) !== inside(row, column), (start, end) => {
      path.moveTo(x(column), y(start));
      path.lineTo(x(column), y(end));
    });
  return path;
}

// The border around some of the places, of which `places` has few: the brush must not wait for the whole grid.
export function border(grid, places) {
  const [few, { x, y }] = [new Set(places), edges(grid)];
  const path = new Path2D();
  const line = (column, row, toColumn, toRow) => {
    path.moveTo(x(column), y(row));
    path.lineTo(x(toColumn), y(toRow));
  };
  for (const place of few) {
    const [row, column] = [grid.row(place), grid.column(place)];
    if (!few.has(place - grid.columns)) line(column, row, column + 1, row);
    if (!few.has(place + grid.columns)) line(column, row + 1, column + 1, row + 1);
    if (column === 0 || !few.has(place - 1)) line(column, row, column, row + 1);
    if (column === grid.columns - 1 || !few.has(place + 1)) line(column + 1, row, column + 1, row + 1);
  }
  return path;
}

// Where the edges of rows and columns of cells lie.
function edges(grid) {
  return {
    x: (column) => Math.min(grid.facts.width, grid.l0_offset_x + column * grid.l0_cell_width),
    y: (row) => Math.min(grid.facts.height, grid.l0_offset_y + row * grid.l0_cell_height),
  };
}

function runs(length, holds, found) {
  let start = null;
  for (let place = 0; place <= length; place++) {
    const here = place < length && holds(place);
    if (here && start === null) start = place;
    if (!here && start !== null) {
      found(start, place);
      start = null;
    }
  }
}

// A frame inside each tile with a quality-control flag. Several frames are nested, as in artefacts.png.
export function frames(grid, bit, inset) {
  const path = new Path2D();
  grid.marks.forEach((marks, place) => {
    if (!(marks & bit)) return;
    const { x, y, width, height } = grid.tileRectangle(place);
    path.rect(x + width * inset, y + height * inset, width * (1 - 2 * inset), height * (1 - 2 * inset));
  });
  return path;
}

export function rings(flat) {
  const path = new Path2D();
  for (const points of flat) {
    path.moveTo(points[0], points[1]);
    for (let place = 2; place < points.length; place += 2) path.lineTo(points[place], points[place + 1]);
    path.closePath();
  }
  return path;
}

export function rectangle({ x, y, width, height }) {
  const path = new Path2D();
  path.rect(x, y, width, height);
  return path;
}
