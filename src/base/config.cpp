#include "base/config.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <unistd.h>

#include "base/config_file.h"
#include "base/config_settings.h"
#include "base/duration.h"

namespace lyceum {
namespace {

using namespace std::chrono_literals;
using namespace config;

// Whether a value of the file has the form that the setting's type takes.
bool fits(const Setting& setting, ConfigFileValue::Kind kind) {
  using Kind = ConfigFileValue::Kind;
  if (holds<int>(setting) || holds<std::optional<int>>(setting)) return kind == Kind::integer;
  if (holds<bool>(setting)) return kind == Kind::boolean;
  if (holds<std::vector<ConnectionString>>(setting)) return kind == Kind::list_of_text;
  return kind == Kind::text;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view what, const std::vector<std::string>& among) {
  std::string best;
  std::size_t least = std::max<std::size_t>(2, what.size() / 3) + 1;
  for (const auto& candidate : among) {
    const auto distance = edit_distance(what, candidate);
    if (distance < least) least = distance, best = candidate;
  }
  return best.empty() ? "" : fmt::format("did you mean {}?", best);
}

// The n of "DATABASE_REPLICA_n_URL", where the name has this form. Nothing for "01": it would be a
// second name of 1.
std::optional<int> number_in(std::string_view name, std::string_view pattern) {
  const auto at = pattern.find("_n_");
  if (at == std::string_view::npos) return std::nullopt;
  const auto before = pattern.substr(0, at + 1);
  const auto after = pattern.substr(at + 2);
  if (name.size() <= before.size() + after.size() || !name.starts_with(before) ||
      !name.ends_with(after)) {
    return std::nullopt;
  }
  const auto digits = name.substr(before.size(), name.size() - before.size() - after.size());
  int number = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || number < 0 ||
      std::to_string(number) != digits) {
    return std::nullopt;
  }
  return number;
}

class Loader {
 public:
  explicit Loader(const ConfigurationSources& sources) {
    if (sources.file) read_file(*sources.file);
    read_environment(sources.environment);
    for (const auto& flag : sources.flags) read_flag(flag);
    adopt_url_parameters();
    check_shards();
    settle();
  }

  [[nodiscard]] const std::vector<Error>& problems() const { return problems_; }

  [[nodiscard]] LoadedConfiguration finish() {
    LoadedConfiguration loaded;
    for (const auto& setting : settings()) {
      const auto key = path_of(setting);
      const auto origin = origins_.find(key);
      loaded.rows.push_back({key, shown_value(setting, values_),
                             origin == origins_.end() ? "default" : origin->second.place});
    }
    loaded.values = values_;
    auto& statement_timeout = loaded.values.pool.statement_timeout;
    if (!statement_timeout) statement_timeout = loaded.values.database.socket_timeout;
    return loaded;
  }

 private:
  enum class Rank { file = 1, environment, flag };
  struct Origin {
    Rank rank = Rank::file;
    std::string place;
  };

  void problem(std::string message, std::string hint = {}) {
    Error error;
    error.code = ErrorCode::kConfiguration;
    error.message = std::move(message);
    error.hint = std::move(hint);
    problems_.push_back(std::move(error));
  }

  // Not even the value of a harmless setting is shown where it looks like a connection string that
  // went to the wrong place.
  static std::string quoted(const Setting& setting, const std::string& text) {
    const bool hide = is_secret(setting) || text.find("://") != std::string::npos ||
                      text.find("password") != std::string::npos;
    return hide ? std::string(Secret::kShown) : '"' + text.substr(0, 100) + '"';
  }

  // The guide writes its own variables as plain seconds.
  static std::optional<Duration> bare_unit_of(const Setting& setting) {
    if (setting.variable.starts_with("LYCEUM_")) return std::nullopt;
    return Duration(1s);
  }

  void bad_value(const Setting& setting, const std::string& text, const std::string& place,
                 const std::string& reason, const std::string& element = {}) {
    problem(fmt::format("{}{} = {} in {} is not valid: {}", path_of(setting), element,
                        quoted(setting, text), place,
                        reason.empty() ? "it must be " + expectation(setting) : reason));
  }

  void assign(const Setting& setting, const std::string& text, Origin origin,
              std::optional<Duration> bare_unit = std::nullopt) {
    std::string reason;
    Configuration tried = values_;
    if (!set_from_text(setting, text, bare_unit, tried, reason)) {
      bad_value(setting, text, origin.place, reason);
      return;
    }
    values_ = std::move(tried);
    origins_[path_of(setting)] = std::move(origin);
  }

  // A list replaces the list of a weaker place as a whole.
  void assign_list(const Setting& setting, const std::map<int, std::string>& texts,
                   const std::map<int, std::string>& places, Origin origin) {
    const auto* at = std::get_if<Member<std::vector<ConnectionString>>>(&setting.field);
    if (at == nullptr) return;
    Configuration tried = values_;
    (*at)(tried).clear();
    for (const auto& [number, text] : texts) {
      std::string reason;
      if (!set_from_text(setting, text, std::nullopt, tried, reason)) {
        bad_value(setting, text, places.at(number), reason, fmt::format("[{}]", number));
        return;
      }
    }
    values_ = std::move(tried);
    origins_[path_of(setting)] = std::move(origin);
    if (setting.key == "shard_urls") {
      shard_numbers_.clear();
      for (const auto& [number, text] : texts) shard_numbers_.push_back(number);
    }
  }

  void read_file(const ConfigurationSources::File& file) {
    const auto read = parse_config_file(file.name, file.text);
    if (!read) {
      problems_.push_back(read.error());
      return;
    }
    std::vector<std::string> sections;
    std::vector<std::string> keys;
    for (const auto& setting : settings()) {
      sections.push_back('[' + std::string(setting.section) + ']');
      keys.push_back(path_of(setting));
    }
    for (const auto& value : *read) {
      const auto place = fmt::format("{}:{}", file.name, value.line);
      const auto header = '[' + value.section + ']';
      const bool known_section =
          std::find(sections.begin(), sections.end(), header) != sections.end();
      if (value.key.empty()) {
        if (!known_section) {
          problem(fmt::format("unknown section {} in {}", header, place),
                  nearest(header, sections));
        }
        continue;
      }
      const auto key = value.section.empty() ? value.key : value.section + '.' + value.key;
      const auto found = std::find_if(settings().begin(), settings().end(), [&](const auto& one) {
        return one.section == value.section && one.key == value.key;
      });
      if (found == settings().end()) {
        // Its value is not shown: nobody knows whether it is a secret.
        if (known_section || value.section.empty()) {
          problem(fmt::format("unknown key {} in {}", key, place), nearest(key, keys));
        }
        continue;
      }
      if (!fits(*found, value.kind)) {
        bad_value(*found, value.texts.empty() ? "" : value.texts.front(), place, "");
      } else if (value.kind == ConfigFileValue::Kind::list_of_text) {
        std::map<int, std::string> texts;
        std::map<int, std::string> places;
        for (const auto& text : value.texts) {
          const auto number = static_cast<int>(texts.size());
          texts[number] = text;
          places[number] = place;
        }
        assign_list(*found, texts, places, {Rank::file, place});
      } else {
        assign(*found, value.texts.front(), {Rank::file, place});
      }
    }
  }

  void read_environment(const std::map<std::string, std::string>& environment) {
    std::vector<std::string> names;
    for (const auto& setting : settings()) {
      names.emplace_back(setting.variable);
      if (holds<std::vector<ConnectionString>>(setting)) {
        read_numbered_variables(setting, environment);
        continue;
      }
      const auto found = environment.find(std::string(setting.variable));
      if (found == environment.end() || found->second.empty()) continue;
      assign(setting, found->second, {Rank::environment, found->first}, bare_unit_of(setting));
    }
    for (const auto& [name, value] : environment) {
      if (!name.starts_with("LYCEUM_") || name == "LYCEUM_CONFIG") continue;
      if (name.starts_with("LYCEUM_DEMO_") || name.starts_with("LYCEUM_TEST_") ||
          name.starts_with("LYCEUM_BENCH_")) {
        continue;
      }
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      std::string hint = nearest(name, names);
      for (const auto& setting : settings()) {
        std::string by_path = "LYCEUM_" + path_of(setting);
        std::transform(by_path.begin(), by_path.end(), by_path.begin(), [](char c) {
          return c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        if (by_path == name) hint = fmt::format("use {}", setting.variable);
      }
      problem(fmt::format("unknown environment variable {}", name), std::move(hint));
    }
  }

  void read_numbered_variables(const Setting& setting,
                               const std::map<std::string, std::string>& environment) {
    const auto prefix = setting.variable.substr(0, setting.variable.find("_n_") + 1);
    std::map<int, std::string> texts;
    std::map<int, std::string> places;
    for (const auto& [name, value] : environment) {
      if (value.empty() || !name.starts_with(prefix) || !name.ends_with("_URL")) continue;
      const auto number = number_in(name, setting.variable);
      if (!number) {
        problem(fmt::format("unknown environment variable {}", name),
                fmt::format("it is {} with a number for n", setting.variable));
        continue;
      }
      texts[*number] = value;
      places[*number] = name;
    }
    if (texts.empty()) return;
    std::string all;
    for (const auto& [number, name] : places) all += (all.empty() ? "" : ", ") + name;
    assign_list(setting, texts, places, {Rank::environment, all});
  }

  void read_flag(const ConfigurationSources::Flag& flag) {
    for (const auto& setting : settings()) {
      if (path_of(setting) != flag.key) continue;
      assign(setting, flag.value, {Rank::flag, flag.name}, bare_unit_of(setting));
      return;
    }
    problem(fmt::format("{} sets {}, which is no setting", flag.name, flag.key));
  }

  void adopt_url_parameters() {
    const auto url = origins_.find("database.url");
    if (url == origins_.end() || !values_.database.url) return;
    const auto parameters = values_.database.url->pool;
    const auto adopt = [&](std::string_view key, const auto& value) {
      if (!value) return;
      const auto path = fmt::format("database.{}", key);
      const auto own = origins_.find(path);
      if (own != origins_.end() && own->second.rank >= url->second.rank) return;
      std::string text;
      if constexpr (std::is_same_v<std::decay_t<decltype(*value)>, Duration>) {
        text = format_duration(*value);
      } else {
        text = std::to_string(*value);
      }
      for (const auto& setting : settings()) {
        if (path_of(setting) != path) continue;
        assign(setting, text, {url->second.rank, "the URL in " + url->second.place});
      }
    };
    adopt("connection_limit", parameters.connection_limit);
    adopt("pool_timeout", parameters.pool_timeout);
    adopt("connect_timeout", parameters.connect_timeout);
    adopt("socket_timeout", parameters.socket_timeout);
  }

  void check_shards() {
    if (shard_numbers_.empty()) return;
    const int count = values_.database.shard_count;
    const auto counted = origins_.find("database.shard_count");
    const auto why = fmt::format("database.shard_count is {} ({})", count,
                                 counted == origins_.end() ? "default" : counted->second.place);
    for (int number = 0; number < count; ++number) {
      if (std::find(shard_numbers_.begin(), shard_numbers_.end(), number) != shard_numbers_.end()) {
        continue;
      }
      problem(fmt::format("shard {} has no URL: {}, and {} of them are given", number, why,
                          shard_numbers_.size()),
              fmt::format("set DATABASE_SHARD_{}_URL or database.shard_count", number));
    }
    for (const int number : shard_numbers_) {
      if (number < count) continue;
      problem(fmt::format("shard {} has a URL, but {} and they are counted from 0", number, why),
              "set database.shard_count");
    }
  }

  // What one setting says of another.
  void settle() {
    auto& pool = values_.pool;
    const int limit = values_.database.connection_limit;
    const auto beyond = [&](std::string_view key, int& value) {
      const auto origin = origins_.find(std::string(key));
      if (value <= limit) return;
      if (origin == origins_.end()) {
        value = limit;
        return;
      }
      problem(fmt::format("{} = {} in {} is more than database.connection_limit, which is {}", key,
                          value, origin->second.place, limit));
    };
    beyond("pool.lanes", pool.lanes);
    beyond("pool.min_idle", pool.min_idle);
    if (pool.backoff_initial > pool.backoff_max) {
      problem(fmt::format("pool.backoff_initial = {} is more than pool.backoff_max = {}",
                          format_duration(pool.backoff_initial),
                          format_duration(pool.backoff_max)));
    }
  }

  Configuration values_;
  std::map<std::string, Origin, std::less<>> origins_;  // what was set, by key
  std::vector<int> shard_numbers_;
  std::vector<Error> problems_;
};

}  // namespace

Result<LoadedConfiguration> load_configuration(const ConfigurationSources& sources) {
  Loader loader(sources);
  if (loader.problems().empty()) return loader.finish();
  Error first = loader.problems().front();
  if (const auto more = loader.problems().size() - 1; more > 0) {
    first.hint += fmt::format("{}and {} more problem{}: lyceum config check lists them",
                              first.hint.empty() ? "" : "; ", more, more == 1 ? "" : "s");
  }
  return first;
}

std::vector<Error> check_configuration(const ConfigurationSources& sources) {
  return Loader(sources).problems();
}

Result<ConfigurationSources::File> read_configuration_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || !text) {
    Error error;
    error.code = ErrorCode::kIo;
    error.message = fmt::format("cannot read the configuration file {}: {}", path,
                                errno == 0 ? "it is not a readable file" : std::strerror(errno));
    return error;
  }
  return ConfigurationSources::File{path, text.str()};
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

}  // namespace lyceum
