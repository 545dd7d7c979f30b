// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/certificates.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "common/status/status.h"

namespace lwq::test {
namespace {

constexpr int64_t kSecondsBefore = 7200;

EVP_PKEY* NewKey() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  LWQ_CHECK(key != nullptr, "no key");
  return key;
}

X509* NewCertificate(const std::string& common_name, EVP_PKEY* key, int64_t seconds) {
  static std::atomic<long> serial = 1;
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kSecondsBefore);
  X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  return certificate;
}

void AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  LWQ_CHECK(extension != nullptr, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

template <typename Write>
std::string Pem(Write write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

std::string PemOf(X509* certificate) {
  return Pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
}

}  // namespace

struct CertificateAuthority::State {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
};

CertificateAuthority::CertificateAuthority(const std::string& name) : state_(std::make_unique<State>()) {
  state_->key = NewKey();
  state_->certificate = NewCertificate(name, state_->key, 24 * 3600);
  X509_set_issuer_name(state_->certificate, X509_get_subject_name(state_->certificate));
  AddExtension(state_->certificate, state_->certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(state_->certificate, state_->certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  X509_sign(state_->certificate, state_->key, EVP_sha256());
  cert_ = PemOf(state_->certificate);
}

CertificateAuthority::~CertificateAuthority() {
  X509_free(state_->certificate);
  EVP_PKEY_free(state_->key);
}

KeyPair CertificateAuthority::Sign(const std::string& common_name, int64_t seconds, const char* names) const {
  EVP_PKEY* key = NewKey();
  X509* certificate = NewCertificate(common_name, key, seconds);
  X509_set_issuer_name(certificate, X509_get_subject_name(state_->certificate));
  AddExtension(certificate, state_->certificate, NID_subject_alt_name, names);
  X509_sign(certificate, state_->key, EVP_sha256());
  KeyPair pair;
  pair.cert = PemOf(certificate);
  pair.key = Pem([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(certificate);
  EVP_PKEY_free(key);
  return pair;
}

std::string SubjectServedAt(const std::string& address, const KeyPair& shown) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  X509* certificate = nullptr;
  EVP_PKEY* key = nullptr;
  BIO* cert_pem = BIO_new_mem_buf(shown.cert.data(), static_cast<int>(shown.cert.size()));
  BIO* key_pem = BIO_new_mem_buf(shown.key.data(), static_cast<int>(shown.key.size()));
  certificate = PEM_read_bio_X509(cert_pem, nullptr, nullptr, nullptr);
  key = PEM_read_bio_PrivateKey(key_pem, nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  BIO* connection = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(connection, address.c_str());
  std::string subject;
  if (BIO_do_connect(connection) == 1 && BIO_do_handshake(connection) == 1) {
    SSL* ssl = nullptr;
    BIO_get_ssl(connection, &ssl);
    X509* served = SSL_get1_peer_certificate(ssl);
    subject = Pem([&](BIO* bio) { X509_NAME_print_ex(bio, X509_get_subject_name(served), 0, XN_FLAG_ONELINE); });
    X509_free(served);
  }
  BIO_free_all(connection);
  BIO_free(cert_pem);
  BIO_free(key_pem);
  X509_free(certificate);
  EVP_PKEY_free(key);
  SSL_CTX_free(context);
  return subject;
}

}  // namespace lwq::test
