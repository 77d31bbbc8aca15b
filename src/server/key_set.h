#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace lyceum::server {

// How a token is signed (RFC 7518, RFC 8037).
enum class Algorithm { hs256, rs256, eddsa };

// "HS256", "RS256", "EdDSA", as a token's header names them.
[[nodiscard]] std::string_view name_of(Algorithm algorithm);

// A key that signatures are checked with. It serves one algorithm, whatever a token claims: a
// public RSA key is never taken for a shared secret. Immutable; any thread.
class VerificationKey {
 public:
  [[nodiscard]] static VerificationKey shared_secret(std::string id, Secret bytes);
  // An RSA or an Ed25519 key, which decides the algorithm.
  [[nodiscard]] static VerificationKey public_key(std::string id, Algorithm algorithm,
                                                  std::shared_ptr<evp_pkey_st> key);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] Algorithm algorithm() const { return algorithm_; }
  // Whether the signature is this key's under the text. A shared secret's is compared in constant
  // time. The arithmetic of HS256 takes some 1 us, of RS256 (2048 bits) 16, of EdDSA 115.
  [[nodiscard]] bool verifies(std::string_view text, std::string_view signature) const;

 private:
  VerificationKey(std::string id, Algorithm algorithm)
      : id_(std::move(id)), algorithm_(algorithm) {}

  std::string id_;
  Algorithm algorithm_;
  Secret secret_;                     // HS256
  std::shared_ptr<evp_pkey_st> key_;  // the others
};

// A key of the document that is of no use here.
struct IgnoredKey {
  std::string id;
  std::string reason;
};

// The keys that tokens are checked with. Immutable; any thread.
class KeySet {
 public:
  // Reads a JSON Web Key Set (RFC 7517) or one public key in PEM.
  //
  // Of a set: kty oct (HS256), RSA (RS256), OKP with crv Ed25519 (EdDSA). A key whose alg, use,
  // key_ops, kty or crv says that it is for something else is passed over; private members are not
  // read. A key without kid may stand there once. Of a PEM: the key gets the id given, which may be
  // empty.
  //
  // Errors (kConfiguration): no such document; a key of ours that is malformed; one kid twice; RSA
  // outside of 2048 to 8192 bits; a shared secret of less than 32 bytes; a private key in PEM; no
  // key of use. No error quotes the document.
  [[nodiscard]] static Result<KeySet> parse(std::string_view text, std::string pem_key_id = {});

  // The key for a token that names this id, or none. A token without an id is checked with the key
  // that has none, or with the only one. A key without an id that is the only one serves every
  // token: a PEM has no place for an id, and it is the signature that counts.
  [[nodiscard]] const VerificationKey* find(const std::optional<std::string>& key_id) const;

  [[nodiscard]] const std::vector<VerificationKey>& keys() const { return keys_; }
  [[nodiscard]] const std::vector<IgnoredKey>& ignored() const { return ignored_; }

 private:
  std::vector<VerificationKey> keys_;
  std::vector<IgnoredKey> ignored_;
};

// Whether a text can be a key's id here: at most 256 bytes of printable ASCII, so that it may stand
// in errors and logs.
[[nodiscard]] bool is_key_id(std::string_view text);

}  // namespace lyceum::server
