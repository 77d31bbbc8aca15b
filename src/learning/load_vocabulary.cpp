#include "learning/load_vocabulary.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <tuple>
#include <unordered_map>

#include "learning/load_csv.h"

namespace lyceum::learning::load {
namespace {

// A plain decimal number: no blanks, sign, hexadecimal, "nan" or "inf".
std::optional<double> parse_number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789.eE+-") != std::string_view::npos ||
      text.front() == '-') {
    return std::nullopt;
  }
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

Result<std::vector<Word>> read_vocabulary(const std::string& file) {
  auto table = CsvTable::open(file, {"word", "part_of_speech", "cefr", "difficulty_level",
                                     "frequency_per_million", "definition"});
  if (!table) return table.error();
  std::vector<Word> out;
  std::unordered_map<std::string, std::uint64_t> lines;
  for (;;) {
    auto row = table->next();
    if (!row) return row.error();
    if (!*row) break;
    auto& fields = **row;
    Word word;
    word.word = std::move(fields[0]);
    word.part_of_speech = std::move(fields[1]);
    word.definition = std::move(fields[5]);
    if (blank(word.word)) return table->error("\"word\" is empty");
    if (blank(word.part_of_speech)) return table->error("\"part_of_speech\" is empty");
    const auto overlong = [&](std::string_view name, const std::string& value, std::size_t most) {
      return value.size() > most ? std::optional(table->error(
                                       fmt::format("\"{}\" is longer than {} bytes", name, most)))
                                 : std::nullopt;
    };
    if (auto e = overlong("word", word.word, kMaxWordBytes)) return *e;
    if (auto e = overlong("part_of_speech", word.part_of_speech, kMaxWordBytes)) return *e;
    if (auto e = overlong("definition", word.definition, kMaxDefinitionBytes)) return *e;
    const auto level = parse_cefr(fields[2]);
    if (!level) {
      return table->error(fmt::format("\"cefr\" is \"{}\", not one of A1, A2, B1, B2, C1, C2",
                                      fields[2].substr(0, 40)));
    }
    word.level = *level;
    const auto difficulty = parse_number(fields[3]);
    if (!difficulty || *difficulty > kMaxDifficulty) {
      return table->error(fmt::format("\"difficulty_level\" is \"{}\", not a number from 0 to {}",
                                      fields[3].substr(0, 40), kMaxDifficulty));
    }
    word.difficulty = std::round(*difficulty * 100) / 100;
    const auto frequency = parse_number(fields[4]);
    if (!frequency || *frequency > 1e6) {
      return table->error(
          fmt::format("\"frequency_per_million\" is \"{}\", not a number from 0 to 1000000",
                      fields[4].substr(0, 40)));
    }
    word.frequency = *frequency;
    const auto [earlier, is_new] =
        lines.emplace(word.part_of_speech + '\n' + word.word, table->line());
    if (!is_new) {
      return table->error(fmt::format("{} \"{}\" stands in line {} already", word.part_of_speech,
                                      word.word, earlier->second));
    }
    out.push_back(std::move(word));
  }
  if (out.empty()) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("{} holds no word", file),
                 .hint = "give a file with rows below its header"};
  }
  return out;
}

std::vector<Word> most_frequent(std::vector<Word> words, std::size_t most) {
  const auto plain = [](const Word& word) {
    return std::all_of(word.word.begin(), word.word.end(),
                       [](char c) { return c >= 'a' && c <= 'z'; });
  };
  std::sort(words.begin(), words.end(), [&plain](const Word& left, const Word& right) {
    if (left.frequency != right.frequency) return left.frequency > right.frequency;
    if (const bool first = plain(left); first != plain(right)) return first;
    return std::tie(left.word, left.part_of_speech) < std::tie(right.word, right.part_of_speech);
  });
  if (words.size() > most) words.resize(most);
  return words;
}

}  // namespace lyceum::learning::load
