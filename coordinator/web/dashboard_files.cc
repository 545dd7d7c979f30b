// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/dashboard_files.h"

#include <zlib.h>

#include "common/digest/digest.h"
#include "common/status/status.h"
#include "coordinator/web/dashboard_texts.h"

namespace lwq::coordinator {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's largest window, in gzip's format

std::string Gzip(std::string_view text) {
  z_stream stream{};
  LWQ_CHECK(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK,
            "zlib does not start");
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  LWQ_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END, "zlib does not end");
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

DashboardFile MakeFile(std::string_view path, std::string_view content_type, std::string_view text) {
  return {.path = path,
          .content_type = content_type,
          .text = text,
          .gzip = Gzip(text),
          .etag = absl::StrCat("\"", DigestOf(text).short_hex(), "\"")};
}

}  // namespace

std::vector<DashboardFile> MakeDashboardFiles() {
  return {MakeFile("", "text/html; charset=utf-8", kIndexHtml),
          MakeFile("app.js", "text/javascript; charset=utf-8", kAppJs),
          MakeFile("app.css", "text/css; charset=utf-8", kAppCss),
          MakeFile("LICENCES.txt", "text/plain; charset=utf-8", kLicencesText)};
}

}  // namespace lwq::coordinator
