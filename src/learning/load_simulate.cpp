#include "learning/load_simulate.h"

#include <algorithm>
#include <array>
#include <boost/uuid/name_generator_sha1.hpp>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <tuple>

namespace lyceum::learning::load {
namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kHistoryDays = 365;

// Offsets without daylight saving: an hour more or less does not matter to when one reads.
struct Zone {
  std::string_view name;
  minutes offset;
};
constexpr std::array kZones{
    Zone{"Europe/Berlin", minutes(60)},     Zone{"America/New_York", minutes(-300)},
    Zone{"Asia/Kolkata", minutes(330)},     Zone{"America/Sao_Paulo", minutes(-180)},
    Zone{"Africa/Lagos", minutes(60)},      Zone{"Asia/Tokyo", minutes(540)},
    Zone{"Europe/London", minutes(0)},      Zone{"America/Los_Angeles", minutes(-480)},
    Zone{"Africa/Nairobi", minutes(180)},   Zone{"Asia/Jakarta", minutes(420)},
    Zone{"Australia/Sydney", minutes(600)}, Zone{"America/Mexico_City", minutes(-360)},
    Zone{"Asia/Kathmandu", minutes(345)},   Zone{"Europe/Warsaw", minutes(60)},
    Zone{"Pacific/Auckland", minutes(720)}, Zone{"America/St_Johns", minutes(-210)},
    Zone{"Asia/Tashkent", minutes(300)},    Zone{"UTC", minutes(0)},
};

constexpr std::array<std::string_view, 40> kAdjectives{
    "Quiet",   "Golden",  "Hidden",  "Crooked",   "Patient", "Silver",   "Borrowed", "Sleepy",
    "Hungry",  "Painted", "Broken",  "Winter",    "Curious", "Empty",    "Stubborn", "Paper",
    "Distant", "Brave",   "Copper",  "Wandering", "Foggy",   "Singing",  "Little",   "Forgotten",
    "Secret",  "Velvet",  "Honest",  "Midnight",  "Clever",  "Salty",    "Gentle",   "Thirsty",
    "Double",  "Wooden",  "Shining", "Nervous",   "Ancient", "Restless", "Scarlet",  "Last"};
constexpr std::array<std::string_view, 40> kThings{
    "Lantern",  "Ladder",    "Kettle",  "Compass", "Umbrella", "Bridge",    "Teapot", "Suitcase",
    "Orchard",  "Bicycle",   "Whistle", "Mirror",  "Blanket",  "Telescope", "Pencil", "Button",
    "Harbour",  "Staircase", "Violin",  "Window",  "Parrot",   "Letter",    "Garden", "Ticket",
    "Mountain", "Sailor",    "Baker",   "Fox",     "Tortoise", "Neighbour", "Clock",  "Market",
    "Puppet",   "River",     "Goat",    "Recipe",  "Island",   "Tower",     "Shadow", "Drum"};
constexpr std::array<std::string_view, 48> kPlaces{
    "Alderwick",        "Brindle Bay", "Cornholm",    "Dunmarrow",       "Eastlin",
    "Fennbridge",       "Gorsehill",   "Hartlow",     "Inverleck",       "Juniper End",
    "Kestrel Point",    "Lindenau",    "Marrowfield", "Nettlecombe",     "Oakhaven",
    "Pellworm",         "Quillan",     "Rookstead",   "Saltmere",        "Thistledown",
    "Umberleigh",       "Vellacott",   "Whinmoor",    "Yarrowby",        "Ashgrove",
    "Birchwater",       "Cloverley",   "Drakefoot",   "Elmsworth",       "Foxglove Row",
    "Greenhithe Cross", "Hollowell",   "Islemouth",   "Jackdaw Hill",    "Kingsferry",
    "Larkspur",         "Millrace",    "Northwater",  "Otterburn Green", "Plumstead Vale",
    "Quarry Lane",      "Ravensmoor",  "Sparrowgate", "Tidewater",       "Upper Wend",
    "Violet Hill",      "Westering",   "Zephyr Bay"};
constexpr std::array<std::string_view, 32> kFirstNames{
    "amara", "bela",  "chidi", "daria",  "emil",   "farah", "goran",  "hana",
    "ivo",   "jaya",  "kofi",  "lena",   "mateo",  "noor",  "olga",   "paulo",
    "qing",  "rosa",  "samir", "tuva",   "umar",   "vera",  "wanda",  "ximena",
    "yusuf", "zofia", "anil",  "birgit", "carlos", "duc",   "esther", "fatou"};

constexpr std::array<std::string_view, 5> kExerciseTypes{"multiple_choice", "fill_in_the_blank",
                                                         "matching", "true_false", "listening"};
constexpr std::array<std::string_view, 6> kEventTypes{
    "page_turned", "word_looked_up", "audio_played", "bookmark_set", "story_rated", "hint_shown"};

// So many days until the next review after so many successes: each about double the one before.
constexpr std::array<int, 9> kReviewDays{1, 2, 4, 8, 16, 32, 60, 120, 180};

// Splits total over shares in proportion, none above its cap. The sum of the caps is at least
// total.
std::vector<std::uint32_t> distribute(std::uint64_t total,
                                      const std::vector<std::uint64_t>& weights,
                                      const std::vector<std::uint64_t>& caps) {
  std::vector<std::uint32_t> out(weights.size(), 0);
  std::uint64_t left = total;
  // What caps hold back goes to those who have room, in proportion again; then one each.
  for (bool proportional = true; left > 0;) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] < caps[i] ? weights[i] : 0;
    proportional = proportional && sum > 0;
    std::uint64_t given = 0;
    std::uint64_t due = 0;  // of the total weight: what rounding down still owes
    for (std::size_t i = 0; i < out.size() && given < left; ++i) {
      const std::uint64_t room = caps[i] - out[i];
      if (room == 0) continue;
      std::uint64_t part = 1;
      if (proportional) {
        due += weights[i] * left;
        part = due / sum;
        due %= sum;
      }
      part = std::min({part, room, left - given});
      out[i] += static_cast<std::uint32_t>(part);
      given += part;
    }
    left -= given;
    if (given == 0) proportional = false;
  }
  return out;
}

// Numbers already taken, of few out of many: a small hash table instead of one flag a number.
class Chosen {
 public:
  explicit Chosen(std::uint64_t most) {
    std::size_t size = 16;
    while (size < most * 2) size *= 2;
    slots_.assign(size, kEmpty);
  }
  // The number itself, or the next one that is free, below `end`.
  std::uint64_t take(std::uint64_t number, std::uint64_t end) {
    while (!insert(number)) number = number + 1 == end ? 0 : number + 1;
    return number;
  }

 private:
  static constexpr auto kEmpty = std::numeric_limits<std::uint64_t>::max();
  bool insert(std::uint64_t number) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = mix(number) & mask;; at = (at + 1) & mask) {
      if (slots_[at] == number) return false;
      if (slots_[at] != kEmpty) continue;
      slots_[at] = number;
      return true;
    }
  }
  std::vector<std::uint64_t> slots_;
};

// Minutes after midnight: evenings mostly, then days, late evenings, and a few nights.
minutes time_of_day(Draws& draws) {
  const auto kind = draws.below(100);
  if (kind < 60) return minutes(17 * 60 + draws.below(135) + draws.below(136));
  if (kind < 85) return minutes(7 * 60 + draws.below(600));
  if (kind < 97) return minutes(21 * 60 + 30 + draws.below(150));
  return minutes(draws.below(420));
}

// Difficulties of stories come in quarters, which binary fractions hold exactly: sums and averages
// then do not depend on the order of the rows.
double quarter_in(Cefr level, double difficulty, std::int64_t steps) {
  const double moved = std::clamp(std::round(difficulty * 4) / 4 + static_cast<double>(steps) / 4,
                                  0.0, kMaxDifficulty);
  if (level_of(moved) == level) return moved;
  return std::clamp(moved, difficulty_of(level) - 0.25, difficulty_of(level) + 0.25);
}

Error refuse(std::string message) {
  return {.code = ErrorCode::kBadInput,
          .message = std::move(message),
          .hint = "change the scale of the simulation"};
}

template <std::size_t N>
std::string_view pick(const std::array<std::string_view, N>& from, std::uint64_t number) {
  return from[number % N];
}

}  // namespace

Uuid vocabulary_id(const Word& word) {
  static constexpr Uuid kNamespace{{0x5b, 0x1e, 0x7c, 0x0a, 0x93, 0x44, 0x4d, 0x2f, 0x8a, 0x61,
                                    0x6e, 0x0d, 0x35, 0xc8, 0xf2, 0x17}};
  return boost::uuids::name_generator_sha1(kNamespace)(word.part_of_speech + '\n' + word.word);
}

Scale Scale::demo(double factor) {
  factor = std::clamp(factor, 1e-9, 10'000.0);
  const auto times = [factor](std::uint64_t count) {
    return static_cast<std::uint64_t>(
        std::max(1.0, std::round(static_cast<double>(count) * factor)));
  };
  Scale out;
  for (auto* count :
       {&out.tenants, &out.learners, &out.stories, &out.progress, &out.vocabulary_progress,
        &out.sessions, &out.events, &out.exercises, &out.attempts}) {
    *count = times(*count);
  }
  return out;
}

std::uint64_t Scale::rows() const {
  return tenants + learners + stories + progress + vocabulary_progress + sessions + events +
         exercises + attempts;
}

int School::Learner::active_days() const {
  return std::max(1, std::min(kHistoryDays, joined) - lapsed);
}

Result<School> School::make(std::uint64_t seed, const Scale& scale, std::vector<StoryText> texts,
                            std::vector<Word> words, Timestamp as_of) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 32U;
  for (const auto count :
       {scale.learners, scale.stories, scale.progress, scale.sessions, scale.events,
        scale.exercises, scale.attempts, scale.vocabulary_progress}) {
    if (count >= kMost) return refuse(fmt::format("{} rows of one kind are too many", count));
  }
  if (texts.empty()) return refuse("there is no story to make libraries from");
  if (scale.tenants == 0) return refuse("a simulation needs a tenant");
  if (scale.learners < scale.tenants || scale.stories < scale.tenants) {
    return refuse(
        fmt::format("{} tenants need as many learners and stories, and there are {} and {}",
                    scale.tenants, scale.learners, scale.stories));
  }
  if (scale.attempts > 0 && scale.exercises == 0) return refuse("attempts need exercises");

  School out;
  out.seed_ = seed;
  out.scale_ = scale;
  out.scale_.vocabulary = words.size();
  out.as_of_ = as_of;
  std::sort(texts.begin(), texts.end(), [](const StoryText& left, const StoryText& right) {
    return std::tie(left.level, left.difficulty, left.source) <
           std::tie(right.level, right.difficulty, right.source);
  });
  std::sort(words.begin(), words.end(), [](const Word& left, const Word& right) {
    return std::tie(left.difficulty, left.word, left.part_of_speech) <
           std::tie(right.difficulty, right.word, right.part_of_speech);
  });
  out.texts_ = std::move(texts);
  out.words_ = std::move(words);
  out.word_ids_.reserve(out.words_.size());
  for (const auto& word : out.words_) out.word_ids_.push_back(vocabulary_id(word));

  // Sizes of tenants fall like 1/(n+2), those of their libraries more gently; everybody has one.
  const auto split = [&scale](std::uint64_t total, std::uint64_t shift) {
    std::vector<std::uint64_t> weights, caps(scale.tenants, total);
    for (std::uint64_t i = 0; i < scale.tenants; ++i)
      weights.push_back(1'000'000'000 / (i + shift));
    const auto parts = distribute(total - scale.tenants, weights, caps);
    std::vector<std::uint64_t> first{0};
    for (const auto part : parts) first.push_back(first.back() + part + 1);
    return first;
  };
  out.first_learner_ = split(scale.learners, 2);
  out.first_story_ = split(scale.stories, 6);

  std::vector<std::uint64_t> weights(scale.learners);
  std::vector<std::uint64_t> caps(scale.learners);
  const auto spread = [&](std::uint64_t total, Stream stream, auto cap_of_tenant,
                          std::string_view what) -> Result<std::vector<std::uint32_t>> {
    std::uint64_t room = 0;
    for (std::uint64_t tenant = 0; tenant < scale.tenants; ++tenant) {
      const auto cap = cap_of_tenant(tenant);
      const auto range = out.learners_of(tenant);
      for (auto number = range.first; number < range.last; ++number) {
        // Who reads much need not be who reviews much.
        const auto taste =
            8 + mix(seed ^ mix(number * 16 + static_cast<std::uint64_t>(stream))) % 16;
        weights[number] = cap > 0 ? out.learner(number).weight * taste : 0;
        caps[number] = cap;
        room += cap;
      }
    }
    if (room < total) {
      return refuse(
          fmt::format("{} rows of {} do not fit: at most {} pairs exist", total, what, room));
    }
    return distribute(total, weights, caps);
  };
  const auto any = [&](std::uint64_t total) { return [total](std::uint64_t) { return total; }; };
  const auto fill = [](std::vector<std::uint32_t>& into,
                       Result<std::vector<std::uint32_t>> from) -> std::optional<Error> {
    if (!from) return from.error();
    into = std::move(*from);
    return std::nullopt;
  };
  const auto library = [&](std::uint64_t tenant) { return out.stories_of(tenant).size(); };
  if (auto e =
          fill(out.progress_, spread(scale.progress, Stream::kProgress, library, "progress"))) {
    return *e;
  }
  if (auto e = fill(out.vocabulary_progress_,
                    spread(scale.vocabulary_progress, Stream::kVocabularyProgress,
                           any(out.words_.size()), "vocabulary progress"))) {
    return *e;
  }
  if (auto e = fill(out.sessions_,
                    spread(scale.sessions, Stream::kSession, any(scale.sessions), "sessions"))) {
    return *e;
  }
  if (auto e =
          fill(out.events_, spread(scale.events, Stream::kEvent, any(scale.events), "events"))) {
    return *e;
  }
  const auto tries = [&](std::uint64_t tenant) {
    return out.exercises_of(tenant).size() > 0 ? scale.attempts : 0;
  };
  if (auto e = fill(out.attempts_, spread(scale.attempts, Stream::kAttempt, tries, "attempts"))) {
    return *e;
  }
  return out;
}

// ── who and where ──────────────────────────────────────────────────────────────────────────────

School::Range School::learners_of(std::uint64_t tenant) const {
  return {first_learner_[tenant], first_learner_[tenant + 1]};
}

School::Range School::stories_of(std::uint64_t tenant) const {
  return {first_story_[tenant], first_story_[tenant + 1]};
}

// Exercise e belongs to story floor(e · stories / exercises): the tenant's are a range too.
std::uint64_t School::story_of_exercise(std::uint64_t exercise) const {
  return exercise * scale_.stories / scale_.exercises;
}

School::Range School::exercises_of(std::uint64_t tenant) const {
  const auto first_from = [this](std::uint64_t story) {
    return (story * scale_.exercises + scale_.stories - 1) / scale_.stories;
  };
  const auto stories = stories_of(tenant);
  return {first_from(stories.first), first_from(stories.last)};
}

std::uint64_t School::tenant_of_learner(std::uint64_t number) const {
  const auto after = std::upper_bound(first_learner_.begin(), first_learner_.end(), number);
  return static_cast<std::uint64_t>(after - first_learner_.begin()) - 1;
}

std::uint64_t School::tenant_of_story(std::uint64_t number) const {
  const auto after = std::upper_bound(first_story_.begin(), first_story_.end(), number);
  return static_cast<std::uint64_t>(after - first_story_.begin()) - 1;
}

Uuid School::id_of(Stream stream, std::uint64_t number) const {
  return Draws(seed_, stream, number).uuid();
}

School::Learner School::learner(std::uint64_t number) const {
  const auto tenant = tenant_of_learner(number);
  Draws draws(seed_, Stream::kUser, number);
  Learner out;
  out.tenant_id = id_of(Stream::kTenant, tenant);
  out.id = draws.uuid();
  out.zone = draws.chance(800) ? tenant % kZones.size() : draws.below(kZones.size());
  out.joined = 5 + static_cast<int>(draws.low_below(1100));
  // Three in ten have stopped coming.
  const auto away = draws.chance(300) ? 20 + draws.below(180) : draws.low_below(7);
  out.lapsed = std::min(static_cast<int>(away), std::min(kHistoryDays, out.joined) - 1);
  out.ability = static_cast<std::uint32_t>(draws.below(500) + draws.below(500));
  // 64/n for n uniform in 1 … 64: half of all rows are made by a tenth of the learners.
  const auto diligence = 64 * 16 / (1 + draws.below(64));
  out.weight = static_cast<std::uint32_t>(
      1 + diligence * static_cast<std::uint64_t>(out.active_days()) / kHistoryDays);
  return out;
}

// ── when ───────────────────────────────────────────────────────────────────────────────────────

Timestamp School::bounded(Timestamp time, Timestamp earliest) const {
  return std::max(std::min(time, as_of_), std::min(earliest, as_of_));
}

// A moment of the learner's day, so many days before today's; one that is still to come moves to
// the day before.
Timestamp School::moment(Draws& draws, const Learner& learner, int days_ago) const {
  const auto offset = kZones[learner.zone].offset;
  const auto today = std::chrono::floor<days>(as_of_ + offset);
  Timestamp out =
      today - days(days_ago) + time_of_day(draws) + milliseconds(draws.below(60'000)) - offset;
  if (out > as_of_) out -= days(1);
  return out;
}

Timestamp School::story_created(std::uint64_t story) const {
  Draws draws(seed_, Stream::kStory, story);
  static_cast<void>(draws.uuid());
  return as_of_ - days(2 + draws.below(1200)) - milliseconds(draws.below(86'400'000));
}

// ── rows ───────────────────────────────────────────────────────────────────────────────────────

TenantRow School::tenant(std::uint64_t number) const {
  Draws draws(seed_, Stream::kTenant, number);
  TenantRow out;
  out.id = draws.uuid();
  const auto round = number / kPlaces.size();
  out.name = fmt::format("{} School{}", pick(kPlaces, number),
                         round > 0 ? fmt::format(" {}", round + 1) : "");
  out.time_zone = kZones[number % kZones.size()].name;
  out.created_at = as_of_ - days(1300 + draws.below(700)) - seconds(draws.below(86'400));
  return out;
}

UserRow School::user(std::uint64_t number) const {
  const auto who = learner(number);
  Draws draws(mix(seed_ + 1), Stream::kUser, number);
  UserRow out;
  out.tenant_id = who.tenant_id;
  out.id = who.id;
  out.email = fmt::format("{}.{}@school-{}.example", pick(kFirstNames, draws.next()), number,
                          tenant_of_learner(number) + 1);
  out.time_zone = kZones[who.zone].name;
  out.created_at = as_of_ - days(who.joined) - seconds(draws.below(86'400));
  out.is_active = who.lapsed < 90 || draws.chance(300);
  if (who.weight > 1 || draws.chance(900)) {
    out.last_login_at = bounded(moment(draws, who, who.lapsed), out.created_at);
  }
  out.updated_at = out.last_login_at.value_or(out.created_at);
  return out;
}

VocabularyRow School::word(std::uint64_t number) const {
  const auto& word = words_[number];
  return {.id = word_ids_[number],
          .word = word.word,
          .part_of_speech = word.part_of_speech,
          .definition = word.definition,
          .level = name_of(word.level),
          .difficulty_level = word.difficulty,
          .frequency = word.frequency,
          .created_at = as_of_ - days(2000)};
}

StoryRow School::story(std::uint64_t number) const {
  const auto tenant = tenant_of_story(number);
  const auto in_library = number - first_story_[tenant];
  const auto& text = texts_[in_library % texts_.size()];
  const auto variant = in_library / texts_.size();
  Draws draws(seed_, Stream::kStory, number);
  StoryRow out;
  out.tenant_id = id_of(Stream::kTenant, tenant);
  out.id = draws.uuid();
  out.created_at = story_created(number);
  draws.next(), draws.next();  // what story_created drew

  // The first of each text is the text itself; the others are told anew: another title, its pages
  // from somewhere on, then pages of a story of much the same difficulty, to about a kilobyte.
  out.title = text.title;
  if (variant == 0) {
    out.content = text.content();
  } else {
    const auto turn = (variant - 1) / 2;
    const auto shift = tenant * 7 + in_library % texts_.size();  // texts may share a title
    std::uint64_t round = 0;
    if (variant % 2 == 1) {
      out.title = fmt::format("{} and the {} {}", text.title, pick(kAdjectives, turn + shift),
                              pick(kThings, turn / kAdjectives.size() + turn + shift));
      round = turn / (kAdjectives.size() * kThings.size());
    } else {
      out.title = fmt::format("{} in {}", text.title, pick(kPlaces, turn + shift));
      round = turn / kPlaces.size();
    }
    if (round > 0) out.title += fmt::format(", Part {}", round + 1);

    const auto near = static_cast<std::int64_t>(in_library % texts_.size()) + draws.between(-4, 4);
    const auto& other = texts_[static_cast<std::size_t>(
        std::clamp<std::int64_t>(near, 0, static_cast<std::int64_t>(texts_.size()) - 1))];
    const auto wanted = 700 + draws.below(700);
    out.content = fmt::format("This is how they tell it in {}, where the {} {} is known to all.",
                              pick(kPlaces, draws.next()), pick(kAdjectives, draws.next()),
                              pick(kThings, draws.next()));
    const auto add = [&](const StoryText& from, std::uint64_t first, std::uint64_t until) {
      for (std::size_t i = 0; i < from.pages.size() && out.content.size() < until; ++i) {
        out.content += "\n\n";
        out.content += from.pages[(first + i) % from.pages.size()];
      }
    };
    add(text, draws.below(text.pages.size()), wanted * 2 / 3);
    add(other, draws.below(other.pages.size()), wanted);
  }

  out.level = name_of(text.level);
  out.difficulty_score = quarter_in(text.level, text.difficulty, draws.between(-1, 1));
  const auto words = std::max<std::uint64_t>(
      1, out.content.size() * text.words / std::max<std::size_t>(1, text.content().size()));
  out.estimated_duration = reading_minutes(static_cast<std::uint32_t>(words), text.level);
  if (!draws.chance(120)) {
    out.thumbnail_url = fmt::format("/thumbnails/{:016x}.webp", draws.next());
  }
  out.view_count = static_cast<std::int64_t>(2000 / (1 + draws.below(400)) * (1 + draws.below(20)) +
                                             draws.below(30));
  out.featured = draws.chance(30);
  out.published = draws.chance(920);
  out.updated_at = bounded(out.created_at + seconds(draws.low_below(60 * 86'400)), out.created_at);
  out.author = text.author;
  out.illustrator = text.illustrator;
  out.translator = text.translator;
  out.licence = text.license;
  out.source = text.source;
  return out;
}

ExerciseRow School::exercise(std::uint64_t number) const {
  const auto story_number = story_of_exercise(number);
  const auto tenant = tenant_of_story(story_number);
  const auto& text = texts_[(story_number - first_story_[tenant]) % texts_.size()];
  Draws draws(seed_, Stream::kExercise, number);
  ExerciseRow out;
  out.tenant_id = id_of(Stream::kTenant, tenant);
  out.id = draws.uuid();
  out.story_id = id_of(Stream::kStory, story_number);
  out.exercise_type = pick(kExerciseTypes, draws.next());
  out.difficulty_level = quarter_in(text.level, text.difficulty, draws.between(-1, 1));
  const auto page = draws.below(text.pages.size());
  out.question = fmt::format("Page {} of \"{}\": what does it say about the {}?", page + 1,
                             text.title, text.title.substr(text.title.find_last_of(' ') + 1));
  out.answer = fmt::format("{}", pick(kThings, draws.next()));
  out.created_at = bounded(story_created(story_number) + seconds(draws.below(30 * 86'400)),
                           story_created(story_number));
  return out;
}

void School::progress(std::uint64_t number, std::vector<ProgressRow>& out) const {
  const auto count = progress_[number];
  if (count == 0) return;
  const auto who = learner(number);
  const auto joined = user(number).created_at;
  const auto library = stories_of(tenant_of_learner(number));
  const auto texts = std::min<std::uint64_t>(texts_.size(), library.size());
  const auto variants = (library.size() + texts - 1) / texts;
  Draws draws(seed_, Stream::kProgress, number);
  Chosen chosen(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    // A text of about the learner's level, a fifth of the library up or down; among its versions
    // the first ones are the popular ones.
    const auto centre = static_cast<std::int64_t>(who.ability * texts / 1000);
    const auto reach = static_cast<std::int64_t>(texts / 5 + 1);
    const auto near = centre + draws.between(-reach, reach);
    const auto text = std::clamp<std::int64_t>(near, 0, static_cast<std::int64_t>(texts) - 1);
    const auto wanted = draws.low_below(variants) * texts + static_cast<std::uint64_t>(text);
    const auto story = library.first + chosen.take(wanted % library.size(), library.size());

    ProgressRow row;
    row.tenant_id = who.tenant_id;
    row.user_id = who.id;
    row.story_id = id_of(Stream::kStory, story);
    row.completion_percentage =
        draws.chance(450) ? 100 : static_cast<std::int32_t>(draws.below(100));
    row.time_spent = (row.completion_percentage + 5) * draws.between(3, 12);
    const auto span = static_cast<std::uint64_t>(who.active_days());
    const auto begun = static_cast<int>(draws.below(span));
    const auto last = static_cast<int>(draws.low_below(static_cast<std::uint64_t>(begun) + 1));
    row.created_at =
        bounded(moment(draws, who, who.lapsed + begun), std::max(joined, story_created(story)));
    row.last_accessed = bounded(moment(draws, who, who.lapsed + begun - last), row.created_at);
    row.updated_at = row.last_accessed;
    out.push_back(row);
  }
}

void School::vocabulary_progress(std::uint64_t number,
                                 std::vector<VocabularyProgressRow>& out) const {
  const std::uint64_t count = vocabulary_progress_[number];
  if (count == 0) return;
  const auto who = learner(number);
  const auto joined = user(number).created_at;
  const auto total = words_.size();
  // Easy words first: those up to the learner's ability, and denser towards it.
  const auto reach = std::min<std::uint64_t>(
      total, std::max<std::uint64_t>(total * (who.ability + 50) / 1000, count * 2));
  Draws draws(seed_, Stream::kVocabularyProgress, number);
  Chosen chosen(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto word = chosen.take(reach - 1 - draws.low_below(reach), total);
    VocabularyProgressRow row;
    row.tenant_id = who.tenant_id;
    row.user_id = who.id;
    row.vocabulary_id = word_ids_[word];
    const auto met = static_cast<int>(draws.below(static_cast<std::uint64_t>(who.active_days())));
    row.created_at = bounded(moment(draws, who, who.lapsed + met), joined);
    row.updated_at = row.created_at;
    if (!draws.chance(60)) {
      row.review_count = 1 + static_cast<std::int32_t>(draws.low_below(12));
      // Mastery in 64ths: exact in binary.
      const auto mastery =
          std::clamp<std::int64_t>(row.review_count * 6 + draws.between(-10, 14), 0, 64);
      row.mastery_level = static_cast<double>(mastery) / 64;
      const auto since = static_cast<int>(draws.low_below(static_cast<std::uint64_t>(met) + 1));
      row.last_reviewed = bounded(moment(draws, who, who.lapsed + since), row.created_at);
      row.updated_at = *row.last_reviewed;
      const auto day = std::chrono::floor<days>(*row.last_reviewed + kZones[who.zone].offset);
      row.next_review_date = day + days(kReviewDays[static_cast<std::size_t>(mastery / 8)]);
    }
    out.push_back(row);
  }
}

void School::sessions(std::uint64_t number, std::vector<SessionRow>& out) const {
  const std::uint64_t count = sessions_[number];
  if (count == 0) return;
  const auto who = learner(number);
  const auto joined = user(number).created_at;
  const auto window = static_cast<std::uint64_t>(who.active_days());
  Draws draws(seed_, Stream::kSession, number);
  // Streaks of days with gaps between them, from the last visit back, such that they fill the
  // window; past its end the days are gone through again, as second sessions of a day.
  const auto streak_most = 2 + draws.below(12);
  const auto free_days = window > count ? window - count : 0;
  const auto gap_mean = free_days * (streak_most + 1) / (2 * count) + 1;
  std::uint64_t day = 0;
  std::uint64_t left_of_streak = 1 + draws.below(streak_most);
  for (std::uint64_t i = 0; i < count; ++i) {
    SessionRow row;
    row.tenant_id = who.tenant_id;
    row.user_id = who.id;
    row.id = draws.uuid();
    row.duration_minutes = static_cast<std::int32_t>(3 + draws.low_below(30) + draws.low_below(30));
    auto start = moment(draws, who, who.lapsed + static_cast<int>(day % window));
    const auto length = minutes(row.duration_minutes) - seconds(draws.below(60));
    if (start + length > as_of_) start -= days(1);
    row.started_at = bounded(start, joined);
    if (!draws.chance(90) && row.started_at + length <= as_of_) {
      row.completed_at = row.started_at + length;
    }
    if (!row.completed_at && draws.chance(500)) row.duration_minutes = 0;
    out.push_back(row);
    ++day;
    if (--left_of_streak == 0) {
      left_of_streak = 1 + draws.below(streak_most);
      day += free_days > 0 ? 1 + draws.below(2 * gap_mean) : 0;
    }
  }
}

void School::events(std::uint64_t number, std::vector<EventRow>& out) const {
  const std::uint64_t count = events_[number];
  if (count == 0) return;
  const auto who = learner(number);
  std::vector<SessionRow> visits;
  sessions(number, visits);
  const auto joined = user(number).created_at;
  Draws draws(seed_, Stream::kEvent, number);
  for (std::uint64_t i = 0; i < count; ++i) {
    EventRow row;
    row.tenant_id = who.tenant_id;
    row.user_id = who.id;
    row.id = draws.uuid();
    if (visits.empty() || draws.chance(40)) {
      row.event_type = "signed_in";
      row.created_at = bounded(
          moment(draws, who,
                 who.lapsed +
                     static_cast<int>(draws.below(static_cast<std::uint64_t>(who.active_days())))),
          joined);
      row.payload.text = "{}";
    } else {
      const auto& visit = visits[draws.below(visits.size())];
      row.session_id = visit.id;
      row.event_type = pick(kEventTypes, draws.low_below(kEventTypes.size()));
      const auto length = static_cast<std::uint64_t>(std::max(1, visit.duration_minutes)) * 60'000;
      row.created_at = bounded(visit.started_at + milliseconds(draws.below(length)), joined);
      row.payload.text = fmt::format("{{\"page\": {}}}", 1 + draws.below(12));
    }
    out.push_back(std::move(row));
  }
}

void School::attempts(std::uint64_t number, std::vector<AttemptRow>& out) const {
  const std::uint64_t count = attempts_[number];
  if (count == 0) return;
  const auto who = learner(number);
  const auto joined = user(number).created_at;
  const auto exercises = exercises_of(tenant_of_learner(number));
  Draws draws(seed_, Stream::kAttempt, number);
  for (std::uint64_t i = 0; i < count; ++i) {
    AttemptRow row;
    row.tenant_id = who.tenant_id;
    row.user_id = who.id;
    row.id = draws.uuid();
    const auto exercise = exercises.first + draws.below(exercises.size());
    row.exercise_id = id_of(Stream::kExercise, exercise);
    row.is_correct = draws.chance(550 + who.ability / 3);
    const auto ago = static_cast<int>(draws.below(static_cast<std::uint64_t>(who.active_days())));
    row.created_at = bounded(moment(draws, who, who.lapsed + ago),
                             std::max(joined, story_created(story_of_exercise(exercise))));
    out.push_back(row);
  }
}

}  // namespace lyceum::learning::load
