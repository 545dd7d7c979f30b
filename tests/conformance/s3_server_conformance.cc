// SPDX-License-Identifier: Apache-2.0
// The suite of object stores against a real S3 server: LWQ_S3_URI names a bucket and options, without a prefix;
// credentials come from the environment as in the programs. LWQ_S3_NESTED=0 for a server that keeps objects as files.
#include <cstdlib>
#include <memory>
#include <string>

#include "common/object_store/open_store.h"
#include "tests/conformance/object_store_suite.h"

namespace lwq::test {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Each case below a prefix of its own.
std::unique_ptr<ObjectStore> OnServer(const std::string& folder) {
  std::string uri = Variable("LWQ_S3_URI");
  uri.insert(std::min(uri.find('?'), uri.size()), folder.substr(folder.rfind('/')));
  StatusOr<std::unique_ptr<ObjectStore>> store = OpenObjectStore(uri);
  LWQ_CHECK(store.ok(), store.status().message());
  return *std::move(store);
}

const ObjectStoreUnderTest kServer("server", OnServer, Variable("LWQ_S3_NESTED") != "0");

}  // namespace
}  // namespace lwq::test
