// SPDX-License-Identifier: Apache-2.0
#include "client/source/data_sets.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <vector>

#include "common/bytes/bytes.h"
#include "common/digest/digest.h"
#include "common/file/posix_file.h"
#include "common/file/staging.h"
#include "common/parquet/parquet_column.h"
#include "common/text/name_pattern.h"
#include "common/text/utf8.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

// How rows of a file become a text.
enum class Rows {
  kFile,      // the file is the text as it is
  kLines,     // a row for each line with its line end, an empty one for a blank line; joined by "\n\n"
  kStripped,  // a row for each line without white space at its ends; joined by "\n\n"
  kEvery16th  // of the records of several files of JSON lines every 16th
};

struct DataSetUse {
  std::vector<std::vector<const char*>> files = {};  // of each file, the paths that it may have
  Rows rows = Rows::kFile;
  int64_t row_count = 0;  // as published
  int64_t row_bytes = 0;  // of all rows together; 0: not known
  // Where it is published: the files' first paths, or Parquet files with a row for each text in `column`.
  const char* hub_repo = nullptr;
  const char* hub_revision = "main";
  const char* parquet = nullptr;  // their paths: "folder/name-*.parquet"
  const char* column = nullptr;
  const char* refusal = nullptr;  // there is no such text, and why
};

struct DataSet {
  std::string_view name;
  DataSetUse calibration;
  DataSetUse evaluation;
};

constexpr char kWikiText[] = "Salesforce/wikitext";
constexpr char kPtb[] = "ptb-text-only/ptb_text_only";
constexpr char kConverted[] = "refs/convert/parquet";  // where the Hub keeps what it made of data sets of scripts

const std::vector<DataSet>& DataSets() {
  static const auto* const kDataSets = new std::vector<DataSet>{
      {"wikitext2",
       {.files = {{"wiki.train.raw", "wikitext-2-raw/wiki.train.raw"}},
        .rows = Rows::kLines,
        .row_count = 36718,
        .row_bytes = 10'914'845,
        .hub_repo = kWikiText,
        .parquet = "wikitext-2-raw-v1/train-*.parquet",
        .column = "text"},
       {.files = {{"wiki.test.raw", "wikitext-2-raw/wiki.test.raw"}},
        .rows = Rows::kLines,
        .row_count = 4358,
        .row_bytes = 1'287'656,
        .hub_repo = kWikiText,
        .parquet = "wikitext-2-raw-v1/test-*.parquet",
        .column = "text"}},
      {"ptb",
       {.files = {{"ptb.train.txt", "data/ptb.train.txt", "simple-examples/data/ptb.train.txt"}},
        .rows = Rows::kStripped,
        .row_count = 42068,
        .hub_repo = kPtb,
        .hub_revision = kConverted,
        .parquet = "penn_treebank/train/*.parquet",
        .column = "sentence"},
       {.files = {{"ptb.valid.txt", "data/ptb.valid.txt", "simple-examples/data/ptb.valid.txt"}},
        .rows = Rows::kStripped,
        .row_count = 3370,
        .hub_repo = kPtb,
        .hub_revision = kConverted,
        .parquet = "penn_treebank/validation/*.parquet",
        .column = "sentence"}},
      {"c4",
       {.files = {{"en/c4-train.00000-of-01024.json.gz", "c4-train.00000-of-01024.json.gz"}}, .hub_repo = "allenai/c4"},
       {.refusal =
            "perplexities stated for c4 are of windows that the program which states them draws by its tokenizer; "
            "give a text file"}},
      {"redpajama",
       {.files = {{"arxiv_sample.jsonl"},
                  {"book_sample.jsonl"},
                  {"c4_sample.jsonl"},
                  {"cc_2019-30_sample.jsonl"},
                  {"cc_2020-05_sample.jsonl"},
                  {"cc_2021-04_sample.jsonl"},
                  {"cc_2022-05_sample.jsonl"},
                  {"cc_2023-06_sample.jsonl"},
                  {"github_sample.jsonl"},
                  {"stackexchange_sample.jsonl"},
                  {"wikipedia_sample.jsonl"}},
        .rows = Rows::kEvery16th,
        .hub_repo = "togethercomputer/RedPajama-Data-1T-Sample"},
       {.refusal = "redpajama has no split to measure on; give a text file"}},
  };
  return *kDataSets;
}

const DataSet* FindDataSet(std::string_view name) {
  for (const DataSet& set : DataSets()) {
    if (set.name == name) return &set;
  }
  return nullptr;
}

// The first of the paths that is a file in the folder; none where there is none.
std::optional<std::string> FindLocally(const std::string& folder, const std::vector<const char*>& paths) {
  if (folder.empty()) return std::nullopt;
  for (const char* path : paths) {
    std::error_code ignored;
    const fs::path file = fs::path(folder) / path;
    if (fs::is_regular_file(file, ignored)) return file.string();
  }
  return std::nullopt;
}

// The folder's files of such paths, in the order of their names.
std::vector<std::string> MatchLocally(const std::string& folder, const std::string& pattern) {
  std::vector<std::string> files;
  if (folder.empty()) return files;
  const fs::path wanted = fs::path(folder) / pattern;
  std::error_code error;
  for (fs::directory_iterator it(wanted.parent_path(), error), end; !error && it != end; it.increment(error)) {
    if (MatchesPattern(it->path().filename().string(), wanted.filename().string()))
      files.push_back(it->path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

struct FoundFiles {
  std::vector<std::string> paths;
  bool is_parquet = false;
};

// What the Hub would not give can be put into a folder.
Status OrLocally(std::string_view name, const DataSetUse& use, const Status& status) {
  if (status.ok() || absl::IsCancelled(status)) return status;
  return Status(status.code(), absl::StrCat(name, ": ", MessageOf(status), "; or put ", use.files.front().front(),
                                            ", as it is published, into $LWQ_DATASETS/", name));
}

StatusOr<FoundFiles> FindFilesOf(std::string_view name, const DataSetUse& use, const SourceContext& context,
                                 const FetchHubFiles& fetch) {
  const std::string root = context.environment("LWQ_DATASETS");
  const std::string folder = root.empty() ? "" : absl::StrCat(root, "/", name);
  FoundFiles found;
  for (const std::vector<const char*>& paths : use.files) {
    if (std::optional<std::string> local = FindLocally(folder, paths)) found.paths.push_back(*std::move(local));
  }
  if (found.paths.size() == use.files.size()) return found;
  if (use.parquet != nullptr) {
    found.is_parquet = true;
    found.paths = MatchLocally(folder, use.parquet);
    if (!found.paths.empty()) return found;
    StatusOr<std::vector<std::string>> fetched = fetch(use.hub_repo, use.hub_revision, use.parquet);
    if (!fetched.ok()) return OrLocally(name, use, fetched.status());
    found.paths = *std::move(fetched);
    return found;
  }
  found.paths.clear();
  for (const std::vector<const char*>& paths : use.files) {
    std::optional<std::string> local = FindLocally(folder, paths);
    if (!local.has_value()) {
      const StatusOr<std::vector<std::string>> fetched = fetch(use.hub_repo, use.hub_revision, paths.front());
      if (!fetched.ok()) return OrLocally(name, use, fetched.status());
      local = fetched->front();
    }
    found.paths.push_back(*std::move(local));
  }
  return found;
}

bool IsUtf8Text(std::string_view text) {
  return FindInvalidUtf8(text) == std::string_view::npos;
}

// Calls `take` for every line without its '\n', and whether it had one.
template <typename Take>
Status ForEachLine(std::string_view text, const Take& take) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    const bool has_end = end != std::string_view::npos;
    LWQ_RETURN_IF_ERROR(take(text.substr(begin, has_end ? end - begin : end), has_end));
    begin = has_end ? end + 1 : text.size();
  }
  return absl::OkStatus();
}

StatusOr<std::vector<std::string>> RowsOfLines(const std::string& path, Rows rows) {
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(path));
  if (!IsUtf8Text(bytes.view())) return absl::InvalidArgumentError(absl::StrCat(path, " is not UTF-8"));
  std::vector<std::string> list;
  LWQ_RETURN_IF_ERROR(ForEachLine(bytes.view(), [&](std::string_view line, bool has_end) {
    const bool is_blank = LeadingSpaceEnd(line) == line.size();
    list.push_back(is_blank || rows == Rows::kStripped ? std::string(line) : absl::StrCat(line, has_end ? "\n" : ""));
    if (is_blank) list.back().clear();
    return absl::OkStatus();
  }));
  return list;
}

StatusOr<std::vector<std::string>> RowsOfParquet(const std::vector<std::string>& paths, std::string_view column) {
  std::vector<std::string> list;
  for (const std::string& path : paths) {
    LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(path));
    LWQ_ASSIGN_OR_RETURN(std::vector<std::string> rows, ReadParquetTexts(path, bytes.view(), column));
    std::move(rows.begin(), rows.end(), std::back_inserter(list));
  }
  return list;
}

std::string_view StrippedRow(std::string_view row) {
  const size_t begin = LeadingSpaceEnd(row);
  return begin == row.size() ? "" : row.substr(begin, TrailingSpaceBegin(row) - begin);
}

// Another version of a data set, such as WikiText-2 with <unk> for rare words, has as many rows.
Status CheckPublished(std::string_view name, const std::string& path, const std::vector<std::string>& rows,
                      const DataSetUse& use) {
  int64_t bytes = 0;
  for (const std::string& row : rows) bytes += std::ssize(row);
  const std::string of_bytes = use.row_bytes > 0 ? absl::StrCat(" of ", use.row_bytes, " bytes") : "";
  if (std::ssize(rows) == use.row_count && (use.row_bytes == 0 || bytes == use.row_bytes)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", path, " has ", rows.size(), " rows of ", bytes,
                                                 " bytes, and what is published has ", use.row_count, of_bytes,
                                                 "; it is another version, or not whole"));
}

StatusOr<std::string> JoinRows(std::string_view name, const FoundFiles& found, const DataSetUse& use) {
  const StatusOr<std::vector<std::string>> rows =
      found.is_parquet ? RowsOfParquet(found.paths, use.column) : RowsOfLines(found.paths.front(), use.rows);
  if (!rows.ok()) return Annotate(rows.status(), name);
  LWQ_RETURN_IF_ERROR(CheckPublished(name, found.paths.front(), *rows, use));
  std::string text;
  for (const std::string& row : *rows) {
    if (!IsUtf8Text(row)) return absl::InvalidArgumentError(absl::StrCat(name, ": a row is not UTF-8"));
    absl::StrAppend(&text, &row == &rows->front() ? "" : "\n\n", use.rows == Rows::kStripped ? StrippedRow(row) : row);
  }
  return text;
}

// "texts/NAME-USE-DIGEST.ENDING" of the cache, where DIGEST stands for the files.
StatusOr<std::string> MadeTextPath(std::string_view name, TextUse use, const std::vector<std::string>& files,
                                   std::string_view ending, const SourceContext& context) {
  LWQ_ASSIGN_OR_RETURN(const std::string cache, context.CacheFolder());
  LWQ_RETURN_IF_ERROR(MakeDirectories(cache + "/texts"));
  std::string state = "lwq text 1\n";
  for (const std::string& file : files) {
    std::error_code error;
    const fs::path path = fs::canonical(file, error);
    absl::StrAppend(&state, path.string(), "\n", fs::file_size(path, error), "\n",
                    fs::last_write_time(path, error).time_since_epoch().count(), "\n");
    if (error) return absl::NotFoundError(absl::StrCat(name, ": ", file, ": ", error.message()));
  }
  return absl::StrCat(cache, "/texts/", name, use == TextUse::kCalibration ? "-calibration-" : "-evaluation-",
                      DigestOf(state).short_hex(), ending);
}

Status AppendText(StagingFile* out, std::string_view text) {
  return out->Append(std::as_bytes(std::span(text.data(), text.size())));
}

// A file of its own for every process until it has its name.
Status WriteMadeText(const std::string& path, const std::function<Status(StagingFile* out)>& write) {
  const std::string staging = ParentDirectory(path) + "/.staging";
  LWQ_RETURN_IF_ERROR(MakeDirectories(staging));
  SweepStaging(staging);
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<StagingFile> out, StagingFile::Create(staging));
  LWQ_RETURN_IF_ERROR(write(out.get()));
  LWQ_RETURN_IF_ERROR(out->Seal(/*sync=*/true));
  return out->RenameTo(path);
}

Status WriteEvery16thRecord(const std::vector<std::string>& files, const SourceContext& context, StagingFile* out) {
  constexpr int64_t kStride = 16;
  int64_t record = 0;
  std::string batch;
  for (const std::string& file : files) {
    LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(file));
    const Status copied = ForEachLine(bytes.view(), [&](std::string_view line, bool) -> Status {
      if (line.find_first_not_of(" \t\r") == std::string_view::npos || record++ % kStride != 0) return absl::OkStatus();
      absl::StrAppend(&batch, line, "\n");
      if (batch.size() < (1 << 20)) return absl::OkStatus();
      LWQ_RETURN_IF_ERROR(context.KeepGoing());
      LWQ_RETURN_IF_ERROR(AppendText(out, batch));
      batch.clear();
      return absl::OkStatus();
    });
    LWQ_RETURN_IF_ERROR(copied);
  }
  return AppendText(out, batch);
}

}  // namespace

bool IsDataSetName(std::string_view name) {
  return FindDataSet(name) != nullptr;
}

StatusOr<std::string> DataSetText(std::string_view name, TextUse text_use, const SourceContext& context,
                                  const FetchHubFiles& fetch) {
  const DataSet* set = FindDataSet(name);
  LWQ_CHECK(set != nullptr, name, " is no data set");
  const DataSetUse& use = text_use == TextUse::kCalibration ? set->calibration : set->evaluation;
  if (use.refusal != nullptr) return absl::FailedPreconditionError(use.refusal);
  LWQ_ASSIGN_OR_RETURN(const FoundFiles found, FindFilesOf(name, use, context, fetch));
  if (use.rows == Rows::kFile) return found.paths.front();
  const bool is_sample = use.rows == Rows::kEvery16th;
  LWQ_ASSIGN_OR_RETURN(std::string path,
                       MadeTextPath(name, text_use, found.paths, is_sample ? ".jsonl" : ".txt", context));
  std::error_code ignored;
  if (fs::exists(path, ignored)) return path;
  LWQ_RETURN_IF_ERROR(WriteMadeText(path, [&](StagingFile* out) -> Status {
    if (is_sample) return WriteEvery16thRecord(found.paths, context, out);
    LWQ_ASSIGN_OR_RETURN(const std::string text, JoinRows(name, found, use));
    return AppendText(out, text);
  }));
  return path;
}

}  // namespace lwq::client
