// SPDX-License-Identifier: Apache-2.0
// Exports that go into a bucket: lwq fetch --output s3://…, and the same of runs that are watched.
#include <cstdlib>
#include <filesystem>

#include "client/transfer/export_place.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_s3.h"
#include "tests/unit/client/verb_test.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using BucketFiles = std::map<std::string, std::string>;

class ExportBucketTest : public VerbTest {
 protected:
  ExportBucketTest() {
    ::setenv("AWS_ACCESS_KEY_ID", "AKFAKE", 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", "SKFAKE", 1);
  }
  ~ExportBucketTest() override {
    ::unsetenv("AWS_ACCESS_KEY_ID");
    ::unsetenv("AWS_SECRET_ACCESS_KEY");
  }

  // The coordinator's one run, ab12cd34, ends with these files; what measured its blocks has the name tiny_2_b.
  void Export(const BucketFiles& files) {
    lwqat::v1::Run run = test::FinishedPolicyRun();
    const auto store = *OpenObjectStore(service_.objects_uri);
    ArtifactStore artifacts(store.get());
    std::map<std::string, Bytes> contents;
    for (const auto& [path, text] : files) contents.emplace(path, Bytes::FromString(text));
    const auto tree = UploadContents(artifacts, contents);
    ASSERT_TRUE(tree.ok()) << tree.status();
    run.mutable_export_()->set_digest(tree->digest.hex());
    run.mutable_export_()->set_size_bytes(tree->size_bytes);
    service_.runs = {run};
  }
  int Fetch(const std::string& options = "") {
    return cli_.Run({"fetch", "ab12", "--output", bucket_.Uri("models/mine", options)});
  }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    const StatusOr<ListPage> page = bucket_.Open("models/mine")->List("", "", 1000);
    for (const ObjectInfo& object : page->objects) keys.push_back(object.key);
    return keys;
  }
  std::string Text(const std::string& key) {
    const StatusOr<Bytes> bytes = bucket_.Open("models/mine")->Get(key);
    return bytes.ok() ? std::string(bytes->view()) : bytes.status().ToString();
  }
  void Put(const std::string& key, std::string_view text) {
    ASSERT_TRUE(bucket_.Open("models/mine")->Put(key, std::as_bytes(std::span(text.data(), text.size())), {}).ok());
  }

  test::FakeS3 bucket_;
};

TEST_F(ExportBucketTest, AnExportAndItsReportsAreObjectsBelowThePrefix) {
  Export({{"config.json", "{}"}, {"model.safetensors", "weights"}, {"additional_chat_templates/a.jinja", ""}});
  ASSERT_EQ(cli_.Run({"fetch", "ab12", "--output", bucket_.Uri("models/mine"), "--json"}), 0) << cli_.err();
  EXPECT_THAT(Keys(),
              UnorderedElementsAre("README.md", "additional_chat_templates/a.jinja", "config.json",
                                   "layer_statistics.json", "model.safetensors", "sensitivity_results_tiny_2_b.json"));
  EXPECT_EQ(Text("model.safetensors"), "weights");
  const Json fetched = Json::parse(cli_.out());
  EXPECT_EQ(fetched["directory"], bucket_.Uri("models/mine"));
  EXPECT_EQ(fetched["files"], 3);
}

TEST_F(ExportBucketTest, ConfigJsonIsWrittenLastSoWhereItIsEverythingIs) {
  Export({{"a.txt", "a"}, {"config.json", "{}"}, {"model.safetensors", "weights"}, {"tokenizer.json", "[]"}});
  bucket_.Fail("denied", 1, "PUT", "config.json");
  EXPECT_EQ(Fetch(), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("put object 'config.json'"));
  EXPECT_THAT(Keys(), UnorderedElementsAre("README.md", "a.txt", "layer_statistics.json", "model.safetensors",
                                           "sensitivity_results_tiny_2_b.json", "tokenizer.json"));
}

TEST_F(ExportBucketTest, ACallThatFailedIsGoneOnWithAndNothingIsSentTwice) {
  Export({{"config.json", "{}"}, {"model.safetensors", "weights"}, {"tokenizer.json", "[]"}});
  bucket_.Fail("denied", 1, "PUT", "tokenizer.json");
  EXPECT_EQ(Fetch(), 2);
  const int64_t before = bucket_.Count("PUT");
  ASSERT_EQ(Fetch(), 0) << cli_.err();
  EXPECT_EQ(bucket_.Count("PUT") - before, 5) << "three reports, tokenizer.json, config.json";
  ASSERT_EQ(Fetch(), 0) << cli_.err();
  EXPECT_EQ(bucket_.Count("PUT") - before, 8) << "the reports alone";
}

TEST_F(ExportBucketTest, LargeFilesGoInPartsAndOneThatFailsLeavesNothing) {
  std::string weights(size_t{23} << 20, 'w');
  for (size_t i = 0; i < weights.size(); i += 4096) weights[i] = static_cast<char>(i / 4096);
  Export({{"config.json", "{}"}, {"model.safetensors", weights}});
  bucket_.Fail("denied", 1, "PUT", "partNumber=3");
  EXPECT_EQ(Fetch("&part_mib=5&parallel=2"), 2);
  EXPECT_EQ(bucket_.Count("uploads"), 0);
  EXPECT_THAT(Text("model.safetensors"), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(Text("config.json"), HasSubstr("NOT_FOUND"));
  ASSERT_EQ(Fetch("&part_mib=5&parallel=2"), 0) << cli_.err();
  EXPECT_TRUE(Text("model.safetensors") == weights);
  EXPECT_EQ(bucket_.Count("uploads"), 0);
  ASSERT_EQ(Fetch(), 0) << "it is compared piece by piece: " << cli_.err();
}

TEST_F(ExportBucketTest, AnotherExportIsRefusedBeforeAnythingIsWritten) {
  Export({{"config.json", "{}"}, {"model.safetensors", "weights"}});
  ASSERT_EQ(Fetch(), 0) << cli_.err();
  const int64_t before = bucket_.Count("PUT");
  Export({{"config.json", "{}"}, {"model.safetensors", "weighty"}});
  EXPECT_EQ(Fetch(), 2);
  EXPECT_EQ(cli_.err(),
            "lwq: run ab12cd34: s3://bucket/models/mine holds another model.safetensors than this export has; give a "
            "prefix of its own, or remove what is there\n");
  EXPECT_EQ(Text("model.safetensors"), "weights");
  Export({{"config.json", "{}"}, {"model-00001-of-00001.safetensors", "weights"}});
  EXPECT_EQ(Fetch(), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("holds model.safetensors, which this export does not have; give"));
  EXPECT_EQ(bucket_.Count("PUT"), before);
}

TEST_F(ExportBucketTest, WhatIsOfNoExportStaysBesideIt) {
  Put("notes.md", "the user's");
  Put("older/model.safetensors", "of another place");
  Export({{"config.json", "{}"}, {"model.safetensors", "weights"}});
  ASSERT_EQ(Fetch(), 0) << cli_.err();
  EXPECT_EQ(Text("notes.md"), "the user's");
}

TEST_F(ExportBucketTest, ACardThatIsNoExportsIsNotReplacedAndOneOfAnExportIs) {
  Put("README.md", "what this bucket is for");
  Export({{"config.json", "{}"}, {"model.safetensors", "weights"}, {"README.md", "the base model's card"}});
  EXPECT_EQ(Fetch(), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("holds a README.md that is no export's; give a prefix of its own"));
  EXPECT_EQ(Text("README.md"), "what this bucket is for");
  EXPECT_TRUE(bucket_.Open("models/mine")->Delete("README.md").ok());
  ASSERT_EQ(Fetch(), 0) << cli_.err();
  ASSERT_EQ(Fetch(), 0) << cli_.err();
  EXPECT_THAT(Text("README.md"), HasSubstr("## How to load it"));
  EXPECT_EQ(Text("BASE_MODEL_README.md"), "the base model's card");
}

TEST_F(ExportBucketTest, ScoresOfARunWithoutAnExportReplaceNoOthers) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  run.mutable_plan()->mutable_recipe()->set_method("sensitivity");
  service_.runs = {run};
  ASSERT_EQ(Fetch(), 0) << cli_.err();
  ASSERT_EQ(Fetch(), 0) << "the same ones: " << cli_.err();
  Put("sensitivity_results_tiny_2_b.json", "{}");
  EXPECT_EQ(Fetch(), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("holds another sensitivity_results_tiny_2_b.json; give"));
}

TEST_F(ExportBucketTest, ANameThatCanBeNoKeyIsRefusedBeforeAnythingIsWritten) {
  Export({{"config.json", "{}"}, {"licence (old).txt", "x"}, {"model.safetensors", "weights"}});
  EXPECT_EQ(Fetch(), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("object key 'licence (old).txt' may hold only A-Z a-z 0-9 . _ = - and /; fetch the "
                                    "export to a folder, and copy it from there"));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(ExportBucketTest, AnExportThatIsGoneIsMadeAgainOnItsWayIntoABucket) {
  Export({{"config.json", "{}"}, {"model.safetensors", "weights"}});
  std::filesystem::remove_all(At("objects"));
  std::filesystem::create_directory(At("objects"));
  service_.on_remake = [this](lwqat::v1::Run* remade, int asked) {
    remade->set_remaking(asked < 2 ? "export gptq_v2" : "");
    lwqat::v1::Run again;
    if (asked == 2) ExportTo(&again);
  };
  ASSERT_EQ(Fetch(), 0) << cli_.err();
  EXPECT_EQ(service_.remade.size(), 1u);
  EXPECT_EQ(Text("model.safetensors"), "weights");
}

TEST_F(ExportBucketTest, AWatchedRunsExportGoesToTheBucketOfItsRunFile) {
  WriteInputs();
  lwqat::v1::Run run = test::FinishedRun();
  ExportTo(&run);
  service_.watch_calls = {{run}};
  const std::string line = "save_quant_dir: '" + bucket_.Uri("models/mine") + "'\n";
  test::WriteFile(At("run.yaml"), test::ReadFileOrEmpty(At("run.yaml")) + line);
  ASSERT_EQ(cli_.Run({"submit", At("run.yaml"), "--watch"}), 0) << cli_.err();
  EXPECT_EQ(Text("model.safetensors"), "weights");
}

TEST_F(ExportBucketTest, ABucketThatCannotTakeTheExportIsRefusedBeforeTheRunIsSubmitted) {
  WriteInputs();
  bucket_.Fail("denied", 1, "GET", "list-type");
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml"), "--watch", "--save_quant_dir", bucket_.Uri("models/mine")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("give these credentials the right to do so"));
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml"), "--watch", "--save_quant_dir", "s3://Bucket/x"}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("lwq: output: object store 's3://Bucket/x': must name a bucket"));
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml"), "--watch", "--save_quant_dir", "gs://bucket/x"}), 2);
  EXPECT_THAT(cli_.err(),
              HasSubstr("output gs://bucket/x: exports go to a folder or to s3://bucket/prefix, not to gs://"));
  EXPECT_TRUE(service_.submitted.empty());
}

TEST(ExportPlaceTest, AFolderBelowABucketKeepsTheOptionsOfTheBucket) {
  EXPECT_EQ(PlaceBelow("out", "run"), "out/run");
  EXPECT_EQ(PlaceBelow("s3://bucket", "run"), "s3://bucket/run");
  EXPECT_EQ(PlaceBelow("s3://bucket/p/?region=r", "run"), "s3://bucket/p/run?region=r");
}

}  // namespace
}  // namespace lwq::client
