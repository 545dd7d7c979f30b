// SPDX-License-Identifier: Apache-2.0
import type { Run } from "./gen/lwqat/v1/run_pb.ts";
import type { WatchRunsResponse } from "./gen/lwqat/v1/run_service_pb.ts";

// The runs that are known after a message, by id. Pure.
export function takeRuns(known: ReadonlyMap<string, Run>, message: WatchRunsResponse): Map<string, Run> {
  const next = new Map(message.allAgain ? [] : known);
  for (const run of message.runs) next.set(run.id, run);
  for (const id of message.deleted) next.delete(id);
  return next;
}
