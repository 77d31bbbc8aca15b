#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "pg/connection.h"
#include "watch/collector.h"
#include "watch/epoch.h"
#include "watch/facts.h"
#include "watch/gap.h"
#include "watch/sample.h"
#include "watch/texts.h"

namespace lyceum::watch {

// What became of one run of a collector. A sample alone: all is well. A sample and a gap: a part of
// it is hidden. A gap alone: switched off, until that is mended. An error beside a sample: its
// texts could not be had, and are tried again. An error of no collector (its source says none) is
// the node's: nothing can be read of it.
struct Reading {
  Source source;
  std::optional<Sample> sample;
  std::optional<Gap> gap;
  std::optional<Error> error;
  // What it cost: from asking to the last row, with texts.
  Duration took{};
  std::int64_t rows = 0;
  std::size_t bytes = 0;
  // For the sample's epoch, which a reader does not know.
  CountedSince since;
};

// Limits that the server keeps by itself for all that is asked over a connection, should we be
// gone; and what makes an answer independent of the settings of who asks.
[[nodiscard]] boost::asio::awaitable<Result<void>> prepare_to_read(
    std::shared_ptr<pg::Connection> connection, Duration statement_limit, Duration lock_limit,
    SteadyTime deadline);

// Runs a collector once over a connection that was prepared to read. Beyond the deadline it is
// cancelled, and a connection that does not answer to that is closed. Where the server's answer
// says that the facts are no longer right they are read anew, and it is tried once more. The
// collector and what is given by pointer outlive the call. The sample's time is the clock's.
[[nodiscard]] boost::asio::awaitable<Reading> read(std::shared_ptr<pg::Connection> connection,
                                                   const Collector* collector, Source source,
                                                   Facts* facts, Texts* texts, SteadyTime deadline,
                                                   const Clock* clock);

// Whether the server's error says that a permission or an extension is missing, and what mends it;
// nothing for any other.
[[nodiscard]] std::optional<Gap> gap_of(const Error& error, std::string_view collector,
                                        const Facts& facts);

}  // namespace lyceum::watch
