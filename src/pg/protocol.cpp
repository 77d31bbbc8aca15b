#include "pg/protocol.h"

namespace lyceum::pg::protocol {
namespace {

constexpr std::size_t kHeader = 5;                 // the tag, and a length that counts itself
constexpr std::size_t kMostParameters = 65535;     // their number is a 16-bit word
constexpr std::size_t kMostMessage = 0x3fff'ffff;  // the server takes no longer one
constexpr std::size_t kMostShortMessage = 30'000;  // of kinds that are always short
constexpr std::size_t kParameterOverhead = 4;      // its length
constexpr std::size_t kParameterDeclaration = 4;   // its type

// Appends the header, and the length once the body is there.
class Framed {
 public:
  Framed(std::string& out, char tag) : out_(out) {
    out_.push_back(tag);
    begin_ = out_.size();
    wire::put(out_, std::int32_t{0});
  }
  Framed(const Framed&) = delete;
  Framed& operator=(const Framed&) = delete;
  ~Framed() {
    const auto length = __builtin_bswap32(static_cast<std::uint32_t>(out_.size() - begin_));
    std::memcpy(out_.data() + begin_, &length, sizeof(length));
  }
  void string(std::string_view text) {
    out_ += text;
    out_.push_back('\0');
  }
  void int16(std::size_t value) { wire::put(out_, static_cast<std::uint16_t>(value)); }
  void int32(std::int64_t value) { wire::put(out_, static_cast<std::int32_t>(value)); }

 private:
  std::string& out_;
  std::size_t begin_ = 0;
};

// Takes from the front of a message's body; once something was not there, nothing is.
class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}

  std::string_view string() {
    const auto end = rest_.find('\0');
    if (end == std::string_view::npos) return fail();
    const auto text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  char byte() { return take(1)[0]; }
  std::int16_t int16() { return wire::get<std::int16_t>(take(2)); }
  std::int32_t int32() { return wire::get<std::int32_t>(take(4)); }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return good_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t count) {
    static constexpr std::string_view kZeros("\0\0\0\0", 4);
    if (rest_.size() < count) {
      (void)fail();
      return kZeros;
    }
    const auto bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  std::string_view fail() {
    good_ = false;
    rest_ = {};
    return {};
  }

  std::string_view rest_;
  bool good_ = true;
};

// Kinds whose messages may be long; a length beyond it in any other is a stream out of step.
bool may_be_long(Tag tag) {
  switch (tag) {
    case Tag::row_description:
    case Tag::data_row:
    case Tag::copy_data:
    case Tag::error_response:
    case Tag::notice_response:
    case Tag::notification_response:
      return true;
    default:
      return false;
  }
}

bool known(char tag) {
  return std::string_view("23CWdcGHDIEnNAS1ZT").find(tag) != std::string_view::npos;
}

}  // namespace

void put_parse(std::string& out, std::string_view name, std::string_view text,
               std::span<const Params::Item> parameters) {
  Framed message(out, 'P');
  message.string(name);
  message.string(text);
  message.int16(parameters.size());
  for (const auto& item : parameters) message.int32(item.type);
}

void put_bind(std::string& out, std::string_view name, const Params& params) {
  Framed message(out, 'B');
  message.string("");
  message.string(name);
  message.int16(1);
  message.int16(1);  // all parameters in binary
  message.int16(params.size());
  for (const auto& item : params.items()) {
    message.int32(item.length);
    if (item.length > 0) out.append(params.value(item), static_cast<std::size_t>(item.length));
  }
  message.int16(1);
  message.int16(1);  // all results in binary
}

void put_bind(std::string& out, std::string_view name, std::string_view only) {
  Framed message(out, 'B');
  message.string("");
  message.string(name);
  message.int16(0);  // in text
  message.int16(1);
  message.int32(static_cast<std::int64_t>(only.size()));
  out += only;
  message.int16(1);
  message.int16(1);
}

void put_describe_portal(std::string& out) {
  Framed message(out, 'D');
  message.string("P");
}

void put_execute(std::string& out) {
  Framed message(out, 'E');
  message.string("");
  message.int32(0);  // all rows
}

void put_sync(std::string& out) {
  Framed message(out, 'S');
}

void put_query(std::string& out, std::string_view sql) {
  Framed message(out, 'Q');
  message.string(sql);
}

void put_copy_data(std::string& out, std::string_view bytes) {
  Framed message(out, 'd');
  out += bytes;
}

void put_copy_done(std::string& out) {
  Framed message(out, 'c');
}

void put_copy_fail(std::string& out, std::string_view reason) {
  Framed message(out, 'f');
  message.string(reason.substr(0, reason.find('\0')));
}

std::optional<std::string_view> refusal(std::string_view text, const Params& params) {
  if (params.size() > kMostParameters) return "more than 65,535 parameters";
  if (text.find('\0') != std::string_view::npos) return "a NUL byte in its text";
  const auto room = kMostMessage - 1024;
  const auto declared = params.size() * (kParameterOverhead + kParameterDeclaration);
  if (text.size() > room || params.bytes() > room || params.bytes() + declared > room) {
    return "it is longer than 1 GiB";
  }
  return std::nullopt;
}

Framing read_message(std::string_view bytes, Message& out, std::size_t& needed) {
  needed = 0;
  if (bytes.empty()) return Framing::incomplete;
  if (!known(bytes[0])) return Framing::broken;
  if (bytes.size() < kHeader) return Framing::incomplete;
  const auto length = wire::get<std::uint32_t>(bytes.substr(1));
  out.tag = static_cast<Tag>(bytes[0]);
  if (length < 4 || length > 0x7fff'ffff) return Framing::broken;
  if (length > kMostShortMessage && !may_be_long(out.tag)) return Framing::broken;
  out.size = std::size_t{length} + 1;
  if (bytes.size() < out.size) {
    needed = out.size;
    return Framing::incomplete;
  }
  out.body = bytes.substr(kHeader, length - 4);
  return Framing::complete;
}

std::shared_ptr<const Columns> read_columns(std::string_view body) {
  Reader reader(body);
  const auto count = reader.int16();
  if (count < 0) return nullptr;
  auto columns = std::make_shared<Columns>();
  for (int i = 0; i < count && reader.good(); ++i) {
    auto& column = columns->emplace_back();
    column.name = reader.string();
    (void)reader.int32();  // the table
    (void)reader.int16();  // its column
    column.type = static_cast<Oid>(reader.int32());
    (void)reader.int16();  // size
    (void)reader.int32();  // modifier
    column.text = reader.int16() == 0;
  }
  if (!reader.at_end()) return nullptr;
  return columns;
}

std::optional<Report> read_report(std::string_view body) {
  Reader reader(body);
  Report out;
  while (const char field = reader.byte()) {
    const auto value = reader.string();
    if (!reader.good()) return std::nullopt;
    if (field == 'V') out.severity = value;
    if (field == 'S' && out.severity.empty()) out.severity = value;  // before 9.6 the only one
    if (field == 'C') out.sqlstate = value;
    if (field == 'M') out.message = value;
    if (field == 'H') out.hint = value;
  }
  if (!reader.good()) return std::nullopt;
  return out;
}

std::optional<Notice> read_notification(std::string_view body) {
  Reader reader(body);
  Notice out;
  out.process = reader.int32();
  out.channel = reader.string();
  out.payload = reader.string();
  if (!reader.at_end()) return std::nullopt;
  return out;
}

std::optional<Setting> read_parameter_status(std::string_view body) {
  Reader reader(body);
  Setting out;
  out.name = reader.string();
  out.value = reader.string();
  if (!reader.at_end()) return std::nullopt;
  return out;
}

std::optional<std::string_view> read_command(std::string_view body) {
  Reader reader(body);
  const auto command = reader.string();
  if (!reader.at_end()) return std::nullopt;
  return command;
}

char read_transaction_status(std::string_view body) {
  const char status = body.size() == 1 ? body[0] : '\0';
  return status == 'I' || status == 'T' || status == 'E' ? status : '\0';
}

}  // namespace lyceum::pg::protocol
