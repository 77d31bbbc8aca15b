#include <base/uuid.h>
#include <iostream>

int main() {
  const auto id = lyceum::parse_uuid("0190F3C2-7B1E-7C3A-9D42-5E6F708192A3");
  if (!id) return 1;
  std::cout << lyceum::to_string(*id) << "\n";
}
