// SPDX-License-Identifier: Apache-2.0
// A word as somebody wrote it: one of a choice's, or a text that is none of them and is kept as it stands, so that it
// can be refused together with everything else that is wrong.
//
// Pure value; thread-safety: none needed.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include "common/recipe/choices.h"

namespace lwq {

template <typename T>
concept Text = std::convertible_to<const T&, std::string_view>;

template <RecipeChoice E>
class GivenWord {
 public:
  GivenWord() : GivenWord(E{}) {}
  GivenWord(E choice) : text_(WordOf(choice)), choice_(choice) {}
  template <Text T>
  GivenWord(const T& text) : text_(std::string_view(text)), choice_(ParseWord<E>(text_)) {}

  const std::string& text() const { return text_; }
  // Nothing where the text is no word of E.
  std::optional<E> choice() const { return choice_; }

  friend bool operator==(const GivenWord& a, const GivenWord& b) { return a.text_ == b.text_; }
  friend bool operator==(const GivenWord& a, E b) { return a.choice_ == b; }
  // What a text means is settled when the word is made, not wherever it is looked at.
  template <Text T>
  friend bool operator==(const GivenWord& a, const T& b) = delete;

 private:
  std::string text_;
  std::optional<E> choice_;
};

}  // namespace lwq
