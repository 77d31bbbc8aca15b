#include "learning/load_wordnet.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <unordered_map>
#include <unordered_set>

#include "learning/load_lines.h"

namespace lyceum::learning::load {
namespace {

struct PartOfSpeech {
  std::string_view suffix;  // of the files
  std::string_view name;
  std::string_view symbols;      // that data lines of it may have
  std::string_view sense_types;  // digits of its sense keys
};

constexpr std::array<PartOfSpeech, 4> kParts{{
    {"noun", "noun", "n", "1"},
    {"verb", "verb", "v", "2"},
    {"adj", "adjective", "as", "35"},
    {"adv", "adverb", "r", "4"},
}};

// The fields of a line, split at single blanks.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}

  std::optional<std::string_view> word() {
    if (rest_.empty()) return std::nullopt;
    const auto blank = rest_.find(' ');
    const auto field = rest_.substr(0, blank);
    rest_ = blank == std::string_view::npos ? std::string_view{} : rest_.substr(blank + 1);
    if (field.empty()) return std::nullopt;
    return field;
  }
  std::optional<std::uint32_t> number(int base = 10) {
    const auto field = word();
    std::uint32_t value = 0;
    if (!field) return std::nullopt;
    const auto* end = field->data() + field->size();
    const auto [stop, ec] = std::from_chars(field->data(), end, value, base);
    if (ec != std::errc{} || stop != end) return std::nullopt;
    return value;
  }
  bool skip(std::size_t count) {
    while (count-- > 0) {
      if (!word()) return false;
    }
    return true;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

bool is_license(std::string_view line) {
  return line.starts_with("  ");
}

std::string_view trim_end(std::string_view text) {
  const auto last = text.find_last_not_of(" \t\r");
  return last == std::string_view::npos ? std::string_view{} : text.substr(0, last + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string key_of(std::size_t part, std::string_view lemma) {
  return fmt::format("{}{}", part, lemma);
}

using Counts = std::unordered_map<std::string, std::uint64_t>;

// sense_key  sense_number  tag_count, where sense_key is lemma%type:lexical file:id:head:head id.
Result<Counts> read_counts(const std::string& file) {
  auto lines = LineReader::open(file);
  if (!lines) return lines.error();
  Counts out;
  std::unordered_set<std::string> seen;
  for (;;) {
    auto line = lines->next();
    if (!line) return line.error();
    if (!*line) return out;
    if (is_license(**line)) continue;
    Fields fields(trim_end(**line));
    const auto key = fields.word();
    const auto number = fields.number();
    const auto count = fields.number();
    const auto percent = key ? key->rfind('%') : std::string_view::npos;
    if (!number || !count || !fields.rest().empty() || percent == 0 ||
        percent == std::string_view::npos || percent + 2 >= key->size() ||
        (*key)[percent + 2] != ':') {
      return lines->error("not \"sense_key sense_number tag_count\"");
    }
    const auto part = std::find_if(kParts.begin(), kParts.end(), [&](const auto& candidate) {
      return candidate.sense_types.find((*key)[percent + 1]) != std::string_view::npos;
    });
    if (part == kParts.end()) {
      return lines->error(fmt::format("\"{}\" has a part of speech that there is not", *key));
    }
    if (!seen.emplace(*key).second) return lines->error(fmt::format("\"{}\" comes twice", *key));
    out[key_of(static_cast<std::size_t>(part - kParts.begin()), key->substr(0, percent))] += *count;
  }
}

struct Synset {
  std::string words;  // "entity|physical entity", as written
  std::string definition;
};
using Synsets = std::unordered_map<std::uint64_t, Synset>;

// The gloss up to its first example.
std::string definition_of(std::string_view gloss) {
  gloss = gloss.substr(0, gloss.find("; \""));
  while (!gloss.empty() && (gloss.back() == ' ' || gloss.back() == ';')) gloss.remove_suffix(1);
  while (!gloss.empty() && gloss.front() == ' ') gloss.remove_prefix(1);
  return std::string(gloss);
}

// offset  lexical file  type  words in hexadecimal  word id ...  pointers ... [frames ...]  | gloss
Result<Synsets> read_synsets(const std::string& file, const PartOfSpeech& part) {
  auto lines = LineReader::open(file);
  if (!lines) return lines.error();
  Synsets out;
  for (;;) {
    auto line = lines->next();
    if (!line) return line.error();
    if (!*line) return out;
    if (is_license(**line)) continue;
    const auto bar = (*line)->find(" | ");
    Fields fields((*line)->substr(0, bar));
    const auto offset = fields.number();
    const bool lexical_file = fields.skip(1);
    const auto type = fields.word();
    const auto count = fields.number(16);
    if (bar == std::string_view::npos || !offset || !lexical_file || !type || type->size() != 1 ||
        part.symbols.find(*type) == std::string_view::npos || !count || *count == 0) {
      return lines->error(fmt::format("not a synset of data.{}", part.suffix));
    }
    if (*offset != lines->offset()) {
      return lines->error(fmt::format("the synset says that it is at byte {}, and is at {}",
                                      *offset, lines->offset()));
    }
    Synset synset;
    for (std::uint32_t i = 0; i < *count; ++i) {
      auto word = fields.word();
      if (!word || !fields.skip(1)) {
        return lines->error(fmt::format("the synset has fewer than its {} words", *count));
      }
      // Adjectives may carry where they stand: "(a)", "(p)", "(ip)".
      if (word->ends_with(')') && word->rfind('(') != std::string_view::npos) {
        word = word->substr(0, word->rfind('('));
      }
      if (i > 0) synset.words += ' ';
      synset.words += *word;
    }
    const auto pointers = fields.number();
    if (!pointers || !fields.skip(std::size_t{*pointers} * 4)) {
      return lines->error("the synset's pointers are not complete");
    }
    synset.definition = definition_of(trim_end((*line)->substr(bar + 3)));
    if (synset.definition.size() > kMaxDefinitionBytes) {
      return lines->error(
          fmt::format("the definition is longer than {} bytes", kMaxDefinitionBytes));
    }
    out.emplace(*offset, std::move(synset));
  }
}

// As the synset writes the lemma, or nothing where it does not contain it.
std::optional<std::string> written_as(const Synset& synset, std::string_view lemma) {
  Fields words(synset.words);
  while (const auto word = words.word()) {
    if (lower(*word) != lemma) continue;
    std::string out(*word);
    std::replace(out.begin(), out.end(), '_', ' ');
    return out;
  }
  return std::nullopt;
}

// lemma pos synsets pointers [symbols ...] senses tagged offset ...
Result<bool> read_index(const std::string& directory, std::size_t which, const Counts& counts,
                        std::vector<Word>& out, std::vector<std::uint64_t>& out_counts) {
  const auto& part = kParts[which];
  const auto data_file = fmt::format("{}/data.{}", directory, part.suffix);
  auto synsets = read_synsets(data_file, part);
  if (!synsets) return synsets.error();
  auto lines = LineReader::open(fmt::format("{}/index.{}", directory, part.suffix));
  if (!lines) return lines.error();
  std::unordered_set<std::string> seen;
  for (;;) {
    auto line = lines->next();
    if (!line) return line.error();
    if (!*line) return true;
    if (is_license(**line)) continue;
    Fields fields(trim_end(**line));
    const auto lemma = fields.word();
    const auto symbol = fields.word();
    const auto senses = fields.number();
    const auto pointers = fields.number();
    const bool complete = pointers && fields.skip(*pointers) && fields.skip(2);
    const auto offset = fields.number();
    if (!lemma || !symbol || *symbol != part.symbols.substr(0, 1) || !senses || *senses == 0 ||
        !complete || !offset || !fields.skip(*senses - 1) || !fields.rest().empty()) {
      return lines->error(fmt::format("not an entry of index.{}", part.suffix));
    }
    if (lemma->size() > kMaxWordBytes) {
      return lines->error(fmt::format("the word is longer than {} bytes", kMaxWordBytes));
    }
    if (!seen.emplace(*lemma).second) {
      return lines->error(fmt::format("\"{}\" comes twice", *lemma));
    }
    const auto synset = synsets->find(*offset);
    if (synset == synsets->end()) {
      return lines->error(fmt::format("{} has no synset at {}", data_file, *offset));
    }
    auto written = written_as(synset->second, *lemma);
    if (!written) {
      return lines->error(fmt::format("the synset at {} in {} does not contain \"{}\"", *offset,
                                      data_file, *lemma));
    }
    const auto count = counts.find(key_of(which, *lemma));
    out_counts.push_back(count == counts.end() ? 0 : count->second);
    out.push_back({.word = std::move(*written),
                   .part_of_speech = std::string(part.name),
                   .definition = synset->second.definition});
  }
}

}  // namespace

double difficulty_of_rank(std::size_t rank) {
  const double raw = 0.875 + 0.75 * std::log2(static_cast<double>(rank) / 500.0);
  return std::round(std::clamp(raw, 0.0, kMaxDifficulty) * 100) / 100;
}

Result<std::vector<Word>> read_wordnet(const std::string& directory) {
  const auto counts = read_counts(directory + "/cntlist.rev");
  if (!counts) return counts.error();
  std::vector<Word> out;
  std::vector<std::uint64_t> tagged;
  for (std::size_t part = 0; part < kParts.size(); ++part) {
    auto read = read_index(directory, part, *counts, out, tagged);
    if (!read) return read.error();
  }
  if (out.empty()) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("the dictionary in {} holds no word", directory),
                 .hint = "install wordnet-base, or give a vocabulary file"};
  }
  std::uint64_t total = 0;
  for (const auto& [key, count] : *counts) total += count;
  auto descending = tagged;
  std::sort(descending.begin(), descending.end(), std::greater<>());
  for (std::size_t at = 0; at < out.size(); ++at) {
    const auto ahead =
        std::lower_bound(descending.begin(), descending.end(), tagged[at], std::greater<>());
    out[at].difficulty =
        difficulty_of_rank(static_cast<std::size_t>(ahead - descending.begin()) + 1);
    out[at].level = level_of(out[at].difficulty);
    if (total > 0) {
      out[at].frequency = static_cast<double>(tagged[at]) * 1e6 / static_cast<double>(total);
    }
  }
  return out;
}

}  // namespace lyceum::learning::load
