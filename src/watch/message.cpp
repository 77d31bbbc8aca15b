#include "watch/message.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/sha256.h"

namespace lyceum::watch {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<ReceiverKind, std::string_view>, 4> kKinds{
    {{ReceiverKind::log, "log"},
     {ReceiverKind::webhook, "webhook"},
     {ReceiverKind::alertmanager, "alertmanager"},
     {ReceiverKind::slack, "slack"}}};

json::value time_or_null(Timestamp at) {
  return at == Timestamp{} ? json::value(nullptr) : json::value(rfc3339(at));
}

std::string_view status_of(const Notice& notice) {
  return notice.firing ? "firing" : "resolved";
}

// Slack's own three characters.
std::string slack_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string clipped(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) --most;
  return text.substr(0, most) + "...";
}

}  // namespace

std::string_view name_of(ReceiverKind kind) {
  for (const auto& [one, name] : kKinds) {
    if (one == kind) return name;
  }
  return "log";
}

std::optional<ReceiverKind> parse_receiver_kind(std::string_view name) {
  for (const auto& [kind, one] : kKinds) {
    if (one == name) return kind;
  }
  return std::nullopt;
}

std::string rfc3339(Timestamp at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const auto in_day = std::chrono::duration_cast<std::chrono::milliseconds>(at - day);
  const auto ms = in_day.count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
}

std::string notice_line(const Notice& notice) {
  const auto& first = notice.alerts.front();
  std::string out =
      fmt::format("{}: {} {}", status_of(notice), name_of(first.severity), first.rule);
  if (!first.node.empty()) out += " on " + first.node;
  if (!first.database.empty()) out += " in " + first.database;
  out += ": " + first.summary;
  if (notice.alerts.size() > 1) out += fmt::format(" (and {} more)", notice.alerts.size() - 1);
  return out;
}

std::string webhook_body(const Notice& notice) {
  json::array alerts;
  std::string all = fmt::format("{} {}", status_of(notice), notice.at.time_since_epoch().count());
  for (const auto& alert : notice.alerts) {
    all += ' ' + alert.id;
    json::object labels;
    for (const auto& [name, value] : alert.labels) labels[name] = value;
    json::object one{{"id", alert.id},
                     {"rule", alert.rule},
                     {"severity", name_of(alert.severity)},
                     {"node", alert.node},
                     {"database", alert.database},
                     {"labels", std::move(labels)},
                     {"value", nullptr},
                     {"summary", alert.summary},
                     {"why", alert.why},
                     {"mend", alert.mend},
                     {"since", rfc3339(alert.since)},
                     {"fired_at", rfc3339(alert.fired_at)},
                     {"resolved_at", time_or_null(alert.resolved_at)},
                     {"resolved_because", alert.resolved_because}};
    if (alert.value) one["value"] = *alert.value;
    alerts.push_back(std::move(one));
  }
  return json::serialize(json::object{{"version", 1},
                                      {"id", hex(sha256(all)).substr(0, 32)},
                                      {"status", status_of(notice)},
                                      {"at", rfc3339(notice.at)},
                                      {"alerts", std::move(alerts)}});
}

std::string alertmanager_body(std::span<const Alert> alerts) {
  json::array out;
  for (const auto& alert : alerts) {
    json::object labels;
    // An empty label is none there, and is refused.
    for (const auto& [name, value] : alert.labels) {
      if (!value.empty()) labels[name] = value;
    }
    json::object annotations{{"summary", alert.summary}, {"description", alert.why}};
    if (!alert.mend.empty()) annotations["mend"] = alert.mend;
    json::object one{{"labels", std::move(labels)},
                     {"annotations", std::move(annotations)},
                     {"startsAt", rfc3339(alert.fired_at)},
                     {"generatorURL", "urn:lyceum:rule:" + alert.rule}};
    if (alert.state == AlertState::resolved) {
      // An end before the start, by a clock that was set back, is refused.
      one["endsAt"] = rfc3339(std::max(alert.resolved_at, alert.fired_at));
    }
    out.push_back(std::move(one));
  }
  return json::serialize(out);
}

std::string slack_body(const Notice& notice) {
  constexpr std::size_t kMostAlerts = 20, kMostText = 2800;
  json::array blocks;
  const auto section = [&](const std::string& text) {
    blocks.push_back(
        {{"type", "section"}, {"text", {{"type", "mrkdwn"}, {"text", clipped(text, kMostText)}}}});
  };
  section(fmt::format("*{}: {}*", notice.firing ? "Firing" : "Resolved",
                      slack_text(notice.alerts.front().rule)));
  for (std::size_t i = 0; i < std::min(notice.alerts.size(), kMostAlerts); ++i) {
    const auto& alert = notice.alerts[i];
    auto text = fmt::format("*{}* {}", name_of(alert.severity), slack_text(alert.summary));
    if (!alert.node.empty())
      text += fmt::format("\n{} {}", slack_text(alert.node), slack_text(alert.database));
    if (notice.firing && !alert.mend.empty()) {
      text += fmt::format("\n```{}```", slack_text(clipped(alert.mend, 1000)));
    }
    section(text);
  }
  if (notice.alerts.size() > kMostAlerts) {
    section(fmt::format("and {} more", notice.alerts.size() - kMostAlerts));
  }
  return json::serialize(
      json::object{{"text", slack_text(notice_line(notice))}, {"blocks", std::move(blocks)}});
}

std::string message_for(const Receiver& receiver, const Notice& notice) {
  Notice told{.firing = notice.firing, .at = notice.at, .alerts = {}};
  for (const auto& alert : notice.alerts) {
    if (alert.severity >= receiver.least) told.alerts.push_back(alert);
  }
  if (told.alerts.empty()) return "";
  switch (receiver.kind) {
    case ReceiverKind::log:
      return notice_line(told);
    case ReceiverKind::webhook:
      return webhook_body(told);
    case ReceiverKind::alertmanager:
      return alertmanager_body(told.alerts);
    case ReceiverKind::slack:
      return slack_body(told);
  }
  return "";
}

std::string signature(const Secret& key, std::string_view timestamp, std::string_view body) {
  std::string signed_text(timestamp);
  signed_text += '.';
  signed_text += body;
  Sha256 digest{};
  unsigned int size = 0;
  const auto* const made =
      HMAC(EVP_sha256(), key.reveal().data(), static_cast<int>(key.reveal().size()),
           reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(),
           reinterpret_cast<unsigned char*>(digest.data()), &size);
  if (made == nullptr || size != digest.size()) {
    throw Exception({.code = ErrorCode::kInternal, .message = "the crypto library has no HMAC"});
  }
  return "sha256=" + hex(digest);
}

}  // namespace lyceum::watch
