// SPDX-License-Identifier: Apache-2.0
// A server of cpp-httplib that listens on an address of its own, and ends with this object.
//
// Thread-safety: any thread. What the server's handlers use must outlive this.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace httplib {
class Server;
}

namespace lwq {

class HttpListener {
 public:
  // On HOST:PORT; port 0 is chosen by the system. `what` is served ("metrics"), for messages. INVALID_ARGUMENT: no such
  // address; FAILED_PRECONDITION: it cannot be bound.
  static StatusOr<std::unique_ptr<HttpListener>> Start(std::string_view what, const std::string& listen,
                                                       std::unique_ptr<httplib::Server> server);
  // Within the server's time-outs with who is connected.
  ~HttpListener();

  // HOST:PORT as bound.
  const std::string& address() const { return address_; }

 private:
  struct Serving;
  HttpListener(std::unique_ptr<Serving> serving, std::string address);
  std::unique_ptr<Serving> serving_;
  std::string address_;
};

}  // namespace lwq
