// SPDX-License-Identifier: Apache-2.0
// The program itself: flags, the address file, signals, and what a second one on the same store is told.
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr double kPatienceSeconds = 60;

class BinaryTest : public ::testing::Test {
 protected:
  std::vector<std::string> Argv(std::vector<std::string> more) const {
    std::vector<std::string> argv = {LWQ_COORDINATOR, "--store", "sqlite:" + directory_.path() + "/state.db",
                                     "--objects", "file://" + directory_.path() + "/objects"};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  }
  std::string log() const { return directory_.path() + "/log"; }
  std::string address_file() const { return directory_.path() + "/address"; }
  TemporaryDirectory directory_;
};

TEST_F(BinaryTest, ServesAndSaysWhereAndEndsCleanlyOnSigterm) {
  Process coordinator(Argv({"--address-file", address_file()}), log());
  const StatusOr<std::string> address = WaitForFile(address_file(), kPatienceSeconds);
  ASSERT_TRUE(address.ok()) << address.status() << ReadFileOrEmpty(log());
  EXPECT_THAT(*address, MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
  coordinator.Signal(SIGTERM);
  EXPECT_EQ(coordinator.Wait(), 0);
  EXPECT_THAT(ReadFileOrEmpty(log()), HasSubstr("lwq-coordinator listening on " + *address + "\n"));
}

TEST_F(BinaryTest, StartsAgainOnTheSameStoreAfterSigkill) {
  for (int i = 0; i < 3; ++i) {
    ::unlink(address_file().c_str());
    Process coordinator(Argv({"--address-file", address_file()}), log());
    ASSERT_TRUE(WaitForFile(address_file(), kPatienceSeconds).ok()) << ReadFileOrEmpty(log());
    coordinator.Kill();
  }
}

TEST_F(BinaryTest, CopiesAStoreThatNobodyUsesIntoOneThatHasNoRecords) {
  const std::string copy = "sqlite:" + directory_.path() + "/copy.db";
  const auto copy_from = [&](const std::string& from) {
    return RunToEnd({LWQ_COORDINATOR, "--copy-from", from, "--store", copy, "--log-level", "error"}, directory_.path());
  };
  const std::string missing = directory_.path() + "/missing.db";
  const Finished refused = copy_from("sqlite:" + missing);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.err, "lwq-coordinator: --copy-from: there is no file " + missing + "\n");

  const std::string source = "sqlite:" + directory_.path() + "/state.db";
  Process coordinator(Argv({"--address-file", address_file()}), log());
  ASSERT_TRUE(WaitForFile(address_file(), kPatienceSeconds).ok()) << ReadFileOrEmpty(log());
  EXPECT_THAT(copy_from(source).err, HasSubstr("is in use by another coordinator"));
  coordinator.Signal(SIGTERM);
  EXPECT_EQ(coordinator.Wait(), 0);
  const Finished empty = copy_from(source);
  EXPECT_EQ(empty.exit_code, 1);
  EXPECT_THAT(empty.err, HasSubstr("has no records: there is nothing to copy\n"));
}

TEST_F(BinaryTest, ASecondCoordinatorOnTheSameStoreIsRefusedWithOneLine) {
  Process first(Argv({"--address-file", address_file()}), log());
  ASSERT_TRUE(WaitForFile(address_file(), kPatienceSeconds).ok()) << ReadFileOrEmpty(log());
  const Finished second = RunToEnd(Argv({"--log-level", "error"}), directory_.path());
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("is in use by another coordinator: stop that one, or choose another path\n"));
}

struct BadFlags {
  const char* name;
  std::vector<std::string> flags;
  const char* message;
};
class BadFlagsTest : public ::testing::TestWithParam<BadFlags> {};

TEST_P(BadFlagsTest, ExitWithTwoAndOneLine) {
  TemporaryDirectory directory;
  std::vector<std::string> argv = {LWQ_COORDINATOR};
  for (std::string flag : GetParam().flags) {
    if (flag.starts_with("sqlite:TMP")) flag = "sqlite:" + directory.path() + "/state.db";
    argv.push_back(flag);
  }
  const Finished finished = RunToEnd(argv, directory.path());
  EXPECT_EQ(finished.exit_code, 2) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr(GetParam().message));
  EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadFlagsTest,
    ::testing::Values(
        BadFlags{"None", {}, "--store is required"},
        BadFlags{"NoStore", {"--objects", "file:///x"}, "--store is required"},
        BadFlags{"Unknown", {"--store", "sqlite:TMP", "--objects", "file:///x", "--frobnicate"}, "--frobnicate"},
        BadFlags{"StoreKind",
                 {"--store", "mysql:x", "--objects", "file:///x"},
                 "store 'mysql:x' is not supported: use sqlite:PATH"},
        BadFlags{"StorePassword",
                 {"--store", "postgresql://user:secret@host/db", "--objects", "file:///tmp", "--log-level", "off"},
                 "--store has a password"},
        BadFlags{"NoObjects", {"--store", "sqlite:TMP"}, "--objects is required"},
        BadFlags{"StandbyOfOne",
                 {"--store", "sqlite:TMP", "--objects", "file:///tmp", "--log-level", "off", "--standby"},
                 "--standby is for coordinators that share a store: give --store postgresql://"},
        BadFlags{"Advertised",
                 {"--store", "postgresql://user@host/db", "--objects", "file:///tmp", "--advertise", "here"},
                 "--advertise: expected HOST:PORT, got \"here\""},
        BadFlags{"LeadSeconds",
                 {"--store", "postgresql://user@host/db", "--objects", "file:///tmp", "--lead-seconds", "nan"},
                 "--lead-seconds must be between"},
        BadFlags{"ObjectsKind",
                 {"--store", "sqlite:TMP", "--objects", "/tmp/x"},
                 "--objects: object store '/tmp/x' is not supported; use file:///"},
        BadFlags{"Listen",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--listen", "nowhere"},
                 "expected HOST:PORT, got \"nowhere\""},
        BadFlags{"LeaseTooShort",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--lease-seconds", "1"},
                 "--lease-seconds must be at least twice --heartbeat-seconds"},
        BadFlags{"LeaseNan",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--lease-seconds", "nan"},
                 "--lease-seconds"},
        BadFlags{"HeartbeatZero",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--heartbeat-seconds", "0"},
                 "--heartbeat-seconds must be between"},
        BadFlags{"HeartbeatText",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--heartbeat-seconds", "often"},
                 "heartbeat-seconds"},
        BadFlags{"ActivationBytes",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--activation-bytes", "-1"},
                 "--activation-bytes"},
        BadFlags{"ProjectWithoutWeight",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--project", "nightly"},
                 "--project nightly: there is no '='; write NAME=WEIGHT"},
        BadFlags{"ProjectWeight",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--project", "a=nan"},
                 "WEIGHT must be between"},
        BadFlags{"ProjectLimit",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--project", "a=1:0"},
                 "MAX_RUNNING must be a whole number"},
        BadFlags{"ProjectStored",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--project", "a=1::much"},
                 "MAX_STORED must be a size of at least 1 byte, as 200GiB"},
        BadFlags{"ProjectStoredNothing",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--project", "a=1:2:"},
                 "MAX_STORED must be a size of at least 1 byte, as 200GiB"},
        BadFlags{"ProjectParts",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--project", "a=1:2:3:4"},
                 "there are too many ':'"},
        BadFlags{"ProjectTwice",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--project", "a=1:2:3GiB",
                  "--project", "a=2::3GiB"},
                 "--project names 'a' twice"},
        BadFlags{
            "ProjectInputs",
            {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--project-inputs", "a=much"},
            "--project-inputs a=much: write NAME=SIZE"},
        BadFlags{"ProjectInputsTwice",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--project-inputs", "a=1GiB",
                  "--project-inputs", "a=2GiB"},
                 "--project-inputs names 'a' twice"},
        BadFlags{"OtlpEndpoint",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--otlp-endpoint",
                  "collector:4317"},
                 "is no http://HOST:PORT"},
        BadFlags{"StragglerFactor",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--straggler-factor", "1"},
                 "--straggler-factor must be 0 (never) or between 1.5 and 1e6"},
        BadFlags{
            "QuarantineSeconds",
            {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "off", "--quarantine-seconds", "-1"},
            "--quarantine-seconds must be 0 (never) or between 1 and 3600"},
        BadFlags{"LogLevel",
                 {"--store", "sqlite:TMP", "--objects", "file:///x", "--log-level", "loud"},
                 "log level 'loud' is unknown"}),
    [](const auto& each) { return each.param.name; });

TEST_F(BinaryTest, HelpAndVersionExitWithZero) {
  EXPECT_EQ(RunToEnd({LWQ_COORDINATOR, "--help"}, directory_.path()).exit_code, 0);
  const Finished version = RunToEnd({LWQ_COORDINATOR, "--version"}, directory_.path());
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(BinaryTest, AnAddressFileThatCannotBeWrittenEndsIt) {
  const Finished finished = RunToEnd(
      Argv({"--log-level", "off", "--address-file", directory_.path() + "/absent/address"}), directory_.path());
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.err, HasSubstr("cannot write --address-file"));
}

}  // namespace
}  // namespace lwq::test
