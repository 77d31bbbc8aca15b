#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "learning/load_grade.h"
#include "learning/load_lines.h"

namespace lyceum::learning::load {

// What a story's fields may have at most, in bytes.
inline constexpr std::size_t kMaxTitleBytes = 500;
inline constexpr std::size_t kMaxFieldBytes = 2000;  // names, source, licence
inline constexpr std::size_t kMaxPages = 2000;

// A story as it stands in a file: the text that libraries are made from.
struct StoryText {
  std::string source;  // what names it; unique in a file
  std::string title;
  std::vector<std::string> pages;
  std::string license;
  std::string author;
  std::string illustrator;  // may be empty
  std::string translator;   // may be empty
  std::string language;
  Cefr level = Cefr::kA1;
  double difficulty = 0;  // 0 to 5
  std::uint32_t words = 0;

  // The pages, an empty line between each two.
  [[nodiscard]] std::string content() const;
  bool operator==(const StoryText&) const = default;
};

// One JSON object a line: source, title, pages (array of strings), license, author, language, and
// as one likes illustrator, translator and level ("A1" to "C2"); other keys are read over, whatever
// they hold. Where no level is given, it is the one of the text's readability (load_grade.h); where
// one is, the difficulty is the readability moved into that level's band. Empty lines are skipped.
// Every error names file and line.
class StoryReader {
 public:
  [[nodiscard]] static Result<StoryReader> open(const std::string& file);
  // The next story, or nothing at the end.
  [[nodiscard]] Result<std::optional<StoryText>> next();
  // The line of the story given out last.
  [[nodiscard]] std::uint64_t line() const { return lines_.line(); }

 private:
  explicit StoryReader(LineReader lines) : lines_(std::move(lines)) {}
  LineReader lines_;
};

// All stories of a file, or the first error. Two of one source are an error, and so is a file
// without any.
[[nodiscard]] Result<std::vector<StoryText>> read_stories(const std::string& file);

}  // namespace lyceum::learning::load
