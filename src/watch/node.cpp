#include "watch/node.h"

#include "sql/statements.h"

namespace lyceum::watch {

using boost::asio::awaitable;
using Steady = std::chrono::steady_clock;

namespace {

// What the collection does must not stand among what is collected under another's name.
constexpr std::string_view kApplication = "lyceum monitor";

}  // namespace

Node::Node(boost::asio::any_io_executor executor, pg::Target target, Limits limits,
           const Clock& clock)
    : executor_(std::move(executor)),
      target_(std::move(target)),
      limits_(limits),
      clock_(&clock),
      own_(std::make_shared<Link>()) {}

bool Node::connected() const {
  return own_->connection && !own_->connection->closed();
}

awaitable<Result<void>> Node::open(std::shared_ptr<Link> link, pg::Target target,
                                   SteadyTime deadline) {
  if (link->connection && !link->connection->closed()) co_return Result<void>();
  deadline = std::min(deadline, Steady::now() + limits_.connect);
  pg::Connection::Options options{.target = std::move(target),
                                  .application_name = std::string(kApplication),
                                  .deadline = deadline};
  auto opened = co_await pg::Connection::connect(executor_, std::move(options));
  if (opened.has_error()) co_return opened.error();
  const auto connection = std::move(*opened);
  // At once, so that close() reaches it while the rest is under way.
  link->connection = connection;
  auto prepared = co_await prepare_to_read(connection, limits_.slow, limits_.lock, deadline);
  if (prepared.has_error()) {
    connection->close("it could not be prepared");
    co_return prepared.error();
  }
  auto facts = co_await read_facts(connection, deadline);
  if (facts.has_error()) {
    connection->close("it could not be prepared");
    co_return facts.error();
  }
  link->facts = std::move(*facts);
  link->facts_at = link->used = Steady::now();
  co_return Result<void>();
}

awaitable<Result<void>> Node::connect(SteadyTime deadline) {
  auto opened = co_await open(own_, target_, deadline);
  if (opened.has_error()) co_return opened.error();
  own_database_ = own_->facts.database;
  co_return Result<void>();
}

awaitable<Result<std::vector<Database>>> Node::databases(SteadyTime deadline) {
  auto opened = co_await connect(deadline);
  if (opened.has_error()) co_return opened.error();
  const auto connection = own_->connection;
  const auto rows =
      co_await connection->execute(lyceum::sql::watch::discovery, pg::kNoParams, deadline);
  if (rows.has_error()) co_return rows.error();
  std::vector<Database> out;
  const int name = rows->column("database"), allowed = rows->column("allowed");
  for (const auto row : *rows) {
    out.push_back({row.get<std::string>(name), row.get<bool>(allowed)});
  }
  co_return out;
}

std::shared_ptr<Node::Link> Node::link_to(const std::string& database) {
  if (database.empty() || database == own_database_) return own_;
  auto& link = others_[database];
  if (!link) link = std::make_shared<Link>();
  return link;
}

awaitable<Reading> Node::read(const Collector* collector, std::string database,
                              SteadyTime deadline) {
  const auto started = Steady::now();
  deadline =
      std::min(deadline, started + (collector->pace == Pace::fast ? limits_.fast : limits_.slow));
  Reading failed{.source = {std::string(collector->name), target_.node, database}};
  const auto link = link_to(database);
  auto target = target_;
  if (link != own_) target.set("dbname", database);
  auto opened = co_await open(link, std::move(target), deadline);
  if (opened.has_error()) {
    failed.error = opened.error();
    failed.took = Steady::now() - started;
    co_return failed;
  }
  if (link == own_) own_database_ = link->facts.database;
  const auto connection = link->connection;
  if (Steady::now() - link->facts_at >= limits_.facts) {
    auto facts = co_await read_facts(connection, deadline);
    if (facts.has_error()) {
      failed.error = facts.error();
      failed.took = Steady::now() - started;
      co_return failed;
    }
    link->facts = std::move(*facts);
    link->facts_at = Steady::now();
  }
  auto& texts = link->texts[std::string(collector->name)];
  auto out = co_await watch::read(connection, collector, failed.source, &link->facts, &texts,
                                  deadline, clock_);
  link->used = Steady::now();
  if (out.sample) out.sample->epoch = epochs_.next(*collector, *out.sample, out.since);
  co_return out;
}

void Node::close_unused(SteadyTime since) {
  for (const auto& [name, link] : others_) {
    if (!link->connection || link->used >= since) continue;
    link->connection->close("not needed for now");
    link->connection.reset();
  }
}

void Node::forget(const std::string& database) {
  if (database == own_database_) return;
  const auto found = others_.find(database);
  if (found == others_.end()) return;
  if (found->second->connection) found->second->connection->close("the database is gone");
  others_.erase(found);
  for (const auto& collector : collectors()) {
    epochs_.forget({std::string(collector.name), target_.node, database});
  }
}

void Node::close(std::string why) {
  if (own_->connection) own_->connection->close(why);
  own_->connection.reset();
  for (const auto& [name, link] : others_) {
    if (link->connection) link->connection->close(why);
    link->connection.reset();
  }
}

}  // namespace lyceum::watch
