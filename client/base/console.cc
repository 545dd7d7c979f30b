// SPDX-License-Identifier: Apache-2.0
#include "client/base/console.h"

#include <cerrno>
#include <utility>

#include "client/base/format.h"
#include "common/status/status.h"

namespace lwq::client {

void Console::Out(std::string_view line) {
  WriteOut(line, "\n");
}

void Console::Err(std::string_view line) {
  const MutexLock lock(&mutex_);
  EraseLive();
  *err_ << line << '\n' << std::flush;
  DrawLive();
}

void Console::OutText(std::string_view text) {
  WriteOut(text, "");
}

void Console::WriteOut(std::string_view text, std::string_view line_end) {
  std::function<void()> tell;
  {
    const MutexLock lock(&mutex_);
    EraseLive();
    errno = 0;
    *out_ << text << line_end << std::flush;
    if (!out_->good() && out_error_ == 0) {
      out_error_ = errno != 0 ? errno : EIO;
      tell = on_out_error_;
    }
    DrawLive();
  }
  if (tell) tell();
}

int Console::out_error() const {
  const MutexLock lock(&mutex_);
  return out_error_;
}

void Console::OnOutError(std::function<void()> action) {
  const MutexLock lock(&mutex_);
  on_out_error_ = std::move(action);
}

void Console::SetLive(const std::vector<std::string>& lines) {
  if (!options_.err_is_terminal) return;
  const MutexLock lock(&mutex_);
  EraseLive();
  live_ = lines;
  for (std::string& line : live_) line = CutToWidth(line, options_.columns - 1);
  DrawLive();
}

void Console::ClearLive() {
  const MutexLock lock(&mutex_);
  EraseLive();
  live_.clear();
}

void Console::EraseLive() {
  if (live_.empty()) return;
  *err_ << "\x1b[" << live_.size() << "A\r\x1b[J";  // up to its first line, then erase to the end of the screen
  err_->flush();
}

void Console::DrawLive() {
  if (live_.empty()) return;
  std::string text;
  for (const std::string& line : live_) absl::StrAppend(&text, line, "\n");
  *err_ << text << std::flush;
}

void TransferProgress::Update(int64_t done_bytes, int64_t total_bytes) {
  total_bytes_ = total_bytes;
  const auto now = std::chrono::steady_clock::now();
  if (done_bytes < total_bytes && now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  const double share = total_bytes > 0 ? static_cast<double>(done_bytes) / static_cast<double>(total_bytes) : 1.0;
  console_->SetLive({absl::StrCat(what_, " ", ProgressBar(share, 30, console_->options().utf8), " ",
                                  FormatBytes(done_bytes), " of ", FormatBytes(total_bytes))});
}

void TransferProgress::Finish() {
  console_->ClearLive();
  console_->Err(absl::StrCat(what_, ": ", FormatBytes(total_bytes_)));
}

void LiveLine::Say(const std::string& line) {
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_ < std::chrono::milliseconds(200)) return;
  drawn_ = now;
  console_->SetLive({line});
}

}  // namespace lwq::client
