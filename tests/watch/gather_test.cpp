// The collection as it runs, on servers that hang, restart, are promoted, or are full.

#include "watch/gather.h"

#include <fmt/format.h>

#include "cluster/traffic.h"
#include "watch/watching.h"

namespace lyceum::watch {
namespace {

// A collection that is hurried, and what it told.
struct Collection {
  explicit Collection(const std::vector<std::string>& urls, GatherOptions with = {}) {
    options = std::move(with);
    for (const auto& url : urls) options.nodes.push_back(pg::parse_target(url).value());
    options.fast = 100ms;
    options.slow = 300ms;
    options.reconnect = 200ms;
    options.limits.connect = 500ms;
    options.limits.fast = 500ms;
    options.limits.slow = 1s;
    options.limits.facts = 100ms;
    gather = std::make_unique<Gather>(loop.executor(), options, [this](Reading reading) {
      if (keep) told.push_back(std::move(reading));
    });
    gather->start();
  }
  ~Collection() {
    keep = false;
    gather->stop();
    loop.until([&] { return loop.context().stopped() || loop.context().poll() == 0; }, 10s);
  }
  Collection(const Collection&) = delete;
  Collection& operator=(const Collection&) = delete;

  // From now on, until something is told that fits.
  Reading next(const std::function<bool(const Reading&)>& fits,
               std::chrono::milliseconds limit = 30s) {
    told.clear();
    std::size_t seen = 0;
    std::optional<Reading> found;
    loop.until(
        [&] {
          for (; seen < told.size() && !found; ++seen) {
            if (fits(told[seen])) found = told[seen];
          }
          return found.has_value();
        },
        limit);
    return *found;
  }
  Reading sample(const std::string& collector, const std::string& node) {
    return next([&](const Reading& one) {
      return one.source.collector == collector && one.source.node == node && one.sample;
    });
  }
  const std::string& node(std::size_t index) const { return options.nodes[index].node; }

  Loop loop;
  GatherOptions options;
  std::vector<Reading> told;
  bool keep = true;
  std::unique_ptr<Gather> gather;
};

std::string connections_of(const std::string& url) {
  return psql_value(url,
                    "select count(*) from pg_stat_activity where application_name = 'lyceum "
                    "monitor'");
}

// The same URI for another role; the socket admits each.
std::string as_role(std::string url, const std::string& role) {
  const std::string superuser = "://postgres";
  return url.replace(url.find(superuser), superuser.size(), "://" + role);
}

TEST(GatherTest, EveryCollectorOfEveryNodeAndDatabase) {
  cluster::Servers servers(1);
  psql(servers.primary().url(), "create database other");
  psql(servers.primary().url("other"), "create table elsewhere (id int)");
  servers.wait_until_replayed();
  Collection collection(servers.urls());
  std::set<Source> seen;
  std::size_t expected = 0;
  for (const auto& collector : asked_of_servers()) {
    // Own database, postgres, other.
    expected += 2 * (collector.scope == Scope::database ? 3 : 1);
  }
  collection.loop.until([&] {
    for (const auto& one : collection.told) seen.insert(one.source);
    return seen.size() == expected;
  });
  for (const auto& one : collection.told) {
    if (one.error) ADD_FAILURE() << trouble(one);
  }
  const auto elsewhere = collection.next([&](const Reading& one) {
    return one.source.collector == "tables" && one.source.database == "other" && one.sample;
  });
  (void)row_of(elsewhere, "relname", "elsewhere");
  // One connection to a node, and one more while another database is read.
  EXPECT_LE(std::stoi(connections_of(servers.primary().url())), 3);
  // A database that is new is found, one that is gone is forgotten.
  psql(servers.primary().url(), "create database newer");
  (void)collection.next([&](const Reading& one) {
    return one.source.database == "newer" && one.source.collector == "tables" && one.sample;
  });
  const auto figures = collection.gather->figures();
  std::size_t of_wal = 0;
  for (const auto& one : figures) {
    if (one.collector != "wal") continue;
    ++of_wal;
    EXPECT_GT(one.runs, 0U);
    EXPECT_EQ(one.rows, one.runs);
    EXPECT_EQ(one.failures, 0U);
    EXPECT_GT(one.seconds, 0);
    EXPECT_EQ(one.last_error, "");
  }
  EXPECT_EQ(of_wal, 2U);
  for (const auto& one : figures) {
    if (one.collector == "io") EXPECT_EQ(one.gap, "PostgreSQL 16 or later is needed");
  }
}

TEST(GatherTest, ADatabaseThatIsDroppedIsForgotten) {
  cluster::Servers servers(0);
  psql(servers.primary().url(), "create database doomed");
  Collection collection(servers.urls());
  (void)collection.next([](const Reading& one) { return one.source.database == "doomed"; });
  psql(servers.primary().url(), "drop database doomed with (force)");
  bool forgotten = false;
  for (int i = 0; i < 50 && !forgotten; ++i) {
    (void)collection.sample("databases", collection.node(0));
    (void)collection.sample("wraparound", collection.node(0));
    (void)collection.sample("databases", collection.node(0));
    forgotten = std::none_of(collection.told.begin(), collection.told.end(),
                             [](const auto& one) { return one.source.database == "doomed"; });
  }
  EXPECT_TRUE(forgotten);
}

TEST(GatherTest, AServerThatHangsIsLeftAndHoldsUpNobody) {
  cluster::Servers servers(1);
  servers.wait_until_replayed();
  Collection collection(servers.urls());
  (void)collection.sample("wal", collection.node(0));
  (void)collection.sample("wal", collection.node(1));
  ASSERT_TRUE(servers.replica(0).pause().has_value());
  const auto hung = collection.next(
      [&](const Reading& one) { return one.source.node == collection.node(1) && one.error; });
  EXPECT_TRUE(hung.error->code == ErrorCode::kTimeout ||
              hung.error->code == ErrorCode::kConnectionLost)
      << hung.error->to_string();
  // It cannot be reached, and that is said of the node; the other goes on all the while.
  const auto lost = collection.next([&](const Reading& one) {
    return one.source.node == collection.node(1) && one.source.collector.empty() && one.error;
  });
  EXPECT_EQ(lost.error->code, ErrorCode::kTimeout);
  for (int i = 0; i < 5; ++i) (void)collection.sample("wal", collection.node(0));
  std::size_t attempts = 0;
  for (const auto& one : collection.told) attempts += one.source.node == collection.node(1);
  EXPECT_LT(attempts, 10U);
  ASSERT_TRUE(servers.replica(0).resume().has_value());
  (void)collection.sample("wal", collection.node(1));
  // Nothing has piled up there: one connection, and one to the other database while it is read.
  collection.loop.until([&] { return std::stoi(connections_of(servers.replica(0).url())) <= 2; },
                        20s);
}

TEST(GatherTest, ARestartIsANewEpoch) {
  cluster::Servers servers(0);
  Collection collection(servers.urls());
  const auto before = collection.sample("wal", collection.node(0)).sample->epoch;
  EXPECT_EQ(collection.sample("wal", collection.node(0)).sample->epoch, before);
  ASSERT_TRUE(servers.primary().restart().has_value());
  const auto after = collection.sample("wal", collection.node(0)).sample->epoch;
  EXPECT_GT(after, before);
  EXPECT_EQ(collection.sample("wal", collection.node(0)).sample->epoch, after);
}

TEST(GatherTest, ACrashIsANewEpoch) {
  cluster::Servers servers(0);
  psql(servers.primary().url(), "create table t as select generate_series(1, 1000)");
  Collection collection(servers.urls());
  const auto before = collection.sample("databases", collection.node(0)).sample->epoch;
  // One process dies and the server begins anew without having been started anew.
  const auto victim = std::stoi(psql_value(servers.primary().url(),
                                           "select pid from pg_stat_activity where backend_type = "
                                           "'background writer'"));
  ASSERT_EQ(::kill(victim, SIGKILL), 0);
  const auto after = collection.next([&](const Reading& one) {
    return one.source.collector == "databases" && one.sample && one.sample->epoch != before;
  });
  EXPECT_GT(after.sample->epoch, before);
}

TEST(GatherTest, APromotedReplicaIsReadAsAPrimary) {
  cluster::Servers servers(1);
  servers.wait_until_replayed();
  Collection collection(servers.urls());
  const auto replica = collection.sample("replica", collection.node(1));
  EXPECT_EQ(replica.sample->rows.size(), 1U);
  const auto epoch = collection.sample("wal", collection.node(1)).sample->epoch;
  ASSERT_TRUE(servers.primary().stop().has_value());
  ASSERT_TRUE(servers.replica(0).promote().has_value());
  const auto server = collection.next([&](const Reading& one) {
    return one.source.collector == "server" && one.source.node == collection.node(1) &&
           one.sample && number(one, one.sample->rows.at(0), "in_recovery") == 0;
  });
  EXPECT_EQ(collection.sample("replica", collection.node(1)).sample->rows.size(), 0U);
  EXPECT_EQ(collection.sample("wal", collection.node(1)).sample->epoch, epoch)
      << "it did not restart";
}

TEST(GatherTest, AServerWithoutRoomIsTriedAgain) {
  cluster::Servers servers(0, {{"max_connections", "8"}, {"superuser_reserved_connections", "1"}});
  const auto url = servers.primary().url();
  psql(url, "create role watcher login; grant pg_monitor to watcher");
  const auto as_watcher = as_role(url, "watcher");
  std::vector<std::unique_ptr<OpenTransaction>> others;
  for (int i = 0; i < 7; ++i) others.push_back(std::make_unique<OpenTransaction>(url, "select 1"));
  Collection collection({as_watcher});
  const auto refused = collection.next([](const Reading& one) { return one.error.has_value(); });
  EXPECT_EQ(refused.error->sqlstate, "53300");
  EXPECT_EQ(refused.source.collector, "");
  others.clear();
  (void)collection.sample("wal", collection.node(0));
}

TEST(GatherTest, AnExtensionThatComesAndGoes) {
  cluster::Servers servers(0);
  const auto url = servers.primary().url();
  psql(url, "drop extension if exists pg_stat_statements");
  Collection collection({url});
  const auto gap = [](const Reading& one) {
    return one.source.collector == "statements" && one.source.database == "lyceum" && one.gap;
  };
  const auto works = [](const Reading& one) {
    return one.source.collector == "statements" && one.source.database == "lyceum" && one.sample;
  };
  EXPECT_EQ(collection.next(gap).gap->mend, "CREATE EXTENSION pg_stat_statements;");
  psql(url, "create extension pg_stat_statements");
  EXPECT_FALSE(collection.next(works).gap.has_value());
  psql(url, "drop extension pg_stat_statements");
  (void)collection.next(gap);
}

TEST(GatherTest, ADatabaseThatMayNotBeEntered) {
  cluster::Servers servers(0);
  const auto url = servers.primary().url();
  psql(url, "create role watcher login; grant pg_monitor to watcher; create database closed");
  psql(url, "revoke connect on database closed from public");
  const auto as_watcher = as_role(url, "watcher");
  Collection collection({as_watcher});
  const auto told = collection.next(
      [](const Reading& one) { return one.source.database == "closed" && one.gap; });
  EXPECT_EQ(told.gap->mend, "GRANT CONNECT ON DATABASE \"closed\" TO \"watcher\";");
  psql(url, told.gap->mend);
  (void)collection.next([](const Reading& one) {
    return one.source.database == "closed" && one.source.collector == "tables" && one.sample;
  });
}

TEST(GatherTest, StopsInTheMiddle) {
  cluster::Servers servers(0);
  for (int turns : {0, 1, 5, 20}) {
    auto collection = std::make_unique<Collection>(servers.urls());
    for (int i = 0; i < turns; ++i) collection->loop.context().run_one_for(5ms);
    collection.reset();
  }
  EXPECT_TRUE(eventually([&] { return connections_of(servers.primary().url()) == "0"; }));
}

// ── once ────────────────────────────────────────────────────────────────────────────────────────

TEST(ReadAll, OnEveryNodeWithinTheDeadline) {
  cluster::Servers servers(2);
  servers.wait_until_replayed();
  std::vector<pg::Target> targets;
  for (const auto& url : servers.urls()) targets.push_back(pg::parse_target(url).value());
  ASSERT_TRUE(servers.replica(0).pause().has_value());
  Loop loop;
  const auto started = std::chrono::steady_clock::now();
  ReadAllOptions options{.deadline = started + 1500ms};
  const auto readings = loop.run(read_all(loop.executor(), targets, options));
  EXPECT_LT(std::chrono::steady_clock::now() - started, 4s);
  std::map<std::string, int> samples, errors;
  for (const auto& one : readings) {
    samples[one.source.node] += one.sample ? 1 : 0;
    errors[one.source.node] += one.error ? 1 : 0;
  }
  // 17 of a server without pg_stat_io and 4 of each of two databases, one without the extension.
  std::size_t of_node = 0, of_database = 0;
  for (const auto& collector : asked_of_servers()) {
    (collector.scope == Scope::node ? of_node : of_database) += 1;
  }
  const auto whole = static_cast<int>(of_node - 1 + of_database * 2 - 1);
  EXPECT_EQ(samples[targets[0].node], whole);
  EXPECT_EQ(errors[targets[0].node], 0);
  EXPECT_EQ(samples[targets[2].node], whole);
  EXPECT_EQ(samples[targets[1].node], 0);
  EXPECT_EQ(errors[targets[1].node], 1);
  ASSERT_TRUE(servers.replica(0).resume().has_value());
  EXPECT_TRUE(eventually([&] { return connections_of(servers.primary().url()) == "0"; }));
}

TEST(ReadAll, OfNothing) {
  Loop loop;
  EXPECT_TRUE(loop.run(read_all(loop.executor(), {}, {})).empty());
}

}  // namespace
}  // namespace lyceum::watch
