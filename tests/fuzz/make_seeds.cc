// SPDX-License-Identifier: Apache-2.0
// Writes seeds of the binary formats that we have writers for: lwq_fuzz_seeds FOLDER makes FOLDER/safetensors/small and
// FOLDER/gguf/small.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/artifact/safetensors.h"
#include "common/export/gguf/gguf_file.h"

namespace lwq {
namespace {

HostTensor Zeros(DType dtype, std::vector<int64_t> shape) {
  int64_t bytes = DTypeBytes(dtype);
  for (const int64_t size : shape) bytes *= size;
  return HostTensor{dtype, std::move(shape), Bytes::FromString(std::string(static_cast<size_t>(bytes), '\1'))};
}

std::string SafetensorsSeed() {
  const auto file = SerializeSafetensors({{"a.weight", Zeros(DType::kF16, {2, 3})},
                                          {"b.qweight", Zeros(DType::kI32, {4, 2})},
                                          {"c.codes", Zeros(DType::kU8, {5})}},
                                         {{"format", "pt"}});
  LWQ_CHECK(file.ok(), file.status().ToString());
  return *file;
}

std::string GgufSeed() {
  const std::vector<qat::GgufTensor> tensors = {
      {"token_embd.weight", GgmlType::kF16, {3, 4}},     {"blk.0.attn_q.weight", GgmlType::kQ4_0, {2, 64}},
      {"blk.0.ffn_up.weight", GgmlType::kQ2_0, {1, 64}}, {"blk.0.ffn_down.weight", GgmlType::kQ5_0, {1, 32}},
      {"blk.0.attn_v.weight", GgmlType::kQ8_0, {1, 32}}, {"output_norm.weight", GgmlType::kF32, {5}}};
  std::string file = qat::GgufHeader({{"general.architecture", std::string("llama")},
                                      {"llama.block_count", uint32_t{1}},
                                      {"tokenizer.ggml.tokens", qat::GgufArray(std::vector<std::string>{"a", "b"})}},
                                     tensors);
  for (const qat::GgufTensor& tensor : tensors) {
    file.append(static_cast<size_t>(tensor.bytes() + qat::GgufPadding(tensor.bytes())), '\0');
  }
  return file;
}

void Write(const std::filesystem::path& folder, const std::string& contents) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "small", std::ios::binary) << contents;
}

}  // namespace
}  // namespace lwq

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: lwq_fuzz_seeds FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder(argv[1]);
  lwq::Write(folder / "safetensors", lwq::SafetensorsSeed());
  lwq::Write(folder / "gguf", lwq::GgufSeed());
  return 0;
}
