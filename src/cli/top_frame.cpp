#include "cli/top_frame.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/duration.h"
#include "cli/screen_text.h"
#include "cli/table.h"
#include "watch/value.h"
#include "watch/value_json.h"
#include "watch/verdict_json.h"

namespace lyceum::cli::live {
namespace {

namespace json = boost::json;
using watch::Value;

// At most six characters, so that columns stand still.
std::string short_time(double seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", std::floor(seconds / 60));
  if (seconds < 172'800) return fmt::format("{:.0f} h", std::floor(seconds / 3600));
  return fmt::format("{:.0f} d", std::floor(seconds / 86'400));
}

std::string cell_text(const Value& value, Shown shown) {
  if (shown == Shown::text || shown == Shown::name) return watch::text_of(value);
  const auto number = watch::number_of(value);
  if (!number || !std::isfinite(*number)) return {};
  constexpr double kMost = 9e18;
  const double bounded = std::clamp(*number, 0.0, kMost);
  switch (shown) {
    case Shown::count:
      return count_text(static_cast<std::uint64_t>(bounded));
    case Shown::rate:
      return bounded == 0   ? "0"
             : bounded < 10 ? fmt::format("{:.1f}", bounded)
                            : count_text(static_cast<std::uint64_t>(bounded));
    case Shown::bytes:
    case Shown::bytes_rate:
      return bytes_text(static_cast<std::int64_t>(bounded));
    case Shown::percent:
      return fmt::format("{:.1f}%", *number * 100);
    case Shown::seconds:
      return short_time(*number);
    case Shown::milliseconds:
      return fmt::format("{:.2f}", *number);
    case Shown::text:
    case Shown::name:
      break;
  }
  return {};
}

// SGR parameters.
std::string_view sgr(Mark mark) {
  switch (mark) {
    case Mark::none:
      return "";
    case Mark::good:
      return "32";
    case Mark::warning:
      return "33";
    case Mark::bad:
      return "31";
    case Mark::faint:
      return "2";
  }
  return "";
}

std::string painted(std::string line, std::string_view parameters, bool colours) {
  if (!colours || parameters.empty()) return line;
  return fmt::format("\x1b[{}m{}\x1b[0m", parameters, line);
}

constexpr std::string_view kHeadingSgr = "1";
constexpr std::size_t kGap = 2;
constexpr std::size_t kWidestText = 24;
constexpr std::size_t kLeastLast = 20;  // of the column that takes the rest

std::string tree_text(const ListRow& row, std::string text) {
  if (row.depth == 0) return text;
  return std::string(static_cast<std::size_t>(std::min(row.depth, 8) - 1) * 2, ' ') + "\\_ " + text;
}

// Lays a list out: which columns have room, and how wide they are.
class Layout {
 public:
  Layout(const List& list, std::size_t rows, std::size_t width, bool one_node)
      : list_(list), width_(width) {
    const auto& columns = list.columns;
    widths_.resize(columns.size());
    shown_.assign(columns.size(), true);
    const auto last = columns.size() - 1;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      bool any = false;
      widths_[i] = columns[i].heading.size();
      for (std::size_t r = 0; r < rows; ++r) {
        const auto text = text_of(list.rows[r], i);
        any = any || !text.empty();
        widths_[i] = std::max(widths_[i], display_width(harmless(text)));
      }
      if (i != last && !is_number(columns[i].shown)) {
        widths_[i] = std::min(widths_[i], kWidestText);
      }
      // One server needs no column for its name, nor does what nobody has.
      const bool node = columns[i].key == "node" && columns[i].rank > 0;
      if ((node && one_node) || (!any && rows > 0 && columns[i].rank > 0)) shown_[i] = false;
    }
    const auto least = std::min(kLeastLast, widths_[last]);
    while (taken() + least > width_) {
      std::size_t drop = columns.size();
      for (std::size_t i = 0; i < last; ++i) {
        if (!shown_[i] || columns[i].rank == 0) continue;
        if (drop == columns.size() || columns[i].rank > columns[drop].rank) drop = i;
      }
      if (drop == columns.size()) break;
      shown_[drop] = false;
    }
    widths_[last] = width_ > taken() ? width_ - taken() : 0;
  }

  [[nodiscard]] std::string heading(std::size_t sorted_by) const {
    return line([&](std::size_t i) {
      const auto& name = list_.columns[i].heading;
      return std::string(name) + (sorted_by > 0 && sorted_by == i ? "*" : "");
    });
  }
  [[nodiscard]] std::string row(const ListRow& row) const {
    return line([&](std::size_t i) { return text_of(row, i); });
  }

 private:
  [[nodiscard]] std::string text_of(const ListRow& row, std::size_t i) const {
    auto text = cell_text(row.cells.at(i), list_.columns[i].shown);
    return i == 0 ? tree_text(row, std::move(text)) : text;
  }
  [[nodiscard]] std::size_t taken() const {
    std::size_t out = 0;
    for (std::size_t i = 0; i + 1 < widths_.size(); ++i) {
      if (shown_[i]) out += widths_[i] + kGap;
    }
    return out;
  }
  template <class Text>
  [[nodiscard]] std::string line(Text text) const {
    std::string out;
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      if (!shown_[i]) continue;
      if (i + 1 == widths_.size()) {
        out += fitted(text(i), widths_[i], false);
      } else if (i == 0) {
        // A tree's blanks stay.
        const auto whole = text(i);
        const auto blanks = std::min(whole.find_first_not_of(' '), widths_[i]);
        out += std::string(blanks == whole.npos ? 0 : blanks, ' ');
        const auto rest = blanks >= whole.size() ? std::string() : whole.substr(blanks);
        out += fitted(rest, widths_[i] - std::min(blanks, widths_[i]), false);
        out += std::string(kGap, ' ');
      } else {
        out += fitted(text(i), widths_[i], is_number(list_.columns[i].shown));
        out += std::string(kGap, ' ');
      }
    }
    return fits(std::move(out));
  }
  // Where not even the columns that must stay have room.
  [[nodiscard]] std::string fits(std::string line) const {
    while (line.ends_with(' ')) line.pop_back();
    if (display_width(line) <= width_) return line;
    const auto indent = std::min(line.find_first_not_of(' '), line.size());
    std::string out(std::min(indent, width_), ' ');
    // Several blanks would become one: cut by hand, after it was made harmless piece by piece.
    std::size_t at = indent;
    std::size_t wide = out.size();
    while (at < line.size()) {
      auto next = at + 1;
      while (next < line.size() && (static_cast<unsigned char>(line[next]) & 0xC0U) == 0x80U) {
        ++next;
      }
      const auto piece = std::string_view(line).substr(at, next - at);
      wide += display_width(piece);
      if (wide > width_) break;
      out += piece;
      at = next;
    }
    return out;
  }

  const List& list_;
  std::size_t width_;
  std::vector<std::size_t> widths_;
  std::vector<bool> shown_;
};

std::string clipped(std::string_view text, std::size_t width) {
  auto out = fitted(text, width, false);
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

// Text of several parts, a part of which stands out.
struct Part {
  std::string text;
  std::string_view sgr;
};
std::string joined(const std::vector<Part>& line, const Look& look) {
  std::string out;
  std::size_t left = look.width;
  for (const auto& [text, parameters] : line) {
    const auto blanks = text.find_first_not_of(' ');
    if (blanks == text.npos) continue;
    if (left <= blanks) break;
    const auto piece = clipped(text, left - blanks);
    out += std::string(blanks, ' ') + painted(piece, parameters, look.colours);
    left -= blanks + display_width(piece);
  }
  return out;
}

std::string title(const Picture& picture, const Look& look) {
  std::vector<Part> line{
      {"lyceum top", "1"},
      {fmt::format("  {:%Y-%m-%d %H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(picture.at)),
       ""},
      {fmt::format("  every {}", format_duration(look.interval)), ""}};
  if (look.paused) line.push_back({"  PAUSED", "7"});
  for (std::size_t i = 0; i < kViews; ++i) {
    const bool current = static_cast<std::size_t>(look.view) == i;
    const auto name = fmt::format("{} {}", i + 1, name_of(static_cast<View>(i)));
    line.push_back({fmt::format("  {}{}{}", current ? "[" : "", name, current ? "]" : ""),
                    current ? "1" : "2"});
  }
  return joined(line, look);
}

std::vector<std::string> node_lines(const Picture& picture, const Look& look) {
  auto list = nodes_list(picture.nodes);
  // The half of what there is, at most a third of the screen.
  const auto most = look.height == 0 ? list.rows.size() : std::max<std::size_t>(1, look.height / 3);
  const auto shown = std::min(list.rows.size(), most);
  const bool several = list.rows.size() > 1;
  if (several)
    list.rows.insert(list.rows.begin() + static_cast<std::ptrdiff_t>(shown), totals(list));
  const Layout layout(list, shown + (several ? 1 : 0), look.width, false);
  std::vector<std::string> out{painted(layout.heading(0), kHeadingSgr, look.colours)};
  for (std::size_t i = 0; i < shown + (several ? 1 : 0); ++i) {
    out.push_back(painted(layout.row(list.rows[i]), sgr(list.rows[i].mark), look.colours));
  }
  if (shown < picture.nodes.size()) {
    out.push_back(
        clipped(fmt::format("... and {} more servers", picture.nodes.size() - shown), look.width));
  }
  return out;
}

std::vector<std::string> verdict_lines(const Picture& picture, const Look& look) {
  constexpr std::size_t kMost = 3;
  if (!picture.verdicts)
    return {painted(clipped("what is wrong: being read", look.width), "2", look.colours)};
  const auto& found = picture.verdicts->found;
  if (found.empty()) {
    return {painted(clipped("nothing needs attention", look.width), "32", look.colours)};
  }
  std::vector<std::string> out;
  const auto most = look.height > 0 && look.height < 16 ? std::size_t{1} : kMost;
  for (std::size_t i = 0; i < std::min(found.size(), most); ++i) {
    const auto& one = found[i];
    const auto where = one.database.empty() ? one.node : one.node + " " + one.database;
    const auto more = i + 1 == most && found.size() > most
                          ? fmt::format(" (and {} more: lyceum doctor)", found.size() - most)
                          : std::string();
    const auto mark = one.severity == watch::Severity::critical  ? Mark::bad
                      : one.severity == watch::Severity::warning ? Mark::warning
                                                                 : Mark::none;
    const auto room = look.width > more.size() ? look.width - more.size() : 0;
    out.push_back(painted(clipped(fmt::format("{}: {}{}{}", watch::name_of(one.severity), where,
                                              where.empty() ? "" : ": ", one.summary),
                                  room) +
                              (room > 0 ? more : ""),
                          sgr(mark), look.colours));
  }
  return out;
}

std::vector<std::string> help_lines() {
  return {
      "1 2 3 4      sessions, statements, tables, replication; so do the letters e t b r",
      "s            sort by the next column; after the last, the view's own order",
      "p            pause: nothing is read and nothing moves",
      "space        read now",
      "+ -          a longer or a shorter interval",
      "h ?          this help; any key ends it",
      "q            quit",
      "",
      "A session in red blocks others, which stand below it in yellow with whom they wait for.",
      "Idle sessions that block nobody are not listed. Rates are between two readings.",
  };
}

json::object row_object(const List& list, const ListRow& row) {
  json::object out;
  for (std::size_t i = 0; i < list.columns.size(); ++i) {
    const auto shown = list.columns[i].shown;
    const bool text = shown == Shown::text || shown == Shown::name;
    // As everywhere: names are strings, be they numbers to PostgreSQL.
    const bool missing = std::holds_alternative<std::monostate>(row.cells[i]);
    out[list.columns[i].key] = text && !missing
                                   ? json::value(watch::valid_utf8(watch::text_of(row.cells[i])))
                                   : watch::json_of(row.cells[i]);
  }
  return out;
}

}  // namespace

std::vector<std::string> frame(const Picture& picture, const Look& look) {
  std::vector<std::string> out{title(picture, look)};
  const auto add = [&](std::vector<std::string> lines) {
    for (auto& line : lines) out.push_back(std::move(line));
  };
  add(node_lines(picture, look));
  if (look.help) {
    out.emplace_back();
    for (const auto& line : help_lines()) {
      // The blanks between a key and what it does stay.
      const auto gap = line.find("  ");
      out.push_back(gap == line.npos ? clipped(line, look.width)
                                     : line.substr(0, std::min(line.size(), look.width)));
    }
  } else {
    add(verdict_lines(picture, look));
    out.emplace_back();
    auto list = list_of(look.view, picture.nodes);
    sort_by(list, look.sort);
    for (const auto& note : list.notes) {
      out.push_back(painted(clipped(note, look.width), "33", look.colours));
    }
    const std::size_t below = look.keys && look.height > 0 ? 1 : 0;
    auto rows = list.rows.size();
    if (look.limit > 0) rows = std::min(rows, look.limit);
    if (look.height > 0) {
      const auto used = out.size() + 1 + below;
      rows = std::min(rows, look.height > used ? look.height - used : 0);
    }
    const Layout layout(list, rows, look.width, picture.nodes.size() == 1);
    out.push_back(painted(layout.heading(look.sort), kHeadingSgr, look.colours));
    for (std::size_t i = 0; i < rows; ++i) {
      out.push_back(painted(layout.row(list.rows[i]), sgr(list.rows[i].mark), look.colours));
    }
  }
  if (look.height > 0) {
    const std::size_t below = look.keys ? 1 : 0;
    out.resize(std::max(look.height, below) - below);
    if (look.keys) {
      out.push_back(painted(
          clipped("q quit | 1-4 view | s sort | p pause | space read | + - interval | h help",
                  look.width),
          "2", look.colours));
    }
  }
  return out;
}

json::object document(const Picture& picture, const Look& look) {
  const auto nodes = nodes_list(picture.nodes);
  auto list = list_of(look.view, picture.nodes);
  sort_by(list, look.sort);
  json::array node_rows, rows, notes, verdicts;
  for (const auto& row : nodes.rows) node_rows.push_back(row_object(nodes, row));
  for (std::size_t i = 0; i < list.rows.size(); ++i) {
    if (look.limit > 0 && i == look.limit) break;
    rows.push_back(row_object(list, list.rows[i]));
  }
  for (const auto& note : list.notes) notes.push_back(json::string(watch::valid_utf8(note)));
  if (picture.verdicts) {
    for (const auto& one : picture.verdicts->found) verdicts.push_back(watch::verdict_json(one));
  }
  auto all = row_object(nodes, totals(nodes));
  for (const auto* key : {"node", "role", "trouble", "lag_seconds", "up_seconds", "cache_hit"}) {
    all.erase(key);
  }
  return {{"at", watch::milliseconds(picture.at)},
          {"interval_seconds", std::chrono::duration<double>(look.interval).count()},
          {"nodes", std::move(node_rows)},
          {"totals", std::move(all)},
          {"verdicts", std::move(verdicts)},
          {"view", name_of(look.view)},
          {"rows", std::move(rows)},
          {"notes", std::move(notes)}};
}

Act press(Look& look, const Picture& picture, char key) {
  constexpr Duration kLeast = std::chrono::milliseconds(500);
  constexpr Duration kMost = std::chrono::seconds(60);
  if (key == 'q' || key == '\x03') return Act::quit;
  if (look.help) {
    look.help = false;
    return Act::redraw;
  }
  constexpr std::string_view kNumbers = "1234", kLetters = "etbr";
  for (const auto keys : {kNumbers, kLetters}) {
    const auto at = keys.find(key);
    if (at == keys.npos) continue;
    if (look.view == static_cast<View>(at)) return Act::nothing;
    look.view = static_cast<View>(at);
    look.sort = 0;
    return Act::read;
  }
  switch (key) {
    case 's':
      look.sort = next_sort(list_of(look.view, picture.nodes), look.sort);
      return Act::redraw;
    case 'p':
      look.paused = !look.paused;
      return look.paused ? Act::redraw : Act::read;
    case ' ':
      return Act::read;
    case '+':
    case '=':
      look.interval = std::min(kMost, look.interval * 2);
      return Act::redraw;
    case '-':
      look.interval = std::max(kLeast, look.interval / 2);
      return Act::redraw;
    case 'h':
    case '?':
      look.help = true;
      return Act::redraw;
    default:
      return Act::nothing;
  }
}

}  // namespace lyceum::cli::live
