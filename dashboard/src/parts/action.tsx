// SPDX-License-Identifier: Apache-2.0
// A button for what cannot be taken back: asks first. The answer's error stands beside it.
import { useRef, useState } from "preact/hooks";
import { messageOf } from "../api.ts";

interface Props {
  label: string;
  question?: string;  // none: it is done at once
  act: () => Promise<unknown>;
}

export function Action({ label, question, act }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const go = async () => {
    dialog.current?.close();
    setBusy(true);
    setError("");
    try {
      await act();
    } catch (caught) {
      setError(messageOf(caught));
    }
    setBusy(false);
  };
  return (
    <span class="action">
      <button type="button" disabled={busy} onClick={() => (question ? dialog.current?.showModal() : void go())}>{label}</button>
      {question && (
        <dialog ref={dialog} aria-label={label}>
          <p>{question}</p>
          <p class="buttons">
            <button type="button" class="first" onClick={() => void go()}>{label}</button>
            <button type="button" onClick={() => dialog.current?.close()}>Keep as it is</button>
          </p>
        </dialog>)}
      {error && <span class="error" role="alert">{error}</span>}
    </span>
  );
}
