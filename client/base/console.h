// SPDX-License-Identifier: Apache-2.0
// What lwq shows: results on `out`, everything else on `err`, and on a terminal a live region of lines that is redrawn
// in place below the lines that stay.
//
// A result that cannot be written is no result: the first error of `out` is kept and told to whoever asked to know.
// What cannot be written to `err` is lost.
//
// Thread-safety: all methods from any thread. The streams must outlive the console.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "common/sync/mutex.h"

namespace lwq::client {

class Console {
 public:
  struct Options {
    bool out_is_terminal = false;
    bool err_is_terminal = false;
    int columns = 100;
    int rows = 40;
    bool utf8 = true;  // else ASCII glyphs
  };
  Console(std::ostream* out, std::ostream* err, const Options& options) : out_(out), err_(err), options_(options) {}
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  const Options& options() const { return options_; }

  // A line that stays.
  void Out(std::string_view line);
  void Err(std::string_view line);
  // Text with its own line ends.
  void OutText(std::string_view text);

  // Replaces the live region (shown on `err`, which must be a terminal; otherwise nothing is shown). Lines are cut to
  // the width.
  void SetLive(const std::vector<std::string>& lines);
  // Removes it from the screen.
  void ClearLive();

  // The errno of the first write to `out` that failed; 0 while none did.
  int out_error() const;
  // Called once, by the thread whose write failed and without a lock, so that nothing goes on for a reader that is
  // gone.
  void OnOutError(std::function<void()> action);

 private:
  void WriteOut(std::string_view text, std::string_view line_end);
  void EraseLive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DrawLive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::ostream* out_;
  std::ostream* err_;
  const Options options_;
  std::vector<std::string> live_ ABSL_GUARDED_BY(mutex_);
  int out_error_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void()> on_out_error_;
};

// One line of progress in bytes: a bar on a terminal (redrawn a few times a second), one line at the end elsewhere.
class TransferProgress {
 public:
  // `what`: "uploading model tiny". The console must outlive this.
  TransferProgress(Console* console, std::string what) : console_(console), what_(std::move(what)) {}
  void Update(int64_t done_bytes, int64_t total_bytes);
  void Finish();

 private:
  Console* console_;
  std::string what_;
  int64_t total_bytes_ = 0;
  std::chrono::steady_clock::time_point drawn_{};
};

// A live line that is drawn anew a few times a second, and removed when this goes.
class LiveLine {
 public:
  // The console must outlive this.
  explicit LiveLine(Console* console) : console_(console) {}
  ~LiveLine() { console_->ClearLive(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;
  void Say(const std::string& line);

 private:
  Console* console_;
  std::chrono::steady_clock::time_point drawn_{};
};

}  // namespace lwq::client
