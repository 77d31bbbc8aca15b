#include "local/files.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace lyceum::local {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

Result<void> make_directory(const fs::path& path, mode_t mode,
                            const std::optional<Account>& owner) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return system_error(fmt::format("cannot make the directory {}", path.string()), errno);
  }
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) {
    return system_error(fmt::format("cannot open the directory {}", path.string()), errno);
  }
  if (owner && ::geteuid() == 0 && ::fchown(directory.get(), owner->uid, owner->gid) != 0) {
    return system_error(fmt::format("cannot give {} to {}", path.string(), owner->name), errno);
  }
  if (::fchmod(directory.get(), mode) != 0) {
    return system_error(fmt::format("cannot set the mode of {}", path.string()), errno,
                        "it belongs to another user: choose another state directory");
  }
  return {};
}

Result<void> write_file(const fs::path& path, std::string_view text, mode_t mode,
                        const std::optional<Account>& owner) {
  const fs::path draft = path.string() + ".new";
  ::unlink(draft.c_str());
  const Descriptor file(
      ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  const auto failed = [&] {
    return system_error(fmt::format("cannot write {}", path.string()), errno);
  };
  if (!file) return failed();
  while (!text.empty()) {
    const auto written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed();
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (owner && ::geteuid() == 0 && ::fchown(file.get(), owner->uid, owner->gid) != 0) {
    return failed();
  }
  if (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0 ||
      ::rename(draft.c_str(), path.c_str()) != 0) {
    return failed();
  }
  return {};
}

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<void> remove_tree(const fs::path& path) {
  std::error_code error;
  for (int attempt = 0; attempt < 100; ++attempt) {
    fs::remove_all(path, error);
    if (!fs::exists(fs::symlink_status(path))) return {};
    std::this_thread::sleep_for(milliseconds(10));
  }
  return Error{.code = ErrorCode::kIo,
               .message = fmt::format("cannot remove {}: {}", path.string(), error.message()),
               .hint = "end the processes that use it and repeat"};
}

std::optional<fs::path> closed_on_the_way(const fs::path& path, const Account& account) {
  fs::path sofar;
  for (const auto& part : path) {
    sofar /= part;
    struct stat info{};
    if (::stat(sofar.c_str(), &info) != 0) return std::nullopt;
    const mode_t bit = info.st_uid == account.uid   ? S_IXUSR
                       : info.st_gid == account.gid ? S_IXGRP
                                                    : S_IXOTH;
    if ((info.st_mode & bit) == 0) return sofar;
  }
  return std::nullopt;
}

Result<fs::path> make_temporary_directory(const fs::path& base, std::string_view prefix) {
  std::string name = (base / fmt::format("{}XXXXXX", prefix)).string();
  if (::mkdtemp(name.data()) == nullptr) {
    return system_error(fmt::format("cannot make a directory in {}", base.string()), errno);
  }
  return fs::path(name);
}

std::string random_hex(std::size_t digits) {
  std::string bytes((digits + 1) / 2, '\0');
  for (std::size_t have = 0; have < bytes.size();) {
    const auto got = ::getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  std::string out;
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  out.resize(digits);
  return out;
}

Result<LockFile> LockFile::take(const fs::path& path, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  for (;;) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) {
      return system_error(fmt::format("cannot open the lock {}", path.string()), errno);
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      // The holder before us may have removed the file after we opened it: then ours is not the
      // one that the next comer opens.
      struct stat ours{};
      struct stat present{};
      if (::fstat(file.get(), &ours) == 0 && ::stat(path.c_str(), &present) == 0 &&
          ours.st_ino == present.st_ino && ours.st_dev == present.st_dev) {
        const auto text = fmt::format("{}\n", ::getpid());
        if (::ftruncate(file.get(), 0) != 0 ||
            ::pwrite(file.get(), text.data(), text.size(), 0) < 0) {
          return system_error(fmt::format("cannot write the lock {}", path.string()), errno);
        }
        return LockFile(std::move(file), path);
      }
      continue;
    }
    if (steady_clock::now() >= deadline) {
      auto holder = read_file(path).value_or("");
      while (!holder.empty() && holder.back() == '\n') holder.pop_back();
      return Error{.code = ErrorCode::kTimeout,
                   .message = fmt::format("{} is held by process {}", path.string(), holder),
                   .hint = "wait for it to end, or end it, and repeat"};
    }
    std::this_thread::sleep_for(milliseconds(20));
  }
}

LockFile::~LockFile() {
  if (file_) ::unlink(path_.c_str());
}

}  // namespace lyceum::local
