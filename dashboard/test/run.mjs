// SPDX-License-Identifier: Apache-2.0
// Bundles the tests of what is pure, and runs them with Node's own runner.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { build } from "esbuild";

const out = mkdtempSync(join(tmpdir(), "lwq-dashboard-"));
const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`);
await build({ entryPoints: tests, bundle: true, platform: "node", format: "esm", outdir: out, outExtension: { ".js": ".mjs" },
  jsx: "automatic", jsxImportSource: "preact", logLevel: "warning" });
const done = spawnSync(process.execPath, ["--test", "--test-reporter=dot", ...readdirSync(out).map((name) => join(out, name))], { stdio: "inherit" });
rmSync(out, { recursive: true });
process.exit(done.status ?? 1);
