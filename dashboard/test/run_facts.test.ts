// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Run, RunSchema, RunState, type Task, TaskSchema, TaskState } from "../src/gen/lwqat/v1/run_pb.ts";
import { blocksOf, lossCurve, matchesFilter, methodOf, paretoFront, perplexityOf, roughSecondsLeft, secondsLeft } from "../src/run_facts.ts";

const run = (init: MessageInitShape<typeof RunSchema>): Run => create(RunSchema, init);
const task = (init: MessageInitShape<typeof TaskSchema>): Task => create(TaskSchema, init);

test("a block is as far as the tasks that quantize it", () => {
  const of = (...states: TaskState[]) => blocksOf(run({
    plan: { blocks: [{ layerIdx: 0, bitWidth: 2, groupSize: 64n, unit: 0 }] },
    tasks: [...states.map((state) => ({ kind: "train_block", block: 0, state })), { kind: "advance", block: 0, state: TaskState.LEASED }],
  }))[0]!.state;
  assert.equal(of(TaskState.BLOCKED), "waiting");
  assert.equal(of(TaskState.READY), "waiting");
  assert.equal(of(TaskState.LEASED), "training");
  assert.equal(of(TaskState.SUCCEEDED), "done");
  assert.equal(of(TaskState.SUCCEEDED, TaskState.LEASED), "training");
  assert.equal(of(TaskState.FAILED, TaskState.LEASED), "failed");
});

test("a block that is trained with others is as far as the task of the first of them", () => {
  const blocks = blocksOf(run({
    plan: { blocks: [{ layerIdx: 0, unit: 0 }, { layerIdx: 1, unit: 0 }, { layerIdx: 2, unit: 2 }] },
    tasks: [{ kind: "train_block", block: 0, state: TaskState.SUCCEEDED }],
  }));
  assert.deepEqual(blocks.map((block) => block.state), ["done", "done", "waiting"]);
});

test("losses of each kind of training are one curve by step", () => {
  const curve = (metrics: unknown) => lossCurve(task({ metricsJson: typeof metrics === "string" ? metrics : JSON.stringify(metrics) }));
  assert.deepEqual(curve({ initial_val_loss: 3, epochs: [{ epoch: 1, step: 8, train_loss: 2, val_loss: 2.5 }] }),
    [{ step: 0, train: undefined, validation: 3 }, { step: 8, train: 2, validation: 2.5 }]);
  assert.deepEqual(curve({ first_step: 10, train_losses: [1, null, 0.5] }).map((point) => [point.step, point.train]), [[11, 1], [12, undefined], [13, 0.5]]);
  assert.deepEqual(curve({ validations: [{ step: 1, val_loss: 2 }, { step: 2, val_loss: 1 }] }).map((point) => point.validation), [2, 1]);
  for (const none of ["", "{", "[]", "3", { epochs: "many" }, { initial_val_loss: 3 }]) assert.deepEqual(curve(none), []);
});

test("a list shows the method's perplexity, and full precision's only where nothing is quantized", () => {
  const fp = { subject: "fp", dataset: "a", metric: "perplexity", value: 5 };
  const quantized = { subject: "rtn", dataset: "a", metric: "perplexity", value: 9 };
  const of = (method: string, ...measured: (typeof fp)[]) => perplexityOf(run({ plan: { recipe: { method } }, measured }))?.value;
  assert.equal(of("rtn", fp), undefined);
  assert.equal(of("rtn", fp, quantized), 9);
  assert.equal(of("none", fp), 5);
  assert.equal(of("rtn", { ...quantized, metric: "acc" }), undefined);
});

test("what is left is the mean time of each kind over those that are executed at once", () => {
  const done = { kind: "train_block", state: TaskState.SUCCEEDED, seconds: 10 };
  const executing = { kind: "train_block", state: TaskState.LEASED, seconds: 4 };
  const waiting = { kind: "train_block", state: TaskState.BLOCKED };
  const left = (tasks: MessageInitShape<typeof TaskSchema>[], init: MessageInitShape<typeof RunSchema> = {}) =>
    secondsLeft(run({ state: RunState.RUNNING, tasks, ...init }));
  assert.equal(left([done, executing, waiting]), 16);
  assert.equal(left([done, executing, executing, waiting, waiting]), 16);
  assert.equal(left([done, { ...executing, seconds: 30 }]), 0);
  assert.equal(left([executing, waiting]), undefined, "none of the kind has ended");
  assert.equal(left([done, waiting]), undefined, "nothing is executed");
  assert.equal(left([done, executing], { paused: true }), undefined);
  assert.equal(left([done, executing], { state: RunState.SUCCEEDED }), undefined);
});

test("of a run without its tasks what is left goes by how many were executed", () => {
  const submittedAt = { seconds: 1000n, nanos: 0 };
  const of = (tasksDone: number, tasksShared: number) =>
    roughSecondsLeft(run({ state: RunState.RUNNING, submittedAt, tasksTotal: 30, tasksDone, tasksShared }), 1_100_000);
  assert.equal(of(20, 10), 100);
  assert.equal(of(11, 10), undefined);
});

test("no point of the front is beaten, and every other is", () => {
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 50; ++round) {
    const points = Array.from({ length: 1 + Math.floor(random() * 30) }, (_, i) => ({ id: String(i), x: Math.floor(random() * 8), y: Math.floor(random() * 8) }));
    const front = paretoFront(points);
    const beats = (a: { x: number; y: number }, b: { x: number; y: number }) => a.x <= b.x && a.y <= b.y && (a.x < b.x || a.y < b.y);
    for (const point of points) {
      const beaten = points.some((other) => beats(other, point));
      const equal = front.some((other) => other.x === point.x && other.y === point.y);
      assert.equal(equal, !beaten);
    }
  }
});

test("every word of a filter must be there, and states and projects are exact", () => {
  const one = run({ id: "ab12", spec: { name: "SmolLM2 w2", project: "nlp" }, state: RunState.FAILED, labels: { seed: "3" },
    plan: { recipe: { method: "block_ap", wbits: 2, groupSize: 64n } } });
  for (const fits of ["", "smollm2", "AB12", "w2 block_ap", "state:failed", "project:nlp smol", "seed=3", "g64"]) assert.ok(matchesFilter(one, fits), fits);
  for (const not of ["smollm3", "state:fail", "project:nl", "w2 w3", "state:paused"]) assert.ok(!matchesFilter(one, not), not);
  assert.ok(matchesFilter(run({ paused: true, state: RunState.RUNNING }), "state:paused"));
});

test("a method is named with its width and its groups", () => {
  const of = (recipe: object) => methodOf(run({ plan: { recipe } }));
  assert.equal(of({ method: "block_ap", wbits: 2, groupSize: 64n }), "block_ap w2 g64");
  assert.equal(of({ method: "rtn", wbits: 4, groupSize: -1n }), "rtn w4 per row");
  assert.equal(of({ method: "none", wbits: 4, groupSize: 128n }), "none");
  assert.equal(of({}), "");
});
