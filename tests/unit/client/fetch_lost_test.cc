// SPDX-License-Identifier: Apache-2.0
// lwq fetch of an export whose bytes the object store has lost: it is made again first.
#include <filesystem>

#include "common/artifact/artifact.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/verb_test.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::client {
namespace {

using ::testing::HasSubstr;

TEST_F(VerbTest, FetchOfAnExportThatIsGoneHasItMadeAgainAndBringsIt) {
  lwqat::v1::Run run = test::FinishedRun();
  ExportTo(&run);
  service_.runs = {run};
  std::filesystem::remove_all(At("objects"));
  std::filesystem::create_directory(At("objects"));
  service_.on_remake = [this](lwqat::v1::Run* remade, int asked) {
    remade->set_remaking(asked < 2 ? "export gptq_v2" : "");
    lwqat::v1::Run again;
    if (asked == 2) ExportTo(&again);
  };
  ASSERT_EQ(cli_.Run({"fetch", "3f2a", "--output", At("out")}), 0) << cli_.err();
  ASSERT_EQ(service_.remade.size(), 1u);
  EXPECT_EQ(service_.remade[0].run_id(), run.id());
  EXPECT_EQ(service_.remade[0].artifact(), run.export_().digest());
  EXPECT_EQ(test::ReadFileOrEmpty(At("out/model.safetensors")), "weights");
  EXPECT_THAT(cli_.err(), HasSubstr("its export is gone from the object store; a worker makes it again"));
}

TEST_F(VerbTest, FetchRemovesTheDamagedBytesOfAnExportBeforeItHasItMadeAgain) {
  lwqat::v1::Run run = test::FinishedRun();
  ExportTo(&run);
  service_.runs = {run};
  const std::string blob = BlobKey(DigestOf("weights"));
  const auto store = *OpenObjectStore(service_.objects_uri);
  ASSERT_TRUE(store->Put(blob, std::as_bytes(std::span("rubbish", 7)), {}).ok()) << "as long as it was";
  service_.on_remake = [&](lwqat::v1::Run*, int asked) {
    if (asked == 0) {
      EXPECT_TRUE(absl::IsNotFound(store->Head(blob).status()));
    }
    lwqat::v1::Run again;
    if (asked == 1) ExportTo(&again);
  };
  ASSERT_EQ(cli_.Run({"fetch", "3f2a", "--output", At("out")}), 0) << cli_.err();
  EXPECT_EQ(test::ReadFileOrEmpty(At("out/model.safetensors")), "weights");
}

TEST_F(VerbTest, FetchSaysWhyALostExportWasNotMadeAgain) {
  lwqat::v1::Run run = test::FinishedRun();
  ExportTo(&run);
  service_.runs = {run};
  std::filesystem::remove_all(At("objects"));
  std::filesystem::create_directory(At("objects"));
  service_.on_remake = [](lwqat::v1::Run* remade, int) { remade->set_remake_error("export gptq_v2: no space"); };
  EXPECT_EQ(cli_.Run({"fetch", "3f2a", "--output", At("out")}), 2);
  EXPECT_THAT(cli_.err(),
              HasSubstr("its export was not made again: export gptq_v2: no space; lwq logs 3f2a9c1e says more"));
  EXPECT_EQ(service_.remade.size(), 1u) << "once";
}

}  // namespace
}  // namespace lwq::client
