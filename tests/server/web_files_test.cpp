// The page's files as the binary has them, and how they are answered.

#include "server/web_files.h"

#include <gtest/gtest.h>
#include <regex>
#include <set>

#include "base/sha256.h"

namespace lyceum::server {
namespace {

std::string header(const Response& response, std::string_view name) {
  for (const auto& [found, value] : response.headers) {
    if (found == name) return value;
  }
  return "";
}

TEST(WebFiles, FitIntoTheBudget) {
  std::size_t all = 0;
  for (const auto& file : web_files()) all += file.gzip.size();
  EXPECT_LT(all, 150'000U);
  EXPECT_GT(all, 20'000U) << "uPlot alone has as much";
}

TEST(WebFiles, AreWhatTheyClaim) {
  std::set<std::string_view> paths;
  for (const auto& file : web_files()) {
    EXPECT_TRUE(paths.insert(file.path).second) << file.path << " twice";
    EXPECT_EQ(find_web_file(file.path), &file) << file.path;
    EXPECT_EQ(hex(sha256(file.text)), file.digest) << file.path;
    // RFC 1952: two bytes of magic first, the size of what was compressed last.
    ASSERT_GT(file.gzip.size(), 18U) << file.path;
    EXPECT_EQ(file.gzip.substr(0, 2), "\x1f\x8b") << file.path;
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const auto byte = static_cast<unsigned char>(file.gzip[file.gzip.size() - 4 + i]);
      size |= static_cast<std::size_t>(byte) << (8U * i);
    }
    EXPECT_EQ(size, file.text.size()) << file.path;
  }
  ASSERT_NE(find_web_file("/"), nullptr);
  EXPECT_EQ(find_web_file("/")->content_type, "text/html; charset=utf-8");
  for (const auto* path : {"", "/index.html", "/modules", "/modules/", "/../web/index.html", "/x"})
    EXPECT_EQ(find_web_file(path), nullptr) << path;
}

// Everything that the page and its modules ask for is there, and nothing that nobody asks for.
TEST(WebFiles, AreComplete) {
  std::set<std::string> wanted{"/"};
  const std::regex linked(R"re((?:src|href)="([^"#]+)")re");
  const std::regex imported(R"re((?:from|import) '\./([^']+)')re");
  for (const auto& file : web_files()) {
    const std::string text(file.text);
    const bool page = file.path == "/";
    if (!page && !file.path.starts_with("/modules/")) continue;
    for (std::sregex_iterator at(text.begin(), text.end(), page ? linked : imported), end;
         at != end; ++at)
      wanted.insert((page ? "/" : "/modules/") + (*at)[1].str());
  }
  for (const auto& path : wanted) EXPECT_NE(find_web_file(path), nullptr) << path;
  for (const auto& file : web_files())
    EXPECT_EQ(wanted.count(std::string(file.path)), 1U) << file.path << " is asked for by nobody";
}

TEST(WebFiles, CompressedForThoseWhoTakeIt) {
  EXPECT_TRUE(accepts_gzip("gzip"));
  EXPECT_TRUE(accepts_gzip("gzip, deflate, br, zstd"));
  EXPECT_TRUE(accepts_gzip("br ; q=1.0 ,\tGZIP;q=0.5"));
  EXPECT_TRUE(accepts_gzip("x-gzip"));
  EXPECT_TRUE(accepts_gzip("*"));
  EXPECT_TRUE(accepts_gzip("*;q=0, gzip"));
  EXPECT_FALSE(accepts_gzip(""));
  EXPECT_FALSE(accepts_gzip("identity"));
  EXPECT_FALSE(accepts_gzip("br, gzip;q=0"));
  EXPECT_FALSE(accepts_gzip("gzip; Q=0.000"));
  EXPECT_FALSE(accepts_gzip("*, gzip;q=0"));
  EXPECT_FALSE(accepts_gzip("*;q=0"));
  EXPECT_FALSE(accepts_gzip(",;,=,;q"));
  EXPECT_FALSE(accepts_gzip("gzipped"));
}

TEST(WebFiles, AnsweredWholeAndGuarded) {
  for (const auto& file : web_files()) {
    for (const auto* accepted : {"", "gzip"}) {
      const bool compressed = *accepted != '\0';
      const auto response = web_response(file, accepted, "");
      EXPECT_EQ(response.status, 200) << file.path;
      EXPECT_EQ(response.content_type, file.content_type) << file.path;
      EXPECT_EQ(response.body, compressed ? file.gzip : file.text) << file.path;
      EXPECT_EQ(header(response, "Content-Encoding"), compressed ? "gzip" : "") << file.path;
      EXPECT_EQ(header(response, "Content-Security-Policy"), web_policy()) << file.path;
      EXPECT_EQ(header(response, "X-Content-Type-Options"), "nosniff") << file.path;
      EXPECT_EQ(header(response, "Vary"), "Accept-Encoding") << file.path;
    }
  }
  EXPECT_NE(web_policy().find("default-src 'none'"), std::string_view::npos);
  EXPECT_EQ(web_policy().find("unsafe"), std::string_view::npos);
}

TEST(WebFiles, NotSentAgainToThoseWhoHaveIt) {
  const auto& file = *find_web_file("/");
  const auto plain = header(web_response(file, "", ""), "ETag");
  const auto compressed = header(web_response(file, "gzip", ""), "ETag");
  EXPECT_NE(plain, compressed);
  for (const auto& known :
       {compressed, "W/" + compressed, "\"a\", " + compressed + ", \"b\"", std::string("*")}) {
    const auto response = web_response(file, "gzip", known);
    EXPECT_EQ(response.status, 304) << known;
    EXPECT_EQ(response.body, "") << known;
    EXPECT_EQ(header(response, "ETag"), compressed) << known;
    EXPECT_EQ(header(response, "Content-Encoding"), "") << known;
  }
  for (const auto& unknown :
       {plain, std::string("\"a\""), compressed.substr(1), compressed + "x", std::string(",")})
    EXPECT_EQ(web_response(file, "gzip", unknown).status, 200) << unknown;
}

}  // namespace
}  // namespace lyceum::server
