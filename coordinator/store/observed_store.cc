// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/observed_store.h"

#include <chrono>
#include <utility>

namespace lwq::coordinator {
namespace {

class ObservedStore final : public Store {
 public:
  ObservedStore(std::unique_ptr<Store> store, CommitObserver observer)
      : store_(std::move(store)), observer_(std::move(observer)) {}

  StatusOr<Term> TakeTerm() override { return store_->TakeTerm(); }
  StatusOr<Records> Load() override { return store_->Load(); }
  Status Commit(Term term, std::span<const Change> changes) override {
    const auto begun = std::chrono::steady_clock::now();
    Status status = store_->Commit(term, changes);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun;
    observer_(seconds.count(), changes.size(), status.ok());
    return status;
  }
  std::string Describe() const override { return store_->Describe(); }

 private:
  const std::unique_ptr<Store> store_;
  const CommitObserver observer_;
};

}  // namespace

std::unique_ptr<Store> ObserveCommits(std::unique_ptr<Store> store, CommitObserver observer) {
  return std::make_unique<ObservedStore>(std::move(store), std::move(observer));
}

}  // namespace lwq::coordinator
