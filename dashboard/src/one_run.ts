// SPDX-License-Identifier: Apache-2.0
// One run with its tasks, kept up to date by changes.
import { runs } from "./api.ts";
import type { Run } from "./gen/lwqat/v1/run_pb.ts";
import { keepUp } from "./stream.ts";
import { takeChange } from "./take_change.ts";

const INTERVAL_MS = 500;

export function watchRun(id: string, onRun: (run: Run) => void, onGone: (message: string) => void): () => void {
  let known: Run | undefined;
  let token = "";
  return keepUp(
    (signal) => runs.watchRun({ runId: id, changesOnly: true, resumeToken: token, intervalMs: INTERVAL_MS }, { signal }),
    (message) => {
      token = message.resumeToken;
      known = takeChange(known, message);
      if (known !== undefined) onRun(known);
    },
    onGone);
}

