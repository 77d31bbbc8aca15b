#include "watch/template.h"

#include <cmath>
#include <fmt/format.h>

namespace lyceum::watch {
namespace {

Error wrong(std::string message) {
  return {.code = ErrorCode::kConfiguration, .message = std::move(message)};
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::string count_words(double number) {
  if (std::abs(number) >= 1e15) return fmt::format("{:.4g}", number);
  auto digits = fmt::format("{:.0f}", std::abs(number));
  for (auto at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return number < 0 && digits != "0" ? "-" + digits : digits;
}

std::string bytes_words(double bytes) {
  constexpr std::array<std::string_view, 5> kNames{"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (std::abs(bytes) >= 1024 && unit + 1 < kNames.size()) bytes /= 1024, ++unit;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kNames[unit]);
}

std::string plain_words(double number) {
  if (number == std::floor(number) && std::abs(number) < 1e15) return fmt::format("{:.0f}", number);
  return fmt::format("{:.4g}", number);
}

// At most so many bytes, and no character cut through.
std::string_view clipped(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) --most;
  return text.substr(0, most);
}

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && !is_control(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

std::string sql_identifier(std::string_view name) {
  const bool escaped = std::any_of(name.begin(), name.end(), is_control);
  std::string out = escaped ? "U&\"" : "\"";
  for (const char c : name) {
    if (is_control(c)) {
      out += fmt::format("\\{:04x}", static_cast<unsigned char>(c));
    } else {
      if (c == '"' || (escaped && c == '\\')) out += c;
      out += c;
    }
  }
  return out + '"';
}

std::string sql_literal(std::string_view text) {
  const bool escaped =
      std::any_of(text.begin(), text.end(), [](char c) { return is_control(c) || c == '\\'; });
  std::string out = escaped ? "E'" : "'";
  for (const char c : text) {
    if (is_control(c)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (c == '\'' || c == '\\') out += c;
      out += c;
    }
  }
  return out + '\'';
}

std::string duration_words(double seconds) {
  const auto size = std::abs(seconds);
  if (size < 1) return fmt::format("{:.3g} ms", seconds * 1000);
  if (size < 120) return fmt::format("{:.3g} s", seconds);
  if (size < 2 * 3600) return fmt::format("{:.0f} min", seconds / 60);
  if (size < 48 * 3600) return fmt::format("{:.3g} h", seconds / 3600);
  return fmt::format("{:.3g} days", seconds / 86400);
}

Result<Template> Template::compile(std::string_view text, const Collector& collector, Use use) {
  Template out;
  out.use_ = use;
  std::string words;
  const auto end_words = [&] {
    if (!words.empty()) out.pieces_.push_back({.what = What::words, .words = words});
    words.clear();
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool doubled = at + 1 < text.size() && text[at + 1] == text[at];
    if ((text[at] == '{' || text[at] == '}') && doubled) {
      words += text[at++];
    } else if (text[at] == '{') {
      const auto close = text.find('}', at);
      if (close == std::string_view::npos) {
        return wrong(fmt::format("the brace at position {} does not close", at + 1));
      }
      end_words();
      if (auto added = out.add_place(text.substr(at + 1, close - at - 1), collector);
          added.has_error()) {
        return added.error();
      }
      at = close;
    } else if (text[at] == '}') {
      return wrong(fmt::format("a closing brace at position {}; write it twice", at + 1));
    } else {
      words += text[at];
    }
  }
  end_words();
  return out;
}

Result<void> Template::add_place(std::string_view place, const Collector& collector) {
  constexpr std::array<std::pair<std::string_view, Format>, 8> kFormats{
      {{"count", Format::count},
       {"bytes", Format::bytes},
       {"percent", Format::percent},
       {"duration", Format::duration},
       {"short", Format::brief},
       {"ident", Format::ident},
       {"literal", Format::literal},
       {"sql", Format::sql}}};
  Piece piece;
  auto what = place;
  if (const auto colon = place.rfind(':'); colon != std::string_view::npos) {
    const auto name = place.substr(colon + 1);
    const auto* const format = std::find_if(kFormats.begin(), kFormats.end(),
                                            [&](const auto& one) { return one.first == name; });
    // A colon may be part of a text in the expression.
    if (format != kFormats.end()) {
      piece.format = format->second;
      what = place.substr(0, colon);
    } else if (name.find('\'') == std::string_view::npos) {
      return wrong(
          fmt::format("{{{}}}: '{}' is no way to show it: there are count, bytes, "
                      "percent, duration, short, ident, literal",
                      place, name));
    }
  }
  piece.column = collector.position(what);
  bool is_text = false;
  if (piece.column >= 0) {
    piece.what = What::column;
    const auto kind = collector.columns[static_cast<std::size_t>(piece.column)].kind;
    is_text = kind == Kind::key || kind == Kind::text;
  } else if (what == "value") {
    piece.what = What::value;
  } else if (what == "node" || what == "database") {
    piece.what = what == "node" ? What::node : What::database;
    is_text = true;
  } else {
    auto compiled = Expression::compile(what, collector);
    if (compiled.has_error()) {
      return wrong(fmt::format("{{{}}}: {}", place, compiled.error().message));
    }
    is_text = !compiled->is_condition() && use_ == Use::sql && piece.format == Format::plain;
    looks_.insert(looks_.end(), compiled->looks_back().begin(), compiled->looks_back().end());
    piece.what = What::expression;
    piece.expression = std::move(*compiled);
  }
  if (piece.format == Format::sql && (collector.name != "collectors" || what != "mend")) {
    return wrong(
        fmt::format("{{{}}}: sql is for the column mend of the collector collectors", place));
  }
  if (use_ == Use::sql && is_text && piece.format != Format::sql && piece.format != Format::ident &&
      piece.format != Format::literal) {
    return wrong(
        fmt::format("{{{0}}}: in SQL, a text is an identifier or a literal: write {{{1}:"
                    "ident}} or {{{1}:literal}}",
                    place, what));
  }
  pieces_.push_back(std::move(piece));
  return {};
}

std::optional<std::string> Template::show(const Value& value, Format format) {
  std::optional<double> number;
  const auto* const integer = std::get_if<std::int64_t>(&value);
  if (integer != nullptr) number = static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value)) number = *real;
  const auto* const text = std::get_if<Text>(&value);
  if (!number && text == nullptr) return std::nullopt;
  const auto words = [&] {
    if (text != nullptr) return text->string();
    return integer != nullptr ? std::to_string(*integer) : plain_words(*number);
  };
  if (number && !std::isfinite(*number)) return std::nullopt;
  switch (format) {
    case Format::count:
      return number ? count_words(*number) : words();
    case Format::bytes:
      return number ? bytes_words(*number) : words();
    case Format::percent:
      return number ? fmt::format("{:.3g} %", *number * 100) : words();
    case Format::duration:
      return number ? duration_words(*number) : words();
    case Format::brief: {
      constexpr std::size_t kMost = 80;
      const auto line = one_line(words());
      return line.size() <= kMost ? line : std::string(clipped(line, kMost)) + "...";
    }
    case Format::ident:
      return sql_identifier(words());
    case Format::literal:
      return number ? words() : sql_literal(*text);
    case Format::sql:
    case Format::plain:
      return words();
  }
  return words();
}

std::string Template::render(const Row& row) const {
  std::string out;
  for (const auto& piece : pieces_) {
    Value value;
    switch (piece.what) {
      case What::words:
        out += piece.words;
        continue;
      case What::column:
        if (static_cast<std::size_t>(piece.column) < row.cells.size()) {
          value = row.cells[static_cast<std::size_t>(piece.column)];
        }
        break;
      case What::value:
        if (row.value) value = *row.value;
        break;
      case What::node:
        value = std::string(row.node);
        break;
      case What::database:
        value = std::string(row.database);
        break;
      case What::expression: {
        const auto answer = piece.expression->evaluate(row.cells, row.at, row.past);
        if (const auto number = answer.number()) value = *number;
        if (const auto* text = std::get_if<std::string_view>(&answer.value)) {
          value = std::string(*text);
        }
        break;
      }
    }
    const auto shown = show(value, piece.format);
    if (!shown && use_ == Use::sql) return "";
    if (!shown) {
      out += '?';
    } else {
      out += use_ == Use::prose ? one_line(*shown) : *shown;
    }
  }
  return out;
}

}  // namespace lyceum::watch
