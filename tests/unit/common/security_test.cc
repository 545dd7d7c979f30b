// SPDX-License-Identifier: Apache-2.0
// The two ends of a call over TLS, in one process: who is served, what is said to others, and certificates and tokens
// that are replaced meanwhile.
#include <atomic>
#include <ctime>
#include <filesystem>
#include <future>
#include <thread>

#include "common/access/bearer_token.h"
#include "common/rpc/address.h"
#include "common/rpc/caller_security.h"
#include "common/rpc/certificates.h"
#include "common/rpc/channel.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/testing/certificates.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using test::CertificateAuthority;
using test::KeyPair;
using test::WriteFile;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kDeadline{60};

// Answers every call with the caller's header "authorization" and the serial number of nobody: its status message.
class EchoService final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    class Reactor final : public grpc::ServerGenericBidiReactor {
     public:
      explicit Reactor(const std::string& seen) { Finish(grpc::Status(grpc::StatusCode::ALREADY_EXISTS, seen)); }
      void OnDone() override { delete this; }
    };
    std::string seen = "reached";
    for (const char* name : {"authorization", "traceparent"}) {
      const auto header = context->client_metadata().find(name);
      if (header != context->client_metadata().end()) {
        absl::StrAppend(&seen, " ", std::string(header->second.data(), header->second.size()));
      }
    }
    return new Reactor(seen);
  }
};

class TlsTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
  void Write(const std::string& name, const KeyPair& pair) {
    WriteFile(path(name + ".key"), pair.key);
    WriteFile(path(name + ".crt"), pair.cert);
  }
  void SetUp() override {
    WriteFile(path("ca.crt"), ca_.cert());
    WriteFile(path("other-ca.crt"), other_.cert());
    Write("server", ca_.Sign("coordinator"));
    Write("client", ca_.Sign("worker"));
    Write("stranger", other_.Sign("stranger"));
  }
  void Serve(bool mutual) {
    CertificateFiles files{.ca = mutual ? path("ca.crt") : "", .cert = path("server.crt"), .key = path("server.key")};
    auto certificates = CertificateWatch::Start(files, std::chrono::milliseconds(20));
    ASSERT_TRUE(certificates.ok()) << certificates.status();
    certificates_ = *std::move(certificates);
    grpc::ServerBuilder builder;
    int port = 0;
    ListenOn("127.0.0.1:0", builder, &port, certificates_.get());
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  CallerFiles Files(const std::string& ca, const std::string& pair = "") const {
    CallerFiles files;
    files.certificates.ca = path(ca);
    if (!pair.empty()) {
      files.certificates.cert = path(pair + ".crt");
      files.certificates.key = path(pair + ".key");
    }
    return files;
  }
  static grpc::Status CallOn(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    const grpc::Slice slice("");
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::Status status;
    std::promise<void> done;
    stub.UnaryCall(&context, "/any/Method", grpc::StubOptions(), &request, &response, [&](grpc::Status ended) {
      status = std::move(ended);
      done.set_value();
    });
    done.get_future().wait();
    return status;
  }
  // One call over a connection of its own; "reached …" or how it failed.
  std::string Call(const CallerFiles& files, const std::string& host = "127.0.0.1") {
    const auto security = CallerSecurity::Open(files);
    if (!security.ok()) return security.status().ToString();
    const std::string address = absl::StrCat(host, address_.substr(address_.rfind(':')));
    return CallOn(OpenChannel(address, {.own_connection = true, .security = *security})).error_message();
  }

  const CertificateAuthority ca_{"the CA"};
  const CertificateAuthority other_{"another CA"};
  test::TemporaryDirectory directory_;
  EchoService service_;
  std::unique_ptr<CertificateWatch> certificates_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

TEST_F(TlsTest, CallersAreServedWhoTrustTheCaAndOthersAreTheOnesWhoRefuse) {
  Serve(/*mutual=*/false);
  EXPECT_EQ(Call(Files("ca.crt")), "reached");
  EXPECT_EQ(Call(Files("ca.crt"), "localhost"), "reached");
  EXPECT_THAT(Call(Files("other-ca.crt")), HasSubstr("certificate verify failed"));
  EXPECT_THAT(Call({}), HasSubstr("failed to connect"));
}

TEST_F(TlsTest, ACertificateForAnotherNameIsRefused) {
  Write("server", ca_.Sign("coordinator", 3600, "DNS:localhost"));
  Serve(/*mutual=*/false);
  EXPECT_EQ(Call(Files("ca.crt"), "localhost"), "reached");
  EXPECT_THAT(Call(Files("ca.crt"), "127.0.0.1"), HasSubstr("failed to connect"));
}

TEST_F(TlsTest, WithMutualTlsOnlyCallersWithACertificateOfTheCaAreServed) {
  Serve(/*mutual=*/true);
  EXPECT_EQ(Call(Files("ca.crt", "client")), "reached");
  EXPECT_THAT(Call(Files("ca.crt")), HasSubstr("failed to connect"));
  EXPECT_THAT(Call(Files("ca.crt", "stranger")), HasSubstr("failed to connect"));
  EXPECT_THAT(Call({}), HasSubstr("failed to connect"));
}

TEST_F(TlsTest, ATokenAndATraceContextGoWithEveryCall) {
  Serve(/*mutual=*/false);
  const std::string token = *NewBearerToken();
  WriteFile(path("token"), token + "\n");
  CallerFiles files = Files("ca.crt");
  files.token = path("token");
  files.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_EQ(Call(files), absl::StrCat("reached Bearer ", token, " ", files.traceparent));
  files.traceparent = "00-0af7651916cd43dd8448eb211c80319c";
  EXPECT_EQ(Call(files), absl::StrCat("reached Bearer ", token)) << "what is no context is not sent";
}

TEST_F(TlsTest, ATokenIsReadAgainWhenItsFileChanges) {
  const std::string before = *NewBearerToken(), after = *NewBearerToken();
  WriteFile(path("token"), before);
  const auto source = TokenSource::Open(path("token"));
  ASSERT_TRUE(source.ok());
  EXPECT_EQ((*source)->Current(), before);
  WriteFile(path("next"), after);
  std::filesystem::rename(path("next"), path("token"));
  EXPECT_EQ((*source)->Current(), after);
  std::filesystem::remove(path("token"));
  EXPECT_EQ((*source)->Current(), after);
}

TEST_F(TlsTest, ATokenIsNotSentInTheClearToAnotherMachine) {
  WriteFile(path("token"), *NewBearerToken());
  CallerFiles files;
  files.token = path("token");
  const auto plain = CallerSecurity::Open(files);
  ASSERT_TRUE(plain.ok());
  EXPECT_TRUE((*plain)->CheckAddress("127.0.0.1:7070").ok());
  EXPECT_EQ((*plain)->CheckAddress("coordinator:7070").message(),
            "the token would go to coordinator:7070 in the clear: give --tls-ca, the CA of the coordinator");
  files.certificates.ca = path("ca.crt");
  const auto tls = CallerSecurity::Open(files);
  ASSERT_TRUE(tls.ok());
  EXPECT_TRUE((*tls)->CheckAddress("coordinator:7070").ok());
}

TEST_F(TlsTest, NoCallFailsWhileCertificatesAreReplacedInAnyOrderAndHalfWritten) {
  Serve(/*mutual=*/true);
  const auto security = CallerSecurity::Open(Files("ca.crt", "client"));
  ASSERT_TRUE(security.ok()) << security.status();
  std::atomic<bool> stop = false;
  std::atomic<int> calls = 0;
  std::atomic<int> failures = 0;
  // Each call with a handshake of its own.
  std::thread load([&] {
    while (!stop) {
      const auto channel = OpenChannel(address_, {.own_connection = true, .security = *security});
      if (CallOn(channel).error_message() != "reached") ++failures;
      ++calls;
    }
  });
  const auto after_calls = [&](int more) {
    const int until = calls + more;
    while (calls < until) std::this_thread::yield();
  };
  after_calls(20);
  const KeyPair client = ca_.Sign("client");
  const KeyPair next = ca_.Sign("coordinator, renewed");
  WriteFile(path("server.key"), next.key.substr(0, next.key.size() / 2));
  after_calls(100);
  WriteFile(path("server.key"), next.key);  // of no certificate that is there
  after_calls(100);
  WriteFile(path("server.crt"), next.cert);
  while (test::SubjectServedAt(address_, client).find("renewed") == std::string::npos) std::this_thread::yield();
  after_calls(20);
  stop = true;
  load.join();
  EXPECT_EQ(failures, 0) << "of " << calls << " calls";
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreToldInOneLineWhenTheProgramStarts) {
  const int64_t now = std::time(nullptr);
  const auto problem = [&](const CertificateFiles& files) {
    return std::string(ReadCertificates(files, now).status().message());
  };
  EXPECT_THAT(problem({.ca = path("absent")}), HasSubstr("open " + path("absent") + ": No such file"));
  EXPECT_THAT(problem({.ca = path("server.key")}), HasSubstr("holds no certificate in PEM"));
  EXPECT_THAT(problem({.cert = path("server.crt")}), HasSubstr("give both"));
  EXPECT_THAT(problem({.cert = path("server.crt"), .key = path("client.key")}),
              HasSubstr("the key is not that of the certificate"));
  EXPECT_THAT(problem({.cert = path("server.key"), .key = path("server.key")}), HasSubstr("holds none in PEM"));
  EXPECT_THAT(problem({.cert = path("server.crt"), .key = path("server.crt")}), HasSubstr("no private key in PEM"));
  Write("old", ca_.Sign("old", -60));
  EXPECT_THAT(problem({.cert = path("old.crt"), .key = path("old.key")}), HasSubstr("has expired"));
  EXPECT_THAT(std::string(CallerSecurity::Open({.certificates = {.cert = path("client.crt")}}).status().message()),
              HasSubstr("--tls-ca"));
  WriteFile(path("token"), "hunter2");
  const Status no_token = CallerSecurity::Open({.certificates = {}, .token = path("token")}).status();
  EXPECT_THAT(std::string(no_token.message()), HasSubstr("holds no token"));
  EXPECT_THAT(std::string(no_token.message()), ::testing::Not(HasSubstr("hunter2")));
}

TEST(LoopbackTest, OnlyAddressesThatNoOtherMachineReachesAreLoopback) {
  for (const char* host : {"localhost", "127.0.0.1", "127.8.9.10", "[::1]"}) EXPECT_TRUE(IsLoopback(host)) << host;
  for (const char* host : {"0.0.0.0", "[::]", "10.0.0.1", "127.evil.example", "localhost.example", "128.0.0.1", ""}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace lwq
