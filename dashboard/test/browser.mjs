// SPDX-License-Identifier: Apache-2.0
// What scripts/check_dashboard does: its head says what.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { Cluster, proxyBelow, until } from "./cluster.mjs";

const { values: options } = parseArgs({ options: { chromium: { type: "string" }, bin: { type: "string" }, screenshots: { type: "string" } } });
const ROOT = resolve(import.meta.dirname, "../..");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let failures = 0;

function tell(holds, what, detail = "") {
  failures += holds ? 0 : 1;
  console.log(`${holds ? "ok  " : "FAIL"} ${what}${detail === "" ? "" : `: ${detail}`}`);
}

const complaints = [];
function listen(page) {
  page.on("console", (message) => { if (message.type() === "error" || message.type() === "warning") complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (asked) => { if (!/^(http:\/\/(127\.0\.0\.1|localhost)|data:|blob:)/.test(asked.url())) complaints.push(`asked for ${asked.url()}`); });
}

async function accessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const grave = violations.filter((one) => one.impact === "serious" || one.impact === "critical");
  tell(grave.length === 0, `axe-core finds nothing serious on ${what}`,
    grave.map((one) => `${one.id} (${one.nodes.length}: ${one.nodes[0].html.slice(0, 120)})`).join("; ") || `${violations.length} lesser findings`);
}

const RUN = `name: %NAME
model: ${ROOT}/tests/fixtures/model
calib_dataset: ${ROOT}/tests/fixtures/world/calib.txt
eval_texts: [${ROOT}/tests/fixtures/world/heldout.txt]
preset: strong
method: %METHOD
wbits: 2
group_size: 128
training_seqlen: 256
ppl_seqlen: 256
train_size: 32
epochs: 1
`;

async function liveRun(cluster, page) {
  const path = cluster.file("live.yaml", RUN.replace("%NAME", "live").replace("%METHOD", "block_ap"));
  const id = (await cluster.lwq("submit", path, "--coordinator", cluster.address)).trim();
  await page.getByRole("link", { name: "live", exact: true }).click();
  const seen = new Set();
  await until("the run's end", async () => {
    for (const cell of await page.locator(".strip .cell").all()) seen.add(/cell-(\w+)/.exec(await cell.getAttribute("class").catch(() => "") ?? "")?.[1]);
    return (await page.locator(".tools .state").textContent()).includes("succeeded");
  });
  tell(seen.has("waiting") && seen.has("training") && seen.has("done"), "blocks of a live run wait, are trained and are done", [...seen].filter(Boolean).join(", "));
  tell(await page.locator(".timeline canvas").count() === 1, "its timeline is drawn");
  await page.locator(".strip .cell").nth(3).click();
  tell(await page.getByText("train block 3: loss by optimizer step").count() === 1, "a block's losses are shown when it is chosen");
  await page.locator(".strip .cell").nth(3).press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.getByText("train block 4: loss by optimizer step").waitFor();
  tell(true, "and by the keyboard alone");
  tell((await page.locator(".log").textContent()).includes("succeeded"), "its log is followed to the end");
  tell(await page.getByRole("cell", { name: "perplexity" }).count() >= 2, "perplexities are shown");
  return id;
}

async function compared(cluster, page, first) {
  const path = cluster.file("rtn.yaml", RUN.replace("%NAME", "rounded").replace("%METHOD", "rtn"));
  const second = (await cluster.lwq("submit", path, "--coordinator", cluster.address)).trim();
  await until("round-to-nearest's end", async () => (await cluster.call("RunService/GetRun", { runId: second })).run.state === "RUN_STATE_SUCCEEDED");
  await page.getByRole("link", { name: "Runs", exact: true }).first().click();
  await page.getByRole("checkbox", { name: "choose live" }).check();
  await page.getByRole("checkbox", { name: "choose rounded" }).check();
  await page.getByRole("link", { name: "Compare the two" }).click();
  await page.getByText("were done once").waitFor();
  tell(await page.locator("tr.differs").filter({ hasText: "method" }).count() >= 1, "a comparison shows the keys that differ, and what is shared");
  return [first, second];
}

async function actions(cluster, page) {
  const { runs } = await cluster.call("RunService/SubmitRuns", { runs: [{ spec: { name: "many noops", recipe: { method: "noop", trainSize: 5000 } } }] });
  const state = async () => (await cluster.call("RunService/GetRun", { runId: runs[0].id })).run;
  await page.goto(`${cluster.url}#/runs/${runs[0].id}`);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  tell((await state()).paused === true, "a run is paused");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Pause" }).waitFor();
  tell(!(await state()).paused, "and resumed");
  await page.getByRole("button", { name: "Cancel", exact: true }).first().click();
  tell((await state()).state === "RUN_STATE_RUNNING", "cancelling asks first");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.locator(".tools .state-cancelled").waitFor();
  tell((await state()).state === "RUN_STATE_CANCELLED", "and is done then");
}

async function manyRuns(cluster, page) {
  const specs = Array.from({ length: 1000 }, (_, i) => ({ spec: { name: `run ${i}`, project: i % 2 ? "odd" : "even", recipe: { method: "noop", trainSize: 32, seed: i } } }));
  await cluster.call("RunService/SubmitRuns", { runs: specs });
  await page.goto(`${cluster.url}#/runs`);
  const shown = page.locator(".tools [role=status]");
  await until("1,000 runs", async () => Number(/\d+/.exec(await shown.textContent())?.[0]) >= 1000);
  const box = page.getByRole("searchbox");
  // From the key's event to the frame that shows its effect, while tasks are executed.
  const times = [];
  for (const text of ["state:succeeded", "odd", "run 77", "project:even 5", ""]) {
    times.push(await box.evaluate((input, value) => new Promise((done) => {
      const begun = performance.now();
      input.value = value;
      input.dispatchEvent(new InputEvent("input", { bubbles: true }));
      requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
    }), text));
  }
  const slowest = Math.max(...times);
  tell(slowest < 100, "1,000 runs are filtered in less than 100 ms", `${times.map((ms) => ms.toFixed(0)).join(", ")} ms`);
}

// While workers execute as fast as they can.
async function frames(cluster, page) {
  const done = async () => {
    let sum = 0, pageToken = "";
    do {
      const { runs, nextPageToken } = await cluster.call("RunService/ListRuns", { pageSize: 200, pageToken });
      for (const run of runs) sum += run.tasksDone ?? 0;
      pageToken = nextPageToken;
    } while (pageToken);
    return sum;
  };
  const before = await done();
  const begun = Date.now();
  const gaps = await page.evaluate(() => new Promise((resolve) => {
    const times = [];
    const tick = (now) => { times.push(now); if (times.length < 301) requestAnimationFrame(tick); else resolve(times.slice(1).map((t, i) => t - times[i])); };
    requestAnimationFrame(tick);
  }));
  const seconds = (Date.now() - begun) / 1000;
  const rate = ((await done()) - before) / seconds;
  const sorted = [...gaps].sort((a, b) => a - b);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const p95 = sorted[Math.floor(0.95 * sorted.length)];
  tell(mean < 1000 / 55 && p95 < 34, `frames while ${rate.toFixed(0)} tasks a second change`,
    `${(1000 / mean).toFixed(1)} a second, 95 % within ${p95.toFixed(1)} ms, longest ${sorted.at(-1).toFixed(0)} ms`);
}

async function coldLoad(cluster, browser) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  let loaded = 0;
  const files = new Set();
  session.on("Network.responseReceived", ({ requestId, response }) => { if (!response.url.includes("/api/")) files.add(requestId); });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => { if (files.has(requestId)) loaded += encodedDataLength; });
  await page.goto(cluster.url);
  await page.getByRole("searchbox").waitFor();
  await until("the files", () => loaded > 50_000);
  tell(loaded < 300_000, "a cold load is below 300 kB", `${(loaded / 1000).toFixed(1)} kB over the network, headers included`);
  await context.close();
}

async function belowAPath(cluster, browser) {
  const proxy = await proxyBelow("/tools/lwq/", cluster.url);
  const page = await browser.newPage();
  listen(page);
  await page.goto(proxy.url);
  await page.getByRole("link", { name: "live", exact: true }).or(page.getByRole("link", { name: /^run \d/ }).first()).first().waitFor();
  tell(true, "it works below another server's path");
  await page.close();
  proxy.close();
}

async function withTokens(browser) {
  const cluster = new Cluster(options.bin);
  try {
    const tokens = join(cluster.folder, "tokens.json");
    const make = async (role) => /lwq_\S+/.exec(await cluster.lwq("token", "create", role, "--role", role, "--all-projects", "--tokens", tokens))[0];
    const [viewer, submitter] = [await make("viewer"), await make("submitter")];
    await cluster.startCoordinator("--tokens", tokens);
    await cluster.call("RunService/SubmitRuns", { runs: [{ spec: { name: "guarded", recipe: { method: "noop", trainSize: 8 } } }] },
      { Authorization: `Bearer ${submitter}` });
    const page = await browser.newPage();
    await page.goto(cluster.url);
    const dialog = page.getByRole("dialog", { name: "token" });
    await dialog.waitFor();
    await page.getByRole("textbox", { name: "Token" }).fill("lwq_wrong");
    await page.getByRole("button", { name: "Go on" }).click();
    await dialog.getByText("is not one of this coordinator").waitFor();
    await page.getByRole("textbox", { name: "Token" }).fill(viewer);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("link", { name: "guarded" }).click();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("needs the role submitter").waitFor();
    tell(true, "a token is asked for, a wrong one refused, and what its role may not do is said");
    await page.close();
  } finally {
    cluster.stop();
  }
}

async function screenshots(cluster, browser, ids) {
  for (const scheme of ["light", "dark"]) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 860 }, colorScheme: scheme });
    listen(page);
    for (const [name, hash] of [["runs", "#/runs"], ["run", `#/runs/${ids[0]}`], ["compare", `#/compare/${ids[0]}/${ids[1]}`], ["workers", "#/workers"]]) {
      await page.goto(cluster.url + hash);
      await page.getByRole("heading", { level: 1 }).waitFor();
      if (name === "run") await page.locator(".chart canvas").first().waitFor();
      if (name === "compare") await page.getByText("were done once").waitFor();
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 600)));
      await accessible(page, `${name}, ${scheme}`);
      if (options.screenshots) await page.screenshot({ path: join(options.screenshots, `dashboard_${name}_${scheme}.png`), fullPage: name === "run" });
    }
    await page.setViewportSize({ width: 380, height: 800 });
    await page.goto(`${cluster.url}#/runs/${ids[0]}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    tell(over <= 0, `a narrow screen shows a run without scrolling sideways, ${scheme}`, over > 0 ? `${over} px too wide` : "");
    await page.close();
  }
}

const cluster = new Cluster(options.bin);
const browser = await chromium.launch({ executablePath: options.chromium, args: ["--no-sandbox"] });
try {
  await cluster.startCoordinator();
  cluster.startWorkers(2);
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
  listen(page);
  await page.goto(cluster.url);
  tell((await page.getByText("There are no runs yet").count()) === 1 || (await page.getByText("There are no runs yet").waitFor().then(() => true)), "an empty coordinator says how to begin");
  const live = await liveRun(cluster, page);
  const ids = await compared(cluster, page, live);
  await screenshots(cluster, browser, ids);
  await actions(cluster, page);
  await manyRuns(cluster, page);
  await frames(cluster, page);
  await coldLoad(cluster, browser);
  await belowAPath(cluster, browser);
  tell(complaints.length === 0, "the console has no errors, and nothing is asked of other hosts", [...new Set(complaints)].slice(0, 5).join("; "));
  await withTokens(browser);
} finally {
  await browser.close();
  cluster.stop();
}
console.log(failures === 0 ? "the dashboard holds" : `${failures} checks failed`);
process.exit(failures === 0 ? 0 : 1);
