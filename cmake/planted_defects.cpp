// One defect of each kind that the sanitizers are there to find, on request: `planted_defects
// leak`.
#include <cstdlib>
#include <limits>
#include <string_view>
#include <thread>

namespace {

// Volatile, so that the compiler cannot see what is wrong and take it away.
volatile int one = 1;

void leak() {
  static int* volatile kept = nullptr;
  kept = new int[100];
  kept[0] = one;
  kept = nullptr;
}

void overflow() {
  int* const numbers = static_cast<int*>(std::malloc(10 * sizeof(int)));
  numbers[9 + one] = one;
  std::free(numbers);
}

void undefined() {
  volatile int sum = std::numeric_limits<int>::max();
  sum = sum + one;
}

void race() {
  int counter = 0;
  std::thread other([&counter] { counter += one; });
  counter += one;
  other.join();
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view defect = count > 1 ? arguments[1] : "";
  if (defect == "leak")
    leak();
  else if (defect == "overflow")
    overflow();
  else if (defect == "undefined")
    undefined();
  else if (defect == "race")
    race();
  else
    return 2;
}
