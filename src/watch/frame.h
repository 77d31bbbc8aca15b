#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "watch/sample.h"

// How samples of one source are written down: like a film. A key frame holds a picture by itself, a
// difference what is new against the picture before it. What has not changed costs nothing, nor
// does a column in which most rows change by the same amount, as ages do.
//
// Every value comes back bit by bit: integers as integers, doubles with their zero's sign and their
// NaN's bits, texts with whatever bytes. Rows are matched by their keys; where several have the
// same keys, or there are no key columns, the first with the first, the second with the second, and
// so on. Rows that stay keep their place and new ones come last: a picture has the rows of its
// sample, not their order.
//
// The form of the bytes is told in frame.cpp.
namespace lyceum::watch {

// What a column was when its samples were written; a later Lyceum may have other columns.
struct Heading {
  std::string name;
  Kind kind = Kind::gauge;

  friend bool operator==(const Heading&, const Heading&) = default;
};

// A sample as a film shows it.
struct Picture {
  std::vector<Heading> headings;
  std::vector<Row> rows;  // each as long as the headings

  // Texts that lately came in this film: such a one costs two bytes when it comes again, as the
  // statements of short transactions do. For frame.cpp alone.
  std::vector<Text> texts;
  std::size_t next_text = 0;  // whose place the next one takes

  // The position of a column, or -1.
  [[nodiscard]] int position(std::string_view column) const;
};

struct Frame {
  std::string bytes;
  Picture picture;  // what these bytes give: what the next difference is made against
};

// Largest picture: what would be larger is neither written nor read.
inline constexpr std::size_t kMostColumns = 256;
inline constexpr std::size_t kMostCells = 2'000'000;
inline constexpr std::size_t kMostText = 64U << 20U;  // bytes, all texts together

// Whether two values are the same bit by bit: NaN is itself, 0.0 is not -0.0, and 1 is not 1.0.
[[nodiscard]] bool same(const Value& a, const Value& b);

// A key frame. Errors: kBadInput where a row is not as long as the headings, or all is too large.
[[nodiscard]] Result<Frame> encode(std::vector<Heading> headings, const std::vector<Row>& rows);

// A difference against `previous`, which has the same headings. Errors: as above.
[[nodiscard]] Result<Frame> encode(const Picture& previous, const std::vector<Row>& rows);

// The picture of a key frame. Error (kIo): these bytes are no such thing, whatever they are.
[[nodiscard]] Result<Picture> decode(std::string_view key_frame);

// The picture after a difference, from the one before it. Error: as above; bytes that were made
// against another picture may give a wrong one instead, but nothing worse.
[[nodiscard]] Result<Picture> decode(Picture previous, std::string_view difference);

}  // namespace lyceum::watch
