// SPDX-License-Identifier: Apache-2.0
// main of the tests that compute with LibTorch: the same library settings as the worker's.
#include "gtest/gtest.h"
#include "worker/qat/device/library_settings.h"

int main(int argc, char** argv) {
  lwq::qat::EnsureLibrarySettings(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
