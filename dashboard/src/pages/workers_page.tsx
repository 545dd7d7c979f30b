// SPDX-License-Identifier: Apache-2.0
import { runs } from "../api.ts";
import { bytes, duration } from "../format.ts";
import type { WorkerInfo } from "../gen/lwqat/v1/run_service_pb.ts";
import { Action } from "../parts/action.tsx";
import { useAsked } from "../parts/use.ts";
import { VirtualTable } from "../parts/virtual_table.tsx";

const EVERY_MS = 2000;

function standing(worker: WorkerInfo): string {
  if (!worker.alive) return "not heard of";
  if (worker.quarantine) return `in quarantine for ${duration(Number(worker.quarantine.seconds))}`;
  if (worker.draining) return "draining";
  return worker.task ? "executing" : "idle";
}

export function WorkersPage() {
  const asked = useAsked(() => runs.listWorkers({}), "workers", EVERY_MS);
  return (
    <main>
      <h1>Workers</h1>
      {asked.error && <p class="error" role="alert">{asked.error}</p>}
      <VirtualTable label="workers" rows={asked.value?.workers ?? []} keyOf={(worker) => worker.id}
        empty={asked.value ? "No worker has registered: start lwq-worker with this coordinator's address." : "Loading…"}
        columns={[
          { title: "Worker", class: "name", cell: (worker) => worker.name },
          { title: "Standing", cell: (worker) => <>{standing(worker)}{(worker.quarantine || worker.probed) &&
            <Action label="Release" question={`Trust ${worker.name}'s device again?`} act={() => runs.releaseWorker({ worker: worker.id })} />}</> },
          { title: "Device", cell: (worker) => worker.device },
          { title: "Memory", class: "right", cell: (worker) => bytes(worker.memoryBytes) },
          { title: "Heard", class: "right", cell: (worker) => (worker.sinceHeartbeat ? `${duration(Number(worker.sinceHeartbeat.seconds) + worker.sinceHeartbeat.nanos / 1e9)} ago` : "") },
          { title: "Task", class: "wide", cell: (worker) => worker.task },
          { title: "Numerics class", class: "wide", cell: (worker) => worker.numericsClass },
          { title: "Against it", class: "wide", cell: (worker) => worker.failures },
        ]} />
    </main>
  );
}
