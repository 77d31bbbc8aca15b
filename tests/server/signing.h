#pragma once

#include <fmt/format.h>
#include <memory>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/base64.h"

namespace lyceum::server {

inline const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A key that signs tokens, as an issuer has it; by OpenSSL alone, without what is tested.
class Signer {
 public:
  static Signer rsa(unsigned bits = 2048) { return of(EVP_RSA_gen(bits), "RS256"); }
  static Signer ed25519() { return of(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), "EdDSA"); }
  static Signer secret(std::string bytes) {
    Signer out;
    out.algorithm_ = "HS256";
    out.secret_ = std::move(bytes);
    return out;
  }

  [[nodiscard]] const std::string& algorithm() const { return algorithm_; }

  [[nodiscard]] std::string sign(std::string_view text) const {
    if (key_ == nullptr) {
      unsigned int size = 32;
      std::string out(size, '\0');
      HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), raw(text), text.size(),
           reinterpret_cast<unsigned char*>(out.data()), &size);
      return out;
    }
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    std::size_t size = 1024;
    std::string out(size, '\0');
    if (EVP_DigestSignInit(context.get(), nullptr, algorithm_ == "RS256" ? EVP_sha256() : nullptr,
                           nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                       raw(text), text.size()) != 1) {
      throw std::runtime_error("cannot sign");
    }
    out.resize(size);
    return out;
  }

  // The public key in PEM.
  [[nodiscard]] std::string pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> to(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PUBKEY(to.get(), key_.get());
    return text_of(to.get());
  }
  [[nodiscard]] std::string private_pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> to(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PrivateKey(to.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(to.get());
  }

  // One key of a JSON Web Key Set; `more` are members, each with a comma before it.
  [[nodiscard]] std::string jwk(std::string_view kid, std::string_view more = {}) const {
    std::string material;
    if (key_ == nullptr) {
      material = fmt::format(R"("kty":"oct","k":"{}")", to_base64url(secret_));
    } else if (algorithm_ == "RS256") {
      material = fmt::format(R"("kty":"RSA","n":"{}","e":"{}")", number(OSSL_PKEY_PARAM_RSA_N),
                             number(OSSL_PKEY_PARAM_RSA_E));
    } else {
      std::string bytes(32, '\0');
      std::size_t size = bytes.size();
      EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(bytes.data()),
                                  &size);
      material = fmt::format(R"("kty":"OKP","crv":"Ed25519","x":"{}")", to_base64url(bytes));
    }
    return fmt::format(R"({{{},"kid":"{}"{}}})", material, kid, more);
  }

 private:
  static Signer of(EVP_PKEY* key, std::string algorithm) {
    if (key == nullptr) throw std::runtime_error("cannot make a key");
    Signer out;
    out.algorithm_ = std::move(algorithm);
    out.key_ = std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
    return out;
  }
  static std::string text_of(BIO* from) {
    char* data = nullptr;
    const auto size = BIO_get_mem_data(from, &data);
    return {data, static_cast<std::size_t>(size)};
  }
  [[nodiscard]] std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
    BN_free(value);
    return to_base64url(bytes);
  }

  std::string algorithm_;
  std::string secret_;
  std::shared_ptr<EVP_PKEY> key_;
};

inline std::string set_of(const std::string& keys) {
  return R"({"keys":[)" + keys + "]}";
}

inline std::string signed_token(const Signer& by, std::string_view header,
                                std::string_view claims) {
  const auto text = to_base64url(header) + '.' + to_base64url(claims);
  return text + '.' + to_base64url(by.sign(text));
}

inline std::string header_of(const Signer& by, std::string_view kid) {
  return fmt::format(R"({{"alg":"{}","typ":"JWT","kid":"{}"}})", by.algorithm(), kid);
}

// Made once: an RSA key takes a while.
inline const Signer& an_rsa_key() {
  static const Signer signer = Signer::rsa();
  return signer;
}

}  // namespace lyceum::server
