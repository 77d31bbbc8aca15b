#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "watch/collector.h"

namespace lyceum::watch {

// Several readings of one column of one row, in the order of time.
struct Stretch {
  Timestamp at{};     // of the first of them
  double first = 0;   // its value
  double last = 0;    // the newest value
  double low = 0;     // the smallest
  double high = 0;    // the largest
  double sum = 0;     // of all
  double count = 0;   // how many
  bool anew = false;  // a counter began anew here: it fell, or the sample's epoch rose
};

// What is known of a row's past. Column positions are those of the collector.
class Past {
 public:
  virtual ~Past() = default;
  // Oldest first, the present reading included; empty where nothing is kept of that column.
  [[nodiscard]] virtual std::span<const Stretch> of(int column) const = 0;
};

// What an expression gives. A text is borrowed from the row or the expression.
struct Answer {
  std::variant<std::monostate, double, std::string_view> value;
  // Where the value is missing: it would be there if the row were known for longer.
  bool wants_history = false;

  [[nodiscard]] bool missing() const { return value.index() == 0; }
  // A number other than 0. What is missing is never true.
  [[nodiscard]] bool is_true() const {
    const auto* number = std::get_if<double>(&value);
    return number != nullptr && *number != 0;
  }
  [[nodiscard]] bool is_false() const {
    const auto* number = std::get_if<double>(&value);
    return number != nullptr && *number == 0;
  }
  [[nodiscard]] std::optional<double> number() const {
    const auto* found = std::get_if<double>(&value);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
};

// A formula over the columns of one collector's row, and over what they were before.
//
//   used / usable > 80%                       numbers: 1000  0.8  1e6  80%  5m (seconds)  1GB
//   (bytes) kind = 'session' and state != 'active'    texts in single quotes, a quote within is
//   doubled wal_status in ('unreserved', 'lost')      =  !=  <  <=  >  >=  in  not in  and  or  not
//   + - * / safe_wal_size is missing                  is missing, is not missing
//   rate(total_exec_time, 10m)                of a counter: its rise per second
//   increase(deadlocks, 10m)                  of a counter: its rise
//   max(used, 1h)  min(...)  avg(...)         over the readings of that time
//   coalesce(a, b)  least(a, b)  greatest(a, b)
//   age(last_autovacuum)                      seconds from then to the sample
//   contains(query, 'x')  starts_with(query, 'autovacuum:')
//
// NULL is missing. What is computed from something missing is missing, but for `false and missing`
// (false), `true or missing` (true), and least and greatest, which look at what is there. A
// division by zero, a result that is no finite number, a text where a number is needed: missing.
//
// rate and increase reach back to the newest reading that is at least as old as the time given;
// max, min and avg take the readings since, and want that there is such an old one. Where there is
// none, or only one that is older by far (twice as old and a quarter of an hour more), or where the
// counter began anew since, the result is missing: there is not enough history.
class Expression {
 public:
  static constexpr std::size_t kMostBytes = 4096;
  static constexpr int kMostDepth = 64;

  // Errors: kConfiguration, with the position (from 1), what was expected there, and for an unknown
  // column the one that is nearest.
  [[nodiscard]] static Result<Expression> compile(std::string_view text,
                                                  const Collector& collector);

  // Of a row as long as the collector's columns, read at that time.
  [[nodiscard]] Answer evaluate(const Row& row, Timestamp at, const Past& past) const;

  // A column whose past is looked at, and how far back.
  struct Look {
    int column = 0;
    Duration window{};
    bool within =
        false;  // at all readings since (max, min, avg), not only at one as old (increase)
  };
  [[nodiscard]] const std::vector<Look>& looks_back() const { return looks_; }

  [[nodiscard]] const std::string& text() const { return text_; }
  // Whether it can only be 0, 1 or missing.
  [[nodiscard]] bool is_condition() const { return condition_; }

  // A part of the formula.
  struct Node;

 private:
  friend class ExpressionParser;
  Expression() = default;

  std::string text_;
  std::shared_ptr<const std::vector<Node>> nodes_;  // the parts of a node stand before it
  std::vector<Look> looks_;
  bool condition_ = false;
};

// How old a reading may be from which a rise over that time is measured.
[[nodiscard]] Duration farthest_reading(Duration window);

// The one of these names that differs least from a mistyped one; empty where none is near.
[[nodiscard]] std::string_view nearest(std::string_view name,
                                       std::span<const std::string_view> names);

}  // namespace lyceum::watch
