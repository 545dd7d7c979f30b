// SPDX-License-Identifier: Apache-2.0
// WikiText's pages as the harness has them scored. Every expected text and number is what lm-evaluation-harness
// 0.4.13's own functions gave (CPython 3.11).
#include "common/eval_tasks/wikitext.h"

#include <string>

#include "gtest/gtest.h"

namespace lwq {
namespace {

TEST(WikitextTest, NumbersAndPunctuationAreJoinedAgain) {
  EXPECT_EQ(DetokenizedWikitext("a @-@ b @,@ c @.@ d : e ; f . g ! h ? i , j"), "a-b,c.d: e; f. g! h? i, j");
  EXPECT_EQ(DetokenizedWikitext(" . . . "), ". .. ") << "from the left, none twice";
  EXPECT_EQ(DetokenizedWikitext(" @-@ @-@ "), "-@-@ ");
  EXPECT_EQ(DetokenizedWikitext(""), "");
}

TEST(WikitextTest, BracketsAndQuotesLoseTheWhiteSpaceAtTheirEnds) {
  EXPECT_EQ(DetokenizedWikitext("( a ) [ b ] { c } \" d e \" ' f ' ( open ( g ) h ) ( unclosed"),
            "(a) [b] {c} \"d e\" 'f' (open ( g) h ) ( unclosed")
      << "a bracket ends at the next that closes, and one that nothing closes stays";
  EXPECT_EQ(DetokenizedWikitext("\" one \" two \" three \" four \" five"), "\"one\" two \"three\" four \" five");
  EXPECT_EQ(DetokenizedWikitext("(\u00a0\n a\u3000)"), "(a)") << "Python's white space";
  EXPECT_EQ(DetokenizedWikitext("( ) [  ] \"  \""), "() [] \"\"");
}

TEST(WikitextTest, TheHarnesssOwnSlipsAreKept) {
  EXPECT_EQ(DetokenizedWikitext("the boys ' coats , James ' hat ; the baker 's loaf"),
            "the boys'coats, James' hat; the baker's loaf");
  EXPECT_EQ(DetokenizedWikitext("/' 5/ /' 5/' 6/ /' x/ /' 7"), "/'[0-9]/ /'[0-9]/'6/ /' x/ /' 7");
}

TEST(WikitextTest, HeadingsLinesAndLoneLettersAreThoseOfTheHarness) {
  EXPECT_EQ(DetokenizedWikitext("= = = = x = = = = \n = = y = = \n 20 \u00b0 C N times N N end"),
            "==== x ====\n== y ==\n20\u00b0C 1 times 1 N end");
  EXPECT_EQ(DetokenizedWikitext("\n \n a \n  b \n"), "\n\na\n b\n");
}

TEST(WikitextTest, WordsAreWhatRunsOfWhiteSpaceSeparateAndAnEmptyOneAtAnEndCounts) {
  EXPECT_EQ(WikitextWords(""), 1);
  EXPECT_EQ(WikitextWords(" "), 2);
  EXPECT_EQ(WikitextWords("a"), 1);
  EXPECT_EQ(WikitextWords(" a b "), 4);
  EXPECT_EQ(WikitextWords("a\u00a0b\u3000c\x1c"
                          "d\u0085e\u2028f\u200bg"),
            6)
      << "a zero-width space is none";
  EXPECT_EQ(WikitextWords("a  \n\t b"), 2);
}

}  // namespace
}  // namespace lwq
