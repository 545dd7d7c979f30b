#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# GCC 12.2.0 (Debian 12): _tile_loadconfig reads 64 bytes, but the compiler is told 8, and drops the stores of the others.
#
# Expected: an intrinsic's operand is what the instruction reads, so a configuration of AMX tiles filled in a local variable and
# handed to _tile_loadconfig arrives whole, as with Clang.
# Seen: <amxtileintrin.h> passes the operand as one pointer-sized object ("m" (*((const void **) config))). With optimization
# the stores of columns and rows (bytes 16 to 63) to a local configuration have no reader that GCC knows of and vanish;
# what is loaded has the palette and, for the rest, what stood on the stack. The first tile instruction behind it then
# fails, or works by luck. Clang 18 keeps all stores.
# Who meets it: everyone who writes bf16 or int8 products for AMX by hand. An empty asm that takes the configuration's
# address and clobbers memory, before the intrinsic, makes GCC keep the stores; so does a configuration that is not local.
# This script only compiles and looks at the assembly; it needs no AMX.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/tiles.cc" <<'CODE'
#include <immintrin.h>
struct alignas(64) Tiles { unsigned char palette, start_row, reserved[14]; unsigned short column_bytes[16]; unsigned char rows[16]; };
void Configure() {
  Tiles tiles = {};
  tiles.palette = 1;
  for (int i = 0; i < 8; ++i) { tiles.column_bytes[i] = 64; tiles.rows[i] = 16; }
#ifdef KEEP
  asm volatile("" ::"r"(&tiles) : "memory");
#endif
  _tile_loadconfig(&tiles);
}
CODE
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q ziglang==0.13.0  # brings Clang 18.1
gcc_version=$(g++ -dumpfullversion)
echo "GCC $gcc_version; Clang of $("$folder/venv/bin/python" -m ziglang c++ --version | head -1)"
# Instructions that write to memory before the configuration is loaded.
stores() { sed -n '/Configure/,/ldtilecfg/p' "$1" | grep -cE '^\s+v?mov[a-z0-9]+\s+[^(]+, -?[0-9]*\(%[a-z]+\)' || true; }
cd "$folder"
g++ -O2 -mamx-tile -S -o gcc.s tiles.cc
g++ -O2 -mamx-tile -DKEEP -S -o gcc_keep.s tiles.cc
venv/bin/python -m ziglang c++ -target x86_64-linux-gnu -O2 -mamx-tile -S -o clang.s tiles.cc
plain=$(stores gcc.s) kept=$(stores gcc_keep.s) clang=$(stores clang.s)
echo "stores before ldtilecfg: g++ $plain, g++ with the empty asm $kept, clang $clang"
if [ "$plain" -lt "$kept" ] && [ "$plain" -lt "$clang" ]; then
  echo "as described: GCC drops what it thinks nobody reads"
else
  echo "changed: GCC $gcc_version keeps the configuration" >&2
  exit 1
fi
