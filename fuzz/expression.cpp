// Rules' expressions, as users write them, over rows of every kind of value.
#include "watch/expression.h"

#include "fuzz/check.h"

using namespace lyceum;
using namespace lyceum::watch;

namespace {

struct NoPast final : Past {
  [[nodiscard]] std::span<const Stretch> of(int) const override { return {}; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  for (const auto& collector : collectors()) {
    const auto compiled = Expression::compile(text, collector);
    if (compiled.has_error()) {
      fuzz::check(!compiled.error().message.empty(), "an error says nothing");
      continue;
    }
    const Timestamp now{std::chrono::seconds(1'800'000'000)};
    for (const Value& value : {Value{}, Value{std::int64_t{-3}}, Value{0.5}, Value{Text("x")}}) {
      const Row row(collector.columns.size(), value);
      const auto once = compiled->evaluate(row, now, NoPast()),
                 again = compiled->evaluate(row, now, NoPast());
      fuzz::check(once.value == again.value, "two evaluations differ");
      if (compiled->is_condition() && once.number()) {
        fuzz::check(*once.number() == 0 || *once.number() == 1, "a condition is neither 0 nor 1");
      }
      if (const auto number = once.number()) {
        fuzz::check(*number - *number == 0, "a number is not finite");
      }
    }
    const auto twice = Expression::compile(compiled->text(), collector);
    fuzz::check(twice.has_value(), "the same text is not taken again");
  }
  return 0;
}
