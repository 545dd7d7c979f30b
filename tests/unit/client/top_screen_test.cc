// SPDX-License-Identifier: Apache-2.0
// What lwq top shows, as text and on a terminal.
#include "client/render/top_screen.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "client/base/format.h"
#include "client/watch/full_screen.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNow = 1'000'100;

lwqat::v1::Run RunOf(const std::string& id, lwqat::v1::RunState state, int64_t submitted_unix_s) {
  lwqat::v1::Run run;
  run.set_id(id);
  run.mutable_spec()->set_name("run " + id);
  run.set_state(state);
  run.mutable_submitted_at()->set_seconds(submitted_unix_s);
  run.set_tasks_total(40);
  run.set_tasks_done(10);
  return run;
}

TopState Sample() {
  TopState state{.address = "127.0.0.1:7070", .connected = true, .loaded = true, .runs = {}, .workers = {}};
  state.runs["a"] = RunOf("aaaaaaaaaaaa", lwqat::v1::RUN_STATE_SUCCEEDED, 1'000'090);
  state.runs["b"] = RunOf("bbbbbbbbbbbb", lwqat::v1::RUN_STATE_PENDING, 1'000'080);
  state.runs["b"].set_waiting_reason("waits for a worker");
  state.runs["c"] = RunOf("cccccccccccc", lwqat::v1::RUN_STATE_RUNNING, 1'000'000);
  state.runs["c"].add_tasks()->set_title("train block 3");
  state.runs["c"].add_tasks()->set_title("advance block 4");
  state.runs["c"].mutable_plan()->set_stored_bits_per_weight(2.281);
  state.runs["d"] = RunOf("dddddddddddd", lwqat::v1::RUN_STATE_RUNNING, 1'000'050);
  state.runs["d"].set_paused(true);
  lwqat::v1::WorkerInfo& busy = state.workers.emplace_back();
  busy.set_name("l4-0");
  busy.set_alive(true);
  busy.set_device("NVIDIA L4");
  busy.set_memory_bytes(int64_t{24} << 30);
  busy.set_task("train block 3");
  lwqat::v1::WorkerInfo& lost = state.workers.emplace_back();
  lost.set_name("l4-1");
  return state;
}

std::vector<std::string> TextOf(const std::vector<TopLine>& lines) {
  std::vector<std::string> text;
  for (const TopLine& line : lines) text.push_back(line.text);
  return text;
}

TEST(TopScreen, WorkersStandAboveRunsThatAreExecutedWaitOrHaveEnded) {
  const TopView view{.columns = 120, .rows = 14, .utf8 = false, .ended = true, .skipped = 0, .now_unix_s = kNow};
  EXPECT_THAT(
      TextOf(RenderTop(Sample(), view)),
      ElementsAre(
          "lwq top  127.0.0.1:7070  1970-01-12 13:48:20 UTC  runs: 1 running, 2 waiting, 1 ended  workers: 1 of 2 "
          "executing",
          "", "worker  state  device       memory  task", "l4-0    busy   NVIDIA L4  24.0 GiB  train block 3",
          "l4-1    lost                   0 B", "",
          "id        name              state      progress      tasks  bits   left  now",
          "cccccccc  run cccccccccccc  running    [##........]  10/40  2.28  ~5:00  train block 3, 1 more",
          "bbbbbbbb  run bbbbbbbbbbbb  pending    [##........]  10/40               waits for a worker",
          "dddddddd  run dddddddddddd  paused     [##........]  10/40",
          "aaaaaaaa  run aaaaaaaaaaaa  succeeded  [##........]  10/40", "", "",
          "q quit   e hide ended runs   arrows, page keys: scroll"));
}

TEST(TopScreen, RunsThatHaveEndedAreHiddenUntilTheyAreAskedFor) {
  TopState state = Sample();
  const TopView view{.columns = 120, .rows = 20, .utf8 = false, .ended = false, .skipped = 0, .now_unix_s = kNow};
  for (const TopLine& line : RenderTop(state, view)) EXPECT_THAT(line.text, Not(HasSubstr("aaaaaaaa")));
  for (const char* open : {"b", "c", "d"}) state.runs.erase(open);
  EXPECT_THAT(TextOf(RenderTop(state, view)), ::testing::Contains("no run is open: e shows those that have ended"));
}

TEST(TopScreen, WhatFailedAndACoordinatorThatDoesNotAnswerAreToldApart) {
  TopState state = Sample();
  state.connected = false;
  state.runs["c"].set_state(lwqat::v1::RUN_STATE_FAILED);
  state.runs["c"].set_error("task train block 3: no");
  const TopView view{.columns = 120, .rows = 20, .utf8 = false, .ended = true, .skipped = 0, .now_unix_s = kNow};
  const std::vector<TopLine> lines = RenderTop(state, view);
  EXPECT_THAT(lines[0].text, HasSubstr("NOT ANSWERING"));
  EXPECT_EQ(lines[0].tone, TopLine::Tone::kBad);
  int bad = 0;
  for (const TopLine& line : lines)
    bad += line.text.find("train block 3: no") != std::string::npos && line.tone == TopLine::Tone::kBad;
  EXPECT_EQ(bad, 1);
}

TEST(TopScreen, ItFitsEveryTerminalHoweverFarItIsScrolled) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    TopState state = Sample();
    for (uint32_t i = random() % 60; i > 0; --i) {
      const std::string id = absl::StrCat("run", i);
      state.runs[id] = RunOf(id, lwqat::v1::RUN_STATE_RUNNING, 1'000'000 + i);
    }
    for (uint32_t i = random() % 30; i > 0; --i) state.workers.push_back(state.workers[0]);
    const TopView view{.columns = static_cast<int>(1 + random() % 200),
                       .rows = static_cast<int>(1 + random() % 60),
                       .utf8 = random() % 2 == 0,
                       .ended = random() % 2 == 0,
                       .skipped = static_cast<int>(random() % 100),
                       .now_unix_s = kNow};
    const std::vector<TopLine> lines = RenderTop(state, view);
    EXPECT_LE(lines.size(), static_cast<size_t>(std::max(2, view.rows)));
    for (const TopLine& line : lines) EXPECT_LE(DisplayWidth(line.text), view.columns);
  }
}

TEST(TopScreen, MessagesAddReplaceAndTakeAwayRuns) {
  TopState state;
  lwqat::v1::WatchRunsResponse message;
  message.set_all_again(true);
  message.set_more(true);
  *message.add_runs() = RunOf("a", lwqat::v1::RUN_STATE_RUNNING, 1);
  TakeRuns(message, &state);
  EXPECT_FALSE(state.loaded);
  message.Clear();
  *message.add_runs() = RunOf("b", lwqat::v1::RUN_STATE_RUNNING, 1);
  message.add_deleted("a");
  TakeRuns(message, &state);
  EXPECT_TRUE(state.loaded);
  EXPECT_EQ(state.runs.size(), 1u);
  EXPECT_TRUE(state.runs.contains("b"));
}

// A terminal of its own, in a process of its own, as ncurses has one for each process.
class PseudoTerminal {
 public:
  PseudoTerminal(const char* kind, int (*body)()) {
    winsize size{};
    size.ws_row = 10;
    size.ws_col = 60;
    pid_ = forkpty(&fd_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      setenv("TERM", kind, 1);
      _exit(body());
    }
  }
  ~PseudoTerminal() { close(fd_); }
  // Until the text has been written to it, or nothing more comes.
  bool Shows(const std::string& text) {
    char buffer[4096];
    while (written_.find(text) == std::string::npos) {
      const ssize_t got = read(fd_, buffer, sizeof buffer);
      if (got <= 0) return false;
      written_.append(buffer, static_cast<size_t>(got));
    }
    return true;
  }
  void Press(const std::string& keys) {
    ASSERT_EQ(write(fd_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  int ExitCode() {
    while (Shows("\x01 no such text")) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  int fd_ = -1;
  pid_t pid_ = -1;
  std::string written_;
};

TEST(FullScreen, LinesAreShownKeysAreTakenAndTheTerminalIsGivenBack) {
  PseudoTerminal terminal("xterm-256color", [] {
    const auto screen = FullScreen::Open();
    if (!screen.ok()) return 1;
    if ((*screen)->rows() != 10 || (*screen)->columns() != 60) return 2;
    (*screen)->Draw({{"the first line", TopLine::Tone::kHead}, {"[████░░] a bar", TopLine::Tone::kGood}});
    if ((*screen)->WaitForKey(std::chrono::minutes(1)) != FullScreen::Key::kDown) return 3;
    if ((*screen)->WaitForKey(std::chrono::minutes(1)) != FullScreen::Key::kEnded) return 4;
    return (*screen)->WaitForKey(std::chrono::minutes(1)) == FullScreen::Key::kQuit ? 0 : 5;
  });
  EXPECT_TRUE(terminal.Shows("the first line"));
  EXPECT_TRUE(terminal.Shows("████░░"));
  terminal.Press("\033OBeq");
  EXPECT_TRUE(terminal.Shows("\033[?1049l")) << "the screen that was there before comes back";
  EXPECT_EQ(terminal.ExitCode(), 0);
}

TEST(FullScreen, AnUnknownTerminalIsRefusedWithWhatToDo) {
  PseudoTerminal terminal("no-such-terminal", [] {
    const auto screen = FullScreen::Open();
    const bool told = std::string(screen.status().message()) ==
                      "the kind of terminal is not known (TERM=no-such-terminal): use --plain";
    return !screen.ok() && told ? 0 : 1;
  });
  EXPECT_EQ(terminal.ExitCode(), 0);
}

}  // namespace
}  // namespace lwq::client
