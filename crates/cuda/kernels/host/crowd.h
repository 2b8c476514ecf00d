// A group of several members on the host, so that code for warps can be tested without a GPU: each
// member is a fiber, and where members exchange values, each waits until all have come there.
#pragma once
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "../index/group.cuh"

template <int MEMBERS>
class CrowdScheduler {
 public:
  // Runs `work(rank)` for all members to the end.
  void run(const std::function<void(int)>& work) {
    work_ = &work;
    current() = this;
    std::vector<std::vector<char>> stacks(MEMBERS, std::vector<char>(256 * 1024));
    for (int rank = 0; rank < MEMBERS; ++rank) {
      done_[rank] = false;
      turns_[rank] = 0;
      getcontext(&members_[rank]);
      members_[rank].uc_stack.ss_sp = stacks[rank].data();
      members_[rank].uc_stack.ss_size = stacks[rank].size();
      members_[rank].uc_link = &main_;
      makecontext(&members_[rank], enter, 0);
    }
    for (bool all_done = false; !all_done;) {
      all_done = true;
      for (running_ = 0; running_ < MEMBERS; ++running_)
        if (!done_[running_]) {
          all_done = false;
          swapcontext(&main_, &members_[running_]);
        }
      for (int rank = 1; rank < MEMBERS; ++rank)
        if (done_[rank] != done_[0] || turns_[rank] != turns_[0]) {
          std::printf("members of a group took different ways\n");
          std::abort();
        }
    }
  }
  // All members' values, in order of rank.
  const uint64_t* exchange(int rank, uint64_t value) {
    uint64_t* slots = slots_[turns_[rank] % 2];
    ++turns_[rank];
    slots[rank] = value;
    swapcontext(&members_[rank], &main_);
    return slots;
  }

 private:
  static CrowdScheduler*& current() {
    static CrowdScheduler* scheduler = nullptr;
    return scheduler;
  }
  static void enter() {
    CrowdScheduler* self = current();
    const int rank = self->running_;
    (*self->work_)(rank);
    self->done_[rank] = true;
  }
  ucontext_t main_, members_[MEMBERS];
  bool done_[MEMBERS];
  int turns_[MEMBERS];
  int running_ = 0;
  uint64_t slots_[2][MEMBERS];
  const std::function<void(int)>* work_ = nullptr;
};

template <int MEMBERS>
struct Crowd {
  static constexpr int SIZE = MEMBERS;
  CrowdScheduler<MEMBERS>* scheduler;
  int member;

  int rank() const { return member; }
  const uint64_t* all(uint64_t x) const { return scheduler->exchange(member, x); }
  bool any(bool x) const {
    const uint64_t* values = all(x);
    for (int i = 0; i < SIZE; ++i)
      if (values[i]) return true;
    return false;
  }
  int before(bool x, int& total) const {
    uint64_t sum;
    const uint64_t result = sum_before(x, sum);
    total = static_cast<int>(sum);
    return static_cast<int>(result);
  }
  uint64_t sum_before(uint64_t x, uint64_t& total) const {
    const uint64_t* values = all(x);
    uint64_t result = 0;
    total = 0;
    for (int i = 0; i < SIZE; ++i) {
      if (i == member) result = total;
      total += values[i];
    }
    return result;
  }
  uint64_t sum(uint64_t x) const {
    uint64_t total;
    sum_before(x, total);
    return total;
  }
  uint32_t nearest_before(bool offers, uint32_t value, uint32_t& carried) const {
    const uint64_t* values = all(offers ? 1ull << 32 | value : 0);
    uint32_t result = carried, last = carried;
    for (int i = 0; i < SIZE; ++i) {
      if (i == member) result = last;
      if (values[i]) last = static_cast<uint32_t>(values[i]);
    }
    carried = last;
    return result;
  }
  bool first(bool offers, int value, int& result) const {
    const uint64_t* values = all(offers ? 1ull << 32 | static_cast<uint32_t>(value) : 0);
    for (int i = 0; i < SIZE; ++i)
      if (values[i]) {
        result = static_cast<int>(static_cast<uint32_t>(values[i]));
        return true;
      }
    return false;
  }
  uint32_t broadcast(uint32_t x) const { return static_cast<uint32_t>(all(x)[0]); }
};
