// SPDX-License-Identifier: Apache-2.0
// The whole terminal, by ncurses: lines in tones, and keys. The terminal is as it was before when this goes.
//
// Thread-safety: none; one at a time in a process.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "client/render/top_screen.h"
#include "common/status/status.h"

namespace lwq::client {

class FullScreen {
 public:
  // FAILED_PRECONDITION: the terminal's kind (TERM) is not known.
  static StatusOr<std::unique_ptr<FullScreen>> Open();
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  int columns() const;
  int rows() const;
  void Draw(const std::vector<TopLine>& lines);
  enum class Key { kNone, kQuit, kEnded, kUp, kDown, kPageUp, kPageDown, kTop, kOther };
  // The next key within so long; kOther also where the terminal has another size now.
  Key WaitForKey(std::chrono::milliseconds wait);

 private:
  FullScreen() = default;
};

}  // namespace lwq::client
