// Frames of the history, as a damaged file holds them: a key frame, and a difference against it.
#include "watch/frame.h"

#include <algorithm>

#include "fuzz/check.h"

using namespace lyceum::watch;

namespace {

void write_again(const Picture& picture) {
  const auto frame = encode(picture.headings, picture.rows);
  fuzz::check(frame.has_value(), "a picture that was read cannot be written");
  const auto again = decode(frame->bytes);
  fuzz::check(again.has_value(), "what was written cannot be read");
  fuzz::check(again->rows.size() == picture.rows.size(), "rows are lost");
  for (std::size_t i = 0; i < picture.rows.size(); ++i) {
    for (std::size_t c = 0; c < picture.headings.size(); ++c) {
      fuzz::check(same(again->rows[i][c], picture.rows[i][c]), "a value is not the same again");
    }
  }
}

}  // namespace

// The first two bytes say where the key frame ends and the difference begins.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto text = fuzz::text_of(data + 2, size - 2);
  const auto end = std::min<std::size_t>(data[0] + 256U * data[1], text.size());
  const auto key = decode(text.substr(0, end));
  if (!key) return 0;
  write_again(*key);
  const auto next = decode(*key, text.substr(end));
  if (!next) return 0;
  write_again(*next);
  // As the history goes on.
  const auto difference = encode(*key, next->rows);
  fuzz::check(difference.has_value(), "a difference cannot be written");
  const auto again = decode(*key, difference->bytes);
  fuzz::check(again.has_value() && again->rows.size() == next->rows.size(),
              "a difference cannot be read");
  return 0;
}
