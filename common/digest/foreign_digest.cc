// SPDX-License-Identifier: Apache-2.0
#include "common/digest/foreign_digest.h"

#include <openssl/evp.h>

#include "absl/strings/escaping.h"
#include "common/status/status.h"

namespace lwq {
namespace {

const EVP_MD* AlgorithmOf(ForeignDigest kind) {
  switch (kind) {
    case ForeignDigest::kSha256:
      return EVP_sha256();
    case ForeignDigest::kGitBlobSha1:
      return EVP_sha1();
    case ForeignDigest::kMd5:
      return EVP_md5();
  }
  return nullptr;
}

}  // namespace

struct ForeignHasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

ForeignHasher::ForeignHasher(ForeignDigest kind, int64_t size_bytes) : state_(std::make_unique<State>()) {
  LWQ_CHECK(EVP_DigestInit_ex(state_->context, AlgorithmOf(kind), nullptr) == 1, "OpenSSL lacks a digest");
  if (kind != ForeignDigest::kGitBlobSha1) return;
  std::string head = absl::StrCat("blob ", size_bytes);
  head.push_back('\0');
  Update(std::as_bytes(std::span(head.data(), head.size())));
}

ForeignHasher::~ForeignHasher() = default;

void ForeignHasher::Update(std::span<const std::byte> data) {
  LWQ_CHECK(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1);
}

std::string ForeignHasher::FinishHex() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  LWQ_CHECK(EVP_DigestFinal_ex(state_->context, bytes, &size) == 1);
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes), size});
}

}  // namespace lwq
