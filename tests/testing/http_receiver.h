// SPDX-License-Identifier: Apache-2.0
// An HTTP server on a port of the system's choice that remembers what it is sent, as a collector of traces would take
// it: one request after the other, each on a connection of its own.
//
// Thread-safety: any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lwq::test {

class HttpReceiver {
 public:
  struct Request {
    std::string head;  // request line and headers
    std::string body;
  };

  HttpReceiver();
  ~HttpReceiver();
  HttpReceiver(const HttpReceiver&) = delete;
  HttpReceiver& operator=(const HttpReceiver&) = delete;

  std::string url() const { return url_; }  // http://127.0.0.1:PORT
  // The next requests are answered so, later ones with 200.
  void AnswerNext(std::deque<int> statuses);
  // Requests are taken and not answered until it is called with false.
  void Hold(bool hold);
  // Those that have come; waits until there are `count`, for far longer than that takes.
  std::vector<Request> Await(size_t count);

 private:
  void Loop();
  void Serve(int connection);

  std::string url_;
  int listener_ = -1;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<int> statuses_;
  std::vector<Request> requests_;
  bool hold_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lwq::test
