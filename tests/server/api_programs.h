#pragma once

// The programs that the tests of the data API ask, each started by the first who asks: one over the
// loaded database, which nothing changes, and one over a database of its own.

#include <string>
#include <utility>
#include <vector>

#include "server/api_harness.h"

namespace lyceum::server {

struct Reading {
  AppDatabase& database = learning::reading();
  Subject subject = subject_of(database, 0);
  std::string token = staff(subject.tenant);
  Served served{database};
};
inline Reading& reading() {
  static Reading one;
  return one;
}

struct Writing {
  AppDatabase database;
  Subject subject = subject_of(database, 0);
  std::string token = staff(subject.tenant);
  Served served{database};

  HttpReply post(const std::string& target, const std::string& body,
                 std::vector<std::pair<std::string, std::string>> headers = {}) {
    return served({"POST", target, body, token, std::move(headers)});
  }
  [[nodiscard]] std::string value(const std::string& sql) const { return database.value(sql); }
};
inline Writing& writing() {
  static Writing one;
  return one;
}

inline HttpReply get(const std::string& target) {
  return reading().served({.target = target, .token = reading().token});
}

}  // namespace lyceum::server
