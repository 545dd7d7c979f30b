// SPDX-License-Identifier: Apache-2.0
// Certificates for tests, made on the spot: a CA, and certificates that it signs.
#pragma once

#include <memory>
#include <string>

namespace lwq::test {

struct KeyPair {
  std::string cert;  // PEM
  std::string key;   // PEM, without a pass phrase
};

class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name);
  ~CertificateAuthority();

  const std::string& cert() const { return cert_; }
  // For the names, as OpenSSL writes them; valid from two hours ago until `seconds` from now, which may be negative.
  KeyPair Sign(const std::string& common_name, int64_t seconds = 3600,
               const char* names = "DNS:localhost,IP:127.0.0.1") const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string cert_;
};

// The subject of the certificate that HOST:PORT serves to a caller who shows this one: "CN = …"; "" where the handshake
// fails. Whether it is to be trusted is not looked at.
std::string SubjectServedAt(const std::string& address, const KeyPair& shown);

}  // namespace lwq::test
