// SPDX-License-Identifier: Apache-2.0
// The PEM files of one end of a TLS connection, read and checked together: what is wrong with them is said in one line
// when a program starts, and not by every handshake that fails later.
//
// Thread-safety: free functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

// Paths; "" for a file that is not used. A certificate goes with its key.
struct CertificateFiles {
  std::string ca = {};    // certificates that the other end's must be signed by
  std::string cert = {};  // this end's, with those between it and the CA after it
  std::string key = {};
};

struct Certificates {
  std::string ca;
  std::string cert;
  std::string key;
  friend bool operator==(const Certificates&, const Certificates&) = default;
};

// FAILED_PRECONDITION, naming the file: it cannot be read, holds no certificate or key in PEM, the key is not the
// certificate's, or the certificate has expired. INVALID_ARGUMENT: a certificate without a key, or the reverse.
StatusOr<Certificates> ReadCertificates(const CertificateFiles& files, int64_t now_unix_s);

// FAILED_PRECONDITION unless the two belong together; the messages name no file.
Status CheckKeyPair(std::string_view cert_pem, std::string_view key_pem, int64_t now_unix_s);
// FAILED_PRECONDITION unless there is a certificate in it.
Status CheckRoots(std::string_view ca_pem);

}  // namespace lwq
