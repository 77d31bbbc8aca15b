// The form of a frame. Numbers are unsigned LEB128 (7 bits a byte, the lowest first) unless said
// otherwise, signed ones zigzagged before (0, -1, 1, -2 is 0, 1, 2, 3).
//
//   key frame    'K', columns, for each its kind (a byte), length of name, name; then a change
//                against no rows at all
//   difference   'D', a change
//   change       drifts, for each: column (counted from the drift before), form, signed amount;
//                rows gone, for each: how many stay before it;
//                rows changed, for each: how many of those that stay do not change before it,
//                cells; rows come, for each: cells, against the row that came before it, or
//                nothings
//   cells        a bit for each column, the first lowest: 1 where it is not as expected; then
//                these columns' cells
//   cell         a head: 3 bits what follows, 4 bits the lowest of a number, 1 bit whether a
//                number with the rest of it follows. What follows:
//                0 nothing; 1 the signed difference in the form of what was expected; 2 a signed
//                integer; 3, 4, 5 a signed count of ones, thousandths, millionths as a double; 6
//                the 8 bytes of a double; 7 a text: twice how much it begins with of what was
//                expected, then the length of the rest, and the rest; or, odd, twice the place of
//                a text that is remembered
//
// What is expected of a row that stays is what it was, with its column's drift where the drift's
// form can hold it. A double has the first form that gives the same bits again: count / 1, 1000 or
// 1000000 as the nearest double, else its own bits as an integer. So times with microseconds and
// milliseconds with three digits differ by small integers, and everything else is still exact.
//
// Texts of a length between kLeastRemembered and kMostRemembered that are written out are
// remembered in the order in which they stand in the film, the last kTexts of them, each in the
// place of the oldest.

#include "watch/frame.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <optional>
#include <unordered_map>
#include <utility>

namespace lyceum::watch {
namespace {

enum class Form : std::uint8_t {
  nothing,
  difference,  // in a cell: in the form of what was expected
  integer,
  ones,
  thousandths,
  millionths,
  bits,
  text,
};

constexpr char kKeyFrame = 'K';
constexpr char kDifference = 'D';

constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
}

constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1U) ^ (~(value & 1U) + 1));
}

// Around the ends of the range rather than over them.
constexpr std::int64_t add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
constexpr std::int64_t subtract(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

// ---- Values as numbers
// ---------------------------------------------------------------------------

constexpr double scale_of(Form form) {
  return form == Form::ones ? 1 : form == Form::thousandths ? 1e3 : 1e6;
}

bool is_numeric(Form form) {
  return form >= Form::integer && form <= Form::bits;
}

// A value's number in a form, where that form gives the value again.
std::optional<std::int64_t> number_in(Form form, const Value& value) {
  if (form == Form::integer) {
    const auto* integer = std::get_if<std::int64_t>(&value);
    return integer == nullptr ? std::nullopt : std::optional(*integer);
  }
  const auto* real = std::get_if<double>(&value);
  if (real == nullptr || !is_numeric(form)) return std::nullopt;
  if (form == Form::bits) return std::bit_cast<std::int64_t>(*real);
  constexpr double kExact = 9007199254740992;  // 2^53
  const double scaled = std::nearbyint(*real * scale_of(form));
  if (!(std::abs(scaled) <= kExact)) return std::nullopt;  // NaN too
  const double again = scaled / scale_of(form);
  if (std::bit_cast<std::uint64_t>(again) != std::bit_cast<std::uint64_t>(*real)) {
    return std::nullopt;
  }
  // The zero below 0.0 has a sign that a count has not.
  if (*real == 0 && std::signbit(*real)) return std::nullopt;
  return static_cast<std::int64_t>(scaled);
}

Value value_of(Form form, std::int64_t number) {
  if (form == Form::integer) return number;
  if (form == Form::bits) return std::bit_cast<double>(number);
  return static_cast<double>(number) / scale_of(form);
}

struct Number {
  Form form = Form::nothing;  // nothing and text: no number
  std::int64_t number = 0;
};

Number number_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return {Form::integer, *integer};
  if (std::holds_alternative<double>(value)) {
    for (const auto form : {Form::ones, Form::thousandths, Form::millionths}) {
      if (const auto number = number_in(form, value)) return {form, *number};
    }
    return {Form::bits, *number_in(Form::bits, value)};
  }
  return {std::holds_alternative<Text>(value) ? Form::text : Form::nothing, 0};
}

std::size_t text_size(const Value& value) {
  const auto* text = std::get_if<Text>(&value);
  return text == nullptr ? 0 : text->size();
}

constexpr std::size_t kTexts = 128;
constexpr std::size_t kLeastRemembered = 24;
constexpr std::size_t kMostRemembered = 1024;

void remember(Picture& picture, const Text& text) {
  if (text.size() < kLeastRemembered || text.size() > kMostRemembered) return;
  if (picture.texts.size() < kTexts) {
    picture.texts.push_back(text);
  } else {
    picture.texts[picture.next_text % kTexts] = text;
  }
  picture.next_text = (picture.next_text + 1) % kTexts;
}

// What rows of a picture are expected to be in the next.
using Drifts = std::vector<Number>;  // one a column

Value drifted(const Value& value, const Number& drift) {
  if (drift.form == Form::nothing) return value;
  const auto was = number_in(drift.form, value);
  return was ? value_of(drift.form, add(*was, drift.number)) : value;
}

// ---- Writing
// ---------------------------------------------------------------------------------------

class Writer {
 public:
  void byte(std::uint8_t value) { bytes_.push_back(static_cast<char>(value)); }
  void text(std::string_view text) { bytes_.append(text); }
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) byte(static_cast<std::uint8_t>(value) | 0x80U);
    byte(static_cast<std::uint8_t>(value));
  }
  void head(Form form, std::uint64_t value) {
    const auto more = value >> 4U;
    byte(static_cast<std::uint8_t>(static_cast<std::uint64_t>(form) | (value & 0xfU) << 3U |
                                   (more != 0 ? 0x80U : 0U)));
    if (more != 0) number(more);
  }

  void text_cell(const Text* before, const Text& value, Picture& film) {
    if (value.size() >= kLeastRemembered) {
      const auto known = std::find(film.texts.begin(), film.texts.end(), value);
      if (known != film.texts.end()) {
        return head(Form::text, 2 * static_cast<std::uint64_t>(known - film.texts.begin()) + 1);
      }
    }
    std::size_t shared = 0;
    if (before != nullptr) {
      const auto was = before->view(), is = value.view();
      const auto most = std::min(was.size(), is.size());
      while (shared < most && was[shared] == is[shared]) ++shared;
    }
    head(Form::text, 2 * shared);
    number(value.size() - shared);
    text(value.view().substr(shared));
    remember(film, value);
  }

  void cell(const Value& expected, const Value& value, Picture& film) {
    if (const auto* text_value = std::get_if<Text>(&value)) {
      return text_cell(std::get_if<Text>(&expected), *text_value, film);
    }
    const auto before = number_of(expected);
    const auto own = number_of(value);
    if (own.form == Form::nothing) return head(Form::nothing, 0);
    if (const auto number = number_in(before.form, value)) {
      const auto difference = zigzag(subtract(*number, before.number));
      // A count is shorter than two doubles' bits are apart.
      if (before.form != Form::bits || own.form == Form::bits) {
        return head(Form::difference, difference);
      }
    }
    if (own.form != Form::bits) return head(own.form, zigzag(own.number));
    head(Form::bits, 0);
    auto left = static_cast<std::uint64_t>(own.number);
    for (int i = 0; i < 8; ++i, left >>= 8U) byte(static_cast<std::uint8_t>(left));
  }

  // `expected` gives what a column is expected to hold.
  template <class Expected>
  void cells(const Row& row, Expected expected, Picture& film) {
    const auto mask_at = bytes_.size();
    bytes_.append((row.size() + 7) / 8, '\0');
    for (std::size_t i = 0; i < row.size(); ++i) {
      const Value& before = expected(i);
      if (same(before, row[i])) continue;
      auto& mask = bytes_[mask_at + i / 8];
      mask = static_cast<char>(static_cast<std::uint8_t>(mask) | 1U << (i % 8));
      cell(before, row[i], film);
    }
  }

  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// The keys of a row as one text.
std::string keys_of(const std::vector<Heading>& headings, const Row& row) {
  Writer out;
  Picture nothing_remembered;
  for (std::size_t i = 0; i < headings.size(); ++i) {
    if (headings[i].kind == Kind::key) out.cell(Value{}, row[i], nothing_remembered);
  }
  return out.take();
}

bool same_keys(const std::vector<Heading>& headings, const Row& a, const Row& b) {
  for (std::size_t i = 0; i < headings.size(); ++i) {
    if (headings[i].kind == Kind::key && !same(a[i], b[i])) return false;
  }
  return true;
}

// For each new row the position of the old one that it was, or nothing. Servers tell rows in much
// the same order every time: what agrees from the first on, and up to the last, is not looked up.
std::vector<std::optional<std::size_t>> match(const Picture& previous,
                                              const std::vector<Row>& rows) {
  const auto& old = previous.rows;
  const auto& headings = previous.headings;
  std::vector<std::optional<std::size_t>> out(rows.size());
  std::size_t first = 0;
  const auto most = std::min(old.size(), rows.size());
  for (; first < most && same_keys(headings, old[first], rows[first]); ++first) out[first] = first;
  std::size_t last = 0;
  for (; last < most - first; ++last) {
    const auto was = old.size() - 1 - last, is = rows.size() - 1 - last;
    if (!same_keys(headings, old[was], rows[is])) break;
    out[is] = was;
  }
  std::unordered_map<std::string, std::vector<std::size_t>> waiting;
  // Backwards, so that the first is the last of its list.
  for (std::size_t i = old.size() - last; i-- > first;) {
    waiting[keys_of(headings, old[i])].push_back(i);
  }
  for (std::size_t i = first; i < rows.size() - last; ++i) {
    const auto found = waiting.find(keys_of(headings, rows[i]));
    if (found == waiting.end() || found->second.empty()) continue;
    out[i] = found->second.back();
    found->second.pop_back();
  }
  return out;
}

// By how much most rows' values of a column differ, where they do.
Number drift_of(std::size_t column, const Picture& previous,
                const std::vector<const Row*>& stayed) {
  // Boyer and Moore's vote: if one difference has more than half of all, it is this.
  Number candidate;
  std::size_t lead = 0, voters = 0;
  const auto vote_of = [&](std::size_t i) -> Number {
    if (stayed[i] == nullptr) return {};
    const auto was = number_of(previous.rows[i][column]);
    if (!is_numeric(was.form) || was.form == Form::bits) return {};
    const auto now = number_in(was.form, (*stayed[i])[column]);
    return now ? Number{was.form, subtract(*now, was.number)} : Number{};
  };
  for (std::size_t i = 0; i < stayed.size(); ++i) {
    const auto vote = vote_of(i);
    if (vote.form == Form::nothing) continue;
    ++voters;
    if (lead == 0) candidate = vote;
    if (candidate.form == vote.form && candidate.number == vote.number) {
      ++lead;
    } else {
      --lead;
    }
  }
  return voters > 1 && lead > 0 && candidate.number != 0 ? candidate : Number{};
}

Result<void> check(const std::vector<Heading>& headings, const std::vector<Row>& rows) {
  const auto bad = [](std::string message) -> Result<void> {
    return Error{.code = ErrorCode::kBadInput, .message = std::move(message)};
  };
  if (headings.empty() || headings.size() > kMostColumns) {
    return bad(fmt::format("a sample of {} columns cannot be kept", headings.size()));
  }
  std::size_t text = 0;
  for (const auto& row : rows) {
    if (row.size() != headings.size()) {
      return bad(
          fmt::format("a row of {} values does not fit {} columns", row.size(), headings.size()));
    }
    for (const auto& value : row) text += text_size(value);
  }
  if (rows.size() > kMostCells / headings.size() || text > kMostText) {
    return bad(fmt::format("a sample of {} rows with {} bytes of text is too large to be kept",
                           rows.size(), text));
  }
  return {};
}

void write_change(Writer& out, const Picture& previous, const std::vector<Row>& rows,
                  Picture& next) {
  const auto matches = match(previous, rows);
  std::vector<const Row*> stayed(previous.rows.size(), nullptr);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (matches[i]) stayed[*matches[i]] = &rows[i];
  }

  Drifts drifts(previous.headings.size());
  std::vector<std::size_t> drifting;
  for (std::size_t column = 0; column < drifts.size(); ++column) {
    if (previous.headings[column].kind == Kind::key) continue;
    drifts[column] = drift_of(column, previous, stayed);
    if (drifts[column].form != Form::nothing) drifting.push_back(column);
  }
  out.number(drifting.size());
  std::size_t from = 0;
  for (const auto column : drifting) {
    out.number(column - std::exchange(from, column));
    out.byte(static_cast<std::uint8_t>(drifts[column].form));
    out.number(zigzag(drifts[column].number));
  }

  out.number(static_cast<std::uint64_t>(std::count(stayed.begin(), stayed.end(), nullptr)));
  std::uint64_t between = 0;
  for (const auto* row : stayed) {
    if (row != nullptr) {
      ++between;
    } else {
      out.number(std::exchange(between, 0));
    }
  }

  Writer changed;
  std::uint64_t count = 0;
  between = 0;
  Row expected(previous.headings.size());
  for (std::size_t i = 0; i < stayed.size(); ++i) {
    if (stayed[i] == nullptr) continue;
    bool as_expected = true;
    for (std::size_t column = 0; column < expected.size(); ++column) {
      expected[column] = drifted(previous.rows[i][column], drifts[column]);
      as_expected = as_expected && same(expected[column], (*stayed[i])[column]);
    }
    next.rows.push_back(*stayed[i]);
    if (as_expected) {
      ++between;
      continue;
    }
    ++count;
    changed.number(std::exchange(between, 0));
    changed.cells(
        *stayed[i], [&](std::size_t column) -> const Value& { return expected[column]; }, next);
  }
  out.number(count);
  out.text(changed.take());

  out.number(static_cast<std::uint64_t>(std::count(matches.begin(), matches.end(), std::nullopt)));
  const Row nothings(previous.headings.size());
  const Row* before = &nothings;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (matches[i]) continue;
    out.cells(rows[i], [&](std::size_t column) -> const Value& { return (*before)[column]; }, next);
    before = &rows[i];
    next.rows.push_back(rows[i]);
  }
}

// ---- Reading
// ---------------------------------------------------------------------------------------

// Thrown within this file alone: what is read cannot be a frame.
struct Malformed {};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  [[nodiscard]] bool done() const { return left_.empty(); }
  [[nodiscard]] std::size_t left() const { return left_.size(); }

  std::uint8_t byte() { return static_cast<std::uint8_t>(text(1)[0]); }
  std::string_view text(std::uint64_t size) {
    if (size > left_.size()) throw Malformed{};
    const auto out = left_.substr(0, size);
    left_.remove_prefix(size);
    return out;
  }
  std::uint64_t number() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto next = byte();
      out |= static_cast<std::uint64_t>(next & 0x7fU) << shift;
      if ((next & 0x80U) == 0) return out;
    }
    throw Malformed{};
  }
  // At most `most`.
  std::size_t count(std::size_t most) {
    const auto out = number();
    if (out > most) throw Malformed{};
    return out;
  }

  Value cell(const Value& expected, Picture& film) {
    const auto head = byte();
    std::uint64_t value = (head >> 3U) & 0xfU;
    if ((head & 0x80U) != 0) value |= number() << 4U;
    const auto form = static_cast<Form>(head & 7U);
    switch (form) {
      case Form::nothing:
        return {};
      case Form::difference: {
        const auto before = number_of(expected);
        if (!is_numeric(before.form)) throw Malformed{};
        return value_of(before.form, add(before.number, unzigzag(value)));
      }
      case Form::bits: {
        std::uint64_t bits = 0;
        for (unsigned i = 0; i < 8; ++i) bits |= static_cast<std::uint64_t>(byte()) << 8U * i;
        return std::bit_cast<double>(bits);
      }
      case Form::text:
        return text_cell(std::get_if<Text>(&expected), value, film);
      default:
        return value_of(form, unzigzag(value));
    }
  }

  // Puts into `row`, which holds what is expected, what is not as expected.
  void cells(Row& row, Picture& film) {
    const auto mask = text((row.size() + 7) / 8);
    for (std::size_t i = 0; i < row.size(); ++i) {
      if ((static_cast<std::uint8_t>(mask[i / 8]) >> (i % 8) & 1U) != 0)
        row[i] = cell(row[i], film);
    }
  }

 private:
  Text text_cell(const Text* before, std::uint64_t what, Picture& film) {
    const auto which = what >> 1U;
    if ((what & 1U) != 0) {
      if (which >= film.texts.size()) throw Malformed{};
      return film.texts[which];
    }
    if (which > (before == nullptr ? 0 : before->size())) throw Malformed{};
    const auto rest = text(number());
    if (which + rest.size() > kMostText) throw Malformed{};
    std::string out;
    out.reserve(which + rest.size());
    if (before != nullptr) out.append(before->view(), 0, which);
    out.append(rest);
    const Text text(out);
    remember(film, text);
    return text;
  }

  std::string_view left_;
};

// Text is bounded in all: a row of one byte may repeat the megabytes of the row before it.
class Budget {
 public:
  explicit Budget(const std::vector<Row>& rows) {
    for (const auto& row : rows) take(row);
  }
  void take(const Row& row) {
    for (const auto& value : row) text_ += text_size(value);
    if (text_ > kMostText) throw Malformed{};
  }
  void give_back(const Row& row) {
    for (const auto& value : row) text_ -= text_size(value);
  }

 private:
  std::size_t text_ = 0;
};

void read_change(Reader& in, Picture& picture) {
  const auto columns = picture.headings.size();
  auto& rows = picture.rows;
  Budget budget(rows);

  std::size_t column = 0;
  std::vector<std::pair<std::size_t, Number>> drifts;
  for (auto left = in.count(columns); left > 0; --left) {
    column += in.count(columns - 1);
    const auto form = static_cast<Form>(in.byte());
    if (column >= columns || !is_numeric(form)) throw Malformed{};
    drifts.emplace_back(column, Number{form, unzigzag(in.number())});
  }

  std::vector<std::size_t> gone;
  std::size_t at = 0;
  for (auto left = in.count(rows.size()); left > 0; --left) {
    at += in.count(rows.size());
    if (at >= rows.size()) throw Malformed{};
    budget.give_back(rows[at]);
    gone.push_back(at++);
  }
  if (!gone.empty()) {
    std::vector<Row> stayed;
    stayed.reserve(rows.size() - gone.size());
    auto next = gone.begin();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (next != gone.end() && *next == i) {
        ++next;
      } else {
        stayed.push_back(std::move(rows[i]));
      }
    }
    rows = std::move(stayed);
  }

  for (const auto& [where, drift] : drifts) {
    for (auto& row : rows) row[where] = drifted(row[where], drift);
  }
  at = 0;
  for (auto left = in.count(rows.size()); left > 0; --left) {
    at += in.count(rows.size());
    if (at >= rows.size()) throw Malformed{};
    budget.give_back(rows[at]);
    in.cells(rows[at], picture);
    budget.take(rows[at++]);
  }

  Row row(columns);
  for (auto left = in.count(in.left()); left > 0; --left) {
    if ((rows.size() + 1) * columns > kMostCells) throw Malformed{};
    in.cells(row, picture);
    budget.take(row);
    rows.push_back(row);
  }
  if (!in.done()) throw Malformed{};
}

Error malformed() {
  return {.code = ErrorCode::kIo, .message = "a frame of the history is damaged"};
}

}  // namespace

int Picture::position(std::string_view column) const {
  const auto found = std::find_if(headings.begin(), headings.end(),
                                  [&](const Heading& one) { return one.name == column; });
  return found == headings.end() ? -1 : static_cast<int>(found - headings.begin());
}

bool same(const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  if (const auto* real = std::get_if<double>(&a)) {
    return std::bit_cast<std::uint64_t>(*real) == std::bit_cast<std::uint64_t>(std::get<double>(b));
  }
  return a == b;
}

Result<Frame> encode(std::vector<Heading> headings, const std::vector<Row>& rows) {
  auto checked = check(headings, rows);
  if (checked.has_error()) return checked.error();
  Writer out;
  out.byte(kKeyFrame);
  out.number(headings.size());
  for (const auto& heading : headings) {
    out.byte(static_cast<std::uint8_t>(heading.kind));
    out.number(heading.name.size());
    out.text(heading.name);
  }
  Frame frame;
  frame.picture.headings = std::move(headings);
  const Picture nothing{.headings = frame.picture.headings};
  write_change(out, nothing, rows, frame.picture);
  frame.bytes = out.take();
  return frame;
}

Result<Frame> encode(const Picture& previous, const std::vector<Row>& rows) {
  auto checked = check(previous.headings, rows);
  if (checked.has_error()) return checked.error();
  Writer out;
  out.byte(kDifference);
  Frame frame;
  frame.picture.headings = previous.headings;
  frame.picture.texts = previous.texts;
  frame.picture.next_text = previous.next_text;
  write_change(out, previous, rows, frame.picture);
  frame.bytes = out.take();
  return frame;
}

Result<Picture> decode(std::string_view key_frame) {
  try {
    Reader in(key_frame);
    if (in.byte() != kKeyFrame) throw Malformed{};
    Picture picture;
    const auto columns = in.count(kMostColumns);
    if (columns == 0) throw Malformed{};
    for (std::size_t i = 0; i < columns; ++i) {
      const auto kind = in.byte();
      if (kind > static_cast<std::uint8_t>(Kind::counter)) throw Malformed{};
      picture.headings.push_back({std::string(in.text(in.number())), static_cast<Kind>(kind)});
    }
    read_change(in, picture);
    return picture;
  } catch (const Malformed&) {
    return malformed();
  }
}

Result<Picture> decode(Picture previous, std::string_view difference) {
  try {
    Reader in(difference);
    if (in.byte() != kDifference || previous.headings.empty()) throw Malformed{};
    read_change(in, previous);
    return previous;
  } catch (const Malformed&) {
    return malformed();
  }
}

}  // namespace lyceum::watch
