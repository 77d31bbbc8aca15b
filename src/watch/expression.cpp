// A formula that was parsed is held against a row and its past.

#include <algorithm>
#include <cmath>

#include "watch/expression_node.h"

namespace lyceum::watch {
namespace {

using Node = Expression::Node;

constexpr Duration kLateness = std::chrono::minutes(15);

std::optional<double> finite(double number) {
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

struct Evaluation {
  const std::vector<Node>& nodes;
  const Row& row;
  Timestamp at;
  const Past& past;

  static Answer of(std::optional<double> number) {
    Answer out;
    if (number) out.value = *number;
    return out;
  }
  static Answer of(bool truth) { return of(std::optional(truth ? 1.0 : 0.0)); }
  static Answer missing(bool wants_history) {
    Answer out;
    out.wants_history = wants_history;
    return out;
  }

  [[nodiscard]] Answer part(const Node& node, std::size_t which) const {
    return evaluate(nodes[node.parts[which]]);
  }

  [[nodiscard]] Answer evaluate(const Node& node) const {
    switch (node.operation) {
      case Operation::number:
        return of(std::optional(node.number));
      case Operation::text: {
        Answer out;
        out.value = std::string_view(node.text);
        return out;
      }
      case Operation::column:
        return column(node.column);
      case Operation::negate: {
        const auto answer = part(node, 0);
        const auto number = answer.number();
        return number ? of(std::optional(-*number)) : missing(answer.wants_history);
      }
      case Operation::logical_not: {
        const auto answer = part(node, 0);
        const auto number = answer.number();
        return number ? of(*number == 0) : missing(answer.wants_history);
      }
      case Operation::add:
      case Operation::subtract:
      case Operation::multiply:
      case Operation::divide:
        return arithmetic(node);
      case Operation::equal:
      case Operation::unequal:
      case Operation::less:
      case Operation::less_or_equal:
      case Operation::greater:
      case Operation::greater_or_equal:
        return comparison(node);
      case Operation::logical_and:
      case Operation::logical_or:
        return logic(node);
      case Operation::is_missing:
        return of(part(node, 0).missing());
      case Operation::is_not_missing:
        return of(!part(node, 0).missing());
      case Operation::coalesce: {
        bool wants_history = false;
        for (std::size_t i = 0; i < node.parts.size(); ++i) {
          const auto answer = part(node, i);
          if (!answer.missing()) return answer;
          wants_history = wants_history || answer.wants_history;
        }
        return missing(wants_history);
      }
      case Operation::least:
      case Operation::greatest:
        return extreme(node);
      case Operation::age: {
        const auto answer = part(node, 0);
        const auto number = answer.number();
        if (!number) return missing(answer.wants_history);
        const auto now = std::chrono::duration<double>(at.time_since_epoch()).count();
        return of(finite(now - *number));
      }
      case Operation::contains:
      case Operation::starts_with: {
        const auto whole = part(node, 0), piece = part(node, 1);
        const auto* const text = std::get_if<std::string_view>(&whole.value);
        const auto* const sought = std::get_if<std::string_view>(&piece.value);
        if (text == nullptr || sought == nullptr) return {};
        return of(node.operation == Operation::contains
                      ? text->find(*sought) != std::string_view::npos
                      : text->starts_with(*sought));
      }
      case Operation::rate:
      case Operation::increase:
      case Operation::max:
      case Operation::min:
      case Operation::avg:
        return look_back(node);
    }
    return {};
  }

  [[nodiscard]] Answer column(int position) const {
    Answer out;
    const auto index = static_cast<std::size_t>(position);
    if (index >= row.size()) return out;
    if (const auto* integer = std::get_if<std::int64_t>(&row[index])) {
      out.value = static_cast<double>(*integer);
    } else if (const auto* real = std::get_if<double>(&row[index])) {
      if (std::isfinite(*real)) out.value = *real;
    } else if (const auto* text = std::get_if<Text>(&row[index])) {
      out.value = text->view();
    }
    return out;
  }

  [[nodiscard]] Answer arithmetic(const Node& node) const {
    const auto one = part(node, 0), other = part(node, 1);
    const auto left = one.number(), right = other.number();
    if (!left || !right) return missing(one.wants_history || other.wants_history);
    switch (node.operation) {
      case Operation::add:
        return of(finite(*left + *right));
      case Operation::subtract:
        return of(finite(*left - *right));
      case Operation::multiply:
        return of(finite(*left * *right));
      default:
        return *right == 0 ? Answer{} : of(finite(*left / *right));
    }
  }

  template <class T>
  static bool compare(Operation operation, const T& left, const T& right) {
    switch (operation) {
      case Operation::equal:
        return left == right;
      case Operation::unequal:
        return left != right;
      case Operation::less:
        return left < right;
      case Operation::less_or_equal:
        return left <= right;
      case Operation::greater:
        return left > right;
      default:
        return left >= right;
    }
  }

  [[nodiscard]] Answer comparison(const Node& node) const {
    const auto left = part(node, 0), right = part(node, 1);
    if (left.missing() || right.missing()) {
      return missing(left.wants_history || right.wants_history);
    }
    if (left.value.index() != right.value.index()) return {};
    if (const auto number = left.number()) {
      return of(compare(node.operation, *number, *right.number()));
    }
    return of(compare(node.operation, std::get<std::string_view>(left.value),
                      std::get<std::string_view>(right.value)));
  }

  [[nodiscard]] Answer logic(const Node& node) const {
    const bool decides = node.operation == Operation::logical_or;
    bool is_missing = false, wants_history = false;
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      const auto answer = part(node, i);
      if (decides ? answer.is_true() : answer.is_false()) return of(decides);
      if (!answer.number()) {
        is_missing = true;
        wants_history = wants_history || answer.wants_history;
      }
    }
    return is_missing ? missing(wants_history) : of(!decides);
  }

  [[nodiscard]] Answer extreme(const Node& node) const {
    std::optional<double> best;
    bool wants_history = false;
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      const auto answer = part(node, i);
      wants_history = wants_history || answer.wants_history;
      const auto number = answer.number();
      if (!number) continue;
      if (!best) {
        best = number;
      } else {
        best = node.operation == Operation::least ? std::min(*best, *number)
                                                  : std::max(*best, *number);
      }
    }
    return best ? of(best) : missing(wants_history);
  }

  [[nodiscard]] Answer look_back(const Node& node) const {
    const auto now = column(node.column).number();
    if (!now) return {};
    const auto stretches = past.of(node.column);
    const auto since = at - std::chrono::duration_cast<std::chrono::microseconds>(node.window);
    const auto later =
        std::partition_point(stretches.begin(), stretches.end(),
                             [&](const Stretch& stretch) { return stretch.at <= since; });
    if (later == stretches.begin()) return missing(true);
    const auto& base = *std::prev(later);
    const Duration reach = at - base.at;
    if (reach > farthest_reading(node.window)) return missing(true);
    if (node.operation == Operation::rate || node.operation == Operation::increase) {
      if (std::any_of(later, stretches.end(), [](const Stretch& one) { return one.anew; })) {
        return missing(true);
      }
      const auto rise = *now - base.first;
      if (rise < 0) return missing(true);
      if (node.operation == Operation::increase) return of(finite(rise));
      return of(finite(rise / std::chrono::duration<double>(reach).count()));
    }
    if (node.operation == Operation::avg) {
      double sum = 0, count = 0;
      for (auto one = later; one != stretches.end(); ++one) sum += one->sum, count += one->count;
      return count == 0 ? of(now) : of(finite(sum / count));
    }
    auto best = *now;
    for (auto one = later; one != stretches.end(); ++one) {
      best =
          node.operation == Operation::max ? std::max(best, one->high) : std::min(best, one->low);
    }
    return of(finite(best));
  }
};

}  // namespace

Duration farthest_reading(Duration window) {
  return std::max(window * 2, window + kLateness);
}

Answer Expression::evaluate(const Row& row, Timestamp at, const Past& past) const {
  return Evaluation{.nodes = *nodes_, .row = row, .at = at, .past = past}.evaluate(nodes_->back());
}

}  // namespace lyceum::watch
