#include "watch/expression.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace lyceum::watch {

enum class Operation : std::uint8_t {
  number,
  text,
  column,
  negate,
  logical_not,
  add,
  subtract,
  multiply,
  divide,
  equal,
  unequal,
  less,
  less_or_equal,
  greater,
  greater_or_equal,
  logical_and,
  logical_or,
  is_missing,
  is_not_missing,
  coalesce,
  least,
  greatest,
  age,
  contains,
  starts_with,
  rate,
  increase,
  max,
  min,
  avg,
};

struct Expression::Node {
  Operation operation = Operation::number;
  double number = 0;
  std::string text = {};
  int column = -1;
  Duration window{};
  std::vector<std::size_t> parts = {};
};

namespace {

using Node = Expression::Node;

// What a part of a formula can be. A key may hold either, so nobody can say before.
enum class Type : std::uint8_t { number, text, either };

constexpr Duration kLateness = std::chrono::minutes(15);

struct Unit {
  std::string_view name;
  double factor;
};
constexpr double kKibi = 1024;
constexpr std::array<Unit, 11> kUnits{{{"ms", 1e-3},
                                       {"s", 1},
                                       {"m", 60},
                                       {"h", 3600},
                                       {"d", 86400},
                                       {"%", 0.01},
                                       {"B", 1},
                                       {"kB", kKibi},
                                       {"MB", kKibi* kKibi},
                                       {"GB", kKibi* kKibi* kKibi},
                                       {"TB", kKibi* kKibi* kKibi* kKibi}}};

struct Function {
  std::string_view name;
  Operation operation;
  int parts;  // -1: two and more
};
constexpr std::array<Function, 11> kFunctions{{{"coalesce", Operation::coalesce, -1},
                                               {"least", Operation::least, -1},
                                               {"greatest", Operation::greatest, -1},
                                               {"age", Operation::age, 1},
                                               {"contains", Operation::contains, 2},
                                               {"starts_with", Operation::starts_with, 2},
                                               {"rate", Operation::rate, 0},
                                               {"increase", Operation::increase, 0},
                                               {"max", Operation::max, 0},
                                               {"min", Operation::min, 0},
                                               {"avg", Operation::avg, 0}}};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

struct Token {
  enum class Kind : std::uint8_t { end, word, number, text, sign };
  Kind kind = Kind::end;
  std::size_t at = 0;         // from 0
  std::string_view source{};  // as it stands there
  double number = 0;
  bool has_unit = false;
  std::string text{};
};

std::optional<double> finite(double number) {
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> names) {
  // Levenshtein's distance, one line of its table at a time.
  std::string_view best;
  std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
  std::vector<std::size_t> line;
  for (const auto candidate : names) {
    line.resize(candidate.size() + 1);
    for (std::size_t i = 0; i <= candidate.size(); ++i) line[i] = i;
    for (std::size_t row = 1; row <= name.size(); ++row) {
      auto diagonal = line[0];
      line[0] = row;
      for (std::size_t i = 1; i <= candidate.size(); ++i) {
        const auto replaced = diagonal + (name[row - 1] == candidate[i - 1] ? 0U : 1U);
        diagonal = line[i];
        line[i] = std::min({replaced, line[i] + 1, line[i - 1] + 1});
      }
    }
    if (line.back() < least) {
      least = line.back();
      best = candidate;
    }
  }
  return best;
}

// Recursive descent. The first error ends it: from then on every function gives back at once.
class ExpressionParser {
 public:
  ExpressionParser(std::string_view text, const Collector& collector)
      : text_(text), collector_(collector) {}

  Result<Expression> parse() {
    if (text_.size() > Expression::kMostBytes) {
      return failure(fmt::format("it is longer than {} bytes", Expression::kMostBytes));
    }
    next();
    const auto whole = disjunction();
    if (!error_ && token_.kind != Token::Kind::end) expected("an operator or the end");
    if (error_) return *error_;
    Expression out;
    out.text_ = std::string(text_);
    out.condition_ = whole.condition;
    out.looks_ = std::move(looks_);
    out.nodes_ = std::make_shared<const std::vector<Node>>(std::move(nodes_));
    return out;
  }

 private:
  struct Part {
    std::size_t node = 0;
    Type type = Type::number;
    bool condition = false;
    std::size_t at = 0;
  };

  static Error failure(std::string message) {
    return {.code = ErrorCode::kConfiguration, .message = std::move(message)};
  }
  void fail(std::size_t at, std::string_view message) {
    if (!error_) error_ = failure(fmt::format("at position {}: {}", at + 1, message));
    token_ = {.at = text_.size()};
    at_ = text_.size();
  }
  void expected(std::string_view what) {
    const auto found =
        token_.kind == Token::Kind::end ? "the end" : fmt::format("'{}'", token_.source);
    fail(token_.at, fmt::format("expected {}, found {}", what, found));
  }

  void next() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
    token_ = {.at = at_};
    if (at_ == text_.size()) return;
    const char first = text_[at_];
    if (is_letter(first)) {
      while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
      token_.kind = Token::Kind::word;
    } else if (is_digit(first) || first == '.') {
      read_number();
    } else if (first == '\'') {
      read_text();
    } else {
      constexpr std::array<std::string_view, 14> kSigns{"<=", ">=", "!=", "<>", "==", "<", ">",
                                                        "=",  "+",  "-",  "*",  "/",  "(", ")"};
      std::string_view sign;
      for (const auto one : kSigns) {
        if (sign.empty() && text_.substr(at_).starts_with(one)) sign = one;
      }
      if (first == ',') sign = ",";
      if (sign.empty()) {
        const bool plain = first >= ' ' && first <= '~';
        return fail(at_, plain ? fmt::format("'{}' means nothing here", first)
                               : "a character that means nothing here");
      }
      token_.kind = Token::Kind::sign;
      at_ += sign.size();
    }
    if (!error_) token_.source = text_.substr(token_.at, at_ - token_.at);
  }

  void read_number() {
    const auto* const begin = text_.data() + at_;
    const auto [end, problem] = std::from_chars(begin, text_.data() + text_.size(), token_.number);
    if (problem != std::errc() || !std::isfinite(token_.number)) {
      return fail(at_, "this is no number");
    }
    at_ += static_cast<std::size_t>(end - begin);
    const auto unit_at = at_;
    if (at_ < text_.size() && text_[at_] == '%') ++at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    token_.kind = Token::Kind::number;
    const auto name = text_.substr(unit_at, at_ - unit_at);
    if (name.empty()) return;
    const auto* const unit = std::find_if(kUnits.begin(), kUnits.end(),
                                          [&](const Unit& one) { return one.name == name; });
    if (unit == kUnits.end()) {
      return fail(unit_at, fmt::format("'{}' is no unit: there are ms, s, m, h, d, %, B, kB, MB, "
                                       "GB, TB",
                                       name));
    }
    token_.number *= unit->factor;
    token_.has_unit = unit->name.size() <= 2 &&
                      std::string_view("mshd").find(unit->name[0]) != std::string_view::npos;
  }

  void read_text() {
    const auto start = at_++;
    for (;;) {
      if (at_ == text_.size()) return fail(start, "the quote that begins here does not end");
      if (text_[at_] != '\'') {
        token_.text += text_[at_++];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
        token_.text += '\'';
        at_ += 2;
      } else {
        ++at_;
        break;
      }
    }
    token_.kind = Token::Kind::text;
  }

  [[nodiscard]] bool is_sign(std::string_view sign) const {
    return token_.kind == Token::Kind::sign && token_.source == sign;
  }
  [[nodiscard]] bool is_word(std::string_view word) const {
    return token_.kind == Token::Kind::word && token_.source == word;
  }
  bool take_word(std::string_view word) {
    if (!is_word(word)) return false;
    next();
    return true;
  }
  void take_sign(std::string_view sign) {
    if (is_sign(sign)) {
      next();
    } else {
      expected(fmt::format("'{}'", sign));
    }
  }

  Part made(Node node, Type type, bool condition, std::size_t at) {
    nodes_.push_back(std::move(node));
    return {.node = nodes_.size() - 1, .type = type, .condition = condition, .at = at};
  }
  Part made(Operation operation, std::vector<std::size_t> parts, Type type, bool condition,
            std::size_t at) {
    return made({.operation = operation, .parts = std::move(parts)}, type, condition, at);
  }
  void want(const Part& part, Type type) {
    if (error_ || part.type == Type::either || part.type == type) return;
    fail(part.at, type == Type::number ? "a number is needed here, and this is a text"
                                       : "a text is needed here, and this is a number");
  }

  // Counts how deep the descent is; every recursion passes through one of these.
  struct Depth {
    explicit Depth(ExpressionParser& of) : parser(of) {
      if (++parser.depth_ > Expression::kMostDepth) {
        parser.fail(parser.token_.at, fmt::format("nested deeper than {}", Expression::kMostDepth));
      }
    }
    ~Depth() { --parser.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    ExpressionParser& parser;
  };

  Part disjunction() {
    const Depth depth(*this);
    return chain("or", Operation::logical_or, [this] { return conjunction(); });
  }
  Part conjunction() {
    return chain("and", Operation::logical_and, [this] { return negation(); });
  }

  // One node for the whole of "a and b and c", so that depth stays what the writer nests.
  template <class Read>
  Part chain(std::string_view word, Operation operation, Read read) {
    auto first = read();
    if (error_ || !is_word(word)) return first;
    want(first, Type::number);
    std::vector<std::size_t> parts{first.node};
    while (!error_ && take_word(word)) {
      const auto part = read();
      want(part, Type::number);
      parts.push_back(part.node);
    }
    return made(operation, std::move(parts), Type::number, true, first.at);
  }

  Part negation() {
    if (error_ || !is_word("not")) return comparison();
    const Depth depth(*this);
    const auto at = token_.at;
    next();
    const auto part = negation();
    want(part, Type::number);
    return made(Operation::logical_not, {part.node}, Type::number, true, at);
  }

  Part comparison() {
    const auto left = sum();
    if (error_) return left;
    if (take_word("is")) {
      const bool negated = take_word("not");
      if (!take_word("missing")) expected("'missing'");
      return made(negated ? Operation::is_not_missing : Operation::is_missing, {left.node},
                  Type::number, true, left.at);
    }
    if (is_word("in") || is_word("not")) return membership(left);
    const auto operation = comparison_sign();
    if (!operation) return left;
    next();
    const auto right = sum();
    if (left.type != Type::either) {
      want(right, left.type);
    } else if (right.type != Type::either) {
      want(left, right.type);
    }
    return made(*operation, {left.node, right.node}, Type::number, true, left.at);
  }

  [[nodiscard]] std::optional<Operation> comparison_sign() const {
    if (is_sign("=") || is_sign("==")) return Operation::equal;
    if (is_sign("!=") || is_sign("<>")) return Operation::unequal;
    if (is_sign("<")) return Operation::less;
    if (is_sign("<=")) return Operation::less_or_equal;
    if (is_sign(">")) return Operation::greater;
    if (is_sign(">=")) return Operation::greater_or_equal;
    return std::nullopt;
  }

  // x in (a, b) is x = a or x = b.
  Part membership(const Part& left) {
    const bool negated = take_word("not");
    if (!take_word("in")) expected("'in'");
    take_sign("(");
    std::vector<std::size_t> equals;
    do {
      if (!equals.empty()) next();
      const auto right = sum();
      if (left.type != Type::either) want(right, left.type);
      equals.push_back(
          made(Operation::equal, {left.node, right.node}, Type::number, true, left.at).node);
    } while (!error_ && is_sign(","));
    take_sign(")");
    const auto any = made(Operation::logical_or, std::move(equals), Type::number, true, left.at);
    if (!negated) return any;
    return made(Operation::logical_not, {any.node}, Type::number, true, left.at);
  }

  Part sum() {
    const Depth depth(*this);
    return arithmetic("+", Operation::add, "-", Operation::subtract, [this] { return product(); });
  }
  Part product() {
    return arithmetic("*", Operation::multiply, "/", Operation::divide, [this] { return unary(); });
  }
  template <class Read>
  Part arithmetic(std::string_view one, Operation first, std::string_view other, Operation second,
                  Read read) {
    auto left = read();
    // Each step makes the tree deeper on its left side, which evaluating has to go down again.
    while (!error_ && (is_sign(one) || is_sign(other))) {
      const auto operation = is_sign(one) ? first : second;
      constexpr int kMostSteps = 4 * Expression::kMostDepth;
      if (++steps_ > kMostSteps) {
        fail(token_.at, fmt::format("more than {} signs of arithmetic", kMostSteps));
        break;
      }
      next();
      const auto right = read();
      want(left, Type::number);
      want(right, Type::number);
      left = made(operation, {left.node, right.node}, Type::number, false, left.at);
    }
    return left;
  }

  Part unary() {
    if (error_ || !is_sign("-")) return primary();
    const Depth depth(*this);
    const auto at = token_.at;
    next();
    const auto part = unary();
    want(part, Type::number);
    return made(Operation::negate, {part.node}, Type::number, false, at);
  }

  Part primary() {
    const auto token = token_;
    if (error_) return {};
    switch (token.kind) {
      case Token::Kind::number:
        next();
        return made({.operation = Operation::number, .number = token.number}, Type::number, false,
                    token.at);
      case Token::Kind::text:
        next();
        return made({.operation = Operation::text, .text = token.text}, Type::text, false,
                    token.at);
      case Token::Kind::sign:
        if (token.source == "(") {
          next();
          auto part = disjunction();
          if (!error_) take_sign(")");
          part.at = token.at;
          return part;
        }
        break;
      case Token::Kind::word:
        next();
        if (is_sign("(")) return call(token);
        if (token.source == "true" || token.source == "false") {
          return made({.operation = Operation::number, .number = token.source == "true" ? 1.0 : 0},
                      Type::number, true, token.at);
        }
        return column(token);
      case Token::Kind::end:
        break;
    }
    expected("a column, a number, a text or '('");
    return {};
  }

  int position(const Token& token) {
    const auto found = collector_.position(token.source);
    if (found >= 0) return found;
    std::vector<std::string_view> names;
    for (const auto& one : collector_.columns) names.push_back(one.name);
    const auto near = nearest(token.source, names);
    fail(token.at,
         near.empty()
             ? fmt::format("collector '{}' has no column '{}'", collector_.name, token.source)
             : fmt::format("collector '{}' has no column '{}'; did you mean '{}'?", collector_.name,
                           token.source, near));
    return -1;
  }

  Part column(const Token& token) {
    const auto found = position(token);
    if (found < 0) return {};
    const auto kind = collector_.columns[static_cast<std::size_t>(found)].kind;
    const auto type = kind == Kind::key    ? Type::either
                      : kind == Kind::text ? Type::text
                                           : Type::number;
    return made({.operation = Operation::column, .column = found}, type, false, token.at);
  }

  Part call(const Token& name) {
    const auto* const function =
        std::find_if(kFunctions.begin(), kFunctions.end(),
                     [&](const Function& one) { return one.name == name.source; });
    if (function == kFunctions.end()) {
      std::vector<std::string_view> names;
      for (const auto& one : kFunctions) names.push_back(one.name);
      const auto near = nearest(name.source, names);
      fail(name.at, near.empty() ? fmt::format("there is no function '{}'", name.source)
                                 : fmt::format("there is no function '{}'; did you mean '{}'?",
                                               name.source, near));
      return {};
    }
    next();
    if (function->parts == 0) return look_back(name, function->operation);
    std::vector<std::size_t> parts;
    auto type = Type::either;
    const auto wanted = [&] {
      switch (function->operation) {
        case Operation::contains:
        case Operation::starts_with:
          return Type::text;
        case Operation::coalesce:
          return type;
        default:
          return Type::number;
      }
    };
    do {
      if (!parts.empty()) next();
      const auto part = disjunction();
      const auto must = wanted();
      if (must == Type::either) {
        type = part.type;
      } else {
        want(part, must);
      }
      parts.push_back(part.node);
    } while (!error_ && is_sign(","));
    if (error_) return {};
    if (function->parts > 0 && parts.size() != static_cast<std::size_t>(function->parts)) {
      fail(name.at, fmt::format("{}() takes {} of these, not {}", name.source, function->parts,
                                parts.size()));
    } else if (function->parts < 0 && parts.size() < 2) {
      fail(name.at, fmt::format("{}() takes two or more", name.source));
    }
    take_sign(")");
    const bool condition =
        function->operation == Operation::contains || function->operation == Operation::starts_with;
    return made(function->operation, std::move(parts),
                function->operation == Operation::coalesce ? type : Type::number, condition,
                name.at);
  }

  Part look_back(const Token& name, Operation operation) {
    const auto token = token_;
    if (token.kind != Token::Kind::word) {
      expected("a column");
      return {};
    }
    const auto found = position(token);
    if (found < 0) return {};
    const auto kind = collector_.columns[static_cast<std::size_t>(found)].kind;
    const bool counts = operation == Operation::rate || operation == Operation::increase;
    if (counts && kind != Kind::counter) {
      fail(token.at,
           fmt::format("{}() takes a counter, and '{}' is none", name.source, token.source));
      return {};
    }
    if (kind == Kind::key || kind == Kind::text) {
      fail(token.at,
           fmt::format("{}() takes a number, and '{}' is none", name.source, token.source));
      return {};
    }
    next();
    take_sign(",");
    if (error_) return {};
    constexpr double kLongest = 366 * 86400.0;
    if (token_.kind != Token::Kind::number || !token_.has_unit || token_.number < 1 ||
        token_.number > kLongest) {
      expected("a time from 1s to 366d, as 5m");
      return {};
    }
    const auto window =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(token_.number));
    next();
    take_sign(")");
    looks_.push_back({.column = found, .window = window, .within = !counts});
    return made({.operation = operation, .column = found, .window = window}, Type::number, false,
                name.at);
  }

  std::string_view text_;
  const Collector& collector_;
  std::size_t at_ = 0;
  Token token_;
  int depth_ = 0;
  int steps_ = 0;
  std::vector<Node> nodes_;
  std::vector<Expression::Look> looks_;
  std::optional<Error> error_;
};

Duration farthest_reading(Duration window) {
  return std::max(window * 2, window + kLateness);
}

Result<Expression> Expression::compile(std::string_view text, const Collector& collector) {
  return ExpressionParser(text, collector).parse();
}

namespace {

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

Answer Expression::evaluate(const Row& row, Timestamp at, const Past& past) const {
  return Evaluation{.nodes = *nodes_, .row = row, .at = at, .past = past}.evaluate(nodes_->back());
}

}  // namespace lyceum::watch
