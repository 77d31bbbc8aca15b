# Lines for backtraces; all that a debugger could show besides costs a fifth of the build's time.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -gline-tables-only -DNDEBUG")

# Warnings, sanitizers, linker and compiler cache: one interface target that every layer links.
add_library(lyceum_options INTERFACE)
target_compile_options(lyceum_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough -Wno-missing-designated-field-initializers -Werror
  # One code model for libraries and programs, so that all can share the precompiled header.
  -fPIC)
target_compile_definitions(lyceum_options INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_ARRAY _FORTIFY_SOURCE=2)

if(LYCEUM_SANITIZE)
  target_compile_options(lyceum_options INTERFACE
    -fsanitize=${LYCEUM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
    -U_FORTIFY_SOURCE -gline-tables-only)
  # The tests wait for PostgreSQL more than they compute, and unoptimized code compiles in a third of
  # the time. ThreadSanitizer's would be too slow for them.
  if(LYCEUM_SANITIZE MATCHES thread)
    target_compile_options(lyceum_options INTERFACE -O1)
  else()
    target_compile_options(lyceum_options INTERFACE -O0)
  endif()
  # A coroutine's frame that Asio gives to the next one looks alive to a sanitizer.
  target_compile_definitions(lyceum_options INTERFACE
    BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING
    BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
  target_link_options(lyceum_options INTERFACE -fsanitize=${LYCEUM_SANITIZE})
endif()

if(LYCEUM_FUZZ)
  # Everything is instrumented, so that one build serves the tests and the fuzzer; the targets alone
  # get libFuzzer's main().
  target_compile_options(lyceum_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(LYCEUM_LLD NAMES ld.lld-19)
if(LYCEUM_LLD)
  target_link_options(lyceum_options INTERFACE -fuse-ld=${LYCEUM_LLD})
endif()

find_program(LYCEUM_CCACHE NAMES ccache)
if(LYCEUM_CCACHE)
  set(launcher ${CMAKE_SOURCE_DIR}/cmake/compile_cached.sh ${CMAKE_SOURCE_DIR} ${LYCEUM_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

# A sanitizer that finds nothing proves nothing unless it would: each is shown a planted defect.
function(lyceum_sanitizer_tests)
  set(defects "")
  if(LYCEUM_SANITIZE MATCHES address)
    list(APPEND defects "leak|detected memory leaks" "overflow|heap-buffer-overflow")
  endif()
  if(LYCEUM_SANITIZE MATCHES undefined)
    list(APPEND defects "undefined|signed integer overflow")
  endif()
  if(LYCEUM_SANITIZE MATCHES thread)
    list(APPEND defects "race|data race")
  endif()
  if(defects)
    add_executable(planted_defects ${CMAKE_SOURCE_DIR}/cmake/planted_defects.cpp)
    target_link_libraries(planted_defects PRIVATE lyceum_options Threads::Threads)
  endif()
  foreach(defect ${defects})
    string(REGEX MATCH "^[^|]+" name ${defect})
    string(REGEX REPLACE "^[^|]+[|]" "" report ${defect})
    add_test(NAME sanitizer_finds_${name} COMMAND planted_defects ${name})
    set_tests_properties(sanitizer_finds_${name} PROPERTIES PASS_REGULAR_EXPRESSION ${report})
  endforeach()
endfunction()
