// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { bytes, duration, number } from "../src/format.ts";
import { type Run, RunState, TaskState } from "../src/gen/lwqat/v1/run_pb.ts";
import { WatchRunResponseSchema, WatchRunsResponseSchema } from "../src/gen/lwqat/v1/run_service_pb.ts";
import { takeChange } from "../src/take_change.ts";
import { takeRuns } from "../src/take_runs.ts";

const message = (init: MessageInitShape<typeof WatchRunResponseSchema>) => create(WatchRunResponseSchema, init);

test("a change leaves what is not in it as it was", () => {
  const whole = takeChange(undefined, message({ run: {
    id: "a", spec: { name: "x" }, plan: { averageBits: 2 }, state: RunState.RUNNING, tasksTotal: 3,
    tasks: [{ key: "0", state: TaskState.READY }, { key: "1", state: TaskState.BLOCKED }],
  } }))!;
  const next = takeChange(whole, message({ isChange: true, taskPositions: [2, 0], run: {
    id: "a", state: RunState.RUNNING, tasksDone: 1, tasks: [{ key: "2" }, { key: "0", state: TaskState.SUCCEEDED }],
  } }))!;
  assert.equal(next.spec?.name, "x");
  assert.equal(next.plan?.averageBits, 2);
  assert.equal(next.tasksDone, 1);
  assert.deepEqual(next.tasks.map((task) => [task.key, task.state]), [["0", TaskState.SUCCEEDED], ["1", TaskState.BLOCKED], ["2", TaskState.UNSPECIFIED]]);
  assert.equal(whole.tasks[0]!.state, TaskState.READY, "what was shown before does not change under its reader");
  const planned = takeChange(next, message({ isChange: true, run: { id: "a", plan: { averageBits: 3 } } }))!;
  assert.equal(planned.plan?.averageBits, 3);
});

test("a whole message voids what was known", () => {
  const known = takeChange(undefined, message({ run: { id: "a", spec: { name: "x" }, tasks: [{ key: "0" }] } }));
  assert.equal(takeChange(known, message({ run: { id: "a" } }))!.tasks.length, 0);
});

test("runs are added, replaced, deleted, and all void where they come again", () => {
  const runs = (init: MessageInitShape<typeof WatchRunsResponseSchema>, known: ReadonlyMap<string, Run> = new Map()) =>
    takeRuns(known, create(WatchRunsResponseSchema, init));
  const first = runs({ allAgain: true, runs: [{ id: "a" }, { id: "b" }] });
  const second = runs({ runs: [{ id: "b", tasksDone: 2 }, { id: "c" }], deleted: ["a", "unknown"] }, first);
  assert.deepEqual([...second.keys()].sort(), ["b", "c"]);
  assert.equal(second.get("b")?.tasksDone, 2);
  assert.equal(first.size, 2);
  assert.deepEqual([...runs({ allAgain: true, runs: [{ id: "d" }] }, second).keys()], ["d"]);
});

test("values are written as people read them", () => {
  assert.deepEqual([0.05, 9.94, 59, 200, 3600, 7500, 90_000].map(duration), ["0.1 s", "9.9 s", "59 s", "3 min 20 s", "1 h 00 min", "2 h 05 min", "1 d 1 h"]);
  assert.deepEqual([duration(NaN), duration(-1)], ["", ""]);
  assert.deepEqual([0, 1023, 1024, 1.5 * 2 ** 20, 3n * 2n ** 40n].map(bytes), ["0 B", "1023 B", "1.00 KiB", "1.50 MiB", "3.00 TiB"]);
  assert.deepEqual([0, 12.3456, 0.012345, 5678.9, 540_299, 1.2e7, 1e-5, NaN, Infinity].map(number),
    ["0", "12.35", "0.01235", "5679", "540299", "1.20e+7", "1.00e-5", "not a number", "∞"]);
});
