// Requests to the server. Every failure is an Error whose message can be shown to the user.
//
// Addresses are relative to the page's, which a proxy may have put below a path.

async function answered(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The viewer does not answer. If it was stopped with Ctrl-C, start it again and reload this page.");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Error(body.error ?? `${address}: the viewer answered ${response.status} ${response.statusText}`);
}

const slideAddress = (name) => `api/slides/${encodeURIComponent(name)}`;

export const fetchList = async () => (await answered("api/slides")).json();
export const fetchFacts = async (name) => (await answered(slideAddress(name))).json();
export const fetchOutlines = async (name) => (await answered(`${slideAddress(name)}/outlines`)).json();

// One value per place of the grid, row by row.
export async function fetchRaster(name, plane) {
  const buffer = await (await answered(`${slideAddress(name)}/${plane}`)).arrayBuffer();
  return plane === "marks" ? littleEndian(buffer, Uint16Array, "getUint16") : littleEndian(buffer, Float32Array, "getFloat32");
}

// The places, [row, column], of tiles that are marked as reference tissue.
export const fetchMarked = async (name) => (await answered(`${slideAddress(name)}/anchors`)).json();

// Facts and values of all tiles after adaptation to the tiles at these places: "POST" only computes, "PUT" also saves.
export async function sendMarked(name, method, places) {
  const headers = { "Content-Type": "application/json" };
  const answer = await answered(`${slideAddress(name)}/anchors`, { method, headers, body: JSON.stringify(places) });
  const buffer = await answer.arrayBuffer();
  const start = new Uint8Array(buffer).indexOf(10) + 1; // after the line of JSON
  const cells = (buffer.byteLength - start) / 10;
  const part = (from, to, ...kind) => littleEndian(buffer.slice(start + from * cells, start + to * cells), ...kind);
  return {
    facts: JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 0, start))),
    scores: part(0, 4, Float32Array, "getFloat32"),
    pValues: part(4, 8, Float32Array, "getFloat32"),
    marks: part(8, 10, Uint16Array, "getUint16"),
  };
}

function littleEndian(buffer, Numbers, get) {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) return new Numbers(buffer);
  const [view, bytes] = [new DataView(buffer), Numbers.BYTES_PER_ELEMENT];
  return Numbers.from({ length: buffer.byteLength / bytes }, (_, place) => view[get](bytes * place, true));
}

// Picture URLs name what the picture was made from, so that a browser may cache it.
const picture = (name, rest, of) => `${slideAddress(name)}/${rest}?of=${encodeURIComponent(of)}`;
export const iconAddress = (name) => `${slideAddress(name)}/icon.jpg`;
export const zoomAddress = (facts, level, column, row) =>
  picture(facts.name, `zoom/${level}/${column}_${row}.jpg`, facts.pixels);
export const mapAddress = (facts, level, column, row) =>
  picture(facts.name, `map/${level}/${column}_${row}.png`, facts.model);
export const tileAddress = (facts, row, column, ending) =>
  picture(facts.name, `tiles/${row}_${column}.${ending}`, ending === "png" ? facts.model : facts.pixels);
