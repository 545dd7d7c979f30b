// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/uri_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

UriPolicy PolicyOf(UriPolicyOptions options) {
  StatusOr<UriPolicy> policy = UriPolicy::Of(std::move(options));
  LWQ_CHECK(policy.ok(), policy.status().ToString());
  return *std::move(policy);
}

TEST(UriPolicyTest, NoUriLeadsToAMetadataServiceByWhicheverName) {
  const UriPolicy anything = PolicyOf({});
  for (const char* host : {"169.254.169.254", "169.254.170.2", "0xa9fea9fe", "2852039166", "169.254.43518",
                           "0251.0376.0251.0376", "[fe80::1]", "[fe80::1%25eth0]", "[::ffff:169.254.169.254]",
                           "[::169.254.169.254]", "[fd00:ec2::254]", "100.100.100.200", "192.0.0.192",
                           "metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(anything.CheckHost(host))) << host;
    EXPECT_TRUE(absl::IsPermissionDenied(anything.Check(absl::StrCat("http://", host, "/latest/meta-data/")))) << host;
    EXPECT_TRUE(
        absl::IsPermissionDenied(anything.Check(absl::StrCat("s3://b/p?region=r&endpoint=http://", host, ":80"))))
        << host;
  }
  for (const char* host : {"s3.eu-west-1.amazonaws.com", "10.0.0.7", "minio", "[2001:db8::1]", "127.0.0.1"}) {
    EXPECT_TRUE(anything.CheckHost(host).ok()) << host;
  }
}

TEST(UriPolicyTest, WhatANameResolvesToIsCheckedAsWell) {
  const UriPolicy anything = PolicyOf({});
  sockaddr_in four{};
  four.sin_family = AF_INET;
  inet_pton(AF_INET, "169.254.169.254", &four.sin_addr);
  EXPECT_TRUE(absl::IsPermissionDenied(anything.CheckSocketAddress(reinterpret_cast<sockaddr*>(&four))));
  inet_pton(AF_INET, "10.1.2.3", &four.sin_addr);
  EXPECT_TRUE(anything.CheckSocketAddress(reinterpret_cast<sockaddr*>(&four)).ok());
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "::ffff:169.254.169.254", &six.sin6_addr);
  EXPECT_TRUE(absl::IsPermissionDenied(anything.CheckSocketAddress(reinterpret_cast<sockaddr*>(&six))));
}

TEST(UriPolicyTest, OnlyAllowedHostsAreReachedAndEveryEndpointCounts) {
  const UriPolicy policy = PolicyOf({.allowed_hosts = {"Minio.local", "*.amazonaws.com"}, .allowed_roots = {}});
  EXPECT_TRUE(policy.Check("s3://b/p?endpoint=https://minio.local:9000").ok());
  EXPECT_TRUE(policy.Check("s3://b/p?endpoint=https://s3.us-east-1.amazonaws.com").ok());
  EXPECT_TRUE(policy.Check("s3://b/p?region=eu").ok());
  for (const char* uri :
       {"s3://b/p?endpoint=https://evil.example", "s3://b/p?endpoint=https://minio.local&endpoint=http://evil.example",
        "s3://b/p?endpoint=https://minio.local@evil.example/", "s3://b/p?endpoint=https://evilamazonaws.com",
        "s3://b/p?endpoint=https://amazonaws.com", "s3://b/p?endpoint=https%3A%2F%2Fevil.example",
        "s3://b/p?endpoint=", "http://evil.example\\@minio.local/", "ftp://minio.local/", "/etc/passwd", ""}) {
    EXPECT_TRUE(absl::IsPermissionDenied(policy.Check(uri))) << uri;
  }
  EXPECT_THAT(std::string(policy.CheckHost("evil.example").message()), HasSubstr("see --allow-host"));
}

TEST(UriPolicyTest, OnlyPathsBelowAllowedRootsAreReachedAlsoThroughLinks) {
  test::TemporaryDirectory directory;
  const std::string root = directory.path() + "/objects";
  std::filesystem::create_directories(root + "/below");
  std::filesystem::create_directories(directory.path() + "/objects-beside");
  std::filesystem::create_symlink(directory.path() + "/objects-beside", root + "/link");
  const UriPolicy policy = PolicyOf({.allowed_hosts = {}, .allowed_roots = {root}});
  for (const std::string& path : {root, root + "/below", root + "/not/there/yet", root + "/below/../x"}) {
    EXPECT_TRUE(policy.Check("file://" + path).ok()) << path;
  }
  for (const std::string& path : {directory.path(), root + "/..", root + "/../objects-beside", root + "-beside",
                                  root + "/link", root + "/link/x", std::string("/etc/passwd"), std::string("etc")}) {
    EXPECT_TRUE(absl::IsPermissionDenied(policy.Check("file://" + path))) << path;
  }
}

TEST(UriPolicyTest, PatternsAndRootsThatAreNoneAreRefused) {
  for (const char* host : {"", "*", "*.", "a/b", "a*b", "user@host"}) {
    EXPECT_FALSE(UriPolicy::Of({.allowed_hosts = {host}, .allowed_roots = {}}).ok()) << host;
  }
  EXPECT_FALSE(UriPolicy::Of({.allowed_hosts = {}, .allowed_roots = {"relative"}}).ok());
}

}  // namespace
}  // namespace lwq
