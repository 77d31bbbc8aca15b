# What `cmake --install` puts there for others: headers, static libraries, and the package that
# find_package(lyceum) reads. Warnings, the precompiled header and the linker stay at home.
include(CMakePackageConfigHelpers)

# The library for others, lyceum::lyceum: everything below cli/.
function(lyceum_library)
  get_property(layers GLOBAL PROPERTY LYCEUM_LAYERS)
  list(REMOVE_ITEM layers lyceum_cli)
  add_library(lyceum_library INTERFACE)
  add_library(lyceum::lyceum ALIAS lyceum_library)
  set_target_properties(lyceum_library PROPERTIES EXPORT_NAME lyceum)
  target_link_libraries(lyceum_library INTERFACE ${layers})
  target_compile_features(lyceum_library INTERFACE cxx_std_20)
  # Asio is compiled into both sides; these decide what its inline functions do.
  target_compile_definitions(lyceum_library INTERFACE
    BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_ARRAY)

  set(includes ${CMAKE_INSTALL_INCLUDEDIR}/lyceum)
  foreach(layer ${layers})
    string(REPLACE lyceum_ "" name ${layer})
    set_target_properties(${layer} PROPERTIES EXPORT_NAME ${name})
    if(NOT name STREQUAL "sql")
      install(DIRECTORY ${CMAKE_SOURCE_DIR}/src/${name} DESTINATION ${includes}
        FILES_MATCHING PATTERN "*.h")
    endif()
  endforeach()
  install(FILES ${CMAKE_BINARY_DIR}/generated/sql/statements.h DESTINATION ${includes}/sql)
  install(TARGETS lyceum_library ${layers} EXPORT lyceum ARCHIVE DESTINATION
    ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${includes})

  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/lyceum)
  install(EXPORT lyceum NAMESPACE lyceum:: FILE lyceum-targets.cmake DESTINATION ${package})
  configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/lyceum-config.cmake.in
    ${CMAKE_BINARY_DIR}/lyceum-config.cmake INSTALL_DESTINATION ${package})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/lyceum-config-version.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/lyceum-config.cmake
    ${CMAKE_BINARY_DIR}/lyceum-config-version.cmake DESTINATION ${package})
  install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
endfunction()

# Installs into a temporary prefix and builds and runs tests/outside against it.
function(lyceum_outside_test)
  add_test(NAME outside_program
    COMMAND ${CMAKE_SOURCE_DIR}/tests/outside/run.sh ${CMAKE_BINARY_DIR} ${CMAKE_CXX_COMPILER}
            "${LYCEUM_SANITIZE}")
  set_tests_properties(outside_program PROPERTIES TIMEOUT 300)
endfunction()

# Builds the Debian package and checks its contents and its service (tests/package).
function(lyceum_package_test)
  if(NOT LYCEUM_SANITIZE)
    add_test(NAME package COMMAND ${CMAKE_SOURCE_DIR}/tests/package/check.sh ${CMAKE_BINARY_DIR})
    set_tests_properties(package PROPERTIES TIMEOUT 120)
  endif()
endfunction()

# Runs examples/typescript against a service of its own (tests/typescript).
function(lyceum_typescript_test)
  if(NOT LYCEUM_SANITIZE)
    add_test(NAME example_typescript
      COMMAND ${CMAKE_SOURCE_DIR}/tests/typescript/run.sh $<TARGET_FILE:lyceum>)
    set_tests_properties(example_typescript PROPERTIES TIMEOUT 300)
  endif()
endfunction()

# The page in a headless browser, and its modules without one (tests/web).
function(lyceum_web_test)
  if(NOT LYCEUM_SANITIZE)
    add_test(NAME web COMMAND ${CMAKE_SOURCE_DIR}/tests/web/run.sh)
    set_tests_properties(web PROPERTIES TIMEOUT 480 PROCESSORS 2)
  endif()
endfunction()

# What deploy/ has for Prometheus and Grafana, by Prometheus' own tool (tests/deploy).
function(lyceum_deploy_test)
  if(NOT LYCEUM_SANITIZE)
    add_test(NAME deploy COMMAND ${CMAKE_SOURCE_DIR}/tests/deploy/run.sh)
    set_tests_properties(deploy PROPERTIES TIMEOUT 60)
  endif()
endfunction()
