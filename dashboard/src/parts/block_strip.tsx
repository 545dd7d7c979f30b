// SPDX-License-Identifier: Apache-2.0
// A model's blocks in order, each a cell: how far it is, its width as height, how sensitive it is as a mark.
import type { BlockFacts } from "../run_facts.ts";
import { number } from "../format.ts";

interface Props {
  blocks: BlockFacts[];
  picked: number | undefined;
  onPick: (layer: number) => void;
}

function describe(block: BlockFacts): string {
  const lines = [`block ${block.layer}: ${block.state}`];
  if (block.bits !== undefined) lines.push(`${block.bits} bits, ${block.groupSize === -1 ? "per row" : `groups of ${block.groupSize}`}`);
  if (block.sensitivity !== undefined) lines.push(`sensitivity ${number(block.sensitivity)}`);
  const training = block.tasks.find((task) => task.progress !== undefined && task.progress.steps > 0n);
  if (training?.progress) {
    lines.push(`${training.progress.stage} ${training.progress.step} of ${training.progress.steps}` +
      (training.progress.loss === undefined ? "" : `, loss ${number(training.progress.loss)}`));
  }
  const worker = block.tasks.map((task) => task.worker).filter(Boolean).at(-1);
  if (worker) lines.push(`by ${worker}`);
  return lines.join("\n");
}

export function BlockStrip({ blocks, picked, onPick }: Props) {
  const most = Math.max(...blocks.map((block) => block.sensitivity ?? 0), Number.MIN_VALUE);
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const cells = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLButtonElement>("button")];
    const at = cells.indexOf(document.activeElement as HTMLButtonElement);
    cells[Math.min(cells.length - 1, Math.max(0, at + step))]?.focus();
  };
  return (
    <div class="strip" role="group" aria-label="blocks in order; arrow keys move, Enter shows a block's losses" onKeyDown={onKey}>
      {blocks.map((block) => (
        <button type="button" key={block.layer} class={`cell cell-${block.state}`} title={describe(block)}
          aria-pressed={picked === block.layer}
          tabIndex={picked === block.layer || (picked === undefined && block.layer === 0) ? 0 : -1}
          onClick={() => onPick(block.layer)}>
          <span class="bits" aria-hidden="true">{block.bits ?? ""}</span>
          <span class="sensitivity" aria-hidden="true" style={{ transform: `scaleY(${(block.sensitivity ?? 0) / most})` }} />
          <span class="layer" aria-hidden="true">{block.layer}</span>
          <span class="unseen">{describe(block).replaceAll("\n", ", ")}</span>
        </button>))}
    </div>
  );
}
