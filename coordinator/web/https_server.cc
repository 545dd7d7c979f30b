// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/https_server.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

namespace lwq::coordinator {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificateStore = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;

Bio Reading(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::vector<Certificate> ReadAll(const std::string& pem) {
  std::vector<Certificate> all;
  const Bio bio = Reading(pem);
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) all.emplace_back(certificate);
  return all;
}

bool ShowIdentity(SSL* connection, const Certificates& certificates) {
  const std::vector<Certificate> chain = ReadAll(certificates.cert);
  const Key key(PEM_read_bio_PrivateKey(Reading(certificates.key).get(), nullptr, nullptr, nullptr));
  if (chain.empty() || key == nullptr) return false;
  if (SSL_use_certificate(connection, chain[0].get()) != 1) return false;
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_add1_chain_cert(connection, chain[i].get()) != 1) return false;
  }
  return SSL_use_PrivateKey(connection, key.get()) == 1;
}

bool DemandIdentity(SSL* connection, const Certificates& certificates) {
  const CertificateStore store(X509_STORE_new());
  const std::vector<Certificate> roots = ReadAll(certificates.ca);
  for (const Certificate& root : roots) {
    if (X509_STORE_add_cert(store.get(), root.get()) != 1 || SSL_add_client_CA(connection, root.get()) != 1)
      return false;
  }
  SSL_set_verify(connection, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return !roots.empty() && SSL_set1_verify_cert_store(connection, store.get()) == 1;
}

// Before a certificate is chosen for a handshake; 0 refuses it.
int OnHandshake(SSL* connection, void* watch) {
  const auto* certificates = static_cast<const CertificateWatch*>(watch);
  const Certificates current = certificates->Current();
  if (!ShowIdentity(connection, current)) return 0;
  return certificates->files().ca.empty() || DemandIdentity(connection, current) ? 1 : 0;
}

}  // namespace

StatusOr<std::unique_ptr<httplib::Server>> MakeHttpsServer(const CertificateWatch* certificates) {
  auto server = std::make_unique<httplib::SSLServer>([certificates](SSL_CTX& context) {
    if (SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION) != 1) return false;
    // Who was let in once shows who it is again.
    SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(&context, SSL_OP_NO_TICKET);
    SSL_CTX_set_cert_cb(&context, OnHandshake, const_cast<CertificateWatch*>(certificates));
    return true;
  });
  if (!server->is_valid()) return absl::InternalError("OpenSSL makes no context for a server");
  return std::unique_ptr<httplib::Server>(std::move(server));
}

}  // namespace lwq::coordinator
