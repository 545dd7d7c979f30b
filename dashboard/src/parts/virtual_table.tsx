// SPDX-License-Identifier: Apache-2.0
// A table of many rows, of which those in view are in the page. Rows have one height.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export interface Column<T> {
  title: string;
  class?: string;
  cell: (row: T) => ComponentChildren;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  empty: string;
  height?: string;
}

const ROW_PX = 36;
const BEYOND = 8;  // rows that are kept above and below what is in view

export function VirtualTable<T>({ label, rows, columns, keyOf, empty, height }: Props<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight });
    look();
    element.addEventListener("scroll", look, { passive: true });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => { element.removeEventListener("scroll", look); observer.disconnect(); };
  }, []);
  const first = Math.max(0, Math.floor(view.top / ROW_PX) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW_PX) + BEYOND);
  return (
    <div class="scroll" ref={box} tabIndex={0} role="region" aria-label={label} style={height ? { maxHeight: height } : {}}>
      <table aria-rowcount={rows.length + 1}>
        <thead><tr>{columns.map((c) => <th key={c.title} scope="col" class={c.class}>{c.title}</th>)}</tr></thead>
        <tbody>
          {first > 0 && <tr aria-hidden="true" style={{ height: `${first * ROW_PX}px` }}><td colSpan={columns.length} /></tr>}
          {rows.slice(first, last).map((row, i) => (
            <tr key={keyOf(row)} aria-rowindex={first + i + 2}>
              {columns.map((c) => <td key={c.title} class={c.class}>{c.cell(row)}</td>)}
            </tr>))}
          {last < rows.length &&
            <tr aria-hidden="true" style={{ height: `${(rows.length - last) * ROW_PX}px` }}><td colSpan={columns.length} /></tr>}
        </tbody>
      </table>
      {rows.length === 0 && <p class="empty">{empty}</p>}
    </div>
  );
}
