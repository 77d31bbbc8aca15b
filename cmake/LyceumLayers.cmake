# A folder is a layer: src/<layer>/*.cpp becomes lyceum_<layer>, which links to all layers declared
# before it. That layers are declared from low to high is what keeps arrows pointing down at link
# time; tests/house_test holds the same for #include.

define_property(GLOBAL PROPERTY LYCEUM_LAYERS BRIEF_DOCS "layers, low to high")

# A tiny library whose only purpose is to own a precompiled header that others reuse.
function(lyceum_precompiled_header name)
  if(TARGET ${name})
    return()
  endif()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/${name}.cpp
    CONTENT "// owns the precompiled header\n")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/generated/${name}.cpp)
  target_compile_options(${name} PRIVATE -Xclang -fno-pch-timestamp ${ARGN})
  target_link_libraries(${name} PUBLIC lyceum_options Boost::headers fmt::fmt Threads::Threads)
  target_precompile_headers(${name} PRIVATE
    <algorithm> <array> <chrono> <concepts> <cstddef> <cstdint> <deque> <functional> <map> <memory>
    <optional> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>
    <boost/asio.hpp> <boost/asio/experimental/awaitable_operators.hpp> <boost/system/result.hpp>
    <boost/uuid/uuid.hpp> <fmt/format.h>)
endfunction()

function(lyceum_use_precompiled_header target)
  lyceum_precompiled_header(lyceum_pch)
  target_compile_options(${target} PRIVATE -Xclang -fno-pch-timestamp)
  target_precompile_headers(${target} REUSE_FROM lyceum_pch)
endfunction()

# For tests: they wait for PostgreSQL more than they compute, and unoptimized code compiles in a third
# of the time. What they test is optimized as always.
function(lyceum_unoptimized target)
  set(options -O0 -U_FORTIFY_SOURCE)
  lyceum_precompiled_header(lyceum_test_pch ${options})
  target_compile_options(${target} PRIVATE -Xclang -fno-pch-timestamp ${options})
  target_precompile_headers(${target} REUSE_FROM lyceum_test_pch)
endfunction()

function(lyceum_layer name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  get_property(generated GLOBAL PROPERTY LYCEUM_GENERATED_${name})
  list(APPEND sources ${generated})
  get_property(below GLOBAL PROPERTY LYCEUM_LAYERS)
  set(target lyceum_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC
      $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src> $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}/generated>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/lyceum>)
    lyceum_use_precompiled_header(${target})
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:lyceum_options>)
    target_link_libraries(${target} PUBLIC ${below} ${arg_LINK})
    set_property(GLOBAL APPEND PROPERTY LYCEUM_LAYERS ${target})
  endif()
endfunction()

# Every file under sql/, embedded and named by its path (tools/embed_sql.cpp).
function(lyceum_embed_sql)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sql/*.sql)
  set(out ${CMAKE_BINARY_DIR}/generated)
  add_executable(embed_sql ${CMAKE_SOURCE_DIR}/tools/embed_sql.cpp)
  target_link_libraries(embed_sql PRIVATE lyceum_options)
  add_custom_command(
    OUTPUT ${out}/sql/files.cpp ${out}/sql/statements.h
    COMMAND embed_sql ${CMAKE_SOURCE_DIR}/sql ${out}/sql
    DEPENDS embed_sql ${files}
    COMMENT "Embedding sql/")
  add_library(lyceum_sql STATIC ${out}/sql/files.cpp ${out}/sql/statements.h)
  target_include_directories(lyceum_sql PUBLIC
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src> $<BUILD_INTERFACE:${out}>)
  target_link_libraries(lyceum_sql PRIVATE $<BUILD_INTERFACE:lyceum_options>)
  set_property(GLOBAL APPEND PROPERTY LYCEUM_LAYERS lyceum_sql)
endfunction()

# The one binary.
function(lyceum_program)
  if(EXISTS ${CMAKE_SOURCE_DIR}/src/main.cpp)
    get_property(layers GLOBAL PROPERTY LYCEUM_LAYERS)
    add_executable(lyceum ${CMAKE_SOURCE_DIR}/src/main.cpp)
    target_link_libraries(lyceum PRIVATE ${layers} lyceum_options)
    set_target_properties(lyceum PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
    install(TARGETS lyceum RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endfunction()

# api/openapi.json, embedded: what /openapi.json answers.
function(lyceum_openapi)
  set(source ${CMAKE_SOURCE_DIR}/api/openapi.json)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  file(READ ${source} document)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/server/openapi.cpp @ONLY CONTENT
[=[#include "server/openapi.h"

namespace lyceum::server {

std::string_view openapi_document() {
  return R"openapi(@document@)openapi";
}

}  // namespace lyceum::server
]=])
  set_property(GLOBAL APPEND PROPERTY LYCEUM_GENERATED_server
    ${CMAKE_BINARY_DIR}/generated/server/openapi.cpp)
endfunction()

# rules/default.toml, embedded: the rules that Lyceum brings.
function(lyceum_rules)
  set(source ${CMAKE_SOURCE_DIR}/rules/default.toml)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  file(READ ${source} document)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/watch/shipped_rules.cpp @ONLY CONTENT
[=[#include "watch/rule.h"

namespace lyceum::watch {

const RuleFile& shipped_rules() {
  static const RuleFile file{.name = "rules/default.toml", .text = R"rules(@document@)rules"};
  return file;
}

}  // namespace lyceum::watch
]=])
  set_property(GLOBAL APPEND PROPERTY LYCEUM_GENERATED_watch
    ${CMAKE_BINARY_DIR}/generated/watch/shipped_rules.cpp)
endfunction()

# The page of the monitor, embedded (tools/embed_web.mjs): web/, and uPlot by npm at the version that
# web/package-lock.json names. What npm writes stays in the build folder.
function(lyceum_web)
  find_program(LYCEUM_NODE NAMES node nodejs REQUIRED)
  find_program(LYCEUM_NPM NAMES npm REQUIRED)
  set(source ${CMAKE_SOURCE_DIR}/web)
  set(room ${CMAKE_BINARY_DIR}/web)
  set(out ${CMAKE_BINARY_DIR}/generated/server/web_table.cpp)
  file(MAKE_DIRECTORY ${room})
  set(wanted ${source}/package.json ${source}/package-lock.json ${source}/.npmrc)
  add_custom_command(
    OUTPUT ${room}/installed
    COMMAND ${CMAKE_COMMAND} -E copy ${wanted} ${room}
    COMMAND ${LYCEUM_NPM} ci --omit=dev --ignore-scripts --prefer-offline --no-audit --no-fund
            --no-progress --loglevel=error
    COMMAND ${CMAKE_COMMAND} -E touch ${room}/installed
    DEPENDS ${wanted}
    WORKING_DIRECTORY ${room}
    COMMENT "Installing uPlot")
  file(GLOB files CONFIGURE_DEPENDS ${source}/*.html ${source}/*.css ${source}/*.svg
    ${source}/files.mjs ${source}/modules/*.js)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${LYCEUM_NODE} ${CMAKE_SOURCE_DIR}/tools/embed_web.mjs ${room}/node_modules ${out}
    DEPENDS ${room}/installed ${files} ${CMAKE_SOURCE_DIR}/tools/embed_web.mjs
    COMMENT "Embedding web/")
  set_property(GLOBAL APPEND PROPERTY LYCEUM_GENERATED_server ${out})
endfunction()
