// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/device_health.h"

#include <algorithm>

namespace lwq::coordinator {
namespace {

constexpr size_t kGuiltyOfRuns = 2;   // failures, of as many different runs
constexpr size_t kGuiltyOfTasks = 3;  // failures
constexpr size_t kMostBlames = 64;    // more say nothing more

// Whether it counts before anything is known of the task elsewhere: a store that is out of reach, or memory that is
// short, may well be the same there.
bool CountsAtOnce(FailureCause cause) {
  return cause == FailureCause::kDevice || cause == FailureCause::kLeaseLost;
}

}  // namespace

bool DeviceHealth::Counts(const Blame& blame) const {
  if (blame.confirmed) return true;
  if (!CountsAtOnce(blame.failure.cause)) return false;
  const auto devices = failed_on_.find(blame.failure.task);
  return devices == failed_on_.end() || devices->second.size() == 1;
}

bool DeviceHealth::IsGuilty(const Device& device) const {
  size_t tasks = 0;
  std::set<int64_t> runs;
  for (const auto& [task, blame] : device.blames) {
    if (!Counts(blame)) continue;
    ++tasks;
    runs.insert(blame.failure.run);
  }
  return runs.size() >= kGuiltyOfRuns || tasks >= kGuiltyOfTasks;
}

bool DeviceHealth::Judge(const std::string& name, Device& device, int64_t now_ms) {
  if (first_ms_ <= 0 || device.standing == Standing::kQuarantined || !IsGuilty(device)) return false;
  device.standing = Standing::kQuarantined;
  const int doublings = std::min(device.times++, 20);
  device.until_ms = now_ms + std::min(first_ms_ << doublings, std::max(first_ms_, kLongestMs));
  ends_.emplace(device.until_ms, name);
  return true;
}

void DeviceHealth::End(const std::string& name, Device& device, Standing standing) {
  if (device.standing == Standing::kQuarantined) ends_.erase({device.until_ms, name});
  device.standing = standing;
  device.until_ms = 0;
}

void DeviceHealth::Acquit(const std::string& name, Device& device) {
  if (device.standing == Standing::kTrusted || IsGuilty(device)) return;
  if (device.standing == Standing::kQuarantined) --device.times;
  End(name, device, Standing::kTrusted);
}

std::vector<std::string> DeviceHealth::Failed(const std::string& name, const DeviceFailure& failure, int64_t now_ms) {
  std::set<std::string>& failed_on = failed_on_[failure.task];
  failed_on.insert(name);
  Device& device = devices_[name];
  device.last_message = failure.message;
  if (device.blames.size() < kMostBlames || device.blames.contains(failure.task)) {
    device.blames[failure.task] = {failure, false};
  }
  // From its second device on it is the task that is doubted.
  if (failed_on.size() == 2) {
    for (const std::string& other : failed_on) {
      const auto first = devices_.find(other);
      if (other != name && first != devices_.end()) Acquit(other, first->second);
    }
  }
  return Judge(name, device, now_ms) ? std::vector{name} : std::vector<std::string>();
}

std::vector<std::string> DeviceHealth::Succeeded(const std::string& name, const Digest& task, TaskKind kind,
                                                 int64_t now_ms) {
  std::vector<std::string> quarantined;
  const auto failed_on = failed_on_.find(task);
  if (failed_on != failed_on_.end()) {
    for (const std::string& other : failed_on->second) {
      const auto device = devices_.find(other);
      if (other == name || device == devices_.end()) continue;
      const auto blame = device->second.blames.find(task);
      if (blame == device->second.blames.end()) continue;
      blame->second.confirmed = true;
      if (device->second.standing == Standing::kTrusted && Judge(other, device->second, now_ms)) {
        quarantined.push_back(other);
      }
    }
    failed_on_.erase(failed_on);
  }
  const auto device = devices_.find(name);
  if (device == devices_.end()) return quarantined;
  std::erase_if(device->second.blames, [&](const auto& blame) { return blame.second.failure.kind == kind; });
  Acquit(name, device->second);
  if (device->second.standing == Standing::kTrusted) {
    device->second.times = 0;
    if (device->second.blames.empty()) devices_.erase(device);
  }
  return quarantined;
}

void DeviceHealth::Forget(const Digest& task) {
  const auto failed_on = failed_on_.find(task);
  if (failed_on == failed_on_.end()) return;
  const std::set<std::string> devices = std::move(failed_on->second);
  failed_on_.erase(failed_on);
  if (devices.size() < 2) return;
  for (const std::string& name : devices) {
    const auto device = devices_.find(name);
    if (device != devices_.end()) device->second.blames.erase(task);
  }
}

void DeviceHealth::ForgetDevice(const std::string& name) {
  const auto device = devices_.find(name);
  if (device != devices_.end() && device->second.standing != Standing::kQuarantined) devices_.erase(device);
}

bool DeviceHealth::Release(const std::string& name) {
  const auto device = devices_.find(name);
  if (device == devices_.end()) return false;
  End(name, device->second, Standing::kTrusted);
  devices_.erase(device);
  for (auto failed_on = failed_on_.begin(); failed_on != failed_on_.end();) {
    failed_on->second.erase(name);
    failed_on = failed_on->second.empty() ? failed_on_.erase(failed_on) : std::next(failed_on);
  }
  return true;
}

void DeviceHealth::Advance(int64_t now_ms) {
  while (!ends_.empty() && ends_.begin()->first <= now_ms) {
    const std::string name = ends_.begin()->second;
    End(name, devices_.at(name), Standing::kProbed);
  }
}

Standing DeviceHealth::StandingOf(const std::string& name) const {
  const auto device = devices_.find(name);
  return device == devices_.end() ? Standing::kTrusted : device->second.standing;
}

const std::set<std::string>* DeviceHealth::DevicesOf(const Digest& task) const {
  const auto devices = failed_on_.find(task);
  return devices == failed_on_.end() ? nullptr : &devices->second;
}

std::optional<int64_t> DeviceHealth::QuarantinedUntil(const std::string& name) const {
  const auto device = devices_.find(name);
  if (device == devices_.end() || device->second.standing != Standing::kQuarantined) return std::nullopt;
  return device->second.until_ms;
}

std::string DeviceHealth::Reason(const std::string& name) const {
  const auto device = devices_.find(name);
  if (device == devices_.end()) return "";
  size_t tasks = 0, elsewhere = 0;
  std::set<int64_t> runs;
  for (const auto& [task, blame] : device->second.blames) {
    if (!Counts(blame)) continue;
    ++tasks;
    if (blame.confirmed) ++elsewhere;
    runs.insert(blame.failure.run);
  }
  if (tasks == 0) return "";
  return absl::StrCat(tasks, tasks == 1 ? " task of " : " tasks of ", runs.size(), runs.size() == 1 ? " run" : " runs",
                      " failed on it and on no other worker",
                      elsewhere == 0 ? "" : absl::StrCat(" (", elsewhere, " succeeded elsewhere)"),
                      "; last: ", device->second.last_message);
}

}  // namespace lwq::coordinator
