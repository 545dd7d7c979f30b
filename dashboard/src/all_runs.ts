// SPDX-License-Identifier: Apache-2.0
// The newest runs, kept up to date by one stream for the whole page.
import { computed, signal } from "@preact/signals";
import { runs } from "./api.ts";
import type { Run } from "./gen/lwqat/v1/run_pb.ts";
import { keepUp } from "./stream.ts";
import { takeRuns } from "./take_runs.ts";

const INTERVAL_MS = 500;

// By id; another map after every change.
export const runsById = signal<ReadonlyMap<string, Run>>(new Map());
export const runsLoaded = signal(false);

// Newest first.
export const allRuns = computed(() => [...runsById.value.values()].sort((a, b) =>
  Number(b.submittedAt?.seconds ?? 0n) - Number(a.submittedAt?.seconds ?? 0n) ||
  (b.submittedAt?.nanos ?? 0) - (a.submittedAt?.nanos ?? 0)));

let token = "";

export function watchAllRuns(): () => void {
  return keepUp(
    (signal) => runs.watchRuns({ resumeToken: token, intervalMs: INTERVAL_MS }, { signal }),
    (message) => {
      token = message.resumeToken;
      runsById.value = takeRuns(runsById.value, message);
      if (!message.more) runsLoaded.value = true;
    });
}
