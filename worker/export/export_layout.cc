#include "worker/export/export_layout.h"

#include "worker/export/fake_quant/fake_quant_layout.h"
#include "worker/export/gptq_v2/gptq_v2_layout.h"

namespace lwq::qat {

std::unique_ptr<ExportLayout> MakeExportLayout(ExportFormat format) {
  switch (format) {
    case ExportFormat::kGptqV2:
      return std::make_unique<GptqV2Layout>();
    case ExportFormat::kFakeQuant:
      return std::make_unique<FakeQuantLayout>();
    case ExportFormat::kNone:
      break;
  }
  LWQ_CHECK(false, "export_format ", WordOf(format), " makes no files");
}

}  // namespace lwq::qat
