// SPDX-License-Identifier: Apache-2.0
// lwq top: the coordinator's runs and workers on a whole terminal, or once as lines.
#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "client/base/clock.h"
#include "client/render/top_screen.h"
#include "client/verbs/verb.h"
#include "client/watch/full_screen.h"
#include "common/sync/mutex.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDrawEvery{500};
constexpr int kUnbounded = 10'000;  // columns and rows of what is no terminal
constexpr auto kWorkersEvery = std::chrono::seconds(2);

struct TopOptions {
  bool json = false;
  bool plain = false;
  ServerFlags server;
};

// What is watched, by a thread of its own. Ends with the interrupt.
class Watching {
 public:
  explicit Watching(RunApi* api) : api_(api) {
    state_.address = api->address();
    thread_ = std::thread([this] {
      const Status status = api_->WatchRuns(
          [this](const lwqat::v1::WatchRunsResponse& message) {
            const MutexLock lock(&mutex_);
            TakeRuns(message, &state_);
            changed_.NotifyAll();
          },
          [this](bool connected) {
            const MutexLock lock(&mutex_);
            state_.connected = connected;
          });
      const MutexLock lock(&mutex_);
      ended_ = status;
      changed_.NotifyAll();
    });
  }
  // The interrupt is raised by now.
  ~Watching() { thread_.join(); }

  // Until all runs have come. Errors of the watch.
  Status AwaitLoaded() {
    MutexLock lock(&mutex_);
    changed_.Wait(lock, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return state_.loaded || ended_.has_value(); });
    return ended_.value_or(absl::OkStatus());
  }
  void SetWorkers(const lwqat::v1::ListWorkersResponse& workers) {
    const MutexLock lock(&mutex_);
    state_.workers.assign(workers.workers().begin(), workers.workers().end());
  }
  TopState state() const {
    const MutexLock lock(&mutex_);
    return state_;
  }
  std::optional<Status> ended() const {
    const MutexLock lock(&mutex_);
    return ended_;
  }

 private:
  RunApi* const api_;
  mutable Mutex mutex_;
  CondVar changed_;
  TopState state_ ABSL_GUARDED_BY(mutex_);
  std::optional<Status> ended_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

void Press(FullScreen::Key key, int page, TopView* view) {
  using Key = FullScreen::Key;
  if (key == Key::kEnded) view->ended = !view->ended;
  if (key == Key::kUp) --view->skipped;
  if (key == Key::kDown) ++view->skipped;
  if (key == Key::kPageUp) view->skipped -= page;
  if (key == Key::kPageDown) view->skipped += page;
  if (key == Key::kTop || key == Key::kEnded) view->skipped = 0;
  view->skipped = std::max(0, view->skipped);
}

// Until somebody quits, or the watch ends by itself.
Status ShowUntilQuit(const CliContext& context, RunApi* api, Watching* watching) {
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<FullScreen> screen, FullScreen::Open());
  TopView view;
  auto workers_at = std::chrono::steady_clock::time_point();
  while (!context.interrupt->raised()) {
    if (const std::optional<Status> ended = watching->ended(); ended.has_value()) return *ended;
    if (std::chrono::steady_clock::now() >= workers_at && watching->state().connected) {
      const StatusOr<lwqat::v1::ListWorkersResponse> workers = api->ListWorkers();
      if (workers.ok()) watching->SetWorkers(*workers);
      workers_at = std::chrono::steady_clock::now() + kWorkersEvery;
    }
    view.columns = screen->columns();
    view.rows = screen->rows();
    view.now_unix_s = NowUnixSeconds();
    screen->Draw(RenderTop(watching->state(), view));
    const FullScreen::Key key = screen->WaitForKey(kDrawEvery);
    if (key == FullScreen::Key::kQuit) return absl::OkStatus();
    Press(key, view.rows / 2, &view);
  }
  return context.interrupt->reason();
}

Status ShowOnce(const CliContext& context, const TopOptions& options, RunApi* api, Watching* watching) {
  LWQ_RETURN_IF_ERROR(watching->AwaitLoaded());
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::ListWorkersResponse workers, api->ListWorkers());
  watching->SetWorkers(workers);
  const TopState state = watching->state();
  if (options.json) {
    Json runs = Json::array();
    for (const auto& [id, run] : state.runs) runs.push_back(reporting::ToJson(run));
    context.console->OutText(
        reporting::PrettyJson({{"runs", runs}, {"workers", reporting::ToJson(workers).at("workers")}}));
    return absl::OkStatus();
  }
  const Console::Options& terminal = context.console->options();
  const TopView view{.columns = terminal.out_is_terminal ? terminal.columns : kUnbounded,
                     .rows = kUnbounded,
                     .utf8 = terminal.utf8,
                     .ended = true,
                     .skipped = 0,
                     .now_unix_s = NowUnixSeconds()};
  std::vector<TopLine> lines = RenderTop(state, view);
  lines.pop_back();  // keys
  while (!lines.empty() && lines.back().text.empty()) lines.pop_back();
  for (const TopLine& line : lines) context.console->Out(line.text);
  return absl::OkStatus();
}

StatusOr<ExitCode> Top(const CliContext& context, const TopOptions& options) {
  // The watch ends with an interrupt of its own, which whoever interrupts the program raises as well.
  Interrupt quit;
  const Interrupt::Hook hook(context.interrupt, [&] { quit.Raise(context.interrupt->reason()); });
  CliContext here = context;
  here.interrupt = &quit;
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(here, options.server));
  Status status;
  {
    Watching watching(connection->api());
    const bool once = options.plain || options.json || !context.console->options().out_is_terminal;
    status = once ? ShowOnce(here, options, connection->api(), &watching)
                  : ShowUntilQuit(here, connection->api(), &watching);
    quit.RaiseOnce(absl::CancelledError("quit"));
  }
  LWQ_RETURN_IF_ERROR(status);
  return ExitCode::kOk;
}

}  // namespace

void AddTopVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<TopOptions>();
  CLI::App* verb = AddVerb(
      root, {"top", "Show runs and workers as they change, on the whole terminal; elsewhere once, as lines", "lwq top"},
      &options->json);
  verb->add_flag("--plain", options->plain, "once, as lines, also on a terminal");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Top(context, *options); }; });
}

}  // namespace lwq::client
