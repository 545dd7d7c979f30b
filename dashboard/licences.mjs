// SPDX-License-Identifier: Apache-2.0
// Prints the licences of the packages that are in the bundle.
import { readdirSync, readFileSync } from "node:fs";

const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
// @preact/signals brings its core along.
for (const name of [...Object.keys(dependencies), "@preact/signals-core"].sort()) {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  console.log(`${name} ${version} (${license})\n${"=".repeat(72)}`);
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  console.log(file ? readFileSync(`${folder}/${file}`, "utf8").trimEnd() : `The licence ${license}; its package has no text of it.`);
  console.log();
}
