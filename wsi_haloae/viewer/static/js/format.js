// Formats numbers for people.

export const count = (number) => number.toLocaleString("en");
export const MISSING = "–";
export const number = (value) => (Number.isNaN(value) ? MISSING : String(Number(value.toPrecision(4))));
// A level-0 position, in millimetres from the slide's top left corner.
export const millimetres = ({ x, y }, [mppX, mppY]) => `${((x * mppX) / 1000).toFixed(3)}, ${((y * mppY) / 1000).toFixed(3)} mm`;
export const share = (part, whole) => {
  if (!whole) return MISSING;
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 0.05) return "< 0.1 %";
  return `${Number(percent.toFixed(percent < 10 ? 1 : 0))} %`; // as `percent` in pages.py
};

// The largest of 1, 2 or 5 times a power of ten that does not exceed the given length.
export function roundLength(longest) {
  const power = 10 ** Math.floor(Math.log10(longest));
  return power * [5, 2, 1].find((step) => step * power <= longest);
}

export const length = (micrometres) =>
  micrometres >= 1000 ? `${micrometres / 1000} mm` : `${Number(micrometres.toPrecision(3))} µm`;
