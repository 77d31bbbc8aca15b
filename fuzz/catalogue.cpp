// A catalogue of indexes: what is taken can be written again, and then means the same.
#include "indexes/catalogue.h"

#include <fmt/format.h>

#include "fuzz/check.h"

using namespace lyceum;
using namespace lyceum::indexes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const std::array files{EmbeddedFile{"fuzz.sql", text}};
  const auto catalogue = Catalogue::parse(files);
  if (catalogue.has_error()) return 0;
  for (const auto& index : catalogue->indexes()) {
    fuzz::check(!index.name().empty(), "an index without a name");
    fuzz::check(catalogue->find(index.name()) == &index, "an index that cannot be found");
    (void)index.place();
    (void)index.tail_on(Date(std::chrono::days(20'000)));
  }
  (void)parse_literal_date(text.substr(0, 40));
  return 0;
}
