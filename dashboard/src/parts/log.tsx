// SPDX-License-Identifier: Apache-2.0
// A run's log, followed: asked for again every two seconds, and scrolled along while its end is in view.
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf, runs } from "../api.ts";
import type { LogLine } from "../gen/lwqat/v1/run_service_pb.ts";

const EVERY_MS = 2000;
const MOST_LINES = 5000;

export function Log({ runId, task }: { runId: string; task: string }) {
  const [lines, setLines] = useState<LogLine[]>([]);
  const [error, setError] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  useEffect(() => {
    let stopped = false;
    let after = 0n;
    let timer: ReturnType<typeof setTimeout> | undefined;
    setLines([]);
    const ask = async () => {
      try {
        const answer = await runs.getRunLogs({ runId, after, task, pageSize: 1000 });
        if (stopped) return;
        setError("");
        const last = answer.lines.at(-1);
        if (last !== undefined) {
          after = last.sequence;
          setLines((known) => [...known, ...answer.lines].slice(-MOST_LINES));
        }
        timer = setTimeout(() => void ask(), answer.more ? 0 : EVERY_MS);
      } catch (caught) {
        if (stopped) return;
        setError(messageOf(caught));
        timer = setTimeout(() => void ask(), EVERY_MS);
      }
    };
    void ask();
    return () => { stopped = true; clearTimeout(timer); };
  }, [runId, task]);
  useEffect(() => {
    if (following.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  const onScroll = () => {
    const element = box.current;
    if (element === null) return;
    following.current = element.scrollTop + element.clientHeight > element.scrollHeight - 30;
  };
  const time = (ms: bigint) => new Date(Number(ms)).toLocaleTimeString();
  return (
    <div class="log scroll" ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-label="log" aria-live="off">
      {lines.map((line) => (
        <div key={String(line.sequence)}><time>{time(line.timeUnixMs)}</time> {line.task && <b>{line.task} </b>}
          {line.worker && <i>{line.worker} </i>}{line.text}</div>))}
      {lines.length === 0 && <p class="empty">{error || "Nothing was logged yet."}</p>}
    </div>
  );
}
