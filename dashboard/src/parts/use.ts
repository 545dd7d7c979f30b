// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { messageOf, tokenGiven } from "../api.ts";

// The time, kept: what is executed grows longer.
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export interface Asked<T> {
  value: T | undefined;
  error: string;
}

// What `ask` answers, asked again every so often (0: once) and when a token was given.
export function useAsked<T>(ask: () => Promise<T>, key: string, everyMs = 0): Asked<T> {
  const [answer, setAnswer] = useState<Asked<T> & { key: string }>({ value: undefined, error: "", key });
  const given = tokenGiven.value;
  useEffect(() => {
    let stopped = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const go = async () => {
      try {
        const value = await ask();
        if (!stopped) setAnswer({ value, error: "", key });
      } catch (caught) {
        if (!stopped) setAnswer((before) => ({ value: before.key === key ? before.value : undefined, error: messageOf(caught), key }));
      }
      if (!stopped && everyMs > 0) timer = setTimeout(() => void go(), everyMs);
    };
    void go();
    return () => { stopped = true; clearTimeout(timer); };
  }, [key, everyMs, given]);
  return answer.key === key ? answer : { value: undefined, error: "" };
}
