// SPDX-License-Identifier: Apache-2.0
import type { Run, Task } from "./gen/lwqat/v1/run_pb.ts";
import type { WatchRunResponse } from "./gen/lwqat/v1/run_service_pb.ts";

// The run as it is after a message: of a change, what is not in it stays (WatchRunResponse in proto/lwqat/v1 says what).
// Pure.
export function takeChange(known: Run | undefined, message: WatchRunResponse): Run | undefined {
  const next = message.run;
  if (next === undefined || known === undefined || !message.isChange) return next;
  const run: Run = { ...next, spec: known.spec, tasks: known.tasks };
  if (next.plan === undefined) {
    run.plan = known.plan;
    run.sensitivity = known.sensitivity;
  }
  if (message.taskPositions.length > 0) {
    const tasks: Task[] = [...known.tasks];
    message.taskPositions.forEach((position, i) => {
      const task = next.tasks[i];
      if (task !== undefined) tasks[position] = task;
    });
    run.tasks = tasks;
  }
  return run;
}
