// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

#include "common/file/small_file.h"

namespace lwq {
namespace {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using X509Cert = std::unique_ptr<X509, FreeWith<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;

// Nobody is asked for a pass phrase: a server that starts by itself has nobody to ask.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*write*/, void* /*data*/) {
  return -1;
}

Bio Reading(std::string_view pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

X509Cert FirstCertificate(std::string_view pem) {
  const Bio bio = Reading(pem);
  X509Cert certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  return certificate;
}

StatusOr<std::string> ReadPem(const std::string& path) {
  StatusOr<std::string> text = ReadSmallFile(path);
  if (!text.ok()) return absl::FailedPreconditionError(absl::StrCat(MessageOf(text.status())));
  return text;
}

}  // namespace

Status CheckRoots(std::string_view ca_pem) {
  if (FirstCertificate(ca_pem) != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError("holds no certificate in PEM");
}

Status CheckKeyPair(std::string_view cert_pem, std::string_view key_pem, int64_t now_unix_s) {
  const X509Cert certificate = FirstCertificate(cert_pem);
  if (certificate == nullptr) return absl::FailedPreconditionError("the certificate's file holds none in PEM");
  const Bio bio = Reading(key_pem);
  const PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return absl::FailedPreconditionError("the key's file holds no private key in PEM without a pass phrase");
  }
  const bool belongs = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!belongs) return absl::FailedPreconditionError("the key is not that of the certificate");
  time_t now = now_unix_s;
  if (X509_cmp_time(X509_get0_notAfter(certificate.get()), &now) < 0) {
    return absl::FailedPreconditionError("the certificate has expired");
  }
  return absl::OkStatus();
}

StatusOr<Certificates> ReadCertificates(const CertificateFiles& files, int64_t now_unix_s) {
  if (files.cert.empty() != files.key.empty()) {
    return absl::InvalidArgumentError("a certificate needs its key, and a key its certificate: give both");
  }
  Certificates read;
  if (!files.ca.empty()) {
    LWQ_ASSIGN_OR_RETURN(read.ca, ReadPem(files.ca));
    LWQ_RETURN_IF_ERROR(Annotate(CheckRoots(read.ca), files.ca));
  }
  if (!files.cert.empty()) {
    LWQ_ASSIGN_OR_RETURN(read.cert, ReadPem(files.cert));
    LWQ_ASSIGN_OR_RETURN(read.key, ReadPem(files.key));
    LWQ_RETURN_IF_ERROR(
        Annotate(CheckKeyPair(read.cert, read.key, now_unix_s), absl::StrCat(files.cert, " and ", files.key)));
  }
  return read;
}

}  // namespace lwq
