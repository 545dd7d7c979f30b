// SPDX-License-Identifier: Apache-2.0
// The object stores there are, alone, decorated, and over injected faults, each held to the suite.
#include <memory>
#include <string>
#include <utility>

#include "common/object_store/file_store.h"
#include "common/object_store/memory_store.h"
#include "common/object_store/open_store.h"
#include "tests/conformance/object_store_suite.h"
#include "tests/testing/fake_s3.h"
#include "tests/testing/fault_store.h"

namespace lwq::test {
namespace {

std::unique_ptr<ObjectStore> InMemory(const std::string&) {
  return std::make_unique<MemoryStore>();
}

std::unique_ptr<ObjectStore> InFiles(const std::string& folder) {
  return OpenFileStore(folder, {.sync = false}).value();
}

std::unique_ptr<ObjectStore> Opened(const std::string& folder) {
  return OpenObjectStore(absl::StrCat("file://", folder)).value();
}

// One server for all cases, each in a place of its own.
std::unique_ptr<ObjectStore> OnFakeS3(FakeS3& fake, const std::string& folder, int attempts_max) {
  StoreContext context = fake.Context();
  context.retry.attempts_max = attempts_max;
  const std::string place = folder.substr(folder.rfind('/') + 1);
  return OpenObjectStore(fake.Uri(place), context).value();
}

std::unique_ptr<ObjectStore> InS3(const std::string& folder) {
  static FakeS3 fake;
  return OnFakeS3(fake, folder, 6);
}

std::unique_ptr<ObjectStore> InFailingS3(const std::string& folder) {
  static FakeS3 fake({"--fail", "0.05", "--seed", "3"});
  return OnFakeS3(fake, folder, 60);
}

std::unique_ptr<ObjectStore> Remote(const std::string& folder) {
  return std::make_unique<FaultStore>(InMemory(folder), FaultOptions{.list_page_max = 2});
}

std::unique_ptr<ObjectStore> Faulty(std::unique_ptr<ObjectStore> inner) {
  return std::make_unique<FaultStore>(
      std::move(inner),
      FaultOptions{.seed = 11, .unavailable_before = 0.15, .unavailable_after = 0.15, .list_page_max = 3});
}

std::unique_ptr<ObjectStore> Retried(std::unique_ptr<ObjectStore> inner) {
  return MakeRetryStore(std::move(inner), {.attempts_max = 60}, [](absl::Duration) { return absl::OkStatus(); });
}

const ObjectStoreUnderTest kMemory("memory", InMemory);
const ObjectStoreUnderTest kFile("file", InFiles);
const ObjectStoreUnderTest kFileSynced("file_synced", Opened);
const ObjectStoreUnderTest kRetryOverMemory("retry_over_memory",
                                            [](const std::string& folder) { return Retried(InMemory(folder)); });
const ObjectStoreUnderTest kS3("s3", InS3);
const ObjectStoreUnderTest kFailingS3("s3_failing_at_5_percent", InFailingS3);
const ObjectStoreUnderTest kRemote("remote_without_faults", Remote);
const ObjectStoreUnderTest kFaultyMemory("retry_over_faults_over_memory",
                                         [](const std::string& folder) { return Retried(Faulty(InMemory(folder))); });
const ObjectStoreUnderTest kFaultyFile("retry_over_faults_over_file",
                                       [](const std::string& folder) { return Retried(Faulty(InFiles(folder))); });

}  // namespace
}  // namespace lwq::test
