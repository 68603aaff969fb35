// Copies the third-party files of the page out of node_modules and records their version ('make vendor').
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";

const name = "openseadragon";
const files = {
  "openseadragon.min.js": `node_modules/${name}/build/openseadragon/openseadragon.min.js`,
  "openseadragon.LICENSE.txt": `node_modules/${name}/LICENSE.txt`,
};
const { version, integrity } = JSON.parse(readFileSync("package-lock.json", "utf8")).packages[`node_modules/${name}`];
const sha256 = {};
for (const [copy, original] of Object.entries(files)) {
  copyFileSync(original, `../static/vendor/${copy}`);
  sha256[copy] = createHash("sha256").update(readFileSync(original)).digest("hex");
}
writeFileSync("vendored.json", `${JSON.stringify({ name, version, integrity, sha256 }, null, 2)}\n`);
