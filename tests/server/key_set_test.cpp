#include "server/key_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/signing.h"

namespace lyceum::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kSecret = "0123456789abcdef0123456789abcdef";

std::string problem(const std::string& text) {
  const auto result = KeySet::parse(text);
  if (result) {
    ADD_FAILURE() << "accepted: " << text;
    return "";
  }
  EXPECT_EQ(result.error().code, ErrorCode::kConfiguration);
  return result.error().to_string();
}

// RFC 7515, appendices A.1 and A.2, and RFC 8037, appendix A.4.
constexpr std::string_view kRfcClaims =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
    "fQ";

struct Example {
  std::string key, text, signature;
};

std::vector<Example> rfc_examples() {
  return {
      {R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUu)"
       R"(TwjAzZr1Z9CAow"})",
       "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + std::string(kRfcClaims),
       "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
      {R"({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmf)"
       R"(HQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGz)"
       R"(jb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlx)"
       R"(vb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4F)"
       R"(RWyuXpoQ"})",
       "eyJhbGciOiJSUzI1NiJ9." + std::string(kRfcClaims),
       "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
       "O8W2Fp5"
       "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
       "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
       "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
       "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
       "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
      {R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
       "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
       "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
  };
}

TEST(KeySet, VerifiesTheSignaturesOfTheRfcs) {
  for (const auto& [key, text, signature] : rfc_examples()) {
    const auto keys = KeySet::parse(set_of(key));
    ASSERT_TRUE(keys) << keys.error().to_string();
    const auto& one = keys->keys().at(0);
    auto bytes = from_base64url(signature).value();
    EXPECT_TRUE(one.verifies(text, bytes)) << name_of(one.algorithm());
    EXPECT_FALSE(one.verifies(text + "A", bytes));
    EXPECT_FALSE(one.verifies(text, ""));
    EXPECT_FALSE(one.verifies(text, bytes + '\0'));
    EXPECT_FALSE(one.verifies(text, bytes.substr(1)));
    bytes[0] = static_cast<char>(bytes[0] ^ 1);
    EXPECT_FALSE(one.verifies(text, bytes));
    bytes[0] = static_cast<char>(bytes[0] ^ 1);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    EXPECT_FALSE(one.verifies(text, bytes));
  }
}

TEST(KeySet, PinsTheAlgorithmOfEachKey) {
  const auto keys =
      KeySet::parse(set_of(Signer::secret(kSecret).jwk("h") + ',' +
                           an_rsa_key().jwk("r", R"(,"alg":"RS256","use":"sig")") + ',' +
                           Signer::ed25519().jwk("e", R"(,"key_ops":["verify"])")));
  ASSERT_TRUE(keys) << keys.error().to_string();
  EXPECT_EQ(keys->find("h")->algorithm(), Algorithm::hs256);
  EXPECT_EQ(keys->find("r")->algorithm(), Algorithm::rs256);
  EXPECT_EQ(keys->find("e")->algorithm(), Algorithm::eddsa);
  EXPECT_EQ(keys->find("x"), nullptr);
  EXPECT_EQ(keys->find(""), nullptr);
  EXPECT_EQ(keys->find(std::nullopt), nullptr) << "which of three?";
  EXPECT_TRUE(keys->ignored().empty());
}

TEST(KeySet, ReadsOnePublicKeyInPem) {
  for (const auto& signer : {an_rsa_key(), Signer::ed25519()}) {
    const auto named = KeySet::parse("\n" + signer.pem(), "mine");
    ASSERT_TRUE(named) << named.error().to_string();
    EXPECT_EQ(name_of(named->keys()[0].algorithm()), signer.algorithm());
    EXPECT_TRUE(named->keys()[0].verifies("text", signer.sign("text")));
    EXPECT_NE(named->find("mine"), nullptr);
    EXPECT_NE(named->find(std::nullopt), nullptr);
    EXPECT_EQ(named->find("other"), nullptr);
    const auto nameless = KeySet::parse(signer.pem());
    ASSERT_TRUE(nameless);
    EXPECT_NE(nameless->find("any"), nullptr) << "a PEM has no place for an id";
  }
  EXPECT_THAT(problem(an_rsa_key().private_pem()), HasSubstr("private key"));
  EXPECT_THAT(problem(an_rsa_key().pem() + Signer::ed25519().pem()), HasSubstr("more than one"));
  EXPECT_THAT(problem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
              HasSubstr("no public key"));
  EXPECT_THAT(problem(Signer::rsa(1024).pem()), HasSubstr("1024 bits"));
}

TEST(KeySet, PassesOverWhatIsForSomethingElseWithTheReason) {
  const auto keys = KeySet::parse(set_of(
      R"({"kty":"EC","crv":"P-256","kid":"1"},{"kty":"OKP","crv":"X25519","kid":"2","x":"AA"},)" +
      Signer::secret(kSecret).jwk("3", R"(,"use":"enc")") + ',' +
      Signer::secret(kSecret).jwk("4", R"(,"alg":"HS512")") + ',' +
      an_rsa_key().jwk("5", R"(,"alg":"PS256")") + ',' +
      an_rsa_key().jwk("6", R"(,"key_ops":["encrypt"])") + ',' + Signer::secret(kSecret).jwk("7")));
  ASSERT_TRUE(keys) << keys.error().to_string();
  ASSERT_EQ(keys->keys().size(), 1U);
  EXPECT_EQ(keys->keys()[0].id(), "7");
  ASSERT_EQ(keys->ignored().size(), 6U);
  const std::array reasons{"kty", "curve", "signatures", "HS256", "RS256", "verify"};
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    EXPECT_EQ(keys->ignored()[i].id, std::to_string(i + 1));
    EXPECT_THAT(keys->ignored()[i].reason, HasSubstr(reasons[i]));
  }
  EXPECT_THAT(problem(set_of(R"({"kty":"EC","kid":"1"})")), HasSubstr("no key in it"));
  EXPECT_THAT(problem(set_of("")), HasSubstr("no key in it"));
}

TEST(KeySet, RefusesWhatIsWeakMalformedOrAmbiguous) {
  const auto hs = Signer::secret(kSecret);
  EXPECT_THAT(problem(set_of(hs.jwk("a") + ',' + an_rsa_key().jwk("a"))),
              HasSubstr("('a'): its kid stands twice"));
  EXPECT_THAT(problem(set_of(hs.jwk("") + ',' + hs.jwk(""))), HasSubstr("second without kid"));
  EXPECT_THAT(problem(set_of(Signer::secret(kSecret.substr(1)).jwk("a"))), HasSubstr("32 bytes"));
  EXPECT_THAT(problem(set_of(Signer::rsa(1024).jwk("a"))), HasSubstr("1024 bits"));
  EXPECT_THAT(problem(set_of(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})")), HasSubstr("key 1"));
  EXPECT_THAT(problem(set_of(R"({"kty":"RSA","n":"AQAB"})")), HasSubstr("n or e"));
  EXPECT_THAT(problem(set_of(R"({"kty":"oct"})")), HasSubstr("k is missing"));
  EXPECT_THAT(problem(set_of(R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})")),
              HasSubstr("32 bytes"));
  EXPECT_THAT(problem(set_of(R"({"kty":7})")), HasSubstr("kty"));
  EXPECT_THAT(problem(set_of(R"({"kty":"oct","kid":7})")), HasSubstr("kid"));
  EXPECT_THAT(problem(set_of(R"({"kty":"oct","kid":"a\nb"})")), HasSubstr("kid"));
  EXPECT_THAT(problem(set_of("7")), HasSubstr("no object"));
  EXPECT_THAT(problem(R"({"keys":{}})"), HasSubstr("no array of keys"));
  EXPECT_THAT(problem(hs.jwk("a")), HasSubstr("no array of keys"));
  for (const auto& text : {std::string(), std::string("[]"), std::string("{"), set_of("") + "x"}) {
    EXPECT_THAT(problem(text), HasSubstr("neither PEM nor a JSON Web Key Set"));
  }
  // The exponent 1 makes every text its own signature.
  auto weak = an_rsa_key().jwk("a");
  weak.replace(weak.find("\"e\":\"AQAB\""), 10, "\"e\":\"AQ\"");
  EXPECT_FALSE(KeySet::parse(set_of(weak)));
}

TEST(KeySet, ShowsNoSecretInAnyError) {
  const std::string secret = "hunter2hunter2hunter2hunter2hunter2";
  const auto key = Signer::secret(secret).jwk("a");
  const auto shown = to_base64url(secret);
  const std::vector<std::string> documents{set_of(key + ',' + key),
                                           set_of(key + "]"),
                                           key,
                                           set_of(key).substr(1),
                                           set_of(key + R"(,{})"),
                                           "x" + key,
                                           set_of(key + ",7"),
                                           R"({"keys":")" + shown + "\"}"};
  for (const auto& document : documents) {
    EXPECT_THAT(problem(document), Not(HasSubstr(shown.substr(0, 8))));
  }
  EXPECT_THAT(problem(an_rsa_key().private_pem()),
              Not(HasSubstr(an_rsa_key().private_pem().substr(40, 8))));
}

}  // namespace
}  // namespace lyceum::server
