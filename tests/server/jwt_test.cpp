#include "server/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/signing.h"

namespace lyceum::server {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kTenant = "11111111-2222-3333-4444-555555555555";
const std::string kLearner = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
constexpr std::int64_t kNow = 1'760'000'000;
constexpr Timestamp kAtNow{std::chrono::seconds(kNow)};

const Signer& secret() {
  static const Signer signer = Signer::secret("0123456789abcdef0123456789abcdef");
  return signer;
}
const Signer& edwards() {
  static const Signer signer = Signer::ed25519();
  return signer;
}

const KeySet& keys() {
  static const KeySet set = KeySet::parse(set_of(secret().jwk("h") + ',' + an_rsa_key().jwk("r") +
                                                 ',' + edwards().jwk("e")))
                                .value();
  return set;
}

const TokenExpectations kExpected{.issuer = "https://issuer.example", .audience = "lyceum"};

// Good claims; `change` replaces a part of the text.
std::string claims(const std::string& from = "", const std::string& to = "") {
  auto out = fmt::format(
      R"({{"iss":"https://issuer.example","aud":"lyceum","exp":{},"nbf":{},"tenant":"{}",)"
      R"("roles":["teacher"],"sub":"ada"}})",
      kNow + 600, kNow - 600, kTenant);
  if (!from.empty()) {
    const auto at = out.find(from);
    if (at == std::string::npos) throw std::runtime_error("the claims have no " + from);
    out.replace(at, from.size(), to);
  }
  return out;
}

std::string token(const std::string& text) {
  return signed_token(secret(), header_of(secret(), "h"), text);
}

Result<Claims> verify(const std::string& text, Timestamp now = kAtNow) {
  return verify_jwt(text, keys(), kExpected, now);
}

// Why a token is refused; also that the error shows no part of the token.
std::string refusal(const std::string& text, Timestamp now = kAtNow) {
  const auto result = verify(text, now);
  if (result) {
    ADD_FAILURE() << "accepted " << text;
    return "";
  }
  EXPECT_EQ(result.error().code, ErrorCode::kUnauthenticated);
  const auto shown = result.error().to_string();
  for (std::size_t at = 0; at + 16 <= text.size(); at += 16) {
    EXPECT_THAT(shown, Not(HasSubstr(text.substr(at, 16))));
  }
  return shown;
}

TEST(Jwt, OfEachAlgorithmIsVerifiedAndRead) {
  const std::vector<std::pair<const Signer*, std::string>> signers{
      {&secret(), "h"}, {&an_rsa_key(), "r"}, {&edwards(), "e"}};
  for (const auto& [signer, kid] : signers) {
    const auto result = verify(signed_token(*signer, header_of(*signer, kid), claims()));
    ASSERT_TRUE(result) << result.error().to_string();
    EXPECT_EQ(to_string(result->tenant), kTenant);
    EXPECT_EQ(result->roles, Roles{Role::teacher});
    EXPECT_EQ(result->learner, std::nullopt);
    EXPECT_EQ(result->subject, "ada");
    EXPECT_EQ(result->expires, kAtNow + 600s);
  }
}

TEST(Jwt, OfTheRfcHasAGoodSignatureAndNoTenant) {
  // RFC 7515, appendix A.1; it expires at 1300819380.
  const auto set = KeySet::parse(set_of(
      R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUu)"
      R"(TwjAzZr1Z9CAow"})"));
  const std::string text =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0"
      "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const auto in_time =
      verify_jwt(text, *set, {.issuer = "joe"}, Timestamp(std::chrono::seconds(1'300'819'379)));
  EXPECT_THAT(in_time.error().message, HasSubstr("it has no tenant"));
  const auto late =
      verify_jwt(text, *set, {.issuer = "joe"}, Timestamp(std::chrono::seconds(1'300'819'410)));
  EXPECT_THAT(late.error().message, HasSubstr("expired at 2011-03-22 18:43:00Z"));
}

TEST(Jwt, OfALearnerNamesTheLearner) {
  auto text = claims(R"(["teacher"])", R"("openid learner  profile")");
  text.replace(text.find("ada"), 3, kLearner);
  const auto result = verify(token(text));
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->roles, Roles{Role::learner});
  EXPECT_EQ(to_string(result->learner.value()), kLearner);
  EXPECT_THAT(refusal(token(claims("teacher", "learner"))), HasSubstr("its sub is no UUID"));
  EXPECT_THAT(refusal(token(claims(R"(["teacher"],"sub":"ada")", R"(["learner"])"))),
              HasSubstr("its sub is no UUID"));
}

TEST(Jwt, IsRefusedWhereTheAlgorithmIsNotTheKeys) {
  // "none", with and without a signature.
  for (const auto* alg : {"none", "None", "NONE", ""}) {
    const auto header = fmt::format(R"({{"alg":"{}","kid":"h"}})", alg);
    EXPECT_THAT(refusal(signed_token(secret(), header, claims())), HasSubstr("alg is not HS256"));
    EXPECT_THAT(refusal(to_base64url(header) + '.' + to_base64url(claims()) + '.'),
                HasSubstr("alg is not HS256"));
  }
  // The public RSA key as a shared secret, in the forms that an attacker has it in.
  for (const auto& known : {an_rsa_key().pem(), an_rsa_key().jwk("r")}) {
    const auto forger = Signer::secret(known);
    EXPECT_THAT(refusal(signed_token(forger, header_of(forger, "r"), claims())),
                HasSubstr("alg is not RS256"));
    EXPECT_THAT(refusal(signed_token(forger, R"({"alg":"RS256","kid":"r"})", claims())),
                HasSubstr("signature does not match key 'r'"));
  }
  for (const auto* alg : {"hs256", "HS512", "RS256", "EdDSA"}) {
    EXPECT_THAT(
        refusal(signed_token(secret(), fmt::format(R"({{"alg":"{}","kid":"h"}})", alg), claims())),
        HasSubstr("alg is not HS256"));
  }
  EXPECT_THAT(refusal(signed_token(secret(), R"({"kid":"h"})", claims())), HasSubstr("no alg"));
  EXPECT_THAT(refusal(signed_token(secret(), R"({"alg":["HS256"],"kid":"h"})", claims())),
              HasSubstr("no alg"));
}

TEST(Jwt, IsRefusedWhereItsHeaderAsksForMore) {
  const auto with = [&](const std::string& more) {
    return signed_token(secret(), R"({"alg":"HS256","kid":"h",)" + more + "}", claims());
  };
  EXPECT_THAT(refusal(with(R"("crit":["exp"])")), HasSubstr("crit"));
  EXPECT_THAT(refusal(with(R"("crit":[])")), HasSubstr("crit"));
  EXPECT_THAT(refusal(with(R"("typ":"JWE")")), HasSubstr("typ"));
  EXPECT_THAT(refusal(with(R"("typ":null)")), HasSubstr("typ"));
  EXPECT_TRUE(verify(with(R"("typ":"jwt")")));
  EXPECT_TRUE(verify(with(R"("typ":"AT+JWT")")));
  // A key of the attacker's own in the header is not looked at.
  const auto forger = Signer::ed25519();
  const auto header = fmt::format(
      R"({{"alg":"EdDSA","kid":"e","jwk":{},"jku":"https://x.example"}})", forger.jwk("e"));
  EXPECT_THAT(refusal(signed_token(forger, header, claims())), HasSubstr("does not match key 'e'"));
}

TEST(Jwt, IsRefusedWhereItsKeyIsUnknown) {
  const auto strange = signed_token(secret(), header_of(secret(), "strange"), claims());
  EXPECT_THAT(refusal(strange), HasSubstr("there is no key 'strange'"));
  EXPECT_EQ(unknown_key_id(strange, keys(), kExpected), "strange");
  EXPECT_EQ(unknown_key_id(token(claims()), keys(), kExpected), std::nullopt);
  const auto nameless = signed_token(secret(), R"({"alg":"HS256"})", claims());
  EXPECT_THAT(refusal(nameless), HasSubstr("does not name its key"));
  EXPECT_EQ(unknown_key_id(nameless, keys(), kExpected), std::nullopt);
  for (const auto& kid : {std::string(R"(7)"), std::string(R"("a\nb")"), std::string(R"("ä")"),
                          '"' + std::string(300, 'k') + '"'}) {
    const auto text = signed_token(secret(), R"({"alg":"HS256","kid":)" + kid + "}", claims());
    EXPECT_THAT(refusal(text), HasSubstr("kid"));
    EXPECT_EQ(unknown_key_id(text, keys(), kExpected), std::nullopt);
  }
}

TEST(Jwt, IsRefusedWhereAnyCharacterDiffers) {
  const auto good = signed_token(edwards(), header_of(edwards(), "e"), claims());
  ASSERT_TRUE(verify(good));
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto changed = good;
    changed[at] = good[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify(changed)) << at;
    changed = good;
    changed.insert(at, 1, at % 2 == 0 ? ' ' : '\n');
    EXPECT_FALSE(verify(changed)) << at;
    EXPECT_FALSE(verify(good.substr(0, at)));
  }
  const auto parts = good.find('.');
  EXPECT_FALSE(verify(good + "="));
  EXPECT_FALSE(verify(good + '.'));
  EXPECT_FALSE(verify(good + '.' + good));
  EXPECT_FALSE(verify(good + good));
  EXPECT_FALSE(verify(good.substr(parts)));
  EXPECT_FALSE(verify(""));
  EXPECT_FALSE(verify(".."));
  EXPECT_FALSE(verify("a.b.c"));
}

// The last character of a 64-byte signature carries four bits that belong to no byte: 15 other
// characters would mean the same bytes to a reader that does not look.
TEST(Jwt, HasNoSecondSpelling) {
  const auto good = signed_token(edwards(), header_of(edwards(), "e"), claims());
  int accepted = 0;
  for (const char last :
       std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")) {
    if (verify(good.substr(0, good.size() - 1) + last)) ++accepted;
  }
  EXPECT_EQ(accepted, 1);
}

TEST(Jwt, IsGoodFromItsBeginToItsEnd) {
  const auto text = token(claims());
  EXPECT_TRUE(verify(text, kAtNow + 600s + 29s));
  EXPECT_THAT(refusal(text, kAtNow + 600s + 30s),
              HasSubstr("it has expired at 2025-10-09 09:03:20Z"));
  EXPECT_TRUE(verify(text, kAtNow - 600s - 30s));
  EXPECT_THAT(refusal(text, kAtNow - 600s - 31s), HasSubstr("not valid before"));
  const auto exp = fmt::format(R"("exp":{},)", kNow + 600);
  const auto nbf = fmt::format(R"("nbf":{},)", kNow - 600);
  EXPECT_THAT(refusal(token(claims(exp, ""))), HasSubstr("no exp"));
  EXPECT_TRUE(verify(token(claims(nbf, ""))));
  EXPECT_TRUE(verify(token(claims(exp, fmt::format(R"("exp":{}.5,)", kNow)))));
  for (const auto* bad : {"null", "true", "\"1900000000\"", "-1", "1e300", "253402300800",
                          "18446744073709551615", "[1900000000]"}) {
    EXPECT_THAT(refusal(token(claims(exp, fmt::format(R"("exp":{},)", bad)))),
                HasSubstr("exp is no time"))
        << bad;
    EXPECT_THAT(refusal(token(claims(nbf, fmt::format(R"("nbf":{},)", bad)))),
                HasSubstr("nbf is no time"))
        << bad;
  }
}

TEST(Jwt, IsOfTheIssuerAndForTheAudience) {
  const std::string iss = R"("iss":"https://issuer.example",)", aud = R"("aud":"lyceum",)";
  for (const auto* other : {"", R"("iss":"https://issuer.example/",)", R"("iss":7,)",
                            R"("iss":["https://issuer.example"],)"}) {
    EXPECT_THAT(refusal(token(claims(iss, other))), HasSubstr("iss is not"));
    EXPECT_TRUE(verify_jwt(token(claims(iss, other)), keys(), {.audience = "lyceum"}, kAtNow));
  }
  for (const auto* other : {"", R"("aud":"lyceum2",)", R"("aud":[],)", R"("aud":["other", 7],)",
                            R"("aud":{"lyceum":1},)"}) {
    EXPECT_THAT(refusal(token(claims(aud, other))), HasSubstr("aud does not"));
    EXPECT_TRUE(verify_jwt(token(claims(aud, other)), keys(), {.issuer = "https://issuer.example"},
                           kAtNow));
  }
  EXPECT_TRUE(verify(token(claims(aud, R"("aud":["other","lyceum"],)"))));
}

TEST(Jwt, NamesATenantAndRolesThatAreKnown) {
  const auto tenant = fmt::format(R"("tenant":"{}",)", kTenant);
  EXPECT_THAT(refusal(token(claims(tenant, ""))), HasSubstr("no tenant"));
  for (const auto* bad :
       {"7", "null", "\"\"", "\"school\"", "[\"11111111-2222-3333-4444-5555555555\"]",
        "\"{11111111-2222-3333-4444-555555555555}\"",
        "\"11111111-2222-3333-4444-555555555555 \""}) {
    EXPECT_THAT(refusal(token(claims(tenant, fmt::format(R"("tenant":{},)", bad)))),
                HasSubstr("tenant is no UUID"));
  }
  const std::string roles = R"(["teacher"])";
  EXPECT_THAT(refusal(token(claims(R"("roles":["teacher"],)", ""))), HasSubstr("no roles"));
  for (const auto* bad :
       {"7", "null", "{\"teacher\":true}", "[\"teacher\",7]", "[[\"teacher\"]]"}) {
    EXPECT_THAT(refusal(token(claims(roles, bad))), HasSubstr("neither an array"));
  }
  for (const auto* bad : {"[]", "\"\"", "\" \"", "[\"Teacher\"]", "\"teachers\"", "[\"teacher \"]",
                          "\"teacher,admin\""}) {
    EXPECT_THAT(refusal(token(claims(roles, bad))), HasSubstr("no role that is known"));
  }
  EXPECT_EQ(verify(token(claims(roles, R"(["owner","admin","service"])")))->roles,
            (Roles{Role::admin, Role::service}));
  EXPECT_EQ(verify(token(claims(roles, R"("teacher admin")")))->roles,
            (Roles{Role::teacher, Role::admin}));
  EXPECT_THAT(refusal(token(claims(R"("ada")", "7"))), HasSubstr("sub"));
  EXPECT_THAT(refusal(token(claims(R"("ada")", R"("a\nb")"))), HasSubstr("sub"));
  EXPECT_THAT(refusal(token(claims("ada", std::string(256, 'a')))), HasSubstr("sub"));
}

TEST(Jwt, IsJsonThatReadsInOneWay) {
  EXPECT_THAT(refusal(token(claims(R"("sub")", R"("tenant":"x","sub")"))),
              HasSubstr("stands twice"));
  EXPECT_THAT(refusal(token(claims(R"("sub")", R"("\u0074enant":"x","sub")"))),
              HasSubstr("stands twice"));
  EXPECT_THAT(refusal(token(claims(R"("sub")", R"("x":[{"y":1,"y":2}],"sub")"))),
              HasSubstr("stands twice"));
  EXPECT_THAT(
      refusal(signed_token(secret(), R"({"alg":"none","alg":"HS256","kid":"h"})", claims())),
      HasSubstr("stands twice"));
  const auto deep = [](std::size_t levels) {
    return R"("x":)" + std::string(levels, '[') + std::string(levels, ']') + R"(,"sub")";
  };
  EXPECT_TRUE(verify(token(claims(R"("sub")", deep(5)))));
  EXPECT_THAT(refusal(token(claims(R"("sub")", deep(9)))), HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal(token(claims(R"("sub")", deep(1000)))), HasSubstr("nested too deeply"));
  for (const auto* text : {"", "[]", "7", "null", "{", "{}{}", "{\"a\":1,}", "{\"a\":\"\xff\"}",
                           "// c\n{}", "{'a':1}"}) {
    EXPECT_THAT(refusal(token(text)), HasSubstr("of its claims")) << text;
    EXPECT_THAT(refusal(signed_token(secret(), text, claims())), HasSubstr("of its header"));
  }
}

TEST(Jwt, IsRefusedUnreadWhereItIsTooLarge) {
  const auto fill = [](std::size_t size) {
    return token(claims("ada", "ada\",\"x\":\"" + std::string(size, 'x')));
  };
  EXPECT_TRUE(verify(fill(5000)));
  EXPECT_THAT(refusal(fill(8192)), HasSubstr("more than 8192 bytes"));
  EXPECT_EQ(unknown_key_id(std::string(1 << 20, 'a') + ".b.c", keys(), kExpected), std::nullopt);
}

}  // namespace
}  // namespace lyceum::server
