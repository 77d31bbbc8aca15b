#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace lyceum::cli {

// A table of text for people: columns as wide as their widest cell, numbers to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  void print(std::ostream& out) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

// "1,234,567", "12.3 MB", "1.5 s": figures as people read them.
[[nodiscard]] std::string count_text(std::uint64_t count);
[[nodiscard]] std::string bytes_text(std::int64_t bytes);
[[nodiscard]] std::string seconds_text(double seconds);

}  // namespace lyceum::cli
