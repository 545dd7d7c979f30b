// SPDX-License-Identifier: Apache-2.0
// A coordinator with its dashboard, workers, and calls of the API, for tests in a browser.
import { spawn } from "node:child_process";
import { createServer, request } from "node:http";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function until(what, condition, patienceMs = 300_000) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${patienceMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Cluster {
  constructor(bin) {
    this.bin = bin;
    this.folder = mkdtempSync(join(tmpdir(), "lwq-dashboard-"));
    this.children = [];
    this.output = "";
  }

  start(program, args, onOutput = () => {}) {
    const child = spawn(join(this.bin, program), args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, OMP_NUM_THREADS: "1" } });
    child.stdout.on("data", (data) => onOutput(String(data)));
    child.stderr.on("data", () => {});
    this.children.push(child);
    return child;
  }

  async startCoordinator(...args) {
    this.start("lwq-coordinator", ["--listen", "127.0.0.1:0", "--web-listen", "127.0.0.1:0", "--store", `sqlite:${this.folder}/s.sqlite`,
      "--objects", `file://${this.folder}/objects`, "--address-file", `${this.folder}/address`, ...args], (text) => { this.output += text; });
    this.url = await until("a coordinator", () => /dashboard on (\S+)/.exec(this.output)?.[1]);
    this.address = readFileSync(`${this.folder}/address`, "utf8").trim();
  }

  startWorkers(count) {
    for (let i = 0; i < count; ++i) {
      this.start("lwq-worker", ["--coordinator", this.address, "--name", `worker-${i}`, "--cache-dir", `${this.folder}/cache-${i}`]);
    }
  }

  // lwq with these arguments: its standard output.
  lwq(...args) {
    return new Promise((resolve, reject) => {
      let out = "", error = "";
      const child = spawn(join(this.bin, "lwq"), args, { stdio: ["ignore", "pipe", "pipe"] });
      child.stdout.on("data", (data) => { out += data; });
      child.stderr.on("data", (data) => { error += data; });
      child.on("close", (code) => (code === 0 ? resolve(out) : reject(new Error(`lwq ${args.join(" ")}: ${error}`))));
    });
  }

  async call(method, body, headers = {}) {
    const answer = await fetch(new URL(`api/lwqat.v1.${method}`, this.url), { method: "POST", body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", ...headers } });
    const json = await answer.json();
    if (!answer.ok) throw new Error(`${method}: ${json.code}: ${json.message}`);
    return json;
  }

  file(name, text) {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  stop() {
    for (const child of this.children) child.kill("SIGKILL");
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true });
  }
}

// A server that serves another's content below a path, as an ingress does.
export async function proxyBelow(path, url) {
  const target = new URL(url);
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith(path)) { outgoing.writeHead(404).end(); return; }
    const passed = request({ host: target.hostname, port: target.port, method: incoming.method,
      path: "/" + incoming.url.slice(path.length), headers: { ...incoming.headers, host: target.host } }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}${path}`, close: () => { server.closeAllConnections(); server.close(); } };
}
