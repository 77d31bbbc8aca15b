#include "base/url.h"

#include <gtest/gtest.h>
#include <random>
#include <sstream>

namespace lyceum {
namespace {

using namespace std::chrono_literals;
using Host = ConnectionString::Host;
using Pairs = std::vector<std::pair<std::string, std::string>>;

ConnectionString read(std::string_view text) {
  const auto result = parse_connection_string(text);
  EXPECT_TRUE(result) << text << ": " << (result ? "" : result.error().to_string());
  return result ? *result : ConnectionString{};
}

Error refused(std::string_view text) {
  const auto result = parse_connection_string(text);
  EXPECT_FALSE(result) << text;
  if (result) return {};
  EXPECT_EQ(result.error().code, ErrorCode::kConfiguration);
  return result.error();
}

TEST(Url, ReadsAUriWithEverythingInIt) {
  const auto url = read(
      "postgresql://us%3Aer:pa%40ss@h1:5432,h2,[::1]:5434/scho%2Fol?sslmode=require"
      "&application_name=a%20b&connection_limit=7&pool_timeout=3&connect_timeout=250ms"
      "&socket_timeout=60");
  EXPECT_EQ(url.hosts, (std::vector<Host>{{"h1", 5432}, {"h2", 0}, {"::1", 5434}}));
  EXPECT_EQ(url.user, "us:er");
  EXPECT_EQ(url.password, Secret("pa@ss"));
  EXPECT_EQ(url.database, "scho/ol");
  EXPECT_EQ(url.options, (std::map<std::string, std::string>{{"application_name", "a b"},
                                                             {"sslmode", "require"}}));
  EXPECT_EQ(url.pool.connection_limit, 7);
  EXPECT_EQ(url.pool.pool_timeout, Duration(3s));
  EXPECT_EQ(url.pool.connect_timeout, Duration(250ms));
  EXPECT_EQ(url.pool.socket_timeout, Duration(60s));
  EXPECT_EQ(url.where(), "h1:5432,h2:5432,[::1]:5434/scho/ol");
  EXPECT_EQ(url.keywords(), (Pairs{{"host", "h1,h2,::1"},
                                   {"port", "5432,,5434"},
                                   {"user", "us:er"},
                                   {"password", "pa@ss"},
                                   {"dbname", "scho/ol"},
                                   {"application_name", "a b"},
                                   {"sslmode", "require"}}))
      << "and none of the pool's parameters";
}

TEST(Url, ReadsSocketDirectoriesInEveryPlaceTheyStand) {
  for (const char* text :
       {"postgresql://%2Frun%2Fx:5433/db", "postgresql:///db?host=/run/x&port=5433",
        "postgres://%2frun%2fx/db?port=5433", "host=/run/x port=5433 dbname=db",
        "postgresql:///db?host=%2Frun%2Fx&port=5433"}) {
    const auto url = read(text);
    EXPECT_EQ(url.hosts, (std::vector<Host>{{"/run/x", 5433}})) << text;
    EXPECT_TRUE(url.hosts.at(0).is_socket());
    EXPECT_EQ(url.database, "db");
  }
}

TEST(Url, ReadsTheShortForms) {
  EXPECT_EQ(read("postgresql://"), ConnectionString{});
  EXPECT_EQ(read("postgresql://localhost").hosts, (std::vector<Host>{{"localhost", 0}}));
  EXPECT_EQ(read("postgresql:///db").database, "db");
  EXPECT_EQ(read("postgresql://u@/db").user, "u");
  EXPECT_EQ(read("postgresql://:5433/db").hosts, (std::vector<Host>{{"", 5433}}));
  EXPECT_EQ(read("postgresql://h/db?").database, "db");
  EXPECT_EQ(read("postgresql://u:@h/db").password, Secret(""));
  EXPECT_FALSE(read("postgresql://u@h/db").password);
  EXPECT_EQ(read(" postgresql://h/db\n").database, "db") << "as files end";
}

TEST(Url, ReadsQuotesAndBackslashesOfKeywords) {
  const auto url =
      read(R"(  host = h1,h2  port=5433 user=a\ b password='it\'s a \\ b''c' dbname='my db' )");
  EXPECT_EQ(url.hosts, (std::vector<Host>{{"h1", 5433}, {"h2", 5433}}));
  EXPECT_EQ(url.user, "a b");
  EXPECT_EQ(url.password, Secret(R"(it's a \ b'c)"));
  EXPECT_EQ(url.database, "my db");
  EXPECT_EQ(read("host=h user='' password=''").keywords(), (Pairs{{"host", "h"}}))
      << "an empty value is none";
}

TEST(Url, ReadsRawAtSignsUpToTheLastOne) {
  const auto url = read("postgresql://user:p@s:s@w@host:5433/db");
  EXPECT_EQ(url.user, "user");
  EXPECT_EQ(url.password, Secret("p@s:s@w"));
  EXPECT_EQ(url.hosts, (std::vector<Host>{{"host", 5433}}));
}

TEST(Url, RefusesWhatIsMalformed) {
  for (const char* bad : {"",
                          "   ",
                          "nonsense",
                          "mysql://h/db",
                          "postgresql://h:port/db",
                          "postgresql://h:0/db",
                          "postgresql://h:65536/db",
                          "postgresql://[::1/db",
                          "postgresql://[::1]x/db",
                          "postgresql://[host]/db",
                          "postgresql://h/db?sslmode",
                          "postgresql://h/db?nonsense=1",
                          "postgresql://h/db?sslmode=maybe",
                          "postgresql://u:p%zz@h/db",
                          "postgresql://u:p%4@h/db",
                          "postgresql://h/d%00b",
                          "postgresql://h/a/b",
                          "postgresql://h/db?port=1,2",
                          "postgresql://h/db?connection_limit=0",
                          "postgresql://h/db?connection_limit=many",
                          "postgresql://h/db?pool_timeout=-1",
                          "postgresql://h/db?pool_timeout=soon",
                          "postgresql://h/db?schema=private",
                          "postgresql://h/db?a=b=c",
                          "postgresql://h/db#x",
                          "postgresql://u:pa/ss@h/db",
                          "postgresql://u:5432/x@h/db",
                          "postgresql://u:p?x@h/db",
                          "postgresql://h/db?sslmode=require&sslmode=disable",
                          "host=h password='open",
                          "host=h password='a'b",
                          "host=h password=a'b",
                          "host=h password=two words",
                          "=h",
                          "host",
                          "host=h port=5432x",
                          "host=a,b port=1,2,3",
                          "nonsense=1"}) {
    refused(bad);
  }
}

TEST(Url, NamesAnUnknownParameterOnlyWhereItCannotBePartOfAPassword) {
  EXPECT_NE(refused("postgresql://h/db?pgbouncer=true").message.find("pgbouncer"),
            std::string::npos);
  EXPECT_EQ(refused("host=h password=a hunter=2").to_string().find("hunter"), std::string::npos);
}

TEST(Url, MergesParametersIntoTheOnesThatAreThere) {
  const auto url = read("postgresql://u:p@h1,h2:5433/db?sslmode=require&connection_limit=5");
  const auto merged = url.with_parameters({{"connection_limit", "20"},
                                           {"pool_timeout", "10"},
                                           {"application_name", "lyceum"},
                                           {"dbname", "other"}});
  ASSERT_TRUE(merged);
  EXPECT_EQ(merged->to_uri().reveal(),
            "postgresql://u:p@h1,h2:5433/other?application_name=lyceum&sslmode=require"
            "&connection_limit=20&pool_timeout=10");
  EXPECT_EQ(merged->hosts, url.hosts);
  EXPECT_FALSE(url.with_parameters({{"nonsense", "1"}}));
  const auto moved = url.with_parameters({{"host", "/run/x"}, {"port", "6000"}});
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->hosts, (std::vector<Host>{{"/run/x", 6000}}));
}

TEST(Url, ShowsEverythingButSecrets) {
  const auto url = read(
      "postgresql://app:hunter2@h:5433/db?sslmode=require&sslpassword=hunter3"
      "&options=-c%20my.key%3Dhunter4&passfile=/etc/pass");
  EXPECT_EQ(url.redacted(),
            "postgresql://app:***@h:5433/db?sslpassword=***&options=***&passfile=%2Fetc%2Fpass"
            "&sslmode=require");
  EXPECT_EQ(redact_connection_string("postgresql://u:hunter2/@h/db"), "***");
  EXPECT_EQ(redact_connection_string("host=h user=u password=x"), "postgresql://u:***@h");
}

TEST(Secret, IsNeverPrinted) {
  const Secret secret("hunter2");
  std::ostringstream stream;
  stream << secret;
  EXPECT_EQ(stream.str(), "***");
  EXPECT_EQ(fmt::format("{} [{:>5}]", secret, secret), "*** [  ***]");
  EXPECT_EQ(testing::PrintToString(secret), "***");
  static_assert(!std::is_convertible_v<Secret, std::string>);
  static_assert(!std::is_convertible_v<Secret, std::string_view>);
}

// Random values through to_uri() and back: the reader is the writer's inverse.
TEST(Url, WhatIsWrittenIsReadBack) {
  std::mt19937_64 random(11);
  const auto word = [&](std::string_view letters, std::size_t least) {
    std::string out;
    const auto size = least + random() % 12;
    while (out.size() < size) out += letters[random() % letters.size()];
    return out;
  };
  constexpr std::string_view kAny = "ab Z09@:/?#[]%&=+,;'\"\\\n\xC3\xA9~$!*()";
  for (int i = 0; i < 3000; ++i) {
    ConnectionString url;
    const auto hosts = random() % 4;
    for (std::size_t h = 0; h < hosts; ++h) {
      const auto kind = random() % 3;
      url.hosts.push_back(
          {kind == 0   ? word("abc-09.", 1)
           : kind == 1 ? "/" + word("abc/ _@:", 1)
                       : "fe80::" + word("0123456789abcdef", 1),
           static_cast<std::uint16_t>(random() % 2 == 0 ? 0 : 1 + random() % 65535)});
      if (kind == 1 && url.hosts.back().name.find(':') != std::string::npos) {
        std::erase(url.hosts.back().name, ':');
      }
    }
    url.user = word(kAny, 0);
    if (random() % 2 == 0) url.password = Secret(word(kAny, 0));
    url.database = word(kAny, 0);
    if (random() % 3 == 0) url.ssl_password = Secret(word(kAny, 0));
    if (random() % 2 == 0) url.options["application_name"] = word(kAny, 0);
    if (random() % 2 == 0) url.options["sslmode"] = "verify-full";
    if (random() % 2 == 0) url.pool.connection_limit = static_cast<int>(1 + random() % 100);
    if (random() % 2 == 0)
      url.pool.pool_timeout = Duration(static_cast<std::int64_t>(random() % 1'000'000'000'000));
    const auto again = parse_connection_string(url.to_uri().reveal());
    ASSERT_TRUE(again) << url.to_uri().reveal() << ": " << again.error().to_string();
    EXPECT_EQ(*again, url) << url.to_uri().reveal();
  }
}

// A password in every form, right and wrong: no four characters of it in a row may ever be shown.
// Its letters are capitals and 6, 7, 8, of which nothing else in these strings or messages has
// three within four characters.
class NoLeak : public testing::Test {
 protected:
  std::mt19937_64 random_{4711};

  std::string random_password() {
    constexpr std::string_view kLetters = "QXZJKWVY678";
    constexpr std::string_view kSpecial = "@:/?#[]%&=+,;'\"\\ \t~$!*()-_.<>|{}^`";
    std::string out;
    const auto size = 6 + random_() % 20;
    const auto special = random_() % 4;  // how often a special character stands, 0 to 3 of 6
    while (out.size() < size) {
      const auto& from = random_() % 6 < special ? kSpecial : kLetters;
      out += from[random_() % from.size()];
    }
    return out;
  }

  static std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    return out;
  }

  static std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    return out + "'";
  }

  static bool has_secret(std::string_view fragment) {
    return std::count_if(fragment.begin(), fragment.end(), [](char c) {
             return (c >= 'A' && c <= 'Z') || (c >= '6' && c <= '8');
           }) >= 3;
  }

  // Whether `shown` holds a piece of the password that gives something away.
  static bool leaks(std::string_view shown, std::string_view password) {
    for (std::size_t i = 0; i + 4 <= password.size(); ++i) {
      const auto fragment = password.substr(i, 4);
      if (has_secret(fragment) && shown.find(fragment) != std::string_view::npos) return true;
    }
    return false;
  }

  void check(const std::string& text, const std::string& password) {
    const auto result = parse_connection_string(text);
    std::string shown = redact_connection_string(text);
    if (result) {
      ++read_;
      std::ostringstream stream;
      stream << result->redacted() << ' ' << result->where();
      if (result->password) stream << *result->password << fmt::format("{}", *result->password);
      shown += stream.str();
    } else {
      ++refused_;
      shown += result.error().to_string();
    }
    EXPECT_FALSE(leaks(shown, password)) << "shown: " << shown << "\nof: " << text;
  }

  int read_ = 0;
  int refused_ = 0;
};

TEST_F(NoLeak, TheCheckItselfFindsALeak) {
  EXPECT_TRUE(leaks("postgresql://u:QXZJ67@h/db", "QXZJ67"));
  EXPECT_TRUE(leaks("host=ZJ67", "QX:ZJ67"));
  EXPECT_FALSE(leaks("postgresql://u:***@h/db", "QXZJ67"));
}

TEST_F(NoLeak, OfAPercentEncodedPassword) {
  for (int i = 0; i < 2000; ++i) {
    const auto password = random_password();
    const auto text =
        "postgresql://app:" + percent_encoded(password) + "@h:5432/db?sslmode=require";
    EXPECT_EQ(read(text).password, Secret(password));
    check(text, password);
    check("postgresql://h/db?user=app&password=" + percent_encoded(password), password);
    check("postgresql://app@h/db?sslpassword=" + percent_encoded(password), password);
  }
  EXPECT_EQ(refused_, 0);
}

TEST_F(NoLeak, OfARawPassword) {
  for (int i = 0; i < 20'000; ++i) {
    const auto password = random_password();
    check("postgresql://app:" + password + "@h:5432/db?sslmode=require", password);
    check("postgres://app:" + password + "@h", password);
    check("postgresql://app:" + password + "@h1,h2:5433/db", password);
    check("postgresql://h/db?user=app&password=" + password + "&sslmode=require", password);
  }
  EXPECT_GT(read_, 1000);
  EXPECT_GT(refused_, 1000);
}

TEST_F(NoLeak, OfKeywords) {
  for (int i = 0; i < 20'000; ++i) {
    const auto password = random_password();
    check("host=h user=app password=" + quoted(password) + " dbname=db", password);
    check("host=h user=app password=" + password + " dbname=db", password);
    check("password=" + password + " host=h user=app", password);
    check("password='" + password + "' host=h user=app", password);
    check("password = " + password, password);
    check("host=h sslpassword=" + password, password);
  }
  EXPECT_GT(read_, 1000);
  EXPECT_GT(refused_, 1000);
}

// A string with a character taken out, put in or changed, or cut short. No reader can
// know better than to take what follows a user without a colon for the user's name, and what
// follows the last '@' for a host: the first colon stays, and these passwords have no raw '@'.
TEST_F(NoLeak, OfDamagedStrings) {
  for (int i = 0; i < 30'000; ++i) {
    std::string password;
    do password = random_password();
    while (!has_secret(password.substr(0, 4)) || password.find('@') != std::string::npos);
    std::string text = random_() % 2 == 0
                           ? "postgresql://app:" + percent_encoded("AA") + password + "@h:5432/db"
                           : "host=h user=app password=" + quoted(password) + " dbname=db";
    const auto position = random_() % text.size();
    if (position == text.find(':', 12)) continue;
    switch (random_() % 4) {
      case 0:
        text.erase(position, 1);
        break;
      case 1:
        text.insert(position, 1, "@:/?#%&='\\ "[random_() % 11]);
        break;
      case 2:
        text.resize(position);
        break;
      default:
        text[position] = "@:/?#%&='\\ "[random_() % 11];
        break;
    }
    check(text, password);
  }
}

}  // namespace
}  // namespace lyceum
