// SPDX-License-Identifier: Apache-2.0
// A server stream that is kept up: opened again where it breaks, with a pause that grows, and closed while nobody looks
// at the page, as a browser has few connections to a host.
import { Code, ConnectError } from "@connectrpc/connect";
import { signal } from "@preact/signals";
import { messageOf, noteRefusal, tokenGiven } from "./api.ts";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const HIDDEN_MS = 30_000;

// What is wrong with the connection at present; "" where nothing is.
export const connectionProblem = signal("");

// Opens streams until `stop` is called or one ends by itself. `open` goes on where the last one was.
export function keepUp<M>(open: (signal: AbortSignal) => AsyncIterable<M>, take: (message: M) => void,
  onRefused: (message: string) => void = () => {}): () => void {
  let stopped = false;
  let abort = new AbortController();
  let wake = () => {};
  const pause = (ms: number) => new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => { clearTimeout(timer); resolve(); };
  });
  let hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  const onVisibility = () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => abort.abort(), HIDDEN_MS);
    else wake();
  };
  document.addEventListener("visibilitychange", onVisibility);
  const unsubscribe = tokenGiven.subscribe(() => wake());
  const run = async () => {
    let pauseMs = FIRST_PAUSE_MS;
    while (!stopped) {
      if (document.hidden && abort.signal.aborted) { await pause(HIDDEN_MS); if (document.hidden) continue; }
      abort = new AbortController();
      try {
        for await (const message of open(abort.signal)) {
          if (stopped) return;
          connectionProblem.value = "";
          pauseMs = FIRST_PAUSE_MS;
          take(message);
        }
        return;  // it has said all there is
      } catch (error) {
        if (stopped) return;
        if (abort.signal.aborted) continue;
        noteRefusal(error);
        const code = ConnectError.from(error).code;
        if (code === Code.NotFound || code === Code.InvalidArgument || code === Code.PermissionDenied) {
          onRefused(messageOf(error));
          return;
        }
        if (code !== Code.Unauthenticated) connectionProblem.value = messageOf(error);
        await pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    }
  };
  void run();
  return () => {
    stopped = true;
    clearTimeout(hiddenTimer);
    document.removeEventListener("visibilitychange", onVisibility);
    unsubscribe();
    abort.abort();
    wake();
  };
}
