// SPDX-License-Identifier: Apache-2.0
// What is in an exported model: its format, what its blocks are stored in, where its bytes go, and what is wrong with
// it.
//
// Values; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/model/llama_config.h"

namespace lwq::qat {

// How a linear is stored.
struct StoredLinear {
  int bits = 0;            // of a code; 0: at full precision, or in blocks of GGUF
  int64_t group_size = 0;  // with bits; −1: a whole row
  std::string type;        // without bits: "F16", "Q4_0"
  friend bool operator==(const StoredLinear&, const StoredLinear&) = default;
};
// "4 bits, groups of 64", "Q4_0".
std::string StorageText(const StoredLinear& linear);

// Neighbouring blocks that are stored alike.
struct StoredBlocks {
  int64_t first = 0;
  int64_t last = 0;
  std::map<LinearKind, StoredLinear> linears;  // those that could be read
};
// "2 bits, groups of 64", or by what they are: "4 bits, groups of 64 (mlp.down_proj); 2 bits, groups of 64 (the
// others)".
std::string StorageText(const StoredBlocks& blocks);

struct Inspection {
  std::string path;
  std::string format;  // "gptq_v2", "gguf", "plain", …; "" where it could not be told
  std::string recognised_by;
  std::string architecture;  // "" where the configuration could not be read
  std::vector<StoredBlocks> blocks;
  int64_t quantized_weights = 0;
  double average_bits = 0;               // of the codes, over quantized weights; 0 where they are not known
  double stored_bits_per_weight = 0;     // with scales, zero points and padding
  std::map<std::string, int64_t> bytes;  // by kind: "codes", "embedding", …
  std::string head;                      // "tied to the embedding", "of its own"
  std::string tokenizer;                 // what was built of its files
  std::vector<std::string> checks;       // what was looked at
  std::vector<std::string> remarks;      // worth knowing, and nothing wrong
  std::vector<std::string> faults;       // a line each; at most kMostFaults
  int64_t more_faults = 0;               // beyond those

  static constexpr size_t kMostFaults = 100;
  void AddFault(std::string fault);
  bool sound() const { return faults.empty(); }
};

// Appends a block; one that is stored as the last was is counted to it.
void AppendBlock(int64_t block, std::map<LinearKind, StoredLinear> linears, std::vector<StoredBlocks>& blocks);

// "a, b, c and 4 more": for lines about many things.
std::string Named(const std::vector<std::string>& names);

}  // namespace lwq::qat
