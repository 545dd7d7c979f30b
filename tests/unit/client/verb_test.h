// SPDX-License-Identifier: Apache-2.0
// What tests of verbs begin with: a coordinator in this process, a command line that knows it, and inputs of a run.
#pragma once

#include <filesystem>
#include <string>

#include "common/artifact/file_tree.h"
#include "common/object_store/open_store.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/process.h"
#include "tests/unit/client/cli_harness.h"
#include "tests/unit/client/fake_run_service.h"

namespace lwq::client {

class VerbTest : public testing::Test {
 protected:
  VerbTest() : sweeps_(&service_), server_(&service_, &sweeps_) {
    cli_.environment["LWQ_COORDINATOR"] = server_.address();
    std::filesystem::create_directory(At("objects"));
    service_.objects_uri = "file://" + At("objects");
  }

  std::string At(const std::string& name) const { return folder_.path() + "/" + name; }

  void WriteInputs() {
    TinyModelOptions options;
    options.num_hidden_layers = 1;
    options.vocab_size = 32;
    ASSERT_TRUE(WriteTinyModel(At("model"), options).ok());
    test::WriteFile(At("model/tokenizer.json"),
                    R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, " ": 3}, "merges": ["a b"]}})");
    test::WriteFile(At("calib.txt"), "words");
    test::WriteFile(At("run.yaml"), "name: mine\nmodel: model\ncalib_dataset: calib.txt\nwbits: 4\nseed: 7\n");
  }

  void ExportTo(lwqat::v1::Run* run) {
    const auto store = *OpenObjectStore(service_.objects_uri);
    ArtifactStore artifacts(store.get());
    const auto tree = UploadContents(
        artifacts, {{"config.json", Bytes::FromString("{}")}, {"model.safetensors", Bytes::FromString("weights")}});
    ASSERT_TRUE(tree.ok()) << tree.status();
    run->mutable_export_()->set_digest(tree->digest.hex());
    run->mutable_export_()->set_size_bytes(tree->size_bytes);
  }

  test::TemporaryDirectory folder_;
  test::FakeRunService service_;
  test::FakeSweepService sweeps_;
  test::FakeServer server_;
  test::CliHarness cli_;
};

}  // namespace lwq::client
