// Spans of a tile as entries: stretches of granules that both halves see, or only one of them, cut
// into pieces of four granules from where each stretch starts.
//
//   for each word of 32 granules, without the run:
//     of both = first half's & second half's; of one = first & ~second, second & ~first
//     for each of the three: a piece starts where a stretch does, and every four granules from
//       there
//     report (class, first granule, granules, masked)
//
// Members of a group take a word each. A piece may reach into the next word; a stretch that comes
// from the word before goes on with the piece that is open there, which is known by how many
// granules before the word belong to it, modulo 4.
#pragma once
#include "run.cuh"

enum EntryClass { OF_FIRST = 0, OF_SECOND = 1, OF_BOTH = 2, ENTRY_CLASSES = 3 };
constexpr int PIECE = HALF_ROWS / GRANULE;

struct WordClasses {
  uint32_t bits[ENTRY_CLASSES];
  ANY_SIDE bool any() const { return (bits[0] | bits[1] | bits[2]) != 0; }
};

ANY_SIDE WordClasses classes_of_word(const TileRows& tile, const Run& run, int word) {
  const uint32_t outside = ~range_bits(word, run.first, run.end);
  const uint32_t first = tile.halves[0].spans(word) & outside, second = tile.halves[1].spans(word) & outside;
  return {{first & ~second, second & ~first, first & second}};
}

// Whether an entry takes the masked path: places without a key, or keys that some row must not see.
ANY_SIDE bool is_masked(const TileRows& tile, int entry_class, int granule, int length) {
  const int first = entry_class == OF_BOTH ? tile.plain_first() : tile.halves[entry_class].rows.plain_first;
  const int end = entry_class == OF_BOTH ? tile.plain_end() : tile.halves[entry_class].rows.plain_end;
  return length < PIECE || granule < first || granule + length > end;
}

// Reports the pieces that start in one word of one class. `open`: granules that a stretch reaching
// in from the word before has behind it, modulo 4.
template <class Report>
ANY_SIDE void cut_word(const TileRows& tile, const Run& run, int word, int entry_class, uint32_t bits, int open,
                       Report report) {
  const int goes_on = open && (bits & 1) ? smaller(PIECE - open, trailing_zeros(~bits)) : 0;
  bits &= ~low_bits(goes_on);
  while (bits) {
    const int at = trailing_zeros(bits);
    int length = smaller(PIECE, trailing_zeros(~(bits >> at)));
    bits &= ~(low_bits(length) << at);
    if (at + length == 32 && length < PIECE) {
      const uint32_t next = classes_of_word(tile, run, word + 1).bits[entry_class];
      length += smaller(PIECE - length, trailing_zeros(~next));
    }
    const int granule = word * 32 + at;
    report(entry_class, granule, length, is_masked(tile, entry_class, granule, length));
  }
}

// Calls `visit(word, classes, open)` by all members at once for words with entries, each with a
// word of its own; `open` as in `cut_word`, for each class.
template <class Group, class Visit>
ANY_SIDE void visit_words(const Group& group, const TileRows& tile, const Run& run, Visit visit) {
  const int end = (tile.end_granule() + 31) / 32;
  uint32_t carried[ENTRY_CLASSES] = {0, 0, 0};
  for (int base = tile.first_granule() / 32; base < end; base += Group::SIZE) {
    if (base * 32 >= run.first && (base + Group::SIZE) * 32 <= run.end) {  // nothing but the run
      base += (run.end / 32 - base) / Group::SIZE * Group::SIZE - Group::SIZE;
      carried[0] = carried[1] = carried[2] = 0;
      continue;
    }
    const int word = base + group.rank();
    WordClasses classes{{0, 0, 0}};
    if (word < end) classes = classes_of_word(tile, run, word);
    if (!group.any(classes.any())) {
      carried[0] = carried[1] = carried[2] = 0;
      continue;
    }
    int open[ENTRY_CLASSES];
    UNROLL
    for (int c = 0; c < ENTRY_CLASSES; ++c) {
      // A word full of granules hands on what it got: 32 is a multiple of 4.
      const uint32_t bits = classes.bits[c];
      open[c] = static_cast<int>(group.nearest_before(bits != 0xffffffff, leading_zeros(~bits) % PIECE, carried[c]));
    }
    visit(word, classes, open);
  }
}
