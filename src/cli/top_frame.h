#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/top_lists.h"
#include "watch/evaluate.h"

// What `lyceum top` shows, made of what was read: without I/O. All texts of servers pass
// harmless() on their way into a line.
namespace lyceum::cli::live {

// What there is to show.
struct Picture {
  Timestamp at{};
  std::vector<NodeReadings> nodes;
  std::optional<watch::Verdicts> verdicts;  // nothing: not read yet
};

// How it is looked at.
struct Look {
  View view = View::sessions;
  std::size_t sort = 0;
  bool paused = false;
  bool help = false;
  bool colours = false;
  bool keys = true;  // the line that says which there are
  Duration interval = std::chrono::seconds(2);
  std::size_t width = 80;
  std::size_t height = 24;  // 0: as many lines as there are
  std::size_t limit = 0;    // rows of the list at most; 0: as many as fit
};

// The lines of a screen, from above, none wider than the width or more than the height. With
// colours they hold SGR sequences (ECMA-48), and no other.
[[nodiscard]] std::vector<std::string> frame(const Picture& picture, const Look& look);

// {"at", "interval_seconds", "nodes", "totals", "verdicts", "view", "rows", "notes"}.
[[nodiscard]] boost::json::object document(const Picture& picture, const Look& look);

// What a key does, to the look alone.
enum class Act : std::uint8_t { nothing, redraw, read, quit };
// Space reads at once; + and - lengthen and shorten the interval (0.5 to 60 s).
[[nodiscard]] Act press(Look& look, const Picture& picture, char key);

}  // namespace lyceum::cli::live
