#include "base/uuid.h"

#include <gtest/gtest.h>
#include <set>

namespace lyceum {
namespace {

TEST(Uuid, ParsesTheCanonicalFormInEitherCase) {
  const auto lower = parse_uuid("0190c0de-1234-4abc-8def-00112233aaff");
  ASSERT_TRUE(lower);
  EXPECT_EQ(to_string(*lower), "0190c0de-1234-4abc-8def-00112233aaff");
  EXPECT_EQ(lower, parse_uuid("0190C0DE-1234-4ABC-8DEF-00112233AAFF"));
}

TEST(Uuid, RefusesEverythingElse) {
  for (const char* bad :
       {"", "0190c0de", "{0190c0de-1234-4abc-8def-00112233aaff}",
        "0190c0de12344abc8def00112233aaff", "0190c0de-1234-4abc-8def-00112233aaf",
        "0190c0de-1234-4abc-8def-00112233aafff", "0190c0de-1234-4abc-8def-00112233aag0",
        "0190c0de_1234-4abc-8def-00112233aaff", "0190c0de-12-34-4abc-8def-00112233aaf"}) {
    EXPECT_FALSE(parse_uuid(bad)) << bad;
  }
}

TEST(Uuid, RandomOnesDifferAndSayTheirVersion) {
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto uuid = random_uuid();
    EXPECT_EQ(uuid.version(), Uuid::version_random_number_based);
    EXPECT_TRUE(seen.insert(uuid).second);
    EXPECT_EQ(parse_uuid(to_string(uuid)), uuid);
  }
}

}  // namespace
}  // namespace lyceum
