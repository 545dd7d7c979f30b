// SPDX-License-Identifier: Apache-2.0
// An export's place in an S3 bucket; export_place.h says what it holds to.
#pragma once

#include <memory>
#include <string>

#include "client/base/interrupt.h"
#include "client/transfer/export_place.h"
#include "common/status/status.h"

namespace lwq::client {

// `uri` as s3_location.h; credentials and defaults are the environment's (aws_credentials.h). Looks at the bucket: it
// must be there, and may be listed.
StatusOr<std::unique_ptr<ExportPlace>> OpenExportBucket(const std::string& uri, Interrupt* interrupt);

}  // namespace lwq::client
