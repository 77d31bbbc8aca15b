#include "server/key_set.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "server/strict_json.h"

namespace lyceum::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kLeastSecretBytes = 32;  // RFC 7518, section 3.2
constexpr int kLeastRsaBits = 2048;            // RFC 7518, section 3.3
constexpr int kMostRsaBits = 8192;             // bounds what one signature costs
constexpr std::size_t kEd25519Bytes = 32;
constexpr std::size_t kSetDepth = 16;

template <auto Free>
struct Freeing {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Freeing<Free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::shared_ptr<EVP_PKEY> shared(EVP_PKEY* key) {
  return key == nullptr ? nullptr : std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
}

Error wrong(std::string message, std::string hint = {}) {
  // What the crypto library noted about a key that we refuse is of no use to whoever asks it next.
  ERR_clear_error();
  return {
      .code = ErrorCode::kConfiguration, .message = std::move(message), .hint = std::move(hint)};
}

// The member as text: nothing where it is missing, and `fits` false where it is no text.
std::optional<std::string> text_member(const json::object& object, std::string_view name,
                                       bool& fits) {
  const auto* value = object.if_contains(json::string_view(name.data(), name.size()));
  if (value == nullptr) return std::nullopt;
  const auto* text = value->if_string();
  if (text == nullptr) {
    fits = false;
    return std::nullopt;
  }
  return std::string(text->data(), text->size());
}

std::optional<std::string> bytes_member(const json::object& object, std::string_view name) {
  bool fits = true;
  const auto text = text_member(object, name, fits);
  if (!text) return std::nullopt;
  return from_base64url(*text);
}

std::shared_ptr<EVP_PKEY> rsa_key(std::string_view modulus, std::string_view exponent) {
  const Owned<BIGNUM, BN_free> n(
      BN_bin2bn(bytes_of(modulus), static_cast<int>(modulus.size()), nullptr));
  const Owned<BIGNUM, BN_free> e(
      BN_bin2bn(bytes_of(exponent), static_cast<int>(exponent.size()), nullptr));
  const Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> build(OSSL_PARAM_BLD_new());
  if (!n || !e || !build ||
      OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  const Owned<OSSL_PARAM, OSSL_PARAM_free> params(OSSL_PARAM_BLD_to_param(build.get()));
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return shared(key);
}

std::optional<Error> check_rsa(EVP_PKEY* key, const std::string& who) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < kLeastRsaBits || bits > kMostRsaBits) {
    return wrong(fmt::format("{}: its {} bits are outside of {} to {}", who, bits, kLeastRsaBits,
                             kMostRsaBits));
  }
  BIGNUM* exponent = nullptr;
  (void)EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent);
  const Owned<BIGNUM, BN_free> owned(exponent);
  // With the exponent 1 everything is its own signature; a long one only costs time.
  if (!owned || !BN_is_odd(exponent) || BN_is_one(exponent) || BN_num_bits(exponent) > 64) {
    return wrong(who + ": its public exponent is not one that RSA uses");
  }
  return std::nullopt;
}

// What a key of a set is: a key of ours, one to pass over with the reason, or an error.
struct Read {
  std::optional<VerificationKey> key = {};
  std::string ignored = {};
  std::optional<Error> error = {};
};

Read read_key(const json::object& object, const std::string& id, const std::string& who) {
  bool fits = true;
  const auto kty = text_member(object, "kty", fits);
  const auto alg = text_member(object, "alg", fits);
  const auto use = text_member(object, "use", fits);
  const auto crv = text_member(object, "crv", fits);
  if (!fits || !kty) return {.error = wrong(who + ": kty, alg, use or crv is missing or no text")};

  Algorithm algorithm{};
  if (*kty == "oct") {
    algorithm = Algorithm::hs256;
  } else if (*kty == "RSA") {
    algorithm = Algorithm::rs256;
  } else if (*kty == "OKP") {
    algorithm = Algorithm::eddsa;
    if (crv != "Ed25519") return {.ignored = "its curve is not Ed25519"};
  } else {
    return {.ignored = "its kty is not oct, RSA or OKP"};
  }
  if (use && *use != "sig") return {.ignored = "it is not for signatures"};
  if (alg && *alg != name_of(algorithm)) {
    return {.ignored = fmt::format("its alg is not {}", name_of(algorithm))};
  }
  if (const auto* operations = object.if_contains("key_ops")) {
    const auto* list = operations->if_array();
    if (list == nullptr) return {.error = wrong(who + ": key_ops is no array")};
    if (std::ranges::none_of(*list, [](const json::value& one) { return one == "verify"; })) {
      return {.ignored = "its key_ops do not have verify"};
    }
  }

  switch (algorithm) {
    case Algorithm::hs256: {
      auto secret = bytes_member(object, "k");
      if (!secret) return {.error = wrong(who + ": k is missing or no base64url")};
      if (secret->size() < kLeastSecretBytes) {
        return {.error = wrong(fmt::format("{}: a shared secret has at least {} bytes", who,
                                           kLeastSecretBytes),
                               "make one: openssl rand 32 | basenc --base64url")};
      }
      return {.key = VerificationKey::shared_secret(id, Secret(std::move(*secret)))};
    }
    case Algorithm::rs256: {
      const auto n = bytes_member(object, "n"), e = bytes_member(object, "e");
      if (!n || !e) return {.error = wrong(who + ": n or e is missing or no base64url")};
      if (n->size() > kMostRsaBits / 8 + 1 || e->size() > kMostRsaBits / 8) {
        return {.error = wrong(fmt::format("{}: it has more than {} bits", who, kMostRsaBits))};
      }
      auto key = rsa_key(*n, *e);
      if (!key) return {.error = wrong(who + ": n and e make no RSA key")};
      if (auto error = check_rsa(key.get(), who)) return {.error = error};
      return {.key = VerificationKey::public_key(id, algorithm, std::move(key))};
    }
    case Algorithm::eddsa: {
      const auto x = bytes_member(object, "x");
      if (!x || x->size() != kEd25519Bytes) {
        return {.error = wrong(who + ": x is missing or not 32 bytes in base64url")};
      }
      auto key =
          shared(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*x), x->size()));
      if (!key) return {.error = wrong(who + ": x makes no Ed25519 key")};
      return {.key = VerificationKey::public_key(id, algorithm, std::move(key))};
    }
  }
  return {};
}

Result<VerificationKey> read_pem(std::string_view text, std::string id) {
  if (text.find("PRIVATE KEY-----") != std::string_view::npos) {
    return wrong("the file holds a private key, which has no business here",
                 "give the public one: openssl pkey -in private.pem -pubout");
  }
  const auto first = text.find("-----BEGIN");
  if (text.find("-----BEGIN", first + 1) != std::string_view::npos) {
    return wrong("the file holds more than one PEM", "several keys stand in a JSON Web Key Set");
  }
  const Owned<BIO, BIO_free> from(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  // Without a callback the library would ask the terminal for a password.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  auto key =
      shared(from ? PEM_read_bio_PUBKEY(from.get(), nullptr, no_password, nullptr) : nullptr);
  if (!key) {
    return wrong("the PEM holds no public key",
                 "it begins with -----BEGIN PUBLIC KEY-----; openssl x509 -pubkey takes one out of "
                 "a certificate");
  }
  switch (EVP_PKEY_get_base_id(key.get())) {
    case EVP_PKEY_RSA:
      if (auto error = check_rsa(key.get(), "the RSA key")) return *error;
      return VerificationKey::public_key(std::move(id), Algorithm::rs256, std::move(key));
    case EVP_PKEY_ED25519:
      return VerificationKey::public_key(std::move(id), Algorithm::eddsa, std::move(key));
    default:
      return wrong("the PEM's key is neither RSA nor Ed25519");
  }
}

}  // namespace

std::string_view name_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::hs256:
      return "HS256";
    case Algorithm::rs256:
      return "RS256";
    case Algorithm::eddsa:
      return "EdDSA";
  }
  return "";
}

VerificationKey VerificationKey::shared_secret(std::string id, Secret bytes) {
  VerificationKey out(std::move(id), Algorithm::hs256);
  out.secret_ = std::move(bytes);
  return out;
}

VerificationKey VerificationKey::public_key(std::string id, Algorithm algorithm,
                                            std::shared_ptr<evp_pkey_st> key) {
  VerificationKey out(std::move(id), algorithm);
  out.key_ = std::move(key);
  return out;
}

bool VerificationKey::verifies(std::string_view text, std::string_view signature) const {
  if (algorithm_ == Algorithm::hs256) {
    std::array<unsigned char, 32> mac{};
    unsigned int size = 0;
    const auto& secret = secret_.reveal();
    if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes_of(text),
             text.size(), mac.data(), &size) == nullptr) {
      return false;
    }
    return size == mac.size() && signature.size() == mac.size() &&
           CRYPTO_memcmp(mac.data(), signature.data(), mac.size()) == 0;
  }
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  const EVP_MD* digest = algorithm_ == Algorithm::rs256 ? EVP_sha256() : nullptr;
  const bool good =
      context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                       text.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

bool is_key_id(std::string_view text) {
  return text.size() <= 256 &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

Result<KeySet> KeySet::parse(std::string_view text, std::string pem_key_id) {
  KeySet out;
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && text.substr(start).starts_with("-----BEGIN")) {
    if (!is_key_id(pem_key_id))
      return wrong("the key's id is not at most 256 printable characters");
    auto key = read_pem(text, std::move(pem_key_id));
    if (key.has_error()) return key.error();
    out.keys_.push_back(std::move(*key));
    return out;
  }
  const auto document = parse_strict_object(text, kSetDepth);
  if (document.has_error()) {
    return wrong("it is neither PEM nor a JSON Web Key Set: " + document.error().message);
  }
  const auto* member = document->if_contains("keys");
  const auto* list = member == nullptr ? nullptr : member->if_array();
  if (list == nullptr) {
    return wrong("it is no JSON Web Key Set: there is no array of keys",
                 R"(write {"keys": [{"kty": …, "kid": …, …}]})");
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    auto who = fmt::format("key {}", i + 1);
    const auto* object = (*list)[i].if_object();
    if (object == nullptr) return wrong(who + " is no object");
    bool fits = true;
    const auto id = text_member(*object, "kid", fits).value_or("");
    if (!fits || !is_key_id(id)) {
      return wrong(who + ": kid is not at most 256 printable characters");
    }
    if (!id.empty()) who += fmt::format(" ('{}')", id);
    auto read = read_key(*object, id, who);
    if (read.error) return *read.error;
    if (!read.key) {
      out.ignored_.push_back({id, read.ignored});
      continue;
    }
    if (std::ranges::count(out.keys_, id, &VerificationKey::id) > 0) {
      return wrong(id.empty() ? who + ": it is the second without kid"
                              : who + ": its kid stands twice");
    }
    out.keys_.push_back(std::move(*read.key));
  }
  if (out.keys_.empty()) {
    std::string why;
    if (!out.ignored_.empty()) why = fmt::format(": of the first, {}", out.ignored_[0].reason);
    return wrong("there is no key in it that tokens can be checked with" + why);
  }
  return out;
}

const VerificationKey* KeySet::find(const std::optional<std::string>& key_id) const {
  const auto found = std::ranges::find(keys_, key_id.value_or(""), &VerificationKey::id);
  if (found != keys_.end()) return &*found;
  if (keys_.size() == 1 && (!key_id || keys_[0].id().empty())) return keys_.data();
  return nullptr;
}

}  // namespace lyceum::server
