#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/error.h"
#include "local/descriptor.h"
#include "local/process.h"

namespace lyceum::local {

// Makes the directory if it is missing (its parent must be there), owned by `owner` where that is
// given. An existing one gets the owner and the mode.
[[nodiscard]] Result<void> make_directory(const std::filesystem::path& path, mode_t mode,
                                          const std::optional<Account>& owner = std::nullopt);

// Replaces the file in one step: whoever reads it sees the old text or the new one. Follows no
// symbolic link in the last component.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view text,
                                      mode_t mode,
                                      const std::optional<Account>& owner = std::nullopt);

// Nothing where the file does not exist or cannot be read.
[[nodiscard]] std::optional<std::string> read_file(const std::filesystem::path& path);

// Removes the file or directory and all in it; nothing to remove is no error. Tries again for a
// short while where a dying process still writes there.
[[nodiscard]] Result<void> remove_tree(const std::filesystem::path& path);

// The first directory on the way to `path` that `account` may not enter, or nothing.
[[nodiscard]] std::optional<std::filesystem::path> closed_on_the_way(
    const std::filesystem::path& path, const Account& account);

// A fresh directory <base>/<prefix>XXXXXX, mode 0700.
[[nodiscard]] Result<std::filesystem::path> make_temporary_directory(
    const std::filesystem::path& base, std::string_view prefix);

// Random lower-case hexadecimal digits, from the operating system's generator.
[[nodiscard]] std::string random_hex(std::size_t digits);

// An exclusive lock on a file, held until destruction, which removes the file. The lock goes with
// the process that holds it, however that ends.
class LockFile {
 public:
  // Waits for the present holder. Error: kTimeout, naming the holder's process id.
  [[nodiscard]] static Result<LockFile> take(const std::filesystem::path& path,
                                             std::chrono::milliseconds timeout);
  LockFile(LockFile&&) noexcept = default;
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  LockFile(Descriptor file, std::filesystem::path path)
      : file_(std::move(file)), path_(std::move(path)) {}

  Descriptor file_;
  std::filesystem::path path_;
};

}  // namespace lyceum::local
