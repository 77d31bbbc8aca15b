#include "watch/lock_tree.h"

#include <gtest/gtest.h>

namespace lyceum::watch {
namespace {

std::vector<Waiting> tree_of(std::vector<Waiting> waiting) {
  lock_tree(waiting);
  return waiting;
}

TEST(LockTree, AChain) {
  const auto tree =
      tree_of({{.pid = 3, .blocked_by = {2}}, {.pid = 1}, {.pid = 2, .blocked_by = {1}}});
  EXPECT_EQ(tree[0].depth, 2);
  EXPECT_EQ(tree[1].depth, 0);
  EXPECT_EQ(tree[2].depth, 1);
  EXPECT_EQ(tree[0].blocks, 0);
  EXPECT_EQ(tree[1].blocks, 2);
  EXPECT_EQ(tree[2].blocks, 1);
}

TEST(LockTree, AQueueIsAsDeepAsTheNearestWhoWaitsForNobody) {
  // Who stands behind another in a queue waits for the holder as well.
  const auto tree = tree_of({{.pid = 1},
                             {.pid = 2, .blocked_by = {1}},
                             {.pid = 3, .blocked_by = {1, 2}},
                             {.pid = 4, .blocked_by = {1, 2, 3}}});
  EXPECT_EQ(tree[3].depth, 1);
  EXPECT_EQ(tree[0].blocks, 3);
  EXPECT_EQ(tree[1].blocks, 2);
}

TEST(LockTree, ACircleEndsAndHasDepthOne) {
  const auto tree = tree_of({{.pid = 1, .blocked_by = {2}}, {.pid = 2, .blocked_by = {1}}});
  EXPECT_EQ(tree[0].depth, 1);
  EXPECT_EQ(tree[1].depth, 1);
  EXPECT_EQ(tree[0].blocks, 1);
}

TEST(LockTree, WhoIsNotThereWaitsForNobody) {
  const auto tree = tree_of({{.pid = 5, .blocked_by = {77}}, {.pid = 6, .blocked_by = {5}}});
  EXPECT_EQ(tree[0].depth, 1);
  EXPECT_EQ(tree[1].depth, 2);
}

TEST(LockTree, OfManyTakesNoTime) {
  std::vector<Waiting> waiting;
  for (int i = 0; i < 200; ++i) {
    Waiting one{.pid = i};
    for (int other = 0; other < i; ++other) one.blocked_by.push_back(other);
    waiting.push_back(std::move(one));
  }
  const auto since = std::chrono::steady_clock::now();
  lock_tree(waiting);
  EXPECT_LT(std::chrono::steady_clock::now() - since, std::chrono::seconds(2));
  EXPECT_EQ(waiting[0].blocks, 199);
  EXPECT_EQ(waiting[199].depth, 1);
}

}  // namespace
}  // namespace lyceum::watch
