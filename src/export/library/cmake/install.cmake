# Where others find the library: CMake's find_package(kface), and pkg-config.
install(TARGETS kface EXPORT kfaceTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/kface.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES examples/example.c DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(EXPORT kfaceTargets NAMESPACE kface:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kface)

configure_package_config_file(cmake/kfaceConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/kfaceConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kface)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/kfaceConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kfaceConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/kfaceConfigVersion.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kface)

file(RELATIVE_PATH KFACE_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/kface.pc.in ${CMAKE_CURRENT_BINARY_DIR}/kface.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kface.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
