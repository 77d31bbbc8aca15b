#include "indexes/index_statement.h"

#include <boost/json.hpp>
#include <charconv>
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <pg_query.h>
#include <set>
#include <utility>

namespace lyceum::indexes {
namespace {

namespace json = boost::json;

// The JSON tree of pg_query_parse rather than its protobuf: reading it needs no further library,
// and comparing two trees is comparing two texts. Statements are never printed from a tree (the
// deparser of libpg_query 15 loses the quotes of an index name): they are cut from the source at
// the tree's positions.

// What PostgreSQL keeps of a name (NAMEDATALEN - 1), in bytes.
constexpr std::size_t kMaxName = 63;

struct Token {
  std::size_t start = 0;
  std::size_t end = 0;
};

Error bad(std::string_view file, std::size_t line, std::string what, std::string hint = {}) {
  Error error;
  error.code = ErrorCode::kBadInput;
  error.message = file.empty() ? std::move(what) : fmt::format("{}:{}: {}", file, line, what);
  error.hint = std::move(hint);
  return error;
}

std::size_t line_of(std::string_view text, std::size_t offset) {
  const auto before = text.substr(0, std::min(offset, text.size()));
  return 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
}

// pg_query_parse counts an error's position in characters, from 1; all else is in bytes, from 0.
std::size_t byte_offset(std::string_view text, int character) {
  std::size_t at = 0;
  for (int seen = 1; at < text.size() && seen < character; ++at) {
    const bool last_of_character =
        at + 1 >= text.size() || (static_cast<unsigned char>(text[at + 1]) & 0xC0U) != 0x80U;
    if (last_of_character) ++seen;
  }
  return at;
}

// The scanner answers in protobuf: ScanResult{ repeated ScanToken tokens = 2 }, ScanToken{ int32
// start = 1; int32 end = 2; ... }. Two fields of two messages do not justify protobuf-c.
class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view bytes) : bytes_(bytes) {}

  struct Field {
    std::uint64_t number = 0;
    std::uint64_t value = 0;  // of a varint
    std::string_view bytes;   // of a length-delimited field
  };

  // Empty at the end, and at anything that is not a varint or length-delimited field.
  std::optional<Field> next() {
    if (bytes_.empty()) return std::nullopt;
    const auto key = varint();
    Field field{key >> 3U, 0, {}};
    switch (key & 7U) {
      case 0:
        field.value = varint();
        return field;
      case 2: {
        const auto length = std::min<std::uint64_t>(varint(), bytes_.size());
        field.bytes = bytes_.substr(0, length);
        bytes_.remove_prefix(length);
        return field;
      }
      default:
        bytes_ = {};
        return std::nullopt;
    }
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; !bytes_.empty() && shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if ((byte & 0x80U) == 0) break;
    }
    return value;
  }

  std::string_view bytes_;
};

Result<std::vector<Token>> scan(const std::string& text, std::string_view file) {
  auto scanned = pg_query_scan(text.c_str());
  std::vector<Token> tokens;
  if (scanned.error == nullptr) {
    ProtobufReader result({scanned.pbuf.data, scanned.pbuf.len});
    while (const auto field = result.next()) {
      if (field->number != 2) continue;
      Token token;
      ProtobufReader reader(field->bytes);
      while (const auto part = reader.next()) {
        if (part->number == 1) token.start = part->value;
        if (part->number == 2) token.end = part->value;
      }
      tokens.push_back(token);
    }
    pg_query_free_scan_result(scanned);
    return tokens;
  }
  const auto line = line_of(text, byte_offset(text, scanned.error->cursorpos));
  auto error = bad(file, line, scanned.error->message);
  pg_query_free_scan_result(scanned);
  return error;
}

// ---- reading the tree -------------------------------------------------------------------------

std::string text_at(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool flag_at(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::size_t number_at(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? static_cast<std::size_t>(value->get_int64()) : 0;
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const auto* found = object.if_contains(key);
  return found != nullptr && found->is_object() ? &found->get_object() : nullptr;
}

const json::object* object_at(const json::value& value, std::string_view key) {
  return value.is_object() ? object_at(value.get_object(), key) : nullptr;
}

// The last part of a qualified name: ["pg_catalog", "timestamptz"] is "timestamptz".
std::string last_name(const json::object& object, std::string_view key) {
  const auto* names = object.if_contains(key);
  if (names == nullptr || !names->is_array() || names->get_array().empty()) return {};
  const auto* part = object_at(names->get_array().back(), "String");
  return part == nullptr ? std::string() : text_at(*part, "sval");
}

std::string cast_type(const json::object& cast) {
  const auto* type = object_at(cast, "typeName");
  return type == nullptr ? std::string() : last_name(*type, "names");
}

// A constant's value as text: "80", "-1", "true", "english"; NULL and none are empty.
std::optional<std::string> constant_text(const json::object& constant) {
  for (const auto& [key, value] : constant) {
    if (!value.is_object()) continue;
    const auto& inner = value.get_object();
    if (key == "ival")
      return std::to_string(inner.contains("ival") ? inner.at("ival").as_int64() : 0);
    if (key == "fval") return text_at(inner, "fval");
    if (key == "sval") return text_at(inner, "sval");
    if (key == "bsval") return text_at(inner, "bsval");
    if (key == "boolval") return std::string(flag_at(inner, "boolval") ? "true" : "false");
  }
  return std::nullopt;
}

void collect_temporal(const json::value& value, std::vector<TemporalConstant>& out) {
  if (value.is_array()) {
    for (const auto& part : value.get_array()) collect_temporal(part, out);
    return;
  }
  if (!value.is_object()) return;
  if (const auto* cast = object_at(value, "TypeCast")) {
    const auto* argument = cast->if_contains("arg");
    const auto* constant = argument == nullptr ? nullptr : object_at(*argument, "A_Const");
    const auto type = cast_type(*cast);
    if (constant != nullptr && constant->contains("sval") &&
        (type == "timestamptz" || type == "timestamp" || type == "date")) {
      out.push_back(
          {type, constant_text(*constant).value_or(""), number_at(*constant, "location"), 0});
      return;
    }
  }
  for (const auto& [key, part] : value.get_object()) collect_temporal(part, out);
}

// ---- shapes -----------------------------------------------------------------------------------

const std::set<std::string_view>& widening_types() {
  // Types to which the server casts by itself where operands differ.
  static const std::set<std::string_view> types{"text",   "varchar", "bpchar", "numeric",
                                                "float8", "int8",    "int4"};
  return types;
}

bool is_node(const json::value& value, std::string_view kind) {
  return object_at(value, kind) != nullptr;
}

void drop_locations(json::value& value) {
  if (value.is_array()) {
    for (auto& part : value.get_array()) drop_locations(part);
  } else if (value.is_object()) {
    auto& object = value.get_object();
    object.stable_erase("location");
    for (auto& [key, part] : object) drop_locations(part);
  }
}

json::value loosen(json::value value);

json::array loosen_all(const json::array& values) {
  json::array out;
  for (const auto& part : values) out.push_back(loosen(part));
  return out;
}

// AND (a, AND (b, c)) is AND (a, b, c).
json::value flatten(const json::object& expression) {
  const auto op = text_at(expression, "boolop");
  json::array flat;
  for (auto& part : loosen_all(expression.at("args").as_array())) {
    const auto* inner = object_at(part, "BoolExpr");
    if (inner != nullptr && op != "NOT_EXPR" && text_at(*inner, "boolop") == op) {
      for (const auto& each : inner->at("args").as_array()) flat.push_back(each);
    } else {
      flat.push_back(part);
    }
  }
  return json::object{{"BoolExpr", json::object{{"boolop", op}, {"args", flat}}}};
}

json::value loosen_operator(json::object expression) {
  const auto kind = text_at(expression, "kind");
  const auto& name = expression.at("name");
  if (kind == "AEXPR_IN" || kind == "AEXPR_OP_ANY" || kind == "AEXPR_OP_ALL") {
    // a IN (1, 2) is a = ANY (ARRAY[1, 2]); a NOT IN (1, 2) is a <> ALL (ARRAY[1, 2]).
    json::value list = loosen(expression.at("rexpr"));
    if (const auto* items = object_at(list, "List")) list = items->at("items");
    if (const auto* items = object_at(list, "A_ArrayExpr")) list = items->at("elements");
    return json::object{{"any", loosen(expression.at("lexpr"))},
                        {"name", json::array{name.as_array().back()}},
                        {"list", list}};
  }
  json::object out{{"name", json::array{name.as_array().back()}}};
  for (const auto* side : {"lexpr", "rexpr"}) {
    if (const auto* operand = expression.if_contains(side)) out[side] = loosen(*operand);
  }
  return json::object{{"operator", out}};
}

json::value loosen(json::value value) {
  if (value.is_array()) return loosen_all(value.get_array());
  if (!value.is_object()) return value;
  if (const auto* constant = object_at(value, "A_Const")) {
    const auto text = constant_text(*constant);
    return json::object{{"constant", text ? json::value(*text) : json::value(nullptr)}};
  }
  if (const auto* cast = object_at(value, "TypeCast")) {
    auto inner = loosen(cast->at("arg"));
    const auto type = cast_type(*cast);
    const bool of_array = is_node(inner, "A_ArrayExpr");
    if (inner.get_object().contains("constant") || of_array || widening_types().contains(type)) {
      return inner;
    }
    return json::object{{"cast", type}, {"of", inner}};
  }
  if (const auto* expression = object_at(value, "A_Expr")) return loosen_operator(*expression);
  if (const auto* expression = object_at(value, "BoolExpr")) return flatten(*expression);
  if (const auto* call = object_at(value, "FuncCall")) {
    auto out = *call;
    out["funcname"] = last_name(*call, "funcname");
    out.stable_erase("funcformat");
    if (const auto* arguments = out.if_contains("args")) out["args"] = loosen(*arguments);
    return json::object{{"FuncCall", out}};
  }
  if (const auto* option = object_at(value, "DefElem")) {
    std::string text;
    if (const auto* argument = option->if_contains("arg"); argument && argument->is_object()) {
      for (const auto& [kind, inner] : argument->get_object()) {
        for (const auto& [key, part] : inner.as_object()) {
          text = part.is_string() ? std::string(part.get_string()) : json::serialize(part);
        }
      }
    }
    return json::object{{"option", text_at(*option, "defname")}, {"is", text}};
  }
  json::object out;
  for (const auto& [key, part] : value.get_object()) out[key] = loosen(part);
  return out;
}

// DESC is DESC NULLS FIRST, ASC is ASC NULLS LAST: the server prints neither default.
void drop_default_ordering(json::object& element) {
  const auto ordering = text_at(element, "ordering");
  const auto nulls = text_at(element, "nulls_ordering");
  const bool descending = ordering == "SORTBY_DESC";
  if (!descending) element["ordering"] = "SORTBY_DEFAULT";
  if (nulls == (descending ? "SORTBY_NULLS_FIRST" : "SORTBY_NULLS_LAST")) {
    element["nulls_ordering"] = "SORTBY_NULLS_DEFAULT";
  }
}

void fill_shapes(json::object tree, IndexStatement& out) {
  for (const auto* key : {"idxname", "relation", "concurrent", "if_not_exists", "tableSpace"}) {
    tree.stable_erase(key);
  }
  for (const auto* key : {"indexParams", "indexIncludingParams"}) {
    auto* elements = tree.if_contains(key);
    if (elements == nullptr) continue;
    for (auto& element : elements->as_array()) {
      drop_default_ordering(element.as_object().at("IndexElem").as_object());
    }
  }
  json::value value(std::move(tree));
  drop_locations(value);
  out.shape = json::serialize(value);
  out.loose_shape = json::serialize(loosen(value));
}

// ---- taking one statement apart ---------------------------------------------------------------

struct Script {
  std::string text;
  std::string_view file;
  std::vector<Token> tokens;

  [[nodiscard]] std::string_view of(const Token& token) const {
    return std::string_view(text).substr(token.start, token.end - token.start);
  }
  [[nodiscard]] bool is_comment(const Token& token) const {
    return of(token).starts_with("--") || of(token).starts_with("/*");
  }
};

// libpg_query 15 leaves the value of a negative integer out of its JSON, as if it were 0. Reads it
// from the source: the constant's position is that of its minus.
void restore_negative_integers(json::value& value, const Script& script) {
  if (value.is_array()) {
    for (auto& part : value.get_array()) restore_negative_integers(part, script);
    return;
  }
  if (!value.is_object()) return;
  const auto* constant = object_at(value, "A_Const");
  const auto* integer = constant == nullptr ? nullptr : object_at(*constant, "ival");
  if (integer != nullptr && integer->empty()) {
    bool negative = false;
    for (const auto& token : script.tokens) {
      if (token.start < number_at(*constant, "location")) continue;
      const auto text = script.of(token);
      if (text == "-") negative = true;
      if (text.empty() || text.front() < '0' || text.front() > '9') continue;
      std::int64_t number = 0;
      std::from_chars(text.data(), text.data() + text.size(), number);
      value.get_object()["A_Const"].as_object()["ival"].as_object()["ival"] =
          negative ? -number : number;
      break;
    }
    return;
  }
  for (auto& [key, part] : value.get_object()) restore_negative_integers(part, script);
}

// The name at `start` is an identifier, or several joined by dots: where it ends.
std::size_t end_of_name(const Script& script, std::size_t start) {
  std::size_t end = start;
  bool expects_part = true;
  for (const auto& token : script.tokens) {
    if (token.start < start || script.is_comment(token)) continue;
    const bool dot = script.of(token) == ".";
    if (dot == expects_part) break;
    end = token.end;
    expects_part = dot;
  }
  return end;
}

std::string without_marks(std::string_view comment) {
  std::string out;
  if (comment.starts_with("/*")) {
    comment.remove_prefix(2);
    if (comment.ends_with("*/")) comment.remove_suffix(2);
  }
  std::size_t at = 0;
  while (at <= comment.size()) {
    const auto end = std::min(comment.find('\n', at), comment.size());
    auto line = comment.substr(at, end - at);
    const auto first = line.find_first_not_of("-* \t\r");
    const auto last = line.find_last_not_of(" \t\r");
    if (first != std::string_view::npos) {
      if (!out.empty()) out += ' ';
      out += line.substr(first, last - first + 1);
    }
    at = end + 1;
  }
  return out;
}

// The comments that touch the statement: no empty line between them and it.
std::string comment_before(const Script& script, std::size_t start) {
  std::vector<std::string> lines;
  std::size_t below = start;
  for (auto token = script.tokens.rbegin(); token != script.tokens.rend(); ++token) {
    if (token->start >= start) continue;
    if (!script.is_comment(*token)) break;
    const auto gap = std::string_view(script.text).substr(token->end, below - token->end);
    if (std::count(gap.begin(), gap.end(), '\n') > 1) break;
    // A comment behind the statement before, on its line, belongs to that one.
    const auto line_start = script.text.rfind('\n', token->start);
    const auto from = line_start == std::string::npos ? 0 : line_start + 1;
    const auto ahead = std::string_view(script.text).substr(from, token->start - from);
    if (ahead.find_first_not_of(" \t\r") != std::string_view::npos) break;
    lines.push_back(without_marks(script.of(*token)));
    below = token->start;
  }
  std::string out;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (!out.empty() && !line->empty()) out += ' ';
    out += *line;
  }
  return out;
}

// A tree's first position is the statement's text with its leading comments: the first token that
// is none.
std::size_t first_word(const Script& script, std::size_t start) {
  for (const auto& token : script.tokens) {
    if (token.start >= start && !script.is_comment(token)) return token.start;
  }
  return start;
}

Result<IndexStatement> take_apart(const Script& script, json::object& raw) {
  const std::size_t raw_start = number_at(raw, "stmt_location");
  std::size_t length = number_at(raw, "stmt_len");
  if (length == 0) length = script.text.size() - raw_start;
  const std::size_t start = first_word(script, raw_start);
  const std::size_t line = line_of(script.text, start);

  restore_negative_integers(raw.at("stmt"), script);
  const auto* tree = object_at(raw.at("stmt"), "IndexStmt");
  if (tree == nullptr) {
    return bad(script.file, line, "this statement is not CREATE INDEX",
               "a catalogue holds CREATE INDEX statements and comments, nothing else");
  }
  const auto& relation = tree->at("relation").as_object();
  IndexStatement out;
  out.line = line;
  out.comment = comment_before(script, start);
  out.name = text_at(*tree, "idxname");
  out.schema = text_at(relation, "schemaname");
  out.table = text_at(relation, "relname");
  out.method = text_at(*tree, "accessMethod");
  out.unique = flag_at(*tree, "unique");
  out.concurrently = flag_at(*tree, "concurrent");
  out.if_not_exists = flag_at(*tree, "if_not_exists");
  out.only = !flag_at(relation, "inh");

  // The parser cuts names; the server would too, and then never find the index by its whole name.
  for (const auto& token : script.tokens) {
    if (token.start < start || script.is_comment(token)) continue;
    if (token.start >= number_at(relation, "location")) break;
    const auto text = script.of(token);
    if (text.size() > kMaxName + (text.front() == '"' ? 2 : 0)) {
      return bad(script.file, line,
                 fmt::format("the name {} is longer than {} bytes", text, kMaxName),
                 "shorten it: the server would cut it");
    }
  }

  // The last token of the statement, so that a trailing comment is not part of the tail.
  const std::size_t tail_start = end_of_name(script, number_at(relation, "location"));
  std::size_t tail_end = tail_start;
  for (const auto& token : script.tokens) {
    if (token.start >= tail_start && token.end <= raw_start + length && !script.is_comment(token)) {
      tail_end = token.end;
    }
  }
  out.tail = script.text.substr(tail_start, tail_end - tail_start);

  if (const auto* predicate = tree->if_contains("whereClause")) {
    out.has_predicate = true;
    collect_temporal(*predicate, out.temporal);
    std::sort(out.temporal.begin(), out.temporal.end(),
              [](const auto& a, const auto& b) { return a.offset < b.offset; });
    for (auto& constant : out.temporal) {
      for (const auto& token : script.tokens) {
        if (token.start == constant.offset) constant.length = token.end - token.start;
      }
      constant.offset -= tail_start;
    }
  }
  fill_shapes(*tree, out);
  return out;
}

}  // namespace

Result<std::vector<IndexStatement>> parse_index_statements(std::string_view text,
                                                           std::string_view file) {
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    return bad(file, line_of(text, nul), "a NUL byte");
  }
  Script script{std::string(text), file, {}};
  auto tokens = scan(script.text, file);
  if (!tokens) return tokens.error();
  script.tokens = std::move(*tokens);

  auto parsed = pg_query_parse(script.text.c_str());
  if (parsed.error != nullptr) {
    const auto line = line_of(script.text, byte_offset(script.text, parsed.error->cursorpos));
    auto error = bad(file, line, parsed.error->message);
    pg_query_free_parse_result(parsed);
    return error;
  }
  json::parse_options options;
  options.max_depth = 4096;  // far beyond what pg_query_parse lets through
  boost::system::error_code failed;
  auto tree = json::parse(parsed.parse_tree, failed, {}, options);
  pg_query_free_parse_result(parsed);
  if (failed) {
    Error error;
    error.code = ErrorCode::kInternal;
    error.message =
        fmt::format("{}: the parser's own output cannot be read: {}", file, failed.message());
    return error;
  }
  std::vector<IndexStatement> out;
  // No member at all where the script is empty.
  auto* statements = tree.as_object().if_contains("stmts");
  if (statements == nullptr) return out;
  for (auto& raw : statements->as_array()) {
    auto statement = take_apart(script, raw.as_object());
    if (!statement) return statement.error();
    out.push_back(std::move(*statement));
  }
  return out;
}

Result<IndexStatement> parse_index_definition(std::string_view text) {
  auto statements = parse_index_statements(text, {});
  if (!statements) return statements.error();
  if (statements->size() != 1) return bad({}, 0, "not one CREATE INDEX statement");
  return std::move(statements->front());
}

std::string quoted_name(std::string_view identifier) {
  std::string out = "\"";
  for (const char c : identifier) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string quoted_literal(std::string_view text) {
  const bool escape = text.find('\\') != std::string_view::npos;
  std::string out = escape ? "E'" : "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + '\'';
}

std::string quoted_name(std::string_view schema, std::string_view name) {
  return schema.empty() ? quoted_name(name) : quoted_name(schema) + '.' + quoted_name(name);
}

std::string create_index_sql(const IndexStatement& statement, std::string_view name,
                             std::string_view table_sql, std::string_view tail, bool concurrently) {
  return fmt::format("CREATE {}INDEX {}{} ON {} {}", statement.unique ? "UNIQUE " : "",
                     concurrently ? "CONCURRENTLY " : "", quoted_name(name), table_sql, tail);
}

}  // namespace lyceum::indexes
