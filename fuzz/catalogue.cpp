// The index catalogue: SQL of a user.

#include "indexes/catalogue.h"

#include <cstdint>
#include <string>

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lyceum;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const EmbeddedFile file{.path = "fuzz.sql", .text = text};
  const auto catalogue = indexes::Catalogue::parse(std::span(&file, 1));
  if (catalogue.has_error()) return 0;
  for (const auto& index : catalogue->indexes()) {
    check(catalogue->find(index.name()) == &index, "an index is found by its name");
  }
  return 0;
}
