// SPDX-License-Identifier: Apache-2.0
// Prints the SHA-256 of every file that the bundle is made from, as sha256sum does, by path from the repository's root.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

const ROOT = "..";
const files = ["dashboard/package-lock.json", "dashboard/licences.mjs"];
for (const folder of ["dashboard/src", "proto/lwqat/v1"]) {
  for (const name of readdirSync(`${ROOT}/${folder}`, { recursive: true })) {
    const path = `${folder}/${name}`;
    if (/\.(tsx?|css|html|proto)$/.test(path) && !path.startsWith("dashboard/src/gen/")) files.push(path);
  }
}
for (const path of files.sort()) {
  console.log(`${createHash("sha256").update(readFileSync(`${ROOT}/${path}`)).digest("hex")}  ${path}`);
}
