// The rows of the table of export formats, each defined in the file of its format. For export_format.cc alone.
#pragma once

#include "common/export_format/export_format.h"

namespace lwq {

ExportFormatTraits GptqV2Traits();
ExportFormatTraits FakeQuantTraits();
ExportFormatTraits NoneTraits();

}  // namespace lwq
