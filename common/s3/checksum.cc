// SPDX-License-Identifier: Apache-2.0
#include "common/s3/checksum.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace lwq {
namespace {

constexpr size_t kBase64Bytes = 44;  // of 32 bytes: 43 digits and a '='

}  // namespace

std::string Sha256Checksum(const Digest& digest) {
  std::array<unsigned char, kBase64Bytes + 1> text{};
  ::EVP_EncodeBlock(text.data(), digest.bytes().data(), static_cast<int>(Digest::kBytes));
  return {reinterpret_cast<const char*>(text.data()), kBase64Bytes};
}

std::optional<Digest> ParseSha256Checksum(std::string_view text) {
  if (text.size() != kBase64Bytes || text.back() != '=') return std::nullopt;
  std::array<unsigned char, Digest::kBytes + 1> bytes{};
  const auto* begin = reinterpret_cast<const unsigned char*>(text.data());
  if (::EVP_DecodeBlock(bytes.data(), begin, static_cast<int>(text.size())) != static_cast<int>(bytes.size())) {
    return std::nullopt;
  }
  std::array<uint8_t, Digest::kBytes> digest{};
  std::copy_n(bytes.begin(), digest.size(), digest.begin());
  return Digest(digest);
}

}  // namespace lwq
