// SPDX-License-Identifier: Apache-2.0
#include "common/documents/documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace lwq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

void ExpectRefused(std::string_view name, std::string_view contents, std::string_view reason,
                   absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
  const auto documents = ReadDocuments(name, contents);
  EXPECT_EQ(documents.status().code(), code) << documents.status();
  EXPECT_THAT(documents.status().message(), HasSubstr(std::string(name)));
  EXPECT_THAT(documents.status().message(), HasSubstr(std::string(reason)));
}

TEST(ReadDocuments, APlainTextIsOneDocumentByteForByte) {
  const std::string text =
      "\xEF\xBB\xBFone\r\ntwo\n\n  thr\xC3\xA9"
      "e \n";
  for (const char* name : {"a.txt", "wiki.test.raw", "noextension", "corpus.tokens"}) {
    const auto documents = ReadDocuments(name, text);
    ASSERT_TRUE(documents.ok()) << documents.status();
    EXPECT_THAT(*documents, ElementsAre(text));
  }
}

TEST(ReadDocuments, EveryLineOfAJsonlFileIsADocument) {
  const std::string lines =
      "{\"text\": \"one\\n\", \"id\": 1}\n\n  \r\n{\"text\":\"\"}\r\n{\"id\":[{}],\"text\":\"caf\\u00e9 \xC3\xA9\"}";
  for (const char* name : {"a.jsonl", "a.json"}) {
    const auto documents = ReadDocuments(name, lines);
    ASSERT_TRUE(documents.ok()) << documents.status();
    EXPECT_THAT(*documents, ElementsAre("one\n", "", "café é"));
  }
}

TEST(ReadDocuments, GzippedFilesAreUnpackedFirst) {
  EXPECT_THAT(*ReadDocuments("c4.json.gz", Gzip("{\"text\":\"a\"}\n{\"text\":\"b\"}\n")), ElementsAre("a", "b"));
  EXPECT_THAT(*ReadDocuments("c4.jsonl.gz", Gzip("{\"text\":\"a\"}\n")), ElementsAre("a"));
  EXPECT_THAT(*ReadDocuments("wiki.txt.gz", Gzip("plain")), ElementsAre("plain"));
}

TEST(ReadDocuments, AGzipFileOfSeveralMembersIsReadWhole) {
  const std::string members = Gzip("{\"text\":\"a\"}\n") + Gzip("{\"text\":\"b\"}\n") + std::string(512, '\0');
  EXPECT_THAT(*ReadDocuments("x.jsonl.gz", members), ElementsAre("a", "b"));
}

TEST(ReadDocuments, ALargeGzipFileComesOutUnchanged) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += std::to_string(i * 7919 % 10007) + (i % 9 == 0 ? "\n" : " ");
  const auto documents = ReadDocuments("big.txt.gz", Gzip(text));
  ASSERT_TRUE(documents.ok()) << documents.status();
  EXPECT_TRUE((*documents)[0] == text);
}

TEST(ReadDocuments, ADamagedLineIsNamedByItsNumber) {
  ExpectRefused("a.jsonl", "{\"text\":\"x\"}\n\n{\"text\":", "line 3");
  ExpectRefused("a.jsonl", "{\"text\":\"x\"}\n{\"txt\":\"x\"}\n", "line 2: 'text' is missing");
  ExpectRefused("a.jsonl", "{\"text\":5}", "line 1: 'text' must be a string");
  ExpectRefused("a.jsonl", "[\"text\"]", "line 1 is not a JSON object");
  ExpectRefused("a.jsonl", "{\"text\":\"\\ud800\"}", "line 1");
  ExpectRefused("a.jsonl", "{\"text\":\"x\"}\n{\"text\":\"\xC3(\"}\n", "line 2 is not UTF-8 at byte 9");
  ExpectRefused("a.jsonl", std::string(100000, '['), "line 1");
}

TEST(ReadDocuments, AFileWithoutTextIsRefused) {
  ExpectRefused("a.txt", "", "is empty");
  ExpectRefused("a.jsonl", "\n \n", "no document");
  ExpectRefused("a.json.gz", Gzip(""), "no document");
}

TEST(ReadDocuments, TextThatIsNotUtf8IsRefusedWithItsOffset) {
  ExpectRefused("latin1.txt", "caf\xE9!", "not UTF-8 at byte 3");
  ExpectRefused("utf16.txt", std::string("\xFF\xFEh\0i\0", 6), "not UTF-8 at byte 0");
  ExpectRefused("surrogate.txt", "ab\xED\xA0\x80", "not UTF-8 at byte 2");
}

TEST(ReadDocuments, PackedAndBinaryFilesAreRefusedByName) {
  ExpectRefused("train.parquet", "PAR1\x15\x04\xFF\xFE", "Parquet");
  ExpectRefused("a.txt", Gzip("text"), "gzip");
  ExpectRefused("a.zst", "\x28\xB5\x2F\xFD", "Zstandard");
  EXPECT_TRUE(ReadDocuments("ok.txt", "PAR1 is four letters, and BZh is three").ok());
}

TEST(ReadDocuments, DamagedGzipFilesAreRefused) {
  const std::string good = Gzip(std::string(5000, 'x') + "{\"text\":\"a\"}");
  ExpectRefused("a.txt.gz", "plain text", "not a gzip file");
  for (const size_t size : {size_t{2}, size_t{9}, good.size() / 2, good.size() - 1}) {
    ExpectRefused("a.txt.gz", good.substr(0, size), "truncated", absl::StatusCode::kDataLoss);
  }
  std::string wrong_sum = good;
  wrong_sum[wrong_sum.size() - 6] = static_cast<char>(wrong_sum[wrong_sum.size() - 6] ^ 1);
  ExpectRefused("a.txt.gz", wrong_sum, "damaged", absl::StatusCode::kDataLoss);
  ExpectRefused("a.txt.gz", good + "tail", "4 bytes behind");
}

TEST(ReadDocuments, ReadingStopsWhenItIsToldTo) {
  int asked = 0;
  const auto stop_at_third = [&asked] { return ++asked == 3 ? absl::CancelledError("stop") : absl::OkStatus(); };
  const std::string lines = "{\"text\":\"a\"}\n{\"text\":\"b\"}\n{}\n";
  EXPECT_TRUE(absl::IsCancelled(ReadDocuments("x.jsonl", lines, 1 << 20, stop_at_third).status()));
  asked = 0;
  const std::string packed = Gzip(std::string(1 << 20, 'x'));
  EXPECT_TRUE(absl::IsCancelled(ReadDocuments("x.txt.gz", packed, 1 << 20, stop_at_third).status()));
}

TEST(ReadDocuments, AGzipFileThatUnpacksToTooMuchIsRefused) {
  const std::string bomb = Gzip(std::string(10 << 20, 'x'));
  const auto documents = ReadDocuments("bomb.txt.gz", bomb, 1 << 20);
  EXPECT_EQ(documents.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(documents.status().message(), HasSubstr("more than 1048576 bytes"));
}

TEST(ReadDocuments, SuffixesCountInEitherCase) {
  const std::string lines = "{\"text\":\"a\"}\n{\"text\":\"b\"}\n";
  for (const char* name : {"a.JSONL", "a.ndjson", "a.NdJson", "a.Json", "a.jsonl"}) {
    EXPECT_THAT(*ReadDocuments(name, lines), ElementsAre("a", "b")) << name;
  }
  for (const char* name : {"a.JSONL.GZ", "a.ndjson.gz", "a.json.Gz"}) {
    EXPECT_THAT(*ReadDocuments(name, Gzip(lines)), ElementsAre("a", "b")) << name;
  }
}

TEST(ReadDocuments, AJsonFileMayBeOneArrayOrOneObjectOverSeveralLines) {
  EXPECT_THAT(*ReadDocuments("a.json", " [\n{\"text\": \"a\", \"n\": NaN},\n \"b\"]\n"), ElementsAre("a", "b"));
  EXPECT_THAT(*ReadDocuments("a.json", "{\n  \"text\": \"a\"\n}\n"), ElementsAre("a"));
  EXPECT_THAT(*ReadDocuments("a.json.gz", Gzip("[{\"text\": \"a\"}]")), ElementsAre("a"));
  EXPECT_THAT(*ReadDocuments("a.jsonl", "\"a\"\n\"b\"\n"), ElementsAre("a", "b"));
  ExpectRefused("a.json", "[{\"text\": \"a\"}, {\"content\": \"b\"}]", "record 2: 'text' is missing");
  ExpectRefused("a.json", "[{\"text\": \"a\"}, 5]", "record 2 is not a JSON object");
  ExpectRefused("a.json", "[]", "no document");
  ExpectRefused("a.json", "[{\"text\": \"a\"}", "not valid JSON");
  ExpectRefused("a.json", "prose", "line 1: not valid JSON");
}

TEST(ReadDocuments, JsonIsNeverTakenForProse) {
  EXPECT_THAT(*ReadDocuments("a.txt", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n"), ElementsAre("a", "b"));
  EXPECT_THAT(*ReadDocuments("a", "\xEF\xBB\xBF[\"a\", {\"text\": \"b\"}]"), ElementsAre("a", "b"));
  EXPECT_THAT(*ReadDocuments("a.gz", Gzip("{\"text\":\"a\"}\n")), ElementsAre("a"));
  ExpectRefused("a.txt", "{\"content\":\"a\"}\n", "line 1: 'text' is missing");
  ExpectRefused("a.txt", "{\"text\":\"a\"}\nprose\n", "line 2: not valid JSON");
  for (const char* prose : {"{not json}\nmore", "[1] a reference", "[1]", "[]", "\"quoted\" words", "{\n", "5"}) {
    EXPECT_THAT(*ReadDocuments("a.txt", prose), ElementsAre(prose));
  }
}

TEST(ReadDocuments, NotANumberMattersOnlyAsAText) {
  EXPECT_THAT(
      *ReadDocuments("a.jsonl", "{\"text\": \"NaN is \\\"NaN\", \"score\": NaN, \"x\": [-Infinity, Infinity, 1]}"),
      ElementsAre("NaN is \"NaN"));
  ExpectRefused("a.jsonl", "{\"text\":\"x\"}\n{\"text\": NaN}", "line 2: 'text' must be a string, not null");
  ExpectRefused("a.jsonl", "{\"text\":\"x\", \"score\": NaN", "line 1: not valid JSON");
  ExpectRefused("a.jsonl", "{\"text\":\"x\", \"score\": nan}", "line 1: not valid JSON");
}

}  // namespace
}  // namespace lwq
