#include "coordinator/scheduler/step.h"

#include <algorithm>

#include "coordinator/scheduler/stepper.h"

namespace lwq::coordinator {

Effects Stepper::Run(const Event& event) {
  to_unblock_.assign(state_.unsettled.begin(), state_.unsettled.end());
  state_.unsettled.clear();
  effects_.status = std::visit([&](const auto& happened) { return On(happened); }, event);
  Settle();
  for (const Digest& key : dirty_) {
    effects_.changes.push_back(PutTask{state_.tasks.at(key).record, created_.contains(key)});
  }
  return std::move(effects_);
}

Effects Step(State& state, const Event& event, Instant now) {
  return Stepper(state, now).Run(event);
}

std::optional<int64_t> NextDeadline(const State& state) {
  std::optional<int64_t> next;
  if (!state.delayed.empty()) next = state.delayed.begin()->first;
  if (!state.worker_deadlines.empty()) {
    const int64_t worker = state.worker_deadlines.begin()->first;
    next = next.has_value() ? std::min(*next, worker) : worker;
  }
  return next;
}

std::string OneLine(std::string_view text, size_t max_bytes) {
  std::string line(text.substr(0, max_bytes));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  // A cut must not leave half of a UTF-8 character.
  if (text.size() > max_bytes) {
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0) == 0x80) line.pop_back();
    if (!line.empty() && (static_cast<unsigned char>(line.back()) & 0x80) != 0) line.pop_back();
  }
  return line;
}

}  // namespace lwq::coordinator
