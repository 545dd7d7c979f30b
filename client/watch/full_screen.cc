// SPDX-License-Identifier: Apache-2.0
#include "client/watch/full_screen.h"

#include <clocale>
#include <cstdio>
#include <cstdlib>

// Without macros: some have names of ours.
#define NCURSES_NOMACROS
#include <ncurses.h>

namespace lwq::client {
namespace {

using Tone = TopLine::Tone;

SCREEN* screen = nullptr;  // ncurses has one, too

short PairOf(Tone tone) {
  return static_cast<short>(static_cast<int>(tone) + 1);
}

void ChooseColours() {
  if (!has_colors() || start_color() == ERR) return;
  use_default_colors();
  const auto set = [](Tone tone, short colour) { init_pair(PairOf(tone), colour, -1); };
  set(Tone::kPlain, -1);
  set(Tone::kHead, -1);
  set(Tone::kSoft, -1);
  set(Tone::kGood, COLOR_GREEN);
  set(Tone::kBad, COLOR_RED);
  set(Tone::kWarn, COLOR_YELLOW);
}

attr_t StyleOf(Tone tone) {
  attr_t style = tone == Tone::kHead ? A_BOLD : tone == Tone::kSoft ? A_DIM : A_NORMAL;
  if (has_colors()) style |= COLOR_PAIR(PairOf(tone));
  return style;
}

}  // namespace

StatusOr<std::unique_ptr<FullScreen>> FullScreen::Open() {
  // What is written is UTF-8; a terminal in the C locale gets it so as well.
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  screen = newterm(nullptr, stdout, stdin);
  if (screen == nullptr) {
    const char* kind = std::getenv("TERM");
    return absl::FailedPreconditionError(
        absl::StrCat("the kind of terminal is not known (TERM=", kind == nullptr ? "" : kind, "): use --plain"));
  }
  ChooseColours();
  cbreak();
  noecho();
  curs_set(0);
  keypad(stdscr, TRUE);
  return std::unique_ptr<FullScreen>(new FullScreen());
}

FullScreen::~FullScreen() {
  endwin();
  delscreen(screen);
  screen = nullptr;
}

int FullScreen::columns() const {
  return getmaxx(stdscr);
}

int FullScreen::rows() const {
  return getmaxy(stdscr);
}

void FullScreen::Draw(const std::vector<TopLine>& lines) {
  erase();
  for (size_t row = 0; row < lines.size(); ++row) {
    const attr_t style = StyleOf(lines[row].tone);
    attron(static_cast<int>(style));
    mvaddstr(static_cast<int>(row), 0, lines[row].text.c_str());
    attroff(static_cast<int>(style));
  }
  refresh();
}

FullScreen::Key FullScreen::WaitForKey(std::chrono::milliseconds wait) {
  timeout(static_cast<int>(wait.count()));
  switch (getch()) {
    case ERR:
      return Key::kNone;
    case 'q':
    case 'Q':
      return Key::kQuit;
    case 'e':
      return Key::kEnded;
    case KEY_UP:
    case 'k':
      return Key::kUp;
    case KEY_DOWN:
    case 'j':
      return Key::kDown;
    case KEY_PPAGE:
      return Key::kPageUp;
    case KEY_NPAGE:
    case ' ':
      return Key::kPageDown;
    case KEY_HOME:
      return Key::kTop;
    default:
      return Key::kOther;
  }
}

}  // namespace lwq::client
