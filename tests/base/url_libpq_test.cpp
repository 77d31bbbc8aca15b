// libpq's own reader as the oracle for ours.

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <map>
#include <memory>
#include <random>

#include "base/url.h"

namespace lyceum {
namespace {

using Keywords = std::map<std::string, std::string>;

// What libpq reads, without what it reads as empty; nothing where it refuses.
std::optional<Keywords> as_libpq_reads(const std::string& text) {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(text.c_str(), &message), &PQconninfoFree);
  PQfreemem(message);
  if (!options) return std::nullopt;
  Keywords out;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr && *option->val != '\0') out[option->keyword] = option->val;
  }
  return out;
}

// One port for several hosts may be written once or for each; a list of nothing but defaults is
// none.
void spread_port(Keywords& keywords) {
  for (const char* key : {"host", "port"}) {
    const auto list = keywords.find(key);
    if (list == keywords.end()) continue;
    if (list->second.find_first_not_of(',') == std::string::npos) keywords.erase(list);
  }
  const auto host = keywords.find("host");
  const auto port = keywords.find("port");
  if (host == keywords.end() || port == keywords.end()) return;
  if (port->second.find(',') != std::string::npos) return;
  const std::string one = port->second;
  for (const char c : host->second) {
    if (c == ',') port->second += ',' + one;
  }
}

std::optional<Keywords> as_we_read(const std::string& text) {
  const auto read = parse_connection_string(text);
  if (!read) return std::nullopt;
  Keywords out;
  for (const auto& [key, value] : read->keywords()) {
    if (!value.empty()) out[key] = value;
  }
  return out;
}

void compare(const std::string& text) {
  auto ours = as_we_read(text);
  auto theirs = as_libpq_reads(text);
  ASSERT_TRUE(ours) << text;
  ASSERT_TRUE(theirs) << text;
  spread_port(*ours);
  spread_port(*theirs);
  EXPECT_EQ(*ours, *theirs) << text;
}

TEST(UrlAgainstLibpq, TheDocumentationsExamplesAreReadAlike) {
  for (const char* text :
       {"host=localhost port=5432 dbname=mydb connect_timeout=10", "postgresql://",
        "postgresql://localhost", "postgresql://localhost:5433", "postgresql://localhost/mydb",
        "postgresql://user@localhost", "postgresql://user:secret@localhost",
        "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
        "postgresql://host1:123,host2:456/somedb?target_session_attrs=any"
        "&application_name=myapp",
        "postgresql:///mydb?host=localhost&port=5433", "postgresql://[2001:db8::1234]/database",
        "postgresql:///dbname?host=/var/lib/postgresql",
        "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname", "postgresql://h/db?ssl=true",
        "host=a,b port=1,2", "host=a,b port=1", "user = 'a b' password=\\'x\\\\"}) {
    auto ours = as_we_read(text);
    auto theirs = as_libpq_reads(text);
    ASSERT_TRUE(ours && theirs) << text;
    theirs->erase("connect_timeout");  // ours alone
    spread_port(*ours);
    spread_port(*theirs);
    EXPECT_EQ(*ours, *theirs) << text;
  }
}

class Random {
 public:
  std::string word(std::string_view letters, std::size_t least = 1) {
    std::string out;
    const auto size = least + source_() % 10;
    while (out.size() < size) out += letters[source_() % letters.size()];
    return out;
  }
  bool chance(unsigned of) { return source_() % of == 0; }
  std::size_t below(std::size_t end) { return source_() % end; }

 private:
  std::mt19937_64 source_{31};
};

constexpr std::string_view kAny = "ab Z09@:/?#[]%&=+,;'\"\\~$!*()";

TEST(UrlAgainstLibpq, TheUriWeWriteIsReadByLibpqAsWeMeanIt) {
  Random random;
  for (int i = 0; i < 5000; ++i) {
    ConnectionString url;
    const auto hosts = random.below(4);
    for (std::size_t h = 0; h < hosts; ++h) {
      url.hosts.push_back(
          {random.chance(3)   ? "/" + random.word("abc/ _@")
           : random.chance(2) ? "fe80::" + random.word("0123456789abcdef")
                              : random.word("abc-09."),
           static_cast<std::uint16_t>(random.chance(2) ? 0 : 1 + random.below(65535))});
    }
    url.user = random.word(kAny, 0);
    if (random.chance(2)) url.password = Secret(random.word(kAny, 0));
    url.database = random.word(kAny, 0);
    if (random.chance(3)) url.ssl_password = Secret(random.word(kAny));
    if (random.chance(2)) url.options["application_name"] = random.word(kAny);
    if (random.chance(2)) url.options["options"] = "-c x=" + random.word(kAny);
    compare(url.to_uri().reveal());
  }
}

TEST(UrlAgainstLibpq, QuotedKeywordsAreReadAlike) {
  Random random;
  const auto quoted = [&](const std::string& value) {
    std::string out = "'";
    for (const char c : value) {
      if (c == '\'' || c == '\\' || random.chance(10)) out += '\\';
      out += c;
    }
    return out + "'";
  };
  const auto spaces = [&] { return random.word(" \t\n", 0); };
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (const char* key : {"user", "password", "dbname", "application_name", "sslpassword"}) {
      if (random.chance(3)) continue;
      text += spaces() + key + spaces() + "=" + spaces() + quoted(random.word(kAny)) + " ";
    }
    compare(text + "host=h");
  }
}

// Whatever we read, libpq reads alike, except what we say we read otherwise: our own parameters, a
// raw '@' in a password, the quote that is written twice, and blanks around the string.
TEST(UrlAgainstLibpq, DamagedStringsAreReadAlikeOrRefused) {
  Random random;
  const std::array<std::string, 3> whole = {
      "postgresql://app:secret@h1:5432,h2:5433/db?sslmode=require&application_name=x%20y",
      "postgres://app@%2Frun%2Fx/db?port=5433",
      "host=h1,h2 port=1,2 user=app password='a\\'b' dbname=db"};
  int read = 0;
  for (int i = 0; i < 60'000; ++i) {
    auto text = whole[random.below(whole.size())];
    for (std::size_t times = 1 + random.below(2); times > 0; --times) {
      const auto at = random.below(text.size());
      const auto c = kAny[random.below(kAny.size())];
      switch (random.below(3)) {
        case 0:
          text.erase(at, 1);
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text[at] = c;
          break;
      }
    }
    auto ours = as_we_read(text);
    if (!ours || std::count(text.begin(), text.end(), '@') > 1 ||
        text.find("''") != std::string::npos || text.front() == ' ' || text.back() == ' ') {
      continue;
    }
    ++read;
    auto theirs = as_libpq_reads(text);
    ASSERT_TRUE(theirs) << text;
    spread_port(*ours);
    spread_port(*theirs);
    EXPECT_EQ(*ours, *theirs) << text;
  }
  EXPECT_GT(read, 10'000);
}

}  // namespace
}  // namespace lyceum
