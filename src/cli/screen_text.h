#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lyceum::cli {

// Text of others (statements, names, messages of a server) as a terminal may be given it: one line,
// in which nothing is an order to the terminal and nothing changes the direction of writing. White
// space becomes one blank; a control character, a byte that is no UTF-8 (0x9B begins an escape
// sequence to some terminals) and what is written from right to left by order become U+FFFD.
[[nodiscard]] std::string harmless(std::string_view text);

// How many columns a terminal takes for it: 2 for East Asian wide characters and emoji, 0 for
// what combines with the character before it.
[[nodiscard]] std::size_t display_width(std::string_view text);

// harmless(), and exactly so wide: cut, where it is too long, with a '~' in the last column;
// padded on the right, or on the left.
[[nodiscard]] std::string fitted(std::string_view text, std::size_t width, bool to_the_right);

// A statement's text without the passwords that it sets: "PASSWORD '***'".
[[nodiscard]] std::string without_passwords(std::string_view statement);

}  // namespace lyceum::cli
