// The text of a formula becomes the parts that it is evaluated by.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "watch/expression_node.h"

namespace lyceum::watch {

namespace {

using Node = Expression::Node;

// What a part of a formula can be. A key may hold either, so nobody can say before.
enum class Type : std::uint8_t { number, text, either };

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

Result<Expression> Expression::compile(std::string_view text, const Collector& collector) {
  return ExpressionParser(text, collector).parse();
}

}  // namespace lyceum::watch
