// SPDX-License-Identifier: Apache-2.0
#include "common/digest/digest.h"

#include <openssl/evp.h>

#include <cstring>

namespace lwq {

StatusOr<Digest> Digest::FromHex(std::string_view hex) {
  if (hex.size() != 2 * kBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", hex.substr(0, 80), "' is not a SHA-256 digest (64 hex digits)"));
  }
  std::array<uint8_t, kBytes> bytes{};
  for (size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i];
    int value = 0;
    if (c >= '0' && c <= '9') {
      value = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      value = c - 'a' + 10;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("'", hex, "' is not a SHA-256 digest (64 lowercase hex digits)"));
    }
    bytes[i / 2] = static_cast<uint8_t>(bytes[i / 2] * 16 + value);
  }
  return Digest(bytes);
}

std::string Digest::hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * kBytes);
  for (const uint8_t b : bytes_) {
    text.push_back(kDigits[b >> 4]);
    text.push_back(kDigits[b & 15]);
  }
  return text;
}

namespace {

// Looked up once: OpenSSL would look for an implementation at every digest.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  LWQ_CHECK(algorithm != nullptr, "OpenSSL has no SHA-256");
  return algorithm;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  LWQ_CHECK(EVP_DigestInit_ex2(state_->context, Algorithm(), nullptr) == 1, "SHA-256 cannot begin");
}
Sha256::~Sha256() = default;

void Sha256::Update(std::span<const std::byte> data) {
  LWQ_CHECK(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1);
}
void Sha256::Update(std::string_view text) {
  Update(std::as_bytes(std::span(text.data(), text.size())));
}

Digest Sha256::Finish() {
  std::array<uint8_t, Digest::kBytes> bytes{};
  unsigned int size = 0;
  LWQ_CHECK(EVP_DigestFinal_ex(state_->context, bytes.data(), &size) == 1 && size == Digest::kBytes);
  return Digest(bytes);
}

Digest DigestOf(std::string_view text) {
  return DigestOf(std::as_bytes(std::span(text.data(), text.size())));
}

Digest DigestOf(std::span<const std::byte> data) {
  Sha256 hasher;
  hasher.Update(data);
  return hasher.Finish();
}

}  // namespace lwq

size_t std::hash<lwq::Digest>::operator()(const lwq::Digest& digest) const noexcept {
  size_t value = 0;
  std::memcpy(&value, digest.bytes().data(), sizeof(value));
  return value;
}
