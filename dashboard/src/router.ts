// SPDX-License-Identifier: Apache-2.0
// Which page is shown: the address after "#", so that the page works under any path.
import { computed, signal } from "@preact/signals";

const address = signal(location.hash);
addEventListener("hashchange", () => { address.value = location.hash; });

// "#/runs/ab12" → ["runs", "ab12"].
export function partsOf(hash: string): string[] {
  return hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
}

export const route = computed(() => partsOf(address.value));

export function linkTo(...parts: string[]): string {
  return "#/" + parts.map(encodeURIComponent).join("/");
}
