// SPDX-License-Identifier: Apache-2.0
#include "client/source/hub_folder.h"

#include <random>
#include <utility>

#include "common/hub/hub_snapshot.h"
#include "common/object_store/uri_policy.h"

namespace lwq::client {
namespace {

class HubFolder : public RemoteFolder {
 public:
  explicit HubFolder(std::unique_ptr<HubSnapshot> snapshot) : snapshot_(std::move(snapshot)) {
    for (const auto& [path, file] : snapshot_->files()) files_.emplace(path, file.size_bytes);
  }

  const std::map<std::string, int64_t>& files() const override { return files_; }
  Status Fetch(const std::vector<std::string>& paths, const Progress& progress) override {
    return snapshot_->Fetch(paths, progress);
  }
  std::string folder() const override { return snapshot_->folder(); }
  Status Finish(bool is_whole) override { return snapshot_->Remember(is_whole); }

 private:
  std::unique_ptr<HubSnapshot> snapshot_;
  std::map<std::string, int64_t> files_;
};

}  // namespace

StatusOr<std::unique_ptr<RemoteFolder>> OpenHubFolder(const HubRepo& repo, const std::string& revision,
                                                      const SourceContext& context) {
  LWQ_ASSIGN_OR_RETURN(const HubSettings settings, ReadHubSettings(context.environment));
  LWQ_ASSIGN_OR_RETURN(const UriPolicy policy, UriPolicy::Of({}));
  HubFetchOptions options;
  options.client.retry = context.retry;
  options.client.retry.seed = std::random_device()();  // processes are not to retry in step
  options.client.wait = [context](absl::Duration duration) { return context.Wait(duration); };
  options.client.keep_going = [context] { return context.KeepGoing(); };
  options.client.check_address = [policy](const sockaddr* address) { return policy.CheckSocketAddress(address); };
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<HubSnapshot> snapshot, HubSnapshot::Open(settings, repo, revision, options));
  return std::make_unique<HubFolder>(std::move(snapshot));
}

}  // namespace lwq::client
