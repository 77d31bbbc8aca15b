#pragma once

#include <cstdio>
#include <cstdlib>

// What a fuzz target holds of whatever it is given. Also where NDEBUG is set, unlike assert.
inline void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}
