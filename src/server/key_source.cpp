#include "server/key_source.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>

#include "base/sha256.h"

namespace lyceum::server {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;
constexpr std::size_t kMostRemembered = 1000;
constexpr Duration kBetweenRefetches = std::chrono::seconds(1);

Result<std::string> read_file(const std::string& path) {
  const auto failed = [&](std::string_view why) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("cannot read the keys in {}: {}", path, why),
                 .hint = "auth.keys_file names a JSON Web Key Set or a public key in PEM"};
  };
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return failed(errno == 0 ? "it is no readable file" : std::strerror(errno));
  std::string text(kMostBytes + 1, '\0');
  errno = 0;
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (errno != 0 && file.gcount() == 0)) {
    return failed(errno == 0 ? "it is no readable file" : std::strerror(errno));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostBytes) return failed("it has more than 1 MiB");
  return text;
}

}  // namespace

Result<std::shared_ptr<KeySource>> KeySource::open(std::string path, const Clock& clock,
                                                   std::string pem_key_id, OnFailure on_failure) {
  std::shared_ptr<KeySource> out(
      new KeySource(std::move(path), clock, std::move(pem_key_id), std::move(on_failure)));
  if (auto read = out->reload(); read.has_error()) return read.error();
  return out;
}

KeySource::Snapshot KeySource::current() const {
  const std::lock_guard lock(mutex_);
  return {.keys = keys_, .version = version_.load(std::memory_order_relaxed)};
}

Result<void> KeySource::reload() {
  const std::lock_guard lock(mutex_);
  return read();
}

bool KeySource::refetch(const std::string& key_id) {
  std::unique_lock lock(mutex_);
  // Another thread may have read them since the caller looked.
  if (keys_->find(key_id) != nullptr) return true;
  if (asked_.contains(key_id)) return false;
  const auto now = clock_.now();
  // Not remembered: this id has not had its reading yet.
  if (last_refetch_ && now - *last_refetch_ < kBetweenRefetches) return false;
  last_refetch_ = now;
  if (asked_.size() >= kMostRemembered) {
    asked_.erase(asked_order_.front());
    asked_order_.pop_front();
  }
  asked_.insert(key_id);
  asked_order_.push_back(key_id);
  const auto failure_before = last_failure_;
  const auto done = read();
  if (done.has_value()) return keys_->find(key_id) != nullptr;
  const bool is_news = last_failure_ != failure_before;
  lock.unlock();
  if (is_news && on_failure_) on_failure_(done.error());
  return false;
}

Result<void> KeySource::read() {
  const auto fail = [&](Error error) -> Result<void> {
    last_failure_ = error.message;
    return error;
  };
  const auto text = read_file(path_);
  if (text.has_error()) return fail(text.error());
  auto hash = hex(sha256(*text));
  // The same file leaves the version, and with it what others remember of it.
  if (keys_ == nullptr || hash != text_hash_) {
    auto keys = KeySet::parse(*text, pem_key_id_);
    if (keys.has_error()) {
      auto error = keys.error();
      error.message = fmt::format("the keys in {}: {}", path_, error.message);
      return fail(std::move(error));
    }
    keys_ = std::make_shared<const KeySet>(std::move(*keys));
    text_hash_ = std::move(hash);
    asked_.clear();
    asked_order_.clear();
    version_.fetch_add(1, std::memory_order_release);
  }
  last_failure_.clear();
  return {};
}

}  // namespace lyceum::server
