#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "watch/alerts.h"

namespace lyceum::watch {

enum class ReceiverKind : std::uint8_t { log, webhook, alertmanager, slack };

[[nodiscard]] std::string_view name_of(ReceiverKind kind);
[[nodiscard]] std::optional<ReceiverKind> parse_receiver_kind(std::string_view name);

// Who is told.
struct Receiver {
  std::string name;
  ReceiverKind kind = ReceiverKind::log;
  // Where to POST. Of an Alertmanager its address alone: http://host:9093. The path of a Slack URL
  // is its password.
  Secret url = {};
  Secret key = {};                  // signs a webhook's messages; empty: not signed
  Severity least = Severity::info;  // what is less grave is not told
};

// "2026-01-31T12:00:00.000Z".
[[nodiscard]] std::string rfc3339(Timestamp at);

// The alerts of a notice that a receiver is told of, in the form that it reads; empty where it is
// told of none. Pure.
[[nodiscard]] std::string message_for(const Receiver& receiver, const Notice& notice);

// One line for people: "firing: critical connections_exhausted on h1: 95 % of the ...".
[[nodiscard]] std::string notice_line(const Notice& notice);

// What a webhook gets. `id` names the message: who gets it twice can tell.
//
//   {"version": 1, "id": "...", "status": "firing", "at": "...", "alerts": [{"id", "rule",
//    "severity", "node", "database", "labels", "value", "summary", "why", "mend", "since",
//    "fired_at", "resolved_at", "resolved_because"}]}
[[nodiscard]] std::string webhook_body(const Notice& notice);

// For POST /api/v2/alerts of Alertmanager 0.16 and later. What fires has no end: it ends by itself
// after Alertmanager's resolve_timeout unless it is repeated before.
[[nodiscard]] std::string alertmanager_body(std::span<const Alert> alerts);

// For an incoming webhook of Slack, and what takes the same.
[[nodiscard]] std::string slack_body(const Notice& notice);

// The value of X-Lyceum-Signature: "sha256=" and the hexadecimal HMAC-SHA-256 of the value of
// X-Lyceum-Timestamp, a full stop and the body. The time is part of it so that nobody can send an
// old message again.
[[nodiscard]] std::string signature(const Secret& key, std::string_view timestamp,
                                    std::string_view body);

}  // namespace lyceum::watch
