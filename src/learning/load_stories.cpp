#include "learning/load_stories.h"

#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>
#include <unordered_map>

namespace lyceum::learning::load {
namespace {

namespace json = boost::json;

// Takes a story out of the parser's events, without a document in between: so a key that comes
// twice is seen, and a wrong type is named with its key.
struct StoryHandler {
  // NOLINTBEGIN(readability-identifier-naming): the names that Boost.JSON looks for
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  // NOLINTEND(readability-identifier-naming)

  struct Field {
    std::string_view name;
    std::string StoryText::* member;
    bool required;
    bool may_be_empty;
    std::size_t most;
  };
  static constexpr std::array<Field, 7> kFields{{
      {"source", &StoryText::source, true, false, kMaxFieldBytes},
      {"title", &StoryText::title, true, false, kMaxTitleBytes},
      {"license", &StoryText::license, true, false, kMaxFieldBytes},
      {"author", &StoryText::author, true, true, kMaxFieldBytes},
      {"language", &StoryText::language, true, false, kMaxFieldBytes},
      {"illustrator", &StoryText::illustrator, false, true, kMaxFieldBytes},
      {"translator", &StoryText::translator, false, true, kMaxFieldBytes},
  }};

  StoryText story;
  std::optional<std::string> level;
  std::string reason;  // why the parser was stopped

  bool refuse(json::error_code& ec, std::string why) {
    reason = std::move(why);
    ec = json::error::exception;  // any error: it stops the parser, the reason is ours
    return false;
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }

  bool on_object_begin(json::error_code& ec) {
    if (depth_ == 1 && !skipping()) return wrong_type(ec, "an object");
    if (depth_ == 2 && !skipping()) return wrong_type(ec, "an object as a page");
    ++depth_;
    return true;
  }
  bool on_object_end(std::size_t, json::error_code&) {
    --depth_;
    return true;
  }
  bool on_array_begin(json::error_code& ec) {
    if (depth_ == 0) return refuse(ec, "not a JSON object but an array");
    if (!skipping() && (depth_ > 1 || key_ != "pages")) return wrong_type(ec, "an array");
    ++depth_;
    return true;
  }
  bool on_array_end(std::size_t, json::error_code&) {
    --depth_;
    return true;
  }

  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    text_ += part;
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code& ec) {
    text_ += part;
    if (depth_ == 1) {
      key_ = text_;
      if (std::find(keys_.begin(), keys_.end(), key_) != keys_.end()) {
        return refuse(ec, fmt::format("key \"{}\" comes twice", key_));
      }
      keys_.push_back(key_);
    }
    text_.clear();
    return true;
  }

  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    text_ += part;
    return true;
  }
  bool on_string(json::string_view part, std::size_t, json::error_code& ec) {
    if (depth_ == 0) return refuse(ec, "not a JSON object but a string");
    text_ += part;
    std::string text;
    text.swap(text_);
    if (skipping()) return true;
    if (text.find('\0') != std::string::npos) {
      return refuse(ec, fmt::format("\"{}\" holds a NUL character", key_));
    }
    if (key_ == "pages") {
      if (depth_ != 2) return wrong_type(ec, "a string");
      if (story.pages.size() == kMaxPages) {
        return refuse(ec, fmt::format("\"pages\" has more than {} pages", kMaxPages));
      }
      story.pages.push_back(std::move(text));
      return true;
    }
    if (key_ == "level") {
      level = std::move(text);
      return true;
    }
    for (const auto& field : kFields) {
      if (field.name != key_) continue;
      if (text.size() > field.most) {
        return refuse(ec, fmt::format("\"{}\" is longer than {} bytes", key_, field.most));
      }
      if (text.find_first_not_of(" \t\r\n") == std::string::npos && !field.may_be_empty) {
        return refuse(ec, fmt::format("\"{}\" is empty", key_));
      }
      story.*field.member = std::move(text);
      break;
    }
    return true;
  }

  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code& ec) { return number(ec); }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code& ec) { return number(ec); }
  bool on_double(double, json::string_view, json::error_code& ec) { return number(ec); }
  bool on_bool(bool, json::error_code& ec) { return scalar(ec, "a boolean"); }
  bool on_null(json::error_code& ec) { return scalar(ec, "null"); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  // What the parser has no eye for: keys that are missing, and what the values mean.
  std::optional<std::string> finish() {
    const auto has = [this](std::string_view name) {
      return std::find(keys_.begin(), keys_.end(), name) != keys_.end();
    };
    for (const auto& field : kFields) {
      if (field.required && !has(field.name)) {
        return fmt::format("key \"{}\" is missing", field.name);
      }
    }
    if (!has("pages")) return "key \"pages\" is missing";
    const auto content = story.content();
    if (content.find_first_not_of(" \t\r\n") == std::string::npos) {
      return "\"pages\" holds no text";
    }
    const auto measured = readability_of(content);
    story.words = measured.words;
    story.level = level_of(measured.difficulty);
    story.difficulty = measured.difficulty;
    if (level) {
      const auto known = parse_cefr(*level);
      if (!known) {
        return fmt::format("\"level\" is \"{}\", not one of A1, A2, B1, B2, C1, C2",
                           level->substr(0, 40));
      }
      story.level = *known;
      story.difficulty = clamp_to(*known, measured.difficulty);
    }
    return std::nullopt;
  }

 private:
  // Inside the value of a key that is none of ours.
  [[nodiscard]] bool skipping() const {
    if (depth_ == 0 || key_ == "pages" || key_ == "level") return false;
    return std::none_of(kFields.begin(), kFields.end(),
                        [this](const Field& field) { return field.name == key_; });
  }
  bool wrong_type(json::error_code& ec, std::string_view found) {
    const auto* wanted = key_ == "pages" ? "an array of strings" : "a string";
    return refuse(ec, fmt::format("\"{}\" must be {}, and holds {}", key_, wanted, found));
  }
  bool scalar(json::error_code& ec, std::string_view found) {
    if (depth_ == 0) return refuse(ec, fmt::format("not a JSON object but {}", found));
    return skipping() || wrong_type(ec, found);
  }
  bool number(json::error_code& ec) { return scalar(ec, "a number"); }

  int depth_ = 0;
  std::string key_;
  std::string text_;  // of the key or string that is being read
  std::vector<std::string> keys_;
};

}  // namespace

std::string StoryText::content() const {
  std::string out;
  for (const auto& page : pages) {
    if (!out.empty()) out += "\n\n";
    out += page;
  }
  return out;
}

Result<StoryReader> StoryReader::open(const std::string& file) {
  auto lines = LineReader::open(file);
  if (!lines) return lines.error();
  return StoryReader(std::move(*lines));
}

Result<std::optional<StoryText>> StoryReader::next() {
  for (;;) {
    auto line = lines_.next();
    if (!line) return line.error();
    if (!*line) return std::optional<StoryText>{};
    const std::string_view text = **line;
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;

    json::basic_parser<StoryHandler> parser{json::parse_options{}};
    json::error_code ec;
    const auto used = parser.write_some(false, text.data(), text.size(), ec);
    if (ec) {
      const auto& ours = parser.handler().reason;
      if (!ours.empty()) return lines_.error(ours);
      return lines_.error(fmt::format("bad JSON at column {}: {}", used + 1, ec.message()));
    }
    if (used < text.size()) {
      return lines_.error(fmt::format("more text after the JSON object, at column {}", used + 1));
    }
    if (auto reason = parser.handler().finish()) return lines_.error(*reason);
    return std::optional(std::move(parser.handler().story));
  }
}

Result<std::vector<StoryText>> read_stories(const std::string& file) {
  auto reader = StoryReader::open(file);
  if (!reader) return reader.error();
  std::vector<StoryText> out;
  std::unordered_map<std::string, std::uint64_t> lines;
  for (;;) {
    auto story = reader->next();
    if (!story) return story.error();
    if (!*story) break;
    const auto [earlier, is_new] = lines.emplace((*story)->source, reader->line());
    if (!is_new) {
      return error_at(file, reader->line(),
                      fmt::format("source \"{}\" stands in line {} already",
                                  (*story)->source.substr(0, 100), earlier->second));
    }
    out.push_back(std::move(**story));
  }
  if (out.empty()) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("{} holds no story", file),
                 .hint = "give a file with one JSON object a line"};
  }
  return out;
}

}  // namespace lyceum::learning::load
